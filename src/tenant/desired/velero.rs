//! Backups by Velero (12.3.1, `spec.backup.method: VeleroCSI`): one Schedule for all of a tenant's namespace, in the namespace
//! of the location that `spec.residency.backupLocation` names.
//!
//! A Schedule is made for a location that is known to be in the country; goes when that is known to be outside, when the plan is
//! switched off, or the contract is over; and stays while nobody knows, or what is declared cannot be read. Velero erases its Backups when their time is over and by nothing else: no hold
//! reaches them, and a purge waits for them.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Home;
use super::backup::{Backups, Course, Made};
use super::residency::{BackupPlace, backup_place};
use crate::api::labels;
use crate::api::tenant::{Backup as BackupSpec, BackupMethod, Quiesce};
use crate::cluster::object::{DesiredObject, Facts, Kind};
use crate::foreign::velero as foreign;
use crate::foreign::virtual_machine_snapshot::Backup;
use crate::retention::schedule::Schedule;

/// How `status.backups` calls all VMs together.
pub const ALL: &str = "*";

/// How long carrying the data away may take before a backup counts as missing.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_hours(8);

/// Times of a schedule that are looked through for the longest pause between two.
const TIMES: usize = 64;

/// An instant from which they are looked through: the same in every pass, so that it comes to the same.
const FROM: Timestamp = Timestamp::constant(1_767_193_200, 0);

/// Adds what Velero is asked for, and what it has made.
pub(super) fn add(home: &Home, backups: &mut Backups) {
    let plan = home.snapshot.tenant.spec.backup.as_ref();
    let Some(plan) = plan.filter(|plan| plan.enabled && plan.method == BackupMethod::VeleroCsi) else { return };
    let told = match asked(home, plan) {
        Ok((schedule, BackupPlace::Inside(namespace))) => {
            let made = velero_schedule(home, plan, &schedule, &namespace);
            let refused = refused(home, &made);
            backups.objects.push(made);
            refused.map_or(Ok(schedule), Err)
        }
        Ok((_, BackupPlace::Outside(why))) => Err(why),
        Ok((_, BackupPlace::Unknown(why))) | Err(why) => {
            let there = home.snapshot.observed.keys().filter(|reference| reference.kind == Kind::Schedule);
            backups.keep.extend(there.cloned());
            Err(why)
        }
    };
    backups.courses.push(course(home, plan, told));
}

/// Why Velero does not go by the Schedule that is there.
fn refused(home: &Home, made: &DesiredObject) -> Option<String> {
    match &home.snapshot.observed.get(&made.reference)?.facts {
        Facts::Schedule { refused } => refused.as_ref().map(|why| format!("Velero does not go by it: {why}")),
        _ => None,
    }
}

/// What is asked for, as far as the declaration says it.
fn asked(home: &Home, plan: &BackupSpec) -> Result<(Schedule, BackupPlace), String> {
    let schedule = plan.schedule.parse::<Schedule>().map_err(|error| error.to_string())?;
    if plan.quiesce == Quiesce::Required {
        return Err("quiesce Required cannot be seen on Velero's backups; write BestEffort, or method Snapshot".into());
    }
    let location = home.snapshot.tenant.spec.residency.backup_location.as_deref();
    let location = location.ok_or(
        "method VeleroCSI needs spec.residency.backupLocation: the BackupStorageLocation that backups are brought to",
    )?;
    if !home.snapshot.neighbours.velero {
        return Err("Velero is not installed in this cluster (velero.io/v1 Schedule)".into());
    }
    Ok((schedule, backup_place(home, location)))
}

fn velero_schedule(home: &Home, plan: &BackupSpec, schedule: &Schedule, namespace: &str) -> DesiredObject {
    let mut template = BTreeMap::from([
        (labels::TENANT.to_owned(), home.owner.tenant.clone()),
        (labels::DATA_CLASS.to_owned(), labels::DATA_CLASS_CUSTOMER.to_owned()),
    ]);
    let levels = home.snapshot.tenant.spec.classification.as_ref();
    if let Some(level) = levels.and_then(|levels| levels.default.clone()) {
        template.insert(labels::CLASSIFICATION.to_owned(), level);
    }
    let location = home.snapshot.tenant.spec.residency.backup_location.clone();
    DesiredObject::new(&foreign::Schedule {
        metadata: home.owner.metadata(Some(namespace), &home.customer),
        spec: foreign::ScheduleSpec {
            schedule: format!("CRON_TZ={} {}", plan.time_zone, schedule.text()),
            template: foreign::Template {
                metadata: foreign::TemplateMetadata { labels: template },
                included_namespaces: vec![home.customer.clone()],
                snapshot_move_data: true,
                storage_location: location.unwrap_or_default(),
                ttl: format!("{}h0m0s", kept_hours(schedule, plan.keep_last)),
            },
            use_owner_references_in_backup: false,
        },
        status: None,
    })
}

/// Hours for which a backup is kept: so long that `keep_last` times of the schedule have come since, and one hour more.
fn kept_hours(schedule: &Schedule, keep_last: i64) -> i64 {
    let later = |time: &Timestamp| schedule.next(time.checked_add(SignedDuration::from_secs(1)).ok()?);
    let times: Vec<Timestamp> = std::iter::successors(schedule.next(FROM), later).take(TIMES).collect();
    let pauses = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs());
    let longest = pauses.max().unwrap_or(24 * 3600);
    longest.saturating_mul(keep_last).div_euclid(3600).saturating_add(1)
}

fn course(home: &Home, plan: &BackupSpec, schedule: Result<Schedule, String>) -> Course {
    let made = schedule.as_ref().map_or_else(|_| Vec::new(), |schedule| made(home, schedule));
    Course::new(home, ALL, plan, BackupMethod::VeleroCsi, schedule, made)
}

/// What Velero has made, the latest first, each for the last time of the schedule before it.
fn made(home: &Home, schedule: &Schedule) -> Vec<Made> {
    let all = home.snapshot.velero.iter().flatten();
    let mut made: Vec<Made> = all
        .filter_map(|(name, seen)| {
            let backup = Backup {
                of: ALL.to_owned(),
                due: schedule.last(seen.begun)?,
                outcome: seen.outcome.clone(),
                quiesced: false,
                disposable: false,
            };
            Some(Made { name: name.clone(), deleting: seen.deleting, backup, snapshot: None })
        })
        .collect();
    made.sort_by_key(|made| std::cmp::Reverse((made.backup.due, made.name.clone())));
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_kept_until_as_many_times_have_come_as_are_to_be_kept() {
        let hours = |text: &str, keep: i64| kept_hours(&text.parse().unwrap(), keep);
        assert_eq!(hours("0 2 * * *", 7), 7 * 24 + 1);
        assert_eq!(hours("0 */6 * * *", 4), 25);
        assert_eq!(hours("30 3 * * 1", 2), 2 * 7 * 24 + 1);
        // The longest month, and the longest pause of an uneven plan.
        assert_eq!(hours("0 0 1 * *", 1), 31 * 24 + 1);
        assert_eq!(hours("0 2 * * 1,2", 1), 6 * 24 + 1);
    }
}
