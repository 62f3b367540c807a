//! How far erasures are. The leader alone says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::figures::Figures;
use super::tenants::number;
use crate::api::retention::{PurgeState, Retention, RetentionPhase, RetentionStatus, RunRecord};
use crate::operator::stores::Guarded;
use crate::retention::ending::held;
use crate::retention::lifecycle::PHASES;
use crate::retention::schedule::Schedule;

/// Retentions by phase; a phase that nobody is in any more counts 0.
pub(super) fn counts(figures: &mut Figures, retentions: &[Arc<Guarded<Retention>>]) {
    let mut counts: BTreeMap<String, usize> = PHASES.iter().map(|row| (format!("{:?}", row.phase), 0)).collect();
    for phase in retentions.iter().filter_map(|found| found.0.as_ref().ok()?.status.as_ref()?.phase) {
        *counts.entry(format!("{phase:?}")).or_default() += 1;
    }
    for (phase, count) in counts {
        figures.gauge("retentions", "Retentions by phase").set(&[("phase", &phase)], number(count));
    }
}

/// Which of several Retentions of one tenant speaks: none that is through, then the one that is due first.
pub(super) fn rank(retention: &Retention) -> (bool, bool, Option<Timestamp>, String) {
    let status = retention.status.as_ref();
    let deadline = status.and_then(|status| status.deadline.as_ref()).map(|deadline| deadline.0);
    (status.is_some_and(is_purged), deadline.is_none(), deadline, retention.name_any())
}

/// Is the contract over, or something wrong, and the data not yet gone?
pub(super) fn is_on_the_way(retention: &Retention) -> bool {
    let phase = retention.status.as_ref().and_then(|status| status.phase);
    !matches!(phase, None | Some(RetentionPhase::Idle | RetentionPhase::Purged))
}

fn is_purged(status: &RetentionStatus) -> bool {
    status.progress.purge.as_ref().is_some_and(|purge| purge.state == PurgeState::Purged)
}

/// The series of one tenant's Retention.
pub(super) fn add(figures: &mut Figures, tenant: &str, retention: &Retention, now: Timestamp) {
    let Some(status) = &retention.status else { return };
    if let Some(phase) = status.phase {
        figures
            .gauge("retention_phase", "1; the phase that a tenant's Retention is in")
            .set(&[("tenant", tenant), ("phase", &format!("{phase:?}"))], 1.0);
    }
    if let (Some(not_before), false) = (&status.purge_not_before, is_purged(status)) {
        dates(figures, tenant, status);
        state(figures, tenant, retention, status, not_before);
        runs(figures, tenant, retention, status, now);
    }
}

fn dates(figures: &mut Figures, tenant: &str, status: &RetentionStatus) {
    for (name, help, at) in [
        ("retention_contract_ends_timestamp_seconds", "When the contract is over", &status.contract_ends_at),
        ("retention_purge_not_before_timestamp_seconds", "Nothing is erased before", &status.purge_not_before),
        (
            "retention_deadline_timestamp_seconds",
            "From when on an erasure that is not complete is overdue",
            &status.deadline,
        ),
    ] {
        if let Some(at) = at {
            figures.gauge(name, help).set(&[("tenant", tenant)], seconds(at.0));
        }
    }
}

fn state(figures: &mut Figures, tenant: &str, retention: &Retention, status: &RetentionStatus, not_before: &Time) {
    let labels = [("tenant", tenant)];
    let previewed = status.progress.inventory.as_ref().is_some_and(|preview| preview.not_before == *not_before);
    let holds = is_held(retention, status);
    figures.gauge("retention_held", "1 while a legal hold keeps the data").set(&labels, number(usize::from(holds)));
    figures
        .gauge("retention_previewed", "1 once a run has written down what this erasure would erase")
        .set(&labels, number(usize::from(previewed)));
}

fn runs(figures: &mut Figures, tenant: &str, retention: &Retention, status: &RetentionStatus, now: Timestamp) {
    if let Some(RunRecord { at, outcome, reason, .. }) = status.progress.runs.last() {
        let reason = super::sight::word(reason);
        figures
            .gauge("retention_last_run_timestamp_seconds", "When a purge run last ended")
            .set(&[("tenant", tenant)], seconds(at.0));
        figures
            .gauge("retention_last_run", "1; how the last purge run ended and why")
            .set(&[("tenant", tenant), ("outcome", &format!("{outcome:?}")), ("reason", &reason)], 1.0);
    }
    if let Some(at) = expected(retention, status, now) {
        figures
            .gauge("retention_run_expected_timestamp_seconds", "When the purge run after the last one was or is due")
            .set(&[("tenant", tenant)], seconds(at));
    }
}

/// The run that the schedule asks for next after the last that ended, once the contract is over and while nobody holds or
/// suspends it.
fn expected(retention: &Retention, status: &RetentionStatus, now: Timestamp) -> Option<Timestamp> {
    let ends_at = status.contract_ends_at.as_ref()?.0;
    if now < ends_at || retention.spec.suspend || is_held(retention, status) {
        return None;
    }
    // A date in the past is acted on from when it was first seen.
    let seen = status.first_seen.as_ref().map_or(ends_at, |seen| seen.at.0);
    let last = status.progress.last_run_at.as_ref().map_or(ends_at, |at| at.0);
    let from = last.max(seen).max(ends_at).checked_add(SignedDuration::from_secs(60)).ok()?;
    retention.spec.schedule.parse::<Schedule>().ok()?.next(from)
}

/// In either of the two places of a hold.
fn is_held(retention: &Retention, status: &RetentionStatus) -> bool {
    let said = status.conditions.iter().any(|each| each.type_ == "HoldActive" && each.status == "True");
    said || held(retention)
}

#[allow(clippy::cast_precision_loss)] // seconds since the epoch are far below 2^52
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}
