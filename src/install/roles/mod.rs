//! Roles: the operator's, the purge's, people's, and those that tenants' administrators are bound to.

mod doors;
mod inside;
mod operator;
mod people;
mod platform;
mod purge;
mod records;
mod tenants;

use serde_json::{Value, json};

use super::{NAMESPACE, kept};
pub use doors::DOORS;
pub use inside::INSIDE;
pub use platform::{ENROLL, LAUNCH, MAINTAIN};
#[cfg(test)]
pub use purge::KNOWN_INVENTORY;
pub use purge::PURGE_ROLES;
pub use records::RECORDS;
pub use tenants::TENANT_ROLES;

/// Every role, and the bindings of our own accounts. People are bound by the provider. Their roles outlive the operator:
/// a customer stays in its VMs, and an officer can still place a hold.
pub fn roles() -> Vec<Value> {
    let people = [people::people(), platform::platform(), tenants::tenants()].concat().into_iter().map(kept);
    [operator::operator(), purge::purge()].concat().into_iter().chain(people).collect()
}

pub fn cluster_role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    })
}

/// Gives an account in this namespace the ClusterRole of the same name.
pub fn cluster_role_binding(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    })
}

pub fn role(namespace: &str, name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": rules,
    })
}

/// Gives a service account of ours the Role of the same name.
fn role_binding(namespace: &str, name: &str) -> Value {
    account_binding(namespace, name, NAMESPACE, name)
}

/// Gives an account, which is in the namespace `of`, the Role that is called as it is.
pub fn account_binding(namespace: &str, name: &str, of: &str, account: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": of}],
    })
}

pub fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// A rule about objects of these names only.
pub fn named(group: &str, resources: &[&str], names: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "resourceNames": names, "verbs": verbs})
}
