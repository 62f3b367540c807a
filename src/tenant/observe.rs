//! What one pass over a Tenant looks at. Everything comes from the watches; nothing is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::tenant::Tenant;
use crate::api::tenant_network::NetworkType;
use crate::cluster::object::{Kind, Observation, Reference};
use crate::foreign::instancetype::Size;
use crate::operator::config::Config;
use crate::operator::context::Context;

/// A Tenant and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct TenantSnapshot {
    pub tenant: Tenant,
    pub config: Arc<Config>,
    pub neighbours: Neighbours,
    /// Sizes of the cluster's instance types.
    pub instancetypes: Arc<BTreeMap<String, Size>>,
    /// TenantNetworks in the tenant's namespace, by name.
    pub networks: BTreeMap<String, NetworkType>,
    /// Does the Retention that the Tenant names exist, and for which tenant?
    pub retention: Option<RetentionFact>,
    /// What exists in the tenant's home.
    pub observed: BTreeMap<Reference, Observation>,
    pub now: Timestamp,
}

/// Which neighbours are installed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    pub kubevirt: bool,
    pub cdi: bool,
}

/// A Retention, as far as a Tenant cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionFact {
    pub name: String,
    /// The tenant it says it is for.
    pub tenant: String,
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, tenant: Tenant) -> TenantSnapshot {
    let name = tenant.name_any();
    let retention_name = tenant.spec.retention_name.clone().unwrap_or_else(|| name.clone());
    let retention = context.stores.retentions.get(&ObjectRef::new(&retention_name));
    TenantSnapshot {
        config: context.config.clone(),
        neighbours: Neighbours {
            kubevirt: context.cluster.installed(Kind::VirtualMachine),
            cdi: context.cluster.installed(Kind::DataVolume),
        },
        instancetypes: context.stores.instancetypes(),
        networks: context
            .stores
            .networks
            .of_tenant(&name)
            .iter()
            .filter_map(|network| network.0.as_ref().ok())
            .map(|network| (network.name_any(), network.spec.type_))
            .collect(),
        retention: retention.map(|retention| RetentionFact {
            name: retention_name,
            tenant: retention.0.as_ref().map_or_else(|_| name.clone(), |found| found.spec.tenant_ref.name.clone()),
        }),
        observed: context.cluster.observed.of_tenant(&name),
        now: context.clock.now(),
        tenant,
    }
}
