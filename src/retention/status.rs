//! Pure: what a Retention says about itself after a pass.
//!
//! Pinning: on the first sight of the living Tenant its uid, the uids of its namespaces and its end date are written
//! down. They survive the Tenant. When a Tenant of this name is declared again it is pinned anew, with whatever end
//! date it has then; a Tenant that vanishes never unpins anything, and once a purge has begun nothing is pinned any more.
//!
//! What counts after the Tenant is its last word: a date that it took back, or overwrote with something unreadable, does
//! not come back when it vanishes. Likewise `spec.endDate` is a decision about a Tenant that is gone. One that stood
//! there while a Tenant lived, left over from an earlier decision, is written down as disregarded and does not count
//! until it is changed, or removed and written again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use super::conditions;
use super::desired::{Plan, progress, purge_state};
use super::ending::{Dates, Ending, TenantState, held};
use super::lifecycle::{Facts, phase};
use super::next;
use super::observe::RetentionSnapshot;
use crate::api::condition::merge;
use crate::api::jst::ContractDate;
use crate::api::retention::{FirstSeen, HoldRecord, Pinned, Progress, PurgeState, RetentionStatus};
use crate::cluster::applied::Applied;
use crate::operator::context::Conditions;

impl Conditions for RetentionStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Without what purge runs write: the operator must not become its owner.
    fn own(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Self { progress: Progress::default(), ..self.clone() })
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> RetentionStatus {
    let previous = snapshot.retention.status.clone().unwrap_or_default();
    // A status without a phase is the CRD's default: nobody has looked yet.
    if plan.ending == Ending::Unknown && previous.phase.is_some() {
        return unread(snapshot, plan, applied, previous);
    }
    let generation = snapshot.retention.metadata.generation;
    if purge_state(snapshot).is_some() {
        return under_way(snapshot, plan, applied, previous);
    }
    let dates = match &plan.ending {
        Ending::On(dates) => Some(dates),
        _ => None,
    };
    let verdicts = conditions::conditions(snapshot, plan, applied);
    RetentionStatus {
        observed_generation: generation,
        phase: Some(phase(&facts(snapshot, &plan.ending, &previous.progress))),
        next: Some(next::next(snapshot, plan)),
        end_date: end_date(snapshot, &previous),
        first_seen: dates.map(|dates| FirstSeen { end_date: dates.end_date.clone(), at: Time(dates.seen_at) }),
        early_erasure_seen_at: early_seen(snapshot, dates, &previous),
        disregarded_end_date: disregarded(snapshot, &previous),
        contract_ends_at: dates.map(|dates| Time(dates.ends_at)),
        purge_not_before: dates.map(|dates| Time(dates.not_before)),
        deadline: dates.map(|dates| Time(dates.deadline)),
        pinned: pinned(snapshot, previous.pinned),
        holds: holds(snapshot, previous.holds),
        deletable: Some(snapshot.rival.is_some() && !held(&snapshot.retention)),
        conditions: merge(&previous.conditions, &verdicts, generation, snapshot.now),
        progress: previous.progress,
    }
}

/// The Tenant cannot be read: everything that was found out about it stays, and that is said. Neither was this
/// generation of the Retention looked at.
fn unread(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied, previous: RetentionStatus) -> RetentionStatus {
    let verdicts = conditions::conditions(snapshot, plan, applied);
    RetentionStatus {
        phase: Some(phase(&facts(snapshot, &plan.ending, &previous.progress))),
        next: Some(next::next(snapshot, plan)),
        conditions: merge(&previous.conditions, &verdicts, previous.observed_generation, snapshot.now),
        ..previous
    }
}

/// Once a purge has begun its dates, its uids and its reasons stand still: they are what it is held to.
fn under_way(
    snapshot: &RetentionSnapshot,
    plan: &Plan,
    applied: &Applied,
    previous: RetentionStatus,
) -> RetentionStatus {
    let verdicts = conditions::conditions(snapshot, plan, applied);
    let generation = snapshot.retention.metadata.generation;
    RetentionStatus {
        observed_generation: generation,
        phase: Some(phase(&facts(snapshot, &plan.ending, &previous.progress))),
        next: Some(next::next(snapshot, plan)),
        deletable: Some(purge_state(snapshot) == Some(PurgeState::Purged) && next::evidence_is_over(snapshot)),
        conditions: merge(&previous.conditions, &verdicts, generation, snapshot.now),
        ..previous
    }
}

/// What the phase follows from.
fn facts<'a>(snapshot: &RetentionSnapshot, ending: &'a Ending, progress: &'a Progress) -> Facts<'a> {
    let held = held(&snapshot.retention) || snapshot.held_by_hand().is_some();
    Facts { ending, progress, held, now: snapshot.now }
}

/// The end date that survives the Tenant: as long as the Tenant lives, what it says now and nothing that it said before.
fn end_date(snapshot: &RetentionSnapshot, previous: &RetentionStatus) -> Option<String> {
    match &snapshot.tenant {
        TenantState::Present(declared) => declared.end_date.clone().filter(|date| date.parse::<ContractDate>().is_ok()),
        TenantState::Unknown | TenantState::Vanished => previous.end_date.clone(),
    }
}

/// Since when the customer's own wish counts; one that does not count has not been seen.
fn early_seen(snapshot: &RetentionSnapshot, dates: Option<&Dates>, previous: &RetentionStatus) -> Option<Time> {
    let seen = previous.early_erasure_seen_at.clone().unwrap_or(Time(snapshot.now));
    dates.filter(|dates| dates.early).map(|_| seen)
}

/// `spec.endDate` as it stood while a Tenant lived, until it is changed.
fn disregarded(snapshot: &RetentionSnapshot, previous: &RetentionStatus) -> Option<String> {
    let written = snapshot.retention.spec.end_date.clone();
    match &snapshot.tenant {
        TenantState::Present(_) => written,
        TenantState::Unknown | TenantState::Vanished => {
            written.filter(|date| previous.disregarded_end_date.as_ref() == Some(date))
        }
    }
}

fn pinned(snapshot: &RetentionSnapshot, previous: Option<Pinned>) -> Option<Pinned> {
    let TenantState::Present(declared) = &snapshot.tenant else { return previous };
    let seen = snapshot.namespaces().filter(|namespace| !snapshot.of_an_earlier_tenant(namespace));
    let seen = seen.map(|namespace| (namespace.reference.name.clone(), namespace.uid.clone()));
    let mut namespace_uids: std::collections::BTreeMap<String, String> = seen.collect();
    match previous {
        // The namespaces of this very tenant may come one after the other, and never change once they are pinned.
        Some(pinned) if pinned.tenant_uid == declared.uid => {
            namespace_uids.extend(pinned.namespace_uids);
            Some(Pinned { namespace_uids, ..pinned })
        }
        _ => Some(Pinned { tenant_uid: declared.uid.clone(), namespace_uids }),
    }
}

/// Does this status pin what the pass before it had not? Rights, holds and approvals are given only where a uid is
/// written down already, so there is something to do that this pass could not do yet.
#[must_use]
pub fn pins_anew(snapshot: &RetentionSnapshot, status: &RetentionStatus) -> bool {
    snapshot.retention.status.as_ref().and_then(|before| before.pinned.as_ref()) != status.pinned.as_ref()
}

/// A hold is noted when it is first seen, and closed when it is seen no longer.
fn holds(snapshot: &RetentionSnapshot, mut log: Vec<HoldRecord>) -> Vec<HoldRecord> {
    let hold = snapshot.retention.spec.legal_hold.as_ref().filter(|hold| hold.active);
    let reference = hold.and_then(|hold| hold.reference.clone()).unwrap_or_default();
    for record in log.iter_mut().filter(|record| record.released_at.is_none()) {
        if hold.is_none() || record.reference != reference {
            record.released_at = Some(Time(snapshot.now));
        }
    }
    if let Some(hold) = hold
        && log.last().is_none_or(|last| last.released_at.is_some())
    {
        let placed_by = hold.placed_by.clone().unwrap_or_default();
        log.push(HoldRecord { reference, placed_by, seen_at: Time(snapshot.now), released_at: None });
    }
    let surplus = log.len().saturating_sub(20);
    log.drain(..surplus);
    log
}

/// For the other files of this folder.
pub(super) fn last_run(snapshot: &RetentionSnapshot) -> Option<crate::api::retention::RunRecord> {
    progress(snapshot).runs.pop()
}
