//! Pure: where a Retention stands, as one table.
//!
//! The phase is not stored state that has to be kept right; it follows anew from what is seen in each pass. [`PHASES`] is
//! read from the top, and the first row whose condition holds is the phase. [`TRANSITIONS`] lists every change between
//! two phases that events can bring about; `tests/retention.rs` holds random histories to it, in both directions, and
//! `crds/README.md` is generated from both.

use std::fmt::Write as _;

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

/// One row of the table of transitions: what one event brings about.
pub struct Transition {
    /// Phases in which it can happen; `None` is a Retention that nobody has looked at yet.
    pub from: &'static [Option<RetentionPhase>],
    pub to: RetentionPhase,
    /// The event, for people.
    pub event: &'static str,
}

const NEW: Option<RetentionPhase> = None;
const IDLE: Option<RetentionPhase> = Some(RetentionPhase::Idle);
const GRACE: Option<RetentionPhase> = Some(RetentionPhase::Grace);
const PREVIEWED: Option<RetentionPhase> = Some(RetentionPhase::Previewed);
const HELD: Option<RetentionPhase> = Some(RetentionPhase::Held);
const OVERDUE: Option<RetentionPhase> = Some(RetentionPhase::Overdue);
const ORPHANED: Option<RetentionPhase> = Some(RetentionPhase::Orphaned);
const FAILED: Option<RetentionPhase> = Some(RetentionPhase::Failed);
const PURGING: Option<RetentionPhase> = Some(RetentionPhase::Purging);
const VERIFYING: Option<RetentionPhase> = Some(RetentionPhase::Verifying);

/// Every change between phases; each pair stands in one row. An operator that was away sees several events at once,
/// and then leaves out phases that lie between.
pub const TRANSITIONS: [Transition; 24] = [
    Transition {
        from: &[NEW],
        to: RetentionPhase::Idle,
        event: "it is made while the contract runs, or before the Tenant is declared",
    },
    Transition { from: &[NEW], to: RetentionPhase::Grace, event: "it is made when the contract is over already" },
    Transition {
        from: &[NEW],
        to: RetentionPhase::Held,
        event: "it is made with an active hold when the contract is over already",
    },
    Transition {
        from: &[IDLE],
        to: RetentionPhase::Grace,
        event: "contractEndsAt comes, or an end date in the past is declared",
    },
    Transition {
        from: &[IDLE],
        to: RetentionPhase::Held,
        event: "the contract ends, in one of those two ways, under an active hold",
    },
    Transition {
        from: &[IDLE, ORPHANED, FAILED],
        to: RetentionPhase::Previewed,
        event: "the end date of which a preview exists is back, and leads to the same purgeNotBefore",
    },
    Transition {
        from: &[FAILED],
        to: RetentionPhase::Overdue,
        event: "a Tenant that could not be read can be read again, and meanwhile the deadline has passed",
    },
    Transition {
        from: &[GRACE],
        to: RetentionPhase::Previewed,
        event: "a purge run writes down what would be erased: some days before, and at the latest on purgeNotBefore",
    },
    Transition {
        from: &[GRACE, PREVIEWED],
        to: RetentionPhase::Overdue,
        event: "the deadline passes, or spec.completeWithin is shortened to a deadline that has passed",
    },
    Transition {
        from: &[GRACE, PREVIEWED, OVERDUE],
        to: RetentionPhase::Held,
        event: "a hold is placed, in spec.legalHold or on a namespace",
    },
    Transition {
        from: &[HELD],
        to: RetentionPhase::Grace,
        event: "the hold is released before the deadline, and there is no preview of this purge",
    },
    Transition {
        from: &[HELD],
        to: RetentionPhase::Previewed,
        event: "the hold is released before the deadline, and there is a preview of this purge",
    },
    Transition { from: &[HELD], to: RetentionPhase::Overdue, event: "the hold is released after the deadline" },
    Transition {
        from: &[PREVIEWED],
        to: RetentionPhase::Grace,
        event: "purgeNotBefore moves, by another end date, graceDays or earlyErasure: the preview is of another purge",
    },
    Transition {
        from: &[OVERDUE],
        to: RetentionPhase::Grace,
        event: "the deadline moves into the future, by another end date, graceDays or completeWithin",
    },
    Transition {
        from: &[OVERDUE],
        to: RetentionPhase::Previewed,
        event: "spec.completeWithin is lengthened to a deadline in the future, and there is a preview of this purge",
    },
    Transition {
        from: &[GRACE, PREVIEWED, HELD, OVERDUE, ORPHANED, FAILED],
        to: RetentionPhase::Idle,
        event: "the end date is withdrawn or moved into the future, or the Tenant is declared again without one in the past",
    },
    Transition {
        from: &[IDLE, GRACE, PREVIEWED, HELD, OVERDUE, FAILED],
        to: RetentionPhase::Orphaned,
        event: "the Tenant vanishes without a readable end date, or spec.endDate, which stood in for it, is removed",
    },
    Transition {
        from: &[ORPHANED, FAILED],
        to: RetentionPhase::Grace,
        event: "the Tenant is declared again, spec.endDate is written, or the fault is mended: with an end date in the past",
    },
    Transition { from: &[ORPHANED, FAILED], to: RetentionPhase::Held, event: "the same, under an active hold" },
    Transition {
        from: &[NEW, IDLE, GRACE, PREVIEWED, HELD, OVERDUE, ORPHANED],
        to: RetentionPhase::Failed,
        event: "an end date or spec.schedule cannot be read, or another Retention stands for this tenant",
    },
    Transition {
        from: &[PREVIEWED, OVERDUE],
        to: RetentionPhase::Purging,
        event: "a purge run finds everything in order and passes the point of no return",
    },
    Transition {
        from: &[PURGING],
        to: RetentionPhase::Verifying,
        event: "every object of the plan has been read back as gone",
    },
    Transition {
        from: &[VERIFYING],
        to: RetentionPhase::Purged,
        event: "everything was looked for once more, nothing was found, and the certificate is signed and stored",
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

/// Both tables for people, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "\n## Life cycle of a Retention\n\nGenerated from `src/retention/lifecycle.rs`. `status.phase` follows anew from what is seen in each pass: the first row that\nholds is the phase.\n\n| phase | when | the data |\n|---|---|---|\n",
    );
    // Writing to a String cannot fail.
    for row in &PHASES {
        let _ = writeln!(text, "| `{:?}` | {} | {} |", row.phase, row.when, row.data);
    }
    text.push_str(
        "\nEvery change between phases. An operator that was away sees several events at once and then leaves out phases that lie\nbetween.\n\n| from | to | by |\n|---|---|---|\n",
    );
    for row in &TRANSITIONS {
        let from = row.from.iter().map(|phase| phase.map_or_else(|| "new".into(), |phase| format!("`{phase:?}`")));
        let _ = writeln!(text, "| {} | `{:?}` | {} |", from.collect::<Vec<_>>().join(", "), row.to, row.event);
    }
    text
}
