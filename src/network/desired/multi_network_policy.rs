//! The one policy of a network of type Layer2 or VLAN that is filtered in the cluster.

use std::collections::BTreeMap;

use super::network_policy::spec;
use crate::cluster::object::{DesiredObject, Owner};
use crate::foreign::multi_network_policy::{MultiNetworkPolicy, MultiNetworkPolicySpec, POLICY_FOR};
use crate::network::rules::Doors;

/// `network-<name>`: the same doors as a NetworkPolicy's, on the interface that the definition adds. It outlives its network:
/// a running VM keeps the interface.
pub fn multi_network_policy(owner: &Owner, doors: &Doors, definition: &str) -> DesiredObject {
    let namespace = owner.namespace.clone().unwrap_or_default();
    let mut metadata = owner.lasting_metadata(Some(&namespace), format!("network-{}", owner.name));
    let annotations: &mut BTreeMap<String, String> = metadata.annotations.get_or_insert_default();
    annotations.insert(POLICY_FOR.to_owned(), format!("{namespace}/{definition}"));
    DesiredObject::new(&MultiNetworkPolicy { metadata, spec: MultiNetworkPolicySpec(spec(owner, doors)) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::cluster::object::Kind;
    use crate::network::desired::desired;
    use crate::network::sample::{dmz, held};

    fn body(spec: &Value, kind: Kind) -> Value {
        let snapshot = if spec["type"] == "Pod" { dmz(spec) } else { held(spec) };
        let plan = desired(&snapshot);
        let object = plan.desired.objects().find(|object| object.reference.kind == kind).unwrap();
        object.body.clone()
    }

    #[test]
    fn the_second_interface_has_the_same_doors_as_the_first_would_have() {
        let rules = |type_: &str| {
            json!({
                "type": type_, "intraNetwork": "Allow", "subnets": [{"cidr": "203.0.113.0/28"}],
                "ingress": [{"name": "office", "cidrs": ["198.51.100.0/24"], "ports": [{"port": 22}]}],
                "egress": [{"name": "db", "vms": ["db-1"], "ports": [{"port": 5432}]}],
            })
        };
        let (pod, vlan) = (body(&rules("Pod"), Kind::NetworkPolicy), body(&rules("VLAN"), Kind::MultiNetworkPolicy));
        assert_eq!(pod["spec"], vlan["spec"]);
        assert_eq!(vlan["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(vlan["metadata"]["annotations"]["k8s.v1.cni.cncf.io/policy-for"], "cf-acme/cf-acme.dmz");
    }

    #[test]
    fn nothing_of_a_network_of_its_own_goes_with_its_declaration() {
        for object in desired(&held(&json!({}))).desired.objects() {
            assert!(object.body["metadata"]["ownerReferences"].is_null(), "{}", object.reference);
        }
    }
}
