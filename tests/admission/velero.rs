//! What the operator may ask Velero for.

use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, accepted, bed, refused};
use crate::support::world::apply;

const DRY: &str = "create --dry-run=server";

fn schedule(name: &str, tenant: &str, namespaces: &Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": name, "namespace": "velero", "labels": {
            "app.kubernetes.io/managed-by": "cloudfarm", "cloudfarm.dev/tenant": tenant,
        }},
        "spec": {"schedule": "0 2 * * *", "template": {"includedNamespaces": namespaces}},
    })
}

#[tokio::test]
async fn the_operator_orders_backups_of_one_tenant_each_and_leaves_the_providers_schedules_alone() {
    let plane = bed().await;
    plane.install("velero");
    apply(plane, &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}})]);
    accepted(plane, OPERATOR, DRY, Some(schedule("cf-far", "far", &json!(["cf-far"])))).await;
    for (name, tenant, namespaces) in [
        ("cf-far", "far", json!(["cf-far", "kube-system"])),
        ("cf-far", "far", json!(["*"])),
        ("cf-far", "far", json!([])),
        ("cf-far", "near", json!(["cf-far"])),
        ("nightly", "far", json!(["cf-far"])),
    ] {
        let wide = schedule(name, tenant, &namespaces);
        refused(plane, OPERATOR, DRY, Some(wide.clone()), &["schedules.velero.io velero/", "more than the namespace"])
            .await;
        accepted(plane, ADMIN, DRY, Some(wide)).await;
    }
    let mut theirs = schedule("cf-prod", "prod", &json!(["cf-prod"]));
    theirs["metadata"]["labels"] = json!({});
    apply(plane, &[theirs, schedule("cf-near", "near", &json!(["cf-near"]))]);
    refused(
        plane,
        OPERATOR,
        "delete --dry-run=server schedule.velero.io cf-prod -n velero",
        None,
        &["is not the operator's"],
    )
    .await;
    let taken =
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "cloudfarm", "cloudfarm.dev/tenant": "prod"}}});
    let patch = |name: &str| format!("patch --dry-run=server schedule.velero.io {name} -n velero");
    refused(plane, OPERATOR, &patch("cf-prod"), Some(taken), &["is not the operator's"]).await;
    accepted(plane, OPERATOR, "delete --dry-run=server schedule.velero.io cf-near -n velero", None).await;
    let wider = json!({"spec": {"template": {"includedNamespaces": ["*"]}}});
    refused(plane, OPERATOR, &patch("cf-near"), Some(wider), &["more than the namespace"]).await;
}
