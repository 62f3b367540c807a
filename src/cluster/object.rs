//! What the operator wants and what it sees, reduced to what it owns.
//!
//! A [`DesiredObject`] and an [`Observation`] of the same thing have the same [`Digest`] exactly when nothing has to
//! be written. The digest covers the labels, annotations and owner references that are ours and the fields that
//! [`Managed::owned`] names; what others write on the same object never counts. Builders therefore emit values the
//! way the API server stores them (defaults filled in, quantities canonical); `tests/apiserver.rs` applies every
//! kind, reads it back and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::ApiResource;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use super::desired::{Claim, Desired, LeaseWrite, Stage};
pub use super::digest::Digest;
use crate::api::{home, labels};

/// The kinds of object that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    RoleBinding,
    DataVolume,
    VirtualMachine,
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
}

impl Kind {
    /// All of them, in the order in which a human reads them.
    pub const ALL: [Self; 18] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::RoleBinding,
        Self::DataVolume,
        Self::VirtualMachine,
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
    ];

    /// Group, version, kind and plural, as discovery would tell.
    #[must_use]
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ResourceQuota => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::LimitRange => ("", "v1", "LimitRange", "limitranges"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::RoleBinding => ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
            Self::DataVolume => ("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
            Self::VirtualMachine => ("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
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
            Self::ClusterNetworkPolicy => Some("clusternetworkpolicies.policy.networking.k8s.io"),
            Self::MultiNetworkPolicy => Some("multi-networkpolicies.k8s.cni.cncf.io"),
            Self::NetworkAttachmentDefinition => Some("network-attachment-definitions.k8s.cni.cncf.io"),
            Self::UserDefinedNetwork => Some("userdefinednetworks.k8s.ovn.org"),
            Self::ClusterUserDefinedNetwork => Some("clusteruserdefinednetworks.k8s.ovn.org"),
            Self::Certificate => Some("certificates.cert-manager.io"),
            _ => None,
        }
    }

    /// May an object of this kind be deleted because its declaration no longer wants it? Never where it holds data
    /// (I8): a disk outlives the VM that used it, a namespace outlives its Tenant.
    #[must_use]
    pub fn prunable(self) -> bool {
        match self {
            Self::NetworkPolicy
            | Self::RoleBinding
            | Self::VirtualMachine
            | Self::CronJob
            | Self::MultiNetworkPolicy
            | Self::NetworkAttachmentDefinition
            | Self::UserDefinedNetwork
            | Self::ClusterUserDefinedNetwork
            | Self::Service
            | Self::Certificate => true,
            // The wall between tenants goes with the last of the data: it is a purge's.
            Self::ClusterNetworkPolicy
            | Self::Namespace
            | Self::ResourceQuota
            | Self::LimitRange
            | Self::DataVolume
            | Self::ConfigMap
            | Self::Retention
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
    /// `cf-purge-<tenant>`, purge records `cf-record-<tenant>.<uid>`, cluster-wide networks `cf-<tenant>.<network>`.
    /// Anywhere else it is nobody's, whatever labels somebody copied onto it.
    #[must_use]
    pub fn home(&self) -> &str {
        match self.kind {
            Kind::CronJob => home::of_purge_cron_job(&self.name),
            Kind::ConfigMap => home::of_purge_record(&self.name),
            Kind::ClusterUserDefinedNetwork => home::of_cluster_network(&self.name),
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

/// The kind of declaration an object is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    Tenant,
    TenantNetwork,
    Retention,
}

/// The declaration that wants an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: OwnerKind,
    /// Namespace of the declaration, for namespaced kinds.
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    /// The tenant it all belongs to.
    pub tenant: String,
}

impl Owner {
    /// Metadata of an object made for this owner: name, our labels and the owner's annotations.
    ///
    /// An owner reference is set where nothing holds data or is a wall: on a TenantNetwork's policy and a Retention's
    /// CronJob. The garbage collector takes them along even while the operator is down. Nothing is ever owned by a
    /// Tenant (I8).
    #[must_use]
    pub fn metadata(&self, namespace: Option<&str>, name: impl Into<String>) -> ObjectMeta {
        let owner_references = (self.kind != OwnerKind::Tenant).then(|| {
            vec![OwnerReference {
                api_version: format!("{}/v1alpha1", labels::GROUP),
                kind: format!("{:?}", self.kind),
                name: self.name.clone(),
                uid: self.uid.clone(),
                ..OwnerReference::default()
            }]
        });
        ObjectMeta { owner_references, ..self.lasting_metadata(namespace, name) }
    }

    /// The same for an object that has to outlive its declaration: the garbage collector would take a filter away from
    /// under a running VM.
    #[must_use]
    pub fn lasting_metadata(&self, namespace: Option<&str>, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: namespace.map(str::to_owned),
            labels: Some(BTreeMap::from([
                (labels::MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned()),
                (labels::TENANT.to_owned(), self.tenant.clone()),
            ])),
            annotations: Some(BTreeMap::from([
                (labels::OWNER.to_owned(), format!("{:?}/{}", self.kind, self.name)),
                (labels::OWNER_UID.to_owned(), self.uid.clone()),
            ])),
            ..ObjectMeta::default()
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
    /// A disk: since when no VM declares it.
    DataVolume { removed_at: Option<String> },
    /// A quota: does the quota controller count what we are about to make, by the present limits? Before that the API
    /// server refuses it ("status unknown for quota").
    ResourceQuota { counting: bool, usage: Usage },
    /// A network that OVN-Kubernetes makes: does it say that the network is there, and what it says if not?
    Network { made: bool, message: String },
    /// A Service: the addresses it has outside, sorted.
    Service { addresses: Vec<String> },
    /// A certificate: does cert-manager say that it is there, and what it says if not?
    Certificate { issued: bool, message: String },
    /// A VM: does KubeVirt say it is ready, its printable status, is it meant to be off, and where it is attached.
    VirtualMachine { ready: bool, printable_status: String, halted: bool, networks: Attached },
    /// A VLAN id's Lease: `<tenant>/<network>` that has it, if any may have it back, since when, and since when no more.
    Lease { holder: Option<String>, taken_at: Option<String>, released_at: Option<String> },
}

/// Where a VM is attached, as far as its object tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// TenantNetworks that its launcher pod is labelled with.
    pub to: BTreeSet<String>,
    /// What runs was started from an earlier declaration: it may still be attached to what that one named.
    pub outdated: bool,
}

impl Facts {
    /// Is the same said, as far as a status tells it? How full a quota is changes with every pod and is no reason for a
    /// pass.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ResourceQuota { counting: one, .. }, Self::ResourceQuota { counting: other, .. }) => one == other,
            _ => self == other,
        }
    }
}

/// How much of a tenant's quota is used, in thousandths, rounded down; `None` where the quota controller has not counted
/// or nothing is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub vcpus: Option<u32>,
    pub memory: Option<u32>,
    pub storage: Option<u32>,
    pub instances: Option<u32>,
}

/// An object as we want it, with its fingerprint.
#[derive(Clone, Debug)]
pub struct DesiredObject {
    pub reference: Reference,
    /// The whole body of the server-side apply.
    pub body: Value,
    pub digest: Digest,
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
        Self { reference: reference(object), body, digest: digest(object) }
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
