//! Pure: what a Retention says about itself after a pass.
//!
//! Pinning: on the first sight of the living Tenant its uid, the uids of its namespaces and its end date are written
//! down. They survive the Tenant. When a Tenant of this name is declared again it is pinned anew, with whatever end
//! date it has then; a Tenant that vanishes never unpins anything.
//!
//! What counts after the Tenant is its last word: a date that it took back, or overwrote with something unreadable, does
//! not come back when it vanishes. Likewise `spec.endDate` is a decision about a Tenant that is gone. One that stood
//! there while a Tenant lived, left over from an earlier decision, is written down as disregarded and does not count
//! until it is changed, or removed and written again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::desired::{Dates, Ending, Plan, held};
use super::observe::{RetentionSnapshot, TenantState};
use super::schedule::Schedule;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::jst::{ContractDate, in_japan};
use crate::api::retention::{
    HoldVisibility, Pinned, RetentionPhase, RetentionStatus, notify_days, sixty_days, two_thousand,
};
use crate::cluster::applied::Applied;
use crate::operator::context::Conditions;

impl Conditions for RetentionStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> RetentionStatus {
    let previous = snapshot.retention.status.clone().unwrap_or_default();
    if plan.ending == Ending::Unknown && snapshot.retention.status.is_some() {
        return previous;
    }
    let dates = match &plan.ending {
        Ending::On(dates) => Some(dates),
        _ => None,
    };
    let held = held(&snapshot.retention);
    let scheduled = scheduled(snapshot, plan, applied);
    let stalled = stalled(snapshot, plan, applied);
    let ready = ready(snapshot, plan, &scheduled, &stalled);
    let verdicts = [ready, stalled, not_yet_enforced(snapshot), scheduled, hold(held)];
    RetentionStatus {
        observed_generation: snapshot.retention.metadata.generation,
        phase: Some(phase(snapshot, &plan.ending, held)),
        end_date: end_date(snapshot, &previous),
        disregarded_end_date: disregarded(snapshot, &previous),
        contract_ends_at: dates.map(|dates| Time(dates.ends_at)),
        purge_not_before: dates.map(|dates| Time(dates.not_before)),
        deadline: dates.map(|dates| Time(dates.deadline)),
        pinned: pinned(snapshot, previous.pinned),
        conditions: merge(&previous.conditions, &verdicts, snapshot.retention.metadata.generation, snapshot.now),
        ..previous
    }
}

fn phase(snapshot: &RetentionSnapshot, ending: &Ending, held: bool) -> RetentionPhase {
    match ending {
        Ending::Doubtful(_) | Ending::Unknown => RetentionPhase::Failed,
        Ending::Orphaned => RetentionPhase::Orphaned,
        Ending::None | Ending::NotDeclared => RetentionPhase::Idle,
        Ending::On(dates) if snapshot.now < dates.ends_at => RetentionPhase::Idle,
        Ending::On(_) if held => RetentionPhase::Held,
        Ending::On(dates) if snapshot.now >= dates.deadline => RetentionPhase::Overdue,
        Ending::On(_) => RetentionPhase::Grace,
    }
}

/// The end date that survives the Tenant: as long as the Tenant lives, what it says now and nothing that it said before.
fn end_date(snapshot: &RetentionSnapshot, previous: &RetentionStatus) -> Option<String> {
    match &snapshot.tenant {
        TenantState::Present { end_date, .. } => end_date.clone().filter(|date| date.parse::<ContractDate>().is_ok()),
        TenantState::Unknown | TenantState::Vanished => previous.end_date.clone(),
    }
}

/// `spec.endDate` as it stood while a Tenant lived, until it is changed.
fn disregarded(snapshot: &RetentionSnapshot, previous: &RetentionStatus) -> Option<String> {
    let written = snapshot.retention.spec.end_date.clone();
    match &snapshot.tenant {
        TenantState::Present { .. } => written,
        TenantState::Unknown | TenantState::Vanished => {
            written.filter(|date| previous.disregarded_end_date.as_ref() == Some(date))
        }
    }
}

fn pinned(snapshot: &RetentionSnapshot, previous: Option<Pinned>) -> Option<Pinned> {
    let TenantState::Present { uid, .. } = &snapshot.tenant else { return previous };
    let fresh = Pinned { tenant_uid: uid.clone(), namespace_uids: snapshot.namespaces.clone() };
    match previous {
        // The namespaces of this very tenant may come one after the other, and never change once they are pinned.
        Some(pinned) if pinned.tenant_uid == *uid => {
            let mut namespace_uids = fresh.namespace_uids;
            namespace_uids.extend(pinned.namespace_uids);
            Some(Pinned { namespace_uids, ..pinned })
        }
        _ => Some(fresh),
    }
}

fn scheduled(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Scheduled;
    if let Some(fault) = applied.faults.first() {
        return Verdict::bad(type_, Reason::ApiError, fault.to_string());
    }
    match &plan.ending {
        Ending::None => Verdict::bad(type_, Reason::NoEndDate, "the contract has no end date: everything is kept"),
        Ending::NotDeclared => Verdict::bad(type_, Reason::TenantNotFound, "no Tenant of this name has been seen yet"),
        Ending::Orphaned => Verdict::bad(type_, Reason::Orphaned, orphaned(snapshot)),
        Ending::Doubtful(doubt) => Verdict::bad(type_, Reason::Invalid, format!("everything is kept: {doubt}")),
        Ending::Unknown => Verdict::bad(type_, Reason::NotSynced, "the Tenant cannot be read: everything is kept"),
        Ending::On(dates) => standing(snapshot, dates),
    }
}

/// What the CronJob that stands will do, and what keeps it from it.
fn standing(snapshot: &RetentionSnapshot, dates: &Dates) -> Verdict {
    let type_ = ConditionType::Scheduled;
    let spec = &snapshot.retention.spec;
    let kept = format!(
        "the contract ends at {}; nothing is deleted before {}",
        in_japan(dates.ends_at),
        in_japan(dates.not_before)
    );
    if held(&snapshot.retention) {
        return Verdict::bad(type_, Reason::HoldPlaced, format!("{kept}, and not while the legal hold is active"));
    }
    if spec.suspend {
        return Verdict::bad(type_, Reason::Suspended, format!("{kept}, and not while spec.suspend is true"));
    }
    let next = spec.schedule.parse::<Schedule>().ok().and_then(|schedule| schedule.next(dates.not_before));
    let next = next.map_or_else(|| "never".into(), in_japan);
    let reason = if snapshot.now >= dates.ends_at { Reason::ContractEnded } else { Reason::AsDeclared };
    Verdict::new(type_, Status::True, reason, format!("{kept}; first run that may delete: {next}"))
}

fn orphaned(snapshot: &RetentionSnapshot) -> String {
    let what = match &snapshot.retention.spec.end_date {
        None => "write spec.endDate here".into(),
        Some(date) => format!(
            "remove spec.endDate and write it again: {date} was written while the Tenant existed and decides nothing"
        ),
    };
    format!("the Tenant is gone and left no end date: data and walls are kept; declare the Tenant again, or {what}")
}

fn hold(held: bool) -> Verdict {
    let type_ = ConditionType::HoldActive;
    if held {
        Verdict::new(
            type_,
            Status::True,
            Reason::HoldPlaced,
            "a legal hold is active: nothing is deleted whatever the dates say",
        )
    } else {
        Verdict::new(type_, Status::False, Reason::NoHold, "no legal hold")
    }
}

/// What is written in the spec and has no effect in this version. A field that the CRD fills in is told only when
/// somebody wrote something else there.
fn not_yet_enforced(snapshot: &RetentionSnapshot) -> Verdict {
    let spec = &snapshot.retention.spec;
    let written = [
        ("spec.earlyErasure", spec.early_erasure.is_some()),
        (
            "spec.legalHold.visibility",
            spec.legal_hold.as_ref().is_some_and(|hold| hold.visibility == HoldVisibility::Tenant),
        ),
        ("spec.maxObjects", spec.max_objects != two_thousand()),
        ("spec.notifyDaysBefore", spec.notify_days_before != notify_days()),
        ("spec.exportWindow", spec.export_window != sixty_days()),
        ("spec.scope", spec.scope.is_some()),
        ("spec.rolling", !spec.rolling.is_empty()),
        ("spec.logRetention", spec.log_retention.is_some()),
        ("spec.wipe", spec.wipe.is_some()),
        ("spec.requiredApprovals", spec.required_approvals > 0),
        ("spec.approvals", !spec.approvals.is_empty()),
        ("spec.evidence", spec.evidence.is_some()),
    ];
    let fields: Vec<&str> = written.into_iter().filter(|(_, written)| *written).map(|(field, _)| field).collect();
    let deletes = "this version does not delete: a purge run refuses and says why";
    if fields.is_empty() {
        Verdict::bad(ConditionType::FullyEnforced, Reason::NotYetEnforced, deletes)
    } else {
        let message = format!("{deletes}; accepted, without effect: {}", fields.join(", "));
        Verdict::bad(ConditionType::FullyEnforced, Reason::NotYetEnforced, message)
    }
}

fn stalled(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Stalled;
    match &plan.ending {
        Ending::Orphaned => Verdict::new(type_, Status::True, Reason::Orphaned, orphaned(snapshot)),
        Ending::Doubtful(doubt) => Verdict::new(type_, Status::True, Reason::Invalid, doubt.clone()),
        _ => applied.stalled(),
    }
}

fn ready(snapshot: &RetentionSnapshot, plan: &Plan, scheduled: &Verdict, stalled: &Verdict) -> Verdict {
    let type_ = ConditionType::Ready;
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    if scheduled.reason == Reason::ApiError {
        return Verdict::bad(type_, scheduled.reason, scheduled.message.clone());
    }
    match &plan.ending {
        Ending::None => Verdict::good(type_, "the contract runs: everything is kept"),
        Ending::On(dates) if snapshot.now >= dates.deadline && !held(&snapshot.retention) => {
            let by = in_japan(dates.deadline);
            let message = format!("the data should have been erased by {by}: this version does not delete");
            Verdict::bad(type_, Reason::Overdue, message)
        }
        // Whoever holds or suspends a purge gets what was asked for, so nothing is wrong until it is overdue.
        Ending::On(_) => Verdict::new(type_, Status::True, scheduled.reason, scheduled.message.clone()),
        _ => Verdict::bad(type_, scheduled.reason, scheduled.message.clone()),
    }
}
