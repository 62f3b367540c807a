//! What Prometheus sees at `/metrics`.
//!
//! Two sorts of figures:
//!
//! - counted as it happens: passes, writes, requests, errors of watches. Every replica has its own, so rules add them up.
//! - read when somebody asks ([`own`], [`tenants`], [`retentions`]): no event costs anything for them. Those about
//!   customers come from the leader alone, since a standby sees the same objects; rules and dashboards still say `max by`,
//!   so that nothing counts twice while the lead changes hands.
//!
//! The only label value that comes from outside is a tenant's name (I9); how many tenants have series of their own is
//! bounded by `metrics.perTenant` of the operator's config.

mod figures;
mod notices;
mod own;
pub mod requests;
mod retentions;
mod sight;
mod tenants;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::context::Context;
use crate::mail::Outcome;
use figures::Figures;

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    verb: &'static str,
    kind: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    resource: String,
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Verb {
    verb: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pass {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Mailed {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: String,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    writes: Family<Write, Counter>,
    requests: Family<Request, Counter>,
    request_seconds: Family<Verb, Histogram>,
    passes: Family<Pass, Counter<u64, AtomicU64>>,
    pass_seconds: Family<Pass, Histogram>,
    watch_errors: Family<ByKind, Counter>,
    watch_events: Family<ByKind, Gauge<i64, AtomicI64>>,
    mails: Family<Mailed, Counter>,
    leader: Gauge<i64, AtomicI64>,
    /// Start of the process, in seconds since the epoch.
    started: i64,
    moving: Mutex<Moving>,
    /// When the last watch of a resource was asked for, in seconds since the epoch.
    watches_asked: Mutex<HashMap<String, i64>>,
}

/// Passes under way.
#[derive(Debug, Default)]
struct Moving {
    next: u64,
    started: BTreeMap<u64, (i64, &'static str)>,
}

impl Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Half a millisecond to 16 seconds: calls time out after 20.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 16))
}

impl Metrics {
    /// `started` is when the process began, in seconds since the epoch.
    #[must_use]
    pub fn new(started: i64) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("cloudfarm"),
            writes: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            passes: Family::default(),
            pass_seconds: Family::new_with_constructor(seconds),
            watch_errors: Family::default(),
            watch_events: Family::default(),
            mails: Family::default(),
            leader: Gauge::default(),
            started,
            moving: Mutex::default(),
            watches_asked: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "writes",
            "Writes of the operator by what they were for and how they ended",
            self.writes.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API server by verb, resource and class of the answer; none: no answer came",
            self.requests.clone(),
        );
        registry.register(
            "api_request_duration_seconds",
            "Time from a request to the beginning of its answer",
            self.request_seconds.clone(),
        );
        registry.register(
            "reconcile_passes",
            "Passes over declarations; again: something was refused or not answered and is tried again",
            self.passes.clone(),
        );
        registry.register("reconcile_duration_seconds", "Time of one pass", self.pass_seconds.clone());
        registry.register(
            "watch_errors",
            "Interruptions of watches, which are taken up again",
            self.watch_errors.clone(),
        );
        registry.register(
            "watch_last_event_timestamp_seconds",
            "When a watch last showed an object; a quiet kind may say nothing for days",
            self.watch_events.clone(),
        );
        registry.register("mails", "Mails handed to the mail server, by what it said", self.mails.clone());
        for outcome in ["accepted", "refused", "later", "shut"] {
            drop(self.mails.get_or_create(&Mailed { outcome }));
        }
        registry.register("leader", "1 while this process holds the lease", self.leader.clone());
    }

    /// One write ended.
    pub fn write(&self, verb: &'static str, kind: &str, outcome: &'static str) {
        self.writes.get_or_create(&Write { verb, kind: kind.to_owned(), outcome }).inc();
    }

    /// A pass begins; the answer goes to [`Metrics::pass_over`].
    pub fn pass_began(&self, controller: &'static str, now_seconds: i64) -> u64 {
        let mut moving = lock(&self.moving);
        moving.next += 1;
        let ticket = moving.next;
        moving.started.insert(ticket, (now_seconds, controller));
        ticket
    }

    /// A pass is under way no longer: it ended, or was dropped where it stood, with the lease.
    pub fn pass_over(&self, ticket: u64) {
        lock(&self.moving).started.remove(&ticket);
    }

    /// A pass ended.
    pub fn pass_ended(&self, controller: &'static str, outcome: &'static str, seconds: f64) {
        let labels = Pass { controller, outcome };
        self.passes.get_or_create(&labels).inc();
        self.pass_seconds.get_or_create(&labels).observe(seconds);
    }

    /// Start of the oldest pass that has not ended, in seconds since the epoch.
    #[must_use]
    pub fn oldest_pass(&self) -> Option<i64> {
        lock(&self.moving).started.values().next().map(|(began, _)| *began)
    }

    /// How many passes of a controller are under way, and when the oldest began.
    fn under_way(&self, controller: &str) -> (usize, Option<i64>) {
        let moving = lock(&self.moving);
        let mut of_this = moving.started.values().filter(|(_, of)| *of == controller).map(|(began, _)| *began);
        let oldest = of_this.next();
        (of_this.count() + usize::from(oldest.is_some()), oldest)
    }

    /// A watch said something.
    pub fn watch_event(&self, kind: &str, now_seconds: i64) {
        self.watch_events.get_or_create(&ByKind { kind: kind.to_owned() }).set(now_seconds);
    }

    /// A watch failed; it is tried again.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.get_or_create(&ByKind { kind: kind.to_owned() }).inc();
    }

    /// The mail server was handed a mail.
    pub fn mail(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Refused(_) => "refused",
            Outcome::Later(_) => "later",
            Outcome::Shut(_) => "shut",
        };
        self.mails.get_or_create(&Mailed { outcome }).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The text of `/metrics`, in the format that every Prometheus reads.
    #[must_use]
    pub fn text(&self, context: &Context) -> String {
        let mut figures = Figures::default();
        own::add(&mut figures, self, context);
        if self.leader.get() == 1 {
            tenants::add(&mut figures, &tenants::Seen::of(context));
            notices::add(&mut figures, &context.stores.notices.store.state(), context.clock.now());
        }
        let mut read = Registry::with_prefix("cloudfarm");
        read.register_collector(Box::new(figures));
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry).and_then(|()| encode_registry(&mut text, &read));
        // Some megabytes with a thousand tenants; not needed beside the text.
        drop(read);
        match written {
            Ok(()) => figures::classic(&text),
            Err(error) => format!("# metrics cannot be written: {error}\n"),
        }
    }
}

// What is inside is whole after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
