//! What one pass over a Tenant looks at. Everything comes from the watches; nothing is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::retention::{PurgeState, Retention};
use crate::api::tenant::Tenant;
use crate::api::tenant_network::{Dns, NetworkType, TenantNetwork};
use crate::cluster::object::{Kind, Observation, Reference};
use crate::cluster::status::StatusBook;
use crate::foreign::instancetype::Size;
use crate::network::attachment::Attachment;
use crate::network::backend::Obstacle;
use crate::network::observe::{attachable, lasting};
use crate::network::vlan::Lasting;
use crate::operator::config::Config;
use crate::operator::context::Context;
use crate::operator::stores::Guarded;
use crate::retention::ending::held;

/// A Tenant and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct TenantSnapshot {
    pub tenant: Tenant,
    pub config: Arc<Config>,
    pub neighbours: Neighbours,
    /// Sizes of the cluster's instance types.
    pub instancetypes: Arc<BTreeMap<String, Size>>,
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
    /// What exists in the tenant's home.
    pub observed: BTreeMap<Reference, Observation>,
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

/// Which neighbours are installed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    pub kubevirt: bool,
    pub cdi: bool,
    /// ClusterNetworkPolicies, of which a tenant's wall in the Admin tier is made.
    pub cluster_policies: bool,
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
            return Self { name, uid, tenant, pinned: None, held: false, purge: None, not_before: None };
        };
        let held = held(&found);
        let status = found.status.unwrap_or_default();
        Self {
            name,
            uid,
            tenant: found.spec.tenant_ref.name,
            pinned: status.pinned.map(|pinned| pinned.tenant_uid),
            held,
            not_before: status.purge_not_before.map(|time| time.0),
            purge: status.progress.purge.map(|purge| purge.state),
        }
    }
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, tenant: Tenant) -> TenantSnapshot {
    let name = tenant.name_any();
    let retention_name = context.stores.retention_name(&tenant);
    let retention = context.stores.retentions.get(&ObjectRef::new(&retention_name));
    let networks: Vec<_> = context.stores.networks.of_tenant(&name);
    let networks: Vec<&TenantNetwork> = networks.iter().filter_map(|network| network.0.as_ref().ok()).collect();
    TenantSnapshot {
        config: context.config.clone(),
        neighbours: Neighbours {
            kubevirt: context.cluster.installed(Kind::VirtualMachine),
            cdi: context.cluster.installed(Kind::DataVolume),
            cluster_policies: context.cluster.installed(Kind::ClusterNetworkPolicy),
        },
        instancetypes: context.stores.instancetypes(),
        networks: networks.iter().map(|network| (network.name_any(), network_fact(context, network))).collect(),
        dns: name_resolution(&networks),
        lasting: lasting(context, &name),
        retention: retention.map(|found| RetentionFact::of(retention_name.clone(), &name, &found, &context.statuses)),
        retention_name,
        observed: context.cluster.observed.of_tenant(&name),
        now: context.clock.now(),
        tenant,
    }
}

/// What networks say about name resolution, by name.
#[must_use]
pub fn name_resolution(networks: &[&TenantNetwork]) -> BTreeMap<String, Dns> {
    networks.iter().filter_map(|network| Some((network.name_any(), network.spec.dns.clone()?))).collect()
}

fn network_fact(context: &Context, network: &TenantNetwork) -> NetworkFact {
    match network.spec.type_ {
        NetworkType::Pod => NetworkFact::Pod,
        NetworkType::Layer2 | NetworkType::Vlan => NetworkFact::OfItsOwn(attachable(context, network.clone())),
    }
}
