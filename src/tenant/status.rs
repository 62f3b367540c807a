//! Pure: what a Tenant says about itself after a pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::declared::Invalid;
use super::desired::{Contract, Erasure, Plan, name_resolution};
use super::observe::TenantSnapshot;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::home;
use crate::api::jst::{GRACE_DAYS, plus_days};
use crate::api::tenant::{CapacityRow, Hardening, MachineCounts, Profile, RunStrategy, TenantPhase, TenantStatus};
use crate::cluster::applied::{Applied, Fault};
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::operator::context::Conditions;

const WALLS: &str = "default-deny and platform rules stand, and before them the ClusterNetworkPolicy that no other rule opens (as objects; packets are not measured)";

/// No fault of the Tenant's: what a cluster without these policies can do is done.
const WALLS_THAT_ADD_UP: &str = "default-deny and platform rules stand (as objects; packets are not measured); this cluster has no ClusterNetworkPolicy, so tenants are separated by NetworkPolicies alone, which whoever may write one in a namespace can open";

impl Conditions for TenantStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &TenantSnapshot, plan: &Plan, applied: &Applied) -> TenantStatus {
    match &plan.contract {
        Ok(_) if plan.erasure.is_some() => erased(snapshot, plan),
        Ok(contract) => judged(snapshot, contract, plan, applied),
        Err(invalid) => unreadable(snapshot, invalid),
    }
}

/// A spec that cannot be trusted: said, and nothing touched.
fn unreadable(snapshot: &TenantSnapshot, Invalid(faults): &Invalid) -> TenantStatus {
    let message = faults.join("; ");
    let verdicts = [
        Verdict::bad(ConditionType::Ready, Reason::Invalid, &message),
        Verdict::new(ConditionType::Stalled, Status::True, Reason::Invalid, &message),
    ];
    TenantStatus {
        observed_generation: snapshot.tenant.metadata.generation,
        phase: Some(TenantPhase::Failed),
        conditions: merged(snapshot, &verdicts),
        ..snapshot.tenant.status.clone().unwrap_or_default()
    }
}

/// Nothing is made for it: its data is being erased or is erased, or an earlier tenant's is.
fn erased(snapshot: &TenantSnapshot, plan: &Plan) -> TenantStatus {
    let previous = snapshot.tenant.status.clone().unwrap_or_default();
    let retention = snapshot.retention.as_ref().map(|retention| retention.name.clone()).unwrap_or_default();
    let (phase, ready) = match &plan.erasure {
        Some(Erasure::OfAnEarlierTenant(why)) => {
            (TenantPhase::Pending, Verdict::bad(ConditionType::Ready, Reason::EarlierTenant, why))
        }
        Some(Erasure::Done) => {
            let said = format!("the contract is over and its data is erased; Retention {retention} has the proof");
            (TenantPhase::Purged, Verdict::bad(ConditionType::Ready, Reason::Purged, said))
        }
        _ => {
            let said = format!("the contract is over and its data is being erased; Retention {retention} says how far");
            (TenantPhase::Purging, Verdict::bad(ConditionType::Ready, Reason::Purging, said))
        }
    };
    let person = phase == TenantPhase::Pending;
    let stalled = Verdict {
        type_: ConditionType::Stalled,
        status: if person { Status::True } else { Status::False },
        ..ready.clone()
    };
    TenantStatus {
        observed_generation: snapshot.tenant.metadata.generation,
        phase: Some(phase),
        vms: None,
        vms_summary: None,
        capacity: Vec::new(),
        capacity_summary: None,
        conditions: merged(snapshot, &[ready, stalled]),
        ..previous
    }
}

fn judged(snapshot: &TenantSnapshot, contract: &Contract, plan: &Plan, applied: &Applied) -> TenantStatus {
    let counts = counts(snapshot, contract, applied);
    let mut verdicts = vec![
        namespaces(plan, applied),
        in_place(
            ConditionType::QuotaEnforced,
            &[Kind::ResourceQuota, Kind::LimitRange],
            plan,
            applied,
            "the quota is as contracted",
        ),
        in_place(
            ConditionType::WallsReady,
            &[Kind::NetworkPolicy, Kind::ClusterNetworkPolicy],
            plan,
            applied,
            if snapshot.neighbours.cluster_policies { WALLS } else { WALLS_THAT_ADD_UP },
        ),
        machines(contract, &counts, applied),
        hardening(snapshot),
        retention(snapshot, applied),
        not_yet_enforced(snapshot),
    ];
    let stalled = applied.stalled();
    verdicts.push(ready(&verdicts, &stalled, applied));
    let phase = phase(snapshot, contract, &verdicts, &stalled);
    verdicts.push(stalled);
    let rows = capacity(contract);
    let name = snapshot.tenant.name_any();
    TenantStatus {
        observed_generation: snapshot.tenant.metadata.generation,
        phase: Some(phase),
        namespaces: vec![home::customer_namespace(&name), home::derived_namespace(&name)],
        vms_summary: Some(format!("{}/{}", counts.ready, counts.desired)),
        vms: Some(counts),
        capacity_summary: rows.iter().map(|row| row.percent).max().map(|percent| format!("{percent}%")),
        capacity: rows,
        contract_ends_at: contract.ends_at.map(Time),
        purge_not_before: contract.ends_at.map(|end| Time(not_before(snapshot, end))),
        conditions: merged(snapshot, &verdicts),
    }
}

fn merged(snapshot: &TenantSnapshot, verdicts: &[Verdict]) -> Vec<Condition> {
    let previous = snapshot.tenant.status.as_ref().map_or(&[][..], |status| &status.conditions);
    merge(previous, verdicts, snapshot.tenant.metadata.generation, snapshot.now)
}

fn namespaces(plan: &Plan, applied: &Applied) -> Verdict {
    let kind = ConditionType::NamespacesReady;
    let terminating =
        applied.observed.values().find(|object| matches!(object.facts, Facts::Namespace { terminating: true, .. }));
    if let Some(namespace) = terminating {
        let message = format!("{} is being deleted by somebody; it is made anew when it is gone", namespace.reference);
        return Verdict::bad(kind, Reason::NamespaceTerminating, message);
    }
    in_place(kind, &[Kind::Namespace], plan, applied, "both namespaces exist with their labels")
}

/// True when everything of these kinds that is wanted was seen as wanted.
fn in_place(type_: ConditionType, kinds: &[Kind], plan: &Plan, applied: &Applied, good: &str) -> Verdict {
    let of_kind = |reference: &Reference| kinds.contains(&reference.kind);
    if let Some(fault) = applied.faults.iter().find(|fault| of_kind(&fault.reference)) {
        return fault.verdict(type_);
    }
    let missing: Vec<String> = plan
        .desired
        .objects()
        .filter(|object| of_kind(&object.reference) && !applied.observed.contains_key(&object.reference))
        .map(|object| object.reference.to_string())
        .collect();
    if missing.is_empty() {
        Verdict::good(type_, good)
    } else {
        Verdict::bad(type_, Reason::Progressing, format!("not there yet: {}", missing.join(", ")))
    }
}

fn counts(snapshot: &TenantSnapshot, contract: &Contract, applied: &Applied) -> MachineCounts {
    let machines = &snapshot.tenant.spec.virtual_machines;
    // VMs that are withheld but exist were not part of the pass; what the watch says of them counts.
    let namespace = home::customer_namespace(&snapshot.tenant.name_any());
    let seen = |vm: &str| -> Option<&Observation> {
        let reference =
            Reference { kind: Kind::VirtualMachine, namespace: Some(namespace.clone()), name: vm.to_owned() };
        applied.observed.get(&reference).or_else(|| snapshot.observed.get(&reference))
    };
    let ready = machines.iter().filter(|machine| {
        let over = is_over(contract, snapshot);
        let halted = over || snapshot.tenant.spec.suspended || machine.run_strategy == RunStrategy::Halted;
        seen(&machine.name).is_some_and(|vm| match &vm.facts {
            Facts::VirtualMachine { ready, printable_status, .. } => *ready || halted && printable_status == "Stopped",
            _ => false,
        })
    });
    MachineCounts {
        desired: number(machines.len()),
        ready: number(ready.count()),
        withheld: number(contract.withheld.len()),
        non_compliant: number(not_strict(snapshot).len()),
    }
}

/// As the Retention says; until it has said something, what it will say unless somebody wrote more than the usual.
fn not_before(snapshot: &TenantSnapshot, end: Timestamp) -> Timestamp {
    let said = snapshot.retention.as_ref().and_then(|retention| retention.not_before);
    said.unwrap_or_else(|| plus_days(end, GRACE_DAYS))
}

/// The contract is over: VMs are off by promise.
fn is_over(contract: &Contract, snapshot: &TenantSnapshot) -> bool {
    contract.ends_at.is_some_and(|end| end <= snapshot.now)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn machines(contract: &Contract, counts: &MachineCounts, applied: &Applied) -> Verdict {
    let type_ = ConditionType::VirtualMachinesReady;
    let workload = |fault: &&Fault| matches!(fault.reference.kind, Kind::VirtualMachine | Kind::DataVolume);
    if let Some(first) = contract.withheld.first() {
        let all: Vec<String> =
            contract.withheld.iter().map(|withheld| format!("{}: {}", withheld.vm, withheld.message)).collect();
        return Verdict::bad(type_, first.reason, all.join("; "));
    }
    if let Some(fault) = applied.faults.iter().find(workload) {
        return fault.verdict(type_);
    }
    if counts.ready < counts.desired {
        let message =
            format!("{} of {} VMs are as declared; the others are starting or stopping", counts.ready, counts.desired);
        return Verdict::bad(type_, Reason::NotRunning, message);
    }
    Verdict::good(type_, format!("all {} VMs are as declared", counts.desired))
}

fn hardening(snapshot: &TenantSnapshot) -> Verdict {
    let type_ = ConditionType::VMsHardened;
    let soft = not_strict(snapshot);
    if soft.is_empty() {
        return Verdict::good(type_, "every VM has the Strict profile");
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

fn retention(snapshot: &TenantSnapshot, applied: &Applied) -> Verdict {
    let type_ = ConditionType::RetentionScheduled;
    let name = snapshot.tenant.name_any();
    match &snapshot.retention {
        Some(retention) if retention.tenant == name => {
            Verdict::good(type_, format!("Retention {} stands for this contract", retention.name))
        }
        Some(retention) => Verdict::bad(
            type_,
            Reason::RetentionMissing,
            format!(
                "Retention {} is for tenant {:?}; name another one in spec.retentionName",
                retention.name, retention.tenant
            ),
        ),
        None => match applied.faults.iter().find(|fault| fault.reference.kind == Kind::Retention) {
            Some(fault) => Verdict::bad(type_, Reason::RetentionMissing, fault.to_string()),
            None => match applied.observed.keys().find(|reference| reference.kind == Kind::Retention) {
                Some(made) => Verdict::good(type_, format!("Retention {} stands for this contract", made.name)),
                None => Verdict::bad(type_, Reason::RetentionMissing, "the Retention is not there yet"),
            },
        },
    }
}

/// What is written in the spec and has no effect in this version.
fn not_yet_enforced(snapshot: &TenantSnapshot) -> Verdict {
    let spec = &snapshot.tenant.spec;
    let mut fields: Vec<String> = [
        ("spec.authentication", spec.authentication.is_some()),
        ("spec.isolation", spec.isolation.is_some()),
        ("spec.residency.backupLocation", spec.residency.backup_location.is_some()),
        ("spec.classification.required", spec.classification.as_ref().is_some_and(|levels| levels.required)),
        ("spec.capacityAlert", spec.capacity_alert.is_some()),
        ("spec.backup", spec.backup.is_some()),
        ("spec.antivirus", spec.antivirus.is_some()),
        ("spec.administrators[].notify", spec.administrators.iter().any(|person| person.notify.is_some())),
    ]
    .into_iter()
    .filter(|(_, written)| *written)
    .map(|(field, _)| field.to_owned())
    .collect();
    for machine in &spec.virtual_machines {
        let written = [
            ("backup", machine.backup.is_some()),
            ("networks[].ip", machine.networks.iter().any(|network| network.ip.is_some())),
            (
                "hardening.exceptions",
                machine.hardening.as_ref().is_some_and(|hardening| !hardening.exceptions.is_empty()),
            ),
        ];
        let named = written.into_iter().filter(|(_, written)| *written);
        fields.extend(named.map(|(field, _)| format!("spec.virtualMachines[{}].{field}", machine.name)));
        fields.extend(name_resolution::surplus(snapshot, machine));
    }
    Verdict::without_effect(&fields)
}

fn ready(verdicts: &[Verdict], stalled: &Verdict, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Ready;
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    // Hardening exceptions and fields for later are told on their own; they do not make a running tenant unready.
    let counts =
        |verdict: &&Verdict| !matches!(verdict.type_, ConditionType::FullyEnforced | ConditionType::VMsHardened);
    if let Some(bad) = verdicts.iter().filter(counts).find(|verdict| verdict.status != Status::True) {
        return Verdict::bad(type_, bad.reason, format!("{:?}: {}", bad.type_, bad.message));
    }
    match applied.faults.first() {
        Some(fault) => fault.verdict(type_),
        None => Verdict::good(type_, "the environment is as declared"),
    }
}

fn phase(snapshot: &TenantSnapshot, contract: &Contract, verdicts: &[Verdict], stalled: &Verdict) -> TenantPhase {
    let is =
        |type_: ConditionType| verdicts.iter().any(|verdict| verdict.type_ == type_ && verdict.status == Status::True);
    if is_over(contract, snapshot) {
        let held = snapshot.retention.as_ref().is_some_and(|retention| retention.held);
        if held { TenantPhase::Held } else { TenantPhase::Grace }
    } else if stalled.status == Status::True {
        TenantPhase::Failed
    } else if !is(ConditionType::NamespacesReady) {
        TenantPhase::Pending
    } else if snapshot.tenant.spec.suspended {
        TenantPhase::Suspended
    } else if is(ConditionType::Ready) {
        TenantPhase::Active
    } else {
        TenantPhase::Provisioning
    }
}

fn capacity(contract: &Contract) -> Vec<CapacityRow> {
    let allocation = &contract.allocation;
    [
        ("instances", allocation.instances),
        ("memory", allocation.memory),
        ("storage", allocation.storage),
        ("vcpus", allocation.vcpus),
    ]
    .into_iter()
    .map(|(resource, share)| CapacityRow {
        resource: resource.into(),
        contracted: share.contracted.to_string(),
        allocated: share.taken.to_string(),
        percent: share.percent(),
    })
    .collect()
}
