//! The door itself: who may come in.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::Opening;
use crate::access::door;
use crate::cluster::object::DesiredObject;

/// For the one person who asked, never for a group.
pub fn role_binding(opening: &Opening) -> DesiredObject {
    let group = "rbac.authorization.k8s.io".to_owned();
    let name = door::name(opening.grant);
    DesiredObject::new(&RoleBinding {
        metadata: opening.metadata(name.clone()),
        role_ref: RoleRef { api_group: Some(group.clone()), kind: "Role".into(), name },
        subjects: Some(vec![Subject {
            kind: "User".into(),
            api_group: Some(group),
            name: opening.requested_by.to_owned(),
            namespace: None,
        }]),
    })
}
