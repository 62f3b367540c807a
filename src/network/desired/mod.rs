//! Pure: from a snapshot to everything the TenantNetwork wants.

mod certificate;
mod cluster_user_defined_network;
pub mod lease;
mod multi_network_policy;
mod network_attachment_definition;
mod network_policy;
#[cfg(test)]
mod properties;
mod ranges;
mod service;
mod user_defined_network;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::attachment::{definition, obstacle};
use super::backend::{Choice, Filter, Means, choose};
use super::observe::NetworkSnapshot;
use super::rules::{Doors, Refused, doors};
use super::subnets::{Clashes, clashes};
use super::vlan::{Allocation, allocation};
use super::{expose, tls};
use crate::cluster::object::{Desired, DesiredObject, Kind, Owner, OwnerKind, Reference, Stage};

/// What a pass means to do, and what it leaves closed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    pub refused: Vec<Refused>,
    /// What makes the network, and who filters in it.
    pub choice: Choice,
    pub clashes: Clashes,
    /// Whose the VLAN id is; `None` for other types.
    pub vlan: Option<Allocation>,
}

/// Everything the TenantNetwork wants.
#[must_use]
pub fn desired(snapshot: &NetworkSnapshot) -> Plan {
    let namespace = snapshot.network.namespace().unwrap_or_default();
    let owner = Owner {
        kind: OwnerKind::TenantNetwork,
        name: snapshot.network.name_any(),
        uid: snapshot.network.uid().unwrap_or_default(),
        tenant: snapshot.tenant_name(),
        namespace: Some(namespace),
    };
    let doors = doors(snapshot);
    let (exposed, hidden) = expose::exposed(snapshot, &doors.ingress);
    let (wanted, faulty) = tls::wanted(snapshot).map_or_else(|wrong| (None, Some(wrong)), |wanted| (wanted, None));
    let mut plan = Plan {
        desired: Desired::nothing(owner.clone(), &snapshot.observed),
        refused: [doors.refused.clone(), hidden, faulty.into_iter().collect()].concat(),
        choice: choose(snapshot),
        clashes: clashes(snapshot),
        vlan: allocation(snapshot),
    };
    let going = snapshot.erasing || snapshot.network.metadata.deletion_timestamp.is_some();
    if snapshot.tenant.is_none() || !snapshot.home_ready || going {
        return plan;
    }
    let mut stages =
        if obstacle(&plan).is_none() { stages(snapshot, &owner, &plan.choice, &doors) } else { Vec::new() };
    // What brings packets comes after what filters them.
    let mut outside: Vec<DesiredObject> = exposed.iter().map(|exposed| service::service(&owner, exposed)).collect();
    let asked = wanted.filter(|_| snapshot.installed.cert_manager);
    outside.extend(asked.map(|wanted| certificate::certificate(&owner, &wanted)));
    if !outside.is_empty() {
        stages.push(Stage { objects: outside });
    }
    plan.desired = Desired {
        keep: kept(snapshot),
        leases: lease::taken(snapshot, &owner, plan.vlan.as_ref()).into_iter().collect(),
        ..Desired::only(owner, stages)
    };
    plan
}

/// The filter first, and then what VMs are attached by.
fn stages(snapshot: &NetworkSnapshot, owner: &Owner, choice: &Choice, doors: &Doors) -> Vec<Stage> {
    let Ok(means) = &choice.means else { return Vec::new() };
    let filter = match (means, &choice.filter) {
        (Means::NetworkPolicy, _) => Some(network_policy::network_policy(owner, doors)),
        (_, Filter::Policies) => {
            Some(multi_network_policy::multi_network_policy(owner, doors, &definition(snapshot, means)))
        }
        (_, Filter::External(_) | Filter::Nobody(_)) => None,
    };
    let stage = |object: Option<DesiredObject>| object.map(|object| Stage { objects: vec![object] });
    [stage(filter), stage(attachment_object(snapshot, owner, means))].into_iter().flatten().collect()
}

fn attachment_object(snapshot: &NetworkSnapshot, owner: &Owner, means: &Means) -> Option<DesiredObject> {
    let spec = &snapshot.network.spec;
    match (means, &spec.vlan) {
        (Means::OvnLayer2, _) => Some(user_defined_network::user_defined_network(owner, spec)),
        (Means::OvnLocalnet, Some(vlan)) => {
            Some(cluster_user_defined_network::cluster_user_defined_network(owner, spec, vlan))
        }
        (Means::Bridge(bridge), Some(vlan)) => {
            Some(network_attachment_definition::network_attachment_definition(owner, vlan, bridge))
        }
        (Means::NetworkPolicy, _) | (_, None) => None,
    }
}

/// While a VM is attached, neither what it is attached by nor the filter before it is taken away; what shows a VM to the
/// outside may go at any time.
fn kept(snapshot: &NetworkSnapshot) -> BTreeSet<Reference> {
    if !snapshot.attached() {
        return BTreeSet::new();
    }
    let inside = |kind: Kind| !matches!(kind, Kind::Service | Kind::Certificate);
    let own = snapshot.own_objects().map(|object| &object.reference);
    own.filter(|reference| inside(reference.kind)).cloned().collect()
}

impl Plan {
    /// When time alone will change what this network may have.
    #[must_use]
    pub fn next_change(&self) -> Option<Timestamp> {
        match self.vlan {
            Some(Allocation::Quarantined(until)) => Some(until),
            _ => None,
        }
    }
}
