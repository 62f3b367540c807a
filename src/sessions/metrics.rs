//! What Prometheus sees of it. Nothing of a session but its number and its time: no tenant, no name (I9).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::record::Unapproved;

/// Figures of one process; every counter begins at 0.
#[derive(Debug)]
pub struct Figures {
    registry: Registry,
    lines: Counter,
    malformed: Counter,
    /// Requests that the API server refused: the door was shut.
    pub refused: Counter,
    /// Sessions written on grants.
    pub granted: Counter,
    /// Sessions written as unapproved.
    pub unapproved: Counter,
    /// Unapproved sessions for which there was no place.
    pub unrecorded: Counter,
    /// Tries to write that failed.
    pub failures: Counter,
    last_unapproved: Gauge,
    working: Gauge,
    said: AtomicBool,
    told_malformed: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cloudfarm_sessions");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let lines = counter("events", "Audit events that were read");
        let malformed = counter("malformed", "Audit events that could not be read");
        let refused = counter("refused", "Requests for a door into a VM that the API server refused");
        let granted = counter("granted", "Sessions that were written on AccessGrants");
        let unapproved = counter("unapproved", "Sessions without an AccessGrant that were recorded");
        let unrecorded = counter("unrecorded", "Sessions without an AccessGrant in an area that is nobody's");
        let failures = counter("failures", "Tries to write sessions down that failed; each is tried again");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let last_unapproved =
            gauge("unapproved_timestamp_seconds", "When the last session without an AccessGrant began; 0 without one");
        let working = gauge("working", "1 while the source can be read and everything that was seen is written");
        Self {
            registry,
            lines,
            malformed,
            refused,
            granted,
            unapproved,
            unrecorded,
            failures,
            last_unapproved,
            working,
            said: AtomicBool::new(false),
            told_malformed: AtomicU64::new(0),
        }
    }
}

impl Figures {
    /// So many events were read, and so many of them make no sense, which is said when it begins.
    pub fn read(&self, events: u64, malformed: u64) {
        self.lines.inc_by(events);
        self.malformed.inc_by(malformed);
        if malformed > 0 {
            let all = self.told_malformed.fetch_add(malformed, Ordering::Relaxed) + malformed;
            tracing::warn!(malformed, all, "audit events that make no sense were passed over");
        }
    }

    /// When these unapproved sessions began. The same after a restart, which counts none of them again.
    pub fn unapproved_at(&self, sessions: &[Unapproved]) {
        let latest = sessions.iter().filter_map(|each| each.session.began_at.as_ref()).map(|at| at.0.as_second()).max();
        if let Some(latest) = latest.filter(|latest| *latest > self.last_unapproved.get()) {
            self.last_unapproved.set(latest);
        }
    }

    /// Is everything as it should be?
    pub fn working(&self, well: bool) {
        self.working.set(i64::from(well));
        self.said.store(true, Ordering::Relaxed);
    }

    /// Has it been well at the last look?
    #[must_use]
    pub fn ready(&self) -> bool {
        self.said.load(Ordering::Relaxed) && self.working.get() == 1
    }

    /// The page.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode_registry(&mut text, &self.registry) {
            tracing::error!(%error, "figures cannot be written");
        }
        text
    }
}
