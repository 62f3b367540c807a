//! What the image gate needs: a namespace for results, and rights for operator and scans. What depends on the namespace of
//! the provider's images comes by the config ([`beside_images`]).

use serde_json::{Value, json};

use super::roles::{account_binding, role};
use super::{IMAGES_NAMESPACE, NAMESPACE, OPERATOR_ACCOUNT, SCAN_ACCOUNT, kept, objects};

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
}

/// In the order in which they have to be applied. Results and exceptions outlive an uninstallation.
pub fn images() -> Vec<Value> {
    let sees = [rule("", "configmaps", &["list", "watch"]), orders()];
    // Server-side apply makes what is not there.
    let records = [rule("", "configmaps", &["create", "patch"])];
    vec![
        kept(objects::namespace(IMAGES_NAMESPACE)),
        kept(at_once()),
        account(IMAGES_NAMESPACE),
        role(IMAGES_NAMESPACE, OPERATOR_ACCOUNT, &sees),
        account_binding(IMAGES_NAMESPACE, OPERATOR_ACCOUNT, NAMESPACE, OPERATOR_ACCOUNT),
        role(IMAGES_NAMESPACE, SCAN_ACCOUNT, &records),
        account_binding(IMAGES_NAMESPACE, SCAN_ACCOUNT, IMAGES_NAMESPACE, SCAN_ACCOUNT),
    ]
}

/// For scans of claims, which run beside them: a claim is read in its own namespace.
pub fn beside_images(golden: &str) -> Vec<Value> {
    vec![
        account(golden),
        role(golden, OPERATOR_ACCOUNT, &[orders(), clones()]),
        account_binding(golden, OPERATOR_ACCOUNT, NAMESPACE, OPERATOR_ACCOUNT),
        account_binding(IMAGES_NAMESPACE, "cloudfarm-scan-of-claims", golden, SCAN_ACCOUNT),
    ]
}

fn orders() -> Value {
    rule("batch", "jobs", &["list", "watch", "create"])
}

/// CDI asks for this of whoever makes a disk in another namespace than the claim's that it is cloned from.
fn clones() -> Value {
    rule("cdi.kubevirt.io", "datavolumes/source", &["create"])
}

/// Scans of everybody's images at a time, four gibibytes each: the others wait.
fn at_once() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": SCAN_ACCOUNT, "namespace": IMAGES_NAMESPACE},
        "spec": {"hard": {"pods": "10"}},
    })
}

fn account(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": SCAN_ACCOUNT, "namespace": namespace},
        "automountServiceAccountToken": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_of_ours_but_a_scan_writes_results_and_a_scan_does_nothing_else() {
        for object in images().into_iter().chain(beside_images("golden")) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            for rule in object["rules"].as_array().into_iter().flatten() {
                let writes = rule["resources"] == json!(["configmaps"]) && rule["verbs"] == json!(["create", "patch"]);
                let reads = rule["resources"] == json!(["configmaps"]) && rule["verbs"] == json!(["list", "watch"]);
                let orders = [json!(["jobs"]), json!(["datavolumes/source"])].contains(&rule["resources"]);
                assert_eq!(writes, name == SCAN_ACCOUNT, "{object}");
                assert_eq!(reads || orders, name == OPERATOR_ACCOUNT, "{object}");
            }
        }
    }
}
