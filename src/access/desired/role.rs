//! What may be done through the door: these verbs on these VMs.

use k8s_openapi::api::rbac::v1::Role;

use super::Opening;
use crate::access::door;
use crate::cluster::object::DesiredObject;

/// Never without a rule.
pub fn role(opening: &Opening) -> DesiredObject {
    DesiredObject::new(&Role {
        metadata: opening.metadata(door::name(opening.grant)),
        rules: Some(opening.rules.clone()),
    })
}
