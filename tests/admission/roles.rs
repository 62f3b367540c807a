//! Tenants' roles, cell by cell: for each, every resource and subresource that the API server serves, and every one of
//! KubeVirt's aggregated API, by every verb, asked with SubjectAccessReviews. What is allowed is the table here.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::bed::{OPERATOR, accepted, bed, ended};
use crate::support::caller::Caller;
use crate::support::eventually;
use crate::support::served::served;

/// Every subresource that KubeVirt 1.9's virt-api serves. It is an API of its own that this bed does not run, and
/// admission does not see it: roles are all there is (CVE-2026-6383).
const SUBRESOURCES: [&str; 46] = [
    "virtualmachineinstances",
    "virtualmachineinstances/addvolume",
    "virtualmachineinstances/backup",
    "virtualmachineinstances/console",
    "virtualmachineinstances/evacuate",
    "virtualmachineinstances/evacuate/cancel",
    "virtualmachineinstances/filesystemlist",
    "virtualmachineinstances/freeze",
    "virtualmachineinstances/guestosinfo",
    "virtualmachineinstances/objectgraph",
    "virtualmachineinstances/pause",
    "virtualmachineinstances/portforward",
    "virtualmachineinstances/redefine-checkpoint",
    "virtualmachineinstances/removevolume",
    "virtualmachineinstances/reset",
    "virtualmachineinstances/resume",
    "virtualmachineinstances/sev/fetchcertchain",
    "virtualmachineinstances/sev/injectlaunchsecret",
    "virtualmachineinstances/sev/querylaunchmeasurement",
    "virtualmachineinstances/sev/setupsession",
    "virtualmachineinstances/softreboot",
    "virtualmachineinstances/unfreeze",
    "virtualmachineinstances/unpause",
    "virtualmachineinstances/usbredir",
    "virtualmachineinstances/userlist",
    "virtualmachineinstances/vnc",
    "virtualmachineinstances/vnc/screenshot",
    "virtualmachineinstances/vsock",
    "virtualmachines",
    "virtualmachines/addinterface",
    "virtualmachines/addvolume",
    "virtualmachines/evacuate/cancel",
    "virtualmachines/expand-spec",
    "virtualmachines/memorydump",
    "virtualmachines/migrate",
    "virtualmachines/objectgraph",
    "virtualmachines/portforward",
    "virtualmachines/removeinterface",
    "virtualmachines/removememorydump",
    "virtualmachines/removevolume",
    "virtualmachines/restart",
    "virtualmachines/start",
    "virtualmachines/stop",
    "virtualmachines/vnc",
    "expand-vm-spec",
    "guestfs",
];

/// Verbs of requests. Those that only mean something to authorization or to admission are looked for in the rules.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

const LOOK: [&str; 6] = [
    "get list watch virtualmachines.kubevirt.io",
    "get list watch virtualmachineinstances.kubevirt.io",
    "get list watch datavolumes.cdi.kubevirt.io",
    "get list watch tenantnetworks.cloudfarm.dev",
    "get list watch accessgrants.cloudfarm.dev",
    "get list watch reports.openreports.io",
];

const USE: [&str; 5] = [
    "get virtualmachineinstances/console.subresources.kubevirt.io",
    "get virtualmachineinstances/vnc.subresources.kubevirt.io",
    "update virtualmachines/start.subresources.kubevirt.io",
    "update virtualmachines/stop.subresources.kubevirt.io",
    "update virtualmachines/restart.subresources.kubevirt.io",
];

const ADMINISTER: [&str; 8] = [
    "get virtualmachineinstances/portforward.subresources.kubevirt.io",
    "update patch tenantnetworks.cloudfarm.dev",
    "get list watch create virtualmachinesnapshots.snapshot.kubevirt.io",
    "get list watch create delete virtualmachinerestores.snapshot.kubevirt.io",
    "get persistentvolumeclaims",
    "get list watch create virtualmachineexports.export.kubevirt.io",
    "get list watch resourcequotas",
    "get list watch events",
];

const EXPORT: [&str; 2] =
    ["get list watch create virtualmachineexports.export.kubevirt.io", "get list watch virtualmachines.kubevirt.io"];

const ANSWER: [&str; 1] = ["get list watch update patch accessgrants.cloudfarm.dev"];

/// Verbs that admission asks for: no request has them, and the rules tell.
const ANSWER_BY_ADMISSION: [&str; 1] = ["approve revoke accessgrants.cloudfarm.dev"];

/// The one object that a role may have by its name alone.
const EXPORT_BY_NAME: [&str; 1] = ["get secrets/export-token-hand-back"];

/// `verb resource`, one for each.
fn cells(lines: &[&[&str]]) -> BTreeSet<String> {
    lines
        .iter()
        .flat_map(|lines| lines.iter())
        .flat_map(|line| {
            let (verbs, resource) = line.rsplit_once(' ').expect("verbs and a resource");
            verbs.split(' ').map(move |verb| format!("{verb} {resource}"))
        })
        .collect()
}

fn user_of(role: &str) -> String {
    format!("roles-{role}")
}

async fn may(client: &Client, user: &str, group: &str, resource: &str, verb: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(a, b)| (a, Some(b.to_owned())));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(vec!["system:authenticated".to_owned()]),
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                namespace: Some("cf-roles".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.expect("an answer");
    answer.status.expect("a status").allowed
}

/// Everything that this user may do in `cf-roles`, asked one by one; what anybody may ask about itself is left out.
async fn allowed(client: &Client, user: &str) -> BTreeSet<String> {
    let mut resources: BTreeSet<(String, String)> =
        served(client).await.into_iter().map(|each| (each.group, each.resource)).collect();
    resources.extend(SUBRESOURCES.map(|name| ("subresources.kubevirt.io".to_owned(), name.to_owned())));
    let questions = resources.iter().flat_map(|kind| VERBS.map(|verb| (kind, verb)));
    futures::stream::iter(questions)
        .map(|((group, resource), verb)| async move {
            let asks_about_oneself = resource.starts_with("selfsubject");
            (!asks_about_oneself && may(client, user, group, resource, verb).await).then(|| cell(group, resource, verb))
        })
        .buffer_unordered(32)
        .filter_map(std::future::ready)
        .collect()
        .await
}

fn cell(group: &str, resource: &str, verb: &str) -> String {
    if group.is_empty() { format!("{verb} {resource}") } else { format!("{verb} {resource}.{group}") }
}

/// Every rule that holds for this user in a namespace, or everywhere.
async fn ruled(caller: &Caller, namespace: &str) -> BTreeSet<String> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let answer = caller.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await;
    let review: Value = serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut all = BTreeSet::new();
    for rule in review["status"]["resourceRules"].as_array().expect("rules") {
        for (group, resource) in words(&rule["apiGroups"])
            .iter()
            .flat_map(|group| words(&rule["resources"]).into_iter().map(move |resource| (group.clone(), resource)))
        {
            let names = words(&rule["resourceNames"]);
            let cells = words(&rule["verbs"]).into_iter().map(|verb| cell(&group, &resource, &verb));
            let by_name = |cell: String| names.iter().map(|name| format!("{cell}/{name}")).collect::<Vec<_>>();
            all.extend(cells.flat_map(|cell| if names.is_empty() { vec![cell] } else { by_name(cell) }));
        }
    }
    all.retain(|cell| !cell.starts_with("create selfsubject"));
    all
}

#[tokio::test]
async fn each_role_of_a_tenant_may_do_what_its_table_says_in_its_own_namespace_and_nothing_else_or_elsewhere() {
    let plane = bed().await;
    ended(plane, "roles").await;
    ended(plane, "roles-neighbour").await;
    let client = plane.admin().await;
    let roles = [
        ("admin", cells(&[&LOOK, &USE, &ADMINISTER]), BTreeSet::new()),
        ("user", cells(&[&LOOK, &USE]), BTreeSet::new()),
        ("viewer", cells(&[&LOOK]), BTreeSet::new()),
        ("export", cells(&[&EXPORT]), cells(&[&EXPORT_BY_NAME])),
        ("approver", cells(&[&ANSWER]), cells(&[&ANSWER_BY_ADMISSION])),
    ];
    for (role, ..) in &roles {
        let binding: Value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": "cf-roles"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("cloudfarm-tenant-{role}")},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user_of(role)}]});
        accepted(plane, OPERATOR, "create", Some(binding)).await;
    }
    for (role, expected, by_name) in &roles {
        let user = user_of(role);
        eventually("the binding to count", || async {
            let counts = if *role == "approver" {
                may(&client, &user, "cloudfarm.dev", "accessgrants", "get").await
            } else {
                may(&client, &user, "kubevirt.io", "virtualmachines", "get").await
            };
            counts.then_some(())
        })
        .await;
        assert_eq!(&allowed(&client, &user).await, expected, "cloudfarm-tenant-{role}, asked one by one");
        let caller = Caller::user(plane, &user).await;
        assert_eq!(ruled(&caller, "cf-roles").await, expected | by_name, "cloudfarm-tenant-{role}, by its rules");
        for elsewhere in ["cf-roles-neighbour", "cloudfarm-system", "default"] {
            assert_eq!(ruled(&caller, elsewhere).await, BTreeSet::new(), "cloudfarm-tenant-{role} in {elsewhere}");
        }
    }
}
