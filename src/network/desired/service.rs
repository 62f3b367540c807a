//! The Service of a VM that is exposed through a network.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sha2::{Digest as _, Sha256};

use crate::api::labels;
use crate::api::tenant_network::Protocol;
use crate::cluster::object::{DesiredObject, Owner};
use crate::evidence::hex;
use crate::network::expose::Exposed;

/// `LoadBalancer`, and nothing else that opens: no node ports, no external addresses (CVE-2020-8554), and the source of a
/// connection stays true, so that rules that name CIDRs hold.
pub fn service(owner: &Owner, exposed: &Exposed) -> DesiredObject {
    let selector = BTreeMap::from([
        (labels::VM.to_owned(), exposed.vm.clone()),
        (format!("{}{}", labels::NETWORK_PREFIX, owner.name), "true".to_owned()),
    ]);
    DesiredObject::new(&Service {
        metadata: owner.metadata(owner.namespace.as_deref(), name(&owner.name, &exposed.vm)),
        spec: Some(ServiceSpec {
            type_: Some("LoadBalancer".into()),
            selector: Some(selector),
            ports: Some(exposed.ports.iter().map(|(protocol, number)| port(*protocol, *number)).collect()),
            allocate_load_balancer_node_ports: Some(false),
            external_traffic_policy: Some("Local".into()),
            ip_family_policy: Some("PreferDualStack".into()),
            // Deprecated and read by every load balancer, where each annotation for it is read by one.
            load_balancer_ip: exposed.address.map(|address| address.to_string()),
            // Said as empty, so that what somebody else writes there is taken out again.
            external_ips: Some(Vec::new()),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

/// `expose-<network>-<vm>-<hash>`, at most 63 long: both names have hyphens, so only the hash tells `a-b` and `c` from `a`
/// and `b-c`.
pub fn name(network: &str, vm: &str) -> String {
    let hash = hex::encode(&Sha256::digest(format!("{network}/{vm}")));
    let both: String = format!("{network}-{vm}").chars().take(63 - "expose-".len() - "-12345678".len()).collect();
    format!("expose-{}-{}", both.trim_end_matches('-'), &hash[..8])
}

fn port(protocol: Protocol, number: u16) -> ServicePort {
    let protocol = format!("{protocol:?}").to_uppercase();
    ServicePort {
        name: Some(format!("{}-{number}", protocol.to_lowercase())),
        port: number.into(),
        target_port: Some(IntOrString::Int(number.into())),
        protocol: Some(protocol),
        ..ServicePort::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::object::Kind;
    use crate::network::desired::desired;
    use crate::network::sample::dmz;

    #[test]
    fn an_exposed_vm_gets_one_service_that_opens_its_ports_alone_and_no_port_of_a_node() {
        let plan = desired(&dmz(&json!({
            "ingress": [{"name": "web", "world": true, "ports": [{"port": 443}, {"protocol": "UDP", "port": 443}]}],
            "expose": [
                {"vm": "web-1", "port": 443, "protocol": "UDP"},
                {"vm": "web-1", "port": 443, "address": "203.0.113.7"},
            ],
        })));
        let services: Vec<_> = plan.desired.objects().filter(|object| object.reference.kind == Kind::Service).collect();
        assert_eq!(services.len(), 1);
        assert_eq!(
            services[0].body["spec"],
            json!({
                "type": "LoadBalancer",
                "selector": {"cloudfarm.dev/vm": "web-1", "network.cloudfarm.dev/dmz": "true"},
                "allocateLoadBalancerNodePorts": false,
                "externalTrafficPolicy": "Local",
                "ipFamilyPolicy": "PreferDualStack",
                "loadBalancerIP": "203.0.113.7",
                "externalIPs": [],
                "ports": [
                    {"name": "tcp-443", "protocol": "TCP", "port": 443, "targetPort": 443},
                    {"name": "udp-443", "protocol": "UDP", "port": 443, "targetPort": 443},
                ],
            })
        );
    }

    #[test]
    fn names_of_services_fit_and_tell_networks_and_vms_apart() {
        let long = "a".repeat(40);
        assert_eq!(name(&long, &long).len(), 63);
        assert_ne!(name("a-b", "c"), name("a", "b-c"));
        assert!(name("dmz", "web-1").starts_with("expose-dmz-web-1-"));
    }
}
