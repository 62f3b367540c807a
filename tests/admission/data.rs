//! Data in a tenant's namespace, and what the purge may do to volumes and snapshot contents.

use serde_json::{Value, json};

use crate::bed::{
    ADMIN, OPERATOR, PURGE, accepted, approve, bed, begun, by_name, by_uid, data, ended, purge_bound, refused, spec_by,
    status_by, uid, volume,
};
use crate::support::world::{self, apply};

fn label(value: &str) -> Value {
    json!({"metadata": {"labels": {"cloudfarm.dev/disposable": value}}})
}

#[tokio::test]
async fn data_is_deleted_by_nobody_before_an_approval_and_by_uid_after_it_and_never_under_a_hold() {
    let plane = bed().await;
    let tenant = ended(plane, "kept").await;
    let all = data(plane, "kept");
    purge_bound(plane, "kept").await;
    for (resource, _) in &all {
        for who in [
            ADMIN,
            PURGE,
            "+system:serviceaccount:kube-system:generic-garbage-collector",
            "+system:serviceaccount:cdi:cdi-sa",
        ] {
            let words = format!("delete {resource} kept -n cf-kept --dry-run=server");
            refused(
                plane,
                who,
                &words,
                None,
                &["is kept", "of tenant kept", "set spec.contract.endDate", "cloudfarm-data-deletion"],
            )
            .await;
        }
    }
    refused(plane, ADMIN, "delete pvc --all -n cf-kept --dry-run=server", None, &["is kept"]).await;

    approve(plane, "kept", &tenant).await;
    for (resource, path) in &all {
        let uid = uid(plane, &format!("{resource} kept -n cf-kept"));
        let raw = format!("delete --raw {path}");
        accepted(plane, PURGE, &raw, Some(by_uid(&uid))).await;
        refused(plane, PURGE, &raw, Some(by_name()), &["deletes by uid", &uid]).await;
        refused(
            plane,
            &format!("+{OPERATOR}"),
            &raw,
            Some(by_uid(&uid)),
            &["the operator approves a purge and deletes nothing itself"],
        )
        .await;
        accepted(plane, "+system:serviceaccount:kube-system:generic-garbage-collector", &raw, Some(by_uid(&uid))).await;
    }

    // A hold with an empty value holds, too.
    accepted(plane, ADMIN, "annotate namespace cf-kept cloudfarm.dev/legal-hold=", None).await;
    for (_, path) in &all {
        refused(plane, PURGE, &format!("delete --raw {path}"), Some(by_name()), &["is under a legal hold"]).await;
    }
    // Where nobody is a tenant nothing is guarded.
    plane.kubectl(&["create", "namespace", "nobodys"], None);
    let mut claim = volume("x", "free");
    claim["metadata"]["namespace"] = json!("nobodys");
    apply(plane, &[claim]);
    accepted(plane, ADMIN, "delete pvc free -n nobodys --dry-run=server", None).await;
}

#[tokio::test]
async fn a_snapshot_is_called_a_backup_by_the_operator_alone_which_makes_them_with_tenants_and_deletes_none() {
    let plane = bed().await;
    ended(plane, "planned").await;
    data(plane, "planned");
    plane.kubectl(&["create", "namespace", "unplanned"], None);
    let backup = |namespace: &str| {
        let mut snapshot = json!({"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot",
            "metadata": {"name": "web-20261130t0200", "namespace": namespace, "labels": {"cloudfarm.dev/backup": "plan"}},
            "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}}});
        snapshot["metadata"]["labels"]["cloudfarm.dev/tenant"] = json!("planned");
        Some(snapshot)
    };
    let says = ["the label cloudfarm.dev/backup is set only by the operator"];
    refused(plane, ADMIN, "create --dry-run=server", backup("cf-planned"), &says).await;
    let marked = json!({"metadata": {"labels": {"cloudfarm.dev/backup": "plan"}}});
    let kept = "virtualmachinesnapshot kept -n cf-planned --dry-run=server";
    refused(plane, ADMIN, &format!("patch {kept}"), Some(marked.clone()), &says).await;
    accepted(plane, OPERATOR, &format!("patch {kept}"), Some(marked)).await;
    accepted(plane, OPERATOR, "create", backup("cf-planned")).await;
    let touched = json!({"metadata": {"labels": {"somebody": "else"}}});
    let made = "patch virtualmachinesnapshot web-20261130t0200 -n cf-planned --dry-run=server";
    accepted(plane, ADMIN, made, Some(touched)).await;
    let taken_off = json!({"metadata": {"labels": {"cloudfarm.dev/backup": null}}});
    refused(plane, ADMIN, made, Some(taken_off), &says).await;
    let elsewhere = ["the operator writes only in namespaces with the label"];
    refused(plane, OPERATOR, "create --dry-run=server", backup("unplanned"), &elsewhere).await;
    accepted(plane, ADMIN, "create --dry-run=server", backup("unplanned")).await;
    refused(plane, OPERATOR, &format!("delete {kept}"), None, &["cannot delete resource"]).await;
}

#[tokio::test]
async fn what_is_marked_disposable_goes_while_the_contract_runs_and_only_operator_and_purge_mark() {
    let plane = bed().await;
    ended(plane, "rolling").await;
    let all = data(plane, "rolling");
    purge_bound(plane, "rolling").await;
    for (resource, _) in &all {
        let words = format!("patch {resource} kept -n cf-rolling --dry-run=server");
        refused(
            plane,
            ADMIN,
            &words,
            Some(label("true")),
            &["is set only by the operator and by the purge", "spec.rolling"],
        )
        .await;
        accepted(plane, ADMIN, &words, Some(label("false"))).await;
        refused(plane, PURGE, &words, Some(label("true")), &["spec.rolling of Retention rolling does not name"]).await;
    }
    let mut born = volume("rolling", "born");
    born["metadata"]["labels"] = json!({"cloudfarm.dev/disposable": "true"});
    refused(plane, ADMIN, "create --dry-run=server", Some(born), &["is set only by the operator and by the purge"])
        .await;
    accepted(plane, OPERATOR, "patch datavolumes kept -n cf-rolling --dry-run=server", Some(label("true"))).await;

    let rolling = |target: &str| json!({"rolling": [{"target": target, "olderThan": "30d"}]});
    spec_by(plane, ADMIN, "rolling", rolling("Snapshots")).await;
    accepted(plane, PURGE, "patch volumesnapshots kept -n cf-rolling --dry-run=server", Some(label("true"))).await;
    refused(
        plane,
        PURGE,
        "patch pvc kept -n cf-rolling --dry-run=server",
        Some(label("true")),
        &["does not name RemovedDisks"],
    )
    .await;
    spec_by(plane, ADMIN, "rolling", rolling("RemovedDisks")).await;
    accepted(plane, PURGE, "patch pvc kept -n cf-rolling", Some(label("true"))).await;
    let uid = uid(plane, "pvc kept -n cf-rolling");
    let raw = "delete --raw /api/v1/namespaces/cf-rolling/persistentvolumeclaims/kept";
    accepted(plane, PURGE, raw, Some(by_uid(&uid))).await;
    accepted(plane, ADMIN, raw, Some(by_name())).await;

    let hold = json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": "officer"}});
    spec_by(plane, "officer", "rolling", hold).await;
    let words = "patch datavolumes kept -n cf-rolling --dry-run=server";
    refused(plane, PURGE, words, Some(label("true")), &["legal hold of Retention rolling"]).await;
    accepted(plane, ADMIN, "annotate namespace cf-rolling cloudfarm.dev/legal-hold=2026-1", None).await;
    refused(plane, PURGE, raw, Some(by_uid(&uid)), &["is under a legal hold"]).await;
}

#[tokio::test]
async fn cdis_own_volumes_and_those_of_one_pod_come_and_go() {
    let plane = bed().await;
    ended(plane, "passing").await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "holder", "namespace": "cf-passing"},
        "spec": {"containers": [{"name": "c", "image": "none.invalid/c"}]}});
    apply(plane, &[pod, volume("passing", "prime-1"), volume("passing", "tmp-pvc-1"), volume("passing", "disk")]);
    let mut scratch = volume("passing", "scratch");
    let owner = uid(plane, "pod holder -n cf-passing");
    scratch["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "holder", "uid": owner}]);
    apply(plane, &[scratch]);
    accepted(plane, ADMIN, "annotate namespace cf-passing cloudfarm.dev/legal-hold=1", None).await;

    let cdi = "+system:serviceaccount:cdi:cdi-sa";
    for claim in ["prime-1", "tmp-pvc-1"] {
        accepted(plane, cdi, &format!("delete pvc {claim} -n cf-passing --dry-run=server"), None).await;
        refused(plane, ADMIN, &format!("delete pvc {claim} -n cf-passing --dry-run=server"), None, &["legal hold"])
            .await;
    }
    refused(plane, cdi, "delete pvc disk -n cf-passing --dry-run=server", None, &["legal hold"]).await;
    accepted(plane, ADMIN, "delete pvc scratch -n cf-passing --dry-run=server", None).await;
}

#[tokio::test]
async fn neither_identity_of_ours_deletes_by_way_of_the_garbage_collector() {
    let plane = bed().await;
    ended(plane, "owned").await;
    data(plane, "owned");
    let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}]}});
    for who in [OPERATOR, PURGE] {
        let words = "patch datavolumes kept -n cf-owned --dry-run=server";
        refused(
            plane,
            &format!("+{who}"),
            words,
            Some(owner.clone()),
            &["metadata.ownerReferences are not ours to change"],
        )
        .await;
        accepted(plane, &format!("+{who}"), words, Some(json!({"metadata": {"annotations": {"a": "b"}}}))).await;
    }
    accepted(plane, ADMIN, "patch datavolumes kept -n cf-owned --dry-run=server", Some(owner)).await;
}

#[tokio::test]
async fn the_purge_turns_a_tenants_volume_from_retain_to_delete_and_changes_nothing_else() {
    let plane = bed().await;
    let persistent = |name: &str, namespace: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/none"}, "storageClassName": "none",
            "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "kept", "namespace": namespace, "uid": "11111111-1111-1111-1111-111111111111"}}})
    };
    apply(plane, &[persistent("tenants", "cf-volumes"), persistent("others", "production")]);
    let delete = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}, "metadata": {"annotations": {"cloudfarm.dev/purge": "x"}}});
    accepted(plane, PURGE, "patch pv tenants --dry-run=server", Some(delete.clone())).await;
    refused(plane, PURGE, "patch pv others --dry-run=server", Some(delete), &["in namespace \"production\""]).await;
    for other in [
        json!({"spec": {"capacity": {"storage": "2Gi"}}}),
        json!({"spec": {"claimRef": null}}),
        json!({"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": "x"}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"metadata": {"finalizers": []}}),
    ] {
        refused(
            plane,
            PURGE,
            "patch pv tenants --dry-run=server",
            Some(other),
            &["changes nothing but spec.persistentVolumeReclaimPolicy"],
        )
        .await;
    }
    let recycle = json!({"spec": {"persistentVolumeReclaimPolicy": "Recycle"}});
    refused(plane, PURGE, "patch pv tenants --dry-run=server", Some(recycle), &["changes it to Delete only"]).await;
    accepted(plane, ADMIN, "patch pv tenants --dry-run=server", Some(json!({"metadata": {"labels": {"a": "b"}}})))
        .await;
}

#[tokio::test]
async fn the_purge_deletes_a_snapshots_content_only_of_a_tenant_whose_purge_began_and_only_with_its_data() {
    let plane = bed().await;
    ended(plane, "contents").await;
    let content = |name: &str, namespace: &str| {
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent", "metadata": {"name": name}, "spec": {
            "deletionPolicy": "Retain", "driver": "d", "source": {"snapshotHandle": "h"}, "volumeSnapshotRef": {"name": "s", "namespace": namespace}}})
    };
    apply(plane, &[content("mine", "cf-contents"), content("other", "production")]);
    let raw = |name: &str| format!("delete --raw /apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/{name}");
    let id = by_uid(&uid(plane, "volumesnapshotcontent mine"));
    let delete = json!({"spec": {"deletionPolicy": "Delete"}});
    refused(plane, PURGE, &raw("mine"), Some(id.clone()), &["spec.deletionPolicy is Retain"]).await;
    refused(
        plane,
        PURGE,
        "patch volumesnapshotcontent other --dry-run=server",
        Some(delete.clone()),
        &["in namespace \"production\""],
    )
    .await;
    let driver = json!({"metadata": {"labels": {"a": "b"}}});
    refused(
        plane,
        PURGE,
        "patch volumesnapshotcontent mine --dry-run=server",
        Some(driver),
        &["changes nothing but spec.deletionPolicy"],
    )
    .await;
    accepted(plane, PURGE, "patch volumesnapshotcontent mine", Some(delete)).await;
    let back = json!({"spec": {"deletionPolicy": "Retain"}});
    refused(
        plane,
        PURGE,
        "patch volumesnapshotcontent mine --dry-run=server",
        Some(back),
        &["changes it to Delete only"],
    )
    .await;

    refused(plane, PURGE, &raw("other"), Some(by_name()), &["in namespace \"production\""]).await;
    refused(plane, PURGE, &raw("mine"), Some(id.clone()), &["no purge of tenant contents has begun"]).await;
    let hold = json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": "officer"}});
    spec_by(plane, "officer", "contents", hold).await;
    refused(plane, PURGE, &raw("mine"), Some(id.clone()), &["legal hold of Retention contents"]).await;
    spec_by(plane, "colleague", "contents", json!({"legalHold": null})).await;
    status_by(plane, PURGE, "contents", begun()).await;
    accepted(plane, PURGE, &raw("mine"), Some(id)).await;
    refused(plane, PURGE, &raw("mine"), Some(by_name()), &["deletes by uid"]).await;
    world::retentions(&plane.admin().await).get("contents").await.expect("it is still there");
}
