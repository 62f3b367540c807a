//! What the probe needs besides its pods, which the chart makes: generated into `charts/cloudfarm/generated/probe.yaml`, and
//! installed only when it is asked for.

use serde_json::{Value, json};

use super::roles::{account_binding, named, role};
use super::{EVIDENCE_NAMESPACE, objects};
use crate::probe::flows::{Pod, Protocol, WITNESS};
use crate::probe::{NAME, NAMESPACE_A, NAMESPACE_B, walls};

/// In the order in which they have to be applied.
pub fn probe() -> Vec<Value> {
    let namespaces = [NAMESPACE_A, NAMESPACE_B];
    let mut all: Vec<Value> = namespaces.iter().map(|namespace| objects::namespace(namespace)).collect();
    for namespace in namespaces {
        let policies = walls::policies().into_iter().map(|(name, spec)| policy(namespace, &name, &spec));
        all.extend(policies);
    }
    all.push(witness());
    all.extend(Pod::ALL.map(service));
    all.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": EVIDENCE_NAMESPACE},
    }));
    all.push(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAMESPACE_A},
        "automountServiceAccountToken": false,
    }));
    all.extend(rights());
    all
}

/// The caller finds three Services by name and writes into one ConfigMap.
fn rights() -> Vec<Value> {
    let services = |names: &[&str]| [named("", &["services"], names, &["get"])];
    let report = [named("", &["configmaps"], &[NAME], &["patch"])];
    vec![
        role(NAMESPACE_A, NAME, &services(&["listener", "neighbour"])),
        binding(NAMESPACE_A),
        role(NAMESPACE_B, NAME, &services(&["listener"])),
        binding(NAMESPACE_B),
        role(EVIDENCE_NAMESPACE, NAME, &report),
        binding(EVIDENCE_NAMESPACE),
    ]
}

fn binding(namespace: &str) -> Value {
    account_binding(namespace, NAME, NAMESPACE_A, NAME)
}

fn policy(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

/// What no tenant has: the other namespace's listener is shown to live. The caller's way out to it is in the chart, with
/// its way to the API server.
fn witness() -> Value {
    let from = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE_A}}}]);
    let spec = json!({
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": from, "ports": [{"protocol": "TCP", "port": WITNESS}]}],
    });
    policy(NAMESPACE_B, "witness", &spec)
}

/// An address that stays, for a pod whose own address nobody may read; every flow's port.
fn service(pod: Pod) -> Value {
    let (namespace, name) = pod.place();
    let ports = |protocol: Protocol, word: &'static str| {
        let port = move |port: u16| json!({"name": format!("{}-{port}", word.to_lowercase()), "protocol": word, "port": port, "targetPort": port});
        pod.ports(protocol).map(port)
    };
    let ports: Vec<Value> = ports(Protocol::Tcp, "TCP").chain(ports(Protocol::Udp, "UDP")).collect();
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"ipFamilyPolicy": "PreferDualStack", "selector": {"cloudfarm.dev/vm": name}, "ports": ports},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_may_read_three_services_by_name_and_patch_one_config_map() {
        let rules: Vec<Value> =
            probe().iter().flat_map(|object| object["rules"].as_array().cloned().unwrap_or_default()).collect();
        assert_eq!(rules.len(), 3);
        for rule in rules {
            assert!(rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty()), "{rule}");
            let reads = rule["resources"] == json!(["services"]) && rule["verbs"] == json!(["get"]);
            let writes = rule["resources"] == json!(["configmaps"]) && rule["verbs"] == json!(["patch"]);
            assert!(reads || writes, "{rule}");
        }
    }

    #[test]
    fn nothing_of_the_probe_belongs_to_a_tenant_as_far_as_the_operator_sees() {
        for object in probe() {
            assert!(object["metadata"]["labels"]["cloudfarm.dev/tenant"].is_null(), "{object}");
        }
    }
}
