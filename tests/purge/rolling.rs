//! What ages out: while a contract runs by `spec.rolling`, and after the purge the records whose period is over.

use cloudfarm::api::retention::RunOutcome;
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use super::kinds::create;
use super::support::aged::make_older;
use super::support::desk::{Desk, now};
use super::support::purge::{Purger, due, ended_tenant};
use super::support::storage::tenant::volume_handle;
use super::support::{eventually, world};
use super::{bed, bed_alone, objects};

const SNAPSHOTS: &str = "virtualmachinesnapshots.snapshot.kubevirt.io";
const CONTENTS: &str = "virtualmachinesnapshotcontents.snapshot.kubevirt.io";

fn object(version: &str, kind: &str, namespace: &str, name: &str, spec: Option<Value>) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    if let Some(spec) = spec {
        object["spec"] = spec;
    }
    object
}

fn snapshot(name: &str, vm: &str) -> Value {
    let source = json!({"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": vm});
    object("snapshot.kubevirt.io/v1beta1", "VirtualMachineSnapshot", "cf-rolls", name, Some(json!({"source": source})))
}

fn content(name: &str, snapshot: &str) -> Value {
    let spec = json!({"virtualMachineSnapshotName": snapshot, "source": {}});
    object("snapshot.kubevirt.io/v1beta1", "VirtualMachineSnapshotContent", "cf-rolls", name, Some(spec))
}

fn volume_snapshot(name: &str) -> Value {
    let spec = json!({"source": {"persistentVolumeClaimName": "disk"}});
    object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "cf-rolls", name, Some(spec))
}

/// A disk that is no longer declared since so many days.
fn removed_disk(name: &str, days: i64) -> Value {
    let storage = json!({
        "accessModes": ["ReadWriteMany"], "volumeMode": "Block", "storageClassName": "cf-jp-encrypted",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    let spec = json!({"source": {"blank": {}}, "storage": storage});
    let mut disk = object("cdi.kubevirt.io/v1beta1", "DataVolume", "cf-rolls", name, Some(spec));
    let since = now() - SignedDuration::from_hours(24 * days);
    disk["metadata"]["annotations"] = json!({"cloudfarm.dev/removed-at": since.to_string()});
    disk
}

fn record(namespace: &str, name: &str, class: &str) -> Value {
    let mut record = object("v1", "ConfigMap", namespace, name, None);
    record["metadata"]["labels"] = json!({"cloudfarm.dev/record": class});
    record
}

fn report(namespace: &str, name: &str) -> Value {
    let mut report = object("openreports.io/v1alpha1", "Report", namespace, name, None);
    report["metadata"]["labels"] = json!({"cloudfarm.dev/record": "access"});
    report
}

/// What people and neighbours made in the tenant's namespaces, without what the cluster did.
async fn theirs(desk: &Desk, tenant: &str) -> Vec<String> {
    let kinds = [
        "ConfigMap",
        "DataVolume",
        "PersistentVolumeClaim",
        "Report",
        "VirtualMachineExport",
        "VirtualMachineSnapshot",
        "VirtualMachineSnapshotContent",
        "VolumeSnapshot",
    ];
    let all = objects(&desk.admin, tenant).await.into_keys();
    let wanted = all.filter(|key| {
        kinds.contains(&key.split(' ').next().unwrap_or_default()) && !key.ends_with("/kube-root-ca.crt")
    });
    wanted
        .map(|key| key.replace(&format!(" cf-{tenant}/"), " ").replace(&format!("cfd-{tenant}/"), "derived "))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_while_the_contract_runs_and_what_is_young_the_newest_or_declared_stays() {
    let (desk, driver, _turn) = bed().await;
    let plane = desk.plane;
    let capacity = json!({"contract": {"capacity": {"snapshots": 60}}});
    world::apply(plane, &[world::namespace("rolls"), world::tenant("rolls", capacity)]);
    let purger = Purger::of(&desk, "rolls").await;
    let rule = |target: &str, age: &str, keep: i64| json!({"target": target, "olderThan": age, "keepLast": keep});
    let rules =
        [rule("Snapshots", "30d", 1), rule("RemovedDisks", "60d", 0), rule("Exports", "7d", 0), rule("Logs", "1d", 0)];
    desk.decided("officer", "rolls", json!({"rolling": rules, "suspend": true})).await;
    desk.granted_in("cf-rolls", "delete", "cdi.kubevirt.io", "datavolumes").await;
    desk.granted_in("cfd-rolls", "delete", "", "configmaps").await;

    let export = |name: &str| {
        let source = json!({"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "disk"});
        object("export.kubevirt.io/v1beta1", "VirtualMachineExport", "cf-rolls", name, Some(json!({"source": source})))
    };
    let aged = [
        (SNAPSHOTS, "cf-rolls", snapshot("web-oldest", "web"), 50),
        (SNAPSHOTS, "cf-rolls", snapshot("web-old", "web"), 40),
        (SNAPSHOTS, "cf-rolls", snapshot("web-young", "web"), 2),
        (SNAPSHOTS, "cf-rolls", snapshot("db-old-and-the-newest", "db"), 90),
        (CONTENTS, "cf-rolls", content("content-of-web-old", "web-old"), 40),
        (CONTENTS, "cf-rolls", content("content-of-web-young", "web-young"), 2),
        ("volumesnapshots.snapshot.storage.k8s.io", "cf-rolls", volume_snapshot("disk-old"), 40),
        ("volumesnapshots.snapshot.storage.k8s.io", "cf-rolls", volume_snapshot("disk-young"), 2),
        ("virtualmachineexports.export.kubevirt.io", "cf-rolls", export("old"), 8),
        ("virtualmachineexports.export.kubevirt.io", "cf-rolls", export("young"), 6),
        ("configmaps", "cfd-rolls", record("cfd-rolls", "long-ago", "access"), 400),
        ("configmaps", "cfd-rolls", record("cfd-rolls", "lately", "access"), 300),
        ("reports.openreports.io", "cfd-rolls", report("cfd-rolls", "long-ago"), 400),
    ];
    for (kind, namespace, object, days) in &aged {
        create(plane, object);
        make_older(plane, kind, namespace, object["metadata"]["name"].as_str().expect("a name"), *days);
    }
    create(plane, &removed_disk("removed-long-ago", 61));
    create(plane, &removed_disk("removed-lately", 59));
    let mut volumes = Vec::new();
    for disk in ["removed-long-ago", "removed-lately"] {
        volumes.push(volume_handle(&desk.admin, "cf-rolls", disk).await);
    }
    let before = theirs(&desk, "rolls").await;

    let suspended = purger.run().await;
    assert_eq!(suspended.outcome, RunOutcome::Refused, "{suspended:?}");
    assert_eq!(theirs(&desk, "rolls").await, before, "suspended");
    desk.decided("officer", "rolls", json!({"suspend": false})).await;
    let ended = purger.run().await;
    assert_eq!(ended.outcome, RunOutcome::Rolled, "{ended:?}");
    let after = theirs(&desk, "rolls").await;
    let gone: Vec<&String> = before.iter().filter(|object| !after.contains(object)).collect();
    assert_eq!(
        gone,
        [
            "ConfigMap derived long-ago",
            "DataVolume removed-long-ago",
            "PersistentVolumeClaim removed-long-ago",
            "Report derived long-ago",
            "VirtualMachineExport old",
            "VirtualMachineSnapshot web-old",
            "VirtualMachineSnapshot web-oldest",
            "VirtualMachineSnapshotContent content-of-web-old",
            "VolumeSnapshot disk-old",
        ],
        "{after:#?}"
    );
    assert_eq!(
        volumes.iter().map(|handle| driver.holds(handle)).collect::<Vec<_>>(),
        [false, true],
        "bytes of the disks"
    );
    let again = purger.run().await;
    assert_eq!(again.outcome, RunOutcome::Waited, "{again:?}");
    assert_eq!(theirs(&desk, "rolls").await, after);
}

/// The garbage collector usually comes first, and nobody may rely on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_disk_is_gone_is_deleted_by_the_run_where_the_garbage_collector_is_late() {
    let (desk, driver, _turn) = bed_alone().await;
    let plane = desk.plane;
    world::apply(plane, &[world::namespace("late"), world::tenant("late", json!({}))]);
    let purger = Purger::of(&desk, "late").await;
    let rules = json!([{"target": "RemovedDisks", "olderThan": "60d"}]);
    desk.decided("officer", "late", json!({"rolling": rules})).await;
    desk.granted_in("cf-late", "delete", "cdi.kubevirt.io", "datavolumes").await;
    let mut removed = removed_disk("removed", 61);
    removed["metadata"]["namespace"] = json!("cf-late");
    create(plane, &removed);
    let handle = volume_handle(&desk.admin, "cf-late", "removed").await;

    plane.signal("kube-controller-manager", "-STOP");
    let deleted = async {
        eventually("the claim to be deleted", || async {
            let words = ["get", "pvc", "removed", "-n", "cf-late", "-o", "jsonpath={.metadata.deletionTimestamp}"];
            let (there, since) = plane.try_kubectl(&words, None);
            (there && !since.is_empty()).then_some(())
        })
        .await;
        plane.signal("kube-controller-manager", "-CONT");
    };
    let (ended, ()) = tokio::join!(purger.run(), deleted);
    assert_eq!(ended.outcome, RunOutcome::Rolled, "{ended:?}");
    assert!(!driver.holds(&handle));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_record_takes_its_namespace_and_its_walls_along() {
    let (desk, driver, _turn) = bed().await;
    ended_tenant(&desk, driver, "expired", &[]).await;
    eventually("the derived namespace", || async {
        desk.plane.try_kubectl(&["get", "namespace", "cfd-expired"], None).0.then_some(())
    })
    .await;
    let records = [record("cfd-expired", "access-log", "access"), record("cfd-expired", "notices", "notices")];
    world::apply(desk.plane, &records);
    let purger = due(&desk, "expired").await;
    purger.preview().await;
    purger.purged().await;
    desk.granted_in("cfd-expired", "delete", "", "configmaps").await;

    make_older(desk.plane, "configmaps", "cfd-expired", "access-log", 370);
    assert_eq!(purger.run().await.outcome, RunOutcome::Rolled);
    assert_eq!(theirs(&desk, "expired").await, ["ConfigMap derived notices"]);
    make_older(desk.plane, "configmaps", "cfd-expired", "notices", 6 * 366);
    let ended = purger.run().await;
    assert_eq!(ended.outcome, RunOutcome::Rolled, "{ended:?}");
    let left: Vec<String> = objects(&desk.admin, "expired").await.into_keys().collect();
    assert_eq!(left, Vec::<String>::new());
}
