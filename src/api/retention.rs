//! `Retention`: how long a tenant's data is kept after the contract, who may hold it, and the proof that it is gone.
//! Written by the data-protection officer; cluster-scoped, so that it outlives the namespaces it is about and may be
//! hidden from the customer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use super::retention_status::*;
use crate::cluster::object::{Kind, Managed};

/// What is decided about one tenant's data.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "cloudfarm.dev",
    version = "v1alpha1",
    kind = "Retention",
    category = "cloudfarm",
    shortname = "ret",
    status = "RetentionStatus",
    derive = "PartialEq",
    doc = "How long a tenant's data is kept after the contract ends, and the proof that it is gone. Made once per Tenant with safe defaults; from then on it belongs to people.",
    printcolumn = r#"{"name":"Tenant","type":"string","jsonPath":".spec.tenantRef.name"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"NotBefore","type":"string","jsonPath":".status.purgeNotBefore"}"#,
    printcolumn = r#"{"name":"Deadline","type":"string","jsonPath":".status.deadline"}"#,
    printcolumn = r#"{"name":"Hold","type":"boolean","jsonPath":".spec.legalHold.active"}"#,
    printcolumn = r#"{"name":"Remaining","type":"integer","jsonPath":".status.remaining"}"#,
    printcolumn = r#"{"name":"LastRun","type":"date","jsonPath":".status.lastRunAt"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Next","type":"string","priority":1,"jsonPath":".status.next"}"#,
    selectable = ".spec.tenantRef.name",
    selectable = ".status.phase",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must be at most 63 characters: the purge CronJob carries it as a label"),
    validation = Rule::new("!has(self.spec.legalHold) || !self.spec.legalHold.active || !has(self.status) || !has(self.status.purge)")
        .message("legalHold and a purge exclude each other: a purge that has begun cannot be held, since data is gone already, and what is held is not purged"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.purge) || (has(self.spec.endDate) == has(oldSelf.spec.endDate) && (!has(self.spec.endDate) || self.spec.endDate == oldSelf.spec.endDate) && self.spec.graceDays == oldSelf.spec.graceDays && has(self.spec.earlyErasure) == has(oldSelf.spec.earlyErasure) && has(self.spec.scope) == has(oldSelf.spec.scope) && self.spec.mode == oldSelf.spec.mode)")
        .message("endDate, graceDays, earlyErasure, scope and mode cannot be changed once a purge has begun"),
    validation = Rule::new("self.spec.graceDays >= oldSelf.spec.graceDays || !has(self.status) || !has(self.status.phase) || self.status.phase == 'Idle'")
        .message("graceDays cannot be shortened once the contract is over: customers were told the longer time")
)]
#[x_kube(validation = Rule::new("!(has(self.endDate) || has(self.earlyErasure)) || has(self.requestedBy)").message("endDate and earlyErasure need requestedBy: the name of the person who decides, as the API server knows it"))]
#[x_kube(validation = Rule::new("!has(self.requestedBy) || !has(self.approvals) || self.approvals.all(approval, approval.by != self.requestedBy)").message("approvals[].by must not be requestedBy: nobody approves an own request"))]
#[x_kube(validation = Rule::new("!has(self.earlyErasure) || self.earlyErasure.confirmName == self.tenantRef.name").message("earlyErasure.confirmName must repeat the tenant's name: erasure cannot be undone"))]
#[serde(rename_all = "camelCase")]
pub struct RetentionSpec {
    /// Whose data it is.
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.tenantRef cannot be changed: a Retention carries the proof about one tenant"))]
    pub tenant_ref: TenantRef,
    /// Days of 24 hours that data is kept after the contract's end; never fewer than the 60 that were promised.
    #[serde(default = "sixty")]
    #[schemars(range(min = 60, max = 3650))]
    pub grace_days: i64,
    /// Last day of the contract, written by the data-protection officer when the Tenant is gone and left none. What
    /// stands here while the Tenant exists has no effect, then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("format" = "date"))]
    pub end_date: Option<String>,
    /// Who wrote endDate or earlyErasure here: the name by which the API server knows that person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub requested_by: Option<String>,
    /// The customer's own wish to be erased sooner. It counts when approvedBy is an enabled PrivilegedAdministrator of
    /// the Tenant and the contract has an end date; the cool-off runs from when the operator first saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_erasure: Option<EarlyErasure>,
    /// How long a purge may take before it counts as overdue: hours, at most 168h.
    #[serde(default = "a_day")]
    #[schemars(length(max = 4), regex(pattern = "^[1-9][0-9]{0,2}h$"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("completeWithin must be at most 168h: a purge that takes longer than a week is a promise broken"))]
    pub complete_within: String,
    /// When the purge looks, five cron fields in Asia/Tokyo.
    #[serde(default = "half_past_three")]
    #[schemars(length(min = 9, max = 100))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9*/,-]+( [0-9*/,-]+){3} [0-6*/,-]+$')").message("schedule must have five cron fields of numbers, *, /, - and commas, such as 30 3 * * *; Sunday is 0"))]
    pub schedule: String,
    /// Always Asia/Tokyo (12.4.4).
    #[serde(default = "tokyo")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = Rule::new("self == 'Asia/Tokyo'").message("timeZone can only be Asia/Tokyo"))]
    pub time_zone: String,
    /// A run that could not start on time may still start so many seconds later.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 60, max = 86400))]
    pub starting_deadline_seconds: i64,
    /// Stops every purge of this tenant.
    #[serde(default)]
    pub suspend: bool,
    /// What is erased; everything when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub scope: Option<Vec<ErasureScope>>,
    /// What is erased while the contract runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["target"]))]
    pub rolling: Vec<Rolling>,
    /// Keeps everything whatever the dates say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!self.active || (has(self.reference) && has(self.placedBy))").message("an active legalHold needs reference and placedBy: somebody will have to lift it"))]
    pub legal_hold: Option<LegalHold>,
    /// How long records are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_retention: Option<LogRetention>,
    /// How volumes are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wipe: Option<Wipe>,
    /// DryRun plans and reports and deletes nothing.
    #[serde(default)]
    pub mode: PurgeMode,
    /// People who have to agree before a purge.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2))]
    pub required_approvals: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["by"]))]
    pub approvals: Vec<Approval>,
    /// A plan with more objects than this stops and asks.
    #[serde(default = "two_thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_objects: i64,
    /// Days before the purge on which people are told.
    #[serde(default = "notify_days")]
    #[schemars(length(max = 10), inner(range(min = 1, max = 60)), extend("x-kubernetes-list-type" = "set"))]
    pub notify_days_before: Vec<i64>,
    /// How long the customer may take data along after the end.
    #[serde(default = "sixty_days")]
    #[schemars(length(max = 4), regex(pattern = "^[0-9]{1,3}d$"))]
    pub export_window: String,
    /// Where the proof goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A Tenant by name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct TenantRef {
    #[schemars(length(min = 1, max = 30), regex(pattern = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"))]
    pub name: String,
}

/// The customer's own wish.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EarlyErasure {
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub approved_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The tenant's name once more.
    #[schemars(length(min = 1, max = 30))]
    pub confirm_name: String,
}

/// What can be erased.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureScope {
    VirtualMachines,
    Disks,
    Snapshots,
    Backups,
    Exports,
    Secrets,
    Keys,
    Networks,
    Identity,
    Namespace,
}

/// What is erased while the contract runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rolling {
    pub target: RollingTarget,
    /// Days, such as 30d.
    #[schemars(length(max = 5), regex(pattern = "^[1-9][0-9]{0,3}d$"))]
    pub older_than: String,
    /// The newest so many are kept whatever their age.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub keep_last: i64,
}

/// What ages out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollingTarget {
    Snapshots,
    Backups,
    RemovedDisks,
    Exports,
    Logs,
}

/// Disclosure required by law (16.1.7).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LegalHold {
    #[serde(default)]
    pub active: bool,
    /// File number or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub placed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Time>,
    #[serde(default)]
    pub visibility: HoldVisibility,
}

/// Who may know of a hold.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldVisibility {
    #[default]
    Provider,
    Tenant,
}

/// How long records are kept, in days or years (18.1.3).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LogRetention {
    /// At least 90d.
    #[serde(default = "a_year")]
    #[schemars(length(max = 5), regex(pattern = "^(9[0-9]|[1-9][0-9]{2,3})d$|^[1-9][0-9]?y$"))]
    pub audit: String,
    #[serde(default = "a_year")]
    #[schemars(length(max = 5), regex(pattern = "^[1-9][0-9]{0,3}d$|^[1-9][0-9]?y$"))]
    pub access: String,
    #[serde(default = "ninety_days")]
    #[schemars(length(max = 5), regex(pattern = "^[1-9][0-9]{0,3}d$|^[1-9][0-9]?y$"))]
    pub network: String,
    #[serde(default = "five_years")]
    #[schemars(length(max = 5), regex(pattern = "^[1-9][0-9]{0,3}d$|^[1-9][0-9]?y$"))]
    pub notices: String,
    #[serde(default = "seven_years")]
    #[schemars(length(max = 5), regex(pattern = "^[1-9][0-9]{0,3}d$|^[1-9][0-9]?y$"))]
    pub evidence: String,
}

impl LogRetention {
    /// The periods that hold when none are written.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            audit: a_year(),
            access: a_year(),
            network: ninety_days(),
            notices: five_years(),
            evidence: seven_years(),
        }
    }
}

/// How volumes are erased (11.2.7).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Wipe {
    #[serde(default)]
    pub method: WipeMethod,
    #[serde(default = "yes")]
    pub verify: bool,
}

/// Ways to erase a volume; CryptoErase needs an encrypted storage class.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WipeMethod {
    #[default]
    CryptoErase,
    DiscardAndDelete,
    ProviderDelete,
}

/// Does a purge delete?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PurgeMode {
    #[default]
    Enforce,
    DryRun,
}

/// Somebody's agreement.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Approval {
    /// The name by which the API server knows the person; ASCII only, so that no look-alike passes for another.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub by: String,
    /// When. An approval counts when it was given after the operator saw the end date that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Where the proof goes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    #[serde(default = "yes")]
    pub open_reports: bool,
    #[serde(default = "yes")]
    pub oscal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret_ref: Option<TenantSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
}

/// A Secret in the operator's namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct TenantSecret {
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// A store that nobody can rewrite.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^s3://"))]
    pub s3: String,
    #[serde(default)]
    pub object_lock: bool,
}

/// Days of a period such as `90d` or `7y`; a year is counted as 366 days, so that nothing is dropped a day early.
#[must_use]
pub fn days(period: &str) -> Option<i64> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    match (period.strip_suffix('d'), period.strip_suffix('y')) {
        (Some(days), _) => number(days),
        (_, Some(years)) => number(years).map(|years| years.saturating_mul(366)),
        _ => None,
    }
}

fn sixty() -> i64 {
    60
}
fn a_day() -> String {
    "24h".into()
}
fn half_past_three() -> String {
    "30 3 * * *".into()
}
fn tokyo() -> String {
    "Asia/Tokyo".into()
}
fn an_hour() -> i64 {
    3600
}
pub(crate) fn two_thousand() -> i64 {
    2000
}
pub(crate) fn notify_days() -> Vec<i64> {
    vec![30, 14, 7, 1]
}
pub(crate) fn sixty_days() -> String {
    "60d".into()
}
fn a_year() -> String {
    "365d".into()
}
fn ninety_days() -> String {
    "90d".into()
}
fn five_years() -> String {
    "5y".into()
}
fn seven_years() -> String {
    "7y".into()
}
fn yes() -> bool {
    true
}

impl Managed for Retention {
    const KIND: Kind = Kind::Retention;
    fn owned(&self) -> Value {
        json!({"spec": {"tenantRef": {"name": self.spec.tenant_ref.name}}})
    }
}
