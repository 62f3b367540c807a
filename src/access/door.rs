//! Pure: what makes up an open door, told by its label: whatever the API server shows with it is judged, whoever made it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use crate::api::labels;
use crate::cluster::object::{Kind, Managed, Observation, Owner, Reference};

/// A Role or a RoleBinding that says it is part of a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub seen: Observation,
    /// The AccessGrant in the same namespace that it is open for.
    pub grant: String,
    /// From when on it has to be closed; `None` if that cannot be read.
    pub expires_at: Option<Timestamp>,
}

impl Door {
    /// From an object with the label; `None` without it.
    #[must_use]
    pub fn of<K: Managed>(object: &K) -> Option<Self> {
        let labels = object.meta().labels.as_ref()?;
        let annotations = object.meta().annotations.as_ref();
        let expires_at = annotations.and_then(|all| all.get(labels::EXPIRES)?.parse().ok());
        Some(Self { seen: Observation::of(object), grant: labels.get(labels::GRANT)?.clone(), expires_at })
    }

    /// Was it made by the operator for this declaration?
    #[must_use]
    pub fn made_for(&self, owner: &Owner) -> bool {
        self.seen.ours
            && self.seen.owner == format!("{:?}/{}", owner.kind, owner.name)
            && self.seen.owner_uid == owner.uid
    }
}

/// The Role and the RoleBinding of a grant. No name of ours begins so.
#[must_use]
pub fn name(grant: &str) -> String {
    format!("grant-{grant}")
}

/// The operator's own binding beside them: RBAC lets it give only what it holds there.
#[must_use]
pub fn own_name(grant: &str) -> String {
    format!("doors-{grant}")
}

/// The three objects of a grant's door, in the order in which they are closed: the staff's first.
#[must_use]
pub fn references(namespace: &str, grant: &str) -> [Reference; 3] {
    let reference = |kind: Kind, name: String| Reference { kind, namespace: Some(namespace.to_owned()), name };
    [
        reference(Kind::RoleBinding, name(grant)),
        reference(Kind::Role, name(grant)),
        reference(Kind::RoleBinding, own_name(grant)),
    ]
}

/// Everything that is to be closed, each once, the staff's part first and the operator's own last.
#[must_use]
pub fn in_order(doors: impl IntoIterator<Item = Observation>) -> Vec<Observation> {
    let mut by_place: BTreeMap<(bool, bool, Reference), Observation> = BTreeMap::new();
    for door in doors {
        let own = door.reference.name.starts_with("doors-");
        let place = (own, door.reference.kind != Kind::RoleBinding, door.reference.clone());
        by_place.insert(place, door);
    }
    by_place.into_values().collect()
}
