//! The only caller of `now()`. Everything else is handed an instant.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The system's clock, which tests may set ahead.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_seconds: Arc<AtomicI64>,
    /// When the process first asked for a time that never runs back, by both of its clocks.
    began: Arc<OnceLock<(Instant, Timestamp)>>,
}

impl Clock {
    /// The present instant, cut to whole seconds as Kubernetes stores times.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
        whole.checked_add(SignedDuration::from_secs(self.ahead_seconds.load(Ordering::Relaxed))).unwrap_or(whole)
    }

    /// The present instant, and never one that lies before what has passed since this was first asked: whoever sets the
    /// system's clock back makes no time that was granted any longer.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn steady(&self) -> Timestamp {
        let now = self.now();
        let (began, then) = self.began.get_or_init(|| (Instant::now(), now));
        let passed = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
        then.checked_add(SignedDuration::from_secs(passed)).map_or(now, |steady| steady.max(now))
    }

    /// Sets the clock ahead of the system's by so many seconds.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead_seconds.store(seconds, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_no_time_run_back() {
        let clock = Clock::default();
        let first = clock.steady();
        clock.set_ahead(-3600);
        assert!(clock.now() < first && clock.steady() >= first);
        clock.set_ahead(3600);
        assert!(clock.steady().duration_since(first) >= SignedDuration::from_hours(1));
        clock.set_ahead(0);
        assert!(
            clock.steady().duration_since(first) < SignedDuration::from_hours(1),
            "what was ahead for a while is not for good"
        );
    }
}
