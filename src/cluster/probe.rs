//! The one write of the probe: its report, into a ConfigMap that the installation made.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Reporter::report`] | that the ConfigMap is there: the probe may patch it and create nothing | merge patch |

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::core::Request as Url;
use kube::{Client, Resource};
use serde_json::{Value, json};

use super::write::{WriteError, classify, unsendable};
use crate::install::EVIDENCE_NAMESPACE;
use crate::probe::NAME;
use crate::probe::report::{KEY, Report};

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Writes reports.
#[derive(Clone)]
pub struct Reporter {
    client: Client,
}

impl Reporter {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes what one round found.
    pub async fn report(&self, report: &Report) -> Result<(), WriteError> {
        let text = serde_json::to_string(report).map_err(unsendable)?;
        let parameters = PatchParams { field_manager: Some(NAME.into()), ..PatchParams::default() };
        let request = Url::new(ConfigMap::url_path(&(), Some(EVIDENCE_NAMESPACE)))
            .patch(NAME, &parameters, &Patch::Merge(json!({"data": {KEY: text}})))
            .map_err(unsendable)?;
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<Value>(request)).await {
            Ok(answer) => answer.map(drop).map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}
