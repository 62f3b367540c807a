//! Volumes, as external-provisioner does it.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::backend::Kept;
use super::cluster::{Cluster, Kind, Step, annotation, is_going, name, uid};
use super::{DRIVER, PROVISIONER};

pub const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Kubernetes asks for a volume with it: at once, or when a pod waits for the claim, as the class says.
const ASKED_FOR: &str = "volume.kubernetes.io/storage-provisioner";

/// One look; whether another is needed soon.
pub async fn play(cluster: &Cluster) -> bool {
    let mut again = false;
    for claim in cluster.all(Kind::Claim) {
        let step = provision(cluster, &claim).await;
        again |= cluster.failed("providing for claim", &claim, step);
    }
    for volume in cluster.all(Kind::Volume).iter().filter(|volume| is_ours(volume)) {
        match keep_or_remove(cluster, volume).await {
            Ok(done) => again |= !done,
            Err(error) => again |= cluster.failed("looking after volume", volume, Err(error)),
        }
    }
    again
}

async fn provision(cluster: &Cluster, claim: &DynamicObject) -> Step {
    let spec = &claim.data["spec"];
    if is_going(claim) || spec["volumeName"].is_string() || annotation(claim, ASKED_FOR) != Some(PROVISIONER) {
        return Ok(());
    }
    let class = spec["storageClassName"].as_str().unwrap_or_default();
    let Some(class) = cluster.get(Kind::StorageClass, None, class) else { return Ok(()) };
    let volume = format!("pvc-{}", uid(claim));
    if class.data["provisioner"] != PROVISIONER || cluster.get(Kind::Volume, None, &volume).is_some() {
        return Ok(());
    }
    let handle = format!("volume-{}", uid(claim));
    cluster.backend.lock().expect("no panic").make_volume(&handle);
    cluster.create(Kind::Volume, volume_for(claim, &class, &volume, &handle)).await
}

fn volume_for(claim: &DynamicObject, class: &DynamicObject, volume: &str, handle: &str) -> Value {
    let spec = &claim.data["spec"];
    json!({
        "metadata": {"name": volume, "annotations": {PROVISIONED_BY: PROVISIONER}, "finalizers": [FINALIZER]},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name(claim), "uid": uid(claim),
                "namespace": claim.metadata.namespace, "resourceVersion": claim.metadata.resource_version,
            },
            "csi": {"driver": DRIVER, "volumeHandle": handle},
            "persistentVolumeReclaimPolicy": class.data["reclaimPolicy"],
            "storageClassName": name(class),
            "volumeMode": spec["volumeMode"],
        },
    })
}

fn is_ours(volume: &DynamicObject) -> bool {
    annotation(volume, PROVISIONED_BY).map_or(volume.data["spec"]["csi"]["driver"] == DRIVER, |by| by == PROVISIONER)
}

/// Whether there is nothing left to do.
async fn keep_or_remove(cluster: &Cluster, volume: &DynamicObject) -> Result<bool, kube::Error> {
    let (spec, phase) = (&volume.data["spec"], &volume.data["status"]["phase"]);
    let finalizers = volume.metadata.finalizers.as_deref().unwrap_or_default();
    if spec["persistentVolumeReclaimPolicy"] != "Delete" {
        // Who deletes the object of a retained volume keeps the data, and loses sight of them.
        return cluster.finalizers(Kind::Volume, volume, &[], &[FINALIZER]).await.map(|()| true);
    }
    if phase == "Bound" && !is_going(volume) {
        return cluster.finalizers(Kind::Volume, volume, &[FINALIZER], &[]).await.map(|()| true);
    }
    let let_go = is_going(volume) && !finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    let only_ours = is_going(volume) && finalizers == [FINALIZER];
    if let_go || !(phase == "Released" || only_ours) {
        return Ok(true);
    }
    let handle = spec["csi"]["volumeHandle"].as_str().unwrap_or_default();
    let options = cluster.options.lock().expect("no panic").clone();
    if let Err(kept) = cluster.backend.lock().expect("no panic").remove(handle, &options) {
        return Ok(kept == Kept::Stuck);
    }
    if is_going(volume) {
        cluster.finalizers(Kind::Volume, volume, &[], &[FINALIZER]).await?;
    } else {
        cluster.delete(Kind::Volume, volume).await?;
    }
    Ok(true)
}
