//! What the operator has to hold to open a door: RBAC lets nobody give what he does not have. It binds this role to itself in
//! one tenant's namespace, and only while a door stands open there or is about to.

use serde_json::Value;

use super::{cluster_role, rule};
use crate::access::verbs::rights;
use crate::api::access_grant::Verb;

/// ClusterRole that the operator binds to itself beside each open door. Never cluster-wide: admission sees to that
/// (`policies/bindings.rs`).
pub const DOORS: &str = "cloudfarm-doors";

/// Exactly what the verbs of an AccessGrant can give.
pub fn doors() -> Value {
    let rules: Vec<Value> =
        Verb::ALL.into_iter().flat_map(rights).map(|right| rule(right.group, right.resources, right.verbs)).collect();
    cluster_role(DOORS, &rules)
}
