//! A legal hold and a purge exclude each other: at every step exactly one of them wins (I6).

use cloudfarm::api::retention::{PurgeState, RetentionPhase, RunOutcome};

use super::support::desk::hold;
use super::support::purge::{doomed, due, ended_tenant};
use super::{Desk, bed};

fn annotate(desk: &Desk, tenant: &str, value: &str) {
    let mark = format!("cloudfarm.dev/legal-hold{value}");
    desk.plane.kubectl(&["annotate", "namespace", &format!("cf-{tenant}"), &mark], None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_placed_before_the_mark_wins_and_nothing_is_deleted() {
    let (desk, driver, _turn) = bed().await;
    // The plan is the first write of a run, the mark the second: both have been decided on, and not sent.
    for write in 1..=2 {
        let name = format!("hold-before-{write}");
        let (purger, handle) = doomed(&desk, driver, &name, &[]).await;
        let there = super::work(&desk, &name).await;
        let ended = purger.run_and_before(write, async || desk.decided("dpo-one", &name, hold("dpo-one")).await).await;
        assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Refused, "HoldPlaced"), "{ended:?}");
        let status = purger.status().await;
        assert!(status.progress.purge.is_none(), "{:?}", status.progress);
        assert_eq!(super::work(&desk, &name).await, there);
        assert!(driver.holds(&handle));
        // It lasts: the next run is refused, too, until somebody else than who placed it lifts it.
        assert!(purger.refused("HoldPlaced").await.contains("2026-17"));
        desk.until(&name, "it is held", |status| status.phase == Some(RetentionPhase::Held)).await;
        desk.decided("dpo-two", &name, serde_json::json!({"legalHold": null})).await;
        purger.approved().await;
        purger.purged().await;
        assert!(!driver.holds(&handle));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_mark_the_api_server_refuses_a_hold_aloud_at_every_step() {
    let (desk, driver, _turn) = bed().await;
    let (purger, _) = doomed(&desk, driver, "hold-after", &[]).await;
    let mut tried = 0;
    let ended = purger
        .run_and_before_each(async |write| {
            let marked = purger.status().await.progress.purge.is_some();
            assert!(!marked || write > 2, "the mark is the second write at the earliest");
            if marked {
                let said = desk.decide("dpo-one", "hold-after", hold("dpo-one")).await.expect_err("too late");
                assert!(said.contains("a purge that has begun cannot be held"), "{said}");
                tried += 1;
            }
        })
        .await;
    assert_eq!(ended.outcome, RunOutcome::Purged, "{ended:?}");
    assert!(tried > 8, "only {tried} writes after the mark");
    let said = desk.decide("dpo-one", "hold-after", hold("dpo-one")).await.expect_err("it is gone");
    assert!(said.contains("exclude each other"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_on_the_namespace_alone_stops_a_run_before_and_after_the_mark() {
    let (desk, driver, _turn) = bed().await;
    let handle = ended_tenant(&desk, driver, "hold-on-namespace", &[]).await;
    let purger = due(&desk, "hold-on-namespace").await;
    annotate(&desk, &purger.tenant, "=court");
    desk.until(&purger.retention, "it is held", |status| status.phase == Some(RetentionPhase::Held)).await;
    assert!(purger.refused("HoldPlaced").await.contains("cf-hold-on-namespace"));
    annotate(&desk, &purger.tenant, "-");
    desk.until(&purger.retention, "it is free", |status| status.phase != Some(RetentionPhase::Held)).await;
    purger.preview().await;
    // After the mark and before the first delete: nothing is deleted from here on, and the next run says so.
    let there = super::work(&desk, &purger.tenant).await;
    let ended = purger
        .run_and_before_each(async |write| {
            if write == 2 {
                annotate(&desk, &purger.tenant, "=court");
            }
        })
        .await;
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Interrupted, "HoldPlaced"), "{ended:?}");
    assert_eq!(purger.status().await.progress.purge.map(|purge| purge.state), Some(PurgeState::Purging));
    assert_eq!(super::work(&desk, &purger.tenant).await, there);
    assert!(purger.refused("HoldPlaced").await.contains("cf-hold-on-namespace") && driver.holds(&handle));
    annotate(&desk, &purger.tenant, "-");
    purger.approved().await;
    purger.purged().await;
    assert!(!driver.holds(&handle));
}
