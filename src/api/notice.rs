//! `Notice`: what customers' administrators are told by mail, when, and the 4-hour clock of incidents (5.1.1-6, 12.1.2,
//! 12.6.1, 16.1.1). Cluster-scoped: one edit reaches every tenant it is about.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;
pub use super::tenant::NoticeKind;

/// One thing to tell.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "cloudfarm.dev",
    version = "v1alpha1",
    kind = "Notice",
    category = "cloudfarm",
    status = "NoticeStatus",
    derive = "PartialEq",
    doc = "A notice to customers' administrators: mailed to each of them, recorded for each tenant, and published on the status page.",
    printcolumn = r#"{"name":"Kind","type":"string","jsonPath":".spec.kind"}"#,
    printcolumn = r#"{"name":"Severity","type":"string","jsonPath":".spec.severity"}"#,
    printcolumn = r#"{"name":"Subject","type":"string","jsonPath":".spec.subject.en"}"#,
    printcolumn = r#"{"name":"Sent","type":"integer","jsonPath":".status.counts.sent"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.counts.failed"}"#,
    printcolumn = r#"{"name":"Deadline","type":"string","jsonPath":".status.deadline"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    selectable = ".spec.kind",
    validation = Rule::new("self.metadata.name.size() <= 100")
        .message("metadata.name must be at most 100 characters: the delivery records of each tenant carry it")
)]
#[x_kube(validation = Rule::new("!(self.kind in ['Maintenance', 'SpecChange']) || has(self.window)").message("a notice of kind Maintenance or SpecChange needs window: people have to know when"))]
#[x_kube(validation = Rule::new("(self.kind == 'Incident') == has(self.confirmedAt)").message("confirmedAt is needed for kind Incident, and for no other: the 4 hours run from it"))]
#[x_kube(validation = Rule::new("has(self.confirmedAt) == has(oldSelf.confirmedAt) && (!has(self.confirmedAt) || self.confirmedAt == oldSelf.confirmedAt)").message("confirmedAt cannot be changed: the 4 hours run from it"))]
#[x_kube(validation = Rule::new("has(self.body) != has(self.bodyRef)").message("a notice needs exactly one of body and bodyRef"))]
#[x_kube(validation = Rule::new("!has(self.restartVirtualMachines) || !self.restartVirtualMachines || self.kind == 'Maintenance'").message("restartVirtualMachines is for kind Maintenance: VMs are restarted in an announced window alone"))]
#[x_kube(validation = Rule::new("self.kind == oldSelf.kind").message("kind cannot be changed: it was told as that"))]
#[serde(rename_all = "camelCase")]
pub struct NoticeSpec {
    /// What it is about. Capacity, Retention and Access are made by the operator.
    pub kind: NoticeKind,
    /// How much it matters.
    #[serde(default)]
    pub severity: NoticeSeverity,
    /// One line.
    pub subject: Line,
    /// What is told, as plain text; a blank line parts paragraphs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Text>,
    /// A ConfigMap in the operator's namespace with the keys `ja` and `en`, for what is too long for body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_ref: Option<BodyRef>,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Audience>,
    /// When it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.start < self.end").message("window.start must be before window.end"))]
    pub window: Option<Window>,
    /// When the incident was confirmed; the mails' deadline is 4 hours later (16.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Time>,
    /// Also on the status page and its feed (5.1.1-6). Nothing that the operator makes for one tenant is published.
    #[serde(default = "yes")]
    pub web: bool,
    /// Maintenance: VMs of these tenants that wait for a restart get it within the window.
    #[serde(default, skip_serializing_if = "is_false")]
    pub restart_virtual_machines: bool,
}

/// How much a notice matters.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeSeverity {
    #[default]
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// One line in both languages.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Line {
    #[schemars(length(min = 1, max = 120), regex(pattern = "^[^\\x00-\\x1f\\x7f]+$"))]
    pub ja: String,
    #[schemars(length(min = 1, max = 120), regex(pattern = "^[^\\x00-\\x1f\\x7f]+$"))]
    pub en: String,
}

/// A text in both languages.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Text {
    #[schemars(length(min = 1, max = 8000))]
    pub ja: String,
    #[schemars(length(min = 1, max = 8000))]
    pub en: String,
}

/// A ConfigMap in the operator's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct BodyRef {
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// Whom a notice is about: exactly one of these. Without any it is about nobody, and a condition says so.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.all) && self.all, has(self.names), has(self.selector)].filter(x, x).size() <= 1").message("tenants takes one of all, names and selector"))]
pub struct Audience {
    /// Every Tenant there is, also one that comes later, while the notice stands.
    #[serde(default, skip_serializing_if = "is_false")]
    pub all: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 30)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// Tenants with all of these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub selector: BTreeMap<String, String>,
}

/// From when to when.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Window {
    pub start: Time,
    pub end: Time,
}

/// What became of it. Who was told stands in each tenant's own namespace, `cfd-<tenant>`, not here.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NoticeStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Maintenance: where it is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<NoticePhase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_at: Option<Time>,
    /// Incident: confirmedAt + 4 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// Incident: was everybody told in time? Once false it stays false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_met: Option<bool>,
    /// Stands for whom was told what: as long as it is still so, nobody is left to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub audience: Option<String>,
    /// When it was first seen with web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// How many were told.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Counts {
    pub recipients: i64,
    pub sent: i64,
    pub failed: i64,
}

/// Where a maintenance is on its way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticePhase {
    Draft,
    Announced,
    InWindow,
    Done,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
