//! Verbs that exist for admission alone: with them a cluster says which of its people and controllers are its platform.
//! They allow no request by themselves.

use serde_json::{Value, json};

use super::{cluster_role, rule};

/// Verb on Tenants: may make a namespace a tenant's, by its label.
pub const ENROLL: &str = "enroll";

/// Verb on Tenants: may write what isolates tenants besides the operator. For whoever runs the cluster, and for
/// controllers that make networks, such as OVN-Kubernetes.
pub const MAINTAIN: &str = "maintain";

/// Verb on Tenants: may make pods in their namespaces.
pub const LAUNCH: &str = "launch";

const LAUNCHER: &str = "cloudfarm-launcher";

/// Who makes the pods of VMs and of imports, in the namespaces where KubeVirt and CDI are usually installed. Where they
/// are elsewhere, the cluster binds [`LAUNCHER`] to those.
const LAUNCHERS: [(&str, &str); 2] = [("kubevirt", "kubevirt-controller"), ("cdi", "cdi-sa")];

/// One role for each verb that is bound by itself, and who has [`LAUNCH`] everywhere.
pub fn platform() -> Vec<Value> {
    let subjects: Vec<Value> = LAUNCHERS
        .iter()
        .map(|(namespace, name)| json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}))
        .collect();
    vec![
        cluster_role("cloudfarm-platform", &[rule("cloudfarm.dev", &["tenants"], &[ENROLL, MAINTAIN])]),
        cluster_role(LAUNCHER, &[rule("cloudfarm.dev", &["tenants"], &[LAUNCH])]),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": LAUNCHER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": LAUNCHER},
            "subjects": subjects,
        }),
    ]
}
