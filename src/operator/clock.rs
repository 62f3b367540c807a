//! The only caller of `now()`. Everything else is handed an instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The system's clock, which tests may set ahead.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_seconds: Arc<AtomicI64>,
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

    /// Sets the clock ahead of the system's by so many seconds.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead_seconds.store(seconds, Ordering::Relaxed);
    }
}
