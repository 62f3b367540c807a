//! `AccessGrant`: staff ask to enter a customer's area, the customer's privileged administrator says yes or no, and the
//! door closes by itself (5.1.1-4, 16.1.7). Namespaced in `cf-<tenant>`, where the customer can see it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;

/// One request to enter, and what became of it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "cloudfarm.dev",
    version = "v1alpha1",
    kind = "AccessGrant",
    namespaced,
    category = "cloudfarm",
    shortname = "grant",
    status = "AccessGrantStatus",
    derive = "PartialEq",
    doc = "Staff access to a customer's VMs: asked for by staff, consented to by the customer's privileged administrator, and over by itself.",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"By","type":"string","jsonPath":".spec.requestedBy"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".spec.reason"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.expiresAt"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"VMs","type":"string","priority":1,"jsonPath":".spec.vms"}"#,
    printcolumn = r#"{"name":"Verbs","type":"string","priority":1,"jsonPath":".spec.verbs"}"#,
    selectable = ".status.state",
    validation = Rule::new("self.metadata.name.size() <= 52")
        .message("metadata.name must be at most 52 characters: the grant's RoleBinding carries it")
)]
#[x_kube(validation = Rule::new("(self.basis == 'Terms') == has(self.clause)").message("basis Terms needs clause, the place in the terms that allows this access; basis Consent takes none"))]
#[x_kube(validation = Rule::new("self.basis == 'Terms' || !has(self.secondApprover)").message("secondApprover is for basis Terms: with basis Consent the customer decides"))]
#[x_kube(validation = Rule::new("!has(self.approval) || self.approval.by != self.requestedBy").message("approval.by must not be requestedBy: nobody consents to an own request"))]
#[x_kube(validation = Rule::new("!has(self.secondApprover) || self.secondApprover.by != self.requestedBy").message("secondApprover.by must not be requestedBy: a second person has to look"))]
#[x_kube(validation = Rule::new("self.requestedBy == oldSelf.requestedBy && self.reason == oldSelf.reason && has(self.ticket) == has(oldSelf.ticket) && (!has(self.ticket) || self.ticket == oldSelf.ticket) && self.basis == oldSelf.basis && has(self.clause) == has(oldSelf.clause) && (!has(self.clause) || self.clause == oldSelf.clause) && self.verbs == oldSelf.verbs && has(self.vms) == has(oldSelf.vms) && (!has(self.vms) || self.vms == oldSelf.vms) && has(self.notBefore) == has(oldSelf.notBefore) && (!has(self.notBefore) || self.notBefore == oldSelf.notBefore) && self.duration == oldSelf.duration").message("a request cannot be changed once it is made, since consent is given to what was read: make another AccessGrant"))]
#[x_kube(validation = Rule::new("(!has(oldSelf.approval) || (has(self.approval) && self.approval == oldSelf.approval)) && (!has(oldSelf.secondApprover) || (has(self.secondApprover) && self.secondApprover == oldSelf.secondApprover)) && (!has(oldSelf.revoked) || (has(self.revoked) && self.revoked == oldSelf.revoked))").message("approval, secondApprover and revoked stay as they were written; to end a grant early, write revoked"))]
#[serde(rename_all = "camelCase")]
pub struct AccessGrantSpec {
    /// Who asks: the name by which the API server knows the person who creates this object; admission compares.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub requested_by: String,
    /// Why, in words that the customer understands.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// The ticket that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub ticket: Option<String>,
    /// `Consent`: the customer's privileged administrator approves. `Terms`: the terms allow it; a second person of the
    /// staff approves, and the customer is told.
    #[serde(default)]
    pub basis: Basis,
    /// With basis Terms: which clause of the terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub clause: Option<String>,
    /// What may be done.
    #[schemars(length(min = 1, max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub verbs: Vec<Verb>,
    /// VMs of this namespace by name. None written is none, never all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub vms: Vec<String>,
    /// Not before this instant; from the consent on when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// How long, from the consent or from notBefore, whichever is later: at least 1m, at most 8h.
    #[serde(default = "an_hour")]
    #[schemars(length(max = 8), regex(pattern = "^([0-9]{1,2}h)?([0-9]{1,3}m)?$"))]
    #[x_kube(validation = Rule::new("self.size() > 1 && duration(self) >= duration('1m') && duration(self) <= duration('8h')").message("duration must be between 1m and 8h, such as 1h30m: whoever needs longer asks again"))]
    pub duration: String,
    /// The customer's answer. Written once, by an enabled PrivilegedAdministrator of the Tenant; admission sees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Answer>,
    /// With basis Terms: the second person of the staff. Written once, by that person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_approver: Option<Signature>,
    /// Ends it at once, for good. Written by a privileged administrator, by who asked, or by the provider's staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Signature>,
}

/// On what ground staff enter.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    #[default]
    Consent,
    Terms,
}

/// What staff may do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    GuestInfo,
    Console,
    #[serde(rename = "VNC")]
    Vnc,
    Power,
    SnapshotRead,
    AuditExtract,
}

impl Verb {
    /// Every verb, in the order in which they are written.
    pub const ALL: [Self; 6] =
        [Self::GuestInfo, Self::Console, Self::Vnc, Self::Power, Self::SnapshotRead, Self::AuditExtract];
}

/// Yes or no, and whose word it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The name by which the API server knows who answers.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub by: String,
    /// When that person says to have answered. What counts is when the operator first saw it: status.approvedAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(default)]
    pub decision: Decision,
}

/// The answer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    #[default]
    Approve,
    Deny,
}

/// Who wrote something, and why.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// The name by which the API server knows that person.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._@:/#-]*[A-Za-z0-9])?$"))]
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub reason: Option<String>,
}

/// What the operator saw and did. Once a grant is over its state never changes again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccessGrantStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<GrantState>,
    /// When the operator first saw the consent that counts: the time that was granted runs from here or from notBefore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// From this instant on the door is closed. Written with approvedAt and never moved to a later instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When the operator saw that it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// The RoleBinding that is the open door, while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub role_binding: Option<String>,
    /// What was done through the door, from the API server's audit log; the newest 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub sessions: Vec<Session>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// Where a grant is on its way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Requested,
    Approved,
    Active,
    Expired,
    Revoked,
    Denied,
}

impl GrantState {
    /// Over for good?
    #[must_use]
    pub fn over(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked | Self::Denied)
    }
}

/// One request through the door.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Who came in, as the API server knows that person.
    #[schemars(length(max = 253))]
    pub user: String,
    /// Which VM.
    #[schemars(length(max = 63))]
    pub vm: String,
    /// What was done: a verb and a subresource of KubeVirt's, such as `get virtualmachineinstances/vnc`.
    #[schemars(length(max = 128))]
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// The API server's audit id: the same in its log.
    #[schemars(length(max = 64))]
    pub audit_id: String,
}

fn an_hour() -> String {
    "1h".into()
}
