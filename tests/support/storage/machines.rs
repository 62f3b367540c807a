//! What CDI 1.65 makes of a DataVolume, and KubeVirt 1.9 of a VM's state and its snapshots. The phases of DataVolumes
//! and VMs are kwok's (`tests/controlplane/conf/`).

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::cluster::{Cluster, Kind, Object, Step, born, controller_reference, is_going, is_held, name, uid};
use super::snapshots::default_class;

const PROTECTION: &str = "snapshot.kubevirt.io/vmsnapshot-protection";
const CONTENT_PROTECTION: &str = "snapshot.kubevirt.io/vmsnapshotcontent-protection";
/// Label of the claim with a VM's TPM and UEFI variables, and the beginning of its name.
const STATE: &str = "persistent-state-for";

/// One look; whether another is needed soon.
pub async fn play(cluster: &Cluster) -> bool {
    let mut again = false;
    for volume in cluster.all(Kind::DataVolume).iter().filter(|volume| !is_going(volume) && !is_held(volume)) {
        let step = claim_of_data_volume(cluster, volume).await;
        again |= cluster.failed("providing for DataVolume", volume, step);
    }
    for machine in cluster.all(Kind::Machine) {
        let step = if is_going(&machine) {
            instance_goes(cluster, &machine).await
        } else {
            state_of_machine(cluster, &machine).await
        };
        again |= cluster.failed("looking after VirtualMachine", &machine, step);
    }
    for snapshot in cluster.all(Kind::MachineSnapshot) {
        let step = if is_going(&snapshot) {
            snapshot_goes(cluster, &snapshot).await
        } else {
            take_snapshot(cluster, &snapshot).await
        };
        again |= cluster.failed("looking after VirtualMachineSnapshot", &snapshot, step);
    }
    for content in cluster.all(Kind::MachineSnapshotContent) {
        let step = fill_content(cluster, &content).await;
        again |= cluster.failed("looking after VirtualMachineSnapshotContent", &content, step);
    }
    again
}

fn namespace(object: &DynamicObject) -> Option<&str> {
    object.metadata.namespace.as_deref()
}

async fn claim_of_data_volume(cluster: &Cluster, volume: &DynamicObject) -> Step {
    if cluster.get(Kind::Claim, namespace(volume), name(volume)).is_some() {
        return Ok(());
    }
    let wanted = if volume.data["spec"]["storage"].is_object() { "storage" } else { "pvc" };
    let mut labels = volume.metadata.labels.clone().unwrap_or_default();
    labels.entry("app".into()).or_insert_with(|| "containerized-data-importer".into());
    let manifest = json!({
        "metadata": {
            "name": name(volume), "namespace": namespace(volume), "labels": labels,
            "ownerReferences": [controller_reference(Kind::DataVolume, volume)],
        },
        "spec": volume.data["spec"][wanted],
    });
    cluster.create(Kind::Claim, manifest).await
}

/// The collector takes an instance when its VM is gone; KubeVirt does not wait for that.
async fn instance_goes(cluster: &Cluster, machine: &DynamicObject) -> Step {
    match cluster.get(Kind::Instance, namespace(machine), name(machine)) {
        Some(instance) if !is_going(&instance) => cluster.delete(Kind::Instance, &instance).await,
        _ => Ok(()),
    }
}

fn needs_state(machine: &DynamicObject) -> bool {
    let domain = &machine.data["spec"]["template"]["spec"]["domain"];
    domain["devices"]["tpm"]["persistent"] == true || domain["firmware"]["bootloader"]["efi"]["persistent"] == true
}

fn state_claim(cluster: &Cluster, machine: &DynamicObject) -> Option<Object> {
    cluster.all(Kind::Claim).into_iter().find(|claim| {
        let label = claim.metadata.labels.as_ref().and_then(|labels| labels.get(STATE));
        namespace(claim) == namespace(machine) && label.map(String::as_str) == Some(name(machine))
    })
}

/// KubeVirt makes it at the VM's first start, in the class that the KubeVirt object names (`vmStateStorageClass`).
async fn state_of_machine(cluster: &Cluster, machine: &DynamicObject) -> Step {
    let halted = machine.data["spec"]["runStrategy"] == "Halted" || is_held(machine);
    if halted || !needs_state(machine) || state_claim(cluster, machine).is_some() {
        return Ok(());
    }
    // KubeVirt's is random; a cache that lags must not make two.
    let suffix = uid(machine).get(..5).unwrap_or_default();
    let manifest = json!({
        "metadata": {
            "name": format!("{STATE}-{}-{suffix}", name(machine)), "namespace": namespace(machine),
            "labels": {STATE: name(machine), "cdi.kubevirt.io/applyStorageProfile": "true"},
            "ownerReferences": [controller_reference(Kind::Machine, machine)],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "storageClassName": "cf-jp-encrypted",
            "resources": {"requests": {"storage": "10Mi"}},
        },
    });
    cluster.create(Kind::Claim, manifest).await
}

fn content_of(cluster: &Cluster, snapshot: &DynamicObject) -> Option<Object> {
    cluster.get(Kind::MachineSnapshotContent, namespace(snapshot), &content_name(snapshot))
}

fn content_name(snapshot: &DynamicObject) -> String {
    format!("vmsnapshot-content-{}", uid(snapshot))
}

/// The claims of a VM by the names of its volumes, when each is bound.
fn claims(cluster: &Cluster, machine: &DynamicObject) -> Option<BTreeMap<String, Object>> {
    let mut found = BTreeMap::new();
    for volume in machine.data["spec"]["template"]["spec"]["volumes"].as_array().into_iter().flatten() {
        let claim = volume["dataVolume"]["name"].as_str().or(volume["persistentVolumeClaim"]["claimName"].as_str());
        if let Some(claim) = claim {
            let claim = cluster.get(Kind::Claim, namespace(machine), claim)?;
            found.insert(volume["name"].as_str().unwrap_or_default().to_owned(), claim);
        }
    }
    if needs_state(machine) {
        found.insert(format!("{STATE}-this-vm"), state_claim(cluster, machine)?);
    }
    found.values().all(|claim| claim.data["status"]["phase"] == "Bound").then_some(found)
}

async fn take_snapshot(cluster: &Cluster, snapshot: &DynamicObject) -> Step {
    cluster.finalizers(Kind::MachineSnapshot, snapshot, &[PROTECTION], &[]).await?;
    let ready = |object: &DynamicObject| object.data["status"]["readyToUse"] == true;
    if ready(snapshot) {
        return Ok(());
    }
    let machine = snapshot.data["spec"]["source"]["name"].as_str().unwrap_or_default();
    let Some(machine) = cluster.get(Kind::Machine, namespace(snapshot), machine) else { return Ok(()) };
    let Some(content) = content_of(cluster, snapshot) else {
        return match claims(cluster, &machine) {
            Some(claims) => create_content(cluster, snapshot, &machine, &claims).await,
            None => Ok(()),
        };
    };
    let done = ready(&content);
    let mut status = json!({
        "virtualMachineSnapshotContentName": name(&content), "readyToUse": done, "sourceUID": uid(&machine),
        "phase": if done { "Succeeded" } else { "InProgress" },
    });
    if done {
        status["creationTime"] = born(&content).to_string().into();
    }
    cluster.status(Kind::MachineSnapshot, snapshot, status).await
}

async fn create_content(
    cluster: &Cluster,
    snapshot: &DynamicObject,
    machine: &DynamicObject,
    claims: &BTreeMap<String, Object>,
) -> Step {
    let backup = |(volume, claim): (&String, &Object)| {
        json!({
            "volumeName": volume,
            "volumeSnapshotName": format!("vmsnapshot-{}-volume-{volume}", uid(snapshot)),
            "persistentVolumeClaim": {
                "metadata": {"name": name(claim), "namespace": namespace(claim), "labels": claim.metadata.labels},
                "spec": claim.data["spec"],
            },
        })
    };
    let manifest = json!({
        "metadata": {
            "name": content_name(snapshot), "namespace": namespace(snapshot), "finalizers": [CONTENT_PROTECTION],
        },
        "spec": {
            "virtualMachineSnapshotName": name(snapshot),
            "source": {"virtualMachine": {
                "metadata": {"name": name(machine), "namespace": namespace(machine), "uid": uid(machine)},
                "spec": machine.data["spec"],
            }},
            "volumeBackups": claims.iter().map(backup).collect::<Vec<_>>(),
        },
    });
    cluster.create(Kind::MachineSnapshotContent, manifest).await
}

/// A content without its snapshot is let go of; otherwise it gets a volume snapshot for each claim. Their deletion is
/// the collector's: the content owns them.
async fn fill_content(cluster: &Cluster, content: &DynamicObject) -> Step {
    let snapshot = content.data["spec"]["virtualMachineSnapshotName"].as_str().unwrap_or_default();
    let done = content.data["status"]["readyToUse"] == true;
    if done && !is_going(content) && content.metadata.finalizers.is_none() {
        return Ok(());
    }
    let snapshot = cluster.fetch(Kind::MachineSnapshot, namespace(content), snapshot).await?;
    if snapshot.is_none_or(|snapshot| is_going(&snapshot)) {
        return cluster.finalizers(Kind::MachineSnapshotContent, content, &[], &[CONTENT_PROTECTION]).await;
    }
    if done || is_going(content) {
        return Ok(());
    }
    let mut statuses = Vec::new();
    for backup in content.data["spec"]["volumeBackups"].as_array().into_iter().flatten() {
        let Some(name) = backup["volumeSnapshotName"].as_str() else { continue };
        let Some(snapshot) = cluster.get(Kind::Snapshot, namespace(content), name) else {
            create_volume_snapshot(cluster, content, backup, name).await?;
            continue;
        };
        if snapshot.data["status"]["readyToUse"] == true {
            let time = &snapshot.data["status"]["creationTime"];
            statuses.push(json!({"volumeSnapshotName": name, "readyToUse": true, "creationTime": time}));
        }
    }
    if statuses.len() < content.data["spec"]["volumeBackups"].as_array().map_or(0, Vec::len) {
        return Ok(());
    }
    let status =
        json!({"readyToUse": true, "creationTime": born(content).to_string(), "volumeSnapshotStatus": statuses});
    cluster.status(Kind::MachineSnapshotContent, content, status).await
}

async fn create_volume_snapshot(cluster: &Cluster, content: &DynamicObject, backup: &Value, name: &str) -> Step {
    let machine = &content.data["spec"]["source"]["virtualMachine"]["metadata"];
    let Some(class) = default_class(cluster) else { return Ok(()) };
    let manifest = json!({
        "metadata": {
            "name": name, "namespace": namespace(content),
            "labels": {
                "snapshot.kubevirt.io/source-vm-name": machine["name"],
                "snapshot.kubevirt.io/source-vm-namespace": machine["namespace"],
            },
            "ownerReferences": [controller_reference(Kind::MachineSnapshotContent, content)],
        },
        "spec": {
            "source": {"persistentVolumeClaimName": backup["persistentVolumeClaim"]["metadata"]["name"]},
            "volumeSnapshotClassName": super::cluster::name(&class),
        },
    });
    cluster.create(Kind::Snapshot, manifest).await
}

/// A content that is not ready is of no use to anybody, whatever the policy.
async fn snapshot_goes(cluster: &Cluster, snapshot: &DynamicObject) -> Step {
    let content = cluster.fetch(Kind::MachineSnapshotContent, namespace(snapshot), &content_name(snapshot)).await?;
    let keep = snapshot.data["spec"]["deletionPolicy"] == "Retain";
    if let Some(content) = content.filter(|content| !keep || content.data["status"]["readyToUse"] != true) {
        cluster.delete(Kind::MachineSnapshotContent, &content).await?;
    }
    cluster.finalizers(Kind::MachineSnapshot, snapshot, &[], &[PROTECTION]).await
}
