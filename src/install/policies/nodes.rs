//! Where nodes are and whose they are (6.1.3, 5.1.1-3): tenants' VMs and their residency go by labels of nodes. The API
//! server's plugin NodeRestriction keeps kubelets from theirs where it is on, and nobody else; no API tells whether it is.

use super::{Guard, changed_keys, may_for_tenants};
use crate::install::roles::MAINTAIN;

/// Every label of a node that decides about tenants begins with this, in the operator's config as it is delivered.
const LABELS: &str = "node-restriction.kubernetes.io/cloudfarm-";

/// A label that is written, changed or taken away. Heartbeats touch none and are not judged.
pub fn labels() -> Guard {
    let on_create = format!("object.metadata.?labels.orValue({{}}).filter(key, key.startsWith('{LABELS}'))");
    let changed = format!("oldObject == null ? {on_create} : {}", changed_keys("labels", &[LABELS]));
    let is_node = "(request.userInfo.username.startsWith('system:node:') || 'system:nodes' in request.userInfo.?groups.orValue([]))";
    Guard::on("cloudfarm-node-labels", &["CREATE", "UPDATE"], "", &["nodes", "nodes/status"])
        .when("changed", format!("({changed}).size() > 0"))
        .with("changed", changed)
        .unless(
            format!("!{is_node} && {}", may_for_tenants(MAINTAIN)),
            format!("'node ' + object.metadata.name + ': the label ' + variables.changed.join(', ') + ' says where tenants\\' VMs may run; it is written by somebody with the verb {MAINTAIN} on tenants.cloudfarm.dev (ClusterRole cloudfarm-platform), and never by a node'"),
        )
}
