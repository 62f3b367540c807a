//! What the observation of a VM tells beyond that it is there.

use std::collections::BTreeSet;

use crate::api::condition::Reason;

/// Why a VM does not run as declared, as KubeVirt tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: Reason,
    /// Bounded: it is kept for every VM that has one.
    pub message: String,
}

/// Where a VM is attached, as far as its object tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// TenantNetworks that its launcher pod is labelled with.
    pub to: BTreeSet<String>,
    /// What runs was started from an earlier declaration: it may still be attached to what that one named.
    pub outdated: bool,
}
