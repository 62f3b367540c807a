//! How a VM may be brought back, what KubeVirt may erase for it, and for how long disks may be fetched.

use serde_json::{Value, json};

use crate::bed::{ADMIN, accepted, bed, ended, refused, uid, volume};
use crate::support::world::{apply, merge};

const KUBEVIRT: &str = "system:serviceaccount:kubevirt:kubevirt-controller";

fn restore(tenant: &str, more: Value) -> Value {
    let mut restore = json!({
        "apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineRestore",
        "metadata": {"name": "web-20261130t0200-back", "namespace": format!("cf-{tenant}")},
        "spec": {
            "target": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"},
            "virtualMachineSnapshotName": "web-20261130t0200",
            "targetReadinessPolicy": "StopTarget", "volumeOwnershipPolicy": "None",
        },
    });
    merge(&mut restore, more);
    restore
}

#[tokio::test]
async fn a_vm_is_brought_back_to_itself_from_a_backup_by_plan_and_nothing_is_overwritten() {
    let plane = bed().await;
    ended(plane, "back").await;
    let create = "create --dry-run=server";
    accepted(plane, ADMIN, create, Some(restore("back", json!({})))).await;
    accepted(plane, ADMIN, create, Some(restore("back", json!({"spec": {"volumeRestorePolicy": "RandomizeNames"}}))))
        .await;
    let overwrites = "by which disks are overwritten or taken from elsewhere";
    let cases = [
        (json!({"spec": {"target": {"name": "db"}}}), "no backup by plan of spec.target, VirtualMachine db"),
        (
            json!({"spec": {"target": {"kind": "VirtualMachineInstance"}}}),
            "no backup by plan of spec.target, VirtualMachineInstance web",
        ),
        (json!({"spec": {"virtualMachineSnapshotName": "mine"}}), "spec.virtualMachineSnapshotName mine is no backup"),
        // The name is no pattern.
        (json!({"spec": {"target": {"name": "w.b"}}}), "no backup by plan of spec.target, VirtualMachine w.b"),
        (
            json!({"spec": {"virtualMachineSnapshotName": "web-20261130t0200-b"}, "metadata": {"name": "web-20261130t0200-b-c"}}),
            "web-20261130t0200-b is no backup by plan",
        ),
        (
            json!({"spec": {"virtualMachineSnapshotName": "web-2026113t0200"}, "metadata": {"name": "web-2026113t0200-b"}}),
            "web-2026113t0200 is no backup by plan",
        ),
        (
            json!({"spec": {"virtualMachineSnapshotName": "web"}, "metadata": {"name": "web-b"}}),
            "web is no backup by plan",
        ),
        (json!({"metadata": {"name": "back"}}), "metadata.name does not begin with web-20261130t0200-"),
        (json!({"spec": {"volumeOwnershipPolicy": "Vm"}}), "disks that the VM owns go with it"),
        (json!({"spec": {"volumeOwnershipPolicy": null}}), "spec.volumeOwnershipPolicy is not None"),
        (json!({"spec": {"volumeRestorePolicy": "InPlace"}}), overwrites),
        (json!({"spec": {"volumeRestorePolicy": "PrefixTargetName"}}), overwrites),
        (json!({"spec": {"volumeRestoreOverrides": [{"volumeName": "root", "restoreName": "db-root"}]}}), overwrites),
        (json!({"spec": {"patches": ["{\"op\": \"remove\", \"path\": \"/spec/template\"}"]}}), overwrites),
    ];
    for (wrong, says) in cases {
        refused(plane, ADMIN, create, Some(restore("back", wrong)), &["cloudfarm-restore", says]).await;
    }
    let held = json!({"metadata": {"annotations": {"cloudfarm.dev/legal-hold": ""}}});
    accepted(plane, ADMIN, "patch namespace cf-back", Some(held)).await;
    refused(plane, ADMIN, create, Some(restore("back", json!({}))), &["is under a legal hold"]).await;
}

/// Without this no restore of a VM with a TPM would ever end.
#[tokio::test]
async fn kubevirt_erases_the_state_that_a_restore_has_replaced_and_no_disk() {
    let plane = bed().await;
    ended(plane, "replaced").await;
    let marked = |name: &str, mark: bool| {
        let mut claim = volume("replaced", name);
        claim["metadata"]["labels"] = if mark {
            json!({"restore.kubevirt.io/cleanup-backend-pvc": "persistent-state-for-web"})
        } else {
            json!({"persistent-state-for": "web"})
        };
        claim
    };
    let again = "restore-0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11-persistent-state-for-web";
    apply(
        plane,
        &[
            marked("persistent-state-for-web-abcde", true),
            marked(again, true),
            marked("persistent-state-for-db-abcde", false),
            marked("web-root", true),
        ],
    );
    let kubevirt = format!("+{KUBEVIRT}");
    let delete = |name: &str| format!("delete pvc {name} -n cf-replaced --dry-run=server");
    for name in ["persistent-state-for-web-abcde", again] {
        accepted(plane, &kubevirt, &delete(name), None).await;
    }
    for name in ["persistent-state-for-db-abcde", "web-root"] {
        refused(plane, &kubevirt, &delete(name), None, &["is kept"]).await;
    }
    let held = json!({"metadata": {"annotations": {"cloudfarm.dev/legal-hold": ""}}});
    accepted(plane, ADMIN, "patch namespace cf-replaced", Some(held)).await;
    refused(plane, &kubevirt, &delete(again), None, &["is under a legal hold"]).await;
}

#[tokio::test]
async fn disks_are_within_reach_of_an_export_for_a_week_at_most() {
    let plane = bed().await;
    ended(plane, "handed").await;
    let export = |ttl: Option<&str>| {
        let source = json!({"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"});
        json!({"apiVersion": "export.kubevirt.io/v1", "kind": "VirtualMachineExport",
            "metadata": {"name": "hand-back", "namespace": "cf-handed"}, "spec": {"source": source, "ttlDuration": ttl}})
    };
    for right in [None, Some("2h"), Some("168h0m0s")] {
        accepted(plane, ADMIN, "create --dry-run=server", Some(export(right))).await;
    }
    refused(plane, ADMIN, "create --dry-run=server", Some(export(Some("168h0m1s"))), &["for longer than 168h"]).await;
    accepted(plane, ADMIN, "create", Some(export(Some("2h")))).await;
    let longer = json!({"spec": {"ttlDuration": "169h"}});
    let patch = "patch virtualmachineexport hand-back -n cf-handed --dry-run=server";
    refused(plane, ADMIN, patch, Some(longer), &["for longer than 168h"]).await;
}

/// By their own roles, without a cluster administrator's rights.
#[tokio::test]
async fn a_customers_administrator_asks_for_a_restore_and_gives_it_up_and_a_user_does_neither() {
    let plane = bed().await;
    ended(plane, "restores-own").await;
    for (person, role) in [("asked-admin", "cloudfarm-tenant-admin"), ("asked-user", "cloudfarm-tenant-user")] {
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": person, "namespace": "cf-restores-own"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}]});
        apply(plane, &[binding]);
    }
    let create = "create --dry-run=server";
    accepted(plane, "asked-admin", create, Some(restore("restores-own", json!({})))).await;
    refused(
        plane,
        "asked-admin",
        create,
        Some(restore("restores-own", json!({"spec": {"target": {"name": "db"}}}))),
        &["cloudfarm-restore"],
    )
    .await;
    refused(plane, "asked-user", create, Some(restore("restores-own", json!({}))), &["cannot create resource"]).await;
    accepted(plane, ADMIN, "create", Some(restore("restores-own", json!({})))).await;
    let delete = "delete virtualmachinerestore web-20261130t0200-back -n cf-restores-own --dry-run=server";
    refused(plane, "asked-user", delete, None, &["cannot delete resource"]).await;
    accepted(plane, "asked-admin", delete, None).await;
}

/// KubeVirt keeps the VM locked until the content of a snapshot that missed its deadline is gone.
#[tokio::test]
async fn what_a_snapshot_that_never_got_ready_leaves_goes_and_what_is_ready_stays() {
    let plane = bed().await;
    ended(plane, "missed").await;
    let content = |name: &str| {
        json!({"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshotContent",
            "metadata": {"name": name, "namespace": "cf-missed"},
            "spec": {"virtualMachineSnapshotName": name, "source": {}}})
    };
    apply(plane, &[content("unfinished"), content("silent"), content("whole")]);
    let owner = uid(plane, "virtualmachinesnapshotcontent unfinished -n cf-missed");
    let part = |name: &str, kind: &str| {
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
            "metadata": {"name": name, "namespace": "cf-missed", "ownerReferences": [{
                "apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": kind, "name": "unfinished", "uid": owner, "controller": true}]},
            "spec": {"source": {"persistentVolumeClaimName": "disk"}}})
    };
    let content_kind = "VirtualMachineSnapshotContent";
    apply(plane, &[part("cut", content_kind), part("done", content_kind), part("another", "VolumeGroupSnapshot")]);
    let says = |what: &str, name: &str, ready: bool| {
        let status = json!({"status": {"readyToUse": ready}}).to_string();
        let words = ["patch", what, name, "-n", "cf-missed", "--subresource=status", "--type=merge", "-p"];
        plane.kubectl(&[&words[..], &[&status]].concat(), None);
    };
    for (name, ready) in [("unfinished", false), ("whole", true)] {
        says("virtualmachinesnapshotcontents", name, ready);
    }
    says("volumesnapshots", "done", true);

    let kubevirt = format!("+{KUBEVIRT}");
    // With its own rights: whoever has all has the verb launch, too.
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    let delete = |what: &str, name: &str| format!("delete {what} {name} -n cf-missed --dry-run=server");
    let contents = "virtualmachinesnapshotcontents";
    for name in ["unfinished", "silent"] {
        accepted(plane, &kubevirt, &delete(contents, name), None).await;
        refused(plane, collector, &delete(contents, name), None, &["is kept"]).await;
    }
    refused(plane, &kubevirt, &delete(contents, "whole"), None, &["is kept"]).await;
    accepted(plane, collector, &delete("volumesnapshots", "cut"), None).await;
    accepted(plane, "+system:kube-controller-manager", &delete("volumesnapshots", "cut"), None).await;
    for name in ["done", "another"] {
        refused(plane, collector, &delete("volumesnapshots", name), None, &["is kept"]).await;
    }
    refused(plane, &kubevirt, &delete("volumesnapshots", "cut"), None, &["is kept"]).await;

    let held = json!({"metadata": {"annotations": {"cloudfarm.dev/legal-hold": ""}}});
    accepted(plane, ADMIN, "patch namespace cf-missed", Some(held)).await;
    refused(plane, &kubevirt, &delete(contents, "unfinished"), None, &["is under a legal hold"]).await;
    refused(plane, collector, &delete("volumesnapshots", "cut"), None, &["is under a legal hold"]).await;
}
