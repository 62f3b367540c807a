//! Who may be given the purge's rights.

use super::Guard;
use crate::api::labels::TENANT;
use crate::install::roles::PURGE_ROLES;
use crate::install::{NAMESPACE, PURGE_ACCOUNT};

/// The operator binds the purge's roles and holds none of their rights: without this it could bind them to itself.
pub fn purge_roles() -> Guard {
    let roles = PURGE_ROLES.map(|role| format!("'{role}'")).join(", ");
    let what = "request.resource.resource + ' ' + object.metadata.name + ' gives ' + object.roleRef.name";
    Guard::on(
        "cloudfarm-purge-bindings",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["rolebindings", "clusterrolebindings"],
    )
    .when("role", format!("object.roleRef.kind == 'ClusterRole' && object.roleRef.name in [{roles}]"))
    .unless(
        format!("request.resource.resource == 'rolebindings' && namespaceObject.metadata.?labels[?'{TENANT}'].hasValue()"),
        format!("{what} + ' outside of a tenant\\'s namespace: bind it by a RoleBinding in a namespace with the label {TENANT}, and only while a purge runs there'"),
    )
    .unless(
        format!("object.?subjects.orValue([]).all(subject, subject.kind == 'ServiceAccount' && subject.name == '{PURGE_ACCOUNT}' && subject.?namespace.orValue('') == '{NAMESPACE}')"),
        format!("{what} + ' to somebody else than ServiceAccount {NAMESPACE}/{PURGE_ACCOUNT}: only the purge deletes'"),
    )
}
