//! Pure: what is known of the mails about one notice to the people of one tenant, as it is kept in `cfd-<tenant>`.
//!
//! ```text
//! Queued --accepted--> Sent          another text (revision): Queued again, told as a follow-up
//!   |  ^--later, after a wait that doubles
//!   +--refused, or tried too often--> Failed
//! ```
//!
//! When somebody was first told is never written anew: an incident that was told late stays late.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// First and longest wait before a mail is tried again.
const BACKOFF: (i64, i64) = (5, 900);

/// Tries of one mail: with the waits between them, about a day.
pub const TRIES: u32 = 100;

/// The mails about one notice to one tenant.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// How manieth text.
    pub revision: i64,
    /// Stands for the text.
    pub content: String,
    pub deliveries: Vec<Delivery>,
}

/// One person, by a hash.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub recipient: String,
    /// Has the person a PrivilegedAdministrator's duties?
    pub privileged: bool,
    /// The text that state, tries and Message-ID are about.
    pub revision: i64,
    pub state: State,
    pub message_id: String,
    pub attempts: u32,
    /// What the server answered last, as a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Since when the person is to be told.
    pub since: Timestamp,
    /// When the server took the first mail about this notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<Timestamp>,
    /// When it took the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// Since when the person is no longer to be told anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Sent,
    Failed,
}

/// Somebody who is to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub recipient: String,
    pub privileged: bool,
}

/// What a record says, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub recipients: u32,
    pub sent: u32,
    pub failed: u32,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// When a mail is due that has not been taken yet.
    pub next_try: Option<Timestamp>,
    /// Of those with a PrivilegedAdministrator's duties at the deadline: was one told late, and is one not told yet?
    pub late: bool,
    pub untold: bool,
}

impl Record {
    /// Brings the record to who is wanted and what is told now. `message_id` names the mail of a person and a revision.
    pub fn plan(&mut self, wanted: &[Wanted], content: &str, now: Timestamp, message_id: impl Fn(&str, i64) -> String) {
        if self.content != content {
            self.revision += 1;
            content.clone_into(&mut self.content);
        }
        for delivery in &mut self.deliveries {
            let person = wanted.iter().find(|person| person.recipient == delivery.recipient);
            match person {
                None if delivery.withdrawn_at.is_none() => delivery.withdrawn_at = Some(now),
                None => {}
                Some(person) => {
                    delivery.withdrawn_at = None;
                    delivery.privileged = person.privileged;
                    if delivery.revision != self.revision {
                        delivery.revision = self.revision;
                        delivery.message_id = message_id(&delivery.recipient, self.revision);
                        (delivery.state, delivery.attempts, delivery.code) = (State::Queued, 0, None);
                        delivery.next_try = None;
                    }
                }
            }
        }
        for person in wanted {
            if self.deliveries.iter().all(|delivery| delivery.recipient != person.recipient) {
                self.deliveries.push(Delivery {
                    recipient: person.recipient.clone(),
                    privileged: person.privileged,
                    revision: self.revision,
                    state: State::Queued,
                    message_id: message_id(&person.recipient, self.revision),
                    attempts: 0,
                    code: None,
                    since: now,
                    first_sent_at: None,
                    sent_at: None,
                    next_try: None,
                    withdrawn_at: None,
                });
            }
        }
    }

    /// The summary; `deadline` is an incident's.
    #[must_use]
    pub fn summary(&self, deadline: Option<Timestamp>) -> Summary {
        let mut summary = Summary::default();
        for delivery in &self.deliveries {
            if let Some(deadline) = deadline.filter(|_| delivery.privileged) {
                let counts = delivery.since < deadline && delivery.withdrawn_at.is_none_or(|at| at >= deadline);
                summary.late |= counts && delivery.first_sent_at.is_some_and(|at| at >= deadline);
                summary.untold |= counts && delivery.first_sent_at.is_none();
            }
            summary.first = summary.first.into_iter().chain(delivery.first_sent_at).min();
            summary.last = summary.last.max(delivery.sent_at);
            if delivery.withdrawn_at.is_some() {
                continue;
            }
            summary.recipients += 1;
            match delivery.state {
                State::Sent => summary.sent += 1,
                State::Failed => summary.failed += 1,
                State::Queued => {
                    let next = delivery.next_try.unwrap_or(delivery.since);
                    summary.next_try = summary.next_try.into_iter().chain([next]).min();
                }
            }
        }
        summary
    }
}

impl Delivery {
    /// Is this mail to be sent now?
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Queued && self.withdrawn_at.is_none() && self.next_try.is_none_or(|at| at <= now)
    }

    /// The mail is about to be sent. Whoever finds this later, and no word of what became of it, sends it again.
    pub fn begin(&mut self, now: Timestamp) {
        self.attempts += 1;
        self.next_try = Some(plus(now, wait(self.attempts)));
    }

    /// The server has it.
    pub fn accepted(&mut self, now: Timestamp) {
        self.state = State::Sent;
        self.first_sent_at = self.first_sent_at.or(Some(now));
        self.sent_at = Some(now);
        (self.next_try, self.code) = (None, None);
    }

    /// The server will never take it.
    pub fn refused(&mut self, code: Option<u16>) {
        self.state = State::Failed;
        (self.next_try, self.code) = (None, code);
    }

    /// The server did not take it, or nobody knows.
    pub fn later(&mut self, code: Option<u16>, now: Timestamp) {
        if self.attempts >= TRIES {
            return self.refused(code);
        }
        self.code = code;
        self.next_try = Some(plus(now, wait(self.attempts)));
    }

    /// The server served nobody, which is no try of this mail.
    pub fn not_tried(&mut self, until: Timestamp) {
        self.attempts = self.attempts.saturating_sub(1);
        self.next_try = Some(until);
    }
}

/// Seconds before the next try.
fn wait(attempts: u32) -> i64 {
    BACKOFF.0.saturating_mul(2_i64.saturating_pow(attempts.saturating_sub(1))).min(BACKOFF.1)
}

fn plus(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn wanted(names: &[&str]) -> Vec<Wanted> {
        names.iter().map(|name| Wanted { recipient: (*name).into(), privileged: true }).collect()
    }

    fn id(recipient: &str, revision: i64) -> String {
        format!("<{recipient}.{revision}@provider.example>")
    }

    fn planned(record: &mut Record, names: &[&str], content: &str, now: i64) {
        record.plan(&wanted(names), content, at(now), id);
    }

    #[test]
    fn another_text_is_told_again_under_another_name_and_the_first_time_stands() {
        let mut record = Record::default();
        planned(&mut record, &["sato"], "a", 1);
        record.deliveries[0].begin(at(1));
        record.deliveries[0].accepted(at(1));
        let before = record.clone();
        planned(&mut record, &["sato"], "a", 2);
        assert_eq!(record, before, "nothing moves while nothing changes");
        planned(&mut record, &["sato"], "b", 3);
        let follow_up = &record.deliveries[0];
        assert_eq!((follow_up.state, follow_up.message_id.as_str()), (State::Queued, "<sato.2@provider.example>"));
        record.deliveries[0].accepted(at(4));
        let summary = record.summary(None);
        assert_eq!((summary.first, summary.last, summary.sent), (Some(at(1)), Some(at(4)), 1));
    }

    #[test]
    fn who_comes_later_is_told_and_who_goes_is_told_nothing_more() {
        let mut record = Record::default();
        planned(&mut record, &["sato"], "a", 1);
        planned(&mut record, &["abe"], "a", 2);
        let due: Vec<_> =
            record.deliveries.iter().filter(|each| each.is_due(at(2))).map(|each| &each.recipient).collect();
        assert_eq!(due, ["abe"]);
        planned(&mut record, &["abe", "sato"], "a", 3);
        assert!(record.deliveries.iter().all(|each| each.is_due(at(3)) && each.withdrawn_at.is_none()));
    }

    #[test]
    fn a_wait_doubles_up_to_a_quarter_of_an_hour_and_after_a_day_it_is_given_up() {
        let mut record = Record::default();
        planned(&mut record, &["sato"], "a", 0);
        let (mut now, delivery) = (0, &mut record.deliveries[0]);
        let mut waits = Vec::new();
        while delivery.state == State::Queued {
            delivery.begin(at(now));
            delivery.later(Some(451), at(now));
            let Some(next) = delivery.next_try else { break };
            assert!(!delivery.is_due(at(next.as_second() - 1)) && delivery.is_due(next));
            waits.push(next.as_second() - now);
            now = next.as_second();
        }
        assert_eq!(waits[..5], [5, 10, 20, 40, 80]);
        assert_eq!((delivery.state, delivery.code, waits.last()), (State::Failed, Some(451), Some(&900)));
        assert!((72_000..100_000).contains(&now), "{now} s");
    }

    proptest! {
        /// Whatever happens afterwards: once late, always late.
        #[test]
        fn late_stays_late(steps in prop::collection::vec((0..5_usize, 0..3_usize), 0..30)) {
            let (deadline, mut now) = (at(100), 200);
            let mut record = Record::default();
            planned(&mut record, &["sato"], "a", 1);
            record.deliveries[0].accepted(at(150));
            prop_assert!(record.summary(Some(deadline)).late);
            for (step, much) in steps {
                now += 1;
                let who = &["sato", "abe", "ito"][..=much];
                match step {
                    0 => planned(&mut record, who, "a", now),
                    1 => planned(&mut record, who, "b", now),
                    2 => planned(&mut record, &[], "a", now),
                    3 => record.deliveries.iter_mut().for_each(|each| each.accepted(at(now))),
                    _ => record.deliveries.iter_mut().for_each(|each| each.refused(Some(550))),
                }
                prop_assert!(record.summary(Some(deadline)).late);
            }
        }
    }

    #[test]
    fn who_was_not_there_at_the_deadline_does_not_count_and_who_was_does() {
        let deadline = Some(at(100));
        let mut record = Record::default();
        planned(&mut record, &["sato"], "a", 1);
        assert!(record.summary(deadline).untold);
        record.deliveries[0].accepted(at(99));
        planned(&mut record, &["sato", "late"], "a", 101);
        let summary = record.summary(deadline);
        assert!(!summary.untold && !summary.late);
        // Gone before: not told, and nobody's fault.
        let mut record = Record::default();
        planned(&mut record, &["sato"], "a", 1);
        planned(&mut record, &[], "a", 50);
        assert!(!record.summary(deadline).untold);
    }
}
