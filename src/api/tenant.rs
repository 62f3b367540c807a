//! `Tenant`: one customer's contract, people and machines. Written by the provider; cluster-scoped, so that there is
//! one name space for all customers and no customer can make one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;
pub use super::tenant_machine::*;
pub use super::tenant_watched::*;

/// What the provider declares for one customer.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "cloudfarm.dev",
    version = "v1alpha1",
    kind = "Tenant",
    category = "cloudfarm",
    shortname = "cft",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "One customer: contract, people and machines. Becomes the namespaces cf-<name> and cfd-<name> with quota, walls, roles and VMs. Deleting a Tenant deletes no data.",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"VMs","type":"string","jsonPath":".status.vmsSummary"}"#,
    printcolumn = r#"{"name":"Capacity","type":"string","jsonPath":".status.capacitySummary"}"#,
    printcolumn = r#"{"name":"Ends","type":"string","jsonPath":".spec.contract.endDate"}"#,
    printcolumn = r#"{"name":"PurgeAfter","type":"string","jsonPath":".status.purgeNotBefore"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    selectable = ".spec.contract.servicePlan",
    selectable = ".status.phase",
    selectable = ".status.applicationIdHash",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$')")
        .message("metadata.name must be 1 to 30 of a-z, 0-9 and -, begin with a letter and end with a letter or digit: the namespace cf-<name> is made from it")
)]
#[x_kube(validation = Rule::new("!has(self.virtualMachines) || self.virtualMachines.all(vm, (!has(vm.classification) || has(self.classification) && self.classification.levels.exists(l, l.name == vm.classification)) && vm.disks.all(d, !has(d.classification) || has(self.classification) && self.classification.levels.exists(l, l.name == d.classification)))").message("the classification of a VM or disk must be the name of one of spec.classification.levels"))]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Name for people, 1 to 64 characters of any script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub display_name: Option<String>,
    /// What was signed.
    pub contract: Contract,
    /// The contact persons of the application form (9.2.1).
    #[schemars(length(min = 1, max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["username"]))]
    #[x_kube(validation = Rule::new("self.exists(a, a.role == 'PrivilegedAdministrator' && !a.disabled && (!has(a.kind) || a.kind == 'User'))").message("administrators must keep at least one enabled PrivilegedAdministrator of kind User: somebody has to be told and to approve, and nobody here knows who is in a group"))]
    pub administrators: Vec<Administrator>,
    /// How people sign in to the management screen (5.1.1-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// How far the customer's area is separated (5.1.1-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.level != 'Physical' || has(self.nodePool)").message("isolation.nodePool is needed when isolation.level is Physical: it names the customer's own machines"))]
    pub isolation: Option<Isolation>,
    /// Where data may be (6.1.3).
    pub residency: Residency,
    /// The customer's own labels for data (8.2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.default) || self.levels.exists(l, l.name == self.default)").message("classification.default must be the name of one of classification.levels"))]
    pub classification: Option<Classification>,
    /// When administrators are told that the contract fills up (12.1.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.rearmPercent < self.thresholdPercent").message("capacityAlert.rearmPercent must be below thresholdPercent: an alert that re-arms at its own threshold repeats without end"))]
    pub capacity_alert: Option<CapacityAlert>,
    /// The machines, at most 64. Removing one deletes the VM and keeps its disks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub virtual_machines: Vec<Machine>,
    /// Backups according to the service plan (12.3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Virus check (14.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antivirus: Option<Antivirus>,
    /// Halts every VM and keeps all data.
    #[serde(default)]
    pub suspended: bool,
    /// Name of the Retention; the tenant's own name when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub retention_name: Option<String>,
}

/// What was signed. Dates are dates in Asia/Tokyo.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.applicationId) != has(self.applicationIdFrom)").message("contract needs exactly one of applicationId and applicationIdFrom"))]
#[x_kube(validation = Rule::new("has(self.applicationId) == has(oldSelf.applicationId)").message("contract.applicationId and applicationIdFrom cannot take each other's place: they identify the contract"))]
#[x_kube(validation = Rule::new("!has(self.endDate) || self.endDate >= self.startDate").message("contract.endDate is the last day of the contract and cannot lie before startDate"))]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// The application ID itself. Never shown in names, labels, metrics, events or logs (9.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^[A-Z0-9][A-Z0-9-]{5,31}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("contract.applicationId cannot be changed: it identifies the contract"))]
    pub application_id: Option<String>,
    /// A Secret in cf-<name> that holds the application ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("contract.applicationIdFrom cannot be changed: it identifies the contract"))]
    pub application_id_from: Option<SecretKey>,
    /// First day of the contract.
    #[schemars(length(max = 10), extend("format" = "date"))]
    pub start_date: String,
    /// Last day of the contract, inclusive. Absent while the contract runs: absence never deletes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("format" = "date"))]
    pub end_date: Option<String>,
    /// Name of the service plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub service_plan: Option<String>,
    /// Why the contract ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_reason: Option<TerminationReason>,
    /// Japanese law (18.1.1).
    #[serde(default = "jp")]
    #[schemars(length(max = 2))]
    #[x_kube(validation = Rule::new("self == 'JP'").message("contract.governingLaw can only be JP"))]
    pub governing_law: String,
    /// All dates of the contract are dates there (12.4.4).
    #[serde(default = "tokyo")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = Rule::new("self == 'Asia/Tokyo'").message("contract.timeZone can only be Asia/Tokyo"))]
    pub time_zone: String,
    /// Version of the terms that were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub terms_version: Option<String>,
    /// When the terms were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// Disclosure required by law may happen without notice (16.1.7); only `true` can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("contract.disclosureAccepted must be true: without it there is no contract"))]
    pub disclosure_accepted: Option<bool>,
    /// What was bought (12.1.3).
    pub capacity: Capacity,
}

/// What was bought.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Virtual CPUs of all VMs together.
    #[schemars(range(min = 1, max = 10000))]
    pub vcpus: i64,
    /// Guest memory of all VMs together, such as 64Gi.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))").message("contract.capacity.memory must be a quantity above 0, such as 64Gi"))]
    pub memory: String,
    /// All disks together, such as 1Ti.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))").message("contract.capacity.storage must be a quantity above 0, such as 1Ti"))]
    pub storage: String,
    /// VMs at most.
    #[schemars(range(min = 1, max = 64))]
    pub instances: i64,
    /// Snapshots at most.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10000))]
    pub snapshots: i64,
}

/// One contact person, or a group of them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Administrator {
    /// The name by which the API server knows this person or group: what the identity provider says, behind the prefix of
    /// its names (`authentication.oidc.groupPrefix`). ASCII only, so that no look-alike can pass for another.
    #[x_kube(validation = Rule::new("!(self.startsWith('system:') || self.startsWith('kubeadm:') || self in ['kubernetes-admin', 'kubernetes-super-admin'])").message("administrators[].username cannot be an account or a group of Kubernetes itself (system:, kubeadm:, kubernetes-admin): it names people of the customer"))]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:-]*[A-Za-z0-9])?$"))]
    pub username: String,
    /// `Group`: username is a group of the customer's identity provider, and whoever is in it has the role. Without it, and
    /// with `User`, it is one person.
    #[serde(default, skip_serializing_if = "SubjectKind::is_user")]
    pub kind: SubjectKind,
    /// Where notices go; of a group, the address that reaches its members.
    #[schemars(length(max = 254), regex(pattern = "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$"))]
    pub email: String,
    /// What the person may do in the customer's area.
    pub role: Role,
    /// Which notices the person gets; all when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub notify: Option<Vec<NoticeKind>>,
    /// Language of mails.
    #[serde(default)]
    pub locale: Locale,
    /// Takes every right away at once and keeps the entry.
    #[serde(default)]
    pub disabled: bool,
}

/// One person, or everybody in a group.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    #[default]
    User,
    Group,
}

impl SubjectKind {
    // Objects of earlier versions stay what they are, so that it is no default of the CRD.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_user(&self) -> bool {
        *self == Self::User
    }
}

/// What a contact person may do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    PrivilegedAdministrator,
    Administrator,
    User,
    #[default]
    Viewer,
}

/// Kinds of notice.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    Capacity,
    Maintenance,
    SpecChange,
    Vulnerability,
    Incident,
    Retention,
    Access,
}

/// Language of mails.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    #[default]
    Ja,
    En,
}

/// Why a contract ends.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationReason {
    Expired,
    CustomerCancelled,
    ProviderCancelled,
}

/// A key of a Secret in the tenant's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// How people sign in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("self.mode != 'OIDC' || has(self.oidc)").message("authentication.oidc is needed when mode is OIDC"))]
#[x_kube(validation = Rule::new("self.mode != 'Local' || has(self.local)").message("authentication.local is needed when mode is Local"))]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    pub mode: AuthenticationMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalPassword>,
    /// A second factor at every sign-in.
    #[serde(default = "yes")]
    #[serde(rename = "requireMFA")]
    pub require_mfa: bool,
}

/// Where identities come from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthenticationMode {
    #[default]
    #[serde(rename = "OIDC")]
    Oidc,
    Local,
}

/// An OpenID provider.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    #[schemars(length(min = 9, max = 253), regex(pattern = "^https://"))]
    pub issuer: String,
    /// What the names of this tenant's groups begin with, such as `acme:` or `oidc:acme-`. Up to its colon it is what the API
    /// server puts before every name of this issuer; what follows tells tenants of one issuer apart. Without it no group is
    /// bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]*:[A-Za-z0-9._@-]*$"))]
    #[x_kube(validation = Rule::new("!(self.startsWith('system:') || self.startsWith('kubeadm:'))").message("authentication.oidc.groupPrefix cannot be one of Kubernetes itself (system:, kubeadm:)"))]
    pub group_prefix: Option<String>,
    /// For whom the issuer makes this tenant's tokens (`aud`); `cloudfarm` when it is not written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,
    /// The claim with a person's name; `sub` when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub username_claim: Option<String>,
    /// The claim with the groups a person is in; `groups` when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub groups_claim: Option<String>,
}

/// A local password, by Secret only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LocalPassword {
    /// The key must hold an Argon2id PHC string.
    pub password_secret_ref: SecretKey,
}

/// How far the customer's area is separated.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    #[serde(default)]
    pub level: IsolationLevel,
    /// The customer's own machines, for level Physical: nodes with the label node-restriction.kubernetes.io/cloudfarm-pool of
    /// this value. No other tenant's VM runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub node_pool: Option<String>,
    /// Whole CPUs for this customer's VMs: each virtual CPU has one of the node's to itself. Needs nodes whose kubelet has
    /// cpuManagerPolicy static, which KubeVirt labels kubevirt.io/cpumanager=true.
    #[serde(default, rename = "dedicatedCPU")]
    pub dedicated_cpu: bool,
    /// Encrypted guest memory. Such a VM does not move while it runs.
    #[serde(default)]
    pub confidential: Confidential,
}

/// Logical: shared machines. Physical: the customer's own.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    #[default]
    Logical,
    Physical,
}

/// Encrypted guest memory.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidential {
    #[default]
    None,
    #[serde(rename = "SEVSNP")]
    SevSnp,
    #[serde(rename = "TDX")]
    Tdx,
}

/// Where data may be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Residency {
    /// Japan (6.1.3).
    #[serde(default = "jp")]
    #[schemars(length(max = 2))]
    #[x_kube(validation = Rule::new("self == 'JP'").message("residency.country can only be JP: customer data is stored in Japan"))]
    pub country: String,
    /// Zones the VMs may run in; any in the country when none is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub zones: Vec<String>,
    /// Storage classes the disks may use; the first is the default.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub storage_class_names: Vec<String>,
    /// Name of the one BackupStorageLocation, labelled as in the country, that Velero brings backups to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub backup_location: Option<String>,
}

/// The customer's own labels for data.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    /// Level of what carries none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub default: Option<String>,
    /// At most 8 levels.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub levels: Vec<Level>,
    /// Refuse what carries none.
    #[serde(default)]
    pub required: bool,
}

/// One level; a higher order is more sensitive.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Level {
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub name: String,
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub order: i64,
}

/// When administrators are told that the contract fills up.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityAlert {
    /// Strictly more than this many percent.
    #[serde(default = "ninety")]
    #[schemars(range(min = 1, max = 100))]
    pub threshold_percent: i64,
    /// Below this many percent it may be told again.
    #[serde(default = "eighty_five")]
    #[schemars(range(min = 0, max = 99))]
    pub rearm_percent: i64,
    #[serde(default)]
    pub basis: CapacityBasis,
    /// Repeated so often while it lasts.
    #[serde(default = "a_day")]
    #[schemars(length(max = 8), regex(pattern = "^[0-9]{1,4}[mhd]$"))]
    pub repeat: String,
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What is compared with the contract.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapacityBasis {
    Allocated,
    Used,
    #[default]
    Both,
}

/// Backups according to the service plan.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    #[serde(default)]
    pub enabled: bool,
    /// `Snapshot`: a VirtualMachineSnapshot of each VM, in the cluster. `VeleroCSI`, in the Tenant's own plan alone: Velero
    /// carries the volumes of all its VMs to `residency.backupLocation`.
    #[serde(default)]
    pub method: BackupMethod,
    /// Cron expression, five fields, in Asia/Tokyo.
    #[serde(default = "two_at_night")]
    #[schemars(length(min = 9, max = 100))]
    pub schedule: String,
    #[serde(default = "tokyo")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = Rule::new("self == 'Asia/Tokyo'").message("backup.timeZone can only be Asia/Tokyo"))]
    pub time_zone: String,
    /// Backups kept, the newest ones.
    #[serde(default = "seven")]
    #[schemars(range(min = 1, max = 366))]
    pub keep_last: i64,
    #[serde(default)]
    pub quiesce: Quiesce,
}

/// How backups are made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupMethod {
    #[default]
    Snapshot,
    #[serde(rename = "VeleroCSI")]
    VeleroCsi,
}

/// Must the guest's file systems be at rest?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quiesce {
    #[default]
    BestEffort,
    Required,
}

/// Virus check.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Antivirus {
    #[serde(default)]
    pub images: ImageScan,
    #[serde(default)]
    pub guest: GuestScan,
    /// Scanning snapshots reads customer data and therefore needs an access grant.
    #[serde(default)]
    pub snapshot_scan: SnapshotScan,
}

/// Are images scanned before a VM starts from them?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageScan {
    #[default]
    Required,
    Off,
}

/// A scanner in the guest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuestScan {
    #[default]
    None,
    #[serde(rename = "ClamAV")]
    ClamAv,
}

/// Are snapshots scanned?
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotScan {
    #[default]
    Off,
    WithGrant,
}

impl Default for CapacityAlert {
    fn default() -> Self {
        Self {
            threshold_percent: ninety(),
            rearm_percent: eighty_five(),
            basis: CapacityBasis::Both,
            repeat: a_day(),
            enabled: true,
        }
    }
}

fn jp() -> String {
    "JP".into()
}
fn tokyo() -> String {
    "Asia/Tokyo".into()
}
fn two_at_night() -> String {
    "0 2 * * *".into()
}
fn a_day() -> String {
    "24h".into()
}
fn yes() -> bool {
    true
}
fn ninety() -> i64 {
    90
}
fn eighty_five() -> i64 {
    85
}
fn seven() -> i64 {
    7
}

/// What the operator saw and did. Never written by people.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<TenantPhase>,
    /// Names of the tenant's namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub namespaces: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<MachineCounts>,
    /// Ready and declared VMs, such as 3/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms_summary: Option<String>,
    /// Contracted and allocated, by resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["resource"]))]
    pub capacity: Vec<CapacityRow>,
    /// The application ID as a keyed hash: who has the ID and the key finds the Tenant by it, and nobody else the ID (9.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub application_id_hash: Option<String>,
    /// When a resource filled up beyond the threshold, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub capacity_history: Vec<CapacityCrossing>,
    /// The fullest resource, such as 75%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_summary: Option<String>,
    /// The VMs that are backed up by plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["vm"]))]
    pub backups: Vec<BackupRow>,
    /// Where the data is, as far as it is not known to be in the country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<ResidencyStatus>,
    /// The instant at which the contract is over: the day after endDate, 00:00 in Japan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_ends_at: Option<Time>,
    /// Data is kept at least until this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_not_before: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// Where a Tenant stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantPhase {
    Pending,
    Provisioning,
    Active,
    Suspended,
    Grace,
    Held,
    Purging,
    Purged,
    Failed,
}

/// How many VMs are declared, how many run, how many are not made.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MachineCounts {
    pub desired: i64,
    pub ready: i64,
    /// Declared but not made; the condition VirtualMachinesReady says why.
    pub withheld: i64,
    /// With a hardening exception or a weaker profile than Strict.
    pub non_compliant: i64,
}
