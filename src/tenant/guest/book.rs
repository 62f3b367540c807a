//! When each VM's Secrets are looked at again, and what was wrong with them the last time. In memory: a restart begins
//! anew, and puts the first look off, since the VM's annotation says that the Secret stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Refusal;

/// How soon data is read again that was missing or refused: people wait for that.
pub const SOON: SignedDuration = SignedDuration::from_secs(30);

/// How soon the operator asks again for what it may not read yet: its right is a moment old.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);

/// One VM's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The customer's Secret that it is about.
    pub secret: Option<String>,
    /// When its Secrets are looked at again.
    pub next: Timestamp,
    pub refusal: Option<Refusal>,
    /// Readings that failed, one after the other.
    pub failures: u32,
}

/// Why a Secret could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operator may not yet.
    Forbidden,
    /// No usable answer.
    Unanswered,
}

/// How long is waited after so many failures in a row: each doubles it, up to a period.
#[must_use]
pub fn wait(failure: Failure, failures: u32, period: SignedDuration) -> SignedDuration {
    let first = match failure {
        Failure::Forbidden => AT_ONCE,
        Failure::Unanswered => SOON,
    };
    first.checked_mul(2_i32.saturating_pow(failures)).unwrap_or(period).min(period)
}

/// Entries of all VMs, by tenant and VM.
#[derive(Debug, Default)]
pub struct Book(Mutex<HashMap<String, BTreeMap<String, Entry>>>);

impl Book {
    /// What is written of a tenant's VMs.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> BTreeMap<String, Entry> {
        self.lock().get(tenant).cloned().unwrap_or_default()
    }

    /// Writes down all of a tenant's VMs; what was there before goes.
    pub fn keep(&self, tenant: &str, entries: BTreeMap<String, Entry>) {
        let mut all = self.lock();
        if entries.is_empty() {
            all.remove(tenant);
        } else {
            all.insert(tenant.to_owned(), entries);
        }
    }

    /// A Tenant that is gone.
    pub fn forget(&self, tenant: &str) {
        self.lock().remove(tenant);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<String, Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first look at a VM that this process sees with its Secret standing: in the second half of a period, spread by the
/// VM's uid, so that a restart with thousands of VMs is no rush.
#[must_use]
pub fn first(now: Timestamp, period: SignedDuration, uid: &str) -> Timestamp {
    let spread: u64 = uid.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 1000;
    let half = period.as_millis() / 2;
    let more = half * i128::from(spread) / 1000;
    let wait = SignedDuration::from_millis(i64::try_from(half + more).unwrap_or(i64::MAX));
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_every_failure_up_to_a_period() {
        let period = SignedDuration::from_mins(30);
        let waits = |failure| [0, 1, 2, 5, 40].map(|failures| wait(failure, failures, period).as_secs());
        assert_eq!(waits(Failure::Unanswered), [30, 60, 120, 960, 1800]);
        assert_eq!(waits(Failure::Forbidden), [1, 2, 4, 32, 1800]);
    }

    #[test]
    fn a_tenant_that_is_gone_is_forgotten_and_its_neighbour_is_not() {
        let book = Book::default();
        let entry = Entry { secret: None, next: Timestamp::UNIX_EPOCH, refusal: None, failures: 0 };
        for tenant in ["plum", "pear"] {
            book.keep(tenant, BTreeMap::from([("web".to_owned(), entry.clone())]));
        }
        book.forget("plum");
        assert_eq!((book.of_tenant("plum").len(), book.of_tenant("pear").len()), (0, 1));
    }

    #[test]
    fn first_looks_lie_in_the_second_half_of_the_period_and_not_all_at_once() {
        let now: Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
        let period = SignedDuration::from_mins(30);
        let looks: Vec<_> =
            (0..100).map(|n| first(now, period, &format!("5f2c1a6e-{n:04}")).duration_since(now)).collect();
        assert!(looks.iter().all(|wait| *wait >= period / 2 && *wait <= period), "{looks:?}");
        let distinct: std::collections::BTreeSet<_> = looks.iter().map(SignedDuration::as_secs).collect();
        assert!(distinct.len() > 50, "{}", distinct.len());
    }
}
