//! Who writes down who entered, and that nothing of it is taken back.

use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR_ANYWAY as OPERATOR, PURGE_ANYWAY as PURGE, accepted, bed, refused};
use crate::support::plane::Plane;
use crate::support::world::{self, apply, merge};

const SESSIONS: &str = cloudfarm::install::SESSIONS;
const TENANT: &str = "visited";
const OPEN: &str = r#"{"auditId":"a","user":"suzuki"}"#;
const OVER: &str = r#"{"auditId":"a","user":"suzuki","endedAt":"2026-11-30T01:00:00Z"}"#;

/// A tenant's two namespaces, with a record and a grant in them, and everybody who is asked about may write.
async fn visited() -> &'static Plane {
    let plane = bed().await;
    plane.kubectl(
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        Some(&cloudfarm::api::manifest::all_as_yaml()),
    );
    let derived = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "cfd-visited", "labels": {"cloudfarm.dev/tenant": TENANT}}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-records"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]},
            {"apiGroups": ["cloudfarm.dev"], "resources": ["accessgrants", "accessgrants/status"], "verbs": ["get", "patch"]}]});
    let subject = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-records"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-records"},
        "subjects": ([SESSIONS, "suzuki"].map(subject))});
    apply(plane, &[world::namespace(TENANT), derived, role, binding]);
    plane
}

fn record(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "cfd-visited", "labels": {"cloudfarm.dev/record": "access"}}, "data": data})
}

#[tokio::test]
async fn a_record_of_access_is_written_by_who_keeps_it_and_only_grows() {
    let plane = visited().await;
    accepted(plane, SESSIONS, "create", Some(record("access-2026-11-30", &json!({"k": OPEN})))).await;
    for who in ["suzuki", ADMIN, PURGE] {
        let new = record("access-2026-12-01", &json!({"k": OPEN}));
        refused(plane, who, "create --dry-run=server", Some(new), &["access-2026-12-01", "by the operator alone"])
            .await;
    }
    accepted(plane, OPERATOR, "create --dry-run=server", Some(record("access-2026-12-01", &json!({"k": OPEN})))).await;

    let patch = "patch configmap access-2026-11-30 -n cfd-visited";
    let dry = format!("{patch} --dry-run=server");
    accepted(plane, SESSIONS, patch, Some(json!({"data": {"k": OVER}}))).await;
    accepted(plane, SESSIONS, patch, Some(json!({"data": {"l": OPEN}}))).await;
    let other = OVER.replace("suzuki", "tanaka");
    for change in [
        json!({"data": {"k": null}}),
        json!({"data": null}),
        json!({"data": {"k": OPEN}}),
        json!({"data": {"k": other}}),
        json!({"data": {"k": ""}}),
    ] {
        for who in [SESSIONS, OPERATOR] {
            refused(plane, who, &dry, Some(change.clone()), &["access-2026-11-30", "nothing that is written"]).await;
        }
    }
    // Of another kind of record two policies know, and either may answer first.
    for (label, says) in [(json!(null), "needs the label"), (json!("notices"), "access-2026-11-30")] {
        let change = json!({"metadata": {"labels": {"cloudfarm.dev/record": label}}});
        refused(plane, SESSIONS, &dry, Some(change), &[says]).await;
    }
    refused(plane, SESSIONS, &dry, Some(json!({"immutable": true})), &["immutable"]).await;
    refused(plane, "suzuki", &dry, Some(json!({"data": {"m": OPEN}})), &["suzuki is somebody else"]).await;
    // The purge marks what it will take.
    accepted(plane, PURGE, &dry, Some(json!({"metadata": {"annotations": {"a.example/b": "c"}}}))).await;
    refused(plane, PURGE, &dry, Some(json!({"data": {"m": OPEN}})), &["by the operator alone"]).await;

    let delete = "delete configmap access-2026-11-30 -n cfd-visited --dry-run=server";
    for who in ["suzuki", ADMIN, SESSIONS, OPERATOR] {
        refused(plane, who, delete, None, &["goes by the purge alone"]).await;
    }
    accepted(plane, PURGE, delete, None).await;
    // Another's record is another's.
    accepted(plane, "suzuki", "create --dry-run=server", Some(record("access-notes", &json!({})))).await;
}

#[tokio::test]
async fn the_sessions_of_a_grant_are_written_by_who_keeps_them_alone_and_they_write_nothing_else() {
    let plane = visited().await;
    let grant = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": "visit", "namespace": "cf-visited"},
        "spec": {"requestedBy": "suzuki", "reason": "r", "verbs": ["Console"], "vms": ["plum"]}});
    accepted(plane, "+suzuki", "create", Some(grant)).await;
    let patch = "patch accessgrant visit -n cf-visited --subresource=status";
    let dry = format!("{patch} --dry-run=server");
    let session = |id: &str, more: Value| {
        let mut session =
            json!({"user": "suzuki", "vm": "plum", "action": "get virtualmachineinstances/console", "auditId": id});
        merge(&mut session, more);
        session
    };
    let sessions = |all: Vec<Value>| json!({"status": {"sessions": all}});
    accepted(plane, SESSIONS, patch, Some(sessions(vec![session("a", json!({}))]))).await;
    let ended = json!({"endedAt": "2026-11-30T01:00:00Z"});
    accepted(plane, SESSIONS, patch, Some(sessions(vec![session("a", ended.clone()), session("b", json!({}))]))).await;
    for wrong in [vec![], vec![session("b", json!({}))], vec![session("b", json!({})), session("c", json!({}))]] {
        refused(plane, SESSIONS, &dry, Some(sessions(wrong)), &["stays in status.sessions"]).await;
    }
    let hundred: Vec<Value> = (0..100).map(|number| session(&format!("id-{number}"), ended.clone())).collect();
    accepted(plane, SESSIONS, &dry, Some(sessions(hundred))).await;
    refused(plane, SESSIONS, &dry, Some(json!({"status": {"state": "Active"}})), &["status.sessions and nothing else"])
        .await;
    let later = json!({"status": {"expiresAt": "2036-11-30T01:00:00Z"}});
    refused(plane, SESSIONS, &dry, Some(later), &["status.sessions and nothing else"]).await;
    let more = sessions(vec![session("a", ended.clone()), session("b", json!({})), session("c", json!({}))]);
    for who in [OPERATOR, "suzuki", ADMIN] {
        refused(plane, who, &dry, Some(more.clone()), &["visit"]).await;
    }
    refused(plane, OPERATOR, &dry, Some(more), &["from the audit log"]).await;
    accepted(plane, OPERATOR, &dry, Some(json!({"status": {"state": "Requested"}}))).await;
}

#[tokio::test]
async fn the_role_for_records_is_bound_to_who_keeps_them_beside_a_tenants_data_and_nowhere_else() {
    let plane = visited().await;
    let binding = |namespace: &str, subject: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "cloudfarm-records", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-records"},
            "subjects": [subject]})
    };
    let account = |namespace: &str, name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": namespace});
    let (keeper, operator) =
        (account("cloudfarm-sessions", "cloudfarm-sessions"), account("cloudfarm-system", "cloudfarm"));
    for subject in [&keeper, &operator] {
        accepted(plane, OPERATOR, "create --dry-run=server", Some(binding("cfd-visited", subject.clone()))).await;
        let elsewhere = binding("cf-visited", subject.clone());
        refused(plane, OPERATOR, "create --dry-run=server", Some(elsewhere), &["outside of cfd-<tenant>"]).await;
    }
    // Another policy says it first where it is the operator who asks.
    refused(plane, ADMIN, "create --dry-run=server", Some(binding("default", keeper)), &["outside of cfd-<tenant>"])
        .await;
    for stranger in [
        account("cfd-visited", "cloudfarm-sessions"),
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "suzuki"}),
    ] {
        let bound = binding("cfd-visited", stranger);
        refused(plane, OPERATOR, "create --dry-run=server", Some(bound), &["nobody else keeps records"]).await;
    }
}
