//! What the session log needs besides its pods, which the chart makes: generated into
//! `charts/cloudfarm/generated/sessions.yaml`, and installed only when it is asked for.

use serde_json::{Value, json};

use super::roles::{cluster_role, cluster_role_binding, rule};
use crate::sessions::{NAME, NAMESPACE};

/// In the order in which they have to be applied. A log file of the node is mounted as a path of the host, which Pod
/// Security allows in a namespace that is `privileged` alone; who only listens needs none of it.
#[must_use]
pub fn sessions() -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {
                "pod-security.kubernetes.io/enforce": "privileged",
                "pod-security.kubernetes.io/enforce-version": "v1.37",
            }},
        }),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAMESPACE},
            "automountServiceAccountToken": false,
        }),
        cluster_role(NAME, &rights()),
        cluster_role_binding(NAMESPACE, NAME),
    ]
}

/// It looks up whose a session is. Of what it writes on a grant, admission lets it write `status.sessions` alone; its
/// records lie in `cfd-<tenant>`, where the operator binds `cloudfarm-records` to it.
fn rights() -> [Value; 4] {
    [
        rule("cloudfarm.dev", &["tenants"], &["get"]),
        rule("cloudfarm.dev", &["accessgrants"], &["list"]),
        rule("cloudfarm.dev", &["accessgrants/status"], &["patch"]),
        rule("events.k8s.io", &["events"], &["create"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_tenants_and_grants_and_nothing_that_is_the_customers() {
        for rule in rights() {
            let words = |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
            assert!(words("verbs").iter().all(|verb| ["get", "list", "patch", "create"].contains(&verb.as_str())));
            let ours = words("apiGroups") == ["cloudfarm.dev"];
            assert!(ours || words("resources") == ["events"], "{rule}");
            let writes = words("verbs").iter().any(|verb| verb == "patch");
            assert!(!writes || words("resources") == ["accessgrants/status"], "{rule}");
        }
    }
}
