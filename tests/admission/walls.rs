//! What the purge may do to the walls of the Admin tier.

use serde_json::{Value, json};

use crate::bed::{
    ADMIN, OPERATOR, PURGE, accepted, bed, begun, by_name, by_uid, ended, refused, spec_by, status_by, uid,
};
use crate::support::world::apply;

fn wall(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name, "labels": labels},
        "spec": {"tier": "Admin", "priority": 100, "subject": {"namespaces": {}}},
    })
}

#[tokio::test]
async fn a_wall_is_deleted_by_uid_only_once_its_tenants_purge_has_begun_and_never_under_a_hold() {
    let plane = bed().await;
    ended(plane, "walled").await;
    ended(plane, "neighbour").await;
    let ours = |tenant: &str| json!({"app.kubernetes.io/managed-by": "cloudfarm", "cloudfarm.dev/tenant": tenant});
    let walls = [
        wall("cf-walled", &ours("walled")),
        wall("cf-neighbour", &ours("neighbour")),
        wall("cf-providers", &json!({"cloudfarm.dev/tenant": "providers"})),
        wall("everybody", &ours("walled")),
    ];
    apply(plane, &walls);
    let raw =
        |name: &str| format!("delete --raw /apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/{name}");
    let id = |name: &str| by_uid(&uid(plane, &format!("clusternetworkpolicy {name}")));

    refused(plane, PURGE, &raw("cf-walled"), Some(id("cf-walled")), &["no purge of tenant walled has begun"]).await;
    status_by(plane, PURGE, "walled", begun()).await;
    accepted(plane, PURGE, &raw("cf-walled"), Some(id("cf-walled"))).await;
    refused(plane, PURGE, &raw("cf-walled"), Some(by_name()), &["deletes by uid"]).await;
    let other = raw("cf-neighbour");
    refused(plane, PURGE, &other, Some(id("cf-neighbour")), &["no purge of tenant neighbour has begun"]).await;
    for strange in ["cf-providers", "everybody"] {
        let said = &["is not the wall that cloudfarm made for a tenant"];
        refused(plane, PURGE, &raw(strange), Some(id(strange)), said).await;
    }
    let hold = json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": "officer"}});
    spec_by(plane, "officer", "neighbour", hold).await;
    refused(plane, PURGE, &other, Some(id("cf-neighbour")), &["legal hold of Retention neighbour"]).await;

    refused(plane, OPERATOR, &raw("cf-walled"), Some(id("cf-walled")), &["cannot delete resource"]).await;
    refused(plane, PURGE, "patch clusternetworkpolicy cf-walled --dry-run=server", Some(json!({})), &["cannot patch"])
        .await;
    // What an administrator takes away by hand, the operator makes anew.
    accepted(plane, ADMIN, &raw("cf-walled"), Some(by_name())).await;
}
