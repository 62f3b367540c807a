//! A release that goes while a purge has begun and is not at its end.

use cloudfarm::api::retention::PurgeState;
use serde_json::json;

use crate::helm::{done, prepared, usual};
use crate::support::desk::Desk;
use crate::support::eventually;
use crate::support::faults::{Break, Faults};
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::purge::doomed;
use crate::support::storage::Driver;
use crate::support::whole::objects;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uninstallation_in_the_middle_of_a_purge_stops_it_and_an_installation_goes_on() {
    // Until the process ends: the storage driver of a test lives as long.
    let plane: &'static Plane = Box::leak(Box::new(Plane::with_nothing_of_ours("charts-purging", None)));
    prepared(plane);
    let install = ["install", "cloudfarm", "charts/cloudfarm", "--wait", "--timeout=120s"];
    done(plane, &install, Some(&usual()));
    let operator = Operator::leading(plane, Faults::default()).await;
    let (desk, driver) = (Desk::new(plane).await, Driver::shared(plane));
    let (mut purger, handle) = doomed(&desk, driver, "leaving", &[]).await;

    // Runs die one write later each time, until the point of no return is behind them.
    let mut write = 0;
    while purger.status().await.progress.purge.is_none() {
        write += 1;
        assert!(purger.try_run(&Faults::at(write, Break::CrashAfter)).await.is_none(), "a run came to its end");
    }
    operator.stop().await;
    let (marked, there) = (purger.status().await, objects(&desk.admin, "leaving").await);
    assert_eq!(marked.progress.purge.as_ref().map(|purge| purge.state), Some(PurgeState::Purging));
    assert!(!there.is_empty() && driver.holds(&handle));

    done(plane, &["uninstall", "cloudfarm", "--wait"], None);
    // The CronJob is not helm's. What it starts finds no account, and a run that was left over has no rights any more.
    plane.kubectl(&["create", "job", "by-night", "--from=cronjob/cf-purge-leaving", "-n", "cloudfarm-system"], None);
    eventually("the night's run to find no account", || async {
        let (_, said) = plane.try_kubectl(&["get", "events", "-n", "cloudfarm-system", "-o", "json"], None);
        said.contains("serviceaccount \\\"cloudfarm-purge\\\" not found").then_some(())
    })
    .await;
    purger.patience = std::time::Duration::from_secs(1);
    let left_over = purger.try_run(&Faults::default()).await.expect("nobody kills it");
    assert!(left_over.is_err(), "without its roles: {left_over:?}");
    assert_eq!(purger.status().await, marked, "the Retention says that the purge has begun, and where it stands");
    assert_eq!(objects(&desk.admin, "leaving").await, there);
    assert!(driver.holds(&handle));
    let hold =
        json!({"spec": {"legalHold": {"active": true, "reference": "2026-17", "placedBy": "admin"}}}).to_string();
    let words = ["patch", "retention", "leaving", "--type=merge", "--dry-run=server", "-p", &hold];
    let (ok, said) = plane.try_kubectl(&words, None);
    assert!(!ok && said.contains("purge"), "a hold comes too late, and that is said: {said}");

    done(plane, &install, Some(&usual()));
    let operator = Operator::leading(plane, Faults::default()).await;
    purger.desk = desk.with_new_tokens().await;
    purger.patience = std::time::Duration::from_mins(1);
    purger.approved().await;
    let certificate = purger.purged().await;
    assert!(objects(&desk.admin, "leaving").await.is_empty() && !driver.holds(&handle));
    assert_eq!(desk.verified().await.certificates.len(), 1, "{certificate:?}");
    operator.stop().await;
}
