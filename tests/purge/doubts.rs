//! What makes a run keep everything: another inventory, another plan, another uid, what cannot be listed or told apart.

use cloudfarm::api::home;
use cloudfarm::api::retention::{PurgeState, RetentionStatus, RunOutcome};
use cloudfarm::install::EVIDENCE_NAMESPACE;
use cloudfarm::purge::live::PLAN_KEY;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::support::eventually;
use super::support::purge::{ENDED, Purger, doomed, due, ended_tenant};
use super::support::storage::cluster::Kind;
use super::support::world::{self, apply};
use super::{Desk, bed, bed_alone, work};

fn config_map(namespace: &str, name: &str, more: Value) -> Value {
    let mut manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}});
    super::support::world::merge(&mut manifest, more);
    manifest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_object_under_the_name_of_the_record_is_not_touched_and_said_until_it_is_gone() {
    let (desk, _, _turn) = bed().await;
    apply(desk.plane, &[world::namespace("squatted"), world::tenant("squatted", json!({}))]);
    let purger = Purger::of(&desk, "squatted").await;
    let name = home::purge_record("squatted", &purger.uid);
    let theirs = config_map(EVIDENCE_NAMESPACE, &name, json!({"data": {"plan": "not ours"}}));
    desk.plane.kubectl(&["create", "-f", "-"], Some(&theirs.to_string()));
    apply(desk.plane, &[world::tenant("squatted", json!({"contract": {"endDate": ENDED}}))]);
    let said = |word: &'static str| {
        move |status: &RetentionStatus| {
            let stalled = status.conditions.iter().find(|each| each.type_ == "Stalled");
            stalled.is_some_and(|stalled| stalled.reason == word)
        }
    };
    desk.until("squatted", "it says whose it is not", said("ForeignObject")).await;
    assert_eq!(desk.record("squatted", &purger.uid).await["plan"], "not ours");
    desk.plane.kubectl(&["delete", "configmap", &name, "-n", EVIDENCE_NAMESPACE], None);
    desk.until("squatted", "it goes on", said("AsDeclared")).await;
    // It may go on saying so before the next pass has made the record: what it met went between two of its calls.
    eventually("the operator's own record", || async {
        let record = desk.evidence().get(&name).await.ok()?;
        (record.metadata.labels.is_some() && record.data.is_none()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_appears_after_the_preview_is_previewed_before_anything_is_deleted() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "late-before", &[]).await;
    apply(desk.plane, &[config_map("cf-late-before", "late", json!({}))]);
    let there = work(&desk, "late-before").await;
    let said = purger.refused("InventoryChanged").await;
    assert!(said.contains("the next may delete"), "{said}");
    assert_eq!(work(&desk, "late-before").await, there);
    assert!(driver.holds(&handle));
    let certificate = purger.purged().await;
    assert!(certificate.objects.iter().any(|object| object.name == "late"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_appears_after_the_plan_is_never_deleted_by_name_and_never_certified_away() {
    let (desk, driver, _turn) = bed().await;
    let (mut purger, _) = doomed(&desk, driver, "late-after", &[]).await;
    purger.patience = std::time::Duration::from_secs(20);
    // A namesake of a planned object, made after that one went, and a stranger beside it.
    let mut made = None;
    let ended = purger
        .run_and_before_each(async |write| {
            let gone = desk.plane.try_kubectl(&["get", "configmap", "app", "-n", "cf-late-after"], None).1;
            if write > 2 && made.is_none() && gone.contains("NotFound") {
                apply(
                    desk.plane,
                    &[config_map("cf-late-after", "app", json!({"metadata": {"finalizers": ["test.example/kept"]}}))],
                );
                made = Some(desk.plane.kubectl(
                    &["get", "configmap", "app", "-n", "cf-late-after", "-o", "jsonpath={.metadata.uid}"],
                    None,
                ));
            }
        })
        .await;
    let made = made.expect("a namesake");
    // Its namespace, which was planned, goes and takes it along: what is certified is what was planned.
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Interrupted, "Blocked"), "{ended:?}");
    assert!(purger.certificate().await.is_none());
    assert!(purger.plan().await.items.iter().all(|item| item.uid != made));
    free(&desk, "late-after", "app");
    purger.patience = std::time::Duration::from_mins(1);
    let certificate = purger.purged().await;
    assert!(certificate.objects.iter().all(|object| object.uid != made));
}

fn free(desk: &Desk, tenant: &str, config_map: &str) {
    let none = r#"{"metadata":{"finalizers":null}}"#;
    desk.plane
        .kubectl(&["patch", "configmap", config_map, "-n", &format!("cf-{tenant}"), "--type=merge", "-p", none], None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_somebody_edited_deletes_nothing_until_it_is_the_old_one_again() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "edited", &[]).await;
    let there = work(&desk, "edited").await;
    let record = cloudfarm::api::home::purge_record("edited", &purger.uid);
    let evidence = desk.evidence();
    let put = async |text: &str| {
        let patch = Patch::Merge(json!({"data": {PLAN_KEY: text}}));
        evidence.patch(&record, &PatchParams::default(), &patch).await.expect("patched");
    };
    let mut plan = String::new();
    let ended = purger
        .run_and_before_each(async |write| {
            if write == 2 {
                plan = desk.record("edited", &purger.uid).await.remove(PLAN_KEY).expect("a plan");
                put(&plan.replace("\"name\":\"app\"", "\"name\":\"other\"")).await;
            }
        })
        .await;
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Interrupted, "PlanChanged"), "{ended:?}");
    assert_eq!(work(&desk, "edited").await, there);
    assert!(purger.refused("PlanChanged").await.contains("somebody changed it") && driver.holds(&handle));
    put("").await;
    purger.refused("PlanChanged").await;
    put(&plan).await;
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_for_another_uid_or_for_another_tenants_retention_leaves_no_trace() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "this-one", &[]).await;
    let (other, other_handle) = doomed(&desk, driver, "that-one", &[]).await;
    let before = desk.retention("this-one").await;
    let wrong = Purger { uid: "00000000-0000-0000-0000-000000000000".into(), ..purger.clone() };
    assert!(wrong.refused("OtherUid").await.contains("a namesake is not purged"));
    let mixed = Purger { uid: other.uid.clone(), ..purger.clone() };
    assert!(mixed.refused("OtherUid").await.contains("a namesake is not purged"));
    assert_eq!(desk.retention("this-one").await, before);
    assert!(driver.holds(&handle) && driver.holds(&other_handle));
}

/// Runs until one names all of this: the namespace controller takes its time to say what is left.
async fn blocked_by(purger: &Purger, wanted: &[&str]) {
    eventually(&format!("a run to name {wanted:?}"), || async {
        let said = purger.refused("Blocked").await;
        wanted.iter().all(|part| said.contains(part)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finalizer_of_others_is_named_never_taken_off_and_waited_for() {
    let (desk, driver, _turn) = bed().await;
    let mut claims = Vec::new();
    for name in ["stuck-disk", "stuck-inside"] {
        claims.push(ended_tenant(&desk, driver, name, &[config_map(&format!("cf-{name}"), "inside", json!({}))]).await);
    }
    let claim = Kind::Claim.api(&desk.admin, Some("cf-stuck-disk"));
    let mark = |finalizers: Value| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    let theirs = json!(["kubernetes.io/pvc-protection", "backup.example/running"]);
    claim.patch("disk", &PatchParams::default(), &mark(theirs)).await.expect("patched");
    // A kind that a purge leaves to the namespace.
    let quota = json!({
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": "theirs", "namespace": "cf-stuck-inside", "finalizers": ["backup.example/running"]},
        "spec": {"limits": []},
    });
    apply(desk.plane, &[quota]);
    let mut purgers = Vec::new();
    for name in ["stuck-disk", "stuck-inside"] {
        let mut purger = due(&desk, name).await;
        purger.preview().await;
        purger.patience = std::time::Duration::from_secs(4);
        purgers.push(purger);
    }
    tokio::join!(
        blocked_by(&purgers[0], &["persistentvolumeclaims cf-stuck-disk/disk", "finalizer backup.example/running"]),
        blocked_by(&purgers[1], &["namespaces cf-stuck-inside", "backup.example/running"]),
    );
    for purger in &purgers {
        assert!(purger.certificate().await.is_none());
        assert_eq!(purger.status().await.progress.purge.map(|purge| purge.state), Some(PurgeState::Purging));
        let name = &purger.retention;
        desk.until(name, "it says what blocks", |status| {
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            ready.is_some_and(|ready| ready.status == "False" && ready.message.contains("backup.example/running"))
        })
        .await;
    }
    assert!(driver.holds(&claims[0]), "the claim still holds it");
    claim.patch("disk", &PatchParams::default(), &mark(json!(null))).await.expect("patched");
    desk.plane.kubectl(
        &[
            "patch",
            "limitrange",
            "theirs",
            "-n",
            "cf-stuck-inside",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
        ],
        None,
    );
    for purger in &mut purgers {
        purger.patience = std::time::Duration::from_mins(1);
        purger.purged().await;
    }
    assert!(claims.iter().all(|handle| !driver.holds(handle)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_made_anew_under_the_name_of_one_that_went_is_never_entered_and_nothing_is_certified() {
    let (desk, driver, _turn) = bed().await;
    let (mut purger, _) = doomed(&desk, driver, "renewed", &[]).await;
    let keeps = json!({
        "apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": "theirs", "namespace": "cfd-renewed", "finalizers": ["backup.example/running"]},
        "spec": {"limits": []},
    });
    apply(desk.plane, &[keeps]);
    purger.patience = std::time::Duration::from_secs(3);
    purger.refused("InventoryChanged").await;
    eventually("the first namespace to be gone, and the second not", || async {
        purger.refused("Blocked").await;
        desk.plane.try_kubectl(&["get", "namespace", "cf-renewed"], None).1.contains("NotFound").then_some(())
    })
    .await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cf-renewed"}});
    apply(desk.plane, &[namespace, config_map("cf-renewed", "of-somebody", json!({}))]);
    desk.plane.kubectl(
        &[
            "patch",
            "limitrange",
            "theirs",
            "-n",
            "cfd-renewed",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
        ],
        None,
    );
    let there = work(&desk, "renewed").await;
    let said = purger.refused("Doubt").await;
    assert!(said.contains("namespace cf-renewed has uid"), "{said}");
    assert!(there.contains_key("ConfigMap cf-renewed/of-somebody") && purger.certificate().await.is_none());
    let after = work(&desk, "renewed").await;
    assert!(there.iter().all(|(key, uid)| key.contains("cfd-renewed") || after.get(key) == Some(uid)), "{after:?}");
    desk.plane.kubectl(&["delete", "namespace", "cf-renewed"], None);
    purger.patience = std::time::Duration::from_mins(1);
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_cannot_be_listed_is_a_doubt_and_goes_on_once_it_may_be_read() {
    let (desk, driver, _turn) = bed_alone().await;
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "vaults.third.example"},
        "spec": {
            "group": "third.example", "scope": "Namespaced",
            "names": {"kind": "Vault", "plural": "vaults", "singular": "vault", "listKind": "VaultList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    apply(desk.plane, &[crd]);
    desk.plane.kubectl(&["wait", "--for=condition=Established", "crd/vaults.third.example"], None);
    let handle = ended_tenant(&desk, driver, "third", &[]).await;
    eventually("the API of vaults", || async {
        let vault = "apiVersion: third.example/v1\nkind: Vault\nmetadata: {name: deep, namespace: cf-third}\n";
        desk.plane.try_kubectl(&["apply", "--server-side", "-f", "-"], Some(vault)).0.then_some(())
    })
    .await;
    let purger = due(&desk, "third").await;
    let ended = purger.run().await;
    assert_eq!(ended.outcome, RunOutcome::Previewed);
    assert!(ended.message.contains("it would stop at: vaults.third.example cannot be listed"), "{}", ended.message);
    purger.approved().await;
    let said = purger.refused("Doubt").await;
    assert!(
        said.contains("vaults.third.example") && said.contains("cloudfarm.dev/aggregate-to-purge-inventory=true"),
        "{said}"
    );
    assert!(driver.holds(&handle));
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "third-inventory", "labels": {"cloudfarm.dev/aggregate-to-purge-inventory": "true"}},
        "rules": [{"apiGroups": ["third.example"], "resources": ["vaults"], "verbs": ["get", "list"]}],
    });
    apply(desk.plane, &[role]);
    desk.granted_for("third", "list", "third.example", "vaults").await;
    purger.refused("InventoryChanged").await;
    let certificate = purger.purged().await;
    assert!(certificate.objects.iter().any(|object| object.name == "deep" && object.kind.contains("vaults")));
    desk.plane.kubectl(&["delete", "crd", "vaults.third.example"], None);
    desk.plane.kubectl(&["delete", "clusterrole", "third-inventory"], None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_a_claim_that_nobody_knows_is_a_doubt() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "stray", &[]).await;
    let stray = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "stray-volume"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "cf-jp-encrypted",
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "storage.test", "volumeHandle": "of-somebody"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "cf-stray", "name": "old", "uid": "11111111-2222-3333-4444-555555555555"},
        },
    });
    apply(desk.plane, &[stray]);
    let said = purger.refused("Doubt").await;
    assert!(said.contains("persistentvolumes stray-volume belongs to cf-stray/old"), "{said}");
    assert!(driver.holds(&handle) && purger.status().await.progress.purge.is_none());
    desk.plane.kubectl(&["delete", "pv", "stray-volume"], None);
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_erased_while_velero_has_a_backup_of_the_tenant() {
    let (desk, driver, _turn) = bed_alone().await;
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "backups.velero.io"},
        "spec": {
            "group": "velero.io", "scope": "Namespaced",
            "names": {"kind": "Backup", "plural": "backups", "singular": "backup", "listKind": "BackupList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    apply(desk.plane, &[crd]);
    desk.plane.kubectl(&["wait", "--for=condition=Established", "crd/backups.velero.io"], None);
    let backup = |name: &str, namespaces: &[&str]| {
        json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": "default"},
            "spec": {"includedNamespaces": namespaces}, "status": {"phase": "Completed", "expiration": "2026-12-29T00:00:00Z"}})
        .to_string()
    };
    for (name, namespaces) in [("others", ["cf-elsewhere"]), ("theirs", ["cf-carried-off"])] {
        eventually("the API of backups", || async {
            let words = ["apply", "--server-side", "-f", "-"];
            desk.plane.try_kubectl(&words, Some(&backup(name, &namespaces))).0.then_some(())
        })
        .await;
    }
    let (purger, handle) = doomed(&desk, driver, "carried-off", &[]).await;
    let said = purger.refused("Doubt").await;
    assert!(
        said.contains("Backup default/theirs (till 2026-12-29T00:00:00Z); delete") && driver.holds(&handle),
        "{said}"
    );
    desk.plane.kubectl(&["delete", "backups.velero.io", "theirs", "-n", "default"], None);
    purger.purged().await;
    assert!(!driver.holds(&handle));
    desk.plane.kubectl(&["delete", "crd", "backups.velero.io"], None);
}
