//! KubeVirt's `VirtualMachineSnapshot` (snapshot.kubevirt.io/v1beta1, KubeVirt 1.9), as far as backups by plan go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::labels;
use crate::cluster::object::{Facts, Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "snapshot.kubevirt.io",
    version = "v1beta1",
    kind = "VirtualMachineSnapshot",
    namespaced,
    schema = "disabled",
    status = "VirtualMachineSnapshotStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineSnapshotSpec {
    pub source: Source,
    /// `Delete` lets the content go with the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<String>,
    /// After this KubeVirt calls it failed, such as 10m0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_deadline: Option<String>,
}

/// What it is a snapshot of.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    pub api_group: String,
    pub kind: String,
    pub name: String,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineSnapshotStatus {
    pub ready_to_use: Option<bool>,
    pub phase: Option<String>,
    pub creation_time: Option<Time>,
    /// Uid of the VM.
    #[serde(rename = "sourceUID")]
    pub source_uid: Option<String>,
    pub error: Value,
    pub conditions: Vec<Value>,
    /// Deprecated, words alone.
    pub indications: Vec<String>,
    /// Words with a message each.
    pub source_indications: Vec<Value>,
}

/// A backup by plan, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The VM.
    pub of: String,
    /// The time of the schedule that it was made for.
    pub due: Timestamp,
    pub outcome: Outcome,
    /// The guest's file systems were at rest: by its agent, or since it was off.
    pub quiesced: bool,
    /// Marked as one that may be erased while the contract runs.
    pub disposable: bool,
}

/// How far a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pending,
    Ready,
    /// It holds some disks and lacks others, with which.
    Partial(String),
    /// It holds nothing that can be relied on, with what KubeVirt says.
    Failed(String),
}

impl Managed for VirtualMachineSnapshot {
    const KIND: Kind = Kind::VirtualMachineSnapshot;
    // Only that it is there: KubeVirt lets nobody change what a snapshot is of.
    fn owned(&self) -> Value {
        Value::Null
    }
    fn facts(&self) -> Facts {
        let due = self.annotations().get(labels::DUE).and_then(|due| due.parse().ok());
        let Some(due) = due.filter(|_| self.labels().contains_key(labels::BACKUP)) else { return Facts::None };
        Facts::Backup(Backup {
            of: self.spec.source.name.clone(),
            due,
            outcome: self.status.clone().unwrap_or_default().outcome(),
            quiesced: quiesced(self),
            disposable: self.labels().get(labels::DISPOSABLE).is_some_and(|mark| mark == "true"),
        })
    }
}

impl VirtualMachineSnapshotStatus {
    /// How far it is.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let failure = self.conditions.iter().find(|each| each["type"] == "Failure" && each["status"] == "True");
        let error = self.error["message"].as_str().filter(|said| !said.is_empty());
        let said = error.or(failure.and_then(|failure| failure["reason"].as_str())).unwrap_or_default();
        let said: String = said.chars().take(160).collect();
        match (self.phase.as_deref(), self.ready_to_use) {
            (Some("Failed"), _) => Outcome::Failed(said),
            // It was there, and one of its disks' snapshots is not any more.
            (Some("Succeeded"), Some(false)) if !self.error.is_null() => Outcome::Failed(said),
            // A copy without one of the disks brings no VM back.
            (_, Some(true)) if indicates(self, "PartialSnapshot") => Outcome::Partial(
                "a disk is not in it (PartialSnapshot): its storage class has no snapshot class".into(),
            ),
            (_, Some(true)) => Outcome::Ready,
            _ => Outcome::Pending,
        }
    }
}

/// Positive evidence only: a running guest has to have been asked by its agent, in time.
fn quiesced(snapshot: &VirtualMachineSnapshot) -> bool {
    let status = snapshot.status.clone().unwrap_or_default();
    let hasty = ["NoGuestAgent", "QuiesceTimeout", "QuiesceFailed", "Paused"];
    let asked = !indicates(&status, "Online") || indicates(&status, "GuestAgent");
    asked && !hasty.iter().any(|word| indicates(&status, word))
}

fn indicates(status: &VirtualMachineSnapshotStatus, word: &str) -> bool {
    status.indications.iter().any(|each| each == word)
        || status.source_indications.iter().any(|each| each["indication"] == word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: &Value) -> Backup {
        let manifest = json!({
            "apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot",
            "metadata": {"name": "s", "labels": {"cloudfarm.dev/backup": "plan"},
                         "annotations": {"cloudfarm.dev/due": "2026-11-29T17:00:00Z"}},
            "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}},
            "status": status,
        });
        let snapshot: VirtualMachineSnapshot = serde_json::from_value(manifest).unwrap();
        match snapshot.facts() {
            Facts::Backup(backup) => backup,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_whole_copy_that_kubevirt_calls_ready_is_ready() {
        assert_eq!(read(&json!(null)).outcome, Outcome::Pending);
        assert_eq!(read(&json!({"phase": "InProgress", "readyToUse": false})).outcome, Outcome::Pending);
        assert_eq!(read(&json!({"phase": "Succeeded", "readyToUse": true})).outcome, Outcome::Ready);
        let failed = read(&json!({"phase": "Failed", "readyToUse": false, "error": {"message": "deadline"}}));
        assert_eq!(failed.outcome, Outcome::Failed("deadline".into()));
        let partial =
            json!({"readyToUse": true, "sourceIndications": [{"indication": "PartialSnapshot", "message": ""}]});
        assert!(matches!(read(&partial).outcome, Outcome::Partial(_)));
    }

    #[test]
    fn why_it_failed_is_told_where_kubevirt_says_it() {
        let missed = json!({"phase": "Failed", "readyToUse": false, "conditions": [
            {"type": "Ready", "status": "False", "reason": "Not ready"},
            {"type": "Failure", "status": "True", "reason": "snapshot deadline exceeded"},
        ]});
        assert_eq!(read(&missed).outcome, Outcome::Failed("snapshot deadline exceeded".into()));
        let error = json!({"message": "VolumeSnapshot is gone"});
        let lost = json!({"phase": "Succeeded", "readyToUse": false, "error": error});
        assert_eq!(read(&lost).outcome, Outcome::Failed("VolumeSnapshot is gone".into()));
        let uploading = json!({"phase": "Succeeded", "readyToUse": false});
        assert_eq!(read(&uploading).outcome, Outcome::Pending);
        let retried = json!({"phase": "InProgress", "readyToUse": false, "error": error});
        assert_eq!(read(&retried).outcome, Outcome::Pending);
    }

    #[test]
    fn a_running_guest_is_at_rest_only_when_its_agent_was_asked_in_time() {
        let with = |words: &[&str]| {
            let each = words.iter().map(|word| json!({"indication": word, "message": "m"}));
            read(&json!({"readyToUse": true, "sourceIndications": each.collect::<Vec<_>>()})).quiesced
        };
        assert!(with(&[]) && with(&["Online", "GuestAgent"]));
        for words in [
            &["Online"][..],
            &["Online", "NoGuestAgent"],
            &["Online", "GuestAgent", "QuiesceTimeout"],
            &["Online", "GuestAgent", "QuiesceFailed"],
            &["Online", "GuestAgent", "Paused"],
        ] {
            assert!(!with(words), "{words:?}");
        }
        let old = read(&json!({"readyToUse": true, "indications": ["Online", "NoGuestAgent"]}));
        assert!(!old.quiesced);
    }
}
