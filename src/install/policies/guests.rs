//! Secrets in tenants' namespaces: the operator's are those that guests start from, and no others.

use super::{Guard, is_operator};
use crate::api::labels::TENANT;
use crate::tenant::guest::PREFIX;

/// What customers keep in their Secrets is theirs: the operator reads it and can neither change nor delete it, whatever
/// its role says.
pub fn secrets() -> Guard {
    let name = "(oldObject == null ? object.metadata.?name.orValue('') : oldObject.metadata.name)";
    Guard::on("cloudfarm-guest-secrets", &["CREATE", "UPDATE", "DELETE"], "", &["secrets"])
        .in_namespaces_with(TENANT)
        .when("operator", is_operator())
        .with("name", name)
        .unless(
            format!("variables.name.startsWith('{PREFIX}')"),
            format!("'secrets ' + request.namespace + '/' + variables.name + ' is the customer\\'s: the operator writes and deletes only what it makes for guests, by names that begin with {PREFIX}'"),
        )
}
