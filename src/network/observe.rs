//! What one pass over a TenantNetwork looks at. Everything comes from the watches; nothing is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::expose::{self, Taken};
use crate::api::home;
use crate::api::tenant::Tenant;
use crate::api::tenant_machine::Machine;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::operator::config::Config;
use crate::operator::context::Context;
use crate::operator::stores::OfTenant;
use crate::probe::report::Report;

/// A TenantNetwork and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct NetworkSnapshot {
    pub network: TenantNetwork,
    /// The Tenant in whose namespace the network lies, if it is declared.
    pub tenant: Option<TenantFact>,
    /// Has the Tenant's pass made the namespace ours already?
    pub home_ready: bool,
    pub config: Arc<Config>,
    /// Other TenantNetworks of the same tenant.
    pub siblings: BTreeSet<String>,
    /// Addresses that siblings asked for before this network.
    pub taken: Taken,
    /// Has the Tenant's data been given to a purge? Then nothing is made any more that the purge would have to erase again.
    pub erasing: bool,
    /// Is cert-manager installed?
    pub cert_manager: bool,
    pub observed: BTreeMap<Reference, Observation>,
    /// The probe's last report, if one can be read.
    pub probe: Option<Report>,
    pub now: Timestamp,
}

/// A Tenant, as far as a network cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantFact {
    /// VMs and the networks each names.
    pub vms: BTreeMap<String, Vec<String>>,
}

impl TenantFact {
    /// From a declared Tenant.
    #[must_use]
    pub fn of(tenant: &Tenant) -> Self {
        let networks = |vm: &Machine| vm.networks.iter().map(|network| network.name.clone()).collect();
        Self { vms: tenant.spec.virtual_machines.iter().map(|vm| (vm.name.clone(), networks(vm))).collect() }
    }
}

fn is_erased(namespace: &Observation) -> bool {
    matches!(&namespace.facts, Facts::Namespace { approved: Some(_), .. })
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, network: TenantNetwork) -> NetworkSnapshot {
    let namespace = network.namespace().unwrap_or_default();
    let name = network.name_any();
    let tenant = home::of_customer_namespace(&namespace).to_owned();
    let declared = context.stores.tenants.get(&ObjectRef::new(&tenant));
    let observed = context.cluster.observed.of_tenant(&tenant);
    let siblings: Vec<_> = context.stores.networks.of_tenant(&tenant);
    let siblings = siblings.iter().filter(|sibling| sibling.tenant() == tenant && sibling.name_any() != name);
    let namespace = Reference { kind: Kind::Namespace, namespace: None, name: namespace };
    NetworkSnapshot {
        tenant: declared.as_ref().and_then(|declared| declared.0.as_ref().ok()).map(TenantFact::of),
        erasing: observed.get(&namespace).is_some_and(is_erased),
        home_ready: observed.get(&namespace).is_some_and(|namespace| namespace.tenant == tenant),
        config: context.config.clone(),
        taken: expose::taken(&network, siblings.clone().filter_map(|sibling| sibling.0.as_ref().ok())),
        siblings: siblings.map(|sibling| sibling.name_any()).collect(),
        cert_manager: context.cluster.installed(Kind::Certificate),
        observed,
        probe: context.stores.probe(),
        now: context.clock.now(),
        network,
    }
}
