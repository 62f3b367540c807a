//! What TenantNetworks have left that are declared no more: put away in the order that opens nothing.
//!
//! A network's definition and filter carry no owner reference, since the garbage collector would take the filter away from
//! under a running VM. They stay as long as a VM is attached; then goes what VMs are attached by, then the filter, then
//! the VLAN id.

use crate::cluster::object::{Kind, LeaseWrite, Observation};
use crate::network::attachment::is_attached;
use crate::network::desired::lease;
use crate::network::vlan::is_attachment;
use crate::tenant::observe::TenantSnapshot;

/// Objects of networks that are gone and that no VM needs.
pub fn abandoned(snapshot: &TenantSnapshot) -> Vec<Observation> {
    let left = || {
        snapshot.observed.values().filter(|object| {
            let network = object.owner.strip_prefix("TenantNetwork/");
            network.is_some_and(|network| !is_attached(&snapshot.observed, network))
                && !snapshot.lasting.living.contains(&object.owner_uid)
        })
    };
    let stands_before = |policy: &Observation| {
        left().any(|object| is_attachment(object.reference.kind) && object.owner == policy.owner)
    };
    left()
        .filter(|object| match object.reference.kind {
            Kind::MultiNetworkPolicy => !stands_before(object),
            kind => is_attachment(kind),
        })
        .cloned()
        .collect()
}

/// VLAN ids of networks that are really gone.
pub fn given_back(snapshot: &TenantSnapshot) -> Vec<LeaseWrite> {
    let gone = snapshot.lasting.given_back(&snapshot.observed);
    gone.map(|seen| lease::given_back(seen, snapshot.now, false)).collect()
}
