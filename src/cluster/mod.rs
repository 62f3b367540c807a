//! The only module that writes to the API server: server-side apply in dependency order, prune, status.

use std::sync::{Arc, PoisonError, RwLock};

pub mod applied;
mod apply;
#[cfg(test)]
pub(crate) mod asked;
pub mod deliveries;
mod desired;
mod digest;
mod doors;
pub mod erase;
mod kinds;
mod machine;
pub mod managed;
pub mod object;
pub mod observed;
mod owner;
pub mod people;
pub mod probe;
mod prune;
pub mod scans;
pub mod sessions;
pub mod status;
pub mod trial;
pub mod write;

use std::collections::BTreeSet;

use object::Kind;
use observed::ObservedStore;
use write::Writer;

/// The write side of the cluster together with what is known of it.
#[derive(Clone)]
pub struct Cluster {
    pub observed: Arc<ObservedStore>,
    pub writer: Writer,
    /// Neighbours' kinds that are installed and listed; built-in kinds are always there.
    installed: Arc<RwLock<BTreeSet<Kind>>>,
}

impl Cluster {
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { observed: Arc::default(), writer, installed: Arc::default() }
    }

    /// May objects of this kind be made now?
    #[must_use]
    pub fn installed(&self, kind: Kind) -> bool {
        kind.neighbour_crd().is_none() || self.installed.read().unwrap_or_else(PoisonError::into_inner).contains(&kind)
    }

    /// A neighbour's kind came (and was listed whole) or went.
    pub fn set_installed(&self, kind: Kind, installed: bool) {
        let mut kinds = self.installed.write().unwrap_or_else(PoisonError::into_inner);
        if installed {
            kinds.insert(kind);
        } else {
            kinds.remove(&kind);
        }
    }
}
