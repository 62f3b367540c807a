//! Pure: what a Retention says about itself after a pass.
//!
//! Pinning: on the first sight of the living Tenant its uid, the uids of its namespaces and its end date are written
//! down. They survive the Tenant. When a Tenant of this name is declared again it is pinned anew, with whatever end
//! date it has then; a Tenant that vanishes never unpins anything.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::desired::{Dates, Ending, Plan};
use super::observe::{RetentionSnapshot, TenantState};
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::jst::in_japan;
use crate::api::retention::{Pinned, RetentionPhase, RetentionStatus};
use crate::cluster::applied::{Applied, Cause};
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
    let held = snapshot.retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active);
    let mut verdicts = vec![scheduled(snapshot, plan, applied), hold(held), not_yet_enforced(snapshot)];
    let stalled = stalled(plan, applied);
    verdicts.push(ready(snapshot, plan, &verdicts, &stalled));
    verdicts.push(stalled);
    RetentionStatus {
        observed_generation: snapshot.retention.metadata.generation,
        phase: Some(phase(snapshot, &plan.ending, held)),
        end_date: end_date(snapshot, &previous, &plan.ending),
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

/// The end date that survives the Tenant: as long as the Tenant lives, what it says now.
fn end_date(snapshot: &RetentionSnapshot, previous: &RetentionStatus, ending: &Ending) -> Option<String> {
    match (&snapshot.tenant, ending) {
        (TenantState::Present { .. }, Ending::On(Dates { end_date, .. })) => Some(end_date.clone()),
        // A date that cannot be read is no reason to forget the one that could.
        (TenantState::Present { end_date: Some(_), .. } | TenantState::Unknown | TenantState::Vanished, _) => {
            previous.end_date.clone()
        }
        (TenantState::Present { end_date: None, .. }, _) => None,
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
        return Verdict::bad(type_, Reason::ApiError, format!("{}: {}", fault.reference, fault.message));
    }
    match &plan.ending {
        Ending::None => Verdict::bad(type_, Reason::NoEndDate, "the contract has no end date: everything is kept"),
        Ending::NotDeclared => Verdict::bad(type_, Reason::TenantNotFound, "no Tenant of this name has been seen yet"),
        Ending::Orphaned => Verdict::bad(type_, Reason::Orphaned, orphaned()),
        Ending::Doubtful(doubt) => Verdict::bad(type_, Reason::Invalid, format!("everything is kept: {doubt}")),
        Ending::Unknown => Verdict::bad(type_, Reason::NotSynced, "the Tenant cannot be read: everything is kept"),
        Ending::On(dates) => {
            let next = snapshot.retention.spec.schedule.parse::<super::schedule::Schedule>().ok();
            let next = next.and_then(|schedule| schedule.next(dates.not_before)).map(in_japan);
            let message = format!(
                "the contract ends at {}; nothing is deleted before {}; first run that may delete: {}",
                in_japan(dates.ends_at),
                in_japan(dates.not_before),
                next.unwrap_or_else(|| "never".into()),
            );
            let reason = if snapshot.now >= dates.ends_at { Reason::ContractEnded } else { Reason::AsDeclared };
            Verdict::new(type_, Status::True, reason, message)
        }
    }
}

fn orphaned() -> String {
    "the Tenant is gone and left no end date: data and walls are kept; declare the Tenant again, or write spec.endDate here".into()
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

/// What is written in the spec and has no effect in this version.
fn not_yet_enforced(snapshot: &RetentionSnapshot) -> Verdict {
    let spec = &snapshot.retention.spec;
    let written = [
        ("spec.earlyErasure", spec.early_erasure.is_some()),
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

fn stalled(plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Stalled;
    let stuck = applied.faults.iter().find(|fault| matches!(fault.cause, Cause::Foreign | Cause::Refused));
    match (&plan.ending, stuck) {
        (Ending::Orphaned, _) => Verdict::new(type_, Status::True, Reason::Orphaned, orphaned()),
        (Ending::Doubtful(doubt), _) => Verdict::new(type_, Status::True, Reason::Invalid, doubt.clone()),
        (_, Some(fault)) => {
            let message = format!("{}: {}", fault.reference, fault.message);
            {
                let reason = if fault.cause == Cause::Foreign { Reason::ForeignObject } else { Reason::Refused };
                Verdict::new(type_, Status::True, reason, message)
            }
        }
        _ => Verdict::new(type_, Status::False, Reason::AsDeclared, "nothing waits for a person"),
    }
}

fn ready(snapshot: &RetentionSnapshot, plan: &Plan, verdicts: &[Verdict], stalled: &Verdict) -> Verdict {
    let type_ = ConditionType::Ready;
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    match &plan.ending {
        Ending::None => Verdict::good(type_, "the contract runs: everything is kept"),
        Ending::On(dates) if snapshot.now >= dates.deadline => {
            let message = format!(
                "the data should have been erased by {}: {}",
                in_japan(dates.deadline),
                "this version does not delete"
            );
            Verdict::bad(type_, Reason::Overdue, message)
        }
        _ => match verdicts.iter().find(|verdict| verdict.type_ == ConditionType::Scheduled) {
            Some(scheduled) if scheduled.status != Status::True => {
                Verdict::bad(type_, scheduled.reason, scheduled.message.clone())
            }
            Some(scheduled) => Verdict::new(type_, Status::True, scheduled.reason, scheduled.message.clone()),
            None => Verdict::good(type_, ""),
        },
    }
}
