//! Who asks for access to a customer's VMs, who answers, and who opens a door.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, accepted, bed, refused};
use crate::support::plane::Plane;
use crate::support::world::{self, apply, merge};

const RBAC: &str = "rbac.authorization.k8s.io";
const CREATE: &str = "create --dry-run=server";

/// So many seconds from now, as it is written.
#[allow(clippy::disallowed_methods)]
fn in_seconds(seconds: i64) -> String {
    let then = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    Timestamp::from_second(then.as_second()).expect("an instant").to_string()
}

fn user(name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": "User", "name": name})
}

/// A tenant's namespace, in which tanaka and ito are staff, suzuki leads them, sato answers for the customer, and mori, who
/// may change every object there, is nobody.
fn people(plane: &Plane, tenant: &str) {
    let bind = |role: &str, who: &str, namespace: Option<String>| {
        let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind,
            "metadata": {"name": format!("test-{tenant}-{who}"), "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}, "subjects": [user(who)]})
    };
    let everything = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": "test-writes"},
        "rules": [
            {"apiGroups": ["cloudfarm.dev"], "resources": ["accessgrants", "accessgrants/status"], "verbs": ["get", "create", "update", "patch"]},
            {"apiGroups": [RBAC], "resources": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], "verbs": ["get", "create", "update", "patch", "bind", "escalate"]}]});
    apply(
        plane,
        &[
            world::namespace(tenant),
            everything,
            bind("cloudfarm-staff", "tanaka", None),
            bind("cloudfarm-staff", "ito", None),
            bind("cloudfarm-staff-lead", "suzuki", None),
            bind("test-writes", "mori", None),
            bind("cloudfarm-tenant-approver", "sato", Some(format!("cf-{tenant}"))),
        ],
    );
}

fn grant(tenant: &str, name: &str, by: &str, more: Value) -> Value {
    let mut grant = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "namespace": format!("cf-{tenant}")},
        "spec": {"requestedBy": by, "reason": "the disk is slow", "verbs": ["Console"], "vms": ["web"]}});
    merge(&mut grant["spec"], more);
    grant
}

#[tokio::test]
async fn everybody_asks_and_answers_in_the_own_name_and_only_who_may() {
    let plane = bed().await;
    people(plane, "granted");
    let of = |by: &str, more: Value| Some(grant("granted", "new", by, more));
    accepted(plane, "tanaka", CREATE, of("tanaka", json!({}))).await;
    refused(plane, "tanaka", CREATE, of("ito", json!({})), &["spec.requestedBy is ito, and you are tanaka"]).await;
    refused(plane, ADMIN, CREATE, of("tanaka", json!({})), &["everybody asks in the own name"]).await;
    let terms = json!({"basis": "Terms", "clause": "12"});
    let mut seconded = terms.clone();
    seconded["secondApprover"] = json!({"by": "suzuki"});
    for brought in [json!({"approval": {"by": "sato"}}), json!({"revoked": {"by": "tanaka"}}), seconded] {
        refused(plane, "tanaka", CREATE, of("tanaka", brought), &["are answers to a request that others have read"])
            .await;
    }
    let mut elsewhere = grant("granted", "new", "tanaka", json!({}));
    elsewhere["metadata"]["namespace"] = json!("default");
    refused(plane, "tanaka", CREATE, Some(elsewhere), &["namespace default is no customer's"]).await;

    accepted(plane, "tanaka", "create", Some(grant("granted", "asked", "tanaka", json!({})))).await;
    accepted(plane, "tanaka", "create", Some(grant("granted", "termed", "tanaka", terms))).await;
    let on = |name: &str| format!("patch accessgrant {name} -n cf-granted --dry-run=server");
    let says = |field: &str, by: &str| Some(json!({"spec": {field: {"by": by}}}));
    accepted(plane, "sato", &on("asked"), says("approval", "sato")).await;
    accepted(plane, "sato", &on("asked"), Some(json!({"spec": {"approval": {"by": "sato", "decision": "Deny"}}})))
        .await;
    refused(plane, "sato", &on("asked"), says("approval", "kato"), &["spec.approval.by is kato, and you are sato"])
        .await;
    for nobody in ["tanaka", "ito", "suzuki", "mori"] {
        let says_no = ["spec.approval is written only by somebody with the verb approve", "has it not"];
        let by = if nobody == "tanaka" { "ito" } else { nobody };
        refused(plane, nobody, &on("asked"), says("approval", by), &says_no).await;
    }
    // Even who may do everything does not consent to an own request.
    refused(plane, "+tanaka", &on("asked"), says("approval", "tanaka"), &["nobody consents to an own request"]).await;

    accepted(plane, "suzuki", &on("termed"), says("secondApprover", "suzuki")).await;
    refused(plane, "suzuki", &on("termed"), says("secondApprover", "ito"), &["spec.secondApprover.by is ito"]).await;
    refused(plane, "ito", &on("termed"), says("secondApprover", "ito"), &["with the verb second"]).await;

    for who in ["tanaka", "sato", "suzuki"] {
        accepted(plane, who, &on("asked"), says("revoked", who)).await;
    }
    refused(plane, "ito", &on("asked"), says("revoked", "ito"), &["spec.revoked is written by who asked"]).await;
    refused(plane, "sato", &on("asked"), says("revoked", "tanaka"), &["spec.revoked.by is tanaka, and you are sato"])
        .await;
    let kept = json!({"metadata": {"finalizers": ["a.example/b"]}});
    refused(plane, "sato", &on("asked"), Some(kept), &["the finalizer a.example/b is added only"]).await;
    let longer = json!({"spec": {"duration": "8h"}});
    refused(plane, "tanaka", &on("asked"), Some(longer), &["a request cannot be changed once it is made"]).await;
}

#[tokio::test]
async fn what_became_of_a_grant_is_the_operators_to_say_and_no_time_is_made_longer() {
    let plane = bed().await;
    people(plane, "said");
    accepted(plane, "tanaka", "create", Some(grant("said", "asked", "tanaka", json!({})))).await;
    let words = "patch accessgrant asked -n cf-said --subresource=status";
    let dry = format!("{words} --dry-run=server");
    let status = |state: &str, expires: &str| Some(json!({"status": {"state": state, "expiresAt": expires}}));
    for who in [ADMIN, "mori"] {
        let says = ["its status is written by the operator alone"];
        refused(plane, who, &dry, status("Active", "2099-01-01T00:00:00Z"), &says).await;
    }
    accepted(plane, OPERATOR, words, status("Active", "2026-12-01T10:00:00Z")).await;
    accepted(plane, OPERATOR, &dry, status("Active", "2026-12-01T09:59:59Z")).await;
    for later in [json!("2026-12-01T10:00:01Z"), Value::Null] {
        let longer = Some(json!({"status": {"state": "Active", "expiresAt": later}}));
        refused(plane, OPERATOR, &dry, longer, &["status.expiresAt is kept or comes earlier"]).await;
    }
    accepted(plane, OPERATOR, words, status("Revoked", "2026-12-01T10:00:00Z")).await;
    for again in ["Active", "Expired"] {
        let says = ["status.state is Revoked for good"];
        refused(plane, OPERATOR, &dry, status(again, "2026-12-01T10:00:00Z"), &says).await;
    }
}

/// A part of a door as the operator makes it.
fn door(tenant: &str, kind: &str, name: &str, expires: &str) -> Value {
    let mut door = json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind,
        "metadata": {"name": name, "namespace": format!("cf-{tenant}"), "labels": {"cloudfarm.dev/grant": "asked"},
            "annotations": {"cloudfarm.dev/expires": expires}}});
    if kind == "Role" {
        door["rules"] = json!([]);
    } else {
        door["roleRef"] = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": "cloudfarm-tenant-viewer"});
        door["subjects"] = json!([user("tanaka")]);
    }
    door
}

#[tokio::test]
async fn a_door_is_made_by_the_operator_alone_for_eight_hours_at_most() {
    let plane = bed().await;
    people(plane, "door");
    for kind in ["Role", "RoleBinding"] {
        let at = |expires: &str| Some(door("door", kind, "new", expires));
        accepted(plane, OPERATOR, CREATE, at(&in_seconds(8 * 3600))).await;
        // A binding of mori's is refused by two policies, and either may speak first.
        let binding = kind == "RoleBinding";
        let moris = if binding { "ValidatingAdmissionPolicy" } else { "are written by the operator alone" };
        for (who, says) in [(ADMIN, "are written by the operator alone"), ("mori", moris)] {
            refused(plane, who, CREATE, at(&in_seconds(3600)), &[says]).await;
        }
        for wrong in [in_seconds(8 * 3600 + 600), in_seconds(-60)] {
            refused(plane, OPERATOR, CREATE, at(&wrong), &["has passed already, or lies more than 8 hours ahead"])
                .await;
        }
        let mut endless = door("door", kind, "new", "");
        endless["metadata"]["annotations"] = Value::Null;
        refused(plane, OPERATOR, CREATE, Some(endless), &["cloudfarm-grant-doors"]).await;

        let (kept, hour) = (format!("kept-{}", kind.to_lowercase()), in_seconds(3600));
        accepted(plane, OPERATOR, "create", Some(door("door", kind, &kept, &hour))).await;
        let words = format!("patch {kind} {kept} -n cf-door --dry-run=server");
        let moved = |expires: &str| Some(json!({"metadata": {"annotations": {"cloudfarm.dev/expires": expires}}}));
        accepted(plane, OPERATOR, &words, moved(&in_seconds(1800))).await;
        refused(plane, OPERATOR, &words, moved(&in_seconds(7200)), &["its hour is never moved to a later one"]).await;
        // Not taken out of sight either.
        let unlabelled = Some(json!({"metadata": {"labels": {"cloudfarm.dev/grant": null}}}));
        refused(plane, ADMIN, &words, unlabelled, &["are written by the operator alone"]).await;
        let owner = Some(json!({"metadata": {"ownerReferences": null, "annotations": {"a": "b"}}}));
        refused(plane, "mori", &words, owner, &[moris]).await;
    }
    let words = "patch rolebinding kept-rolebinding -n cf-door --dry-run=server";
    refused(plane, OPERATOR, words, Some(json!({"subjects": [user("ito")]})), &["it stays for whom it was made"]).await;
}

#[tokio::test]
async fn people_get_into_a_tenants_namespace_by_no_binding_beside_the_tenant_and_its_grants() {
    let plane = bed().await;
    people(plane, "beside");
    let mut beside = door("beside", "RoleBinding", "beside", "");
    beside["metadata"] = json!({"name": "beside", "namespace": "cf-beside"});
    accepted(plane, OPERATOR, CREATE, Some(beside.clone())).await;
    refused(plane, "mori", CREATE, Some(beside.clone()), &["staff by an AccessGrant"]).await;
    // Whoever runs the cluster can; elsewhere it is nobody's business.
    accepted(plane, ADMIN, CREATE, Some(beside.clone())).await;
    beside["metadata"]["namespace"] = json!("default");
    accepted(plane, "mori", CREATE, Some(beside)).await;
}

#[tokio::test]
async fn what_the_operator_holds_to_open_doors_is_bound_to_it_alone_and_beside_a_door() {
    let plane = bed().await;
    people(plane, "holds");
    let mut holds = door("holds", "RoleBinding", "doors-asked", &in_seconds(3600));
    holds["roleRef"]["name"] = json!("cloudfarm-doors");
    holds["subjects"] = json!([{"kind": "ServiceAccount", "name": "cloudfarm", "namespace": "cloudfarm-system"}]);
    accepted(plane, OPERATOR, CREATE, Some(holds.clone())).await;
    let with = |change: Value| {
        let mut changed = holds.clone();
        merge(&mut changed, change);
        Some(changed)
    };
    let to = json!({"subjects": [user("tanaka")]});
    refused(plane, OPERATOR, CREATE, with(to), &["to somebody else than ServiceAccount"]).await;
    let unlabelled = json!({"metadata": {"labels": null}});
    refused(plane, OPERATOR, CREATE, with(unlabelled), &["without the label cloudfarm.dev/grant"]).await;
    let outside = json!({"metadata": {"namespace": "default", "labels": null, "annotations": null}});
    refused(plane, ADMIN, CREATE, with(outside), &["outside of a tenant's namespace"]).await;
    let everywhere = json!({"kind": "ClusterRoleBinding", "metadata": {"namespace": null, "name": "everywhere"}});
    refused(plane, ADMIN, CREATE, with(everywhere), &["outside of a tenant's namespace"]).await;
}
