//! What one declaration wants of the cluster, and what it lets go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::object::{DesiredObject, Observation, Owner, Reference};

/// Objects of one dependency stage; they go out in parallel.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    pub objects: Vec<DesiredObject>,
}

/// Everything one declaration wants, in dependency order: a stage starts when the one before it is observed.
#[derive(Clone, Debug)]
pub struct Desired {
    pub owner: Owner,
    pub stages: Vec<Stage>,
    /// Made when it is not there and never looked at again: from then on it belongs to people.
    pub once: Vec<DesiredObject>,
    /// A few fields on objects that another declaration made, or that it has left behind.
    pub claims: Vec<Claim>,
    /// Neither brought to a declared state now nor pruned: the declaration cannot be met, and what runs is kept.
    pub keep: BTreeSet<Reference>,
    /// Pruned, although another declaration made it: that one is gone, and nobody needs it any longer.
    pub abandoned: Vec<Observation>,
    /// VLAN ids that are taken or given back.
    pub leases: Vec<LeaseWrite>,
}

/// One write of a VLAN id's Lease, and what it expects.
#[derive(Clone, Debug)]
pub struct LeaseWrite {
    pub lease: DesiredObject,
    /// The Lease as it was seen, which has to be that one still; `None` expects that there is none.
    pub over: Option<Observation>,
}

/// A few fields that a declaration states on an object which is not its own, under [`labels::RETENTION_MANAGER`]: a hold
/// on a namespace, a halt of a VM. What the claim no longer states goes when it is written anew; everything else on the
/// object stays its owner's.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which object, by uid: a namesake is not touched.
    pub on: Observation,
    /// Labels, annotations and fields, without name and uid.
    pub fields: Value,
}

impl Desired {
    /// Nothing at all, for an owner whose spec says nothing that can be trusted: nothing is made and, since an
    /// untrusted spec is no reason to delete, everything is kept.
    #[must_use]
    pub fn nothing(owner: Owner, observed: &BTreeMap<Reference, Observation>) -> Self {
        Self {
            owner,
            stages: Vec::new(),
            once: Vec::new(),
            claims: Vec::new(),
            keep: observed.keys().cloned().collect(),
            abandoned: Vec::new(),
            leases: Vec::new(),
        }
    }

    /// These stages, and nothing besides.
    #[must_use]
    pub fn only(owner: Owner, stages: Vec<Stage>) -> Self {
        Self { stages, ..Self::nothing(owner, &BTreeMap::new()) }
    }

    /// Every object, in the order of the stages.
    pub fn objects(&self) -> impl Iterator<Item = &DesiredObject> {
        self.stages.iter().flat_map(|stage| &stage.objects).chain(&self.once)
    }
}
