//! What became of a [`Desired`](super::object::Desired): the only thing a status may speak from.

use std::collections::BTreeMap;
use std::fmt;

use super::object::{Kind, Observation, Reference};
use crate::api::condition::{ConditionType, Reason, Status, Verdict};

/// Result of one pass of apply and prune.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Writes made in this pass; 0 on an unchanged world.
    pub written: usize,
    /// Objects deleted in this pass.
    pub pruned: usize,
    /// Every wanted object that is there, as last seen (its own write included).
    pub observed: BTreeMap<Reference, Observation>,
    /// What could not be done.
    pub faults: Vec<Fault>,
    /// Scans of images that could not be ordered, each with why.
    pub unordered: Vec<String>,
}

/// One object that could not be brought to its desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reference: Reference,
    pub cause: Cause,
    /// For people: what the API server said, or what stands in the way.
    pub message: String,
}

/// What kind of obstacle it is, which decides whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something of that name exists that is not ours. Nothing was touched; a person has to act.
    Foreign,
    /// The API server or an admission policy refused it; it is tried again when something changes, and slowly.
    Refused,
    /// No usable answer (timeout, 5xx): tried again with back-off.
    Unanswered,
    /// Somebody wrote it between our look and our write, which expected what was seen: looked at again with back-off.
    Changed,
    /// The object's kind is not installed or not watched yet; it follows when it appears.
    Waiting,
}

impl Applied {
    /// Does a person have to act? Waiting helps neither with what is a stranger's nor with what is refused.
    #[must_use]
    pub fn stalled(&self) -> Verdict {
        let type_ = ConditionType::Stalled;
        match self.faults.iter().find(|fault| matches!(fault.cause, Cause::Foreign | Cause::Refused)) {
            Some(fault) => Verdict { status: Status::True, ..fault.verdict(type_) },
            None => Verdict::new(type_, Status::False, Reason::AsDeclared, "nothing waits for a person"),
        }
    }
}

impl Fault {
    /// What a condition of this type says about the fault: False, with its reason.
    #[must_use]
    pub fn verdict(&self, type_: ConditionType) -> Verdict {
        Verdict::bad(type_, self.reason(), self.to_string())
    }

    fn reason(&self) -> Reason {
        match (self.cause, self.reference.kind) {
            (Cause::Foreign, Kind::Namespace) => Reason::NamespaceNotOurs,
            (Cause::Foreign, _) => Reason::ForeignObject,
            (Cause::Refused, _) => Reason::Refused,
            (Cause::Unanswered, _) => Reason::ApiError,
            (Cause::Changed | Cause::Waiting, _) => Reason::Progressing,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reference, self.message)
    }
}
