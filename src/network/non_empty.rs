//! A set that cannot be empty, for lists whose emptiness would mean "everything".

use std::collections::BTreeSet;

/// At least one element, sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonEmpty<T>(BTreeSet<T>);

impl<T: Ord> NonEmpty<T> {
    /// The elements; `None` when there are none.
    pub fn of(elements: impl IntoIterator<Item = T>) -> Option<Self> {
        let elements: BTreeSet<T> = elements.into_iter().collect();
        (!elements.is_empty()).then_some(Self(elements))
    }

    /// In order, whatever the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
