//! Who may be given the purge's rights, the operator's inside of tenants' namespaces and beside open doors, and those to
//! keep records.

use super::{Guard, annotation, label};
use crate::api::labels::{EXPIRES, GRANT, TENANT};
use crate::install::roles::{DOORS, INSIDE, PURGE_ROLES, RECORDS};
use crate::install::{NAMESPACE, OPERATOR_ACCOUNT, PURGE_ACCOUNT};
use crate::sessions;

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

/// The operator binds this role to itself: without a fence it could do so where the cluster's own Secrets are.
pub fn inside() -> Guard {
    let what = "request.resource.resource + ' ' + object.metadata.name + ' gives ' + object.roleRef.name";
    Guard::on(
        "cloudfarm-inside-bindings",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["rolebindings", "clusterrolebindings"],
    )
    .when("role", format!("object.roleRef.kind == 'ClusterRole' && object.roleRef.name == '{INSIDE}'"))
    .unless(
        format!("request.resource.resource == 'rolebindings' && namespaceObject.metadata.?labels[?'{TENANT}'].hasValue() && request.namespace.startsWith('cf-')"),
        format!("{what} + ' outside of a tenant\\'s namespace: it reads Secrets; bind it by a RoleBinding in cf-<tenant>, in a namespace with the label {TENANT}'"),
    )
    .unless(
        format!("object.?subjects.orValue([]).all(subject, subject.kind == 'ServiceAccount' && subject.name == '{OPERATOR_ACCOUNT}' && subject.?namespace.orValue('') == '{NAMESPACE}')"),
        format!("{what} + ' to somebody else than ServiceAccount {NAMESPACE}/{OPERATOR_ACCOUNT}: only the operator makes what guests start from'"),
    )
}

/// The operator binds this role to itself beside a door: without a fence it could look at every console there is.
pub fn doors() -> Guard {
    let what = "request.resource.resource + ' ' + object.metadata.name + ' gives ' + object.roleRef.name";
    Guard::on(
        "cloudfarm-door-bindings",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["rolebindings", "clusterrolebindings"],
    )
    .when("role", format!("object.roleRef.kind == 'ClusterRole' && object.roleRef.name == '{DOORS}'"))
    .unless(
        format!("request.resource.resource == 'rolebindings' && namespaceObject.metadata.?labels[?'{TENANT}'].hasValue() && request.namespace.startsWith('cf-')"),
        format!("{what} + ' outside of a tenant\\'s namespace: it opens consoles; bind it by a RoleBinding in cf-<tenant>, in a namespace with the label {TENANT}'"),
    )
    .unless(
        format!("object.?subjects.orValue([]).all(subject, subject.kind == 'ServiceAccount' && subject.name == '{OPERATOR_ACCOUNT}' && subject.?namespace.orValue('') == '{NAMESPACE}')"),
        format!("{what} + ' to somebody else than ServiceAccount {NAMESPACE}/{OPERATOR_ACCOUNT}: staff get Roles of single grants'"),
    )
    .unless(
        format!("{}.hasValue() && {}.hasValue()", label("object", GRANT), annotation("object", EXPIRES)),
        format!("{what} + ' without the label {GRANT} and the annotation {EXPIRES}: it stands beside a door of an AccessGrant and goes with it'"),
    )
}

/// Likewise: with it the operator could give away, or take, the ConfigMaps of any namespace.
pub fn records() -> Guard {
    let what = "request.resource.resource + ' ' + object.metadata.name + ' gives ' + object.roleRef.name";
    let keepers = [(NAMESPACE, OPERATOR_ACCOUNT), (sessions::NAMESPACE, sessions::NAME)]
        .map(|(namespace, account)| format!("'{namespace}/{account}'"))
        .join(", ");
    Guard::on(
        "cloudfarm-records-bindings",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["rolebindings", "clusterrolebindings"],
    )
    .when("role", format!("object.roleRef.kind == 'ClusterRole' && object.roleRef.name == '{RECORDS}'"))
    .unless(
        format!("request.resource.resource == 'rolebindings' && namespaceObject.metadata.?labels[?'{TENANT}'].hasValue() && request.namespace.startsWith('cfd-')"),
        format!("{what} + ' outside of cfd-<tenant>: records lie there; bind it by a RoleBinding in cfd-<tenant>, in a namespace with the label {TENANT}'"),
    )
    .unless(
        format!("object.?subjects.orValue([]).all(subject, subject.kind == 'ServiceAccount' && subject.?namespace.orValue('') + '/' + subject.name in [{keepers}])"),
        format!("{what} + ' to somebody else than the ServiceAccounts {}: nobody else keeps records'", keepers.replace('\'', "")),
    )
}
