//! What every pass is handed: stores to look up, the cluster to write to, and the frame around the five steps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::core::object::HasStatus;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::clock::Clock;
use super::config::Config;
use super::doors::DoorStore;
use super::images::ImageStore;
use super::metrics::Metrics;
use super::neighbourhood::Neighbourhood;
use super::news::{self, News};
use super::places::PlaceStore;
use super::stores::{Guarded, Stores};
use super::triggers::Triggers;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::cluster::Cluster;
use crate::cluster::applied::{Applied, Cause};
use crate::cluster::object::Kind;
use crate::cluster::status::StatusBook;
use crate::cluster::write::WriteError;
use crate::mail::Post;
use crate::tenant::application_id::{Key, KeyError};
use crate::tenant::guest::book::Book;

/// Events are told to people on the side; a slow API server must not hold up a pass for them.
pub(super) const EVENT_TIMEOUT: Duration = Duration::from_secs(2);

/// First and longest wait between tries of one object.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(5));

/// Says that an object cannot be decoded. A field manager of its own, so that saying it takes nothing away of what was
/// said before, such as the uids and the end date that a Retention has pinned.
const UNDECODABLE: &str = "cloudfarm-undecodable";

/// Shared by all controllers of the process.
pub struct Context {
    pub cluster: Cluster,
    pub stores: Arc<Stores>,
    pub triggers: Triggers,
    pub config: Arc<Config>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub statuses: StatusBook,
    pub recorder: Recorder,
    pub backoff: Backoff,
    pub neighbours: Neighbourhood,
    pub guests: Book,
    pub places: PlaceStore,
    pub images: ImageStore,
    pub doors: DoorStore,
    /// The key under which application IDs are shown, if the config names one.
    pub application_id_key: Option<Result<Key, KeyError>>,
    pub notices: crate::notice::Book,
    /// The way to the mail server, if the config names one.
    pub post: Option<Post>,
}

/// Statuses that carry conditions.
pub trait Conditions: Serialize {
    fn conditions(&self) -> &[Condition];

    /// What people are told once and for good because of what this status says and `before` did not.
    fn news(&self, _before: Option<&Self>) -> Vec<News> {
        Vec::new()
    }

    /// The part of the status that the operator writes.
    ///
    /// # Errors
    /// It cannot be written as JSON, which no status of ours can bring about.
    fn own(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// A pass that has to be repeated although nothing changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Again(pub String);

impl Context {
    /// Has everything been listed at least once? Before that no pass runs: incomplete is not empty (I2).
    #[must_use]
    pub fn synced(&self) -> bool {
        let stores = &self.stores;
        let own = stores.tenants.synced()
            && stores.networks.synced()
            && stores.retentions.synced()
            && stores.grants.synced()
            && stores.notices.synced();
        let built_in = Kind::ALL
            .into_iter()
            .filter(|kind| kind.neighbour_crd().is_none() && kind.watched() && *kind != Kind::Retention);
        own && self.neighbours.known() && built_in.into_iter().all(|kind| self.cluster.observed.synced(kind))
    }

    /// The last of the five steps: writes the status if it changed, tells people what turned, and decides when to
    /// look again if nothing happens meanwhile.
    ///
    /// # Errors
    /// Something was not answered; the caller's queue tries again with back-off.
    pub async fn report<K>(
        &self,
        object: &K,
        status: &K::Status,
        applied: &Applied,
        next_change: Option<Timestamp>,
    ) -> Result<Action, Again>
    where
        K: HasStatus + Resource<DynamicType = ()>,
        K::Status: Conditions + PartialEq,
    {
        let news = status.news(object.status());
        if !news.is_empty() {
            news::tell(self, &object.object_ref(&()), &news).await;
        }
        let written = match status.own() {
            Ok(own) => self.statuses.write(&self.cluster.writer, object, status, &own).await,
            Err(error) => Err(WriteError::Refused(error.to_string())),
        };
        match written {
            Ok(true) => {
                self.tell(object, object.status().map_or(&[], Conditions::conditions), status.conditions()).await;
            }
            Ok(false) | Err(WriteError::NotFound(_)) => {}
            Err(error) => return Err(Again(format!("status: {error}"))),
        }
        if let Some(fault) = applied.faults.iter().find(|fault| fault.cause != Cause::Waiting) {
            return Err(Again(fault.to_string()));
        }
        if let Some(unordered) = applied.unordered.first() {
            return Err(Again(unordered.clone()));
        }
        self.backoff.succeeded(object.meta().uid.as_deref());
        Ok(next_change.map_or_else(Action::await_change, |at| {
            let wait = at.duration_since(self.clock.now());
            Action::requeue(Duration::try_from(wait).unwrap_or_default() + Duration::from_secs(1))
        }))
    }

    /// An object of our own kinds that cannot be decoded: said on the object itself, nothing else is touched (I14).
    ///
    /// # Errors
    /// The status could not be written.
    pub async fn report_undecodable<K>(
        &self,
        error: &kube::core::error_boundary::InvalidObject,
    ) -> Result<Action, Again>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let message = format!("cannot be decoded: {error}; correct the field it names and apply again");
        let verdicts = [
            Verdict::bad(ConditionType::Ready, Reason::Invalid, &message),
            Verdict::new(ConditionType::Stalled, Status::True, Reason::Invalid, &message),
        ];
        let generation = error.metadata.generation;
        let conditions = merge(
            &[],
            &verdicts,
            generation,
            error.metadata.creation_timestamp.as_ref().map_or(self.clock.now(), |time| time.0),
        );
        let resource = kube::api::ApiResource::erase::<K>(&());
        let name = error.metadata.name.clone().unwrap_or_default();
        let body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": error.metadata.namespace, "uid": error.metadata.uid},
            "status": {"observedGeneration": generation, "conditions": conditions},
        });
        let namespace = error.metadata.namespace.as_deref();
        self.cluster
            .writer
            .status(&resource, namespace, &name, UNDECODABLE, &body)
            .await
            .map(|_| Action::await_change())
            .map_err(|error| Again(error.to_string()))
    }

    async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, before: &[Condition], after: &[Condition]) {
        let reference = object.object_ref(&());
        for event in turned(before, after) {
            let published = self.recorder.publish(&event, &reference);
            match tokio::time::timeout(EVENT_TIMEOUT, published).await {
                Ok(Ok(())) => {}
                // A namespace that is being deleted takes no Events; that is no reason to fail a pass.
                Ok(Err(error)) => tracing::debug!(object = object.name_any(), %error, "event not recorded"),
                Err(_) => tracing::debug!(object = object.name_any(), "event not recorded in time"),
            }
        }
    }
}

/// The condition that tells where a grant is: each of its turns is told, and none is a fault.
const GRANTED: &str = "AccessGrantActive";

/// One Event for each turn that people should know of. Ready speaks for the conditions it sums up.
fn turned(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    after
        .iter()
        .filter(|now| {
            let old = before.iter().find(|old| old.type_ == now.type_);
            let same = old.is_some_and(|old| {
                let told = now.type_ != "ErasureAnnounced" || old.message == now.message;
                old.status == now.status && old.reason == now.reason && told
            });
            let turns_true = ["Stalled", "HoldActive", "ErasureAnnounced", "Purged", "Overdue"];
            let turns_false = ["ResidencyVerified", "BackupsCurrent", "IncidentDeadlineMet", "AnnouncedInTime"];
            let aloud = turns_true.contains(&now.type_.as_str()) && now.status == "True"
                || turns_false.contains(&now.type_.as_str()) && now.status == "False";
            !same && (aloud || now.type_ == "Ready" || now.type_ == GRANTED)
        })
        .map(|now| Event {
            type_: match now.type_.as_str() {
                "Ready" if now.status == "True" => EventType::Normal,
                GRANTED => EventType::Normal,
                _ => EventType::Warning,
            },
            reason: now.reason.clone(),
            note: Some(format!("{}={}: {}", now.type_, now.status, now.message).chars().take(1000).collect()),
            action: "Reconcile".into(),
            secondary: None,
        })
        .collect()
}

/// Failures in a row, per object: each doubles the wait, a success forgets them.
#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// The wait after one more failure of this object.
    #[must_use]
    pub fn failed(&self, uid: Option<&str>) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.unwrap_or_default().to_owned()).or_default();
        let wait = BACKOFF.0.saturating_mul(2_u32.saturating_pow(*count)).min(BACKOFF.1);
        *count = count.saturating_add(1);
        wait
    }

    /// The object is well again.
    pub fn succeeded(&self, uid: Option<&str>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(uid.unwrap_or_default());
    }
}

/// A pass under way. One that is dropped with the lease is not a pass that is stuck.
struct UnderWay<'a> {
    metrics: &'a Metrics,
    ticket: u64,
}

impl<'a> UnderWay<'a> {
    fn of(context: &'a Context, controller: &'static str) -> Self {
        let ticket = context.metrics.pass_began(controller, context.clock.now().as_second());
        Self { metrics: &context.metrics, ticket }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.pass_over(self.ticket);
    }
}

/// One pass of one declaration, framed: counted, timed, undecodable objects told apart.
pub async fn pass<K, F>(
    object: Arc<Guarded<K>>,
    context: Arc<Context>,
    controller: &'static str,
    reconcile: impl FnOnce(K, Arc<Context>) -> F,
) -> Result<Action, Again>
where
    K: Resource<DynamicType = ()> + HasStatus + Clone + DeserializeOwned,
    K::Status: DeserializeOwned,
    F: Future<Output = Result<Action, Again>>,
{
    let began = tokio::time::Instant::now();
    context.triggers.taken(controller, object.meta().namespace.as_deref(), &object.name_any());
    let _under_way = UnderWay::of(&context, controller);
    let result = match &object.0 {
        Ok(object) => reconcile(context.statuses.freshest(object), context.clone()).await,
        Err(invalid) => context.report_undecodable::<K>(invalid).await,
    };
    let outcome = match (&object.0, &result) {
        (_, Err(_)) => "again",
        (Err(_), Ok(_)) => "undecodable",
        (Ok(_), Ok(_)) => "settled",
    };
    context.metrics.pass_ended(controller, outcome, began.elapsed().as_secs_f64());
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_is_dropped_with_the_lease_does_not_count_as_stuck() {
        let metrics = Metrics::new(0);
        let under_way = UnderWay { metrics: &metrics, ticket: metrics.pass_began("tenant", 7) };
        assert_eq!(metrics.oldest_pass(), Some(7));
        drop(under_way);
        assert_eq!(metrics.oldest_pass(), None);
    }

    #[test]
    fn the_wait_doubles_up_to_five_minutes_and_a_success_forgets_it() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(Some("u")).as_millis()).collect();
        assert_eq!(&waits[..3], [500, 1000, 2000]);
        assert_eq!(waits[11], 300_000);
        backoff.succeeded(Some("u"));
        assert_eq!(backoff.failed(Some("u")).as_millis(), 500);
    }
}
