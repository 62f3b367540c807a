//! Pure: what a Tenant says about itself after a pass.

mod backups;
mod capacity;
mod images;
mod machines;
mod people;
mod platform;
mod residency;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::conditions;
use super::declared::Invalid;
use super::desired::{Contract, Erasure, Plan, name_resolution};
use super::observe::TenantSnapshot;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::home;
use crate::api::jst::{GRACE_DAYS, plus_days};
use crate::api::tenant::{
    AuthenticationMode, BackupMethod, GuestScan, OperatingSystem, SnapshotScan, TenantPhase, TenantSpec, TenantStatus,
};
use crate::cluster::applied::Applied;
use crate::cluster::object::{Facts, Kind, Reference};
use crate::operator::context::Conditions;
use crate::operator::news::News;

const WALLS: &str = "default-deny and platform rules stand, and before them the ClusterNetworkPolicy that no other rule opens (as objects; packets are not measured)";

/// No fault of the Tenant's: what a cluster without these policies can do is done.
const WALLS_THAT_ADD_UP: &str = "default-deny and platform rules stand (as objects; packets are not measured); this cluster has no ClusterNetworkPolicy, so tenants are separated by NetworkPolicies alone, which whoever may write one in a namespace can open";

impl Conditions for TenantStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn news(&self, before: Option<&Self>) -> Vec<News> {
        capacity::news(self, before)
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
        backups: Vec::new(),
        residency: None,
        conditions: merged(snapshot, &[ready, stalled]),
        ..previous
    }
}

fn judged(snapshot: &TenantSnapshot, contract: &Contract, plan: &Plan, applied: &Applied) -> TenantStatus {
    let counts = machines::counts(snapshot, contract, applied);
    let tenant = &snapshot.tenant;
    let alert = tenant.spec.capacity_alert.as_ref();
    let capacity = capacity::watched(&contract.allocation, alert, tenant.status.as_ref(), snapshot.now);
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
        machines::verdict(snapshot, contract, &counts, applied),
        conditions::disks(contract, applied),
        machines::hardening(snapshot),
        platform::verdict(&snapshot.platform, &snapshot.config.storage.allowed_classes),
        conditions::guest_floor(snapshot, applied),
        images::verdict(&contract.images, applied),
        conditions::clock(snapshot),
        backups::verdict(snapshot, contract, applied),
        residency::verdict(&contract.residency),
        capacity.verdict,
        retention(snapshot, applied),
        people::bound(snapshot, plan, applied, is_over(contract, snapshot)),
        people::sign_in(snapshot),
        people::application_id(&snapshot.application_id),
        not_yet_enforced(snapshot),
    ];
    let stalled = applied.stalled();
    verdicts.push(ready(&verdicts, &stalled, applied));
    let phase = phase(snapshot, contract, &verdicts, &stalled);
    verdicts.push(stalled);
    let name = snapshot.tenant.name_any();
    TenantStatus {
        observed_generation: snapshot.tenant.metadata.generation,
        phase: Some(phase),
        namespaces: vec![home::customer_namespace(&name), home::derived_namespace(&name)],
        vms_summary: Some(format!("{}/{}", counts.ready, counts.desired)),
        vms: Some(counts),
        application_id_hash: people::shown(&snapshot.application_id),
        capacity_summary: capacity.rows.iter().map(|row| row.percent).max().map(|percent| format!("{percent}%")),
        capacity: capacity.rows,
        capacity_history: capacity.history,
        backups: backups::rows(contract, applied, snapshot.now),
        residency: residency::status(&contract.residency),
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
        (
            "spec.authentication.local",
            spec.authentication.as_ref().is_some_and(|written| written.mode == AuthenticationMode::Local),
        ),
        (
            "spec.residency.backupLocation (no backup goes there by this plan)",
            spec.residency.backup_location.is_some() && !by_velero(spec),
        ),
        ("spec.classification.required", spec.classification.as_ref().is_some_and(|levels| levels.required)),
        ("spec.capacityAlert.repeat", spec.capacity_alert.is_some()),
        ("spec.antivirus.guest", spec.antivirus.as_ref().is_some_and(|antivirus| antivirus.guest != GuestScan::None)),
        (
            "spec.antivirus.snapshotScan",
            spec.antivirus.as_ref().is_some_and(|antivirus| antivirus.snapshot_scan != SnapshotScan::Off),
        ),
        ("spec.administrators[].notify", spec.administrators.iter().any(|person| person.notify.is_some())),
    ]
    .into_iter()
    .filter(|(_, written)| *written)
    .map(|(field, _)| field.to_owned())
    .collect();
    for machine in &spec.virtual_machines {
        let written = [
            (
                "backup.method VeleroCSI",
                machine.backup.as_ref().is_some_and(|backup| backup.method == BackupMethod::VeleroCsi),
            ),
            ("sshKeySecrets", machine.os == OperatingSystem::Windows && !machine.ssh_key_secrets.is_empty()),
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

fn by_velero(spec: &TenantSpec) -> bool {
    spec.backup.as_ref().is_some_and(|plan| plan.enabled && plan.method == BackupMethod::VeleroCsi)
}

fn ready(verdicts: &[Verdict], stalled: &Verdict, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Ready;
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    // Hardening exceptions, the platform's settings (also how people sign in), fields for later, clocks, what the floor
    // overrules, a full contract, a backup that failed and an ID nobody can look for are told on their own; they do not make a running tenant unready. Where data is that nobody can
    // tell is no fault of what is declared; what is outside is.
    let bad = |verdict: &&Verdict| match verdict.type_ {
        ConditionType::FullyEnforced
        | ConditionType::VMsHardened
        | ConditionType::PlatformHardened
        | ConditionType::ClockSynchronized
        | ConditionType::CapacityWithinThreshold
        | ConditionType::SignInConfigured
        | ConditionType::ApplicationIdHashed
        | ConditionType::BackupsCurrent => false,
        ConditionType::GuestFloor => verdict.status != Status::True && verdict.reason != Reason::UserDataOverruled,
        ConditionType::ResidencyVerified => verdict.status == Status::False,
        // Whoever waits for a scan is not ready by itself; who runs since before it is.
        ConditionType::ImagesScanned => verdict.reason == Reason::ImageInfected,
        _ => verdict.status != Status::True,
    };
    if let Some(bad) = verdicts.iter().find(bad) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_infected_image_makes_a_tenant_unready_whatever_runs_and_one_that_waits_does_not_by_itself() {
        let calm = Verdict::new(ConditionType::Stalled, Status::False, Reason::AsDeclared, "");
        let of = |reason| {
            let images = Verdict::bad(ConditionType::ImagesScanned, reason, "web: left as it is");
            ready(&[images], &calm, &Applied::default())
        };
        let infected = of(Reason::ImageInfected);
        assert_eq!((infected.status, infected.reason), (Status::False, Reason::ImageInfected));
        assert!(infected.message.contains("ImagesScanned: web"), "{}", infected.message);
        for reason in [Reason::ImageNotScanned, Reason::ScanTooOld, Reason::ImageExcepted, Reason::ScannerMissing] {
            assert_eq!(of(reason).status, Status::True, "{reason:?}");
        }
    }
}
