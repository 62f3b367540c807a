//! What a purge run may do to the world: the real one is [`super::live`], another is the virtual one of the simulator
//! (`tests/simulator`). The engine knows no other way to touch anything.

use crate::api::retention::{EvidenceReference, Progress};
use crate::evidence::certificate::Certificate;

use super::look::{Look, Reserve};
use super::plan::{Inventory, Item};

/// A call without a usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// What is there is not what the call expected: look again.
    #[error("{0}")]
    Unexpected(String),
    /// It is refused and will be refused again: rights or admission.
    #[error("{0}")]
    Refused(String),
    /// No usable answer; whether it took effect is unknown.
    #[error("{0}")]
    Unanswered(String),
}

/// What became of an item of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// It does not exist any more; another object under its name is another object.
    Gone,
    There(Seen),
}

/// An item that is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub resource_version: String,
    /// Its deletion has been asked for.
    pub deleting: bool,
    /// It may be deleted now: a VM is halted and its instance gone, a volume's policy is Delete.
    pub ready: bool,
    /// What keeps it, for people: finalizers, conditions of a namespace.
    pub blockers: Vec<String>,
}

/// The world of one purge run.
#[allow(async_fn_in_trait)] // both worlds are ours, and the engine is generic over them
pub trait World {
    /// Everything that a decision needs, read live.
    async fn look(&self) -> Result<Look, Lost>;
    /// What has to be known beyond that before a purge begins.
    async fn reserve(&self) -> Result<Reserve, Lost>;
    /// Everything of the tenant, read live and whole.
    async fn inventory(&self) -> Result<Inventory, Lost>;
    /// What became of an item.
    async fn state(&self, item: &Item) -> Result<ItemState, Lost>;
    /// Makes an item ready to be deleted; no more than one write.
    async fn prepare(&self, item: &Item, seen: &Seen) -> Result<(), Lost>;
    /// Asks for the deletion of exactly this uid in exactly this version.
    async fn delete(&self, item: &Item, seen: &Seen) -> Result<(), Lost>;
    /// Writes the progress on the Retention, if it still has the resource version of this look.
    async fn record(&self, look: &Look, progress: &Progress) -> Result<(), Lost>;
    /// The stored plan.
    async fn plan(&self) -> Result<Option<String>, Lost>;
    /// Stores the plan.
    async fn store_plan(&self, text: &str) -> Result<(), Lost>;
    /// Chains, signs and stores a certificate; the same one again when it is stored already.
    async fn certify(&self, certificate: Certificate) -> Result<EvidenceReference, Lost>;
    /// Waits a moment before looking again; `false` when this run has waited long enough.
    async fn rest(&self) -> bool;
}
