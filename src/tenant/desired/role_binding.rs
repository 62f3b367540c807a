//! People's rights in their own namespace (9.2.1, 9.4.1): one binding per role, with every person and group that has it, is
//! not disabled and is not refused. Who is disabled or taken out is gone from the binding with the next pass.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::Home;
use crate::api::tenant::{Role, SubjectKind};
use crate::cluster::object::{DesiredObject, Kind};
use crate::install::{INSIDE, NAMESPACE, OPERATOR_ACCOUNT, RECORDS};
use crate::sessions;
use crate::tenant::administrators;
use crate::tenant::application_id::Known;

/// Whether staff come in is for privileged administrators to say.
const APPROVER: &str = "cloudfarm-tenant-approver";

/// Hand-back during the grace days.
const EXPORT: &str = "cloudfarm-tenant-export";

/// One binding per role that somebody has. After the contract's end logins are closed; what is left is that privileged
/// administrators may take their data along.
pub fn role_bindings(home: &Home) -> Vec<DesiredObject> {
    let mut people: BTreeMap<&str, BTreeSet<(SubjectKind, &str)>> = BTreeMap::new();
    for person in administrators::bound(&home.snapshot.tenant, home.snapshot.rival.as_deref()) {
        let role = match person.role {
            Role::PrivilegedAdministrator if home.ended => EXPORT,
            _ if home.ended => continue,
            role => cluster_role(role),
        };
        people.entry(role).or_default().insert((person.kind, &person.username));
        // A word that counts is a person's, not a group's.
        if person.role == Role::PrivilegedAdministrator && person.kind == SubjectKind::User && !home.ended {
            people.entry(APPROVER).or_default().insert((person.kind, &person.username));
        }
    }
    people.into_iter().map(|(role, names)| role_binding(home, role, &names)).collect()
}

fn role_binding(home: &Home, role: &str, names: &BTreeSet<(SubjectKind, &str)>) -> DesiredObject {
    let group = "rbac.authorization.k8s.io".to_owned();
    let subject = |(kind, name): &(SubjectKind, &str)| Subject {
        kind: match kind {
            SubjectKind::User => "User".into(),
            SubjectKind::Group => "Group".into(),
        },
        api_group: Some(group.clone()),
        name: (*name).to_owned(),
        namespace: None,
    };
    DesiredObject::new(&RoleBinding {
        metadata: home.owner.metadata(Some(&home.customer), role),
        role_ref: RoleRef { api_group: Some(group.clone()), kind: "ClusterRole".into(), name: role.to_owned() },
        subjects: Some(names.iter().map(subject).collect()),
    })
}

/// The operator's own rights in the tenant's namespace, while there are VMs: it reads what customers' Secrets give their
/// guests. And until it has read the application ID, once.
pub fn inside(home: &Home) -> Option<DesiredObject> {
    let owner = format!("Tenant/{}", home.owner.name);
    let mut objects = home.snapshot.observed.values();
    let has_machines = !home.snapshot.tenant.spec.virtual_machines.is_empty()
        || objects.any(|object| object.reference.kind == Kind::VirtualMachine && object.owner == owner);
    let has_id_to_read = matches!(home.snapshot.application_id, Known::Unread { .. });
    (has_machines || has_id_to_read).then(|| {
        DesiredObject::new(&RoleBinding {
            metadata: home.owner.metadata(Some(&home.customer), INSIDE),
            role_ref: RoleRef {
                api_group: Some("rbac.authorization.k8s.io".into()),
                kind: "ClusterRole".into(),
                name: INSIDE.into(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".into(),
                api_group: None,
                name: OPERATOR_ACCOUNT.into(),
                namespace: Some(NAMESPACE.into()),
            }]),
        })
    })
}

/// Who keeps records beside the tenant's data: the operator of the mails that it sends, the session log of access without a
/// grant.
pub fn records(home: &Home) -> DesiredObject {
    let account = |namespace: &str, name: &str| Subject {
        kind: "ServiceAccount".into(),
        api_group: None,
        name: name.into(),
        namespace: Some(namespace.into()),
    };
    DesiredObject::new(&RoleBinding {
        metadata: home.owner.metadata(Some(&home.derived), RECORDS),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: RECORDS.into(),
        },
        subjects: Some(vec![account(NAMESPACE, OPERATOR_ACCOUNT), account(sessions::NAMESPACE, sessions::NAME)]),
    })
}

fn cluster_role(role: Role) -> &'static str {
    match role {
        Role::PrivilegedAdministrator | Role::Administrator => "cloudfarm-tenant-admin",
        Role::User => "cloudfarm-tenant-user",
        Role::Viewer => "cloudfarm-tenant-viewer",
    }
}
