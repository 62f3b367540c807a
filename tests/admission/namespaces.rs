//! A tenant's namespaces: marks, approvals, holds, and their deletion.

use serde_json::{Value, json};

use crate::bed::{
    ADMIN, OPERATOR, PURGE, accepted, approval, approve, bed, by_uid, ended, refused, spec_by, status_by, uid,
};
use crate::support::world::{self, apply};

fn annotate(key: &str, value: Value) -> Value {
    let mut patch = json!({"metadata": {"annotations": {}}});
    patch["metadata"]["annotations"][format!("cloudfarm.dev/{key}")] = value;
    patch
}

#[tokio::test]
async fn a_tenants_namespace_is_deleted_by_the_purge_alone_once_approved_and_not_under_a_hold() {
    let plane = bed().await;
    let tenant = ended(plane, "doomed").await;
    let raw = "delete --raw /api/v1/namespaces/cf-doomed";
    let id = Some(by_uid(&tenant.namespace_uid));
    for who in [ADMIN, PURGE, "clerk"] {
        refused(
            plane,
            who,
            raw,
            id.clone(),
            &["namespace cf-doomed of tenant doomed is kept", "set spec.contract.endDate"],
        )
        .await;
    }
    approve(plane, "doomed", &tenant).await;
    accepted(plane, PURGE, raw, id.clone()).await;
    let namesake = Some(by_uid("11111111-1111-1111-1111-111111111111"));
    refused(plane, PURGE, raw, namesake, &["Precondition failed"]).await;
    for (who, name) in [(ADMIN, "admin"), ("clerk", "clerk")] {
        refused(plane, who, raw, id.clone(), &["by cloudfarm-purge alone", &format!("{name} is somebody else")]).await;
    }
    accepted(plane, ADMIN, "annotate namespace cf-doomed cloudfarm.dev/legal-hold=", None).await;
    refused(plane, PURGE, raw, id, &["is under a legal hold"]).await;
}

#[tokio::test]
async fn an_approval_is_written_by_the_operator_and_names_the_one_retention_that_is_due() {
    let plane = bed().await;
    let tenant = ended(plane, "due").await;
    let other = ended(plane, "other").await;
    let right = Some(approval(&tenant.retention_uid));
    for subresource in ["", "--subresource=status"] {
        let words = format!("patch namespace cf-due --dry-run=server {subresource}");
        accepted(plane, &format!("+{OPERATOR}"), &words, right.clone()).await;
        for who in [ADMIN, "clerk"] {
            refused(plane, who, &words, right.clone(), &["is written by the operator alone"]).await;
        }
        let wrong = Some(approval(&other.retention_uid));
        refused(
            plane,
            &format!("+{OPERATOR}"),
            &words,
            wrong,
            // Both Retentions have a word against it, and either may be told.
            &["cloudfarm.dev/purge-approved=", "the uid of Retention", "which is about"],
        )
        .await;
    }
    let live = plane.kubectl(&["get", "namespace", "cf-due", "-o", "json"], None);
    let mut finalized: Value = serde_json::from_str(&live).expect("JSON");
    finalized["metadata"]["annotations"] = json!({"cloudfarm.dev/purge-approved": tenant.retention_uid});
    let raw = "replace --raw /api/v1/namespaces/cf-due/finalize?dryRun=All";
    refused(plane, "clerk", raw, Some(finalized), &["is written by the operator alone"]).await;

    let words = "patch namespace cf-due --dry-run=server";
    let nonsense = Some(approval("11111111-1111-1111-1111-111111111111"));
    refused(plane, OPERATOR, words, nonsense, &["is not the uid of Retention due", &tenant.retention_uid]).await;

    let hold = json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": "officer"}});
    spec_by(plane, "officer", "due", hold).await;
    refused(plane, OPERATOR, words, right.clone(), &["Retention due has an active legal hold"]).await;
    spec_by(plane, "colleague", "due", json!({"legalHold": null})).await;
    accepted(plane, OPERATOR, words, right.clone()).await;

    status_by(plane, OPERATOR, "due", json!({"purgeNotBefore": null})).await;
    refused(plane, OPERATOR, words, right.clone(), &["has no status.purgeNotBefore"]).await;
    let due =
        |uid: &str| json!({"purgeNotBefore": "2026-08-29T15:00:00Z", "pinned": {"namespaceUIDs": {"cf-due": uid}}});
    status_by(plane, OPERATOR, "due", due("22222222-2222-2222-2222-222222222222")).await;
    refused(plane, OPERATOR, words, right.clone(), &["has not pinned this namespace", &tenant.namespace_uid]).await;
    status_by(plane, OPERATOR, "due", due(&tenant.namespace_uid)).await;
    accepted(plane, OPERATOR, words, right.clone()).await;

    // A second Retention for the same tenant: which one counts is people's to say.
    accepted(plane, ADMIN, "create", Some(world::retention("due-2", "due", json!({})))).await;
    refused(
        plane,
        OPERATOR,
        words,
        right.clone(),
        &["is not the uid of Retention due-2", "delete the other Retention"],
    )
    .await;
    accepted(plane, ADMIN, "delete retention due-2", None).await;
    accepted(plane, OPERATOR, "patch namespace cf-due", right).await;
    // What stands may stand, and taking it back stops the purge.
    accepted(plane, "clerk", words, Some(json!({"metadata": {"labels": {"a": "b"}}}))).await;
    accepted(plane, "clerk", words, Some(annotate("purge-approved", Value::Null))).await;
}

#[tokio::test]
async fn no_namespace_is_born_approved_or_becomes_a_tenants_with_an_approval_on_it() {
    let plane = bed().await;
    let tenant = ended(plane, "born").await;
    let mut derived = world::namespace("born");
    derived["metadata"]["name"] = json!("cfd-born");
    derived["metadata"]["annotations"] = json!({"cloudfarm.dev/purge-approved": tenant.retention_uid});
    for who in [ADMIN, OPERATOR] {
        refused(plane, who, "create --dry-run=server", Some(derived.clone()), &["is written by the operator alone"])
            .await;
    }
    derived["metadata"]["annotations"] = json!({});
    accepted(plane, OPERATOR, "create --dry-run=server", Some(derived.clone())).await;

    // Which of two policies that refuse is heard is chance, so each refusal here has one reason.
    let approved = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": {"cloudfarm.dev/purge-approved": tenant.retention_uid}}});
    apply(plane, &[approved("cfd-born"), approved("stranger")]);
    let pinned = json!({"pinned": {"namespaceUIDs": {"cfd-born": uid(plane, "namespace cfd-born")}}});
    status_by(plane, OPERATOR, "born", pinned).await;
    let claim = Some(json!({"metadata": {"labels": {"cloudfarm.dev/tenant": "born"}}}));
    let words = "patch namespace cfd-born --dry-run=server";
    accepted(plane, OPERATOR, words, claim.clone()).await;
    refused(plane, ADMIN, words, claim.clone(), &["is written by the operator alone"]).await;
    // Here there are two: it is not the Retention's namespace, and it is none that the operator writes.
    let says = ["stranger", "cfd-"];
    refused(plane, OPERATOR, "patch namespace stranger --dry-run=server", claim, &says).await;
}

#[tokio::test]
async fn whose_namespace_it_is_never_changes() {
    let plane = bed().await;
    ended(plane, "label").await;
    for value in [Value::Null, json!("other")] {
        for who in [ADMIN, OPERATOR, "clerk"] {
            let patch = Some(json!({"metadata": {"labels": {"cloudfarm.dev/tenant": value}}}));
            let says = ["the label cloudfarm.dev/tenant=label stays as it is"];
            refused(plane, who, "patch namespace cf-label --dry-run=server", patch, &says).await;
        }
    }
    accepted(
        plane,
        ADMIN,
        "patch namespace cf-label --dry-run=server",
        Some(json!({"metadata": {"labels": {"a": "b"}}})),
    )
    .await;
    plane.kubectl(&["create", "namespace", "cf-later"], None);
    accepted(plane, ADMIN, "label namespace cf-later cloudfarm.dev/tenant=later", None).await;
}

#[tokio::test]
async fn a_hold_on_a_namespace_is_placed_by_anybody_and_taken_off_by_few_and_not_before_the_retentions() {
    let plane = bed().await;
    ended(plane, "held").await;
    let words = "patch namespace cf-held --dry-run=server";
    accepted(plane, "clerk", "patch namespace cf-held", Some(annotate("legal-hold", json!("2026-1")))).await;
    refused(
        plane,
        "clerk",
        words,
        Some(annotate("legal-hold", Value::Null)),
        &["somebody with the verb release", "clerk has it not"],
    )
    .await;
    accepted(plane, "+officer", words, Some(annotate("legal-hold", Value::Null))).await;
    accepted(plane, OPERATOR, words, Some(annotate("legal-hold", Value::Null))).await;

    let hold = json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": "officer"}});
    spec_by(plane, "officer", "held", hold).await;
    for who in ["+officer", OPERATOR] {
        refused(
            plane,
            who,
            words,
            Some(annotate("legal-hold", Value::Null)),
            &["stays while Retention held has an active legal hold"],
        )
        .await;
    }
}
