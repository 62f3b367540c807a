//! Pure: the policies of the probe's namespaces, by the builders that make tenants' walls.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::labels;
use crate::render::{Document, documentation_config, render_documents};

/// Networks of the made-up tenant. Its CIDR rule reaches nothing that a pod can have: all of IPv4 but loopback and
/// multicast, and IPv6 where nothing is assigned, are exceptions. Whether a CIDR reaches pods is up to the plugin; that its
/// exceptions close is not.
fn networks() -> [Value; 3] {
    let cidrs = json!(["0.0.0.0/1", "128.0.0.0/1", "2000::/3", "fc00::/7"]);
    let except = json!([
        "0.0.0.0/2",
        "64.0.0.0/3",
        "96.0.0.0/4",
        "112.0.0.0/5",
        "120.0.0.0/6",
        "124.0.0.0/7",
        "126.0.0.0/8",
        "128.0.0.0/2",
        "192.0.0.0/3",
        "2000::/4",
        "fd00::/8",
    ]);
    let rules = |direction: &str, vm: &str, network: &str, alone: u16| {
        let both = json!([{"protocol": "TCP", "port": 8001}, {"protocol": "UDP", "port": 8001}]);
        json!({direction: [
            {"name": "vm", "vms": [vm], "ports": both},
            {"name": "network", "networks": [network], "ports": [{"port": 8010, "endPort": 8012}]},
            {"name": "alone", "networks": [network], "ports": [{"port": alone}]},
            {"name": "cidr", "cidrs": cidrs, "except": except, "ports": [{"port": 8030}]},
        ]})
    };
    [
        network("front", &rules("egress", "listener", "back", 8020)),
        network("back", &rules("ingress", "caller", "front", 8021)),
        network("shared", &json!({"intraNetwork": "Allow"})),
    ]
}

fn network(name: &str, rules: &Value) -> Value {
    let mut network = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "TenantNetwork",
        "metadata": {"name": name, "namespace": "cf-probe"},
        "spec": {"type": "Pod", "zone": "Internal"},
    });
    if let (Some(spec), Some(rules)) = (network["spec"].as_object_mut(), rules.as_object()) {
        spec.extend(rules.clone());
    }
    network
}

/// The made-up tenant; of what it becomes only policies are taken.
fn tenant() -> Value {
    let machine = |name: &str, networks: &[&str]| {
        json!({
            "name": name, "instancetype": "none", "image": {"dataSource": "none"},
            "disks": [{"name": "root", "size": "1Gi"}],
            "networks": networks.iter().map(|network| json!({"name": network})).collect::<Vec<_>>(),
        })
    };
    json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "probe"},
        "spec": {
            "contract": {
                "applicationId": "PROBE-000000", "startDate": "2026-04-01",
                "capacity": {"vcpus": 3, "memory": "3Gi", "storage": "3Gi", "instances": 3, "snapshots": 0},
            },
            "administrators": [{"username": "nobody", "email": "nobody@provider.example", "role": "PrivilegedAdministrator"}],
            "residency": {"storageClassNames": ["none"]},
            "virtualMachines": [
                machine("caller", &["front", "shared"]), machine("listener", &["back"]), machine("neighbour", &["shared"]),
            ],
        },
    })
}

/// Labels that the builders put on the launcher pod of a VM with this name and these networks.
#[must_use]
pub fn pod_labels(vm: &str, networks: &[&str]) -> BTreeMap<String, String> {
    let networks = networks.iter().map(|network| (format!("{}{network}", labels::NETWORK_PREFIX), "true".to_owned()));
    networks.chain([(labels::VM.to_owned(), vm.to_owned())]).collect()
}

/// Name and spec of each policy that stands in either of the probe's namespaces. Only what carries a tenant's own rules:
/// its doors to DNS, clocks and mirrors are of no use here.
#[must_use]
pub fn policies() -> Vec<(String, Value)> {
    let Ok(config) = documentation_config() else { return Vec::new() };
    let manifests = networks().into_iter().chain([tenant()]);
    let documents: Vec<Document> = manifests.map(|value| Document { file: "probe".into(), value }).collect();
    let Ok(rendered) = render_documents(&documents, &Arc::new(config)) else { return Vec::new() };
    let ours = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["kind"] == "NetworkPolicy"
            && object["metadata"]["namespace"] == "cf-probe"
            && (name == "cloudfarm-default-deny" || name.starts_with("network-"))
    };
    let policies = rendered.objects.iter().filter(ours);
    policies
        .map(|policy| (policy["metadata"]["name"].as_str().unwrap_or_default().to_owned(), policy["spec"].clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_tenant_is_a_valid_one_and_every_rule_of_it_is_in_a_policy() {
        let config = Arc::new(documentation_config().unwrap());
        let manifests = networks().into_iter().chain([tenant()]);
        let documents: Vec<Document> = manifests.map(|value| Document { file: "probe".into(), value }).collect();
        let mistakes: Vec<String> =
            documents.iter().flat_map(crate::render::check).map(|mistake| mistake.to_string()).collect();
        assert!(mistakes.is_empty(), "{mistakes:#?}");
        let remarks = render_documents(&documents, &config).unwrap().remarks;
        assert!(remarks.iter().all(|remark| remark.contains("its size is unknown")), "{remarks:#?}");
    }

    #[test]
    fn every_class_of_rule_stands_in_the_policies() {
        let policies = policies();
        let names: Vec<&str> = policies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cloudfarm-default-deny", "network-back", "network-front", "network-shared"]);
        let text = serde_json::to_string(&policies).unwrap();
        for class in ["\"except\":[", "\"endPort\":8012", "\"UDP\"", "cloudfarm.dev/vm", "network.cloudfarm.dev/back"] {
            assert!(text.contains(class), "{class} is missing in {text}");
        }
        assert!(!text.contains("namespaceSelector"));
    }
}
