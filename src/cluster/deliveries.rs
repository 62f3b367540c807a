//! Records of mails, and the notices that the operator makes itself.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Writer::delivery`] | nothing | get |
//! | [`Writer::deliver`] | nothing of that name, or exactly this uid and resource version | server-side apply with both: who lost the lead writes nothing over its follower |
//! | [`Writer::announce`] | no Notice of that name: it says what it is about | create |

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request as Url;
use kube::core::params::GetParams;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::write::{NO_OBJECT_HAS, WriteError, Writer, unsendable};
use crate::api::labels;
use crate::api::notice::Notice;

/// Value of [`labels::RECORD`] for records of mails: the period of `spec.logRetention` that keeps them.
const NOTICES: &str = "notices";

/// Key of the record in its ConfigMap.
const KEY: &str = "deliveries.json";

/// Where a record is, and what it is about.
#[derive(Clone, Debug)]
pub struct Place {
    pub namespace: String,
    pub name: String,
    pub tenant: String,
    pub notice: String,
    pub notice_uid: String,
}

/// Which version of a record was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    uid: String,
    resource_version: String,
}

impl Writer {
    /// A record as it is now, with its version; `None` if there is none yet.
    ///
    /// # Errors
    /// The API server did not answer, or what is there is no record.
    pub async fn delivery(&self, place: &Place) -> Result<Option<(String, Version)>, WriteError> {
        let url = Url::new(ConfigMap::url_path(&(), Some(&place.namespace)));
        let request = url.get(&place.name, &GetParams::default()).map_err(unsendable)?;
        let found = match self.call("get", "ConfigMap", request).await {
            Err(WriteError::NotFound(_)) => return Ok(None),
            found => found?,
        };
        let about = &found["metadata"]["annotations"][labels::NOTICE_UID];
        if found["metadata"]["labels"][labels::RECORD] != NOTICES || *about != place.notice_uid.as_str() {
            return Err(WriteError::Refused(format!(
                "ConfigMap {} is there and is no record of this notice",
                place.name
            )));
        }
        Ok(Some((found["data"][KEY].as_str().unwrap_or_default().to_owned(), version(&found))))
    }

    /// Writes a record over the one that was seen.
    ///
    /// # Errors
    /// Another one is there, it was refused, or there was no answer.
    pub async fn deliver(&self, place: &Place, record: &str, over: Option<&Version>) -> Result<Version, WriteError> {
        let mut body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": place.name,
                "namespace": place.namespace,
                "labels": {labels::RECORD: NOTICES},
                "annotations": {labels::NOTICE: place.notice, labels::NOTICE_UID: place.notice_uid},
            },
            "data": {KEY: record},
        });
        match over {
            Some(seen) => {
                body["metadata"]["uid"] = json!(seen.uid);
                body["metadata"]["resourceVersion"] = json!(seen.resource_version);
            }
            None => body["metadata"]["resourceVersion"] = json!(NO_OBJECT_HAS),
        }
        let request = Url::new(ConfigMap::url_path(&(), Some(&place.namespace)))
            .patch(&place.name, &PatchParams::apply(labels::FIELD_MANAGER).force(), &Patch::Apply(&body))
            .map_err(unsendable)?;
        self.call("deliver", "ConfigMap", request).await.map(|written| version(&written))
    }

    /// What a ConfigMap of the operator's own namespace holds.
    ///
    /// # Errors
    /// There is none, or no answer.
    pub async fn texts(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, WriteError> {
        let url = Url::new(ConfigMap::url_path(&(), Some(namespace)));
        let request = url.get(name, &GetParams::default()).map_err(unsendable)?;
        let found = self.call("get", "ConfigMap", request).await?;
        serde_json::from_value(found["data"].clone())
            .map_err(|_| WriteError::NotFound(format!("ConfigMap {namespace}/{name} holds no text")))
    }

    /// Makes a Notice, if none of its name is there; returns whether it was made.
    ///
    /// # Errors
    /// The API server refused it or did not answer.
    pub async fn announce(&self, notice: &Notice) -> Result<bool, WriteError> {
        let body = serde_json::to_vec(notice).map_err(unsendable)?;
        let request = Url::new(Notice::url_path(&(), None)).create(&PostParams::default(), body).map_err(unsendable)?;
        match self.call("announce", "Notice", request).await {
            Ok(_) => {
                tracing::info!(notice = notice.name_any(), "a notice is made");
                Ok(true)
            }
            Err(WriteError::Unexpected(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn version(object: &Value) -> Version {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    Version { uid: text("uid"), resource_version: text("resourceVersion") }
}
