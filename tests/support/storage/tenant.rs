//! A tenant that has something to lose.

use std::collections::BTreeSet;

use kube::Client;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use super::cluster::Kind;
use super::{DELETE, Driver, RETAIN};
use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, machine, network, tenant};

/// Where a tenant's data are: handles in the driver's backend.
#[derive(Clone, Debug)]
pub struct TenantData {
    pub namespace: String,
    /// Of the VMs' disks.
    pub disks: BTreeSet<String>,
    /// Of the VMs' TPM and UEFI state.
    pub states: BTreeSet<String>,
    /// Of the VolumeSnapshot `kept-not`, class [`DELETE`].
    pub snapshot: String,
    /// Of the VolumeSnapshot `kept`, class [`RETAIN`].
    pub retained: String,
    /// Of the VolumeSnapshots of the VirtualMachineSnapshot `before-change` of the VM `one`.
    pub machine_snapshots: BTreeSet<String>,
}

impl TenantData {
    /// Every handle: nothing of the tenant is readable when none of them is held any more.
    pub fn handles(&self) -> BTreeSet<String> {
        let single = [self.snapshot.clone(), self.retained.clone()];
        let sets = [&self.disks, &self.states, &self.machine_snapshots];
        sets.into_iter().flatten().cloned().chain(single).collect()
    }
}

/// Applies a Tenant with the VMs `one` and `two`, and waits until it has data of every sort. An operator and the driver
/// must be running. `more` is merged into the Tenant's spec.
pub async fn tenant_with_data(plane: &Plane, driver: &Driver, name: &str, more: Value) -> TenantData {
    let client = plane.admin().await;
    let namespace = format!("cf-{name}");
    let machines = json!([machine("one", &["front"]), machine("two", &["front"])]);
    // One VirtualMachineSnapshot counts twice here: a disk and a state.
    let mut manifest = tenant(name, json!({"virtualMachines": machines, "contract": {"capacity": {"snapshots": 8}}}));
    world::merge(&mut manifest["spec"], more);
    apply(plane, &[world::namespace(name), manifest, network(name, "front", json!({}))]);
    let (disks, states) = eventually(&format!("{name}: two disks and two states"), || async {
        let all = handles_of_claims(&client, &namespace).await?;
        let (states, disks): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, state)| *state);
        (disks.len() == 2 && states.len() == 2).then(|| (handles(disks), handles(states)))
    })
    .await;
    let claim = first_disk(&client, &namespace).await;
    apply(
        plane,
        &[
            volume_snapshot(&namespace, "kept-not", &claim, DELETE),
            volume_snapshot(&namespace, "kept", &claim, RETAIN),
            machine_snapshot(&namespace, "before-change", "one", "Delete"),
        ],
    );
    let snapshot = snapshot_handle(&client, &namespace, "kept-not").await;
    let retained = snapshot_handle(&client, &namespace, "kept").await;
    let machine_snapshots = machine_snapshot_handles(&client, &namespace, "before-change").await;
    let data = TenantData { namespace, disks, states, snapshot, retained, machine_snapshots };
    for handle in data.handles() {
        assert!(driver.holds(&handle), "{handle} is named by an object and not in the backend");
    }
    data
}

fn handles(claims: Vec<(String, bool)>) -> BTreeSet<String> {
    claims.into_iter().map(|(handle, _)| handle).collect()
}

/// Handles of the namespace's bound claims, each with whether it holds a VM's state.
async fn handles_of_claims(client: &Client, namespace: &str) -> Option<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for claim in Kind::Claim.api(client, Some(namespace)).list(&ListParams::default()).await.ok()? {
        let state = claim.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("persistent-state-for"));
        let bound = claim.data["status"]["phase"] == "Bound";
        if let Some(volume) = claim.data["spec"]["volumeName"].as_str().filter(|_| bound) {
            let volume = Kind::Volume.api(client, None).get_opt(volume).await.ok()??;
            found.push((volume.data["spec"]["csi"]["volumeHandle"].as_str()?.to_owned(), state));
        }
    }
    Some(found)
}

/// Name of a claim of the namespace that is a disk.
async fn first_disk(client: &Client, namespace: &str) -> String {
    let claims = Kind::Claim.api(client, Some(namespace)).list(&ListParams::default()).await.expect("a list");
    let mut disks = claims.items.into_iter().filter_map(|claim| claim.metadata.name);
    disks.find(|name| !name.starts_with("persistent-state-for")).expect("a disk")
}

/// A VolumeSnapshot of a claim.
pub fn volume_snapshot(namespace: &str, name: &str, claim: &str, class: &str) -> Value {
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": claim}},
    })
}

/// A VirtualMachineSnapshot of a VM.
pub fn machine_snapshot(namespace: &str, name: &str, machine: &str, policy: &str) -> Value {
    json!({
        "apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "deletionPolicy": policy,
            "source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": machine},
        },
    })
}

/// Waits for the claim to be bound; the handle of its volume.
pub async fn volume_handle(client: &Client, namespace: &str, claim: &str) -> String {
    let volume = eventually(&format!("claim {namespace}/{claim} to be bound"), || async {
        let claim = ready(Kind::Claim.api(client, Some(namespace)).get_opt(claim).await.ok()??, |object| {
            object.data["status"]["phase"] == "Bound"
        })?;
        let name = claim.data["spec"]["volumeName"].as_str()?.to_owned();
        Kind::Volume.api(client, None).get_opt(&name).await.ok()?
    })
    .await;
    volume.data["spec"]["csi"]["volumeHandle"].as_str().expect("a volume of the driver").to_owned()
}

/// Waits for the VolumeSnapshot to be ready; the handle of its data.
pub async fn snapshot_handle(client: &Client, namespace: &str, name: &str) -> String {
    eventually(&format!("VolumeSnapshot {namespace}/{name} to be ready"), || async {
        let snapshot = Kind::Snapshot.api(client, Some(namespace)).get_opt(name).await.ok()??;
        let snapshot = ready(snapshot, |object| object.data["status"]["readyToUse"] == true)?;
        let content = snapshot.data["status"]["boundVolumeSnapshotContentName"].as_str()?.to_owned();
        let content = Kind::SnapshotContent.api(client, None).get_opt(&content).await.ok()??;
        content.data["status"]["snapshotHandle"].as_str().map(str::to_owned)
    })
    .await
}

/// Waits for the VirtualMachineSnapshot to be ready; the handles of its volumes' snapshots.
pub async fn machine_snapshot_handles(client: &Client, namespace: &str, name: &str) -> BTreeSet<String> {
    let content = eventually(&format!("VirtualMachineSnapshot {namespace}/{name} to be ready"), || async {
        let snapshot = Kind::MachineSnapshot.api(client, Some(namespace)).get_opt(name).await.ok()??;
        let snapshot = ready(snapshot, |object| object.data["status"]["readyToUse"] == true)?;
        let content = snapshot.data["status"]["virtualMachineSnapshotContentName"].as_str()?.to_owned();
        Kind::MachineSnapshotContent.api(client, Some(namespace)).get_opt(&content).await.ok()?
    })
    .await;
    let mut handles = BTreeSet::new();
    for backup in content.data["spec"]["volumeBackups"].as_array().into_iter().flatten() {
        let snapshot = backup["volumeSnapshotName"].as_str().expect("a volume snapshot");
        handles.insert(snapshot_handle(client, namespace, snapshot).await);
    }
    handles
}

fn ready(object: DynamicObject, is: impl Fn(&DynamicObject) -> bool) -> Option<DynamicObject> {
    is(&object).then_some(object)
}
