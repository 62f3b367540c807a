//! What this process remembers between passes, while it leads. Losing it costs reads, never a mail.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::record::Summary;
use crate::api::notice::Text;
use crate::api::tenant::Tenant;
use crate::mail::Shut;

/// First and longest rest after the mail server served nobody.
const REST: (i64, i64) = (5, 300);

/// One tenant, as far as one notice goes: some 200 bytes.
#[derive(Clone, Debug)]
pub struct Line {
    /// Stands for who was to be told what.
    pub people: u64,
    pub summary: Summary,
    /// When to look again; with a summary of what was seen by then.
    pub next: Option<Timestamp>,
    /// Why nothing could be written down, so that nothing was sent either.
    pub fault: Option<String>,
}

/// The tenants of one notice.
pub type Lines = BTreeMap<String, Line>;

/// Lines of notices under way, texts that were read, and how the mail server does.
#[derive(Debug, Default)]
pub struct Book {
    lines: Mutex<HashMap<String, Lines>>,
    texts: Mutex<HashMap<(String, i64), Text>>,
    people: Mutex<HashMap<String, u64>>,
    rest: Mutex<Option<Rest>>,
}

#[derive(Clone, Debug)]
struct Rest {
    until: Timestamp,
    seconds: i64,
    why: Shut,
}

impl Book {
    /// Hands the lines of a notice over, to be given back: one pass at a time works on one notice.
    #[must_use]
    pub fn take(&self, notice_uid: &str) -> Lines {
        lock(&self.lines).remove(notice_uid).unwrap_or_default()
    }

    /// Remembers them.
    pub fn keep(&self, notice_uid: &str, lines: Lines) {
        lock(&self.lines).insert(notice_uid.to_owned(), lines);
    }

    /// A text that was read for this generation of a notice.
    #[must_use]
    pub fn text(&self, notice_uid: &str, generation: i64) -> Option<Text> {
        lock(&self.texts).get(&(notice_uid.to_owned(), generation)).cloned()
    }

    /// Remembers it in the place of earlier ones.
    pub fn read(&self, notice_uid: &str, generation: i64, text: Text) {
        let mut texts = lock(&self.texts);
        texts.retain(|(uid, _), _| uid != notice_uid);
        texts.insert((notice_uid.to_owned(), generation), text);
    }

    /// The notice is gone, or is over.
    pub fn forget(&self, notice_uid: &str) {
        lock(&self.lines).remove(notice_uid);
        lock(&self.texts).retain(|(uid, _), _| uid != notice_uid);
    }

    /// Are other people to be told than when this tenant was last seen here?
    #[must_use]
    pub fn other_people(&self, tenant: &Tenant) -> bool {
        let mut hasher = DefaultHasher::new();
        for person in &tenant.spec.administrators {
            let notify = person.notify.as_ref().map(|kinds| kinds.iter().map(|kind| *kind as u8).collect::<Vec<_>>());
            (&person.username, &person.email, person.role as u8, notify, person.disabled).hash(&mut hasher);
        }
        tenant.labels().hash(&mut hasher);
        let now = hasher.finish();
        lock(&self.people).insert(tenant.name_any(), now) != Some(now)
    }

    /// Why, and until when, nothing is sent.
    #[must_use]
    pub fn rests(&self, now: Timestamp) -> Option<(Shut, Timestamp)> {
        lock(&self.rest).as_ref().filter(|rest| rest.until > now).map(|rest| (rest.why.clone(), rest.until))
    }

    /// The mail server served nobody. Returns until when it is left alone.
    pub fn shut(&self, why: &Shut, now: Timestamp) -> Timestamp {
        let mut rest = lock(&self.rest);
        // Mails that were under way at the same time learn the same thing.
        if let Some(rest) = rest.as_ref().filter(|rest| rest.until > now) {
            return rest.until;
        }
        let seconds = rest.as_ref().map_or(REST.0, |rest| (rest.seconds * 2).min(REST.1));
        let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        *rest = Some(Rest { until, seconds, why: why.clone() });
        until
    }

    /// The mail server served somebody.
    pub fn opened(&self) {
        *lock(&self.rest) = None;
    }
}

// What is inside is whole after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
