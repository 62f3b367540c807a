//! Pure: what makes a network, from what is written and what the cluster has, and who filters in it.
//!
//! | type | means | filter |
//! |---|---|---|
//! | Pod | the cluster's own network | NetworkPolicy |
//! | Layer2 | OVN-Kubernetes, `UserDefinedNetwork` | MultiNetworkPolicy |
//! | VLAN | OVN-Kubernetes, `ClusterUserDefinedNetwork` of topology Localnet | MultiNetworkPolicy |
//! | VLAN | Multus, a Linux bridge | nobody here: the firewall that `spec.externalFirewall` names |
//!
//! Where nobody filters, nothing is made and no VM is attached.

use kube::ResourceExt;

use super::observe::NetworkSnapshot;
use crate::api::condition::Reason;
use crate::api::tenant_network::{Backend, ExternalFirewall, NetworkType};
use crate::cluster::object::Kind;

/// Which of the neighbours' kinds that networks need are installed and listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one CRD, there or not")]
pub struct Installed {
    /// OVN-Kubernetes' `UserDefinedNetwork`.
    pub ovn: bool,
    /// OVN-Kubernetes' `ClusterUserDefinedNetwork`.
    pub ovn_cluster: bool,
    /// Multus' `NetworkAttachmentDefinition`.
    pub multus: bool,
    pub multi_network_policy: bool,
    /// cert-manager's `Certificate`.
    pub cert_manager: bool,
}

impl Installed {
    /// A cluster that has them all.
    pub const EVERYTHING: Self =
        Self { ovn: true, ovn_cluster: true, multus: true, multi_network_policy: true, cert_manager: true };
}

/// What makes a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    NetworkPolicy,
    /// A network of its own inside the cluster.
    OvnLayer2,
    /// A VLAN of the provider's network, by OVN-Kubernetes.
    OvnLocalnet,
    /// A VLAN of the provider's network, by a bridge of this name on every node.
    Bridge(String),
}

impl Means {
    /// As it is written in `spec.backend` and told in the status.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self {
            Self::NetworkPolicy => Backend::NetworkPolicy,
            Self::OvnLayer2 | Self::OvnLocalnet => Backend::Ovn,
            Self::Bridge(_) => Backend::LinuxBridge,
        }
    }
}

/// Who keeps packets to the rules of a network.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Policies that we make.
    Policies,
    /// A firewall outside the cluster.
    External(ExternalFirewall),
    /// Nobody, and what would be right.
    Nobody(String),
}

/// Why a network cannot be made, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub reason: Reason,
    pub message: String,
}

/// What was chosen for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub means: Result<Means, Obstacle>,
    pub filter: Filter,
    /// Another backend is written, and comes when no VM is attached any longer.
    pub later: Option<Backend>,
}

/// Chooses. While a VM is attached, what stands stays: another backend would take the network away from under it.
#[must_use]
pub fn choose(snapshot: &NetworkSnapshot) -> Choice {
    let written = snapshot.network.spec.backend;
    let standing = standing(snapshot).filter(|_| snapshot.attached());
    let means = means(snapshot, standing.unwrap_or(written));
    let wished = standing.and_then(|_| self::means(snapshot, written).ok()).map(|means| means.backend());
    let later = wished.filter(|wished| written != Backend::Auto && Some(*wished) != standing);
    let filter = means
        .as_ref()
        .map_or_else(|obstacle| Filter::Nobody(obstacle.message.clone()), |means| filter(snapshot, means));
    Choice { means, filter, later }
}

/// What the network's objects were made by, if there are any.
fn standing(snapshot: &NetworkSnapshot) -> Option<Backend> {
    snapshot.own_objects().find_map(|object| match object.reference.kind {
        Kind::NetworkAttachmentDefinition => Some(Backend::LinuxBridge),
        Kind::UserDefinedNetwork | Kind::ClusterUserDefinedNetwork => Some(Backend::Ovn),
        _ => None,
    })
}

fn means(snapshot: &NetworkSnapshot, backend: Backend) -> Result<Means, Obstacle> {
    match (snapshot.network.spec.type_, backend) {
        // Another backend is without effect for type Pod, which FullyEnforced says.
        (NetworkType::Pod, _) => Ok(Means::NetworkPolicy),
        (NetworkType::Layer2, Backend::Auto | Backend::Ovn) => layer2(snapshot),
        (NetworkType::Layer2, other) => {
            Err(invalid(format!("spec.backend {other:?} cannot make type Layer2; write Auto or OVN")))
        }
        (NetworkType::Vlan, Backend::Ovn) => localnet(snapshot),
        (NetworkType::Vlan, Backend::LinuxBridge) => bridge(snapshot),
        (NetworkType::Vlan, Backend::Auto) => localnet(snapshot).or_else(|no_ovn| {
            bridge(snapshot).map_err(|no_bridge| missing(format!("{}; or {}", no_ovn.message, no_bridge.message)))
        }),
        (NetworkType::Vlan, Backend::NetworkPolicy) => {
            Err(invalid("spec.backend NetworkPolicy cannot make type VLAN; write Auto, OVN or LinuxBridge".into()))
        }
    }
}

fn layer2(snapshot: &NetworkSnapshot) -> Result<Means, Obstacle> {
    if snapshot.installed.ovn {
        return Ok(Means::OvnLayer2);
    }
    Err(missing("OVN-Kubernetes has to be installed: the CRD userdefinednetworks.k8s.ovn.org is not there".into()))
}

fn localnet(snapshot: &NetworkSnapshot) -> Result<Means, Obstacle> {
    if snapshot.installed.ovn_cluster {
        return Ok(Means::OvnLocalnet);
    }
    Err(missing(
        "OVN-Kubernetes has to be installed: the CRD clusteruserdefinednetworks.k8s.ovn.org is not there".into(),
    ))
}

fn bridge(snapshot: &NetworkSnapshot) -> Result<Means, Obstacle> {
    let spec = &snapshot.network.spec;
    if !snapshot.installed.multus {
        let message = "Multus has to be installed: the CRD network-attachment-definitions.k8s.cni.cncf.io is not there";
        return Err(missing(message.into()));
    }
    if spec.external_firewall.is_none() {
        let message = "spec.externalFirewall has to name who filters: a Linux bridge filters nothing itself";
        return Err(missing(message.into()));
    }
    let physical = spec.vlan.as_ref().map(|vlan| vlan.physical_network.as_str()).unwrap_or_default();
    match snapshot.config.networks.bridges.get(physical) {
        Some(bridge) => Ok(Means::Bridge(bridge.clone())),
        None => Err(missing(format!(
            "the operator's config has to name the bridge of physical network {physical:?}: networks.bridges.{physical}"
        ))),
    }
}

fn filter(snapshot: &NetworkSnapshot, means: &Means) -> Filter {
    let ovn = matches!(means, Means::OvnLayer2 | Means::OvnLocalnet);
    if ovn && !snapshot.installed.multi_network_policy {
        return Filter::Nobody(
            "nobody would enforce the rules: the CRD multi-networkpolicies.k8s.cni.cncf.io is not installed".into(),
        );
    }
    if ovn && !snapshot.config.networks.multi_network_policy {
        return Filter::Nobody(
            "nobody is known to enforce the rules: turn MultiNetworkPolicy on in OVN-Kubernetes and write networks.multiNetworkPolicy: Enforced in the operator's config".into(),
        );
    }
    match (means, &snapshot.network.spec.external_firewall) {
        (Means::Bridge(_), Some(firewall)) => Filter::External(firewall.clone()),
        (Means::Bridge(_), None) => Filter::Nobody("spec.externalFirewall names nobody".into()),
        _ => Filter::Policies,
    }
}

fn missing(message: String) -> Obstacle {
    Obstacle { reason: Reason::BackendMissing, message }
}

fn invalid(message: String) -> Obstacle {
    Obstacle { reason: Reason::Invalid, message }
}

impl NetworkSnapshot {
    /// Objects in the tenant's home that were made for exactly this network.
    pub fn own_objects(&self) -> impl Iterator<Item = &crate::cluster::object::Observation> {
        let owner = format!("TenantNetwork/{}", self.network.name_any());
        let uid = self.network.uid().unwrap_or_default();
        self.observed.values().filter(move |object| object.ours && object.owner == owner && object.owner_uid == uid)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::network::sample::{dmz, vlan};

    fn of(spec: &Value, installed: Installed) -> Choice {
        choose(&NetworkSnapshot { installed, ..vlan(spec) })
    }

    const NOTHING: Installed =
        Installed { ovn: false, ovn_cluster: false, multus: false, multi_network_policy: false, cert_manager: false };
    const MULTUS: Installed = Installed { multus: true, ..NOTHING };
    const ALL: Installed = Installed::EVERYTHING;

    #[test]
    fn auto_takes_ovn_then_a_bridge_behind_a_firewall_then_nothing() {
        let firewall = json!({"externalFirewall": {"owner": "netops", "ref": "FW-1"}});
        assert_eq!(of(&firewall, ALL).means, Ok(Means::OvnLocalnet));
        assert_eq!(of(&firewall, MULTUS).means, Ok(Means::Bridge("br-physnet1".into())));
        for (spec, installed) in [(&json!({}), MULTUS), (&firewall, NOTHING)] {
            let obstacle = of(spec, installed).means.unwrap_err();
            assert_eq!(obstacle.reason, Reason::BackendMissing);
            assert!(obstacle.message.contains("clusteruserdefinednetworks.k8s.ovn.org"), "{}", obstacle.message);
        }
    }

    #[test]
    fn a_bridge_is_filtered_by_the_firewall_that_is_named_and_never_by_us() {
        let choice =
            of(&json!({"backend": "LinuxBridge", "externalFirewall": {"owner": "netops", "ref": "FW-1"}}), ALL);
        assert!(matches!(choice.filter, Filter::External(firewall) if firewall.owner == "netops"));
        assert!(of(&json!({"backend": "LinuxBridge"}), ALL).means.is_err());
    }

    #[test]
    fn ovn_without_enforced_policies_filters_nothing() {
        let without_crd = Installed { multi_network_policy: false, ..ALL };
        assert!(matches!(of(&json!({}), without_crd).filter, Filter::Nobody(_)));
        assert_eq!(of(&json!({}), ALL).filter, Filter::Policies);
        let mut unsaid = vlan(&json!({}));
        let mut config = (*unsaid.config).clone();
        config.networks.multi_network_policy = false;
        unsaid.config = config.into();
        assert!(matches!(choose(&unsaid).filter, Filter::Nobody(said) if said.contains("networks.multiNetworkPolicy")));
    }

    #[test]
    fn a_type_that_a_backend_cannot_make_is_an_error_that_names_the_others() {
        let layer2 =
            choose(&NetworkSnapshot { installed: ALL, ..dmz(&json!({"type": "Layer2", "backend": "NetworkPolicy"})) });
        assert_eq!(
            layer2.means.unwrap_err().message,
            "spec.backend NetworkPolicy cannot make type Layer2; write Auto or OVN"
        );
        assert_eq!(of(&json!({"backend": "NetworkPolicy"}), ALL).means.unwrap_err().reason, Reason::Invalid);
    }
}
