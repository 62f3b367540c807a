//! What one pass over a TenantNetwork looks at. Everything comes from the watches; nothing is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

use super::attachment::{Attachment, attachment, is_attached};
use super::backend::{Installed, Obstacle};
use super::expose::{self, Taken};
use super::subnets::Sibling;
use super::vlan::{Lasting, Sight, is_attachment};
use crate::api::home;
use crate::api::tenant::Tenant;
use crate::api::tenant_machine::Machine;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::install::NAMESPACE;
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
    pub siblings: BTreeMap<String, Sibling>,
    /// Addresses that siblings asked for before this network.
    pub taken: Taken,
    /// Has the Tenant's data been given to a purge? Then nothing is made any more that the purge would have to erase again.
    pub erasing: bool,
    pub installed: Installed,
    /// What is known about the VLAN id it asks for.
    pub vlan: Sight,
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

impl NetworkSnapshot {
    /// Name of the tenant in whose namespace the network lies.
    #[must_use]
    pub fn tenant_name(&self) -> String {
        home::of_customer_namespace(&self.network.namespace().unwrap_or_default()).to_owned()
    }

    /// Is a VM attached to it?
    #[must_use]
    pub fn attached(&self) -> bool {
        is_attached(&self.observed, &self.network.name_any())
    }
}

/// Where the Lease of the VLAN id is that a network asks for.
#[must_use]
pub fn lease_of(network: &TenantNetwork) -> Option<Reference> {
    let vlan = network.spec.vlan.as_ref()?;
    let name = home::vlan_lease(&vlan.physical_network, vlan.id);
    Some(Reference { kind: Kind::Lease, namespace: Some(NAMESPACE.to_owned()), name })
}

/// How VMs are attached to a network of type Layer2 or VLAN now, or why they are not.
///
/// # Errors
/// Something that has to stand first does not.
pub fn attachable(context: &Context, network: TenantNetwork) -> Result<Attachment, Obstacle> {
    let snapshot = observe(context, network);
    let plan = super::desired::desired(&snapshot);
    attachment(&snapshot, &plan, |object| context.cluster.observed.settled(&object.reference, object.digest))
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
        siblings: siblings
            .map(|found| (found.name_any(), found.0.as_ref().map(Sibling::of).unwrap_or_default()))
            .collect(),
        installed: installed(context),
        vlan: sight(context, &network),
        observed,
        probe: context.stores.probe(),
        now: context.clock.now(),
        network,
    }
}

fn installed(context: &Context) -> Installed {
    Installed {
        ovn: context.cluster.installed(Kind::UserDefinedNetwork),
        ovn_cluster: context.cluster.installed(Kind::ClusterUserDefinedNetwork),
        multus: context.cluster.installed(Kind::NetworkAttachmentDefinition),
        multi_network_policy: context.cluster.installed(Kind::MultiNetworkPolicy),
        cert_manager: context.cluster.installed(Kind::Certificate),
    }
}

fn sight(context: &Context, network: &TenantNetwork) -> Sight {
    let Some(lease) = lease_of(network) else { return Sight::default() };
    let others = context.stores.networks_on(&lease.name);
    Sight {
        contested: others.iter().any(|other| other.meta().uid != network.metadata.uid),
        lease: context.cluster.observed.get(&lease),
    }
}

/// What of a tenant's networks outlasts their declarations.
#[must_use]
pub fn lasting(context: &Context, tenant: &str) -> Lasting {
    let mut kinds = Kind::ALL.into_iter().filter(|kind| is_attachment(*kind) || *kind == Kind::VirtualMachine);
    // Objects of a kind that is not installed cannot exist.
    let known = kinds.all(|kind| !context.cluster.installed(kind) || context.cluster.observed.complete(kind));
    Lasting {
        living: context.stores.networks.of_tenant(tenant).iter().filter_map(|found| found.uid()).collect(),
        leases: context.cluster.observed.leases_of(tenant),
        known,
    }
}
