//! The whole life of a tenant, from its data to the proof that it is gone, and what comes after it under the same name.

use std::collections::BTreeMap;

use cloudfarm::api::retention::{Progress, RetentionPhase};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::support::eventually;
use super::support::purge::{ENDED, Purger, doomed, due};
use super::support::storage::Driver;
use super::support::storage::cluster::Kind;
use super::support::storage::tenant::{TenantData, tenant_with_data};
use super::support::whole::objects;
use super::support::world::{self, apply, condition, machine, network, tenant};
use super::{Desk, bed, work};

/// What `kubectl describe` says will happen next.
fn next(desk: &Desk, retention: &str) -> String {
    let said = desk.plane.kubectl(&["describe", "ret", retention], None);
    let line = said.lines().find(|line| line.trim_start().starts_with("Next:"));
    line.map(|line| line.trim().trim_start_matches("Next:").trim().to_owned()).unwrap_or(said)
}

async fn says(desk: &Desk, retention: &str, what: &str) {
    eventually(&format!("{retention} to say {what:?}"), || async {
        next(desk, retention).contains(what).then_some(())
    })
    .await;
}

async fn strategies(desk: &Desk, tenant: &str) -> Vec<Value> {
    let all = world::machines(&desk.admin, tenant).list(&ListParams::default()).await.expect("a list").items;
    all.iter().map(|machine| machine.data["spec"]["runStrategy"].clone()).collect()
}

/// How many people each of the customer's bindings lets in.
async fn bindings(desk: &Desk, tenant: &str) -> Vec<(String, usize)> {
    let kind = world::resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");
    let api =
        kube::Api::<kube::api::DynamicObject>::namespaced_with(desk.admin.clone(), &format!("cf-{tenant}"), &kind);
    let all = api.list(&ListParams::default()).await.expect("a list").items;
    let doors = all.iter().filter(|binding| binding.name_any().starts_with("cloudfarm-tenant"));
    let people = |binding: &kube::api::DynamicObject| binding.data["subjects"].as_array().map_or(0, Vec::len);
    doors.map(|binding| (binding.name_any(), people(binding))).collect()
}

/// How many people get in; taking data along is no login.
async fn logins(desk: &Desk, tenant: &str) -> usize {
    let all = bindings(desk, tenant).await;
    all.iter().filter(|(name, _)| name != "cloudfarm-tenant-export").map(|(_, people)| people).sum()
}

/// How many people may do anything at all.
pub async fn subjects(desk: &Desk, tenant: &str) -> usize {
    bindings(desk, tenant).await.iter().map(|(_, people)| people).sum()
}

pub async fn closed(desk: &Desk, tenant: &str) {
    eventually("VMs halted and logins closed", || async {
        let halted = strategies(desk, tenant).await.iter().all(|strategy| strategy == "Halted");
        (halted && logins(desk, tenant).await == 0).then_some(())
    })
    .await;
}

pub async fn open(desk: &Desk, tenant: &str) {
    eventually("VMs running and logins open", || async {
        let running = strategies(desk, tenant).await.iter().all(|strategy| strategy != "Halted");
        (running && logins(desk, tenant).await > 0).then_some(())
    })
    .await;
}

/// The tenant's declaration with another last day.
async fn end(desk: &Desk, tenant: &str, date: Option<&str>) {
    let patch = Patch::Merge(json!({"spec": {"contract": {"endDate": date}}}));
    world::tenants(&desk.admin).patch(tenant, &PatchParams::default(), &patch).await.expect("patched");
}

/// One of the volumes is kept by its class or by somebody's hand.
async fn retain_one(desk: &Desk, data: &TenantData) {
    let volumes = Kind::Volume.api(&desk.admin, None);
    let all = volumes.list(&ListParams::default()).await.expect("a list").items;
    let one =
        all.iter().find(|volume| volume.data["spec"]["claimRef"]["namespace"] == data.namespace).expect("a volume");
    let patch = Patch::Merge(json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}));
    volumes.patch(&one.name_any(), &PatchParams::default(), &patch).await.expect("patched");
}

fn canaries(driver: &Driver, data: &TenantData) -> BTreeMap<String, Option<Vec<u8>>> {
    data.handles().into_iter().map(|handle| (handle.clone(), driver.canary(&handle))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_ends_comes_back_ends_again_is_erased_down_to_the_volume_and_its_namesake_inherits_nothing() {
    let (desk, driver, _turn) = bed().await;
    let (plane, admin) = (desk.plane, desk.admin.clone());
    let beside = tenant_with_data(plane, driver, "beside", json!({})).await;
    let data = tenant_with_data(plane, driver, "leaving", json!({})).await;
    retain_one(&desk, &data).await;
    let (before, canaries_before) = (work(&desk, "leaving").await, canaries(driver, &data));
    assert!(canaries_before.values().all(Option::is_some));
    says(&desk, "leaving", "nothing: the contract has no end date, everything is kept").await;

    // The contract ends: nothing runs, nobody gets in, nothing is lost.
    end(&desk, "leaving", Some(ENDED)).await;
    closed(&desk, "leaving").await;
    says(&desk, "leaving", "data is kept until").await;
    assert_eq!(work(&desk, "leaving").await, before);
    assert_eq!(canaries(driver, &data), canaries_before);

    // It was a mistake: everything is as it was, and the same.
    end(&desk, "leaving", Some("2099-12-31")).await;
    open(&desk, "leaving").await;
    says(&desk, "leaving", "2100-01-01T00:00:00+09:00 VMs are halted and logins closed; data is kept until").await;
    assert_eq!(work(&desk, "leaving").await, before);
    assert_eq!(canaries(driver, &data), canaries_before);

    // It ends for good.
    end(&desk, "leaving", Some(ENDED)).await;
    closed(&desk, "leaving").await;
    let purger = due(&desk, "leaving").await;
    says(&desk, "leaving", "previews the erasure, the one after it may erase the data").await;
    purger.preview().await;
    says(&desk, "leaving", "may erase the data; the last one said: no run has previewed this purge yet").await;
    assert_eq!(canaries(driver, &data), canaries_before, "a preview touches nothing");
    let (there, others) = (objects(&admin, "leaving").await, objects(&admin, "beside").await);
    let others_data = canaries(driver, &beside);

    let certificate = purger.purged().await;
    says(&desk, "leaving", "nothing: the data is erased; this object carries the proof and is kept until").await;
    assert_eq!(objects(&admin, "leaving").await, BTreeMap::new());
    let handles = data.handles();
    assert!(driver.volumes().is_disjoint(&handles) && driver.snapshots().is_disjoint(&handles), "data is left");
    assert!(driver.leaked().is_disjoint(&handles), "data that nobody can find any more");
    assert_eq!(objects(&admin, "beside").await, others, "another tenant was touched");
    assert_eq!(canaries(driver, &beside), others_data);

    // Every object that was there is named, by uid.
    let report = desk.verified().await;
    assert!(report.certificates.iter().any(|each| each.certificate == certificate));
    let named: BTreeMap<&str, &str> =
        certificate.objects.iter().map(|each| (each.uid.as_str(), each.name.as_str())).collect();
    let made_anew = ["ConfigMap ", "ServiceAccount ", "RoleBinding "];
    for (key, (uid, _)) in &there {
        let noise = made_anew.iter().any(|kind| key.starts_with(kind))
            && ["/kube-root-ca.crt", "/default", "/cloudfarm-purge-"].iter().any(|name| key.contains(name));
        assert!(noise || named.contains_key(uid.as_str()), "{key} is not in the certificate");
    }
    assert_eq!(certificate.remaining, 0);

    // The declaration goes, and somebody else gets the name.
    world::tenants(&admin).delete("leaving", &DeleteParams::default()).await.expect("deleted");
    let machines = json!({"virtualMachines": [machine("one", &["front"])]});
    apply(plane, &[world::namespace("leaving"), tenant("leaving", machines), network("leaving", "front", json!({}))]);
    let declared = condition(&world::tenants(&admin), "leaving", "Ready", "True").await;
    let uid = declared["metadata"]["uid"].as_str().expect("a uid");
    let next_one = format!("leaving-{}", &uid[..8]);
    let status = desk
        .until(&next_one, "it knows the tenant", |status| {
            status.pinned.as_ref().is_some_and(|pinned| pinned.namespace_uids.len() == 2)
        })
        .await;
    let pinned = status.pinned.clone().expect("pinned");
    assert_eq!((status.phase, pinned.tenant_uid.as_str()), (Some(RetentionPhase::Idle), uid));
    assert_eq!((&status.first_seen, &status.end_date, &status.progress), (&None, &None, &Progress::default()));
    assert!(pinned.namespace_uids.values().all(|new| !before.values().any(|old| old == new)));
    let old = desk.status("leaving").await;
    assert_eq!((old.phase, old.progress.evidence.is_some()), (Some(RetentionPhase::Purged), true));
    for namespace in ["cf-leaving", "cfd-leaving"] {
        let marks = plane.kubectl(&["get", "namespace", namespace, "-o", "jsonpath={.metadata.annotations}"], None);
        assert!(!marks.contains("purge-approved") && !marks.contains("legal-hold"), "{marks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namesake_of_an_erased_tenant_is_erased_in_its_turn_by_its_own_retention() {
    let (desk, driver, _turn) = bed().await;
    let (first, _) = doomed(&desk, driver, "again", &[]).await;
    first.purged().await;
    let proof = desk.retention("again").await;
    let tenants = world::tenants(&desk.admin);
    tenants.delete("again", &DeleteParams::default()).await.expect("deleted");
    apply(desk.plane, &[tenant("again", json!({}))]);
    let uid =
        condition(&tenants, "again", "Ready", "True").await["metadata"]["uid"].as_str().expect("a uid").to_owned();
    end(&desk, "again", Some(ENDED)).await;
    let second = Purger::by(&desk, "again", &format!("again-{}", &uid[..8])).await;
    second.let_time_pass().await;
    second.preview().await;
    let certificate = second.purged().await;
    assert_eq!((certificate.tenant_uid, certificate.retention_uid), (uid, second.uid.clone()));
    assert_eq!(desk.retention("again").await["status"]["evidence"], proof["status"]["evidence"]);
    tenants.delete("again", &DeleteParams::default()).await.expect("deleted");
}
