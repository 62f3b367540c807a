//! Pure: what a Tenant says about what its guests start with, and about their clocks.

use super::desired::Contract;
use super::guest::Guest;
use super::guest::linux::TIME_ZONE;
use super::observe::TenantSnapshot;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant::OperatingSystem;
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;

/// Has every disk the size that is declared?
pub fn disks(contract: &Contract, applied: &Applied) -> Verdict {
    let type_ = ConditionType::DisksAsDeclared;
    if let Some(fault) = applied.faults.iter().find(|fault| fault.reference.kind == Kind::PersistentVolumeClaim) {
        return fault.verdict(type_);
    }
    match contract.disks.first() {
        Some((reason, _)) => {
            let told: Vec<&str> = contract.disks.iter().map(|(_, message)| message.as_str()).collect();
            Verdict::bad(type_, *reason, told.join("; "))
        }
        None => Verdict::good(type_, "every disk that is there has the size that is declared"),
    }
}

/// Does every guest start with the floor, and with all that the customer wrote besides?
pub fn guest_floor(snapshot: &TenantSnapshot, applied: &Applied) -> Verdict {
    let type_ = ConditionType::GuestFloor;
    if let Some(fault) = applied.faults.iter().find(|fault| fault.reference.kind == Kind::Secret) {
        return fault.verdict(type_);
    }
    let guests = &snapshot.guests.by_vm;
    let refused = guests.values().filter_map(|guest| match guest {
        Guest::Refused { refusal, earlier } => Some((refusal, earlier.is_some())),
        _ => None,
    });
    let mut told: Vec<(Reason, String)> = refused
        .map(|(refusal, earlier)| {
            let kept = if earlier { "; the VM keeps what it had" } else { "" };
            (refusal.reason, format!("{}{kept}", refusal.message))
        })
        .collect();
    told.extend(guests.iter().filter_map(|(vm, guest)| {
        let record = guest.record().filter(|record| !record.overruled.is_empty())?;
        let secret = record.secret.as_deref().unwrap_or_default();
        let message = format!(
            "spec.virtualMachines[{vm}].userDataSecret: Secret {secret:?} sets {} otherwise than the floor, which holds; take that out of it",
            record.overruled.join(", ")
        );
        Some((Reason::UserDataOverruled, message))
    }));
    match told.first() {
        Some((reason, _)) => {
            let messages: Vec<&str> = told.iter().map(|(_, message)| message.as_str()).collect();
            Verdict::bad(type_, *reason, messages.join("; "))
        }
        None => Verdict::good(type_, handed(snapshot)),
    }
}

/// What guests of the declared systems start with.
fn handed(snapshot: &TenantSnapshot) -> String {
    let machines = &snapshot.tenant.spec.virtual_machines;
    let some = |os: OperatingSystem| machines.iter().any(|machine| machine.os == os);
    let ours = format!("{TIME_ZONE} and the platform's NTP servers");
    let mut told = format!("every guest is handed {ours}");
    if some(OperatingSystem::Linux) {
        let whose = if some(OperatingSystem::Windows) { " of Linux" } else { "" };
        told = format!("{told}; a guest{whose} also SSH by keys alone and the guest agent");
    }
    format!("{told} (what it makes of that is not measured)")
}

/// What is known of the guests' clocks. KubeVirt tells a guest's time zone by its subresource guestosinfo alone, together
/// with who is logged in and which file systems there are: that is the customer's to show.
pub fn clock(snapshot: &TenantSnapshot) -> Verdict {
    let type_ = ConditionType::ClockSynchronized;
    if snapshot.config.platform.ntp.is_empty() {
        let message = "the operator's config names no NTP server; write platform.ntp";
        return Verdict::bad(type_, Reason::Invalid, message);
    }
    if snapshot.tenant.spec.virtual_machines.is_empty() {
        return Verdict::good(type_, "no VM is declared");
    }
    let message = "no guest is asked for its clock: KubeVirt's objects do not tell it, and its subresource guestosinfo shows users and file systems with it, which the customer has to allow";
    Verdict::new(type_, Status::Unknown, Reason::NotMeasured, message)
}
