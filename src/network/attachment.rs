//! Pure: may VMs be attached to a network of type Layer2 or VLAN, and by what.
//!
//! A VM is attached only when everything that the network wants is observed as wanted: its filter before it (I3).

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::backend::{Filter, Means, Obstacle};
use super::desired::Plan;
use super::observe::NetworkSnapshot;
use super::vlan::Allocation;
use crate::api::condition::Reason;
use crate::api::home;
use crate::cluster::object::{DesiredObject, Facts, Observation, Reference};

/// How a VM is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The NetworkAttachmentDefinition in the tenant's namespace.
    pub definition: String,
}

/// Is a VM attached to this network, or may one be whose instance was started from an earlier declaration? KubeVirt's own
/// finalizer keeps a VM until its instance is gone, so no VM means no instance.
#[must_use]
pub fn is_attached(observed: &BTreeMap<Reference, Observation>, network: &str) -> bool {
    observed.values().any(|object| match &object.facts {
        Facts::VirtualMachine { networks, .. } => networks.outdated || networks.to.contains(network),
        _ => false,
    })
}

/// How VMs are attached to the network now, or why they are not.
///
/// # Errors
/// Something that has to stand first does not.
pub fn attachment(
    snapshot: &NetworkSnapshot,
    plan: &Plan,
    stands: impl Fn(&DesiredObject) -> bool,
) -> Result<Attachment, Obstacle> {
    let waits = |message: String| Obstacle { reason: Reason::Progressing, message };
    if let Some(obstacle) = obstacle(plan) {
        return Err(obstacle);
    }
    if plan.desired.stages.is_empty() {
        return Err(waits("its objects are not wanted yet".into()));
    }
    if let Some(missing) = plan.desired.objects().find(|object| !stands(object)) {
        return Err(waits(format!("{} is not there as wanted yet", missing.reference)));
    }
    let made = plan.desired.objects().filter_map(|object| snapshot.observed.get(&object.reference));
    let mut unmade = made.filter_map(|object| match &object.facts {
        Facts::Network { made: false, message } => Some((object, message)),
        _ => None,
    });
    if let Some((network, said)) = unmade.next() {
        return Err(waits(format!("{} is not made by OVN-Kubernetes yet: {}", network.reference, told(said))));
    }
    let means = plan.choice.means.clone()?;
    Ok(Attachment { definition: definition(snapshot, &means) })
}

fn told(said: &str) -> &str {
    if said.is_empty() { "it has said nothing" } else { said }
}

/// What keeps a network from being made at all. A network of type Pod is always made.
#[must_use]
pub fn obstacle(plan: &Plan) -> Option<Obstacle> {
    if let Some(first) = plan.clashes.against.first() {
        return Some(Obstacle { reason: Reason::SubnetsOverlap, message: first.clone() });
    }
    if let Err(obstacle) = &plan.choice.means {
        return Some(obstacle.clone());
    }
    if let Filter::Nobody(message) = &plan.choice.filter {
        return Some(Obstacle { reason: Reason::RulesNotEnforceable, message: message.clone() });
    }
    match plan.vlan {
        None | Some(Allocation::Held) => None,
        Some(Allocation::Free) => {
            Some(Obstacle { reason: Reason::Progressing, message: "its VLAN id is being taken".into() })
        }
        Some(Allocation::Taken) => Some(Obstacle {
            reason: Reason::VLANTaken,
            message: "its VLAN id is held by another network of this provider".into(),
        }),
        Some(Allocation::Quarantined(until)) => Some(Obstacle {
            reason: Reason::VLANQuarantined,
            message: format!("its VLAN id was another network's and is free from {until}"),
        }),
    }
}

/// The NetworkAttachmentDefinition by which VMs are attached.
#[must_use]
pub fn definition(snapshot: &NetworkSnapshot, means: &Means) -> String {
    let name = snapshot.network.name_any();
    match means {
        // OVN-Kubernetes names the definition after the network that it belongs to.
        Means::OvnLocalnet => home::cluster_network(&snapshot.tenant_name(), &name),
        _ => name,
    }
}
