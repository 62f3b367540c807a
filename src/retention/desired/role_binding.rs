//! The purge's rights inside one tenant's namespaces, for as long as it needs them.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::api::home;
use crate::cluster::object::{DesiredObject, Facts, Observation, Owner};
use crate::retention::observe::RetentionSnapshot;

/// Reading what is there: from the end of the contract on, for previews.
pub fn inventory(snapshot: &RetentionSnapshot, owner: &Owner) -> Vec<DesiredObject> {
    in_each_namespace(snapshot, owner, "cloudfarm-purge-inventory")
}

/// Deleting what ages out, as long as there are rules for it: admission asks for the label disposable on each of it.
pub fn rolling(snapshot: &RetentionSnapshot, owner: &Owner) -> Vec<DesiredObject> {
    let derived = home::derived_namespace(&owner.tenant);
    let role =
        |namespace: &str| if namespace == derived { "cloudfarm-purge-records" } else { "cloudfarm-purge-rolling" };
    living(snapshot).map(|namespace| role_binding(snapshot, owner, &namespace, role(&namespace))).collect()
}

/// Deleting: only while the operator approves.
pub fn erase(snapshot: &RetentionSnapshot, owner: &Owner) -> Vec<DesiredObject> {
    in_each_namespace(snapshot, owner, "cloudfarm-purge-erase")
}

fn in_each_namespace(snapshot: &RetentionSnapshot, owner: &Owner, role: &str) -> Vec<DesiredObject> {
    living(snapshot).map(|namespace| role_binding(snapshot, owner, &namespace, role)).collect()
}

/// Nothing can be made in a namespace that is going.
fn living(snapshot: &RetentionSnapshot) -> impl Iterator<Item = String> {
    let stays = |namespace: &&Observation| !matches!(namespace.facts, Facts::Namespace { terminating: true, .. });
    snapshot.pinned_namespaces().filter(stays).map(|namespace| namespace.reference.name.clone())
}

fn role_binding(snapshot: &RetentionSnapshot, owner: &Owner, namespace: &str, role: &str) -> DesiredObject {
    let config = &snapshot.config.purge;
    DesiredObject::new(&RoleBinding {
        metadata: owner.metadata(Some(namespace), role),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            api_group: None,
            name: config.service_account.clone(),
            namespace: Some(config.namespace.clone()),
        }]),
    })
}
