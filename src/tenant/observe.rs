//! What one pass over a Tenant looks at. Everything comes from the watches; nothing is called but for Secrets whose time
//! it is, which no watch shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::home;
use crate::api::retention::{PurgeState, Retention, RollingTarget};
use crate::api::tenant::Tenant;
use crate::api::tenant_network::{Dns, NetworkType, TenantNetwork};
use crate::cluster::applied::Applied;
use crate::cluster::object::{Kind, Observation, Reference};
use crate::cluster::status::StatusBook;
use crate::foreign::instancetype::Size;
use crate::foreign::kubevirt::Platform;
use crate::foreign::place::{Places, VolumePlace};
use crate::foreign::velero;
use crate::images::known::Known as KnownImages;
use crate::network::attachment::Attachment;
use crate::network::backend::Obstacle;
use crate::network::observe::{attachable, lasting};
use crate::network::vlan::Lasting;
use crate::operator::config::Config;
use crate::operator::context::Context;
use crate::operator::stores::Guarded;
use crate::retention::ending::held;
use crate::tenant::administrators;
use crate::tenant::application_id::{self, Known};
use crate::tenant::guest::book::{Book, SOON};
use crate::tenant::guest::look::{self, Guests, look};
use crate::tenant::guest::{Guest, secret_name};

/// A Tenant and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct TenantSnapshot {
    pub tenant: Tenant,
    pub config: Arc<Config>,
    pub neighbours: Neighbours,
    /// Sizes of the cluster's instance types.
    pub instancetypes: Arc<BTreeMap<String, Size>>,
    /// What is known of KubeVirt's settings.
    pub platform: Arc<Platform>,
    /// TenantNetworks in the tenant's namespace, by name.
    pub networks: BTreeMap<String, NetworkFact>,
    /// Name resolution of those networks that say something about it, by name.
    pub dns: BTreeMap<String, Dns>,
    /// What of its networks outlasts them.
    pub lasting: Lasting,
    /// The Retention that stands for this Tenant, or will.
    pub retention_name: String,
    /// Does it exist, for which tenant, and has it begun to erase?
    pub retention: Option<RetentionFact>,
    /// What its VMs' guests start with.
    pub guests: Guests,
    /// An earlier Tenant whose groups could be this one's.
    pub rival: Option<String>,
    /// What is known of its application ID.
    pub application_id: Known,
    /// What exists in the tenant's home.
    pub observed: BTreeMap<Reference, Observation>,
    /// Where nodes, classes and the like are.
    pub places: Arc<Places>,
    /// The tenant's volumes by name; `None` when they have not been listed.
    pub volumes: Option<BTreeMap<String, Arc<VolumePlace>>>,
    /// What Velero has made by the tenant's plan, by name; `None` while Velero is not there.
    pub velero: Option<BTreeMap<String, Arc<velero::Backup>>>,
    /// What is known of images and their scans.
    pub images: Arc<KnownImages>,
    pub now: Timestamp,
}

/// A TenantNetwork, as far as the VMs care that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkFact {
    /// The pod's own interface.
    Pod,
    /// An interface of its own, or why there is none now.
    OfItsOwn(Result<Attachment, Obstacle>),
}

/// What is known of a neighbour without which no VM is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Missing,
    /// It is there, and what it holds is not known.
    Unlisted,
    Listed,
}

/// Which neighbours are installed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    pub kubevirt: Presence,
    pub cdi: Presence,
    /// VirtualMachineSnapshots, of which backups are made.
    pub snapshots: bool,
    /// Velero's Schedules, by which it is asked for backups.
    pub velero: bool,
    /// ClusterNetworkPolicies, of which a tenant's wall in the Admin tier is made.
    pub cluster_policies: bool,
}

impl Neighbours {
    /// A cluster with every one of them.
    pub const ALL: Self = Self {
        kubevirt: Presence::Listed,
        cdi: Presence::Listed,
        snapshots: true,
        velero: true,
        cluster_policies: true,
    };
}

/// A Retention, as far as a Tenant cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionFact {
    pub name: String,
    pub uid: String,
    /// The tenant it says it is for.
    pub tenant: String,
    /// The uid of the Tenant that it has pinned.
    pub pinned: Option<String>,
    pub held: bool,
    /// `spec.rolling` lets backups age out.
    pub ages_backups_out: bool,
    /// How far a purge is.
    pub purge: Option<PurgeState>,
    /// Before when nothing is erased, as the Retention says.
    pub not_before: Option<Timestamp>,
}

impl RetentionFact {
    /// What a Retention tells; one that cannot be decoded belongs to the tenant it is named after.
    fn of(name: String, tenant: &str, retention: &Guarded<Retention>, statuses: &StatusBook) -> Self {
        let uid = retention.uid().unwrap_or_default();
        let Ok(found) = retention.0.as_ref().map(|found| statuses.freshest(found)) else {
            let tenant = tenant.to_owned();
            return Self {
                name,
                uid,
                tenant,
                pinned: None,
                held: false,
                ages_backups_out: false,
                purge: None,
                not_before: None,
            };
        };
        let held = held(&found);
        let status = found.status.unwrap_or_default();
        Self {
            name,
            uid,
            tenant: found.spec.tenant_ref.name,
            pinned: status.pinned.map(|pinned| pinned.tenant_uid),
            held,
            ages_backups_out: found.spec.rolling.iter().any(|rule| rule.target == RollingTarget::Backups),
            not_before: status.purge_not_before.map(|time| time.0),
            purge: status.progress.purge.map(|purge| purge.state),
        }
    }
}

/// Gathers the snapshot.
pub async fn observe(context: &Context, tenant: Tenant) -> TenantSnapshot {
    let name = tenant.name_any();
    let retention_name = context.stores.retention_name(&tenant);
    let retention = context.stores.retentions.get(&ObjectRef::new(&retention_name));
    let networks: Vec<_> = context.stores.networks.of_tenant(&name);
    let observed = context.cluster.observed.of_tenant(&name);
    let retention = retention.map(|found| RetentionFact::of(retention_name.clone(), &name, &found, &context.statuses));
    // Nothing is made for it any more.
    let erased = retention.as_ref().is_some_and(|retention| retention.purge.is_some());
    let guests = if erased { Guests::default() } else { look(context, &tenant, &observed).await };
    let application_id =
        if erased { Known::default() } else { application_id::look(context, &tenant, &observed).await };
    let networks: Vec<&TenantNetwork> = networks.iter().filter_map(|network| network.0.as_ref().ok()).collect();
    TenantSnapshot {
        config: context.config.clone(),
        neighbours: Neighbours {
            kubevirt: presence(context, Kind::VirtualMachine),
            cdi: presence(context, Kind::DataVolume),
            snapshots: context.cluster.installed(Kind::VirtualMachineSnapshot),
            velero: context.cluster.installed(Kind::Schedule),
            cluster_policies: context.cluster.installed(Kind::ClusterNetworkPolicy),
        },
        instancetypes: context.stores.instancetypes(),
        platform: context.stores.platform(),
        networks: networks.iter().map(|network| (network.name_any(), network_fact(context, network))).collect(),
        dns: name_resolution(&networks),
        lasting: lasting(context, &name),
        retention,
        retention_name,
        guests,
        rival: rival(context, &tenant),
        application_id,
        observed,
        places: context.places.get(),
        volumes: context.places.volumes_of(&name),
        velero: context.places.backups_of(&name),
        images: context.images.get(),
        now: context.clock.now(),
        tenant,
    }
}

/// Only who binds groups looks through all Tenants.
fn rival(context: &Context, tenant: &Tenant) -> Option<String> {
    if !administrators::has_groups(tenant) {
        return None;
    }
    let all = context.stores.tenants.store.state();
    administrators::rival(tenant, all.iter().filter_map(|other| other.0.as_ref().ok()))
}

/// What was looked at and has not arrived in a Secret is looked at again, or the customer's change would be forgotten until
/// the next reading: the write failed, the pass did not come so far, or the VM is withheld.
pub fn unwritten(book: &Book, snapshot: &TenantSnapshot, applied: &Applied) {
    let name = snapshot.tenant.name_any();
    let arrived = |vm: &str| {
        let namespace = Some(home::customer_namespace(&name));
        let secret = Reference { kind: Kind::Secret, namespace, name: secret_name(vm) };
        applied.observed.contains_key(&secret)
    };
    let looked = snapshot.guests.by_vm.iter().filter(|(_, guest)| matches!(guest, Guest::Looked { .. }));
    let lost: BTreeSet<&String> = looked.map(|(vm, _)| vm).filter(|vm| !arrived(vm)).collect();
    if !lost.is_empty() {
        // A pass with faults is repeated by itself. Without any the VM is withheld, for how long nobody knows.
        let from = if applied.faults.is_empty() { snapshot.now.checked_add(SOON) } else { Ok(snapshot.now) };
        look::again(book, &name, &lost, from.unwrap_or(snapshot.now));
    }
}

/// What networks say about name resolution, by name.
#[must_use]
pub fn name_resolution(networks: &[&TenantNetwork]) -> BTreeMap<String, Dns> {
    networks.iter().filter_map(|network| Some((network.name_any(), network.spec.dns.clone()?))).collect()
}

fn presence(context: &Context, kind: Kind) -> Presence {
    if context.cluster.installed(kind) {
        Presence::Listed
    } else if kind.neighbour_crd().is_some_and(|crd| context.neighbours.unlisted(crd)) {
        Presence::Unlisted
    } else {
        Presence::Missing
    }
}

fn network_fact(context: &Context, network: &TenantNetwork) -> NetworkFact {
    match network.spec.type_ {
        NetworkType::Pod => NetworkFact::Pod,
        NetworkType::Layer2 | NetworkType::Vlan => NetworkFact::OfItsOwn(attachable(context, network.clone())),
    }
}
