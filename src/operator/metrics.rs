//! What Prometheus sees at `/metrics`. No label ever carries a customer's name or secret (I9).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::api::retention::RetentionPhase;
use crate::retention::lifecycle::PHASES;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    verb: &'static str,
    kind: String,
    ok: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pass {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByPhase {
    phase: String,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Counter>,
    passes: Family<Pass, Counter>,
    duration: Histogram,
    watch_errors: Family<ByKind, Counter>,
    objects: Gauge<i64, AtomicI64>,
    retentions: Family<ByPhase, Gauge<i64, AtomicI64>>,
    leader: Gauge<i64, AtomicI64>,
    moving: Mutex<Moving>,
    last_watch_event: Family<ByKind, Gauge<i64, AtomicI64>>,
    reconciles: Counter<u64, AtomicU64>,
}

/// Starts of the passes under way, as a sign of life.
#[derive(Debug, Default)]
struct Moving {
    next: u64,
    started: BTreeMap<u64, i64>,
}

impl Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cloudfarm");
        let metrics = Self {
            calls: Family::default(),
            passes: Family::default(),
            duration: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            watch_errors: Family::default(),
            objects: Gauge::default(),
            retentions: Family::default(),
            leader: Gauge::default(),
            moving: Mutex::default(),
            last_watch_event: Family::default(),
            reconciles: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("api_calls", "Calls that write or decide, by verb and kind", metrics.calls.clone());
        registry.register("reconcile_passes", "Reconcile passes by outcome", metrics.passes.clone());
        registry.register("reconcile_duration_seconds", "Time of one reconcile pass", metrics.duration.clone());
        registry.register("watch_errors", "Errors of watches by kind", metrics.watch_errors.clone());
        registry.register("observed_objects", "Managed objects in the observed store", metrics.objects.clone());
        registry.register(
            "retentions",
            "Retentions by phase; alert on Overdue, Orphaned and Failed above 0",
            metrics.retentions.clone(),
        );
        registry.register("leader", "1 while this process holds the lease", metrics.leader.clone());
        registry.register(
            "watch_last_event_timestamp_seconds",
            "When a watch last said anything",
            metrics.last_watch_event.clone(),
        );
        registry.register("reconciles", "Reconcile passes started", metrics.reconciles.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// One call to the API server ended.
    pub fn call(&self, verb: &'static str, kind: &str, ok: bool) {
        let labels = Call { verb, kind: kind.to_owned(), ok: if ok { "true" } else { "false" } };
        self.calls.get_or_create(&labels).inc();
    }

    /// A pass begins; the answer goes to [`Metrics::pass_ended`].
    pub fn pass_began(&self, now_seconds: i64) -> u64 {
        self.reconciles.inc();
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        moving.next += 1;
        let ticket = moving.next;
        moving.started.insert(ticket, now_seconds);
        ticket
    }

    /// A pass ended.
    pub fn pass_ended(&self, ticket: u64, controller: &'static str, outcome: &'static str, seconds: f64) {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner).started.remove(&ticket);
        self.passes.get_or_create(&Pass { controller, outcome }).inc();
        self.duration.observe(seconds);
    }

    /// A pass was dropped where it stood, with the lease.
    pub fn pass_dropped(&self, ticket: u64) {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner).started.remove(&ticket);
    }

    /// Start of the oldest pass that has not ended, in seconds since the epoch.
    #[must_use]
    pub fn oldest_pass(&self) -> Option<i64> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner).started.values().next().copied()
    }

    /// A watch said something.
    pub fn watch_event(&self, kind: &str, now_seconds: i64) {
        self.last_watch_event.get_or_create(&ByKind { kind: kind.to_owned() }).set(now_seconds);
    }

    /// A watch failed; it is tried again.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.get_or_create(&ByKind { kind: kind.to_owned() }).inc();
    }

    /// Number of objects in the observed store.
    pub fn observed(&self, objects: usize) {
        self.objects.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    /// Retentions by phase; a phase that nobody is in any more counts 0.
    pub fn retentions(&self, phases: impl Iterator<Item = RetentionPhase>) {
        let mut counts: BTreeMap<String, i64> = PHASES.iter().map(|row| (format!("{:?}", row.phase), 0)).collect();
        for phase in phases {
            *counts.entry(format!("{phase:?}")).or_default() += 1;
        }
        for (phase, count) in counts {
            self.retentions.get_or_create(&ByPhase { phase }).set(count);
        }
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The text of `/metrics`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => format!("# metrics cannot be written: {error}\n"),
        }
    }
}
