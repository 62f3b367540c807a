//! Volume snapshots, as snapshot-controller and csi-snapshotter do it.

use cloudfarm::api::quantity::Quantity;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::backend::{Kept, snapshot_handle};
use super::cluster::{Cluster, Kind, Object, Step, annotation, born, is_going, name, uid};
use super::{DELETE, DRIVER, RETAIN};

const BOUND: &str = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection";
const AS_SOURCE: &str = "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection";
const CONTENT_BOUND: &str = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection";
const DEFAULT_CLASS: &str = "snapshot.storage.kubernetes.io/is-default-class";
/// Without it on the content, nobody asked for the snapshot to go: a content that is deleted alone waits for that.
const BEING_DELETED: &str = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";

/// The driver's classes.
pub async fn classes(cluster: &Cluster) -> Step {
    for (class, policy, default) in [(DELETE, "Delete", "true"), (RETAIN, "Retain", "false")] {
        let metadata = json!({"name": class, "annotations": {DEFAULT_CLASS: default}});
        let manifest = json!({"metadata": metadata, "driver": DRIVER, "deletionPolicy": policy});
        cluster.create(Kind::SnapshotClass, manifest).await?;
    }
    Ok(())
}

/// One look; whether another is needed soon.
pub async fn play(cluster: &Cluster) -> bool {
    let mut again = false;
    for snapshot in cluster.all(Kind::Snapshot) {
        let step = if is_going(&snapshot) { let_go(cluster, &snapshot).await } else { bind(cluster, &snapshot).await };
        again |= cluster.failed("looking after VolumeSnapshot", &snapshot, step);
    }
    for content in cluster.all(Kind::SnapshotContent).iter().filter(|content| content.data["spec"]["driver"] == DRIVER)
    {
        match keep_or_remove(cluster, content).await {
            Ok(done) => again |= !done,
            Err(error) => again |= cluster.failed("looking after VolumeSnapshotContent", content, Err(error)),
        }
    }
    again
}

fn content_name(snapshot: &DynamicObject) -> String {
    let (status, source) = (&snapshot.data["status"], &snapshot.data["spec"]["source"]);
    let named = status["boundVolumeSnapshotContentName"].as_str().or(source["volumeSnapshotContentName"].as_str());
    named.map_or_else(|| format!("snapcontent-{}", uid(snapshot)), str::to_owned)
}

fn points_back(content: &DynamicObject, snapshot: &DynamicObject) -> bool {
    let reference = &content.data["spec"]["volumeSnapshotRef"];
    reference["name"] == name(snapshot) && reference["uid"] == uid(snapshot)
}

/// The snapshot gets a content, and says so.
async fn bind(cluster: &Cluster, snapshot: &DynamicObject) -> Step {
    cluster.finalizers(Kind::Snapshot, snapshot, &[AS_SOURCE, BOUND], &[]).await?;
    let Some(content) = cluster.get(Kind::SnapshotContent, None, &content_name(snapshot)) else {
        return match snapshot.data["spec"]["source"]["persistentVolumeClaimName"].as_str() {
            Some(claim) => create_content(cluster, snapshot, claim).await,
            None => Ok(()),
        };
    };
    let reference = &content.data["spec"]["volumeSnapshotRef"];
    if reference["uid"].is_null()
        && reference["name"] == name(snapshot)
        && reference["namespace"].as_str() == snapshot.metadata.namespace.as_deref()
    {
        let reference = json!({"uid": uid(snapshot)});
        return cluster.patch(Kind::SnapshotContent, &content, json!({"spec": {"volumeSnapshotRef": reference}})).await;
    }
    if !points_back(&content, snapshot) {
        return Ok(());
    }
    let mut status = json!({"boundVolumeSnapshotContentName": name(&content), "readyToUse": false});
    if content.data["status"]["readyToUse"] == true {
        let size = content.data["status"]["restoreSize"].as_i64().unwrap_or_default();
        status["readyToUse"] = true.into();
        status["creationTime"] = born(&content).to_string().into();
        status["restoreSize"] = Quantity::bytes(size).to_string().into();
    }
    cluster.status(Kind::Snapshot, snapshot, status).await
}

async fn create_content(cluster: &Cluster, snapshot: &DynamicObject, claim: &str) -> Step {
    let Some((volume, class)) = source(cluster, snapshot, claim) else { return Ok(()) };
    let manifest = json!({
        "metadata": {"name": content_name(snapshot), "finalizers": [CONTENT_BOUND]},
        "spec": {
            "deletionPolicy": class.data["deletionPolicy"],
            "driver": DRIVER,
            "source": {"volumeHandle": volume.data["spec"]["csi"]["volumeHandle"]},
            "sourceVolumeMode": volume.data["spec"]["volumeMode"],
            "volumeSnapshotClassName": name(&class),
            "volumeSnapshotRef": {
                "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "uid": uid(snapshot),
                "name": name(snapshot), "namespace": snapshot.metadata.namespace,
                "resourceVersion": snapshot.metadata.resource_version,
            },
        },
    });
    cluster.create(Kind::SnapshotContent, manifest).await
}

/// The volume behind the claim and the class to use, when both are there.
fn source(cluster: &Cluster, snapshot: &DynamicObject, claim: &str) -> Option<(Object, Object)> {
    let claim = cluster.get(Kind::Claim, snapshot.metadata.namespace.as_deref(), claim)?;
    let bound = claim.data["status"]["phase"] == "Bound";
    let volume = cluster.get(Kind::Volume, None, claim.data["spec"]["volumeName"].as_str().filter(|_| bound)?)?;
    let class = match snapshot.data["spec"]["volumeSnapshotClassName"].as_str() {
        Some(class) => cluster.get(Kind::SnapshotClass, None, class)?,
        None => default_class(cluster)?,
    };
    (class.data["driver"] == DRIVER && volume.data["spec"]["csi"]["driver"] == DRIVER).then_some((volume, class))
}

/// The class of snapshots that name none.
pub fn default_class(cluster: &Cluster) -> Option<Object> {
    cluster.all(Kind::SnapshotClass).into_iter().find(|class| annotation(class, DEFAULT_CLASS) == Some("true"))
}

/// The content goes before its snapshot if its policy says so; otherwise it stays behind.
async fn let_go(cluster: &Cluster, snapshot: &DynamicObject) -> Step {
    let content = cluster.fetch(Kind::SnapshotContent, None, &content_name(snapshot)).await?;
    if let Some(content) = content.filter(|content| points_back(content, snapshot)) {
        if annotation(&content, BEING_DELETED).is_none() {
            let mark = json!({"metadata": {"annotations": {BEING_DELETED: "yes"}}});
            cluster.patch(Kind::SnapshotContent, &content, mark).await?;
        }
        if content.data["spec"]["deletionPolicy"] == "Delete" {
            return if is_going(&content) { Ok(()) } else { cluster.delete(Kind::SnapshotContent, &content).await };
        }
    }
    cluster.finalizers(Kind::Snapshot, snapshot, &[], &[AS_SOURCE, BOUND]).await
}

/// Whether there is nothing left to do.
async fn keep_or_remove(cluster: &Cluster, content: &DynamicObject) -> Result<bool, kube::Error> {
    let (spec, status) = (&content.data["spec"], &content.data["status"]);
    if !is_going(content) {
        return make(cluster, content).await;
    }
    let never_bound = spec["source"]["snapshotHandle"].is_string() && spec["volumeSnapshotRef"]["uid"].is_null();
    if !never_bound && annotation(content, BEING_DELETED).is_none() {
        return Ok(true);
    }
    if let Some(handle) = status["snapshotHandle"].as_str().filter(|_| spec["deletionPolicy"] == "Delete") {
        let options = cluster.options.lock().expect("no panic").clone();
        if let Err(kept) = cluster.backend.lock().expect("no panic").remove(handle, &options) {
            return Ok(kept == Kept::Stuck);
        }
    }
    cluster.finalizers(Kind::SnapshotContent, content, &[], &[CONTENT_BOUND]).await.map(|()| true)
}

/// Takes the snapshot, or finds the one that the content names; whether there is one.
async fn make(cluster: &Cluster, content: &DynamicObject) -> Result<bool, kube::Error> {
    let (source, reference) = (&content.data["spec"]["source"], &content.data["spec"]["volumeSnapshotRef"]);
    if reference["uid"].is_string() {
        cluster.finalizers(Kind::SnapshotContent, content, &[CONTENT_BOUND], &[]).await?;
    }
    if content.data["status"]["readyToUse"] == true {
        return Ok(true);
    }
    let handle = snapshot_handle(content);
    let there = {
        let mut backend = cluster.backend.lock().expect("no panic");
        let volume = source["volumeHandle"].as_str().unwrap_or_default();
        if source["snapshotHandle"].is_string() {
            backend.snapshots.contains_key(&handle)
        } else {
            backend.make_snapshot(&handle, volume)
        }
    };
    if !there {
        cluster.tell(&format!("VolumeSnapshotContent {}: its source {source} is not in the backend", name(content)));
        return Ok(false);
    }
    let status = json!({
        "snapshotHandle": handle, "readyToUse": true, "restoreSize": size(cluster, source),
        "creationTime": i64::try_from(born(content).as_nanosecond()).unwrap_or_default(),
    });
    cluster.status(Kind::SnapshotContent, content, status).await.map(|()| true)
}

/// Bytes of the volume with this handle.
fn size(cluster: &Cluster, source: &Value) -> i64 {
    let volumes = cluster.all(Kind::Volume);
    let volume = volumes.iter().find(|volume| volume.data["spec"]["csi"]["volumeHandle"] == source["volumeHandle"]);
    let capacity = volume.and_then(|volume| volume.data["spec"]["capacity"]["storage"].as_str());
    let bytes =
        capacity.and_then(|text| text.parse::<Quantity>().ok()).map_or(0, |bytes| bytes.nanos() / 1_000_000_000);
    i64::try_from(bytes).unwrap_or_default()
}
