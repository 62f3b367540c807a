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
use super::{bed, bed_alone, mails, objects};

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

/// What KubeVirt, or the snapshot controller, says of it.
fn says(desk: &Desk, kind: &str, namespace: &str, name: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    desk.plane
        .kubectl(&["patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch], None);
}

fn ready() -> Value {
    json!({"readyToUse": true})
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

/// A claim as KubeVirt calls those that it restores to.
fn restored_name(which: &str) -> String {
    format!("restore-{which}9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11-root")
}

/// One that is in no VM since so many days.
fn restored_claim(name: &str, days: Option<i64>) -> Value {
    let mut claim = object("v1", "PersistentVolumeClaim", "cf-rolls", name, None);
    claim["spec"] = json!({
        "accessModes": ["ReadWriteMany"], "volumeMode": "Block", "storageClassName": "cf-jp-encrypted",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    if let Some(days) = days {
        let since = now() - SignedDuration::from_hours(24 * days);
        claim["metadata"]["annotations"] = json!({"cloudfarm.dev/removed-at": since.to_string()});
    }
    claim
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

fn export(name: &str) -> Value {
    let source = json!({"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "disk"});
    object("export.kubevirt.io/v1beta1", "VirtualMachineExport", "cf-rolls", name, Some(json!({"source": source})))
}

/// A tenant that is taken leave of bit by bit, suspended, with the rights that this needs.
async fn rolls(desk: &Desk) -> Purger {
    let capacity = json!({"contract": {"capacity": {"snapshots": 60}}});
    world::apply(desk.plane, &[world::namespace("rolls"), world::tenant("rolls", capacity)]);
    let purger = Purger::of(desk, "rolls").await;
    let rule = |target: &str, age: &str, keep: i64| json!({"target": target, "olderThan": age, "keepLast": keep});
    let rules =
        [rule("Snapshots", "30d", 1), rule("RemovedDisks", "60d", 0), rule("Exports", "7d", 0), rule("Logs", "1d", 0)];
    desk.decided("officer", "rolls", json!({"rolling": rules, "suspend": true})).await;
    desk.granted_in("cf-rolls", "delete", "cdi.kubevirt.io", "datavolumes").await;
    desk.granted_in("cfd-rolls", "delete", "", "configmaps").await;
    purger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_while_the_contract_runs_and_what_is_young_the_newest_or_declared_stays() {
    let (desk, driver, _turn) = bed().await;
    let plane = desk.plane;
    let purger = rolls(&desk).await;

    let aged = [
        (SNAPSHOTS, "cf-rolls", snapshot("web-oldest", "web"), 50),
        (SNAPSHOTS, "cf-rolls", snapshot("web-old", "web"), 40),
        (SNAPSHOTS, "cf-rolls", snapshot("web-young", "web"), 2),
        (SNAPSHOTS, "cf-rolls", snapshot("app-good", "app"), 60),
        (SNAPSHOTS, "cf-rolls", snapshot("app-failed", "app"), 50),
        (SNAPSHOTS, "cf-rolls", snapshot("app-lacks-a-disk", "app"), 45),
        (SNAPSHOTS, "cf-rolls", snapshot("app-under-way", "app"), 40),
        (SNAPSHOTS, "cf-rolls", snapshot("db-old-and-the-newest", "db"), 90),
        (CONTENTS, "cf-rolls", content("content-of-web-old", "web-old"), 40),
        (CONTENTS, "cf-rolls", content("content-of-web-young", "web-young"), 2),
        ("volumesnapshots.snapshot.storage.k8s.io", "cf-rolls", volume_snapshot("disk-old"), 40),
        ("volumesnapshots.snapshot.storage.k8s.io", "cf-rolls", volume_snapshot("disk-young"), 2),
        ("volumesnapshots.snapshot.storage.k8s.io", "cf-rolls", volume_snapshot("disk-under-way"), 1),
        ("virtualmachineexports.export.kubevirt.io", "cf-rolls", export("old"), 8),
        ("virtualmachineexports.export.kubevirt.io", "cf-rolls", export("young"), 6),
        ("configmaps", "cfd-rolls", record("cfd-rolls", "long-ago", "access"), 400),
        ("configmaps", "cfd-rolls", record("cfd-rolls", "lately", "access"), 300),
        ("reports.openreports.io", "cfd-rolls", report("cfd-rolls", "long-ago"), 400),
    ];
    for (kind, namespace, object, days) in &aged {
        create(plane, object);
        let name = object["metadata"]["name"].as_str().expect("a name");
        match name {
            "app-failed" => says(&desk, kind, namespace, name, &json!({"phase": "Failed", "readyToUse": false})),
            "app-lacks-a-disk" => {
                let words = json!([{"indication": "PartialSnapshot", "message": ""}]);
                says(&desk, kind, namespace, name, &json!({"readyToUse": true, "sourceIndications": words}));
            }
            "app-under-way" | "disk-under-way" => {}
            _ if kind.contains("snapshots.") => says(&desk, kind, namespace, name, &ready()),
            _ => {}
        }
        make_older(plane, kind, namespace, name, *days);
    }
    // A restore has put a claim of its own in the place of the disk.
    let mut removed = removed_disk("removed-long-ago", 61);
    let [of_it, left_over, in_use, remembered, lately] = ["0a", "0b", "0c", "0d", "0e"].map(restored_name);
    removed["metadata"]["annotations"]["cloudfarm.dev/restored-as"] = json!(of_it);
    create(plane, &removed);
    create(plane, &restored_claim(&of_it, None));
    // Another restore has put others in the place of those: they are in no VM, some for long, and one is in one again.
    let mut kept = removed_disk("kept", 59);
    kept["metadata"]["annotations"]["cloudfarm.dev/restored-as"] = json!(remembered);
    create(plane, &kept);
    let firmware = json!({"bootloader": {"efi": {"secureBoot": true}}});
    let vm = json!({"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}, "firmware": firmware},
        "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": in_use}}]}}});
    create(plane, &object("kubevirt.io/v1", "VirtualMachine", "cf-rolls", "uses", Some(vm)));
    for (name, days) in [(&left_over, 61), (&in_use, 61), (&remembered, 61), (&lately, 59)] {
        create(plane, &restored_claim(name, Some(days)));
    }
    // Whatever somebody writes there names no claim but one that a restore made.
    let mut odd = removed_disk("odd", 61);
    odd["metadata"]["annotations"]["cloudfarm.dev/restored-as"] = json!("somebodys-data");
    create(plane, &odd);
    create(plane, &restored_claim("somebodys-data", Some(61)));
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
            "DataVolume odd",
            "DataVolume removed-long-ago",
            "PersistentVolumeClaim odd",
            "PersistentVolumeClaim removed-long-ago",
            format!("PersistentVolumeClaim {of_it}").as_str(),
            format!("PersistentVolumeClaim {left_over}").as_str(),
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

/// The operator marks, the run erases: what is marked and older than the rule's own floor of backups that are good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_when_the_operator_has_marked_it_and_enough_good_ones_are_newer() {
    let (desk, _, _turn) = bed().await;
    let plane = desk.plane;
    let capacity = json!({"contract": {"capacity": {"snapshots": 60}}});
    world::apply(plane, &[world::namespace("shelf"), world::tenant("shelf", capacity)]);
    let purger = Purger::of(&desk, "shelf").await;
    // A rule for snapshots has no say about backups by plan, marked or not.
    let rules = json!([
        {"target": "Backups", "olderThan": "10d", "keepLast": 2}, {"target": "Snapshots", "olderThan": "1d", "keepLast": 0},
    ]);
    desk.decided("officer", "shelf", json!({"rolling": rules})).await;
    desk.granted_in("cf-shelf", "delete", "snapshot.kubevirt.io", "virtualmachinesnapshots").await;
    let operator = plane.operator_kubeconfig("shelf");
    let failed = json!({"phase": "Failed", "readyToUse": false});
    let made = [
        ("web-60-failed", 60, true, &failed),
        ("web-50", 50, true, &ready()),
        ("web-40-kept-by-the-plan", 40, false, &ready()),
        ("web-30", 30, true, &ready()),
        ("web-20", 20, true, &ready()),
        ("web-15-failed", 15, true, &failed),
        ("web-5", 5, true, &json!({"readyToUse": false})),
    ];
    for (name, days, marked, status) in made {
        let mut backup = snapshot(name, "web");
        backup["metadata"]["namespace"] = json!("cf-shelf");
        backup["metadata"]["labels"] = json!({"cloudfarm.dev/backup": "plan"});
        if marked {
            backup["metadata"]["labels"]["cloudfarm.dev/disposable"] = json!("true");
        }
        let (ok, said) = plane.try_kubectl_with(&operator, &["create", "-f", "-"], Some(&backup.to_string()));
        assert!(ok, "{said}");
        says(&desk, SNAPSHOTS, "cf-shelf", name, status);
        make_older(plane, SNAPSHOTS, "cf-shelf", name, days);
    }
    let ended = purger.run().await;
    assert_eq!(ended.outcome, RunOutcome::Rolled, "{ended:?}");
    let left = ["web-20", "web-30", "web-40-kept-by-the-plan", "web-5"];
    let left: Vec<String> = left.iter().map(|name| format!("VirtualMachineSnapshot {name}")).collect();
    assert_eq!(theirs(&desk, "shelf").await, left);
    assert_eq!(purger.run().await.outcome, RunOutcome::Waited);
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
    world::apply(desk.plane, &[record("cfd-expired", "access-log", "access")]);
    mails(desk.plane, &record("cfd-expired", "notices", "notices"));
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
