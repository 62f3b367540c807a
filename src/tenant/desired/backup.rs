//! Backups by plan (12.3.1): a VirtualMachineSnapshot for each time of the schedule, and which of them may go. What Velero
//! makes is ordered by a Schedule of its own ([`velero`]) and judged like these.
//!
//! A name is made of the VM and the time that is due, so two leaders, or one that crashed between two writes, make one
//! snapshot. After a time in which nobody looked, the last time that was missed is made up for, and no other.
//!
//! Nothing is erased here: what is older than `keepLast` good ones, or of no use, is marked disposable, and the purge's rolling
//! run erases it, where the Retention names `Backups` in `spec.rolling`. In the grace days and under a hold the marks are
//! taken off.

use k8s_openapi::jiff::tz::{Offset, TimeZone};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Home, machine_reference, restored, velero};
use crate::api::labels;
use crate::api::tenant::{Backup as BackupSpec, BackupMethod, BackupRow, Machine, Quiesce};
use crate::api::tenant_watched::RestoreRow;
use crate::cluster::object::{Claim, DesiredObject, Facts, Observation, Reference};
use crate::foreign::virtual_machine_snapshot::{
    Backup, Outcome, Source, VirtualMachineSnapshot, VirtualMachineSnapshotSpec,
};
use crate::retention::schedule::Schedule;
use crate::tenant::declared::Declared;

/// How long a backup may take before its absence counts, where the schedule leaves so much time between two.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// One VM that is backed up by plan, or all of them by Velero.
#[derive(Clone, Debug)]
pub struct Course {
    /// The VM; [`velero::ALL`] for all.
    pub vm: String,
    pub method: BackupMethod,
    /// Method and schedule as they are written.
    pub plan: String,
    /// From here on times of the schedule count: it was there and its plan was on, and was this one.
    pub since: Timestamp,
    /// Why nothing can be made by this plan.
    pub schedule: Result<Schedule, String>,
    pub quiesce: Quiesce,
    /// What was made, the latest first.
    pub made: Vec<Made>,
    /// What is of a time that has not come, since a clock ran ahead: it counts for nothing and is kept.
    pub ahead: Vec<Made>,
    /// What the contract leaves no room for.
    pub no_room: bool,
    /// The last time that was made, also if it has been erased.
    pub last_due: Option<Timestamp>,
    /// When it was last brought back from one of them.
    pub last_restore: Option<RestoreRow>,
}

/// One backup that was made by plan.
#[derive(Clone, Debug)]
pub struct Made {
    pub name: String,
    /// It is being erased.
    pub deleting: bool,
    pub backup: Backup,
    /// The snapshot, which can be marked; Velero's own are not.
    pub snapshot: Option<Observation>,
}

/// What a pass makes, and what it marks.
#[derive(Default)]
pub(super) struct Backups {
    pub courses: Vec<Course>,
    pub objects: Vec<DesiredObject>,
    pub marks: Vec<Claim>,
    /// What is not wanted for certain, and stays until that is known.
    pub keep: Vec<Reference>,
}

/// Everything about backups of a contract that runs; nothing after its end.
pub(super) fn backups(home: &Home, declared: &Declared) -> Backups {
    let mut backups = Backups::default();
    let mut there = made(home, None).len();
    if home.ended {
        backups.marks = made(home, None).iter().filter_map(|made| mark(home, made, false)).collect();
        return backups;
    }
    let room = usize::try_from(home.snapshot.tenant.spec.contract.capacity.snapshots).unwrap_or_default();
    for machine in &declared.machines {
        let Some(plan) = plan(home, machine.spec) else { continue };
        let mut course = course(home, machine.spec, plan);
        if let Some(due) = course.to_make(home) {
            if there < room {
                backups.objects.push(snapshot(home, machine.spec, due));
                there += 1;
            } else {
                course.no_room = true;
            }
        }
        backups.marks.extend(marks(home, &course, plan.keep_last));
        backups.courses.push(course);
    }
    velero::add(home, &mut backups);
    backups
}

/// The plan of a VM: its own, or else the Tenant's; `None` when it is off, or Velero's for all.
fn plan<'a>(home: &'a Home, machine: &'a Machine) -> Option<&'a BackupSpec> {
    let of_all = home.snapshot.tenant.spec.backup.as_ref().filter(|plan| plan.method == BackupMethod::Snapshot);
    let plan = machine.backup.as_ref().or(of_all)?;
    plan.enabled.then_some(plan)
}

fn course(home: &Home, machine: &Machine, plan: &BackupSpec) -> Course {
    let schedule = match plan.method {
        BackupMethod::Snapshot => plan.schedule.parse::<Schedule>().map_err(|error| error.to_string()),
        BackupMethod::VeleroCsi => {
            Err("method VeleroCSI is for all VMs of a tenant; write it in spec.backup, or Snapshot here".to_owned())
        }
    };
    let known = before(home, &machine.name).and_then(|row| row.last_restore.as_ref());
    Course {
        last_restore: restored::last(home, &machine.name, known),
        ..Course::new(home, &machine.name, plan, BackupMethod::Snapshot, schedule, made(home, Some(&machine.name)))
    }
}

impl Course {
    /// What was made of this VM by this plan, and how far it came.
    pub(super) fn new(
        home: &Home,
        vm: &str,
        plan: &BackupSpec,
        method: BackupMethod,
        schedule: Result<Schedule, String>,
        made: Vec<Made>,
    ) -> Self {
        let before = before(home, vm);
        let (made, ahead) = by_now(home, made);
        let newest = made.first().map(|made| made.backup.due);
        Self {
            vm: vm.to_owned(),
            method,
            plan: written(plan),
            since: since(home, before, plan),
            schedule,
            quiesce: plan.quiesce,
            last_due: newest.max(last_due(home, before)),
            made,
            ahead,
            no_room: false,
            last_restore: None,
        }
    }
}

/// What the status has said of it until now.
fn before<'a>(home: &'a Home, vm: &str) -> Option<&'a BackupRow> {
    home.snapshot.tenant.status.as_ref()?.backups.iter().find(|row| row.vm == vm)
}

/// How the status remembers a plan.
fn written(plan: &BackupSpec) -> String {
    let method = match plan.method {
        BackupMethod::Snapshot => "Snapshot",
        BackupMethod::VeleroCsi => "VeleroCSI",
    };
    format!("{method} {}", plan.schedule)
}

/// Times before a plan was as it is now say nothing about it, and times that a clock has dreamt of nothing at all.
fn since(home: &Home, before: Option<&BackupRow>, plan: &BackupSpec) -> Timestamp {
    let now = home.snapshot.now;
    let same = before.filter(|row| row.plan.as_ref().is_none_or(|before| *before == written(plan)));
    same.map_or(now, |row| row.since.0.min(now))
}

/// The last time that was made, as the status has it.
fn last_due(home: &Home, before: Option<&BackupRow>) -> Option<Timestamp> {
    let due = before?.last_due.as_ref()?.0;
    (due <= home.snapshot.now).then_some(due)
}

/// What is of a time that has come, and what is not.
fn by_now(home: &Home, made: Vec<Made>) -> (Vec<Made>, Vec<Made>) {
    made.into_iter().partition(|made| made.backup.due <= home.snapshot.now)
}

/// Snapshots of this tenant by plan, of one VM or of all, the latest first.
fn made(home: &Home, vm: Option<&str>) -> Vec<Made> {
    let there = home.snapshot.observed.values().filter(|seen| {
        seen.ours && seen.tenant == home.owner.tenant && seen.reference.namespace.as_ref() == Some(&home.customer)
    });
    let mut made: Vec<Made> = there
        .filter_map(|seen| match &seen.facts {
            Facts::Backup(backup) if vm.is_none_or(|vm| backup.of == vm) => Some(Made {
                name: seen.reference.name.clone(),
                deleting: seen.deleting,
                backup: backup.clone(),
                snapshot: Some(seen.clone()),
            }),
            _ => None,
        })
        .collect();
    made.sort_by_key(|made| std::cmp::Reverse((made.backup.due, made.name.clone())));
    made
}

impl Course {
    /// What people call it.
    #[must_use]
    pub fn told_as(&self) -> &str {
        match self.method {
            BackupMethod::Snapshot => &self.vm,
            BackupMethod::VeleroCsi => "all VMs, by Velero",
        }
    }

    /// The last time of the schedule that has come and counts.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.times(now).next()
    }

    /// Times of the schedule that have come and count, the latest first.
    pub fn times(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let schedule = self.schedule.as_ref().ok();
        let earlier = move |due: &Timestamp| schedule?.last(due.checked_sub(SignedDuration::from_secs(1)).ok()?);
        let first = schedule.and_then(|schedule| schedule.last(now));
        std::iter::successors(first, earlier).take_while(|due| *due > self.since)
    }

    /// Until when the backup of this time may be on its way.
    #[must_use]
    pub fn patience(&self, due: Timestamp) -> Timestamp {
        let second = SignedDuration::from_secs(1);
        let next = self.schedule.as_ref().ok().and_then(|schedule| schedule.next(due.checked_add(second).ok()?));
        let patience = match self.method {
            BackupMethod::Snapshot => PATIENCE,
            BackupMethod::VeleroCsi => velero::PATIENCE,
        };
        let most = due.checked_add(patience).unwrap_or(Timestamp::MAX);
        next.map_or(most, |next| next.min(most))
    }

    /// Does this one keep what the plan promises?
    #[must_use]
    pub fn is_good(&self, backup: &Backup) -> bool {
        backup.outcome == Outcome::Ready && (backup.quiesced || self.quiesce == Quiesce::BestEffort)
    }

    /// The latest that keeps what the plan promises.
    #[must_use]
    pub fn newest_good(&self) -> Option<&Made> {
        self.made.iter().find(|made| self.is_good(&made.backup) && !made.deleting)
    }

    /// When time alone changes what is made or said.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let second = SignedDuration::from_secs(1);
        let next = self.schedule.as_ref().ok()?.next(now.checked_add(second).ok()?);
        let late = self.due(now).map(|due| self.patience(due)).filter(|late| *late > now);
        next.into_iter().chain(late).min()
    }

    /// The snapshot of this time, where it is a snapshot of one VM.
    #[must_use]
    pub fn snapshot_of(&self, due: Timestamp) -> Option<String> {
        (self.method == BackupMethod::Snapshot).then(|| name(&self.vm, due))
    }

    /// The time for which a snapshot has to be made now. A VM that is not there yet is waited for.
    fn to_make(&self, home: &Home) -> Option<Timestamp> {
        let due = self.due(home.snapshot.now)?;
        let vm = home.snapshot.observed.get(&machine_reference(home, &self.vm))?;
        let can = home.snapshot.neighbours.snapshots && vm.ours && !vm.deleting;
        (can && self.last_due.is_none_or(|last| last < due)).then_some(due)
    }
}

/// The snapshot for one time.
fn snapshot(home: &Home, machine: &Machine, due: Timestamp) -> DesiredObject {
    let mut metadata = home.owner.metadata(Some(&home.customer), name(&machine.name, due));
    let all = metadata.labels.get_or_insert_default();
    all.insert(labels::DATA_CLASS.into(), labels::DATA_CLASS_CUSTOMER.into());
    all.insert(labels::BACKUP.into(), "plan".into());
    let default = home.snapshot.tenant.spec.classification.as_ref().and_then(|levels| levels.default.as_ref());
    if let Some(level) = machine.classification.as_ref().or(default) {
        all.insert(labels::CLASSIFICATION.into(), level.clone());
    }
    metadata.annotations.get_or_insert_default().insert(labels::DUE.into(), due.to_string());
    DesiredObject::new(&VirtualMachineSnapshot {
        metadata,
        spec: VirtualMachineSnapshotSpec {
            source: Source {
                api_group: "kubevirt.io".into(),
                kind: "VirtualMachine".into(),
                name: machine.name.clone(),
            },
            deletion_policy: Some("Delete".into()),
            failure_deadline: Some("10m0s".into()),
        },
        status: None,
    })
}

/// `web-20261130t0200`: VM and due time in Japan. A schedule has no seconds.
fn name(vm: &str, due: Timestamp) -> String {
    let japan = due.to_zoned(TimeZone::fixed(Offset::constant(9)));
    format!("{vm}-{}", japan.strftime("%Y%m%dt%H%M"))
}

/// Marks what is older than the good ones that are kept, and takes marks off what is not.
///
/// What is of no use would fill the contract's room, and none would be made any more even after the cause is mended. So one
/// that failed goes once there is a newer one, or no room for it; those that hold something and are not good are kept as
/// the good ones are, and do not pile up.
fn marks(home: &Home, course: &Course, keep_last: i64) -> Vec<Claim> {
    let retention = home.snapshot.retention.as_ref();
    let held = home.snapshot.observed.values().any(|seen| matches!(seen.facts, Facts::Namespace { hold: Some(_), .. }));
    let may = retention.is_some_and(|retention| retention.ages_backups_out && !retention.held) && !held;
    let keep = usize::try_from(keep_last).unwrap_or(usize::MAX);
    let (mut good, mut poor) = (0, 0);
    let mut marks = Vec::new();
    for (newer, made) in course.made.iter().enumerate() {
        let is_good = course.is_good(&made.backup);
        let old = match made.backup.outcome {
            Outcome::Pending => false,
            Outcome::Failed(_) => good >= keep || newer > 0 || course.no_room,
            Outcome::Partial(_) | Outcome::Ready => good >= keep || !is_good && poor >= keep,
        };
        marks.extend(mark(home, made, may && old));
        let holds_something = matches!(made.backup.outcome, Outcome::Partial(_) | Outcome::Ready);
        good += usize::from(is_good);
        poor += usize::from(holds_something && !is_good);
    }
    marks.extend(course.ahead.iter().filter_map(|made| mark(home, made, false)));
    marks
}

/// The label disposable on exactly this object, or nothing if it is as it should be.
fn mark(home: &Home, made: &Made, disposable: bool) -> Option<Claim> {
    if made.backup.disposable == disposable || made.deleting {
        return None;
    }
    let labels = if disposable { json!({labels::DISPOSABLE: "true"}) } else { json!({}) };
    let metadata = json!({"namespace": home.customer, "labels": labels});
    Some(Claim { on: made.snapshot.clone()?, fields: json!({"metadata": metadata}) })
}
