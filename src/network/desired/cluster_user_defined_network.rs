//! A network of type VLAN: OVN-Kubernetes' `ClusterUserDefinedNetwork` of topology Localnet.

use serde_json::json;

use super::ranges::{excluded, ipam, subnets};
use crate::api::home;
use crate::api::tenant_network::{TenantNetworkSpec, Vlan};
use crate::cluster::object::{DesiredObject, Owner};
use crate::foreign::user_defined_network::{ClusterUserDefinedNetwork, ClusterUserDefinedNetworkSpec};

/// `cf-<tenant>.<network>`, for exactly the tenant's namespace: by the label that the API server itself keeps, and nobody
/// can write.
pub fn cluster_user_defined_network(owner: &Owner, spec: &TenantNetworkSpec, vlan: &Vlan) -> DesiredObject {
    let mut localnet = json!({
        "role": "Secondary",
        "physicalNetworkName": vlan.physical_network,
        "vlan": {"mode": "Access", "access": {"id": vlan.id}},
        "ipam": ipam(spec),
    });
    if let Some(mtu) = vlan.mtu {
        localnet["mtu"] = json!(mtu);
    }
    if !spec.subnets.is_empty() {
        localnet["subnets"] = json!(subnets(spec));
    }
    let excluded = excluded(spec);
    if !excluded.is_empty() {
        localnet["excludeSubnets"] = json!(excluded);
    }
    let namespace = home::customer_namespace(&owner.tenant);
    DesiredObject::new(&ClusterUserDefinedNetwork {
        metadata: owner.lasting_metadata(None, home::cluster_network(&owner.tenant, &owner.name)),
        spec: ClusterUserDefinedNetworkSpec {
            namespace_selector: json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}}),
            network: json!({"topology": "Localnet", "localnet": localnet}),
        },
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cluster::object::Kind;
    use crate::network::desired::desired;
    use crate::network::sample::held;

    #[test]
    fn a_vlan_is_for_one_namespace_and_gives_away_neither_the_gateway_nor_what_is_reserved() {
        let subnets = json!([{"cidr": "203.0.113.0/28", "gateway": "203.0.113.1", "reserved": ["203.0.113.8/29", "203.0.113.2"]}]);
        let plan = desired(&held(&json!({"subnets": subnets})));
        let network = plan.desired.objects().find(|object| object.reference.kind == Kind::ClusterUserDefinedNetwork);
        let body = &network.unwrap().body;
        assert_eq!(body["metadata"]["name"], "cf-acme.dmz");
        assert_eq!(
            body["spec"]["namespaceSelector"],
            json!({"matchLabels": {"kubernetes.io/metadata.name": "cf-acme"}})
        );
        assert_eq!(
            body["spec"]["network"]["localnet"],
            json!({
                "role": "Secondary", "physicalNetworkName": "physnet1", "ipam": {"lifecycle": "Persistent"},
                "subnets": ["203.0.113.0/28"], "excludeSubnets": ["203.0.113.1/32", "203.0.113.2/32", "203.0.113.8/29"],
                "vlan": {"mode": "Access", "access": {"id": 120}},
            })
        );
    }
}
