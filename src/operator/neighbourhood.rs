//! What is known of neighbours when a process begins to lead: which are there, and whether what they hold has been listed.
//!
//! Passes wait until all is known, since what was not listed looks like what is not there (I2). A slow API server is waited
//! for longer than a neighbour that cannot be listed at all (rights, a broken conversion), which must not hold up
//! everything else. Whoever goes on without one knows that it is there, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a process that begins to lead waits for neighbours whose list fails.
const FAILING: Duration = Duration::from_secs(30);

/// How long it waits for those of which nothing is heard.
const SLOW: Duration = Duration::from_mins(2);

/// Neighbours' CRDs that exist and whose objects have not been listed yet. Known once the CRDs have been listed.
#[derive(Debug, Default)]
pub struct Neighbourhood(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// All CRDs were: what is not awaited is not installed.
    listed: bool,
    /// Not listed yet, and whether a list has failed.
    awaited: BTreeMap<String, bool>,
    /// Those of them that passes do not wait for any longer.
    given_up: BTreeSet<String>,
}

impl Neighbourhood {
    /// A CRD that we watch the objects of exists.
    pub fn awaited(&self, crd: &str) {
        self.lock().awaited.entry(crd.to_owned()).or_default();
    }

    /// A list of its objects failed.
    pub fn failing(&self, crd: &str) {
        if let Some(failed) = self.lock().awaited.get_mut(crd) {
            *failed = true;
        }
    }

    /// Its objects have been listed, or it is gone.
    pub fn settled(&self, crd: &str) {
        let mut state = self.lock();
        state.awaited.remove(crd);
        state.given_up.remove(crd);
    }

    /// All CRDs have been listed: what is not awaited now is not installed.
    pub fn listed(&self) {
        self.lock().listed = true;
    }

    /// So long has this process waited: goes on without those that have had their time.
    pub fn give_up(&self, waited: Duration) {
        let mut state = self.lock();
        let over = |failed: bool| waited >= if failed { FAILING } else { SLOW };
        let given_up: BTreeSet<String> =
            state.awaited.iter().filter(|(_, failed)| over(**failed)).map(|(crd, _)| crd.clone()).collect();
        let fresh: Vec<&String> = given_up.difference(&state.given_up).collect();
        if !fresh.is_empty() {
            tracing::warn!(crds = ?fresh, "these neighbours' objects cannot be listed; going on without them");
        }
        state.given_up = given_up;
    }

    /// Is it known which neighbours are there, and what they hold?
    #[must_use]
    pub fn known(&self) -> bool {
        let state = self.lock();
        state.listed && state.awaited.keys().all(|crd| state.given_up.contains(crd))
    }

    /// It is there, and nobody knows what it holds.
    #[must_use]
    pub fn unlisted(&self, crd: &str) -> bool {
        self.lock().awaited.contains_key(crd)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_list_is_waited_for_longer_than_one_that_fails_and_neither_is_taken_for_a_neighbour_that_is_missing() {
        let seconds = Duration::from_secs;
        let found = Neighbourhood::default();
        found.awaited("slow");
        found.awaited("broken");
        found.failing("broken");
        assert!(!found.known(), "CRDs were not listed");
        found.listed();
        found.give_up(seconds(29));
        assert!(!found.known());
        found.give_up(seconds(31));
        assert!(!found.known(), "the slow one is waited for");
        found.settled("slow");
        assert!(found.known() && found.unlisted("broken") && !found.unlisted("slow") && !found.unlisted("missing"));
        found.awaited("slow");
        found.give_up(seconds(119));
        assert!(!found.known());
        found.give_up(seconds(120));
        assert!(found.known() && found.unlisted("slow"));
        found.settled("broken");
        assert!(found.known() && !found.unlisted("broken"));
    }
}
