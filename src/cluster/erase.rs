//! The writes of a purge run, one function each. It runs with an identity that deletes and cannot create; each of these
//! says which object it means, by uid and resource version.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Eraser::delete`] | exactly this uid and resource version | preconditions |
//! | [`Eraser::prepare`] | exactly this uid and resource version | merge patch that carries both |
//! | [`Eraser::progress`] | exactly this uid and resource version of the Retention | server-side apply of the status that carries both |
//! | [`Eraser::put`] | exactly this resource version of a ConfigMap | merge patch that carries it |

use std::time::Duration;

use kube::Client;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::Request as Url;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::write::{WriteError, classify, unsendable};
use crate::api::labels::PURGE_MANAGER;
use crate::api::retention::{Progress, Retention};

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends a purge run's calls.
#[derive(Clone)]
pub struct Eraser {
    client: Client,
}

/// One object, of any kind.
#[derive(Clone, Debug)]
pub struct Target {
    pub resource: ApiResource,
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
}

impl Eraser {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for the deletion of exactly this object; what it owns follows by the garbage collector.
    pub async fn delete(&self, target: &Target) -> Result<(), WriteError> {
        let parameters =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        let parameters = parameters.preconditions(Preconditions {
            uid: Some(target.uid.clone()),
            resource_version: Some(target.resource_version.clone()),
        });
        let request = target.url().delete(&target.name, &parameters).map_err(unsendable)?;
        self.call(request).await.map(drop)
    }

    /// Changes a few fields of exactly this object, such as a volume's reclaim policy.
    pub async fn prepare(&self, target: &Target, fields: &Value) -> Result<(), WriteError> {
        let mut body = fields.clone();
        body["metadata"]["uid"] = json!(target.uid);
        body["metadata"]["resourceVersion"] = json!(target.resource_version);
        let parameters = PatchParams { field_manager: Some(PURGE_MANAGER.into()), ..PatchParams::default() };
        let request = target.url().patch(&target.name, &parameters, &Patch::Merge(&body)).map_err(unsendable)?;
        self.call(request).await.map(drop)
    }

    /// Writes a run's progress, if the Retention still is what it was when it was looked at.
    pub async fn progress(&self, retention: &Retention, progress: &Progress) -> Result<(), WriteError> {
        let name = retention.name_any();
        let body = json!({
            "apiVersion": Retention::api_version(&()),
            "kind": Retention::kind(&()),
            "metadata": {"name": name, "uid": retention.uid(), "resourceVersion": retention.resource_version()},
            "status": progress,
        });
        let request = Url::new(Retention::url_path(&(), None))
            .patch_subresource("status", &name, &PatchParams::apply(PURGE_MANAGER).force(), &Patch::Apply(&body))
            .map_err(unsendable)?;
        self.call(request).await.map(drop)
    }

    /// Puts values into a ConfigMap that somebody else has made.
    pub async fn put(&self, config_map: &Target, data: &Value) -> Result<(), WriteError> {
        self.prepare(config_map, &json!({"data": data})).await
    }

    async fn call(&self, request: http::Request<Vec<u8>>) -> Result<Value, WriteError> {
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<Value>(request)).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}

impl Target {
    fn url(&self) -> Url {
        Url::new(DynamicObject::url_path(&self.resource, self.namespace.as_deref()))
    }
}
