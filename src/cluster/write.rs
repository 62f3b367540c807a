//! The calls that write, one function each. Nothing else in the program sends anything but reads.
//!
//! Every write says what it expects to find, in the same request:
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Writer::create`] | nothing of that name | server-side apply with a resource version no object has: refused (409) if anything is there |
//! | [`Writer::update`] | exactly this uid | server-side apply with the uid: refused if it is another object or gone |
//! | [`Writer::take_over`] | exactly this uid and resource version | server-side apply with both |
//! | [`Writer::claim`] | exactly this uid | server-side apply of a few fields, with the uid, by a manager of their own |
//! | [`Writer::delete`] | exactly this uid and resource version | preconditions |
//! | [`Writer::status`] | exactly this uid | server-side apply of the status with the uid |
//! | [`Writer::tell`] | no Event of that name | create |
//! | `Writer::order` (`scans.rs`) | no Job of that name | create |
//! | `Writer::deliver`, `Writer::announce` (`deliveries.rs`) | exactly this version; no Notice of that name | server-side apply; create |
//!
//! So a foreign object is never overwritten, a paused leader cannot raise the dead, and creating costs one call.
//! The create trick is `registry/generic/registry/store.go`: preconditions are checked against an existing object
//! only, and metadata is wiped on create-by-apply; `tests/apiserver.rs` holds the API server to it.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request as Url;
use kube::core::params::GetParams;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::object::{Kind, Observation, Reference};
use crate::api::labels::{FIELD_MANAGER, RETENTION_MANAGER};
use crate::operator::metrics::Metrics;

/// No call may take longer than this; a hanging API server costs one reconcile slot for so long and no more.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A resource version that no stored object can have: etcd's first revision is used by the store itself.
pub(super) const NO_OBJECT_HAS: &str = "1";

/// Sends writes, at most so many at a time.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    in_flight: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What is there is not what the call expected (409): look again before deciding anything.
    #[error("{0}")]
    Unexpected(String),
    /// There is no such object, namespace or kind (404).
    #[error("{0}")]
    NotFound(String),
    /// The request itself is refused (400, 403, 422): the same request will be refused again.
    #[error("{0}")]
    Refused(String),
    /// No usable answer; whether the write took effect is unknown.
    #[error("{0}")]
    Unanswered(String),
}

impl WriteError {
    /// In one word, for metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Unexpected(_) => "unexpected",
            Self::NotFound(_) => "not-found",
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
        }
    }
}

impl Writer {
    /// `in_flight` is the most writes at one time.
    #[must_use]
    pub fn new(client: Client, in_flight: u16, metrics: Arc<Metrics>) -> Self {
        Self { client, in_flight: Arc::new(Semaphore::new(in_flight.into())), metrics }
    }

    /// Makes an object, if nothing of its name exists.
    pub async fn create(&self, reference: &Reference, body: &Value) -> Result<Observation, WriteError> {
        let body = with_metadata(body, "resourceVersion", NO_OBJECT_HAS);
        self.apply("create", reference, FIELD_MANAGER, &body).await
    }

    /// Brings the object with this uid to the body's content.
    pub async fn update(&self, reference: &Reference, uid: &str, body: &Value) -> Result<Observation, WriteError> {
        let body = with_metadata(body, "uid", uid);
        self.apply("update", reference, FIELD_MANAGER, &body).await
    }

    /// Brings what was observed to the body's content, if nobody has written it since.
    pub async fn take_over(&self, observed: &Observation, body: &Value) -> Result<Observation, WriteError> {
        let body = with_metadata(body, "uid", &observed.uid);
        let body = with_metadata(&body, "resourceVersion", &observed.resource_version);
        self.apply("take-over", &observed.reference, FIELD_MANAGER, &body).await
    }

    /// States a few fields on exactly the object that was observed, under a field manager of their own.
    pub async fn claim(&self, on: &Observation, fields: &Value) -> Result<Observation, WriteError> {
        let resource = on.reference.kind.api_resource();
        let mut body = with_metadata(fields, "uid", &on.uid);
        body["apiVersion"] = json!(resource.api_version);
        body["kind"] = json!(resource.kind);
        body["metadata"]["name"] = json!(on.reference.name);
        self.apply("claim", &on.reference, RETENTION_MANAGER, &body).await
    }

    /// Deletes exactly what was observed.
    pub async fn delete(&self, observed: &Observation) -> Result<(), WriteError> {
        let preconditions = Preconditions {
            uid: Some(observed.uid.clone()),
            resource_version: Some(observed.resource_version.clone()),
        };
        let request = url(&observed.reference)
            .delete(&observed.reference.name, &DeleteParams::default().preconditions(preconditions))
            .map_err(unsendable)?;
        self.send("delete", &observed.reference, request).await.map(drop)
    }

    /// Reads one object live. Only for deciding after a refusal; never on the usual path.
    pub async fn read(&self, reference: &Reference) -> Result<Observation, WriteError> {
        let request = url(reference).get(&reference.name, &GetParams::default()).map_err(unsendable)?;
        let value = self.send("get", reference, request).await?;
        observe(reference, value)
    }

    /// What a Secret holds under a key, read live; `None` if it has no such key.
    pub async fn secret(&self, namespace: &str, name: &str, key: &str) -> Result<Option<Vec<u8>>, WriteError> {
        let reference = Reference { kind: Kind::Secret, namespace: Some(namespace.to_owned()), name: name.to_owned() };
        let request = url(&reference).get(name, &GetParams::default()).map_err(unsendable)?;
        let value = self.send("get", &reference, request).await?;
        // The parser's own message could quote the answer.
        let secret: Secret =
            serde_json::from_value(value).map_err(|_| WriteError::Unanswered("the answer is no Secret".into()))?;
        Ok(secret.data.unwrap_or_default().remove(key).map(|bytes| bytes.0))
    }

    /// Applies the status of one of our own objects: what this manager said before and does not say now goes, what
    /// another one said stays. Returns the new resource version.
    pub async fn status(
        &self,
        resource: &kube::api::ApiResource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        body: &Value,
    ) -> Result<String, WriteError> {
        use kube::Resource;
        let request = Url::new(DynamicObject::url_path(resource, namespace))
            .patch_subresource("status", name, &PatchParams::apply(manager).force(), &Patch::Apply(body))
            .map_err(unsendable)?;
        let value = self.call("status", &resource.kind, request).await?;
        Ok(value.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Makes an Event, if none of its name is there: the name says what it is about, so that nobody is told twice, whoever
    /// tells it and however often it is tried. Returns whether it was made.
    pub async fn tell(&self, event: &Event) -> Result<bool, WriteError> {
        use kube::Resource;
        let namespace = event.metadata.namespace.as_deref();
        let body = serde_json::to_vec(event).map_err(unsendable)?;
        let request =
            Url::new(Event::url_path(&(), namespace)).create(&PostParams::default(), body).map_err(unsendable)?;
        match self.call("tell", "Event", request).await {
            Ok(_) => Ok(true),
            Err(WriteError::Unexpected(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn apply(
        &self,
        verb: &'static str,
        reference: &Reference,
        manager: &str,
        body: &Value,
    ) -> Result<Observation, WriteError> {
        let request = url(reference)
            .patch(&reference.name, &PatchParams::apply(manager).force(), &Patch::Apply(body))
            .map_err(unsendable)?;
        let value = self.send(verb, reference, request).await?;
        observe(reference, value)
    }

    async fn send(
        &self,
        verb: &'static str,
        reference: &Reference,
        request: Request<Vec<u8>>,
    ) -> Result<Value, WriteError> {
        self.call(verb, &format!("{:?}", reference.kind), request).await
    }

    pub(super) async fn call(
        &self,
        verb: &'static str,
        kind: &str,
        request: Request<Vec<u8>>,
    ) -> Result<Value, WriteError> {
        let _slot = self.in_flight.acquire().await.map_err(|_| WriteError::Unanswered("shutting down".into()))?;
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.client.request::<Value>(request)).await;
        let result = match answer {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        };
        self.metrics.write(verb, kind, result.as_ref().map_or_else(WriteError::word, |_| "done"));
        result
    }
}

fn with_metadata(body: &Value, field: &str, value: &str) -> Value {
    let mut body = body.clone();
    body["metadata"][field] = json!(value);
    body
}

fn url(reference: &Reference) -> Url {
    use kube::Resource;
    Url::new(DynamicObject::url_path(&reference.kind.api_resource(), reference.namespace.as_deref()))
}

fn observe(reference: &Reference, value: Value) -> Result<Observation, WriteError> {
    let kind: Kind = reference.kind;
    kind.observe(value).map_err(|error| WriteError::Unanswered(format!("the answer cannot be read: {error}")))
}

pub(super) fn unsendable(error: impl std::fmt::Display) -> WriteError {
    WriteError::Refused(error.to_string())
}

/// What an error of the client means.
#[must_use]
pub fn classify(error: kube::Error) -> WriteError {
    match error {
        kube::Error::Api(status) => {
            let said = status.message.clone();
            match status.code {
                409 => WriteError::Unexpected(said),
                404 => WriteError::NotFound(said),
                // Another uid under this name is told as an immutable field, a missing object as a conflict.
                422 if said.contains("metadata.uid") => WriteError::Unexpected(said),
                400 | 401 | 403 | 405 | 413 | 415 | 422 => WriteError::Refused(said),
                _ => WriteError::Unanswered(format!("{} {said}", status.code)),
            }
        }
        other => WriteError::Unanswered(other.to_string()),
    }
}
