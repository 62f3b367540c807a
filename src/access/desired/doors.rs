//! The operator's own binding: RBAC gives nobody the power to give away what he does not hold. It stands as long as the
//! door that it is for, in the one namespace.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::Opening;
use crate::access::door;
use crate::cluster::object::DesiredObject;
use crate::install::{DOORS, NAMESPACE, OPERATOR_ACCOUNT};

/// A binding of its own for each grant: none of several doors has to know of the others.
pub fn role_binding(opening: &Opening) -> DesiredObject {
    DesiredObject::new(&RoleBinding {
        metadata: opening.metadata(door::own_name(opening.grant)),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: DOORS.into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            api_group: None,
            name: OPERATOR_ACCOUNT.into(),
            namespace: Some(NAMESPACE.into()),
        }]),
    })
}
