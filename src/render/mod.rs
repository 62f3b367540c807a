//! `cloudfarm render`: the pure steps without any cluster.
//!
//! What is printed is what the operator would apply: the same builders run over a snapshot made from the manifests
//! instead of from watches. Three things only a cluster knows: uids (an all-zero uid stands for them), instance types
//! (read from VirtualMachineClusterInstancetype documents among the manifests; otherwise their size is unknown and
//! the VM is rendered without a capacity check, which is said), and what exists already (nothing).

mod check;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use crate::api::access_grant::AccessGrant;
use crate::api::notice::Notice;
use crate::api::quantity::Quantity;
use crate::api::retention::{Retention, RetentionSpec};
use crate::api::tenant::Tenant;
use crate::api::tenant_network::{NetworkType, TenantNetwork};
use crate::api::{home, labels};
use crate::cluster::object::DesiredObject;
use crate::foreign::instancetype::{Size, VirtualMachineClusterInstancetype};
use crate::network::attachment::attachment;
use crate::network::backend::Installed;
use crate::network::observe::{NetworkSnapshot, TenantFact, lease_of};
use crate::network::subnets::Sibling;
use crate::network::vlan::{Lasting, Sight};
use crate::operator::config::Config;
use crate::retention::ending::TenantState;
use crate::retention::observe::{RetentionSnapshot, declaration};
use crate::tenant::administrators;
use crate::tenant::application_id::Known;
use crate::tenant::guest::look::Guests;
use crate::tenant::guest::{Guest, by_declaration};
use crate::tenant::observe::{Neighbours, NetworkFact, RetentionFact, TenantSnapshot, name_resolution};
use crate::{network, retention, tenant};

pub use check::check;
pub use read::{Document, Mistake, read};

/// Stands for every uid, which only a cluster gives.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// What manifests become.
#[derive(Debug, Default)]
pub struct Rendered {
    /// In a stable order: by tenant, stages first to last.
    pub objects: Vec<Value>,
    /// What a person should know and no object says.
    pub remarks: Vec<String>,
}

/// A platform made of documentation addresses, for rendering without a config file.
///
/// # Errors
/// Never, as long as the text below is a valid config; a test holds it to that.
pub fn documentation_config() -> Result<Config, Vec<String>> {
    Config::parse(
        "
platform: {resolvers: [192.0.2.53], ntp: [192.0.2.123], imageMirrors: [192.0.2.80/32]}
cluster: {pods: [10.244.0.0/16], services: [10.96.0.0/16], controlPlane: [192.0.2.0/28]}
purge: {image: registry.invalid/cloudfarm}
networks: {multiNetworkPolicy: Enforced, bridges: {physnet1: br-physnet1}}
",
    )
}

/// Reads, checks and renders.
///
/// # Errors
/// A file cannot be read, or a document in it is wrong: every mistake with file, object and field.
pub fn render(files: &[PathBuf], config: Config) -> Result<Rendered, read::Mistakes> {
    let documents = read(files)?;
    let mistakes: Vec<Mistake> = documents.iter().flat_map(check).collect();
    if !mistakes.is_empty() {
        return Err(read::Mistakes(mistakes));
    }
    render_documents(&documents, &Arc::new(config))
}

/// Renders what was read, or made.
///
/// # Errors
/// A document is not what its kind says it is.
pub fn render_documents(documents: &[Document], config: &Arc<Config>) -> Result<Rendered, read::Mistakes> {
    World::of(documents).map(|world| world.render(config))
}

/// What the manifests declare.
#[derive(Default)]
struct World {
    tenants: BTreeMap<String, Tenant>,
    networks: BTreeMap<(String, String), TenantNetwork>,
    retentions: BTreeMap<String, Retention>,
    instancetypes: BTreeMap<String, Size>,
    remarks: Vec<String>,
}

impl World {
    fn of(documents: &[Document]) -> Result<Self, read::Mistakes> {
        let mut world = Self::default();
        let mut mistakes = Vec::new();
        for document in documents {
            if let Err(error) = world.add(document) {
                mistakes.push(document.mistake("", error.to_string()));
            }
        }
        if mistakes.is_empty() { Ok(world) } else { Err(read::Mistakes(mistakes)) }
    }

    fn add(&mut self, document: &Document) -> Result<(), serde_json::Error> {
        let value = document.value.clone();
        match document.kind() {
            "Tenant" => {
                let mut tenant: Tenant = serde_json::from_value(value)?;
                tenant.metadata.uid = Some(NO_UID.into());
                self.tenants.insert(tenant.name_any(), tenant);
            }
            "TenantNetwork" => {
                let mut network: TenantNetwork = serde_json::from_value(value)?;
                network.metadata.uid = Some(NO_UID.into());
                let namespace = network.namespace().unwrap_or_default();
                self.networks.insert((namespace, network.name_any()), network);
            }
            "Retention" => {
                let mut retention: Retention = serde_json::from_value(value)?;
                retention.metadata.uid = Some(NO_UID.into());
                self.retentions.insert(retention.name_any(), retention);
            }
            "AccessGrant" => {
                let grant: AccessGrant = serde_json::from_value(value)?;
                let namespace = grant.namespace().unwrap_or_default();
                self.remarks.push(format!(
                    "AccessGrant {namespace}/{}: becomes nothing before somebody consents, and then a Role and a RoleBinding for {}",
                    grant.name_any(),
                    grant.spec.duration
                ));
            }
            // Who is told, and what, is decided while the operator runs.
            "Notice" => drop(serde_json::from_value::<Notice>(value)?),
            "VirtualMachineClusterInstancetype" => {
                let instancetype: VirtualMachineClusterInstancetype = serde_json::from_value(value)?;
                let size = instancetype.size();
                self.instancetypes.extend(size.map(|size| (instancetype.name_any(), size)));
            }
            // A tenant's own namespace, labelled beforehand: the operator adopts it, and it is rendered below.
            "Namespace" if document.value["metadata"]["labels"][labels::TENANT].is_string() => {}
            other => self.remarks.push(format!("{document}: {other} is not ours; it is applied as it is")),
        }
        Ok(())
    }

    fn render(mut self, config: &Arc<Config>) -> Rendered {
        // Whether an image has a clean result only a cluster knows; no VM is left out for that.
        let config = &Arc::new(Config { images: None, ..(**config).clone() });
        self.assume_sizes();
        let mut rendered = Rendered { remarks: std::mem::take(&mut self.remarks), ..Rendered::default() };
        for (name, tenant) in &self.tenants {
            self.tenant(tenant, config, &mut rendered);
            for network in self.networks_of(name) {
                self.network(network, config, &mut rendered);
            }
            self.retention(name, config, &mut rendered);
        }
        for ((namespace, name), _) in self
            .networks
            .iter()
            .filter(|((namespace, _), _)| !self.tenants.contains_key(home::of_customer_namespace(namespace)))
        {
            rendered.remarks.push(format!("TenantNetwork {namespace}/{name}: no Tenant stands behind its namespace"));
        }
        rendered
    }

    /// Instance types that no document describes: rendered, without a capacity check.
    fn assume_sizes(&mut self) {
        let named: BTreeSet<String> = self
            .tenants
            .values()
            .flat_map(|tenant| &tenant.spec.virtual_machines)
            .filter_map(|machine| machine.instancetype.clone())
            .collect();
        for name in named {
            if !self.instancetypes.contains_key(&name) {
                self.remarks
                    .push(format!("instance type {name}: its size is unknown here; capacity is not checked for it"));
                self.instancetypes.insert(name, Size { vcpus: 0, memory: Quantity::whole(0), pinned: false });
            }
        }
    }

    fn networks_of(&self, tenant: &str) -> impl Iterator<Item = &TenantNetwork> {
        let home = home::customer_namespace(tenant);
        self.networks.iter().filter(move |((namespace, _), _)| *namespace == home).map(|(_, network)| network)
    }

    fn tenant(&self, tenant: &Tenant, config: &Arc<Config>, rendered: &mut Rendered) {
        let name = tenant.name_any();
        let chosen = tenant.spec.retention_name.clone().unwrap_or_else(|| name.clone());
        let snapshot = TenantSnapshot {
            tenant: tenant.clone(),
            config: config.clone(),
            neighbours: Neighbours::ALL,
            instancetypes: Arc::new(self.instancetypes.clone()),
            platform: Arc::default(),
            networks: self
                .networks_of(&name)
                .map(|network| (network.name_any(), self.attachable(network, config)))
                .collect(),
            dns: name_resolution(&self.networks_of(&name).collect::<Vec<_>>()),
            lasting: Lasting::default(),
            retention: self.retentions.get(&chosen).map(|found| RetentionFact {
                name: chosen.clone(),
                uid: NO_UID.into(),
                tenant: found.spec.tenant_ref.name.clone(),
                pinned: None,
                held: false,
                ages_backups_out: false,
                purge: None,
                not_before: None,
            }),
            retention_name: chosen,
            guests: Guests { by_vm: by_declaration(tenant, config), ..Guests::default() },
            rival: administrators::rival(tenant, self.tenants.values()),
            // A key is the operator's alone, and so is what it makes.
            application_id: Known::default(),
            observed: BTreeMap::new(),
            // Only a cluster knows.
            places: Arc::default(),
            volumes: None,
            velero: None,
            images: Arc::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        let plan = tenant::desired::desired(&snapshot);
        match &plan.contract {
            Ok(contract) => {
                let held_back = contract.withheld.iter();
                rendered
                    .remarks
                    .extend(held_back.map(|vm| format!("Tenant {name}: VM {} is not made: {}", vm.vm, vm.message)));
                let unplanned =
                    contract.backups.iter().filter_map(|course| Some((course, course.schedule.as_ref().err()?)));
                rendered.remarks.extend(
                    unplanned.map(|(course, why)| format!("Tenant {name}: no backup of {}: {why}", course.told_as())),
                );
            }
            Err(invalid) => rendered.remarks.extend(invalid.0.iter().map(|fault| format!("Tenant {name}: {fault}"))),
        }
        let unread = snapshot.guests.by_vm.iter().filter(|(_, guest)| matches!(guest, Guest::Known(_)));
        rendered.remarks.extend(unread.map(|(vm, _)| {
            format!("Tenant {name}: VM {vm}: the Secret its guest starts from is made from its userDataSecret, which is not read here")
        }));
        rendered.objects.extend(plan.desired.objects().map(body));
    }

    fn network(&self, network: &TenantNetwork, config: &Arc<Config>, rendered: &mut Rendered) {
        let name = network.name_any();
        let namespace = network.namespace().unwrap_or_default();
        let plan = network::desired::desired(&self.network_snapshot(network, config));
        rendered.remarks.extend(plan.refused.iter().map(|refused| {
            format!("TenantNetwork {namespace}/{name}: {} stays closed: {}", refused.rule, refused.message)
        }));
        let obstacle = network::attachment::obstacle(&plan);
        rendered.remarks.extend(
            obstacle.map(|obstacle| format!("TenantNetwork {namespace}/{name}: is not made: {}", obstacle.message)),
        );
        rendered
            .remarks
            .extend(lease_of(network).map(|lease| format!("TenantNetwork {namespace}/{name}: takes {lease}")));
        rendered.objects.extend(plan.desired.objects().map(body));
    }

    /// Every neighbour is there, and the VLAN id is the network's own if no other manifest asks for it.
    fn network_snapshot(&self, network: &TenantNetwork, config: &Arc<Config>) -> NetworkSnapshot {
        let name = network.name_any();
        let namespace = network.namespace().unwrap_or_default();
        let tenant = home::of_customer_namespace(&namespace);
        let siblings = self.networks_of(tenant).filter(|sibling| sibling.name_any() != name);
        NetworkSnapshot {
            network: network.clone(),
            tenant: self.tenants.get(tenant).map(TenantFact::of),
            home_ready: true,
            config: config.clone(),
            taken: network::expose::taken(network, self.networks_of(tenant)),
            siblings: siblings.map(|sibling| (sibling.name_any(), Sibling::of(sibling))).collect(),
            erasing: false,
            installed: Installed::EVERYTHING,
            vlan: self.vlan(network),
            observed: BTreeMap::new(),
            probe: None,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// Who comes first has the id, which no manifest tells: here it is the first by namespace and name.
    fn vlan(&self, network: &TenantNetwork) -> Sight {
        let asked = lease_of(network);
        let mut rivals = self.networks.values().filter(|rival| asked.is_some() && lease_of(rival) == asked);
        let first = rivals.next();
        let lease = asked.clone().zip(first).map(|(lease, first)| network::desired::lease::assumed(lease, first));
        Sight { lease, contested: rivals.next().is_some() }
    }

    fn attachable(&self, network: &TenantNetwork, config: &Arc<Config>) -> NetworkFact {
        if network.spec.type_ == NetworkType::Pod {
            return NetworkFact::Pod;
        }
        let snapshot = self.network_snapshot(network, config);
        let plan = network::desired::desired(&snapshot);
        NetworkFact::OfItsOwn(attachment(&snapshot, &plan, |_| true))
    }

    fn retention(&self, tenant: &str, config: &Arc<Config>, rendered: &mut Rendered) {
        let Some(declared) = self.tenants.get(tenant) else { return };
        let chosen = declared.spec.retention_name.clone().unwrap_or_else(|| tenant.to_owned());
        let Some(retention) = self.retentions.get(&chosen).cloned().or_else(|| default_retention(&chosen, tenant))
        else {
            return;
        };
        let snapshot = RetentionSnapshot {
            retention,
            tenant: TenantState::Present(declaration(declared)),
            rival: None,
            config: config.clone(),
            observed: BTreeMap::new(),
            lasting: Lasting::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        rendered.objects.extend(retention::desired::desired(&snapshot).desired.objects().map(body));
    }
}

/// The Retention that the operator would make.
fn default_retention(name: &str, tenant: &str) -> Option<Retention> {
    let spec: RetentionSpec = serde_json::from_value(serde_json::json!({"tenantRef": {"name": tenant}})).ok()?;
    let mut retention = Retention::new(name, spec);
    retention.metadata.uid = Some(NO_UID.into());
    Some(retention)
}

fn body(object: &DesiredObject) -> Value {
    object.body.clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_config_is_a_valid_config() {
        assert!(super::documentation_config().is_ok());
    }
}
