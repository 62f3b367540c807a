//! Where data is (6.1.3).

use serde_json::{Value, json};

use crate::bed::{Bed, bed, said};
use crate::support::audit::Mark;
use crate::support::eventually;
use crate::support::world::{self, apply, condition, machine, message, network, tenant};

const COUNTRY: &str = "node-restriction.kubernetes.io/cloudfarm-country";

fn class_says(bed: &Bed, country: &str) {
    let label = format!("cloudfarm.dev/country={country}");
    bed.plane.kubectl(&["label", "--overwrite", "storageclass", "cf-jp-encrypted", &label], None);
}

fn volume(name: &str, tenant: &str, zone: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "cf-jp-encrypted",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/nowhere"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": format!("cf-{tenant}"), "name": "lost"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]},
            ]}]}},
        },
    })
}

fn node(name: &str, country: Option<&str>) -> Value {
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": format!("zone-of-{name}")}},
        "spec": {"unschedulable": true},
    });
    if let Some(country) = country {
        manifest["metadata"]["labels"][COUNTRY] = json!(country);
    }
    manifest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_makes_it_true_a_volume_abroad_stops_new_vms_of_its_own_tenant_alone_and_a_restart_forgets_nothing() {
    let bed = bed().await;
    class_says(&bed, "JP");
    let operator = bed.operator().await;
    let bundle = |name: &str, vms: &[&str]| {
        let machines: Vec<Value> = vms.iter().map(|vm| machine(vm, &["front"])).collect();
        [world::namespace(name), tenant(name, json!({"virtualMachines": machines})), network(name, "front", json!({}))]
    };
    for name in ["near", "far"] {
        apply(&bed.plane, &bundle(name, &["one"]));
        condition(&bed.tenants(), name, "Ready", "True").await;
        condition(&bed.tenants(), name, "ResidencyVerified", "True").await;
    }

    // A volume in the zone of a node that nobody has labelled is not known, of one abroad it is outside.
    apply(&bed.plane, &[node("dark", None)]);
    let dark = condition(&bed.tenants(), "near", "ResidencyVerified", "Unknown").await;
    assert!(message(&dark, "ResidencyVerified").contains("node dark: it has no label"), "{dark:#}");
    condition(&bed.tenants(), "near", "Ready", "True").await;
    bed.plane.kubectl(&["delete", "node", "dark"], None);
    condition(&bed.tenants(), "near", "ResidencyVerified", "True").await;

    apply(&bed.plane, &[volume("astray", "far", "nowhere")]);
    let astray = condition(&bed.tenants(), "far", "ResidencyVerified", "True").await;
    assert!(astray["status"]["residency"].is_null(), "its class says where it is, as long as no zone says otherwise");

    // A node abroad is everybody's business; the volume in its zone is its tenant's.
    apply(&bed.plane, &[node("abroad", Some("SG")), volume("away", "far", "zone-of-abroad")]);
    let away = bed.until("far", "the volume is named", |it| {
        message(it, "ResidencyVerified").contains("volume away (claim lost): its nodeAffinity leaves the country")
    });
    let away = away.await;
    assert_eq!(said(&away, "ResidencyVerified"), "False");
    assert!(!message(&away, "ResidencyVerified").contains("volume astray"), "it came first and is inside: {away:#}");
    let near = condition(&bed.tenants(), "near", "ResidencyVerified", "False").await;
    assert!(message(&near, "ResidencyVerified").contains("node abroad: its label says SG"), "{near:#}");
    assert!(!message(&near, "ResidencyVerified").contains("volume away"), "{near:#}");
    bed.plane.kubectl(&["label", "node", "abroad", &format!("{COUNTRY}-")], None);
    condition(&bed.tenants(), "near", "ResidencyVerified", "Unknown").await;
    bed.plane.kubectl(&["label", "node", "abroad", &format!("{COUNTRY}=SG")], None);

    // New VMs are not made; those that live are left.
    let uid = world::machines(&bed.client, "far").get("one").await.expect("a VM").metadata.uid;
    apply(&bed.plane, &bundle("far", &["one", "two"]));
    let refused = condition(&bed.tenants(), "far", "VirtualMachinesReady", "False").await;
    assert!(message(&refused, "VirtualMachinesReady").contains("two: not made outside of Japan"), "{refused:#}");
    condition(&bed.tenants(), "far", "Ready", "False").await;
    assert!(world::machines(&bed.client, "far").get_opt("two").await.expect("an answer").is_none());
    assert_eq!(world::machines(&bed.client, "far").get("one").await.expect("a VM").metadata.uid, uid);

    // A restart looks before it speaks.
    condition(&world::retentions(&bed.client), "far", "Ready", "True").await;
    operator.stop().await;
    let mark = Mark::now(&bed.plane);
    let operator = bed.operator().await;
    apply(&bed.plane, &[tenant("after-far", json!({}))]);
    condition(&bed.tenants(), "after-far", "ResidencyVerified", "False").await;
    let calls = mark.calls(&bed.plane).await;
    let spoken: Vec<_> =
        calls.iter().filter(|call| call.writes() && ["near", "far"].contains(&call.name.as_str())).collect();
    assert!(spoken.is_empty(), "{spoken:#?}");

    bed.plane.kubectl(&["delete", "node", "abroad"], None);
    bed.plane.kubectl(&["delete", "pv", "away", "astray"], None);
    condition(&bed.tenants(), "far", "ResidencyVerified", "True").await;
    eventually("the VM to follow", || async {
        world::machines(&bed.client, "far").get_opt("two").await.ok().flatten()
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_that_is_not_the_countrys_is_outside_and_a_backup_location_has_to_say_where_it_is() {
    let bed = bed().await;
    class_says(&bed, "JP");
    let operator = bed.operator().await;
    apply(&bed.plane, &[tenant("stored", json!({"residency": {"backupLocation": "s3-jp"}}))]);
    let missing = condition(&bed.tenants(), "stored", "ResidencyVerified", "Unknown").await;
    assert!(message(&missing, "ResidencyVerified").contains("Velero is not installed"), "{missing:#}");

    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "backupstoragelocations.velero.io"},
        "spec": {
            "group": "velero.io", "scope": "Namespaced",
            "names": {"kind": "BackupStorageLocation", "plural": "backupstoragelocations"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    apply(&bed.plane, &[crd]);
    bed.plane.kubectl(&["wait", "--for=condition=Established", "crd/backupstoragelocations.velero.io"], None);
    bed.until("stored", "the location is looked for", |it| {
        message(it, "ResidencyVerified").contains("no BackupStorageLocation has this name")
    })
    .await;
    let location = |country: Option<&str>| {
        let labels = country.map_or_else(|| json!({}), |country| json!({"cloudfarm.dev/country": country}));
        json!({
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "s3-jp", "namespace": "default", "labels": labels},
            "spec": {"provider": "aws", "config": {"region": 7}},
        })
    };
    apply(&bed.plane, &[location(None)]);
    bed.until("stored", "the label is asked for", |it| {
        message(it, "ResidencyVerified").contains("backup location s3-jp: it has no label cloudfarm.dev/country=JP")
    })
    .await;
    apply(&bed.plane, &[location(Some("JP"))]);
    condition(&bed.tenants(), "stored", "ResidencyVerified", "True").await;
    class_says(&bed, "jp");
    let wrong = condition(&bed.tenants(), "stored", "ResidencyVerified", "False").await;
    assert!(
        message(&wrong, "ResidencyVerified").contains("storage class cf-jp-encrypted: its label says jp"),
        "{wrong:#}"
    );
    class_says(&bed, "JP");
    condition(&bed.tenants(), "stored", "ResidencyVerified", "True").await;
    operator.stop().await;
}
