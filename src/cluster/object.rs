//! What the operator wants and what it sees, reduced to what it owns.
//!
//! A [`DesiredObject`] and an [`Observation`] of the same thing have the same [`Digest`] exactly when nothing has to
//! be written. The digest covers the labels, annotations and owner references that are ours and the fields that
//! [`Managed::owned`] names; what others write on the same object never counts. Builders therefore emit values the
//! way the API server stores them (defaults filled in, quantities canonical); `tests/apiserver.rs` applies every
//! kind, reads it back and compares.

use std::collections::BTreeMap;
use std::fmt;

use kube::api::ApiResource;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use super::desired::{Claim, Desired, LeaseWrite, Stage};
pub use super::digest::Digest;
pub use super::machine::{Attached, Trouble};
pub use super::owner::{Owner, OwnerKind};
use crate::api::{home, labels};
use crate::foreign::data_volume::Made;
use crate::foreign::restored::Restored;
use crate::foreign::virtual_machine_snapshot::Backup;

/// The kinds of object that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    Role,
    RoleBinding,
    DataVolume,
    /// CDI makes it for a DataVolume; only its size is ever asked for.
    PersistentVolumeClaim,
    VirtualMachine,
    /// A backup by plan. It holds data: made, marked, never pruned.
    VirtualMachineSnapshot,
    /// Velero's: in its namespace, by which it backs a tenant's up.
    Schedule,
    CronJob,
    ConfigMap,
    Retention,
    ClusterNetworkPolicy,
    MultiNetworkPolicy,
    NetworkAttachmentDefinition,
    UserDefinedNetwork,
    ClusterUserDefinedNetwork,
    Service,
    Certificate,
    /// Keeps a VLAN id for one network.
    Lease,
    /// OpenReports': the customer's.
    Report,
    /// OpenReports': outlives the customer.
    ClusterReport,
    /// What a guest starts with. Never listed or watched (I12): read by name, inside tenants' namespaces.
    Secret,
}

impl Kind {
    /// All of them, in the order in which a human reads them.
    pub const ALL: [Self; 25] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::Role,
        Self::RoleBinding,
        Self::DataVolume,
        Self::PersistentVolumeClaim,
        Self::VirtualMachine,
        Self::VirtualMachineSnapshot,
        Self::Schedule,
        Self::CronJob,
        Self::ConfigMap,
        Self::Retention,
        Self::ClusterNetworkPolicy,
        Self::MultiNetworkPolicy,
        Self::NetworkAttachmentDefinition,
        Self::UserDefinedNetwork,
        Self::ClusterUserDefinedNetwork,
        Self::Service,
        Self::Certificate,
        Self::Lease,
        Self::Report,
        Self::ClusterReport,
        Self::Secret,
    ];

    /// Group, version, kind and plural, as discovery would tell.
    #[must_use]
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ResourceQuota => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::LimitRange => ("", "v1", "LimitRange", "limitranges"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::Role => ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
            Self::RoleBinding => ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
            Self::DataVolume => ("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
            Self::PersistentVolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::VirtualMachine => ("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
            Self::VirtualMachineSnapshot => {
                ("snapshot.kubevirt.io", "v1beta1", "VirtualMachineSnapshot", "virtualmachinesnapshots")
            }
            Self::Schedule => ("velero.io", "v1", "Schedule", "schedules"),
            Self::CronJob => ("batch", "v1", "CronJob", "cronjobs"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Retention => (labels::GROUP, "v1alpha1", "Retention", "retentions"),
            Self::ClusterNetworkPolicy => {
                ("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies")
            }
            Self::MultiNetworkPolicy => ("k8s.cni.cncf.io", "v1beta1", "MultiNetworkPolicy", "multi-networkpolicies"),
            Self::NetworkAttachmentDefinition => {
                ("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions")
            }
            Self::UserDefinedNetwork => ("k8s.ovn.org", "v1", "UserDefinedNetwork", "userdefinednetworks"),
            Self::ClusterUserDefinedNetwork => {
                ("k8s.ovn.org", "v1", "ClusterUserDefinedNetwork", "clusteruserdefinednetworks")
            }
            Self::Service => ("", "v1", "Service", "services"),
            Self::Certificate => ("cert-manager.io", "v1", "Certificate", "certificates"),
            Self::Lease => ("coordination.k8s.io", "v1", "Lease", "leases"),
            Self::Report => ("openreports.io", "v1alpha1", "Report", "reports"),
            Self::ClusterReport => ("openreports.io", "v1alpha1", "ClusterReport", "clusterreports"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
        };
        let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
        ApiResource::from_gvk_with_plural(&gvk, plural)
    }

    /// The CRD that has to exist before this kind can be watched or made; `None` for built-in kinds.
    #[must_use]
    pub fn neighbour_crd(self) -> Option<&'static str> {
        match self {
            Self::DataVolume => Some("datavolumes.cdi.kubevirt.io"),
            Self::VirtualMachine => Some("virtualmachines.kubevirt.io"),
            Self::VirtualMachineSnapshot => Some("virtualmachinesnapshots.snapshot.kubevirt.io"),
            Self::Schedule => Some("schedules.velero.io"),
            Self::ClusterNetworkPolicy => Some("clusternetworkpolicies.policy.networking.k8s.io"),
            Self::MultiNetworkPolicy => Some("multi-networkpolicies.k8s.cni.cncf.io"),
            Self::NetworkAttachmentDefinition => Some("network-attachment-definitions.k8s.cni.cncf.io"),
            Self::UserDefinedNetwork => Some("userdefinednetworks.k8s.ovn.org"),
            Self::ClusterUserDefinedNetwork => Some("clusteruserdefinednetworks.k8s.ovn.org"),
            Self::Certificate => Some("certificates.cert-manager.io"),
            Self::Report => Some("reports.openreports.io"),
            Self::ClusterReport => Some("clusterreports.openreports.io"),
            _ => None,
        }
    }

    /// Is everything of this kind shown by a watch? What is not is known only from our own reads and writes.
    #[must_use]
    pub fn watched(self) -> bool {
        self != Self::Secret
    }

    /// May an object of this kind be deleted because its declaration no longer wants it? Never where it holds data
    /// (I8): a disk outlives the VM that used it, a namespace outlives its Tenant.
    #[must_use]
    pub fn prunable(self) -> bool {
        match self {
            Self::NetworkPolicy
            | Self::Role
            | Self::RoleBinding
            | Self::VirtualMachine
            | Self::CronJob
            | Self::MultiNetworkPolicy
            | Self::NetworkAttachmentDefinition
            | Self::UserDefinedNetwork
            | Self::ClusterUserDefinedNetwork
            | Self::Service
            | Self::Certificate
            // What it has made stays till its own end.
            | Self::Schedule
            // A copy of what the customer keeps elsewhere.
            | Self::Secret => true,
            // The wall between tenants goes with the last of the data: it is a purge's.
            Self::ClusterNetworkPolicy
            | Self::Namespace
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::DataVolume
            | Self::PersistentVolumeClaim
            | Self::VirtualMachineSnapshot
            | Self::ConfigMap
            | Self::Retention
            // Proof is not taken away.
            | Self::Report
            | Self::ClusterReport
            // An id stays taken until its network is gone, and then for the quarantine.
            | Self::Lease => false,
        }
    }
}

/// Kind, namespace and name: where an object is, not which one it is (that is its uid).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub kind: Kind,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    pub name: String,
}

impl Reference {
    /// The tenant in whose home the object lies, told by where it is and not by what is written on it: customers'
    /// namespaces and cluster-wide walls are `cf-<tenant>`, derived namespaces `cfd-<tenant>`, purge CronJobs
    /// `cf-purge-<tenant>`, purge records `cf-record-<tenant>.<uid>`, cluster-wide networks `cf-<tenant>.<network>`, Velero's Schedules `cf-<tenant>`,
    /// reports of the whole cluster `cloudfarm-<tenant>`.
    /// Anywhere else it is nobody's, whatever labels somebody copied onto it.
    #[must_use]
    pub fn home(&self) -> &str {
        match self.kind {
            Kind::CronJob => home::of_purge_cron_job(&self.name),
            Kind::ConfigMap => home::of_purge_record(&self.name),
            Kind::ClusterUserDefinedNetwork => home::of_cluster_network(&self.name),
            Kind::Schedule => home::of_customer_namespace(&self.name),
            Kind::ClusterReport => home::of_cluster_report(&self.name),
            _ => home::of_namespace(self.namespace.as_ref().unwrap_or(&self.name)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{:?} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{:?} {}", self.kind, self.name),
        }
    }
}

/// A type whose objects we make.
pub trait Managed:
    Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static
{
    /// Its place in the closed list of kinds.
    const KIND: Kind;

    /// The fields beyond metadata that we own, as JSON (usually `{"spec": ...}`).
    fn owned(&self) -> Value;

    /// What the status of a declaration needs to know about such an object.
    fn facts(&self) -> Facts {
        Facts::None
    }
}

/// The little that a status says about an observed object beyond "as desired".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Facts {
    #[default]
    None,
    /// A namespace: is it being deleted, who holds it, and uid of the Retention whose purge may delete in it.
    Namespace { terminating: bool, hold: Option<String>, approved: Option<String> },
    /// A role binding: how many subjects it has.
    RoleBinding { subjects: usize },
    /// A disk: since when no VM declares it, the size with which it was made, the VM that it was made for, the claim that a
    /// restore put in its place, and what filled it.
    DataVolume {
        removed_at: Option<String>,
        size: Option<String>,
        vm: Option<String>,
        restored: Option<String>,
        made: Made,
    },
    /// A disk's claim: the size it asks for, the size it has, is there a volume behind it, and since when a restore's claim
    /// is in no VM.
    PersistentVolumeClaim {
        requested: Option<String>,
        capacity: Option<String>,
        bound: bool,
        removed_at: Option<String>,
    },
    /// A quota: does the quota controller count what we are about to make, by the present limits? Before that the API
    /// server refuses it ("status unknown for quota").
    ResourceQuota { counting: bool },
    /// A network that OVN-Kubernetes makes: does it say that the network is there, and what it says if not?
    Network { made: bool, message: String },
    /// A Service: the addresses it has outside, sorted.
    Service { addresses: Vec<String> },
    /// A certificate: does cert-manager say that it is there, and what it says if not?
    Certificate { issued: bool, message: String },
    /// A VM: does KubeVirt say it is ready, its printable status, is it meant to be off, the run strategy under which it is
    /// off and stays so by itself, has it an instance, the run strategy in spite of which somebody has stopped it, what stands in its way, where it is attached, what its guest data was
    /// made from, and what of it was brought back from a backup.
    VirtualMachine {
        ready: bool,
        printable_status: String,
        halted: bool,
        idle: Option<String>,
        live: bool,
        stopped: Option<String>,
        trouble: Option<Trouble>,
        networks: Attached,
        guest: Option<String>,
        restored: Restored,
    },
    /// A backup by plan.
    Backup(Backup),
    /// Velero's Schedule: why Velero does not go by it.
    Schedule { refused: Option<String> },
    /// A VLAN id's Lease: `<tenant>/<network>` that has it, if any may have it back, since when, and since when no more.
    Lease { holder: Option<String>, taken_at: Option<String>, released_at: Option<String> },
}

/// An object as we want it, with its fingerprint.
#[derive(Clone)]
pub struct DesiredObject {
    pub reference: Reference,
    /// The whole body of the server-side apply.
    pub body: Value,
    pub digest: Digest,
    /// What has to be as wanted before this is written.
    pub after: Option<Reference>,
    /// The object itself as it was when this was decided, where that has a say in it: nothing is written over what
    /// somebody changed since.
    pub decided_by: Option<Box<Observation>>,
}

/// Without the body: it may hold what a customer keeps in a Secret (I9).
impl fmt::Debug for DesiredObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reference, self.digest)
    }
}

impl DesiredObject {
    /// From a typed object. `Value::Null` stands for an object that cannot be written as JSON, which no type we
    /// build from can produce.
    #[must_use]
    pub fn new<K: Managed>(object: &K) -> Self {
        let mut body = serde_json::to_value(object).unwrap_or_default();
        if let Value::Object(map) = &mut body {
            map.remove("status");
            map.insert("apiVersion".into(), json!(K::api_version(&())));
            map.insert("kind".into(), json!(K::kind(&())));
        }
        Self { reference: reference(object), body, digest: digest(object), after: None, decided_by: None }
    }

    /// The same, written only once that object is as wanted.
    #[must_use]
    pub fn after(self, needed: Reference) -> Self {
        Self { after: Some(needed), ..self }
    }

    /// The same, written only while the object is as it was observed; if it was not there, whatever it is by then.
    #[must_use]
    pub fn decided_by(self, observed: Option<&Observation>) -> Self {
        Self { decided_by: observed.cloned().map(Box::new), ..self }
    }
}

/// An object as a watch or a write's answer showed it, reduced to what we need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub reference: Reference,
    pub uid: String,
    pub resource_version: String,
    /// `Tenant/acme` and its uid, from the annotations.
    pub owner: String,
    pub owner_uid: String,
    pub tenant: String,
    /// Carries our managed-by label.
    pub ours: bool,
    pub digest: Digest,
    pub facts: Facts,
    /// A deletion has been asked for and a finalizer still holds it.
    pub deleting: bool,
}

impl Observation {
    /// Reduces a typed object.
    #[must_use]
    pub fn of<K: Managed>(object: &K) -> Self {
        let label = |key: &str| object.labels().get(key).cloned().unwrap_or_default();
        let annotation = |key: &str| object.annotations().get(key).cloned().unwrap_or_default();
        Self {
            reference: reference(object),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
            owner: annotation(labels::OWNER),
            owner_uid: annotation(labels::OWNER_UID),
            tenant: label(labels::TENANT),
            ours: label(labels::MANAGED_BY) == labels::FIELD_MANAGER,
            digest: digest(object),
            facts: object.facts(),
            deleting: object.meta().deletion_timestamp.is_some(),
        }
    }
}

fn reference<K: Managed>(object: &K) -> Reference {
    Reference { kind: K::KIND, namespace: object.namespace(), name: object.name_any() }
}

fn digest<K: Managed>(object: &K) -> Digest {
    let ours = |map: &BTreeMap<String, String>| -> Map<String, Value> {
        map.iter()
            .filter(|(key, _)| labels::OWNED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)))
            .filter(|(key, _)| !labels::NOT_THE_OWNERS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect()
    };
    let owners: Vec<_> = object
        .owner_references()
        .iter()
        .filter(|owner| owner.api_version.starts_with(labels::GROUP))
        .map(|owner| &owner.uid)
        .collect();
    Digest::of(&json!({
        "labels": ours(object.labels()),
        "annotations": ours(object.annotations()),
        "owners": owners,
        "owned": object.owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_our_labels_outside_a_tenants_namespaces_is_nobodys() {
        let policy = |namespace: &str| Reference {
            kind: Kind::NetworkPolicy,
            namespace: Some(namespace.to_owned()),
            name: "cloudfarm-default-deny".to_owned(),
        };
        for (namespace, home) in [("cf-plum", "plum"), ("cfd-plum", "plum"), ("plum", ""), ("cloudfarm-system", "")] {
            assert_eq!(policy(namespace).home(), home, "{namespace}");
        }
    }
}
