//! The tenants of the matrix: what people declare, and nothing that is made of it.

use serde_json::{Value, json};

use super::support::world::{machine, namespace, tenant};

pub const NAMES: [&str; 3] = ["acme", "globex", "initech"];

/// Three tenants with three VMs each, and their networks from `networks.yaml`.
pub fn manifests() -> Vec<Value> {
    let vms = [
        [machine("web-1", &["dmz"]), machine("app-1", &["internal"]), machine("db-1", &["data"])],
        [machine("web-1", &["dmz"]), machine("app-1", &["dmz"]), machine("db-1", &["internal"])],
        [machine("web-1", &["dmz"]), machine("app-1", &["dmz", "internal"]), machine("db-1", &["internal"])],
    ];
    let tenants = NAMES.iter().zip(vms);
    let mut all: Vec<Value> =
        tenants.flat_map(|(name, vms)| [namespace(name), tenant(name, json!({"virtualMachines": vms}))]).collect();
    all.extend(serde_saphyr::from_multiple::<Value>(include_str!("networks.yaml")).expect("YAML"));
    all
}
