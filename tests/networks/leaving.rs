//! What was made for a network goes when nobody is attached and the network is declared no more.

use serde_json::json;

use super::bed::{bed, behind_a_firewall, definitions, filters, gone, there, vlan};
use crate::support::world::{apply, namespace, network, resource, tenant};

#[tokio::test]
async fn a_bridge_and_a_layer_that_nobody_is_attached_to_go_with_their_declarations() {
    let (plane, client) = bed().await;
    let layers = kube::Api::<kube::api::DynamicObject>::namespaced_with(
        client.clone(),
        "cf-leaving",
        &resource("k8s.ovn.org", "v1", "UserDefinedNetwork", "userdefinednetworks"),
    );
    apply(
        plane,
        &[
            namespace("leaving"),
            tenant("leaving", json!({})),
            vlan("leaving", "bridged", 390, behind_a_firewall()),
            network("leaving", "inner", json!({"type": "Layer2", "subnets": [{"cidr": "198.51.100.0/24"}]})),
        ],
    );
    there(&definitions(&client, "leaving"), "bridged").await;
    there(&layers, "inner").await;
    there(&filters(&client, "leaving"), "network-inner").await;
    plane.kubectl(&["delete", "tnet", "bridged", "inner", "-n", "cf-leaving"], None);
    gone(&definitions(&client, "leaving"), "bridged").await;
    gone(&layers, "inner").await;
    gone(&filters(&client, "leaving"), "network-inner").await;
}
