//! The one policy of a network of type Pod.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::labels;
use crate::cluster::object::{DesiredObject, Owner};
use crate::network::rules::{Door, Doors, Peer, PortRange, Ports};

/// `network-<name>`: selects the VMs attached to the network and opens its doors. A network without rules gets the
/// policy, too: it says that nothing passes.
pub fn network_policy(owner: &Owner, doors: &Doors) -> DesiredObject {
    let ingress = |door: &Door| NetworkPolicyIngressRule { from: Some(peers(door)), ports: ports(&door.ports) };
    let egress = |door: &Door| NetworkPolicyEgressRule { to: Some(peers(door)), ports: ports(&door.ports) };
    DesiredObject::new(&NetworkPolicy {
        metadata: owner.metadata(owner.namespace.as_deref(), format!("network-{}", owner.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(member(&owner.name)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: (!doors.ingress.is_empty()).then(|| doors.ingress.iter().map(ingress).collect()),
            egress: (!doors.egress.is_empty()).then(|| doors.egress.iter().map(egress).collect()),
        }),
    })
}

/// The pods of VMs that are attached to a network of this namespace.
fn member(network: &str) -> LabelSelector {
    selector(format!("{}{network}", labels::NETWORK_PREFIX), "true")
}

fn selector(key: String, value: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(BTreeMap::from([(key, value.to_owned())])), ..LabelSelector::default() }
}

// A pod selector without a namespace selector stays inside the policy's own namespace.
fn peers(door: &Door) -> Vec<NetworkPolicyPeer> {
    let peer = |peer: &Peer| match peer {
        Peer::Block(block) => NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: block.cidr.to_string(),
                except: (!block.except.is_empty()).then(|| block.except.iter().map(ToString::to_string).collect()),
            }),
            ..NetworkPolicyPeer::default()
        },
        Peer::Network(network) => {
            NetworkPolicyPeer { pod_selector: Some(member(network)), ..NetworkPolicyPeer::default() }
        }
        Peer::Vm(vm) => {
            NetworkPolicyPeer { pod_selector: Some(selector(labels::VM.into(), vm)), ..NetworkPolicyPeer::default() }
        }
    };
    door.peers.iter().map(peer).collect()
}

fn ports(ports: &Ports) -> Option<Vec<NetworkPolicyPort>> {
    let port = |range: &PortRange| NetworkPolicyPort {
        protocol: Some(format!("{:?}", range.protocol).to_uppercase()),
        port: Some(IntOrString::Int(range.port.into())),
        end_port: range.end.map(i32::from),
    };
    match ports {
        Ports::All => None,
        Ports::Listed(listed) => Some(listed.iter().map(port).collect()),
    }
}
