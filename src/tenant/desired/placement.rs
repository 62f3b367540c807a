//! On which nodes a VM may run: in Japan (6.1.3), in the tenant's zones, and on the customer's own machines or on none of
//! anybody's own, and whether they have CPUs of their own there (5.1.1-3).

use serde_json::{Value, json};

use super::{Home, capacity};
use crate::api::labels;
use crate::api::tenant::{Isolation, IsolationLevel};
use crate::tenant::declared::DeclaredMachine;

/// Labels of nodes that kubelets cannot give to themselves decide, but for zones.
pub fn affinity(home: &Home) -> Value {
    let residency = &home.snapshot.config.residency;
    let mut places = vec![json!({"key": residency.node_label, "operator": "In", "values": [residency.node_value]})];
    let mut zones = home.snapshot.tenant.spec.residency.zones.clone();
    if !zones.is_empty() {
        zones.sort();
        places.push(json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": zones}));
    }
    // A customer's own machines are kept free of others by this, also where nobody has tainted them.
    places.push(match own_machines(home) {
        Some(pool) => json!({"key": labels::NODE_POOL, "operator": "In", "values": [pool]}),
        None => json!({"key": labels::NODE_POOL, "operator": "DoesNotExist"}),
    });
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": places}],
    }}})
}

/// The taint that keeps all other pods away from a customer's own machines.
pub fn tolerations(home: &Home) -> Value {
    own_machines(home).map_or(
        Value::Null,
        |pool| json!([{"key": labels::NODE_POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"}]),
    )
}

/// Has the VM to be given whole CPUs? Not where its instance type does it.
pub fn dedicated_cpu(home: &Home, machine: &DeclaredMachine) -> bool {
    let isolation = home.snapshot.tenant.spec.isolation.as_ref();
    isolation.is_some_and(|isolation| isolation.dedicated_cpu)
        && !capacity::size(home, machine).is_ok_and(|size| size.pinned)
}

fn own_machines<'a>(home: &'a Home) -> Option<&'a String> {
    let isolation: &Isolation = home.snapshot.tenant.spec.isolation.as_ref()?;
    isolation.node_pool.as_ref().filter(|_| isolation.level == IsolationLevel::Physical)
}
