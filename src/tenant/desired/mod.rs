//! Pure: from a snapshot to everything the Tenant wants.

mod capacity;
mod data_volume;
mod limit_range;
mod namespace;
mod network_policy;
mod resource_quota;
mod retention;
mod role_binding;
mod virtual_machine;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

pub use capacity::{Allocation, Withheld};

use super::declared::{Declared, DeclaredMachine, Invalid, declared};
use super::observe::TenantSnapshot;
use crate::api::home;
use crate::cluster::Cluster;
use crate::cluster::applied::Applied;
use crate::cluster::object::{Desired, DesiredObject, Kind, Owner, OwnerKind, Reference, Stage};

/// What a pass means to do, and what it holds back.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    /// The contract, as far as it could be parsed.
    pub contract: Result<Contract, Invalid>,
}

/// What the status says about the contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// When it is over, if an end is written.
    pub ends_at: Option<Timestamp>,
    pub allocation: Allocation,
    /// VMs that are declared and not made (or not touched, if they exist), each with the reason.
    pub withheld: Vec<Withheld>,
}

/// Names and labels that every builder needs.
pub(super) struct Home<'a> {
    pub owner: Owner,
    pub snapshot: &'a TenantSnapshot,
    /// `cf-<tenant>`: what the customer puts in.
    pub customer: String,
    /// `cfd-<tenant>`: what our service makes of it.
    pub derived: String,
}

/// Everything the Tenant wants.
#[must_use]
pub fn desired(snapshot: &TenantSnapshot) -> Plan {
    let name = snapshot.tenant.name_any();
    let home = Home {
        owner: Owner {
            kind: OwnerKind::Tenant,
            namespace: None,
            uid: snapshot.tenant.uid().unwrap_or_default(),
            tenant: name.clone(),
            name: name.clone(),
        },
        snapshot,
        customer: home::customer_namespace(&name),
        derived: home::derived_namespace(&name),
    };
    match declared(&snapshot.tenant) {
        Ok(declared) => planned(&home, &declared),
        Err(invalid) => Plan { desired: Desired::nothing(home.owner, &snapshot.observed), contract: Err(invalid) },
    }
}

fn planned(home: &Home, declared: &Declared) -> Plan {
    let capacity::Admission { admitted, withheld, allocation } = capacity::admit(home, declared);
    let keep: BTreeSet<Reference> = withheld.iter().map(|withheld| machine_reference(home, &withheld.vm)).collect();
    let stages = vec![
        Stage { objects: vec![namespace::customer(home), namespace::derived(home)] },
        Stage { objects: walls(home, declared) },
        Stage { objects: admitted.iter().flat_map(|machine| data_volume::disks(home, machine)).collect() },
        Stage { objects: admitted.iter().map(|machine| virtual_machine::virtual_machine(home, machine)).collect() },
    ];
    let desired =
        Desired { owner: home.owner.clone(), stages, once: retention::default_one(home).into_iter().collect(), keep };
    let ends_at = declared.end.and_then(|end| end.ends_at().ok());
    Plan { desired, contract: Ok(Contract { ends_at, allocation, withheld }) }
}

/// What has to stand before any workload, and the rights of people.
fn walls(home: &Home, declared: &Declared) -> Vec<DesiredObject> {
    let mut walls = vec![
        resource_quota::resource_quota(home, declared),
        limit_range::limit_range(home),
        network_policy::default_deny(home, &home.customer),
        network_policy::default_deny(home, &home.derived),
    ];
    walls.extend(network_policy::platform(home));
    walls.extend(network_policy::cdi_import(home));
    walls.extend(role_binding::role_bindings(home));
    walls
}

fn machine_reference(home: &Home, vm: &str) -> Reference {
    Reference { kind: Kind::VirtualMachine, namespace: Some(home.customer.clone()), name: vm.to_owned() }
}

/// Name of a VM's disk: the DataVolume and its claim.
fn disk_name(machine: &DeclaredMachine, disk: &str) -> String {
    format!("{}-{disk}", machine.spec.name)
}

impl Plan {
    /// Brings the cluster to what is planned.
    pub async fn apply(&self, cluster: &Cluster) -> Applied {
        cluster.apply(&self.desired).await
    }

    /// When time alone will change what this Tenant says.
    #[must_use]
    pub fn next_change(&self, snapshot: &TenantSnapshot) -> Option<Timestamp> {
        self.contract.as_ref().ok()?.ends_at.filter(|end| *end > snapshot.now)
    }
}
