//! Conditions: the one place where their types and reasons are spelled, and the one function that merges them.
//!
//! Guarantees: `lastTransitionTime` moves only when `status` changes; the order is that of [`ConditionType`]; a
//! message is cut at 1,024 characters. Nothing here reads a clock.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use schemars::{Schema, SchemaGenerator, json_schema};

/// What a condition speaks about, in the order in which `kubectl describe` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Everything the object asks for, and this version makes, is in place.
    Ready,
    /// A person has to act; waiting will not help (kstatus reads it).
    Stalled,
    /// Fields that are accepted but whose behaviour this version does not have yet.
    FullyEnforced,
    /// Tenant: both namespaces exist, are ours and carry the Pod Security labels.
    NamespacesReady,
    /// Tenant: quota and limit range are in place as contracted.
    QuotaEnforced,
    /// Tenant: default-deny and platform rules are in place (objects; packets are not measured yet).
    WallsReady,
    /// Tenant: every declared VM exists and runs as declared.
    VirtualMachinesReady,
    /// Tenant: every disk that is there has the size that is declared.
    DisksAsDeclared,
    /// Tenant: every VM has the hardening of its profile without exceptions.
    VMsHardened,
    /// Tenant: KubeVirt's own settings leave nothing open that its defaults open.
    PlatformHardened,
    /// Tenant: every VM's guest starts with the floor (clock, logins, guest agent), and nothing of the customer's own user
    /// data was left out for it.
    GuestFloor,
    /// Tenant: every image that a VM starts from has a clean result of a scan with fresh signatures.
    ImagesScanned,
    /// Tenant: every guest says that its clock is in Japan's time zone.
    ClockSynchronized,
    /// Tenant: every VM with a backup in its plan has a good one, as young as its schedule promises.
    BackupsCurrent,
    /// Tenant: nodes, storage classes, volumes, snapshot classes and backup location are in the country.
    ResidencyVerified,
    /// Tenant: no resource of the contract is fuller than spec.capacityAlert says.
    CapacityWithinThreshold,
    /// Tenant: a Retention exists for this contract.
    RetentionScheduled,
    /// Tenant: every administrator who is not disabled has the rights of the role, and nobody was refused.
    AdministratorsBound,
    /// Tenant: people sign in as is declared, as far as the operator's config says how.
    SignInConfigured,
    /// Tenant: the application ID can be looked for by its keyed hash.
    ApplicationIdHashed,
    /// Tenant, Retention: what is known of each clause stands in an OpenReports report.
    ReportPublished,
    /// TenantNetwork: the backend that the type needs exists.
    BackendReady,
    /// TenantNetwork: its address ranges lie in no other of the tenant and in none of the cluster.
    SubnetsDistinct,
    /// TenantNetwork: the VLAN id is this network's own on its physical network.
    VLANAllocated,
    /// TenantNetwork: every written rule is in a policy object.
    RulesAccepted,
    /// TenantNetwork: packets were measured and obey the rules.
    RulesEnforced,
    /// TenantNetwork: everything that is exposed has an address outside.
    Exposed,
    /// TenantNetwork: the certificate is issued.
    TLSReady,
    /// TenantNetwork: nothing of another tenant is joined to it.
    PeeringDenied,
    /// TenantNetwork: in the cluster is what the network wants, and nothing of it besides.
    Consistent,
    /// Retention: the purge CronJob stands as the contract's end asks.
    Scheduled,
    /// Retention: a legal hold is active, in either of its two places.
    HoldActive,
    /// Retention: one of the days before an erasure has come on which people are told.
    ErasureAnnounced,
    /// Retention: the clocks that the last run looked at agree.
    ClockTrusted,
    /// Retention: the last run found what the preview before it had shown.
    InventoryStable,
    /// Retention: everything is gone, down to the volumes.
    Purged,
    /// Retention: the certificate is signed and stored.
    EvidenceStored,
    /// Retention: the deadline has passed and data is still there.
    Overdue,
    /// AccessGrant: the door stands open for who asked.
    AccessGrantActive,
    /// Notice: the mail server has a mail to everybody whom it is about.
    NoticesDelivered,
    /// Notice: every privileged administrator was told of the incident within 4 hours of its confirmation.
    IncidentDeadlineMet,
    /// Notice: it was told before its window begins.
    AnnouncedInTime,
}

/// Why a condition has its status: PascalCase facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    AsDeclared,
    Progressing,
    /// An object of that name exists and is not ours.
    ForeignObject,
    /// The namespace exists without our tenant label.
    NamespaceNotOurs,
    /// A namespace is being deleted by somebody.
    NamespaceTerminating,
    /// The object could not be decoded or a value in it is wrong.
    Invalid,
    /// The API server or an admission policy refused an object.
    Refused,
    /// The API server did not answer as hoped; it is tried again.
    ApiError,
    /// A watch has not synced; nothing is decided meanwhile.
    NotSynced,
    KubeVirtMissing,
    CdiMissing,
    CertManagerMissing,
    /// Reports are asked for and nobody would keep them.
    OpenReportsMissing,
    /// cert-manager has no certificate yet, and says why.
    NotIssued,
    CapacityExceeded,
    /// A VM has no good backup of a time at which its plan promises one.
    BackupFailed,
    /// Something that holds the tenant's data, or may, is outside of the country.
    OutsideResidency,
    /// A resource of the contract is fuller than the threshold, or was and has not been re-armed.
    OverThreshold,
    /// What is asked for is switched off.
    SwitchedOff,
    /// The operator's config names no scanner; images are not looked at.
    ScannerMissing,
    /// Which content an image has cannot be told.
    ImageUnknown,
    /// No scan of an image has come to a result.
    ImageNotScanned,
    /// A scan found something in an image.
    ImageInfected,
    /// The signatures of an image's last scan are older than the operator's config allows.
    ScanTooOld,
    /// An image is used by an exception, and not by a clean result.
    ImageExcepted,
    InstancetypeNotFound,
    NetworkNotFound,
    VirtualMachineNotFound,
    NotRunning,
    /// KubeVirt cannot make a VM's instance or its pod: quota, Pod Security, a policy.
    StartRefused,
    /// No node takes a VM.
    Unschedulable,
    /// A VM runs from an earlier declaration.
    RestartRequired,
    /// A disk is declared smaller than it is.
    DiskShrunk,
    /// The Secret with user data, or its key, does not exist.
    UserDataMissing,
    /// User data is of a form, or says something, that is not taken.
    UserDataRefused,
    /// User data would have set what the floor sets.
    UserDataOverruled,
    HardeningException,
    /// A setting of KubeVirt is missing or unsafe; the message has the line to set.
    PlatformNotHardened,
    NotYetEnforced,
    /// What would make the network is not installed or not told to the operator.
    BackendMissing,
    /// Nobody would keep packets to the rules.
    RulesNotEnforceable,
    /// A firewall outside the cluster keeps packets to the rules; nobody here has looked.
    ExternalFirewall,
    /// A rule tells VMs apart by address and the network has no addresses.
    SubnetsMissing,
    /// An address range lies in another one.
    SubnetsOverlap,
    /// Another network has the VLAN id.
    VLANTaken,
    /// The VLAN id was another network's a short time ago.
    VLANQuarantined,
    /// Nobody has looked yet; never taken for "good".
    NotMeasured,
    /// Packets were sent, and went where the rules say.
    Measured,
    /// Packets were sent, and did not go as the rules say.
    NotEnforced,
    /// Nobody has looked for some time.
    ProbeStale,
    /// A rule reaches only addresses that no tenant may reach.
    RuleRefused,
    /// The namespace of this object belongs to no Tenant.
    TenantNotFound,
    NotAllReady,
    NoEndDate,
    ContractEnded,
    Orphaned,
    HoldPlaced,
    /// The deadline has passed and data is still there.
    Overdue,
    NoHold,
    /// People are told that an erasure comes nearer.
    Announced,
    /// A run has written down what would be erased.
    Previewed,
    /// A purge has begun.
    Purging,
    /// A purge is complete, proven and certified.
    Purged,
    /// A purge waits for something that others hold.
    Blocked,
    /// A run refused to delete.
    PurgeRefused,
    ClockInDoubt,
    InventoryChanged,
    /// The data of an earlier tenant of this name is being erased, or its records are still kept.
    EarlierTenant,
    /// The Retention is missing and could not be made, or belongs to another tenant.
    RetentionMissing,
    Suspended,
    /// Somebody has to say yes or no.
    AwaitingApproval,
    /// Somebody said yes whose word does not count.
    ApprovalNotCounted,
    /// Consent was given for a time that lies ahead.
    NotYetBegun,
    /// A door stands open.
    Open,
    /// None of the VMs that a grant names is there.
    NothingToOpen,
    /// The time that was granted, or the time to answer, is over.
    Expired,
    /// Somebody ended it, or the consent counts no longer.
    Revoked,
    /// The customer said no.
    Denied,
    /// A grant is over for good.
    GrantOver,
    /// A declared administrator is given no right: the name is not one of this tenant's.
    AdministratorRefused,
    /// By the operator's config the API server takes no tokens of this issuer, or under another prefix.
    IssuerNotConfigured,
    /// By the operator's config the API server asks for no second factor.
    SecondFactorMissing,
    /// A key that the operator's config names cannot be used.
    KeyMissing,
    /// A notice is about nobody.
    Nobody,
    /// The operator's config names no mail server.
    MailNotConfigured,
    /// The mail server serves nobody at the moment.
    MailUnavailable,
    /// A file with the mail server's name, password or authority cannot be read.
    MailFileMissing,
    /// The ConfigMap with a notice's text, or one of its keys, is not there.
    BodyMissing,
    /// A mail server said for good that it takes no mail for somebody, or it was tried too often.
    DeliveryFailed,
    /// The time is over in which a notice tells anybody anything.
    NoticeOver,
    /// The 4 hours run.
    DeadlineRunning,
    /// Somebody was told after the 4 hours, or not at all.
    DeadlineMissed,
    /// A window began before anybody was told of it.
    AnnouncedLate,
}

macro_rules! words {
    ($name:ident) => {
        impl $name {
            /// The word as it stands in the API.
            #[must_use]
            pub fn as_str(self) -> String {
                format!("{self:?}")
            }
        }
    };
}
words!(ConditionType);
words!(Reason);

/// Truth value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    True,
    False,
    Unknown,
}

/// One statement about an object, before it is merged with what was said earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub type_: ConditionType,
    pub status: Status,
    pub reason: Reason,
    pub message: String,
}

impl Verdict {
    #[must_use]
    pub fn new(type_: ConditionType, status: Status, reason: Reason, message: impl Into<String>) -> Self {
        Self { type_, status, reason, message: message.into() }
    }
    /// True, with the reason [`Reason::AsDeclared`].
    #[must_use]
    pub fn good(type_: ConditionType, message: impl Into<String>) -> Self {
        Self::new(type_, Status::True, Reason::AsDeclared, message)
    }
    /// Which written fields have no effect in this version; True when there are none.
    #[must_use]
    pub fn without_effect(fields: &[impl AsRef<str>]) -> Self {
        let type_ = ConditionType::FullyEnforced;
        if fields.is_empty() {
            return Self::good(type_, "every field that is written has its effect");
        }
        let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
        Self::bad(
            type_,
            Reason::NotYetEnforced,
            format!("accepted, without effect in this version: {}", fields.join(", ")),
        )
    }

    /// False, with a reason and what to do about it.
    #[must_use]
    pub fn bad(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(type_, Status::False, reason, message)
    }
}

/// The verdicts as API conditions, keeping the transition times of `previous` where the status stayed the same.
/// Conditions of `previous` that no verdict speaks about are dropped: a pass says everything it knows.
#[must_use]
pub fn merge(previous: &[Condition], verdicts: &[Verdict], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let mut sorted: Vec<&Verdict> = verdicts.iter().collect();
    sorted.sort_by_key(|verdict| verdict.type_);
    sorted
        .into_iter()
        .map(|verdict| {
            let type_ = verdict.type_.as_str();
            let status = format!("{:?}", verdict.status);
            let since = previous
                .iter()
                .find(|old| old.type_ == type_ && old.status == status)
                .map_or(Time(now), |old| old.last_transition_time.clone());
            Condition {
                type_,
                status,
                observed_generation: generation,
                last_transition_time: since,
                reason: verdict.reason.as_str(),
                message: verdict.message.chars().take(1024).collect(),
            }
        })
        .collect()
}

/// Schema of a `conditions` field: a list map keyed by `type`, bounded as upstream's metav1.Condition.
#[must_use]
pub fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "reason": {"type": "string", "maxLength": 1024, "minLength": 1},
                "message": {"type": "string", "maxLength": 32768}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_when_the_status_changes() {
        let said = |status| vec![Verdict::new(ConditionType::Ready, status, Reason::Progressing, "m")];
        let first = merge(&[], &said(Status::False), Some(1), at(10));
        let again = merge(&first, &said(Status::False), Some(2), at(20));
        assert_eq!(again[0].last_transition_time, Time(at(10)));
        assert_eq!(again[0].observed_generation, Some(2));
        let turned = merge(&again, &said(Status::True), Some(2), at(30));
        assert_eq!(turned[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn the_order_is_that_of_the_types_and_not_that_of_the_verdicts() {
        let verdicts = [Verdict::good(ConditionType::QuotaEnforced, ""), Verdict::good(ConditionType::Ready, "")];
        let merged = merge(&[], &verdicts, None, at(0));
        assert_eq!(merged[0].type_, "Ready");
    }
}
