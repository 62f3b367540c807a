//! A cluster that gets KubeVirt and CDI late, and loses them again: conditions, no crash, nothing deleted.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use serde_json::json;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, tenant};
use support::{eventually, operator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kubevirt_the_tenant_says_so_its_vms_follow_when_it_appears_and_nothing_is_concluded_when_it_goes() {
    let plane = Plane::start("neighbours", Some("none"));
    let client = plane.admin().await;
    let running = operator::Operator::start(&plane).await;
    let bundle = [
        world::namespace("early"),
        tenant("early", json!({"virtualMachines": [machine("one", &["front"])]})),
        network("early", "front", json!({})),
    ];
    apply(&plane, &bundle);
    let waiting = condition(&world::tenants(&client), "early", "VirtualMachinesReady", "False").await;
    assert!(message(&waiting, "VirtualMachinesReady").contains("KubeVirt is not installed"), "{waiting:#}");
    for there in ["NamespacesReady", "QuotaEnforced", "WallsReady", "RetentionScheduled"] {
        condition(&world::tenants(&client), "early", there, "True").await;
    }

    plane.install("cdi");
    plane.install("kubevirt");
    let vm = eventually("the VM to follow", || async {
        world::machines(&client, "early").get_opt("one").await.ok().flatten()
    })
    .await;
    assert!(running.runs());

    // KubeVirt's CRD goes, and with it every VM object: that is somebody's decision about KubeVirt and none of ours.
    let mark = support::audit::Mark::now(&plane);
    plane.kubectl(&["delete", "crd", "virtualmachines.kubevirt.io", "--timeout=60s"], None);
    eventually("the loss to be told", || async {
        let object = world::tenants(&client).get("early").await.ok()?;
        let value = serde_json::to_value(object).ok()?;
        message(&value, "VirtualMachinesReady").contains("KubeVirt is not installed").then_some(())
    })
    .await;
    let deletes: Vec<_> = mark.calls(&plane).await.into_iter().filter(|call| call.verb == "delete").collect();
    assert!(deletes.is_empty(), "{deletes:#?}");
    assert!(running.runs() && vm.metadata.uid.is_some());
    running.stop().await;
}
