//! Backups by plan (12.3.1) in operators whose clocks the test sets.

use cloudfarm::operator::clock::Clock;
use cloudfarm::retention::schedule::Schedule;
use k8s_openapi::jiff::SignedDuration;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::bed::{Bed, bed};
use crate::support::audit::Mark;
use crate::support::eventually;
use crate::support::world::{self, apply, condition, machine, message, network, resource, tenant};

pub const DAY: i64 = 86_400;

fn snapshots(bed: &Bed, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("snapshot.kubevirt.io", "v1beta1", "VirtualMachineSnapshot", "virtualmachinesnapshots");
    Api::namespaced_with(bed.client.clone(), &format!("cf-{tenant}"), &kind)
}

async fn names(bed: &Bed, tenant: &str) -> Vec<String> {
    let all = snapshots(bed, tenant).list(&ListParams::default()).await.expect("a list");
    let mut names: Vec<String> = all.items.into_iter().filter_map(|object| object.metadata.name).collect();
    names.sort();
    names
}

async fn many(bed: &Bed, tenant: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} backups of {tenant}"), || async {
        let names = names(bed, tenant).await;
        (names.len() == count).then_some(names)
    })
    .await
}

/// What KubeVirt's controller would say.
fn kubevirt_says(bed: &Bed, tenant: &str, name: &str, status: &Value) {
    let (namespace, patch) = (format!("cf-{tenant}"), json!({"status": status}).to_string());
    bed.plane.kubectl(
        &[
            "patch",
            "virtualmachinesnapshot",
            name,
            "-n",
            &namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ],
        None,
    );
}

fn planned(name: &str, more: Value) -> [Value; 3] {
    let mut backup = json!({"enabled": true, "schedule": "0 2 * * *", "keepLast": 1, "quiesce": "Required"});
    world::merge(&mut backup, more);
    let spec = json!({"backup": backup, "virtualMachines": [machine("web", &["front"])]});
    [world::namespace(name), tenant(name, spec), network(name, "front", json!({}))]
}

/// Seconds from now to shortly before two o'clock in Japan.
pub fn shortly_before(seconds: i64) -> i64 {
    let schedule: Schedule = "0 2 * * *".parse().expect("a schedule");
    let now = Clock::default().now();
    let due = schedule.next(now + SignedDuration::from_secs(seconds)).expect("a time");
    due.as_second() - now.as_second() - seconds
}

fn good() -> Value {
    json!({"phase": "Succeeded", "readyToUse": true, "sourceIndications": [
        {"indication": "Online", "message": ""}, {"indication": "GuestAgent", "message": ""},
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_make_one_backup_when_it_is_due_a_hasty_one_is_a_failure_and_old_ones_go_by_the_purge_alone() {
    let bed = bed().await;
    let (first, second) = (Clock::default(), Clock::default());
    let one = bed.operator_at(&first).await;
    apply(&bed.plane, &planned("nightly", json!({})));
    condition(&bed.tenants(), "nightly", "Ready", "True").await;
    let row = |it: &Value| it["status"]["backups"][0].clone();
    bed.until("nightly", "the VM is counted", |it| row(it)["since"].is_string()).await;

    // Both believe that it is a little before two, and nobody tells them when it is two.
    let mark = Mark::now(&bed.plane);
    first.set_ahead(shortly_before(20));
    second.set_ahead(shortly_before(20));
    let two = bed.operator_at(&second).await;
    bed.look_again("nightly");
    let made = many(&bed, "nightly", 1).await;
    kubevirt_says(&bed, "nightly", &made[0], &good());
    let current = condition(&bed.tenants(), "nightly", "BackupsCurrent", "True").await;
    assert_eq!((&row(&current)["snapshot"], &row(&current)["quiesced"]), (&json!(made[0]), &json!(true)));
    let calls = mark.calls(&bed.plane).await;
    let born = calls.iter().filter(|call| call.resource == "virtualmachinesnapshots" && call.creates()).count();
    assert_eq!(born, 1, "one for one time");
    two.stop().await;
    one.stop().await;

    // A day later another operator, which has never seen any of it: the copy is taken without the guest's agent.
    let ahead = |days: i64| shortly_before(0) + days * DAY + 60;
    let clock = Clock::default();
    clock.set_ahead(ahead(1));
    let operator = bed.operator_at(&clock).await;
    let made = many(&bed, "nightly", 2).await;
    let hasty = json!({"phase": "Succeeded", "readyToUse": true, "sourceIndications": [
        {"indication": "Online", "message": ""}, {"indication": "NoGuestAgent", "message": ""},
    ]});
    kubevirt_says(&bed, "nightly", &made[1], &hasty);
    let failed_once = bed.until("nightly", "the first failure", |it| row(it)["failures"] == 1).await;
    assert!(message(&failed_once, "BackupsCurrent").contains("quiesce is Required"), "{failed_once:#}");
    clock.set_ahead(ahead(2));
    bed.look_again("nightly");
    let made = many(&bed, "nightly", 3).await;
    kubevirt_says(&bed, "nightly", &made[2], &json!({"phase": "Failed", "error": {"message": "pool is full"}}));
    let failed = condition(&bed.tenants(), "nightly", "BackupsCurrent", "False").await;
    assert!(message(&failed, "BackupsCurrent").contains("pool is full"), "{failed:#}");
    eventually("people to be told", || async { (!bed.events("nightly", "BackupFailed").is_empty()).then_some(()) })
        .await;

    // A good one again: one is kept, and the first is older. It is marked only once the Retention says that backups go.
    clock.set_ahead(ahead(3));
    bed.look_again("nightly");
    let made = many(&bed, "nightly", 4).await;
    kubevirt_says(&bed, "nightly", &made[3], &good());
    let current = condition(&bed.tenants(), "nightly", "BackupsCurrent", "True").await;
    assert!(message(&current, "BackupsCurrent").contains("spec.rolling"), "{current:#}");
    assert_eq!(names(&bed, "nightly").await, made);
    let rule = json!({"spec": {"rolling": [{"target": "Backups", "olderThan": "1d", "keepLast": 0}]}}).to_string();
    bed.plane.kubectl(&["patch", "retention", "nightly", "--type=merge", "-p", &rule], None);
    eventually("the old ones to be marked", || async {
        let all = snapshots(&bed, "nightly").list(&ListParams::default().labels("cloudfarm.dev/disposable=true")).await;
        (all.ok()?.items.len() == 3).then_some(())
    })
    .await;
    let calls = mark.calls(&bed.plane).await;
    assert!(
        !calls.iter().any(|call| call.deletes() && call.resource == "virtualmachinesnapshots"),
        "not by the operator"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_schedule_is_said_with_its_value_and_stops_nothing_else() {
    let bed = bed().await;
    let operator = bed.operator().await;
    apply(&bed.plane, &planned("odd-hours", json!({"schedule": "every night"})));
    let odd = condition(&bed.tenants(), "odd-hours", "BackupsCurrent", "False").await;
    assert!(
        message(&odd, "BackupsCurrent").contains("web: schedule \"every night\" is not five cron fields"),
        "{odd:#}"
    );
    condition(&bed.tenants(), "odd-hours", "Ready", "True").await;
    assert!(names(&bed, "odd-hours").await.is_empty());
    operator.stop().await;
}
