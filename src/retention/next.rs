//! Pure: what happens next to the data and when, in one sentence for `kubectl describe`.

use k8s_openapi::jiff::Timestamp;

use super::desired::{Plan, progress, purge_state};
use super::ending::{Dates, Ending, held};
use super::observe::RetentionSnapshot;
use super::schedule::Schedule;
use super::status::last_run;
use crate::api::jst::{in_japan, plus_days};
use crate::api::retention::PurgeState;

/// The sentence.
#[must_use]
pub fn next(snapshot: &RetentionSnapshot, plan: &Plan) -> String {
    match (purge_state(snapshot), &plan.ending) {
        (Some(PurgeState::Purged), _) => {
            let until = evidence_until(snapshot).map_or_else(|| "ever".into(), in_japan);
            format!("nothing: the data is erased; this object carries the proof and is kept until {until}")
        }
        (Some(_), _) if snapshot.retention.spec.suspend => {
            "the purge has begun and is suspended: it goes on when spec.suspend is false".into()
        }
        (Some(_), _) => {
            format!("the purge goes on, at the latest with the run of {}", run_after(snapshot, snapshot.now))
        }
        (None, Ending::None) if held(&snapshot.retention) => {
            "nothing: the contract has no end date, and a legal hold is active".into()
        }
        (None, Ending::None) => "nothing: the contract has no end date, everything is kept".into(),
        (None, Ending::NotDeclared) => "nothing: no Tenant of this name has been seen".into(),
        (None, Ending::Orphaned) => {
            "nothing until a person acts: the Tenant is gone and left no end date, everything is kept".into()
        }
        (None, Ending::Doubtful(doubt)) => format!("nothing until a person acts: {doubt}"),
        (None, Ending::Unknown) => "nothing: the Tenant cannot be read, everything is kept".into(),
        (None, Ending::On(dates)) => dated(snapshot, dates),
    }
}

fn dated(snapshot: &RetentionSnapshot, dates: &Dates) -> String {
    let not_before = in_japan(dates.not_before);
    if snapshot.now < dates.ends_at {
        let ends = in_japan(dates.ends_at);
        let held = held(&snapshot.retention) || snapshot.held_by_hand().is_some();
        let kept = if held {
            format!("and as long as the legal hold is active, at least until {not_before}")
        } else {
            format!("until {not_before}")
        };
        return format!("at {ends} VMs are halted and logins closed; data is kept {kept}");
    }
    if held(&snapshot.retention) || snapshot.held_by_hand().is_some() {
        return format!("nothing while the legal hold is active; once it is released, nothing before {not_before}");
    }
    if snapshot.retention.spec.suspend {
        return format!("nothing while spec.suspend is true; then nothing before {not_before}");
    }
    let run = run_after(snapshot, dates.not_before.max(snapshot.now));
    if snapshot.now < dates.not_before {
        return format!("data is kept until {not_before}; the run of {run} may then erase it");
    }
    match last_run(snapshot) {
        Some(last) => format!("the run of {run} may erase the data; the last one said: {}", last.message),
        None => format!("the run of {run} previews the erasure, the one after it may erase the data"),
    }
}

fn run_after(snapshot: &RetentionSnapshot, instant: Timestamp) -> String {
    let schedule = snapshot.retention.spec.schedule.parse::<Schedule>().ok();
    schedule.and_then(|schedule| schedule.next(instant)).map_or_else(|| "no schedule".into(), in_japan)
}

/// Until when the proof has to be kept: `spec.logRetention.evidence`, 7 years when it is not written.
#[must_use]
pub fn evidence_until(snapshot: &RetentionSnapshot) -> Option<Timestamp> {
    let finished = progress(snapshot).purge?.finished_at?.0;
    let period = snapshot.retention.spec.log_retention.as_ref().map_or("7y", |kept| kept.evidence.as_str());
    Some(plus_days(finished, crate::api::retention::days(period)?))
}

/// Is the period over for which the proof is kept? Never, when it cannot be read.
#[must_use]
pub fn evidence_is_over(snapshot: &RetentionSnapshot) -> bool {
    evidence_until(snapshot).is_some_and(|until| snapshot.now >= until)
}
