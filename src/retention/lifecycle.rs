//! Pure: where a Retention stands, as one table.
//!
//! The phase is not stored state that has to be kept right; it follows anew from what is seen in each pass. [`PHASES`] is
//! read from the top, and the first row whose condition holds is the phase. [`TRANSITIONS`] lists every change between
//! two phases that events can bring about; `tests/retention.rs` holds random histories to it, in both directions, and
//! `crds/README.md` is generated from both.

use k8s_openapi::jiff::Timestamp;

use super::ending::{Dates, Ending};
use crate::api::retention::{Progress, PurgeState, RetentionPhase};

/// What the phase follows from.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub ending: &'a Ending,
    pub progress: &'a Progress,
    /// A hold in either of its two places.
    pub held: bool,
    pub now: Timestamp,
}

impl Facts<'_> {
    fn purge(&self, state: PurgeState) -> bool {
        self.progress.purge.as_ref().is_some_and(|purge| purge.state == state)
    }

    fn ended(&self) -> Option<&Dates> {
        match self.ending {
            Ending::On(dates) if self.now >= dates.ends_at => Some(dates),
            _ => None,
        }
    }
}

/// One row of the table of phases.
pub struct Row {
    pub phase: RetentionPhase,
    holds: fn(&Facts) -> bool,
    /// When it is so.
    pub when: &'static str,
    /// What becomes of the data.
    pub data: &'static str,
}

/// Every phase, in order of precedence.
pub const PHASES: [Row; 10] = [
    Row {
        phase: RetentionPhase::Purged,
        holds: |facts| facts.purge(PurgeState::Purged),
        when: "everything is gone, was looked for again and is certified",
        data: "erased; the certificate and the records of spec.logRetention stay",
    },
    Row {
        phase: RetentionPhase::Verifying,
        holds: |facts| facts.purge(PurgeState::Verifying),
        when: "everything planned is gone and is looked for once more",
        data: "erased",
    },
    Row {
        phase: RetentionPhase::Purging,
        holds: |facts| facts.purge(PurgeState::Purging),
        when: "a purge has passed the point of no return; a hold is refused",
        data: "is being erased",
    },
    Row {
        phase: RetentionPhase::Failed,
        holds: |facts| matches!(facts.ending, Ending::Doubtful(_) | Ending::Unknown),
        when: "something cannot be read or is contradictory",
        data: "kept until a person mends it",
    },
    Row {
        phase: RetentionPhase::Orphaned,
        holds: |facts| *facts.ending == Ending::Orphaned,
        when: "the Tenant is gone and left no end date",
        data: "kept until the Tenant is declared again or spec.endDate is written",
    },
    Row {
        phase: RetentionPhase::Idle,
        holds: |facts| facts.ended().is_none(),
        when: "the contract runs, or nobody has declared it yet",
        data: "kept",
    },
    Row {
        phase: RetentionPhase::Held,
        holds: |facts| facts.held,
        when: "the contract is over and a legal hold is active",
        data: "kept whatever the dates say",
    },
    Row {
        phase: RetentionPhase::Overdue,
        holds: |facts| facts.ended().is_some_and(|dates| facts.now >= dates.deadline),
        when: "the deadline has passed and data is still there",
        data: "should be gone; the condition Overdue says what is in the way",
    },
    Row {
        phase: RetentionPhase::Previewed,
        holds: |facts| facts.ended().is_some_and(|dates| previewed(facts.progress, dates)),
        when: "the contract is over and a run has written down what a purge would erase",
        data: "kept until purgeNotBefore; VMs are halted, logins closed",
    },
    Row {
        phase: RetentionPhase::Grace,
        holds: |facts| facts.ended().is_some(),
        when: "the contract is over",
        data: "kept until purgeNotBefore; VMs are halted, logins closed",
    },
];

/// Is there a preview of just this purge?
#[must_use]
pub fn previewed(progress: &Progress, dates: &Dates) -> bool {
    progress.inventory.as_ref().is_some_and(|preview| preview.not_before.0 == dates.not_before)
}

/// Where a Retention stands.
#[must_use]
pub fn phase(facts: &Facts) -> RetentionPhase {
    // Idle and Grace part what no other row takes, so one row always holds; doubt keeps everything.
    PHASES.iter().find(|row| (row.holds)(facts)).map_or(RetentionPhase::Failed, |row| row.phase)
}
