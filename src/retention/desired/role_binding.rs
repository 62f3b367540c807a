//! The purge's rights inside one tenant's namespaces, for as long as it needs them.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::cluster::object::{DesiredObject, Facts, Observation, Owner};
use crate::retention::observe::RetentionSnapshot;

/// Reading what is there: from the end of the contract on, for previews.
pub fn inventory(snapshot: &RetentionSnapshot, owner: &Owner) -> Vec<DesiredObject> {
    in_each_namespace(snapshot, owner, "cloudfarm-purge-inventory")
}

/// Deleting: only while the operator approves.
pub fn erase(snapshot: &RetentionSnapshot, owner: &Owner) -> Vec<DesiredObject> {
    in_each_namespace(snapshot, owner, "cloudfarm-purge-erase")
}

fn in_each_namespace(snapshot: &RetentionSnapshot, owner: &Owner, role: &str) -> Vec<DesiredObject> {
    let stays = |namespace: &&Observation| !matches!(namespace.facts, Facts::Namespace { terminating: true, .. });
    let namespaces = snapshot.pinned_namespaces().filter(stays);
    namespaces.map(|namespace| role_binding(snapshot, owner, &namespace.reference.name, role)).collect()
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
