//! What a [`Retention`](super::retention::Retention) says about itself: the operator's part, and [`Progress`], which
//! purge runs write.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;

/// What the operator saw and what purge runs did. Never written by people: the operator writes everything but what is
/// in [`Progress`], which only purge runs write.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RetentionPhase>,
    /// What happens next and when, in Japan's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub next: Option<String>,
    /// Last day of the contract as last seen; survives the Tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub end_date: Option<String>,
    /// The end date that counts, and since when: the cool-off of a date in the past runs from there, and approvals
    /// given before it are about something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<FirstSeen>,
    /// When the operator first saw that spec.earlyErasure counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_erasure_seen_at: Option<Time>,
    /// spec.endDate as it stood while the Tenant existed: no decision about its being gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub disregarded_end_date: Option<String>,
    /// The instant at which the contract is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_ends_at: Option<Time>,
    /// Nothing is deleted before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_not_before: Option<Time>,
    /// From this instant on a purge that is not complete is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// Which tenant and namespaces are meant, by uid: a namesake is never purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
    /// Legal holds, the newest last; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub holds: Vec<HoldRecord>,
    /// May this object be deleted? Only when nothing is lost by it; admission asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletable: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    #[serde(flatten)]
    pub progress: Progress,
}

/// An end date and when the operator first saw it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FirstSeen {
    #[schemars(length(max = 10))]
    pub end_date: String,
    pub at: Time,
}

/// One legal hold, from placing to release.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HoldRecord {
    #[schemars(length(max = 253))]
    pub reference: String,
    #[schemars(length(max = 253))]
    pub placed_by: String,
    /// When the operator saw it.
    pub seen_at: Time,
    /// When the operator saw that it was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Time>,
}

/// What purge runs write, under the field manager `cloudfarm-purge`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The last preview: what a purge would erase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventorySummary>,
    /// The purge, from the point of no return on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<PurgeMark>,
    /// Steps of the purge, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub steps: Vec<StepStatus>,
    /// The last runs, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub runs: Vec<RunRecord>,
    /// Objects that a purge still has to erase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<Time>,
    /// The latest time that any run has seen: no later run believes an earlier one (I13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_mark: Option<Time>,
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReference>,
    /// The last run that erased by spec.rolling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<RollingRecord>,
}

/// What a preview found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InventorySummary {
    /// SHA-256 over every object's kind, name and uid.
    #[schemars(length(max = 64))]
    pub hash: String,
    pub objects: i64,
    /// Requested bytes of the volumes and restore sizes of the snapshots in it.
    pub bytes: i64,
    /// Objects by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub counts: BTreeMap<String, i64>,
    pub at: Time,
    /// The purge it is a preview of: a later date asks for a new one.
    pub not_before: Time,
}

/// A purge that has begun.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PurgeMark {
    pub state: PurgeState,
    /// SHA-256 of the plan, which lies in cloudfarm-evidence.
    #[schemars(length(max = 64))]
    pub plan_hash: String,
    pub objects: i64,
    pub bytes: i64,
    pub started_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Live looks for a hold so far, before each delete; none found one.
    #[serde(default)]
    pub holds_checked: i64,
}

/// How far a purge is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeState {
    /// Past the point of no return.
    Purging,
    /// Everything planned is gone; everything is looked for once more.
    Verifying,
    /// Proven and certified.
    Purged,
}

/// One step of a purge.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    #[schemars(length(max = 32))]
    pub name: String,
    pub state: StepState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Objects that are gone; a request that was accepted does not count.
    pub deleted: i64,
    pub remaining: i64,
    /// What blocks it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How far a step is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    Pending,
    Running,
    Blocked,
    Done,
}

/// One run of `cloudfarm purge`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RunRecord {
    pub at: Time,
    pub outcome: RunOutcome,
    /// Why, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// How a run ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// Nothing was due.
    Waited,
    /// It wrote down what a purge would erase.
    Previewed,
    /// It was due, and something forbids it.
    Refused,
    /// It deleted and has to go on.
    Interrupted,
    /// It erased by spec.rolling.
    Rolled,
    /// Erased, proven and certified.
    Purged,
}

/// Where the certificate is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceReference {
    /// ConfigMap in cloudfarm-evidence.
    #[schemars(length(max = 253))]
    pub report: String,
    /// SHA-256 of the certificate: what the next one in the chain names.
    #[schemars(length(max = 64))]
    pub sha256: String,
    /// Ed25519, hexadecimal.
    #[schemars(length(max = 128))]
    pub signature: String,
    /// SHA-256 of the public key.
    #[serde(rename = "keyID")]
    #[schemars(length(max = 64))]
    pub key_id: String,
}

/// What a run erased by spec.rolling.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RollingRecord {
    pub at: Time,
    pub deleted: i64,
    /// Names, as many as fit.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Where a Retention stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionPhase {
    Idle,
    Grace,
    Previewed,
    Held,
    Purging,
    Verifying,
    Purged,
    Overdue,
    Orphaned,
    Failed,
}

/// Uids of what a purge may touch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pinned {
    #[serde(rename = "tenantUID")]
    #[schemars(length(max = 63))]
    pub tenant_uid: String,
    /// Uid by namespace name.
    #[serde(default, rename = "namespaceUIDs", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 2))]
    pub namespace_uids: BTreeMap<String, String>,
}
