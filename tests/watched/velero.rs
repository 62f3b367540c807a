//! Backups by Velero (12.3.1) with Velero's own CRDs. Its server is played: the test writes what it would.

use cloudfarm::operator::clock::Clock;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::backups::{DAY, shortly_before};
use crate::bed::{Bed, bed_of_its_own};
use crate::support::audit::Mark;
use crate::support::eventually;
use crate::support::world::{self, apply, message, resource, tenant};

fn location(country: Option<&str>) -> Value {
    let labels = country.map_or_else(|| json!({}), |country| json!({"cloudfarm.dev/country": country}));
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "s3-jp", "namespace": "velero", "labels": labels},
        "spec": {"provider": "aws", "objectStorage": {"bucket": "backups"}},
    })
}

fn schedules(bed: &Bed) -> Api<DynamicObject> {
    Api::namespaced_with(bed.client.clone(), "velero", &resource("velero.io", "v1", "Schedule", "schedules"))
}

async fn schedule(bed: &Bed) -> Value {
    let found = eventually("the Schedule", || async { schedules(bed).get_opt("cf-far").await.ok().flatten() }).await;
    serde_json::to_value(found).expect("JSON")
}

/// A Backup as Velero would make it of the Schedule's template.
fn backup(schedule: &Value, begun: Timestamp, phase: &Value) -> Value {
    let mut labels = schedule["spec"]["template"]["metadata"]["labels"].clone();
    labels["velero.io/schedule-name"] = schedule["metadata"]["name"].clone();
    let name = format!("cf-far-{}", begun.strftime("%Y%m%d%H%M%S"));
    let mut spec = schedule["spec"]["template"].clone();
    spec["metadata"] = json!({"labels": labels});
    let mut status = json!({"startTimestamp": begun.to_string()});
    world::merge(&mut status, phase.clone());
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "spec": spec, "status": status,
        "metadata": {"name": name, "namespace": "velero", "labels": labels},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn velero_is_asked_once_it_is_there_for_a_location_in_the_country_alone_and_judged_by_what_it_says() {
    let bed = bed_of_its_own("velero").await;
    let clock = Clock::default();
    let operator = bed.operator_at(&clock).await;
    let says = async |status: &str, words: &str| {
        bed.until("far", &format!("BackupsCurrent {status}: {words}"), |it| {
            crate::bed::said(it, "BackupsCurrent") == status && message(it, "BackupsCurrent").contains(words)
        })
        .await
    };
    let plan = json!({"enabled": true, "method": "VeleroCSI", "schedule": "0 2 * * *", "keepLast": 7});
    let far = tenant("far", json!({"backup": plan, "residency": {"backupLocation": "s3-jp"}}));
    let velero = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}});
    apply(&bed.plane, &[world::namespace("far"), far, velero]);
    says("False", "Velero is not installed").await;

    bed.plane.install("velero");
    says("False", "no BackupStorageLocation has this name").await;
    apply(&bed.plane, &[location(None)]);
    says("False", "backup location s3-jp: it has no label cloudfarm.dev/country=JP").await;
    assert!(schedules(&bed).list(&ListParams::default()).await.expect("a list").items.is_empty());
    apply(&bed.plane, &[location(Some("JP"))]);
    let made = schedule(&bed).await;
    assert_eq!(made["spec"]["schedule"], "CRON_TZ=Asia/Tokyo 0 2 * * *");
    let template = &made["spec"]["template"];
    assert_eq!((&template["includedNamespaces"], &template["ttl"]), (&json!(["cf-far"]), &json!("169h0m0s")));
    assert_eq!((&template["storageLocation"], &template["snapshotMoveData"]), (&json!("s3-jp"), &json!(true)));
    says("Unknown", "all VMs, by Velero: its first backup has not come yet").await;

    // What Velero writes into the Schedule itself is nothing to write back.
    let mark = Mark::now(&bed.plane);
    let own = json!({"spec": {"skipImmediately": false}, "status": {"phase": "Enabled"}}).to_string();
    bed.plane.kubectl(&["patch", "schedule.velero.io", "cf-far", "-n", "velero", "--type=merge", "-p", &own], None);
    let refused = json!({"status": {"phase": "FailedValidation", "validationErrors": ["odd zone"]}}).to_string();
    bed.plane.kubectl(&["patch", "schedule.velero.io", "cf-far", "-n", "velero", "--type=merge", "-p", &refused], None);
    says("False", "Velero does not go by it: odd zone").await;
    bed.plane.kubectl(&["patch", "schedule.velero.io", "cf-far", "-n", "velero", "--type=merge", "-p", &own], None);
    says("Unknown", "its first backup has not come yet").await;
    let calls = mark.calls(&bed.plane).await;
    assert!(!calls.iter().any(|call| call.writes() && call.resource == "schedules"), "{calls:#?}");

    // Two o'clock comes and goes.
    let due = |days: i64| Clock::default().now() + SignedDuration::from_secs(shortly_before(0) + days * DAY);
    let begun = |days: i64| Timestamp::from_second(due(days).as_second() + 5).expect("an instant");
    clock.set_ahead(shortly_before(0) + 60);
    apply(&bed.plane, &[backup(&made, begun(0), &json!({"phase": "InProgress"}))]);
    bed.look_again("far");
    says("Unknown", "its first backup has not come yet").await;
    apply(&bed.plane, &[backup(&made, begun(0), &json!({"phase": "Completed"}))]);
    let current = says("True", "every VM with a plan has its last backup").await;
    let row = &current["status"]["backups"][0];
    assert_eq!(row["vm"], "*");
    assert!(row["snapshot"].as_str().is_some_and(|name| name.starts_with("velero/cf-far-")), "{row:#}");
    for days in [1, 2] {
        clock.set_ahead(shortly_before(0) + days * DAY + 60);
        let failed = json!({"phase": "PartiallyFailed", "failureReason": "bucket is gone"});
        apply(&bed.plane, &[backup(&made, begun(days), &failed)]);
        bed.look_again("far");
        let status = if days == 1 { "Unknown" } else { "False" };
        says(status, "Velero says: PartiallyFailed: bucket is gone").await;
    }

    // Abroad: nothing more is sent there, and what has been is not touched.
    apply(&bed.plane, &[location(Some("SG"))]);
    eventually("the Schedule to go", || async {
        schedules(&bed).get_opt("cf-far").await.ok()?.is_none().then_some(())
    })
    .await;
    says("False", "its label says SG").await;
    let backups = resource("velero.io", "v1", "Backup", "backups");
    let left = Api::<DynamicObject>::namespaced_with(bed.client.clone(), "velero", &backups);
    assert_eq!(left.list(&ListParams::default()).await.expect("a list").items.len(), 3);
    operator.stop().await;
}
