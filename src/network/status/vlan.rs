//! `VLANAllocated`: whose is the VLAN id? Another tenant is never named to this one.

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant_network::Backend;
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;
use crate::network::desired::Plan;
use crate::network::observe::{NetworkSnapshot, lease_of};
use crate::network::vlan::Allocation;

/// Said by type VLAN only.
pub(super) fn allocated(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Option<Verdict> {
    let type_ = ConditionType::VLANAllocated;
    let vlan = snapshot.network.spec.vlan.as_ref()?;
    let id = format!("VLAN {} of physical network {:?}", vlan.id, vlan.physical_network);
    let fault = applied.faults.iter().find(|fault| fault.reference.kind == Kind::Lease);
    Some(match plan.vlan.as_ref()? {
        _ if fault.is_some() => fault?.verdict(type_),
        Allocation::Held if snapshot.vlan.contested => Verdict::new(
            type_,
            Status::True,
            Reason::VLANTaken,
            format!("{id} is this network's; another network of this provider asks for it, too, and does not get it"),
        ),
        Allocation::Held => Verdict::good(type_, format!("{id} is this network's")),
        Allocation::Free => Verdict::bad(type_, Reason::Progressing, format!("{id} is being taken")),
        Allocation::Taken => Verdict::bad(
            type_,
            Reason::VLANTaken,
            format!(
                "{id} is held by another network of this provider; ask the provider for another id, or wait until it is given back"
            ),
        ),
        Allocation::Quarantined(until) => Verdict::bad(
            type_,
            Reason::VLANQuarantined,
            format!("{id} was given back a short time ago and is free from {until}; it is taken then"),
        ),
    })
}

/// The Lease, once it is this network's.
pub(super) fn lease(snapshot: &NetworkSnapshot, plan: &Plan) -> Option<String> {
    lease_of(&snapshot.network).filter(|_| plan.vlan == Some(Allocation::Held)).map(|lease| lease.name)
}

/// As `spec.backend` spells it.
pub(super) fn written(backend: Backend) -> String {
    match backend {
        Backend::Auto => "Auto",
        Backend::NetworkPolicy => "NetworkPolicy",
        Backend::Ovn => "OVN",
        Backend::LinuxBridge => "LinuxBridge",
    }
    .to_owned()
}
