//! A VM that is brought back from a backup by plan, by its customer, with KubeVirt's own controllers. The test plays the
//! snapshot controller: it says of a volume's snapshot that it is there, and no byte is copied.

use std::process::Command;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};

use super::bed::{bed, claims, printable};
use super::power::switch;
use crate::support::caller::Caller;
use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::world::{apply, condition, machine, machines, namespace, network, resource, tenant, tenants};

fn all(client: &Client, tenant: &str, group: &str, kind: &str) -> Api<DynamicObject> {
    let version = if group.ends_with("k8s.io") { "v1" } else { "v1beta1" };
    let kind = resource(group, version, kind, &(kind.to_lowercase() + "s"));
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

/// The backup by plan, once KubeVirt calls it ready.
async fn backup(plane: &Plane, client: &Client, tenant: &str) -> String {
    let volumes = all(client, tenant, "snapshot.storage.k8s.io", "VolumeSnapshot");
    let backups = all(client, tenant, "snapshot.kubevirt.io", "VirtualMachineSnapshot");
    eventually("a backup by plan", || async {
        for volume in volumes.list(&ListParams::default()).await.ok()? {
            let name = volume.metadata.name?;
            let there =
                json!({"status": {"readyToUse": true, "creationTime": "2026-11-29T17:00:00Z", "restoreSize": "10Mi"}});
            let namespace = format!("cf-{tenant}");
            let words =
                ["patch", "volumesnapshot", &name, "-n", &namespace, "--subresource=status", "--type=merge", "-p"];
            if volume.data["status"]["readyToUse"] != true {
                plane.kubectl(&[&words[..], &[&there.to_string()]].concat(), None);
            }
        }
        let found = backups.list(&ListParams::default()).await.ok()?.items;
        found.into_iter().find(|backup| backup.data["status"]["readyToUse"] == true)?.metadata.name
    })
    .await
}

/// `cloudfarm restore` of VM web of this tenant, as its administrator; exit code and all that it said.
fn restore(plane: &Plane, tenant: &str, backup: &str, more: &[&str]) -> (Option<i32>, String) {
    let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut config: Value = serde_json::from_str(&admin).expect("JSON");
    config["users"][0]["user"]["as"] = json!("sato");
    let file = plane.dir.join("sato.kubeconfig");
    std::fs::write(&file, config.to_string()).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
        .args(["restore", tenant, "web", "--backup", backup, "--kubeconfig"])
        .arg(&file)
        .args(more)
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("text"))
}

fn root(vm: &Value) -> Value {
    vm["spec"]["template"]["spec"]["volumes"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_its_customer_brings_back_keeps_its_new_disk_and_its_addresses_also_when_it_is_declared_anew() {
    let (plane, client) = bed().await;
    let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": "of-kwok", "labels": {"cloudfarm.dev/country": "JP"}},
        "driver": "kwok.x-k8s.io/volume", "deletionPolicy": "Delete"});
    let of = |vms: Value, planned: bool| {
        let plan = json!({"enabled": planned, "schedule": "* * * * *", "keepLast": 1});
        let contract = json!({"capacity": {"storage": "100Gi", "snapshots": 1}});
        tenant("returned", json!({"contract": contract, "backup": plan, "virtualMachines": vms}))
    };
    let web = || json!([machine("web", &["front"])]);
    apply(plane, &[class, namespace("returned"), of(web(), false), network("returned", "front", json!({}))]);
    condition(&tenants(&client), "returned", "Ready", "True").await;
    let sato = Caller::user(plane, "sato").await;
    switch(&sato, "returned", "web", "stop").await;
    printable(&client, "returned", "web", "Stopped").await;
    apply(plane, &[of(web(), true)]);
    let backup = backup(plane, &client, "returned").await;
    switch(&sato, "returned", "web", "start").await;
    let before = printable(&client, "returned", "web", "Running").await;
    let disk = claims(&client, "returned").get("web-root").await.expect("a claim").metadata.uid;

    let (code, said) = restore(plane, "returned", &backup, &[]);
    assert!(code == Some(4) && said.contains("the VM runs: stop it, or let it be stopped with --stop"), "{said}");
    let (code, said) = restore(plane, "returned", "web-20200101t0000", &[]);
    assert!(code == Some(1) && said.contains(&format!("the latest of this VM: {backup}")), "{said}");
    let (code, said) = restore(plane, "returned", &backup, &["--stop", "--wait", "--timeout", "100"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it is off, start it with: virtctl start web -n cf-returned"), "{said}");

    let after = printable(&client, "returned", "web", "Stopped").await;
    let claim = root(&after)["persistentVolumeClaim"]["claimName"].as_str().expect("a claim in the VM").to_owned();
    let interfaces = |vm: &Value| vm["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"].clone();
    assert_eq!(interfaces(&after), interfaces(&before));
    let restored = claims(&client, "returned").get(&claim).await.expect("the restored claim").metadata;
    assert!(claim.starts_with("restore-") && restored.owner_references.is_none(), "{restored:?}");
    let disks = all(&client, "returned", "cdi.kubevirt.io", "DataVolume");
    eventually("the disk to remember which claim stands for it", || async {
        let known = disks.get_opt("web-root").await.ok()??.metadata.annotations?;
        (known.get("cloudfarm.dev/restored-as") == Some(&claim)).then_some(())
    })
    .await;
    switch(&sato, "returned", "web", "start").await;
    let running = printable(&client, "returned", "web", "Running").await;
    assert_eq!(root(&running)["persistentVolumeClaim"]["claimName"], json!(claim));
    let told = eventually("the status to tell that it ran", || async {
        let found = tenants(&client).get_opt("returned").await.ok()??;
        let last = found.data["status"]["backups"][0]["lastRestore"].clone();
        last["ranAt"].is_string().then_some(last)
    })
    .await;
    assert_eq!(told["backup"], json!(backup));
    assert_eq!(claims(&client, "returned").get("web-root").await.expect("the old claim").metadata.uid, disk);

    // Declared anew it has the same disk.
    apply(plane, &[of(json!([]), true)]);
    eventually("the VM to be gone", || async {
        machines(&client, "returned").get_opt("web").await.ok()?.is_none().then_some(())
    })
    .await;
    apply(plane, &[of(web(), true)]);
    let anew = printable(&client, "returned", "web", "Running").await;
    assert_eq!(root(&anew)["persistentVolumeClaim"]["claimName"], json!(claim));
}

/// KubeVirt deletes what of it is there before it lets go of the VM; refused, the VM would stay locked for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_misses_its_deadline_lets_go_of_its_vm_and_leaves_nothing() {
    let (plane, client) = bed().await;
    let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": "of-kwok", "labels": {"cloudfarm.dev/country": "JP"}},
        "driver": "kwok.x-k8s.io/volume", "deletionPolicy": "Delete"});
    let capacity = json!({"capacity": {"storage": "100Gi", "snapshots": 3}});
    let late = tenant("late", json!({"contract": capacity, "virtualMachines": [machine("web", &["front"])]}));
    apply(plane, &[class, namespace("late"), late, network("late", "front", json!({}))]);
    condition(&tenants(&client), "late", "Ready", "True").await;
    let sato = Caller::user(plane, "sato").await;
    switch(&sato, "late", "web", "stop").await;
    printable(&client, "late", "web", "Stopped").await;
    let snapshot = json!({"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot",
        "metadata": {"name": "mine", "namespace": "cf-late"},
        "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}, "failureDeadline": "10s"}});
    apply(plane, &[snapshot]);
    let parts = all(&client, "late", "snapshot.storage.k8s.io", "VolumeSnapshot");
    let contents = all(&client, "late", "snapshot.kubevirt.io", "VirtualMachineSnapshotContent");
    eventually("the snapshot to be under way", || async {
        (!parts.list(&ListParams::default()).await.ok()?.items.is_empty()).then_some(())
    })
    .await;
    let snapshots = all(&client, "late", "snapshot.kubevirt.io", "VirtualMachineSnapshot");
    eventually("KubeVirt to give it up", || async {
        (snapshots.get_opt("mine").await.ok()??.data["status"]["phase"] == "Failed").then_some(())
    })
    .await;
    eventually("the VM to be free and nothing to be left", || async {
        let vm = machines(&client, "late").get_opt("web").await.ok()??;
        let left = contents.list(&ListParams::default()).await.ok()?.items.len()
            + parts.list(&ListParams::default()).await.ok()?.items.len();
        (vm.data["status"]["snapshotInProgress"].is_null() && left == 0).then_some(())
    })
    .await;
    switch(&sato, "late", "web", "start").await;
    printable(&client, "late", "web", "Running").await;
}
