//! Disks on a real API server: they grow by their claims, never shrink, and are there again when their VM is. CDI's
//! controller is played: it makes a claim with the DataVolume's labels and annotations (1.65 does so). Its webhook takes no
//! change of a DataVolume, and the audit log says that none is tried.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};
use support::audit::Mark;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, namespace, network, resource, tenant};
use support::{eventually, operator};

fn disks(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

fn claims(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

fn sized(size: &str) -> Value {
    let mut vm = machine("web", &["front"]);
    vm["disks"] = json!([{"name": "root", "size": "10Gi"}, {"name": "data", "size": size}]);
    json!({"virtualMachines": [vm]})
}

async fn says(client: &Client, tenant: &str, words: &str) -> Value {
    let tenants = world::tenants(client);
    eventually(&format!("DisksAsDeclared of {tenant} to say {words:?}"), || async {
        let found = serde_json::to_value(tenants.get(tenant).await.ok()?).ok()?;
        message(&found, "DisksAsDeclared").contains(words).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_grows_by_its_claim_never_shrinks_and_waits_for_its_vm_to_come_back() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    apply(plane, &[namespace("disks"), network("disks", "front", json!({})), tenant("disks", sized("10Gi"))]);
    condition(&world::tenants(&client), "disks", "DisksAsDeclared", "True").await;
    let disk =
        eventually("the disk", || async { disks(&client, "disks").get_opt("web-data").await.ok().flatten() }).await;

    // What CDI makes of it.
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "web-data", "namespace": "cf-disks", "labels": disk.metadata.labels,
                     "annotations": disk.metadata.annotations},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "cf-jp-encrypted",
                 "resources": {"requests": {"storage": "10Gi"}}},
    });
    plane.kubectl(&["create", "-f", "-"], Some(&claim.to_string()));
    eventually("the claim to be bound", || async {
        let claim = claims(&client, "disks").get("web-data").await.ok()?;
        (claim.data["status"]["phase"] == "Bound").then_some(())
    })
    .await;

    // A storage that cannot grow says so on the Tenant; once it can, the disk follows.
    let mark = Mark::now(plane);
    apply(plane, &[tenant("disks", sized("20Gi"))]);
    let found = says(&client, "disks", "PersistentVolumeClaim cf-disks/web-data").await;
    assert!(message(&found, "DisksAsDeclared").contains("resize"), "{}", message(&found, "DisksAsDeclared"));
    let class = json!({"allowVolumeExpansion": true}).to_string();
    plane.kubectl(&["patch", "storageclass", "cf-jp-encrypted", "--type=merge", "-p", &class], None);
    let grown = eventually("the claim to ask for more", || async {
        let claim = claims(&client, "disks").get("web-data").await.ok()?;
        (claim.data["spec"]["resources"]["requests"]["storage"] == "20Gi").then_some(claim)
    })
    .await;
    says(&client, "disks", "20Gi is asked for and not there yet").await;
    let calls = mark.calls(plane).await;
    assert!(!calls.iter().any(|call| call.resource == "datavolumes" && call.writes()), "{calls:#?}");
    let done =
        calls.iter().filter(|call| call.resource == "persistentvolumeclaims" && call.writes() && call.code < 300);
    assert_eq!(done.count(), 1, "{calls:#?}");

    // The storage has done it.
    let capacity = json!({"status": {"capacity": {"storage": "20Gi"}}}).to_string();
    let words = ["patch", "pvc", "web-data", "-n", "cf-disks", "--subresource=status", "--type=merge", "-p", &capacity];
    plane.kubectl(&words, None);
    condition(&world::tenants(&client), "disks", "DisksAsDeclared", "True").await;

    // Less is refused where it can be seen, and told where it cannot.
    let smaller = tenant("disks", sized("15Gi")).to_string();
    let apply_smaller = ["apply", "--server-side", "--force-conflicts", "--field-manager=person", "-f", "-"];
    let (ok, said) = plane.try_kubectl(&apply_smaller, Some(&smaller));
    assert!(!ok && said.contains("a disk never shrinks"), "{said}");
    apply(plane, &[tenant("disks", json!({"virtualMachines": []}))]);
    eventually("the VM to go", || async {
        world::machines(&client, "disks").get_opt("web").await.expect("an answer").is_none().then_some(())
    })
    .await;
    let kept = eventually("the disk to say since when", || async {
        let disk = disks(&client, "disks").get("web-data").await.ok()?;
        let removed = disk.metadata.annotations.as_ref()?.contains_key("cloudfarm.dev/removed-at");
        removed.then_some(disk)
    })
    .await;
    apply(plane, &[tenant("disks", sized("15Gi"))]);
    let found = says(&client, "disks", "a disk never shrinks").await;
    let said = message(&found, "DisksAsDeclared");
    assert!(said.contains("spec.virtualMachines[web].disks[data].size: 15Gi is less than the 20Gi"), "{said}");

    // The same disk and the same claim, by uid; what they hold was never touched.
    eventually("the VM to be there again", || async {
        world::machines(&client, "disks").get_opt("web").await.expect("an answer")
    })
    .await;
    let again = eventually("the disk to be declared again", || async {
        let disk = disks(&client, "disks").get("web-data").await.ok()?;
        let annotations = disk.metadata.annotations.clone().unwrap_or_default();
        (!annotations.contains_key("cloudfarm.dev/removed-at")).then_some(disk)
    })
    .await;
    assert_eq!((&again.metadata.uid, &kept.metadata.uid), (&disk.metadata.uid, &disk.metadata.uid));
    let claim = claims(&client, "disks").get("web-data").await.expect("the claim");
    assert_eq!(claim.metadata.uid, grown.metadata.uid);
    assert_eq!(claim.data["spec"]["resources"]["requests"]["storage"], "20Gi");
    apply(plane, &[tenant("disks", sized("20Gi"))]);
    condition(&world::tenants(&client), "disks", "DisksAsDeclared", "True").await;
}
