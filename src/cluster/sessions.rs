//! What is written of sessions: into the status of an AccessGrant, and into records of what nobody consented to.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Ledger::sessions`] | exactly this uid and resource version, since the list is written whole and several write it | server-side apply of `status.sessions` alone, by a manager of its own |
//! | [`Ledger::begin`] | nothing of that name | create |
//! | [`Ledger::add`] | that it is there; entries have keys of their own, so that two writers do not meet | merge patch |
//! | [`Ledger::tell`] | no Event of that name | create |

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request as Url;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

use super::write::{WriteError, classify, unsendable};
use crate::api::access_grant::{AccessGrant, Session};
use crate::api::labels;
use crate::sessions::NAME;
use crate::sessions::record::ACCESS;

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Writes sessions down.
#[derive(Clone)]
pub struct Ledger {
    client: Client,
}

impl Ledger {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// A grant's sessions, in the place of those that it was read with.
    pub async fn sessions(&self, grant: &AccessGrant, sessions: &[Session]) -> Result<(), WriteError> {
        let metadata = grant.meta();
        let body = json!({
            "apiVersion": AccessGrant::api_version(&()),
            "kind": AccessGrant::kind(&()),
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "status": {"sessions": sessions},
        });
        let url = AccessGrant::url_path(&(), metadata.namespace.as_deref());
        let request = Url::new(url)
            .patch_subresource("status", &grant.name_any(), &PatchParams::apply(NAME).force(), &Patch::Apply(body))
            .map_err(unsendable)?;
        self.call(request).await
    }

    /// A new record, with what is in it from the first.
    pub async fn begin(
        &self,
        tenant: &str,
        namespace: &str,
        name: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<(), WriteError> {
        let record = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace, "labels": {
                labels::TENANT: tenant,
                labels::DATA_CLASS: labels::DATA_CLASS_DERIVED,
                labels::RECORD: ACCESS,
            }},
            "data": data,
        });
        let body = serde_json::to_vec(&record).map_err(unsendable)?;
        let url = Url::new(ConfigMap::url_path(&(), Some(namespace)));
        self.call(
            url.create(&PostParams { field_manager: Some(NAME.into()), ..PostParams::default() }, body)
                .map_err(unsendable)?,
        )
        .await
    }

    /// More of a day that has a record.
    pub async fn add(&self, namespace: &str, name: &str, data: &BTreeMap<String, String>) -> Result<(), WriteError> {
        let parameters = PatchParams { field_manager: Some(NAME.into()), ..PatchParams::default() };
        let request = Url::new(ConfigMap::url_path(&(), Some(namespace)))
            .patch(name, &parameters, &Patch::Merge(json!({"data": data})))
            .map_err(unsendable)?;
        self.call(request).await
    }

    /// An Event, if none of its name is there.
    pub async fn tell(&self, event: &Event) -> Result<(), WriteError> {
        let body = serde_json::to_vec(event).map_err(unsendable)?;
        let url = Url::new(Event::url_path(&(), event.metadata.namespace.as_deref()));
        match self.call(url.create(&PostParams::default(), body).map_err(unsendable)?).await {
            Err(WriteError::Unexpected(_)) => Ok(()),
            other => other,
        }
    }

    async fn call(&self, request: Request<Vec<u8>>) -> Result<(), WriteError> {
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<Value>(request)).await {
            Ok(answer) => answer.map(drop).map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}
