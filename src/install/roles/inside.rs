//! What the operator may do in tenants' own namespaces, and nowhere else: it binds this role to itself there.

use serde_json::Value;

use super::{cluster_role, rule};

/// ClusterRole that the operator binds to itself in a tenant's namespace while the tenant has VMs, or an application ID
/// in a Secret that has not been read. Never cluster-wide:
/// admission sees to that (`policies/bindings.rs`).
pub const INSIDE: &str = "cloudfarm-inside";

/// Secrets by their name: no list, no watch. The customer's own are read, those for guests are made from them.
pub fn inside() -> Value {
    let rules = [
        rule("", &["secrets"], &["get", "create", "patch", "delete"]),
        // A disk grows by its claim.
        rule("", &["persistentvolumeclaims"], &["patch"]),
    ];
    cluster_role(INSIDE, &rules)
}
