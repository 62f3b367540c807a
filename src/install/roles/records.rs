//! Who keeps records of what our service does, beside a tenant's data: it binds this role in `cfd-<tenant>`, and nowhere
//! else.

use serde_json::Value;

use super::{cluster_role, rule};

/// ClusterRole that the operator binds in a tenant's derived namespace. Never cluster-wide: admission sees to that
/// (`policies/bindings.rs`).
pub const RECORDS: &str = "cloudfarm-records";

/// Records are begun and added to. Deleting them is the purge's, when their period is over.
pub fn records() -> Value {
    cluster_role(RECORDS, &[rule("", &["configmaps"], &["get", "create", "patch"])])
}
