//! People's rights in their own namespace (9.2.1, 9.4.1): one binding per role, with everybody who has it and is not
//! disabled. A disabled person is gone from the binding with the next pass.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::Home;
use crate::api::tenant::Role;
use crate::cluster::object::DesiredObject;

/// Hand-back during the grace days.
const EXPORT: &str = "cloudfarm-tenant-export";

/// One binding per role that somebody has. After the contract's end logins are closed; what is left is that privileged
/// administrators may take their data along.
pub fn role_bindings(home: &Home) -> Vec<DesiredObject> {
    let mut people: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for person in home.snapshot.tenant.spec.administrators.iter().filter(|person| !person.disabled) {
        let role = match person.role {
            Role::PrivilegedAdministrator if home.ended => EXPORT,
            _ if home.ended => continue,
            role => cluster_role(role),
        };
        people.entry(role).or_default().insert(&person.username);
    }
    people.into_iter().map(|(role, usernames)| role_binding(home, role, &usernames)).collect()
}

fn role_binding(home: &Home, role: &str, usernames: &BTreeSet<&str>) -> DesiredObject {
    let group = "rbac.authorization.k8s.io".to_owned();
    let subject = |name: &&str| Subject {
        kind: "User".into(),
        api_group: Some(group.clone()),
        name: (*name).to_owned(),
        namespace: None,
    };
    DesiredObject::new(&RoleBinding {
        metadata: home.owner.metadata(Some(&home.customer), role),
        role_ref: RoleRef { api_group: Some(group.clone()), kind: "ClusterRole".into(), name: role.to_owned() },
        subjects: Some(usernames.iter().map(subject).collect()),
    })
}

fn cluster_role(role: Role) -> &'static str {
    match role {
        Role::PrivilegedAdministrator | Role::Administrator => "cloudfarm-tenant-admin",
        Role::User => "cloudfarm-tenant-user",
        Role::Viewer => "cloudfarm-tenant-viewer",
    }
}
