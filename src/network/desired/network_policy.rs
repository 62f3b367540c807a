//! The one policy of a network of type Pod, and the body that it shares with that of the other types.

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
    DesiredObject::new(&NetworkPolicy {
        metadata: owner.metadata(owner.namespace.as_deref(), format!("network-{}", owner.name)),
        spec: Some(spec(owner, doors)),
    })
}

/// The body of the policy: everything closed but the doors.
pub fn spec(owner: &Owner, doors: &Doors) -> NetworkPolicySpec {
    let ingress = |door: &Door| NetworkPolicyIngressRule { from: Some(peers(door)), ports: ports(&door.ports) };
    let egress = |door: &Door| NetworkPolicyEgressRule { to: Some(peers(door)), ports: ports(&door.ports) };
    NetworkPolicySpec {
        pod_selector: Some(member(&owner.name)),
        policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
        ingress: (!doors.ingress.is_empty()).then(|| doors.ingress.iter().map(ingress).collect()),
        egress: (!doors.egress.is_empty()).then(|| doors.egress.iter().map(egress).collect()),
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::network::desired::desired;
    use crate::network::sample::dmz;

    /// The spec of the policy that a network with this spec becomes.
    fn policy(spec: &Value) -> Value {
        let plan = desired(&dmz(spec));
        let mut objects = plan.desired.objects();
        let body = objects.next().unwrap().body.clone();
        assert!(objects.next().is_none(), "one network, one policy");
        body["spec"].clone()
    }

    #[test]
    fn a_network_without_rules_says_that_nothing_passes() {
        assert_eq!(
            policy(&json!({})),
            json!({
                "podSelector": {"matchLabels": {"network.cloudfarm.dev/dmz": "true"}},
                "policyTypes": ["Ingress", "Egress"],
            })
        );
    }

    #[test]
    fn every_kind_of_peer_stays_in_the_namespace_or_is_a_block_of_addresses() {
        let ingress = json!([
            {"name": "office", "cidrs": ["198.51.100.0/24"], "except": ["198.51.100.64/26"], "ports": [{"port": 22}]},
            {"name": "inner", "networks": ["internal"], "allPorts": true},
            {"name": "db", "vms": ["db-1"], "ports": [{"protocol": "UDP", "port": 5000, "endPort": 5010}]},
        ]);
        assert_eq!(
            policy(&json!({"ingress": ingress}))["ingress"],
            json!([
                {
                    "from": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.64/26"]}}],
                    "ports": [{"protocol": "TCP", "port": 22}],
                },
                {"from": [{"podSelector": {"matchLabels": {"network.cloudfarm.dev/internal": "true"}}}]},
                {
                    "from": [{"podSelector": {"matchLabels": {"cloudfarm.dev/vm": "db-1"}}}],
                    "ports": [{"protocol": "UDP", "port": 5000, "endPort": 5010}],
                },
            ])
        );
    }

    #[test]
    fn the_world_is_all_but_the_forbidden_ranges_of_both_families() {
        let spec = policy(&json!({"egress": [{"name": "out", "world": true, "allPorts": true}]}));
        assert_eq!(
            spec["egress"],
            json!([{"to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.96.0.0/16", "10.244.0.0/16", "169.254.0.0/16", "192.0.2.0/28"]}},
                {"ipBlock": {"cidr": "2000::/3", "except": ["2001:db8:244::/56"]}},
            ]}])
        );
    }

    #[test]
    fn members_reach_each_other_in_both_directions_only_when_it_is_written() {
        let spec = policy(&json!({"intraNetwork": "Allow"}));
        let own = json!([{"podSelector": {"matchLabels": {"network.cloudfarm.dev/dmz": "true"}}}]);
        assert_eq!(spec["ingress"], json!([{"from": own}]));
        assert_eq!(spec["egress"], json!([{"to": own}]));
    }

    #[test]
    fn own_resolvers_and_clocks_get_a_door_each() {
        let spec = policy(&json!({
            "dns": {"mode": "Custom", "nameservers": ["203.0.113.53"]},
            "ntp": ["203.0.113.123"],
        }));
        assert_eq!(
            spec["egress"],
            json!([
                {
                    "to": [{"ipBlock": {"cidr": "203.0.113.53/32"}}],
                    "ports": [{"protocol": "TCP", "port": 53}, {"protocol": "UDP", "port": 53}],
                },
                {"to": [{"ipBlock": {"cidr": "203.0.113.123/32"}}], "ports": [{"protocol": "UDP", "port": 123}]},
            ])
        );
    }
}
