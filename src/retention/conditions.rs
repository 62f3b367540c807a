//! Pure: the conditions of a Retention. Those about a purge appear when there is something to say.

use super::desired::{Plan, progress, purge_state};
use super::ending::{Dates, Ending, held};
use super::lifecycle::previewed;
use super::observe::RetentionSnapshot;
use super::schedule::Schedule;
use super::status::last_run;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::jst::{in_japan, plus_days};
use crate::api::retention::{HoldVisibility, PurgeState, RunOutcome, StepState, sixty_days};
use crate::cluster::applied::Applied;

/// Everything that is said.
#[must_use]
pub fn conditions(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> Vec<Verdict> {
    let scheduled = scheduled(snapshot, plan, applied);
    let stalled = stalled(snapshot, plan, applied);
    let overdue = overdue(snapshot, plan);
    let mut verdicts = vec![
        ready(snapshot, plan, &scheduled, &stalled, overdue.as_ref()),
        stalled,
        without_effect(snapshot),
        scheduled,
        hold(snapshot),
    ];
    verdicts.extend(overdue);
    verdicts.extend(announced(snapshot, plan));
    verdicts.extend(clock(snapshot));
    verdicts.extend(inventory(snapshot, plan));
    verdicts.extend(purged(snapshot));
    verdicts
}

fn scheduled(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Scheduled;
    if let Some(fault) = applied.faults.first() {
        return Verdict::bad(type_, Reason::ApiError, fault.to_string());
    }
    match (purge_state(snapshot), &plan.ending) {
        (Some(PurgeState::Purged), _) => {
            Verdict::bad(type_, Reason::Purged, "the purge is complete; no run is planned")
        }
        (Some(_), _) => Verdict::new(type_, Status::True, Reason::Purging, "the purge goes on with every run"),
        (None, Ending::None) => {
            Verdict::bad(type_, Reason::NoEndDate, "the contract has no end date: everything is kept")
        }
        (None, Ending::NotDeclared) => {
            Verdict::bad(type_, Reason::TenantNotFound, "no Tenant of this name has been seen yet")
        }
        (None, Ending::Orphaned) => Verdict::bad(type_, Reason::Orphaned, orphaned(snapshot)),
        (None, Ending::Doubtful(doubt)) => Verdict::bad(type_, Reason::Invalid, format!("everything is kept: {doubt}")),
        (None, Ending::Unknown) => {
            Verdict::bad(type_, Reason::NotSynced, "the Tenant cannot be read: everything is kept")
        }
        (None, Ending::On(dates)) => standing(snapshot, dates),
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

fn hold(snapshot: &RetentionSnapshot) -> Verdict {
    let type_ = ConditionType::HoldActive;
    if held(&snapshot.retention) {
        let said = "a legal hold is active: nothing is deleted whatever the dates say";
        return Verdict::new(type_, Status::True, Reason::HoldPlaced, said);
    }
    match snapshot.held_by_hand() {
        Some(namespace) => {
            let said = format!(
                "{} is annotated cloudfarm.dev/legal-hold by somebody: nothing is deleted; who may release a hold removes it",
                namespace.reference
            );
            Verdict::new(type_, Status::True, Reason::HoldPlaced, said)
        }
        None => Verdict::new(type_, Status::False, Reason::NoHold, "no legal hold"),
    }
}

/// What is written in the spec and has no effect in this version. A field that the CRD fills in is told only when
/// somebody wrote something else there.
fn without_effect(snapshot: &RetentionSnapshot) -> Verdict {
    let spec = &snapshot.retention.spec;
    let evidence = spec.evidence.as_ref();
    let secret = spec.legal_hold.as_ref().is_some_and(|hold| hold.visibility == HoldVisibility::Tenant);
    let written = [
        ("spec.legalHold.visibility", secret),
        ("spec.exportWindow", spec.export_window != sixty_days()),
        ("spec.scope", spec.scope.is_some()),
        ("spec.wipe", spec.wipe.is_some()),
        ("spec.evidence.signingSecretRef", evidence.is_some_and(|evidence| evidence.signing_secret_ref.is_some())),
        ("spec.evidence.sink", evidence.is_some_and(|evidence| evidence.sink.is_some())),
    ];
    let fields: Vec<&str> = written.into_iter().filter(|(_, written)| *written).map(|(field, _)| field).collect();
    Verdict::without_effect(&fields)
}

fn stalled(snapshot: &RetentionSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Stalled;
    match &plan.ending {
        _ if purge_state(snapshot) == Some(PurgeState::Purged) => applied.stalled(),
        Ending::Orphaned => Verdict::new(type_, Status::True, Reason::Orphaned, orphaned(snapshot)),
        Ending::Doubtful(doubt) => Verdict::new(type_, Status::True, Reason::Invalid, doubt.clone()),
        _ => applied.stalled(),
    }
}

fn ready(
    snapshot: &RetentionSnapshot,
    plan: &Plan,
    scheduled: &Verdict,
    stalled: &Verdict,
    overdue: Option<&Verdict>,
) -> Verdict {
    let type_ = ConditionType::Ready;
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    if scheduled.reason == Reason::ApiError {
        return Verdict::bad(type_, scheduled.reason, scheduled.message.clone());
    }
    if let Some(overdue) = overdue {
        return Verdict::bad(type_, overdue.reason, overdue.message.clone());
    }
    if let Some(run) = last_run(snapshot).filter(|run| run.outcome == RunOutcome::Interrupted) {
        return Verdict::bad(type_, Reason::Blocked, format!("the purge has begun and stopped: {}", run.message));
    }
    match (purge_state(snapshot), &plan.ending) {
        (Some(PurgeState::Purged), _) => Verdict::new(type_, Status::True, Reason::Purged, "erased and certified"),
        (Some(_), _) => Verdict::new(type_, Status::True, Reason::Purging, "the data is being erased"),
        (None, Ending::None) => Verdict::good(type_, "the contract runs: everything is kept"),
        // Whoever holds or suspends a purge gets what was asked for, so nothing is wrong until it is overdue.
        (None, Ending::On(_)) => Verdict::new(type_, Status::True, scheduled.reason, scheduled.message.clone()),
        _ => Verdict::bad(type_, scheduled.reason, scheduled.message.clone()),
    }
}

/// The deadline has passed, nobody holds the data, and it is still there.
fn overdue(snapshot: &RetentionSnapshot, plan: &Plan) -> Option<Verdict> {
    let state = purge_state(snapshot);
    let deadline = match &plan.ending {
        Ending::On(dates) => dates.deadline,
        _ => snapshot.retention.status.as_ref().filter(|_| state.is_some())?.deadline.as_ref()?.0,
    };
    let held = held(&snapshot.retention) || snapshot.held_by_hand().is_some();
    if snapshot.now < deadline || held || state == Some(PurgeState::Purged) {
        return None;
    }
    let why = last_run(snapshot).map_or_else(
        || "no run has been seen; look at the CronJob's Jobs".into(),
        |run| format!("the last run, at {}: {}", in_japan(run.at.0), run.message),
    );
    let message = format!("the data should have been erased by {}; {why}", in_japan(deadline));
    Some(Verdict::new(ConditionType::Overdue, Status::True, Reason::Overdue, message))
}

/// Since the day on which it was told last; the message stays the same until the next such day.
fn announced(snapshot: &RetentionSnapshot, plan: &Plan) -> Option<Verdict> {
    let Ending::On(dates) = &plan.ending else { return None };
    if purge_state(snapshot).is_some() || snapshot.now < dates.ends_at {
        return None;
    }
    let days = snapshot.retention.spec.notify_days_before.iter().copied();
    let day = days.filter(|days| plus_days(dates.not_before, -days) <= snapshot.now).min()?;
    let when = in_japan(dates.not_before);
    let message = format!("{day} days or fewer are left: the data of this tenant may be erased from {when} on");
    Some(Verdict::new(ConditionType::ErasureAnnounced, Status::True, Reason::Announced, message))
}

fn clock(snapshot: &RetentionSnapshot) -> Option<Verdict> {
    let run = last_run(snapshot)?;
    let type_ = ConditionType::ClockTrusted;
    Some(if ["ClockInDoubt", "RunsMissing"].contains(&run.reason.as_str()) {
        Verdict::bad(type_, Reason::ClockInDoubt, run.message)
    } else {
        Verdict::good(type_, "the last run, the API server and the operator's lease told the same time")
    })
}

fn inventory(snapshot: &RetentionSnapshot, plan: &Plan) -> Option<Verdict> {
    let type_ = ConditionType::InventoryStable;
    let progress = progress(snapshot);
    let preview = progress.inventory.as_ref()?;
    if last_run(snapshot).is_some_and(|run| run.reason == "InventoryChanged") {
        let said = "the last run found other objects than the preview before it; the next run compares again";
        return Some(Verdict::bad(type_, Reason::InventoryChanged, said));
    }
    let of_this_end = matches!(&plan.ending, Ending::On(dates) if previewed(&progress, dates));
    let said = format!(
        "preview of {}: {} objects, {} bytes, SHA-256 {}",
        in_japan(preview.at.0),
        preview.objects,
        preview.bytes,
        preview.hash.chars().take(12).collect::<String>()
    );
    (of_this_end || progress.purge.is_some()).then(|| Verdict::new(type_, Status::True, Reason::Previewed, said))
}

fn purged(snapshot: &RetentionSnapshot) -> Vec<Verdict> {
    let progress = progress(snapshot);
    let Some(purge) = &progress.purge else { return Vec::new() };
    let type_ = ConditionType::Purged;
    if purge.state != PurgeState::Purged {
        let step = progress.steps.iter().find(|step| step.state != StepState::Done);
        let step = step.map_or_else(String::new, |step| format!("step {}; ", step.name));
        let said = format!("{step}{} of {} objects are left", progress.remaining.unwrap_or_default(), purge.objects);
        return vec![Verdict::bad(type_, Reason::Purging, said)];
    }
    let at = purge.finished_at.as_ref().map_or_else(String::new, |at| in_japan(at.0));
    let said = format!("{} objects, {} bytes are gone since {at}", purge.objects, purge.bytes);
    let mut verdicts = vec![Verdict::new(type_, Status::True, Reason::Purged, said)];
    if let Some(evidence) = &progress.evidence {
        let said = format!("certificate {} in ConfigMap {}", evidence.sha256, evidence.report);
        verdicts.push(Verdict::new(ConditionType::EvidenceStored, Status::True, Reason::Purged, said));
    }
    verdicts
}
