//! Tenants: deleting and changing a declaration.

use serde_json::json;

use crate::bed::{ADMIN, OPERATOR, PURGE, accepted, bed, begun, ended, refused, status_by};
use crate::support::world::{apply, tenant};

#[tokio::test]
async fn a_tenant_does_not_go_before_its_last_word_is_written_down() {
    let plane = bed().await;
    ended(plane, "leaving").await;
    accepted(plane, ADMIN, "delete tenant leaving --dry-run=server", None).await;
    for date in [json!("2026-07-31"), json!(null)] {
        let change = json!({"metadata": {"annotations": {"cloudfarm.dev/allow-orphan": "true"}}, "spec": {"contract": {"endDate": date}}});
        accepted(plane, ADMIN, "patch tenant leaving", Some(change)).await;
        let says = ["has not noted this Tenant's last change yet", "try again in a moment"];
        refused(plane, ADMIN, "delete tenant leaving --dry-run=server", None, &says).await;
        status_by(plane, OPERATOR, "leaving", json!({"endDate": date})).await;
        accepted(plane, ADMIN, "delete tenant leaving --dry-run=server", None).await;
    }
}

#[tokio::test]
async fn a_running_contract_is_not_deleted_by_a_slip_of_the_hand() {
    let plane = bed().await;
    apply(plane, &[tenant("running", json!({}))]);
    let says = ["tenant running has a running contract", "cloudfarm.dev/allow-orphan=true"];
    refused(plane, ADMIN, "delete tenant running --dry-run=server", None, &says).await;
    accepted(plane, ADMIN, "annotate tenant running cloudfarm.dev/allow-orphan=true", None).await;
    accepted(plane, ADMIN, "delete tenant running --dry-run=server", None).await;
}

#[tokio::test]
async fn the_end_date_stays_once_the_purge_has_begun() {
    let plane = bed().await;
    ended(plane, "erased").await;
    let later = Some(json!({"spec": {"contract": {"endDate": "2027-06-30"}}}));
    accepted(plane, ADMIN, "patch tenant erased --dry-run=server", later.clone()).await;
    let erased = Some(json!({"status": {"phase": "Purging"}}));
    accepted(plane, ADMIN, "patch tenant erased --subresource=status", erased).await;
    for change in [later, Some(json!({"spec": {"contract": {"endDate": null}}}))] {
        refused(
            plane,
            ADMIN,
            "patch tenant erased --dry-run=server",
            change,
            &["the purge has begun (Purging)", "write 2026-06-30 again"],
        )
        .await;
    }
    accepted(plane, ADMIN, "patch tenant erased --dry-run=server", Some(json!({"spec": {"displayName": "x"}}))).await;
}

#[tokio::test]
async fn the_proof_about_an_earlier_tenant_binds_no_namesake() {
    let plane = bed().await;
    ended(plane, "again").await;
    status_by(plane, PURGE, "again", begun()).await;
    let pinned = json!({"pinned": {"tenantUID": "an-earlier-one", "namespaceUIDs": {}}});
    status_by(plane, OPERATOR, "again", pinned).await;
    let later = json!({"spec": {"contract": {"endDate": "2027-06-30"}}});
    accepted(plane, ADMIN, "patch tenant again", Some(later)).await;
    accepted(plane, ADMIN, "delete tenant again --dry-run=server", None).await;
}
