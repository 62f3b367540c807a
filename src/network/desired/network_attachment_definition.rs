//! A network of type VLAN on a Linux bridge: Multus' `NetworkAttachmentDefinition`.

use serde_json::{Value, json};

use crate::api::home;
use crate::api::tenant_network::Vlan;
use crate::cluster::object::{DesiredObject, Owner};
use crate::foreign::network_attachment_definition::{NetworkAttachmentDefinition, NetworkAttachmentDefinitionSpec};

/// `<network>` in the tenant's namespace: an access port of that bridge with that VLAN id and no other, and no address in
/// the launcher pod.
pub fn network_attachment_definition(owner: &Owner, vlan: &Vlan, bridge: &str) -> DesiredObject {
    DesiredObject::new(&NetworkAttachmentDefinition {
        metadata: owner.lasting_metadata(owner.namespace.as_deref(), &owner.name),
        spec: NetworkAttachmentDefinitionSpec { config: config(owner, vlan, bridge).to_string() },
    })
}

// Keys come out sorted, so that the same network is always the same text.
fn config(owner: &Owner, vlan: &Vlan, bridge: &str) -> Value {
    let mut config = json!({
        "cniVersion": "0.3.1",
        "name": home::cluster_network(&owner.tenant, &owner.name),
        "type": "bridge",
        "bridge": bridge,
        "vlan": vlan.id,
        "macspoofchk": vlan.mac_spoof_check,
        "preserveDefaultVlan": false,
        "disableContainerInterface": true,
    });
    if let Some(mtu) = vlan.mtu {
        config["mtu"] = json!(mtu);
    }
    config
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::network::desired::desired;
    use crate::network::sample::held;

    #[test]
    fn a_port_of_the_bridge_carries_one_vlan_and_no_other_mac_address() {
        let firewall = json!({"owner": "netops", "ref": "FW-1"});
        let plan = desired(&held(&json!({"backend": "LinuxBridge", "externalFirewall": firewall})));
        let bodies: Vec<_> = plan.desired.objects().map(|object| object.body.clone()).collect();
        assert_eq!(bodies.len(), 1, "no policy would filter there: {bodies:?}");
        let config: Value = serde_json::from_str(bodies[0]["spec"]["config"].as_str().unwrap()).unwrap();
        assert_eq!(
            config,
            json!({
                "cniVersion": "0.3.1", "name": "cf-acme.dmz", "type": "bridge", "bridge": "br-physnet1", "vlan": 120,
                "macspoofchk": true, "preserveDefaultVlan": false, "disableContainerInterface": true,
            })
        );
    }
}
