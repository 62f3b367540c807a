//! The Tenant is gone, deleted by hand or by a broken pipeline: its last word counts, and declaring it again takes
//! everything back.

use cloudfarm::api::retention::{RetentionPhase, RunOutcome};
use kube::api::DeleteParams;
use serde_json::json;

use super::support::eventually;
use super::support::purge::{ENDED, due};
use super::support::world::{self, apply, condition, machine, message, network, tenant};
use super::{Desk, bed, life, work};

fn declared(name: &str, end: Option<&str>) -> [serde_json::Value; 3] {
    let mut manifest = tenant(name, json!({"virtualMachines": [machine("one", &["front"])]}));
    if let Some(end) = end {
        manifest["spec"]["contract"]["endDate"] = end.into();
    }
    [world::namespace(name), manifest, network(name, "front", json!({}))]
}

/// Deleted as soon as the operator has noted its last word; until then admission refuses.
async fn vanish(desk: &Desk, name: &str) {
    let api = world::tenants(&desk.admin);
    eventually(&format!("Tenant {name} to be deleted"), || async {
        api.delete(name, &DeleteParams::default()).await.ok().map(drop)
    })
    .await;
    eventually(&format!("Tenant {name} to be gone"), || async {
        api.get_opt(name).await.ok()?.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_vanishes_with_an_end_date_is_halted_and_closed_and_comes_back_when_it_is_declared_again() {
    let (desk, _, _turn) = bed().await;
    let name = "vanishes";
    apply(desk.plane, &declared(name, Some("2099-12-31")));
    condition(&world::tenants(&desk.admin), name, "Ready", "True").await;
    life::open(&desk, name).await;
    vanish(&desk, name).await;
    desk.until(name, "it knows the date", |status| status.end_date.as_deref() == Some("2099-12-31")).await;
    let before = work(&desk, name).await;
    // The contract is not over yet: a declaration that is gone is no reason to halt anybody.
    life::open(&desk, name).await;

    // The date comes. Nobody can wait for it: the last word is written back.
    desk.write_status(true, name, json!({"endDate": ENDED})).await;
    life::closed(&desk, name).await;
    eventually("no way to take data along either, with nobody to say who may", || async {
        (life::subjects(&desk, name).await == 0).then_some(())
    })
    .await;
    assert_eq!(work(&desk, name).await, before);
    desk.until(name, "it is over", |status| status.phase == Some(RetentionPhase::Grace)).await;

    // Somebody notices and declares it again.
    apply(desk.plane, &declared(name, None));
    life::open(&desk, name).await;
    desk.until(name, "it runs", |status| status.phase == Some(RetentionPhase::Idle)).await;
    assert_eq!(work(&desk, name).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_vanished_with_an_end_date_is_purged_and_one_without_is_kept() {
    let (desk, driver, _turn) = bed().await;
    let handle = super::support::purge::ended_tenant(&desk, driver, "left", &[]).await;
    let purger = due(&desk, "left").await;
    vanish(&desk, "left").await;
    purger.preview().await;
    purger.purged().await;
    assert!(!driver.holds(&handle));

    apply(desk.plane, &declared("orphan", None));
    condition(&world::tenants(&desk.admin), "orphan", "Ready", "True").await;
    desk.plane.kubectl(&["annotate", "tenant", "orphan", "cloudfarm.dev/allow-orphan=true"], None);
    vanish(&desk, "orphan").await;
    let orphan = super::support::purge::Purger::of(&desk, "orphan").await;
    desk.until("orphan", "it is orphaned", |status| status.phase == Some(RetentionPhase::Orphaned)).await;
    let ended = orphan.run().await;
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Waited, "NoEndDate"), "{ended:?}");
    life::open(&desk, "orphan").await;
    // An officer decides in the Tenant's place.
    desk.decided("dpo-one", "orphan", json!({"endDate": ENDED, "requestedBy": "dpo-one"})).await;
    life::closed(&desk, "orphan").await;
    orphan.let_time_pass().await;
    orphan.preview().await;
    orphan.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_declared_again_while_it_is_being_erased_gets_nothing_and_stops_the_erasure() {
    let (desk, driver, _turn) = bed().await;
    let (mut purger, _) = super::support::purge::doomed(&desk, driver, "returns", &[]).await;
    let finalizer = r#"{"metadata":{"finalizers":["test.example/kept"]}}"#;
    let patch = |text: &str| {
        desk.plane.kubectl(&["patch", "configmap", "app", "-n", "cf-returns", "--type=merge", "-p", text], None)
    };
    patch(finalizer);
    purger.patience = std::time::Duration::from_secs(2);
    purger.refused("Blocked").await;
    vanish(&desk, "returns").await;
    apply(desk.plane, &[tenant("returns", json!({}))]);
    let ready = condition(&world::tenants(&desk.admin), "returns", "Ready", "False").await;
    assert!(message(&ready, "Ready").contains("being erased"), "{}", message(&ready, "Ready"));
    patch(r#"{"metadata":{"finalizers":null}}"#);
    let said = purger.refused("Doubt").await;
    assert!(said.contains("declared again"), "{said}");
    assert!(purger.certificate().await.is_none());
}
