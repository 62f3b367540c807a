//! The promise, told again without looking at how it is kept: from what people did, and from when the operator could
//! see it, whether data may be erased now, and from when it must be. It knows no status, no gate and no plan.

use cloudfarm::api::jst::ContractDate;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What is known of one life: from its first declaration to its erasure.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, clippy::option_option)] // each is what one person said, and nothing else
pub struct Book {
    /// What the Tenant says: nothing when it is gone, `Some(None)` when it has no end date.
    pub says: Option<Option<String>>,
    pub unreadable: bool,
    pub decided: Option<String>,
    pub grace: i64,
    pub held: bool,
    pub held_in_namespace: bool,
    pub suspended: bool,
    pub dry: bool,
    pub wanted: usize,
    /// Each approver once, with when.
    pub approvals: Vec<(&'static str, Timestamp)>,
    /// The customer's wish, by somebody who may speak for the customer.
    pub wish: bool,
    pub begun: bool,
    pub last_word: Option<String>,
    pub left_over: Option<String>,
    pub known: Option<(String, Timestamp)>,
    pub wished: Option<Timestamp>,
}

impl Book {
    /// The operator could see how things are; `now` is what its clock says.
    pub fn seen(&mut self, now: Timestamp) {
        if self.unreadable || self.begun {
            return;
        }
        if let Some(date) = &self.says {
            (self.last_word, self.left_over) = (date.clone(), self.decided.clone());
        } else if self.left_over != self.decided {
            self.left_over = None;
        }
        let end = self.end();
        self.known = end.map(|end| match self.known.take() {
            Some(known) if known.0 == end => known,
            _ => (end, now),
        });
        let counts = self.wish && self.says.is_some() && self.known.is_some();
        self.wished = counts.then(|| self.wished.unwrap_or(now));
    }

    /// The last word about the end, if it is a date: the Tenant's own; when it is gone its last, or else the officer's.
    fn end(&self) -> Option<String> {
        let readable = |date: &Option<String>| date.clone().filter(|date| date.parse::<ContractDate>().is_ok());
        let decided = readable(&self.decided).filter(|date| self.left_over.as_ref() != Some(date));
        match &self.says {
            Some(date) => readable(date),
            None => readable(&self.last_word).or(decided),
        }
    }

    /// The instant before which nothing may be erased, if there is to be an end at all.
    pub fn due(&self) -> Option<Timestamp> {
        let (date, since) = self.known.clone().filter(|known| Some(&known.0) == self.end().as_ref())?;
        let ends = format!("{date}T15:00:00Z").parse::<Timestamp>().ok()?;
        let wished = self.wished.filter(|_| self.wish && (self.says.is_some() || self.begun));
        let kept = wished.map_or(ends + DAY * i32::try_from(self.grace).ok()?, |wished| ends.max(wished + DAY));
        Some(kept.max(since + DAY))
    }

    /// Is it forbidden to erase at this instant?
    pub fn forbids(&self, now: Timestamp) -> Option<&'static str> {
        let given = self.approvals.iter().filter(|given| self.known.as_ref().is_some_and(|known| given.1 >= known.1));
        match self.due() {
            _ if self.unreadable => Some("the Tenant cannot be read"),
            None => Some("there is no end date that the operator has seen"),
            Some(due) if now < due => Some("too early"),
            _ if self.held || self.held_in_namespace => Some("it is held"),
            _ if self.suspended => Some("it is suspended"),
            _ if !self.begun && (self.dry || given.count() < self.wanted) => Some("not enforced or not approved"),
            _ => None,
        }
    }
}
