//! The storage driver of the bed itself: what it keeps, what it removes, and what it is left with.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::plane::Plane;
use support::storage::cluster::Kind;
use support::storage::tenant::{
    machine_snapshot, machine_snapshot_handles, snapshot_handle, tenant_with_data, volume_handle, volume_snapshot,
};
use support::storage::{DELETE, Driver, Options, RETAIN};
use support::world::apply;
use support::{eventually, operator};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by tests that want a storage that behaves.
static BEHAVING: RwLock<()> = RwLock::const_new(());

struct Bed<Turn> {
    plane: &'static Plane,
    driver: &'static Driver,
    client: Client,
    namespace: &'static str,
    _turn: Turn,
}

async fn bed(namespace: &'static str) -> Bed<RwLockReadGuard<'static, ()>> {
    Bed::new(namespace, BEHAVING.read().await).await
}

/// A bed whose storage may misbehave: no other test runs.
async fn bed_alone(namespace: &'static str) -> Bed<RwLockWriteGuard<'static, ()>> {
    Bed::new(namespace, BEHAVING.write().await).await
}

impl<Turn> Bed<Turn> {
    async fn new(namespace: &'static str, turn: Turn) -> Self {
        let plane = Plane::shared();
        let bed = Self { plane, driver: Driver::shared(plane), client: plane.admin().await, namespace, _turn: turn };
        bed.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        bed
    }

    fn apply(&self, manifest: Value) {
        apply(self.plane, &[manifest]);
    }

    async fn find(&self, kind: Kind, name: &str) -> Option<DynamicObject> {
        let namespace = Some(self.namespace).filter(|_| !is_global(kind));
        kind.api(&self.client, namespace).get_opt(name).await.expect("an answer")
    }

    async fn delete(&self, kind: Kind, name: &str) {
        let namespace = Some(self.namespace).filter(|_| !is_global(kind));
        kind.api(&self.client, namespace).delete(name, &DeleteParams::background()).await.expect("deleted");
    }

    async fn patch(&self, kind: Kind, name: &str, patch: Value) {
        let namespace = Some(self.namespace).filter(|_| !is_global(kind));
        let api = kind.api(&self.client, namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    }

    async fn gone(&self, kind: Kind, name: &str) {
        eventually(&format!("{kind:?} {name} to be gone"), || async {
            self.find(kind, name).await.is_none().then_some(())
        })
        .await;
    }

    async fn forgotten(&self, handle: &str) {
        eventually(&format!("{handle} to be removed"), || async { (!self.driver.holds(handle)).then_some(()) }).await;
    }

    async fn leaked(&self, handle: &str) {
        eventually(&format!("{handle} to be leaked"), || async { self.driver.leaked().contains(handle).then_some(()) })
            .await;
        assert!(self.driver.holds(handle), "what is leaked can still be read");
    }

    async fn phase(&self, volume: &str, phase: &str) {
        eventually(&format!("{volume} to be {phase}"), || async {
            (self.find(Kind::Volume, volume).await?.data["status"]["phase"] == phase).then_some(())
        })
        .await;
    }

    /// A bound claim: the name of its volume and its handle.
    async fn claim(&self, name: &str) -> (String, String) {
        self.apply(claim(self.namespace, name));
        let handle = volume_handle(&self.client, self.namespace, name).await;
        let claim = self.find(Kind::Claim, name).await.expect("the claim");
        (claim.data["spec"]["volumeName"].as_str().expect("bound").to_owned(), handle)
    }

    /// A snapshot of a claim that is ready: the name of its content and its handle.
    async fn snapshot(&self, name: &str, claim: &str, class: &str) -> (String, String) {
        self.apply(volume_snapshot(self.namespace, name, claim, class));
        let handle = snapshot_handle(&self.client, self.namespace, name).await;
        let snapshot = self.find(Kind::Snapshot, name).await.expect("the snapshot");
        (snapshot.data["status"]["boundVolumeSnapshotContentName"].as_str().expect("bound").to_owned(), handle)
    }

    /// A VM on a disk of the same name and with a persistent TPM: the handle of its disk, and its state's claim.
    async fn machine(&self, name: &str) -> (String, String) {
        self.apply(json!({
            "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"runStrategy": "Always", "template": {"spec": {
                "domain": {"devices": {"tpm": {"persistent": true}}},
                "volumes": [{"name": "root", "dataVolume": {"name": name}}],
            }}},
        }));
        self.data_volume(name);
        let disk = volume_handle(&self.client, self.namespace, name).await;
        let state = eventually("the VM's state", || async {
            let found = Kind::Claim.api(&self.client, Some(self.namespace)).list(&labelled(name)).await.ok()?;
            found.items.into_iter().next()?.metadata.name
        })
        .await;
        (disk, state)
    }

    fn data_volume(&self, name: &str) {
        self.apply(json!({
            "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"of": "a-test"}},
            "spec": {"source": {"blank": {}}, "storage": disk()},
        }));
    }
}

fn is_global(kind: Kind) -> bool {
    matches!(kind, Kind::Volume | Kind::SnapshotContent)
}

fn claim(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace}, "spec": disk(),
    })
}

fn disk() -> Value {
    json!({
        "storageClassName": "cf-jp-encrypted", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1536Mi"}},
    })
}

fn labelled(machine: &str) -> kube::api::ListParams {
    kube::api::ListParams::default().labels(&format!("persistent-state-for={machine}"))
}

#[tokio::test]
async fn a_claim_is_provisioned_and_its_volume_goes_with_it() {
    let bed = bed("claim").await;
    let (volume, handle) = bed.claim("disk").await;
    let object = bed.find(Kind::Volume, &volume).await.expect("the volume");
    assert_eq!(object.data["spec"]["csi"], json!({"driver": "storage.test", "volumeHandle": handle}));
    assert_eq!(object.data["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    assert_eq!(object.data["spec"]["capacity"]["storage"], "1536Mi");
    let other = bed.claim("other").await.1;
    assert!(bed.driver.canary(&handle) != bed.driver.canary(&other), "no two volumes hold the same");

    bed.delete(Kind::Claim, "disk").await;
    bed.gone(Kind::Volume, &volume).await;
    assert!(!bed.driver.volumes().contains(&handle));
    assert!(bed.driver.volumes().contains(&other));
}

#[tokio::test]
async fn a_volume_that_is_deleted_before_its_claim_goes_after_it() {
    let bed = bed("early").await;
    let (volume, handle) = bed.claim("disk").await;
    bed.driver.stick(&handle);
    bed.delete(Kind::Volume, &volume).await;
    assert!(bed.driver.holds(&handle), "a bound volume is protected");
    bed.delete(Kind::Claim, "disk").await;
    bed.phase(&volume, "Released").await;
    assert!(bed.driver.holds(&handle), "its storage does not let go of it");
    bed.driver.unstick(&handle);
    bed.gone(Kind::Volume, &volume).await;
    bed.forgotten(&handle).await;
}

#[tokio::test]
async fn a_retained_volume_stays_until_its_policy_is_delete() {
    let bed = bed("retained").await;
    let (volume, handle) = bed.claim("disk").await;
    bed.patch(Kind::Volume, &volume, json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}})).await;
    bed.delete(Kind::Claim, "disk").await;
    bed.phase(&volume, "Released").await;
    // Another volume comes and goes meanwhile: the driver has had its chance.
    let other = bed.claim("other").await.0;
    bed.delete(Kind::Claim, "other").await;
    bed.gone(Kind::Volume, &other).await;
    bed.phase(&volume, "Released").await;
    assert!(bed.driver.holds(&handle));

    bed.patch(Kind::Volume, &volume, json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}})).await;
    bed.gone(Kind::Volume, &volume).await;
    bed.forgotten(&handle).await;
    assert!(!bed.driver.leaked().contains(&handle));
}

#[tokio::test]
async fn data_are_leaked_when_a_retained_volume_s_object_is_deleted_or_a_finalizer_pulled() {
    let bed = bed("leak").await;
    let (volume, retained) = bed.claim("retained").await;
    bed.patch(Kind::Volume, &volume, json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}})).await;
    bed.delete(Kind::Claim, "retained").await;
    bed.phase(&volume, "Released").await;
    bed.delete(Kind::Volume, &volume).await;
    bed.gone(Kind::Volume, &volume).await;
    bed.leaked(&retained).await;

    let (volume, pulled) = bed.claim("pulled").await;
    bed.delete(Kind::Volume, &volume).await;
    bed.patch(Kind::Volume, &volume, json!({"metadata": {"finalizers": null}})).await;
    bed.gone(Kind::Volume, &volume).await;
    bed.leaked(&pulled).await;
}

#[tokio::test]
async fn a_snapshot_copies_its_volume_and_goes_with_its_content() {
    let bed = bed("snapshot").await;
    let (_, volume) = bed.claim("disk").await;
    let (content, handle) = bed.snapshot("before", "disk", DELETE).await;
    assert_eq!(bed.driver.canary(&handle), bed.driver.canary(&volume));
    let snapshot = bed.find(Kind::Snapshot, "before").await.expect("the snapshot");
    assert_eq!(snapshot.data["status"]["restoreSize"], "1536Mi");

    bed.delete(Kind::Claim, "disk").await;
    bed.forgotten(&volume).await;
    assert!(bed.driver.snapshots().contains(&handle), "a snapshot outlives its volume");
    bed.delete(Kind::SnapshotContent, &content).await;
    // Another one comes and goes meanwhile: the driver has had its chance.
    bed.claim("other").await;
    let other = bed.snapshot("other", "other", DELETE).await.0;
    bed.delete(Kind::Snapshot, "other").await;
    bed.gone(Kind::SnapshotContent, &other).await;
    assert!(bed.driver.holds(&handle), "a content alone waits for its snapshot");
    bed.delete(Kind::Snapshot, "before").await;
    bed.gone(Kind::Snapshot, "before").await;
    assert!(bed.find(Kind::SnapshotContent, &content).await.is_none());
    assert!(!bed.driver.holds(&handle));
}

#[tokio::test]
async fn a_retained_snapshot_content_outlives_its_snapshot() {
    let bed = bed("retained-snapshot").await;
    bed.claim("disk").await;
    let (kept, kept_handle) = bed.snapshot("kept", "disk", RETAIN).await;
    let (lost, lost_handle) = bed.snapshot("lost", "disk", RETAIN).await;
    for name in ["kept", "lost"] {
        bed.delete(Kind::Snapshot, name).await;
        bed.gone(Kind::Snapshot, name).await;
    }
    for (content, handle) in [(&kept, &kept_handle), (&lost, &lost_handle)] {
        assert!(bed.find(Kind::SnapshotContent, content).await.is_some());
        assert!(bed.driver.holds(handle));
    }

    bed.patch(Kind::SnapshotContent, &kept, json!({"spec": {"deletionPolicy": "Delete"}})).await;
    for content in [&kept, &lost] {
        bed.delete(Kind::SnapshotContent, content).await;
        bed.gone(Kind::SnapshotContent, content).await;
    }
    assert!(!bed.driver.holds(&kept_handle), "its policy was made Delete before it was deleted");
    bed.leaked(&lost_handle).await;
}

#[tokio::test]
async fn a_data_volume_takes_its_claim_and_volume_along() {
    let bed = bed("data-volume").await;
    bed.data_volume("disk");
    let handle = volume_handle(&bed.client, bed.namespace, "disk").await;
    let claim = bed.find(Kind::Claim, "disk").await.expect("the claim");
    assert_eq!(claim.metadata.labels.as_ref().and_then(|labels| labels.get("of")).map(String::as_str), Some("a-test"));
    bed.delete(Kind::DataVolume, "disk").await;
    bed.gone(Kind::Claim, "disk").await;
    bed.gone(Kind::Volume, claim.data["spec"]["volumeName"].as_str().expect("bound")).await;
    assert!(!bed.driver.holds(&handle));
}

#[tokio::test]
async fn a_vm_takes_its_state_and_its_instance_along_and_leaves_its_disk() {
    let bed = bed("machine").await;
    let (disk, state) = bed.machine("vm").await;
    let state_handle = volume_handle(&bed.client, bed.namespace, &state).await;
    let owner = bed.find(Kind::Machine, "vm").await.expect("the VM").metadata.uid;
    bed.apply(json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
        "metadata": {"name": "vm", "namespace": bed.namespace, "ownerReferences": [
            {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": owner, "controller": true},
        ]},
        "spec": {"domain": {"devices": {}}},
    }));
    bed.delete(Kind::Machine, "vm").await;
    bed.gone(Kind::Instance, "vm").await;
    bed.gone(Kind::Claim, &state).await;
    bed.forgotten(&state_handle).await;
    assert!(bed.driver.holds(&disk));
}

#[tokio::test]
async fn a_vm_snapshot_takes_its_volume_snapshots_along() {
    let bed = bed("vm-snapshot").await;
    let (disk, state) = bed.machine("vm").await;
    let state = volume_handle(&bed.client, bed.namespace, &state).await;
    let mut contents = Vec::new();
    let mut handles = Vec::new();
    for policy in ["Delete", "Retain"] {
        let name = policy.to_lowercase();
        bed.apply(machine_snapshot(bed.namespace, &name, "vm", policy));
        let taken = machine_snapshot_handles(&bed.client, bed.namespace, &name).await;
        let data: BTreeSet<_> = taken.iter().map(|handle| bed.driver.canary(handle)).collect();
        assert_eq!(data, BTreeSet::from([bed.driver.canary(&disk), bed.driver.canary(&state)]));
        let snapshot = bed.find(Kind::MachineSnapshot, &name).await.expect("the snapshot");
        assert_eq!(snapshot.data["status"]["phase"], "Succeeded");
        contents.push(format!("vmsnapshot-content-{}", snapshot.metadata.uid.expect("a uid")));
        handles.push(taken);
        bed.delete(Kind::MachineSnapshot, &name).await;
        bed.gone(Kind::MachineSnapshot, &name).await;
    }
    bed.gone(Kind::MachineSnapshotContent, &contents[0]).await;
    for handle in &handles[0] {
        bed.forgotten(handle).await;
    }
    assert!(bed.find(Kind::MachineSnapshotContent, &contents[1]).await.is_some());
    assert!(handles[1].iter().all(|handle| bed.driver.holds(handle)), "a retained content keeps its snapshots");
    bed.delete(Kind::MachineSnapshotContent, &contents[1]).await;
    for handle in &handles[1] {
        bed.forgotten(handle).await;
    }
}

#[tokio::test]
async fn a_namespace_takes_all_but_what_is_retained_along() {
    let bed = bed("whole").await;
    let (disk, state) = bed.machine("vm").await;
    let state = volume_handle(&bed.client, bed.namespace, &state).await;
    let (_, snapshot) = bed.snapshot("goes", "vm", DELETE).await;
    let (content, retained) = bed.snapshot("stays", "vm", RETAIN).await;
    bed.apply(machine_snapshot(bed.namespace, "all", "vm", "Delete"));
    let machine_snapshots = machine_snapshot_handles(&bed.client, bed.namespace, "all").await;
    bed.plane.kubectl(&["delete", "namespace", bed.namespace, "--timeout=60s"], None);
    for handle in machine_snapshots.iter().chain([&disk, &state, &snapshot]) {
        bed.forgotten(handle).await;
    }
    assert!(bed.find(Kind::SnapshotContent, &content).await.is_some());
    assert!(bed.driver.holds(&retained));
}

#[tokio::test]
async fn a_storage_that_is_stuck_slow_or_down_keeps_what_it_has() {
    let bed = bed_alone("faults").await;
    let (stuck, stuck_handle) = bed.claim("stuck").await;
    let (content, snapshot_handle) = bed.snapshot("stuck", "stuck", DELETE).await;
    bed.driver.set(Options { stuck_volumes: true, stuck_snapshots: true, slow: None });
    bed.delete(Kind::Snapshot, "stuck").await;
    bed.delete(Kind::Claim, "stuck").await;
    bed.phase(&stuck, "Released").await;
    eventually("the content to be on its way", || async {
        bed.find(Kind::SnapshotContent, &content).await?.metadata.deletion_timestamp
    })
    .await;
    // What comes later is served: the driver is not stuck itself, and has left these two where they are.
    bed.claim("down").await;
    assert!(bed.driver.holds(&stuck_handle) && bed.driver.holds(&snapshot_handle));
    let began = tokio::time::Instant::now();
    bed.driver.set(Options { slow: Some(Duration::from_millis(500)), ..Options::default() });
    bed.gone(Kind::Volume, &stuck).await;
    bed.gone(Kind::Snapshot, "stuck").await;
    assert!(began.elapsed() >= Duration::from_millis(500), "it is slow");
    assert!(!bed.driver.holds(&stuck_handle) && !bed.driver.holds(&snapshot_handle));

    bed.driver.set(Options::default());
    let (down, handle) = bed.claim("down").await;
    bed.driver.pause().await;
    bed.delete(Kind::Claim, "down").await;
    bed.phase(&down, "Released").await;
    bed.apply(claim(bed.namespace, "waits"));
    eventually("Kubernetes to ask for a volume", || async {
        let claim = bed.find(Kind::Claim, "waits").await?;
        claim.metadata.annotations?.get("volume.kubernetes.io/storage-provisioner").map(drop)
    })
    .await;
    assert!(bed.driver.holds(&handle));
    assert_eq!(bed.find(Kind::Claim, "waits").await.expect("the claim").data["status"]["phase"], "Pending");
    bed.driver.resume().await;
    volume_handle(&bed.client, bed.namespace, "waits").await;
    bed.gone(Kind::Volume, &down).await;
    bed.forgotten(&handle).await;
}

#[tokio::test]
async fn a_tenant_has_data_of_every_sort() {
    let bed = bed("tenant").await;
    operator::shared(bed.plane);
    let data = tenant_with_data(bed.plane, bed.driver, "rich", json!({})).await;
    assert_eq!(data.handles().len(), 2 + 2 + 2 + 2, "{data:#?}");
    let canaries: BTreeSet<_> = data.handles().iter().map(|handle| bed.driver.canary(handle)).collect();
    assert_eq!(canaries.len(), 4, "each snapshot is a copy of a disk or a state");
}
