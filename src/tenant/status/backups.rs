//! Pure: how old the last good backup of each VM is, by its schedule (12.3.1).
//!
//! One time of the schedule without a good backup is not known to be harmless (Unknown); a second one in a row is a failure
//! (False), which people are told by an Event. A backup that is under way is waited for before it counts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::jst::in_japan;
use crate::api::tenant::{BackupMethod, BackupRow, Quiesce};
use crate::cluster::applied::Applied;
use crate::cluster::object::{Facts, Kind, Reference};
use crate::foreign::virtual_machine_snapshot::Outcome;
use crate::tenant::desired::{Contract, Course};
use crate::tenant::observe::TenantSnapshot;

/// Times without a good backup after which a backup has failed for people.
const FAILED_AFTER: usize = 2;

/// VMs that are told one by one.
const TOLD: usize = 4;

/// One row for each VM that is backed up by plan.
pub(super) fn rows(contract: &Contract, applied: &Applied, now: Timestamp) -> Vec<BackupRow> {
    contract.backups.iter().map(|course| row(course, applied, now)).collect()
}

fn row(course: &Course, applied: &Applied, now: Timestamp) -> BackupRow {
    let good = course.newest_good();
    let newer = course.made.iter().take_while(|made| !course.is_good(&made.backup));
    let failures = newer.filter(|made| made.backup.outcome != Outcome::Pending).count();
    let just_made = applied.observed.values().filter_map(|seen| match &seen.facts {
        Facts::Backup(backup) if backup.of == course.vm && backup.due <= now => Some(backup.due),
        _ => None,
    });
    BackupRow {
        vm: course.vm.clone(),
        since: Time(course.since),
        plan: Some(course.plan.clone()),
        last_due: course.last_due.max(just_made.max()).map(Time),
        last_success: good.map(|made| Time(made.backup.due)),
        snapshot: good.map(|made| made.name.clone()),
        quiesced: good.filter(|made| made.snapshot.is_some()).map(|made| made.backup.quiesced),
        last_restore: course.last_restore.clone(),
        failures: i64::try_from(failures).unwrap_or(i64::MAX),
    }
}

/// What the backups of all VMs come to.
pub(super) fn verdict(snapshot: &TenantSnapshot, contract: &Contract, applied: &Applied) -> Verdict {
    let type_ = ConditionType::BackupsCurrent;
    if contract.backups.is_empty() {
        let why = if contract.ends_at.is_some_and(|end| end <= snapshot.now) {
            "the contract is over: what was backed up is kept, and nothing is added"
        } else {
            "no VM has a backup in its plan (spec.backup.enabled)"
        };
        return Verdict::new(type_, Status::True, Reason::SwitchedOff, why);
    }
    let by_snapshot = contract.backups.iter().any(|course| course.method == BackupMethod::Snapshot);
    if by_snapshot && !snapshot.neighbours.snapshots {
        let message = "this cluster has no VirtualMachineSnapshot (snapshot.kubevirt.io/v1beta1), so no VM is backed up; install KubeVirt with its snapshot CRDs";
        return Verdict::bad(type_, Reason::KubeVirtMissing, message);
    }
    let told: Vec<(Status, Reason, String)> =
        contract.backups.iter().filter_map(|course| wrong(course, applied, snapshot.now)).collect();
    let worst = told.iter().find(|(status, ..)| *status == Status::False).or(told.first());
    let Some((status, reason, _)) = worst else {
        let message =
            format!("every VM with a plan has its last backup{}{}", tested(contract), note(snapshot, contract));
        return Verdict::good(type_, message + &ahead(contract));
    };
    let (status, reason) = (*status, *reason);
    let some: Vec<&str> =
        told.iter().filter(|(other, ..)| *other == status).take(TOLD).map(|(.., said)| said.as_str()).collect();
    let more = told.iter().filter(|(other, ..)| *other == status).count().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!("; and {more} more VMs") };
    Verdict::new(type_, status, reason, some.join("; ") + &more + &ahead(contract))
}

/// Backups of a time that has not come.
fn ahead(contract: &Contract) -> String {
    let names: Vec<&str> =
        contract.backups.iter().flat_map(|course| &course.ahead).map(|made| made.name.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > TOLD { ", ..." } else { "" };
    let some = names.iter().take(TOLD).copied().collect::<Vec<&str>>().join(", ");
    format!("; a clock ran ahead: {some}{more} of a time that has not come counts for nothing until then, and is kept")
}

/// Whether anybody has seen that a backup brings a VM back.
fn tested(contract: &Contract) -> String {
    let ran = contract.backups.iter().filter_map(|course| {
        let last = course.last_restore.as_ref()?;
        Some((last.ran_at.as_ref()?.0, &course.vm, &last.backup))
    });
    match ran.max() {
        Some((at, vm, backup)) => format!("; {vm} last ran from one ({backup}) on {}", in_japan(at)),
        None => "; no VM has been brought back from one yet to see that it runs".to_owned(),
    }
}

/// That nothing ages out is no fault of a backup, until there is no room left.
fn note(snapshot: &TenantSnapshot, contract: &Contract) -> &'static str {
    let aging = snapshot.retention.as_ref().is_some_and(|retention| retention.ages_backups_out);
    let any = contract.backups.iter().flat_map(|course| &course.made).any(|made| made.snapshot.is_some());
    if any && !aging {
        "; older ones than keepLast stay until the Retention names the target Backups in spec.rolling"
    } else if is_held(snapshot) && contract.backups.iter().any(|course| course.method == BackupMethod::VeleroCsi) {
        "; the legal hold does not reach what Velero has made: each goes when its time is over, unless somebody keeps its storage location read-only"
    } else {
        ""
    }
}

fn is_held(snapshot: &TenantSnapshot) -> bool {
    snapshot.retention.as_ref().is_some_and(|retention| retention.held)
}

fn wrong(course: &Course, applied: &Applied, now: Timestamp) -> Option<(Status, Reason, String)> {
    let vm = course.told_as();
    if let Err(why) = &course.schedule {
        return Some((Status::False, Reason::Invalid, format!("{vm}: {why}")));
    }
    let good = course.newest_good().map(|made| made.backup.due);
    let missed: Vec<Timestamp> = course
        .times(now)
        .take_while(|due| good.is_none_or(|good| good < *due))
        .filter(|due| is_over(course, *due, now))
        .take(FAILED_AFTER)
        .collect();
    match missed.first() {
        None if good.is_none() => {
            Some((Status::Unknown, Reason::NotMeasured, format!("{vm}: its first backup has not come yet")))
        }
        None => None,
        Some(last) => {
            let status = if missed.len() < FAILED_AFTER { Status::Unknown } else { Status::False };
            let since = good.map_or_else(
                || "there is none".to_owned(),
                |good| format!("the last good one is of {}", in_japan(good)),
            );
            let said = format!("{vm}: no good backup of {}: {}; {since}", in_japan(*last), why(course, applied, *last));
            Some((status, Reason::BackupFailed, said))
        }
    }
}

/// Has this time passed without a backup that could still become good?
fn is_over(course: &Course, due: Timestamp, now: Timestamp) -> bool {
    let made = course.made.iter().find(|made| made.backup.due == due);
    let pending = made.is_none_or(|made| made.backup.outcome == Outcome::Pending);
    !pending || now >= course.patience(due)
}

fn why(course: &Course, applied: &Applied, due: Timestamp) -> String {
    let who = match course.method {
        BackupMethod::Snapshot => "KubeVirt",
        BackupMethod::VeleroCsi => "Velero",
    };
    match course.made.iter().find(|made| made.backup.due == due).map(|made| &made.backup) {
        Some(backup) => match &backup.outcome {
            Outcome::Partial(said) | Outcome::Failed(said) => format!("{who} says: {said}"),
            Outcome::Pending => format!("{who} has not finished it"),
            Outcome::Ready if course.quiesce == Quiesce::Required => {
                "the guest's file systems were not at rest, and quiesce is Required (is the guest agent running?)".into()
            }
            Outcome::Ready => "it is being erased".into(),
        },
        None if course.no_room => {
            "spec.contract.capacity.snapshots leaves no room for another; enlarge it, or let old ones go by the target Backups in spec.rolling of the Retention".into()
        }
        None => match refused(course, applied, due) {
            Some(said) => format!("it was not made: {said}"),
            None => "it was not made".into(),
        },
    }
}

/// What stood in its way in this pass. A customer's own snapshots count against the quota, too, for one.
fn refused<'a>(course: &Course, applied: &'a Applied, due: Timestamp) -> Option<&'a str> {
    let is_it = |reference: &Reference| match course.snapshot_of(due) {
        Some(name) => reference.kind == Kind::VirtualMachineSnapshot && reference.name == name,
        None => reference.kind == Kind::Schedule,
    };
    applied.faults.iter().find(|fault| is_it(&fault.reference)).map(|fault| fault.message.as_str())
}
