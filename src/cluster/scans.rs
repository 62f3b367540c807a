//! Scans of images: the operator orders them, and each writes its result.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | `Writer::order` | no Job of that name: there is one scan of an image, whoever wants it | create |
//! | [`Recorder::record`] | nothing: a result takes the place of an older one of the same image | server-side apply |

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::Request as Url;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

use super::Cluster;
use super::applied::Applied;
use super::write::{WriteError, Writer, classify, unsendable};
use crate::api::labels;
use crate::images::result::ScanResult;
use crate::install::{IMAGES_NAMESPACE, SCAN_ACCOUNT};

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

impl Cluster {
    /// Orders scans. Where somebody was faster, the watch of Jobs tells in a moment.
    pub async fn order_scans(&self, jobs: &[Job], applied: &mut Applied) {
        for job in jobs {
            match self.writer.order(job).await {
                Ok(made) => applied.written += usize::from(made),
                Err(error) => {
                    let namespace = job.namespace().unwrap_or_default();
                    applied.unordered.push(format!("Job {namespace}/{}: {error}", job.name_any()));
                }
            }
        }
    }
}

impl Writer {
    /// Makes a Job, if none of its name is there; returns whether it was made.
    async fn order(&self, job: &Job) -> Result<bool, WriteError> {
        let body = serde_json::to_vec(job).map_err(unsendable)?;
        let url = Url::new(Job::url_path(&(), job.metadata.namespace.as_deref()));
        let request = url.create(&PostParams::default(), body).map_err(unsendable)?;
        match self.call("order", "Job", request).await {
            Ok(_) => Ok(true),
            Err(WriteError::Unexpected(_)) => self.is_ours(job).await.map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// What is there in the place of a Job that was to be made: no watch of ours shows another's.
    async fn is_ours(&self, job: &Job) -> Result<(), WriteError> {
        let named = ListParams::default().fields(&format!("metadata.name={}", job.name_any()));
        let url = Url::new(Job::url_path(&(), job.metadata.namespace.as_deref()));
        let found = self.call("get", "Job", url.list(&named).map_err(unsendable)?).await?;
        let foreign = found.pointer("/items/0/metadata").filter(|job| job["labels"][labels::IMAGE_SCAN] != "true");
        match foreign {
            Some(_) => Err(WriteError::Refused(format!(
                "one of this name is there that is no scan (label {}=true is missing); delete it",
                labels::IMAGE_SCAN
            ))),
            None => Ok(()),
        }
    }
}

/// Writes results, with the rights of a scan or of a person.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
}

impl Recorder {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes what one scan found.
    ///
    /// # Errors
    /// The API server refused it or did not answer.
    pub async fn record(&self, result: &ScanResult) -> Result<(), WriteError> {
        let name = result.name();
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": IMAGES_NAMESPACE, "labels": {labels::IMAGE_RECORD: labels::IMAGE_RESULT}},
            "data": result.data(),
        });
        let request = Url::new(ConfigMap::url_path(&(), Some(IMAGES_NAMESPACE)))
            .patch(&name, &PatchParams::apply(SCAN_ACCOUNT).force(), &Patch::Apply(body))
            .map_err(unsendable)?;
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<Value>(request)).await {
            Ok(answer) => answer.map(drop).map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}
