//! Velero's `Schedule` and `Backup` (velero.io/v1, Velero 1.18), as far as plans of tenants go.

use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::virtual_machine_snapshot::Outcome;
use crate::api::{home, labels};
use crate::cluster::object::{Facts, Kind, Managed};

/// Label that Velero puts on a Backup: the Schedule that it was made by.
pub const SCHEDULE_NAME: &str = "velero.io/schedule-name";

/// The fields we set. Velero itself writes `skipImmediately` beside them.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "Schedule",
    namespaced,
    schema = "disabled",
    status = "ScheduleStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleSpec {
    /// Five cron fields behind `CRON_TZ=<zone> `.
    pub schedule: String,
    pub template: Template,
    /// Backups outlive their Schedule.
    pub use_owner_references_in_backup: bool,
}

/// What each Backup is asked for.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    pub metadata: TemplateMetadata,
    pub included_namespaces: Vec<String>,
    /// Volumes are snapshot by CSI and carried to the storage location.
    pub snapshot_move_data: bool,
    pub storage_location: String,
    /// Such as `169h0m0s`: after this Velero erases the Backup and what it holds.
    pub ttl: String,
}

/// Labels of each Backup.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMetadata {
    pub labels: std::collections::BTreeMap<String, String>,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleStatus {
    pub phase: Option<String>,
    pub validation_errors: Option<Vec<String>>,
}

impl Managed for Schedule {
    const KIND: Kind = Kind::Schedule;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let status = self.status.clone().unwrap_or_default();
        let refused = (status.phase.as_deref() == Some("FailedValidation"))
            .then(|| status.validation_errors.unwrap_or_default().join("; ").chars().take(160).collect());
        Facts::Schedule { refused }
    }
}

/// A Backup of a tenant's Schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub tenant: String,
    /// When it was begun, by Velero's clock: one that comes back from the storage location is a new object.
    pub begun: Timestamp,
    pub outcome: Outcome,
    /// Velero is erasing it.
    pub deleting: bool,
}

/// A Backup by a tenant's Schedule; `None` for everybody else's.
#[must_use]
pub fn backup(backup: &DynamicObject) -> Option<Backup> {
    let tenant = home::of_customer_namespace(backup.labels().get(SCHEDULE_NAME)?);
    let made_by_us = backup.labels().get(labels::TENANT).is_some_and(|label| label == tenant);
    let phase = backup.data.pointer("/status/phase").and_then(Value::as_str);
    let begun =
        backup.data.pointer("/status/startTimestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
    made_by_us.then_some(())?;
    Some(Backup {
        tenant: tenant.to_owned(),
        begun: begun.or(backup.creation_timestamp().map(|time| time.0))?,
        outcome: outcome(backup, phase.unwrap_or_default()),
        deleting: phase == Some("Deleting") || backup.metadata.deletion_timestamp.is_some(),
    })
}

/// Only a whole one is good: PartiallyFailed has left something out.
fn outcome(backup: &DynamicObject, phase: &str) -> Outcome {
    match phase {
        "Completed" => Outcome::Ready,
        "Failed" | "PartiallyFailed" | "FailedValidation" => {
            let text = |field: &str| backup.data.pointer(field).and_then(Value::as_str).map(str::to_owned);
            let faults = backup.data.pointer("/status/validationErrors").and_then(Value::as_array);
            let faults = faults.and_then(|all| all.first()?.as_str().map(str::to_owned));
            let why = text("/status/failureReason").or(faults);
            let said = why.unwrap_or_else(|| "velero backup logs tells why".to_owned());
            Outcome::Failed(format!("{phase}: {said}").chars().take(160).collect())
        }
        _ => Outcome::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &Value, status: &Value) -> Option<Backup> {
        let manifest = json!({
            "metadata": {"name": "cf-plum-20261130", "namespace": "velero", "labels": labels,
                "creationTimestamp": "2026-11-29T17:00:03Z"},
            "spec": {}, "status": status,
        });
        backup(&serde_json::from_value(manifest).unwrap())
    }

    #[test]
    fn a_backup_is_the_tenants_whose_schedule_made_it_and_nobodys_else() {
        let labels = json!({"velero.io/schedule-name": "cf-plum", "cloudfarm.dev/tenant": "plum"});
        assert_eq!(read(&labels, &json!({})).map(|found| found.tenant), Some("plum".into()));
        for strange in [
            json!({}),
            json!({"velero.io/schedule-name": "cf-plum"}),
            json!({"velero.io/schedule-name": "nightly", "cloudfarm.dev/tenant": "plum"}),
            json!({"velero.io/schedule-name": "cf-pear", "cloudfarm.dev/tenant": "plum"}),
        ] {
            assert_eq!(read(&strange, &json!({})), None, "{strange}");
        }
    }

    #[test]
    fn only_what_velero_calls_completed_is_ready_and_a_failure_has_its_words() {
        let labels = json!({"velero.io/schedule-name": "cf-plum", "cloudfarm.dev/tenant": "plum"});
        let outcome = |status: Value| read(&labels, &status).unwrap().outcome;
        assert_eq!(outcome(json!({"phase": "Completed"})), Outcome::Ready);
        for under_way in ["New", "Queued", "InProgress", "WaitingForPluginOperations", "Finalizing"] {
            assert_eq!(outcome(json!({"phase": under_way})), Outcome::Pending, "{under_way}");
        }
        let failed = outcome(json!({"phase": "Failed", "failureReason": "bucket is gone"}));
        assert_eq!(failed, Outcome::Failed("Failed: bucket is gone".into()));
        let refused = outcome(json!({"phase": "FailedValidation", "validationErrors": ["no such location", "more"]}));
        assert_eq!(refused, Outcome::Failed("FailedValidation: no such location".into()));
        assert!(
            matches!(outcome(json!({"phase": "PartiallyFailed"})), Outcome::Failed(said) if said.contains("velero backup logs"))
        );
        assert!(read(&labels, &json!({"phase": "Deleting"})).unwrap().deleting);
    }
}
