//! Who writes which notice, that the clock of an incident stands, and whose word the records of mails are.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR_ANYWAY as OPERATOR, PURGE_ANYWAY as PURGE, accepted, bed, refused};
use crate::support::plane::Plane;
use crate::support::world::{self, apply, merge};

const DRY: &str = "create --dry-run=server";

fn notice(name: &str, kind: &str, more: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Notice", "metadata": {"name": name},
        "spec": {"kind": kind, "subject": {"ja": "x", "en": "x"}, "body": {"ja": "x", "en": "x"}, "tenants": {"all": true}},
    });
    merge(&mut manifest, more.clone());
    manifest
}

/// What the operator makes.
fn own(name: &str, more: &Value) -> Value {
    let mut manifest = notice(
        name,
        "Capacity",
        &json!({"metadata": {"annotations": {"cloudfarm.dev/event": "{}"}},
            "spec": {"web": false, "tenants": {"all": null, "names": ["told"]}}}),
    );
    merge(&mut manifest, more.clone());
    manifest
}

/// So many minutes from now.
#[allow(clippy::disallowed_methods)]
fn in_minutes(minutes: i64) -> Value {
    let then = Timestamp::now().checked_add(SignedDuration::from_mins(minutes)).expect("an instant");
    json!({"spec": {"confirmedAt": Timestamp::from_second(then.as_second()).expect("an instant").to_string()}})
}

/// Everybody who is asked about may write; what is judged is admission.
async fn told() -> &'static Plane {
    let plane = bed().await;
    let subject = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-told"}, "rules": [
        {"apiGroups": ["cloudfarm.dev"], "resources": ["notices", "notices/status"], "verbs": ["get", "create", "patch", "update", "delete"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-told"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-told"},
        "subjects": [subject("writer")]});
    let derived = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "cfd-told", "labels": {"cloudfarm.dev/tenant": "told"}}});
    apply(plane, &[world::namespace("told"), derived, role, binding]);
    plane
}

#[tokio::test]
async fn the_operator_makes_its_kinds_and_people_make_the_others() {
    let plane = told().await;
    for who in ["writer", ADMIN] {
        accepted(plane, who, DRY, Some(notice("n", "Vulnerability", &json!({})))).await;
        let mut theirs = own("n", &json!({}));
        theirs["metadata"]["annotations"] = json!({});
        refused(plane, who, DRY, Some(theirs), &["made by the operator alone"]).await;
        let event = json!({"metadata": {"annotations": {"cloudfarm.dev/event": "{}"}}});
        refused(plane, who, DRY, Some(notice("n", "Vulnerability", &event)), &["is written by the operator alone"])
            .await;
    }
    accepted(plane, OPERATOR, DRY, Some(own("n", &json!({})))).await;
    refused(plane, OPERATOR, DRY, Some(notice("n", "Vulnerability", &json!({}))), &["written by people"]).await;
    for wide in [
        json!({"web": true}),
        json!({"tenants": {"names": null, "all": true}}),
        json!({"tenants": {"names": ["a", "b"]}}),
    ] {
        refused(plane, OPERATOR, DRY, Some(own("n", &json!({"spec": wide}))), &["one tenant and is not published"])
            .await;
    }
    accepted(plane, OPERATOR, "create", Some(own("capacity-told", &json!({})))).await;
    let patch = "patch notice capacity-told --dry-run=server";
    refused(plane, OPERATOR, patch, Some(json!({"spec": {"severity": "High"}})), &["never changes its spec"]).await;
    refused(plane, "writer", patch, Some(json!({"spec": {"severity": "High"}})), &["made by the operator alone"]).await;
    accepted(plane, OPERATOR, patch, Some(json!({"metadata": {"labels": {"a": "b"}}}))).await;
}

#[tokio::test]
async fn an_incident_was_confirmed_before_it_is_told() {
    let plane = told().await;
    accepted(plane, "writer", DRY, Some(notice("fire", "Incident", &in_minutes(4)))).await;
    accepted(plane, "writer", DRY, Some(notice("fire", "Incident", &in_minutes(-600)))).await;
    refused(plane, "writer", DRY, Some(notice("fire", "Incident", &in_minutes(7))), &["is to come"]).await;
}

#[tokio::test]
async fn who_was_told_is_the_operators_word_and_late_stays_late() {
    let plane = told().await;
    accepted(plane, "writer", "create", Some(notice("late", "Incident", &in_minutes(-600)))).await;
    let met = |met: bool| Some(json!({"status": {"deadlineMet": met}}));
    let patch = "patch notice late --subresource=status";
    let dry = format!("{patch} --dry-run=server");
    for who in ["writer", ADMIN, PURGE] {
        refused(plane, who, &dry, met(true), &["written by the operator alone"]).await;
    }
    accepted(plane, OPERATOR, patch, met(false)).await;
    refused(plane, OPERATOR, &dry, met(true), &["stays late"]).await;
    accepted(plane, OPERATOR, &dry, Some(json!({"status": {"counts": {"recipients": 1, "sent": 1, "failed": 0}}})))
        .await;
}

#[tokio::test]
async fn records_of_mails_are_written_by_the_operator_and_go_by_the_purge() {
    let plane = told().await;
    let record = |name: &str| {
        Some(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"deliveries.json": "{}"},
            "metadata": {"name": name, "namespace": "cfd-told", "labels": {"cloudfarm.dev/record": "notices"}}}))
    };
    accepted(plane, OPERATOR, "create", record("notice-kept")).await;
    let patch = "patch configmap notice-kept -n cfd-told --dry-run=server";
    let delete = "delete configmap notice-kept -n cfd-told --dry-run=server";
    for who in ["writer", ADMIN] {
        refused(plane, who, DRY, record("notice-forged"), &["is a record of mails"]).await;
        refused(plane, who, patch, Some(json!({"data": {"deliveries.json": "[]"}})), &["is a record of mails"]).await;
        let unlabelled = json!({"metadata": {"labels": {"cloudfarm.dev/record": null}}});
        refused(plane, who, patch, Some(unlabelled), &["is a record of mails"]).await;
        refused(plane, who, delete, None, &["is a record of mails"]).await;
    }
    accepted(plane, OPERATOR, patch, Some(json!({"data": {"deliveries.json": "[]"}}))).await;
    accepted(plane, PURGE, delete, None).await;
}
