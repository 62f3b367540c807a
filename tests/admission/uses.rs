//! People's rights, each of them made use of as such a person. `tests/least_rights.rs` finds them in the audit log.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::bed::{ADMIN, accepted, bed, ended};
use crate::support::caller::{APPLY, Caller, JSON, MERGE};
use crate::support::eventually;
use crate::support::rights::{ASKED_BY_ADMISSION, Right, shipped};
use crate::support::served::{Served, served};

const TENANT: &str = "asked";

/// A role for people: kind, name, and where it lies or is bound by the operator.
type PeoplesRole = (String, String, Option<String>);

fn role_of(right: &Right) -> PeoplesRole {
    let bound_by_operator = right.role.starts_with("cloudfarm-tenant-").then(|| format!("cf-{TENANT}"));
    (right.kind.clone(), right.role.clone(), right.namespace.clone().or(bound_by_operator))
}

fn of_people(right: &Right) -> bool {
    ["cloudfarm-tenant-", "cloudfarm-staff", "cloudfarm-provider-engineer", "cloudfarm-data-protection-officer"]
        .iter()
        .any(|start| right.role.starts_with(start))
}

/// Somebody who has this role and nothing else.
fn person((kind, name, namespace): &PeoplesRole) -> String {
    format!("test-{name}-{}", kind.to_lowercase()) + namespace.as_deref().unwrap_or_default()
}

fn binding(role: &PeoplesRole) -> Value {
    let (kind, name, namespace) = role;
    let binding = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding,
        "metadata": {"name": person(role), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person(role)}]})
}

/// Nothing, or what the API server says against it. That there is no such object, or that the body will not do, is said
/// after the right was looked at. Nothing is changed.
async fn refusal(caller: &Caller, right: &Right, served: &[Served]) -> Option<String> {
    let (plural, end) = right
        .resource
        .split_once('/')
        .map_or((&*right.resource, String::new()), |(plural, rest)| (plural, format!("/{rest}")));
    // What nobody serves here is asked for all the same: the API server says who may before it says what there is.
    let found = served.iter().find(|each| each.group == right.group && each.resource == plural);
    let root = found.map_or_else(|| format!("/apis/{}/v1", right.group), Served::root);
    let (_, _, namespace) = role_of(right);
    let namespace = namespace.unwrap_or_else(|| format!("cf-{TENANT}"));
    let namespaced = found.is_none_or(|each| each.namespaced);
    let place = if namespaced { format!("{root}/namespaces/{namespace}") } else { root };
    let name = right.name.as_deref().unwrap_or("asked");
    let (all, one) = (format!("{place}/{plural}"), format!("{place}/{plural}/{name}{end}"));
    let (none, empty) = (Value::Null, json!({}));
    let named = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let (method, path, content, body) = match (right.verb.as_str(), &right.name) {
        ("get", _) => ("GET", one, JSON, none),
        ("list", _) => ("GET", format!("{all}?limit=1"), JSON, none),
        ("watch", _) => ("GET", format!("{all}?watch=true&timeoutSeconds=1"), JSON, none),
        // Of a plain create the API server does not know the name in time.
        ("create", Some(_)) => ("PATCH", format!("{one}?dryRun=All&fieldManager=test"), APPLY, named),
        ("create", None) => ("POST", format!("{all}?dryRun=All"), JSON, empty),
        ("update", _) => ("PUT", format!("{one}?dryRun=All"), JSON, empty),
        ("patch", _) => ("PATCH", format!("{one}?dryRun=All"), MERGE, empty),
        ("delete", _) => ("DELETE", format!("{one}?dryRun=All"), JSON, empty),
        (other, _) => panic!("{other}: no request has this verb"),
    };
    let answer = caller.send(method, &path, content, &body).await;
    let refused = answer.code == 403 && answer.text.contains(" cannot ");
    refused.then(|| format!("{}: {method} {path}: {}", person(&role_of(right)), answer.text))
}

#[tokio::test]
async fn each_right_that_people_are_given_lets_them_through() {
    let plane = bed().await;
    ended(plane, TENANT).await;
    let rights: Vec<Right> = shipped()
        .into_iter()
        .filter(|right| of_people(right) && !ASKED_BY_ADMISSION.contains(&right.verb.as_str()))
        .collect();
    let roles: BTreeSet<PeoplesRole> = rights.iter().map(role_of).collect();
    assert!(roles.len() >= 8, "{} roles", roles.len());
    let mut callers = BTreeMap::new();
    for role in &roles {
        accepted(plane, ADMIN, "create", Some(binding(role))).await;
        callers.insert(role.clone(), Caller::user(plane, &person(role)).await);
    }
    let served = served(&plane.admin().await).await;
    eventually("the bindings to be known", || async {
        let asked = rights.iter().map(|right| refusal(&callers[&role_of(right)], right, &served));
        let refused: Vec<String> = join_all(asked).await.into_iter().flatten().collect();
        if !refused.is_empty() {
            eprintln!("{}", refused.join("\n"));
        }
        refused.is_empty().then_some(())
    })
    .await;
}
