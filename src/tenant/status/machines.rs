//! What a Tenant says about its VMs: how many are as declared, and what keeps the others from it.

use kube::ResourceExt;

use super::{is_over, number};
use crate::api::condition::{ConditionType, Reason, Verdict};
use crate::api::home;
use crate::api::tenant::{Confidential, Hardening, Machine, MachineCounts, Profile, RunStrategy};
use crate::cluster::applied::{Applied, Fault};
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::tenant::desired::Contract;
use crate::tenant::observe::TenantSnapshot;

pub(super) fn counts(snapshot: &TenantSnapshot, contract: &Contract, applied: &Applied) -> MachineCounts {
    let machines = &snapshot.tenant.spec.virtual_machines;
    let off = snapshot.tenant.spec.suspended || is_over(contract, snapshot);
    let ready = machines.iter().filter(|machine| is_ready(snapshot, applied, machine, off));
    MachineCounts {
        desired: number(machines.len()),
        ready: number(ready.count()),
        withheld: number(contract.withheld.len()),
        non_compliant: number(not_strict(snapshot).len()),
    }
}

fn is_ready(snapshot: &TenantSnapshot, applied: &Applied, machine: &Machine, off: bool) -> bool {
    seen(snapshot, applied, &machine.name).is_some_and(|vm| match &vm.facts {
        Facts::VirtualMachine { trouble: Some(_), .. } => false,
        Facts::VirtualMachine { ready, printable_status, stopped, .. } => {
            // Only a VM that always runs is never off by its declaration.
            let may_rest = off || stopped.is_some() || machine.run_strategy != RunStrategy::Always;
            *ready || may_rest && printable_status == "Stopped"
        }
        _ => false,
    })
}

/// VMs that are withheld but exist were not part of the pass; what the watch says of them counts.
fn seen<'a>(snapshot: &'a TenantSnapshot, applied: &'a Applied, vm: &str) -> Option<&'a Observation> {
    let namespace = Some(home::customer_namespace(&snapshot.tenant.name_any()));
    let reference = Reference { kind: Kind::VirtualMachine, namespace, name: vm.to_owned() };
    applied.observed.get(&reference).or_else(|| snapshot.observed.get(&reference))
}

/// Each VM that is in trouble with what stands in its way; the others go on.
pub(super) fn verdict(
    snapshot: &TenantSnapshot,
    contract: &Contract,
    counts: &MachineCounts,
    applied: &Applied,
) -> Verdict {
    let type_ = ConditionType::VirtualMachinesReady;
    let withheld = contract.withheld.iter().map(|held| (held.reason, format!("{}: {}", held.vm, held.message)));
    let workload =
        |fault: &&Fault| matches!(fault.reference.kind, Kind::VirtualMachine | Kind::DataVolume | Kind::Secret);
    let faults = applied.faults.iter().filter(workload).map(|fault| {
        let verdict = fault.verdict(type_);
        (verdict.reason, verdict.message)
    });
    let machines = &snapshot.tenant.spec.virtual_machines;
    let troubled = machines.iter().filter_map(|machine| trouble(snapshot, applied, machine));
    let obstacles: Vec<(Reason, String)> = withheld.chain(faults).chain(troubled).collect();
    if let Some((reason, _)) = obstacles.first() {
        let told: Vec<&str> = obstacles.iter().map(|(_, message)| message.as_str()).collect();
        return Verdict::bad(type_, *reason, told.join("; "));
    }
    if counts.ready < counts.desired {
        let mut message =
            format!("{} of {} VMs are as declared; the others are starting or stopping", counts.ready, counts.desired);
        let off = snapshot.tenant.spec.suspended || is_over(contract, snapshot);
        let waits =
            |vm: &str| machines.iter().any(|machine| machine.name == vm && !is_ready(snapshot, applied, machine, off));
        let empty: Vec<&str> =
            contract.empty.iter().filter(|(vm, _)| waits(vm)).map(|(_, disk)| disk.as_str()).collect();
        if !empty.is_empty() {
            message = format!("{message}; without a volume yet: DataVolume {}", empty.join(", "));
        }
        return Verdict::bad(type_, Reason::NotRunning, message);
    }
    let by_hand: Vec<&str> = machines
        .iter()
        .map(|machine| machine.name.as_str())
        .filter(|vm| seen(snapshot, applied, vm).is_some_and(is_stopped))
        .collect();
    let good = format!("all {} VMs are as declared", counts.desired);
    Verdict::good(
        type_,
        if by_hand.is_empty() { good } else { format!("{good}; stopped by hand: {}", by_hand.join(", ")) },
    )
}

fn trouble(snapshot: &TenantSnapshot, applied: &Applied, machine: &Machine) -> Option<(Reason, String)> {
    match &seen(snapshot, applied, &machine.name)?.facts {
        Facts::VirtualMachine { trouble: Some(trouble), .. } => {
            Some((trouble.reason, format!("{}: {}", machine.name, trouble.message)))
        }
        _ => None,
    }
}

fn is_stopped(vm: &Observation) -> bool {
    matches!(vm.facts, Facts::VirtualMachine { stopped: Some(_), .. })
}

pub(super) fn hardening(snapshot: &TenantSnapshot) -> Verdict {
    let type_ = ConditionType::VMsHardened;
    let soft = not_strict(snapshot);
    if soft.is_empty() {
        let isolation = snapshot.tenant.spec.isolation.as_ref();
        let measured = isolation.is_some_and(|isolation| isolation.confidential == Confidential::SevSnp);
        let boot = if measured { ", with launch measured by SEV-SNP in the place of secure boot" } else { "" };
        return Verdict::good(type_, format!("every VM has the Strict profile{boot}"));
    }
    Verdict::bad(type_, Reason::HardeningException, format!("not Strict, or with exceptions: {}", soft.join(", ")))
}

/// VMs that are not as hard as they could be.
fn not_strict(snapshot: &TenantSnapshot) -> Vec<&str> {
    let soft = |hardening: &Hardening| hardening.profile != Profile::Strict || !hardening.exceptions.is_empty();
    let machines = snapshot.tenant.spec.virtual_machines.iter();
    machines
        .filter(|machine| machine.hardening.as_ref().is_some_and(soft))
        .map(|machine| machine.name.as_str())
        .collect()
}
