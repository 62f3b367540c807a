//! On and off: by the Tenant, and by the customer through KubeVirt's own subresources.

use serde_json::json;

use super::bed::{bed, instances, printable, says};
use crate::support::caller::Caller;
use crate::support::eventually;
use crate::support::world::{apply, condition, machine, machines, merge, namespace, network, tenant, tenants};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_is_halted_and_comes_back() {
    let (plane, client) = bed().await;
    let of = |suspended: bool| {
        tenant("pausing", json!({"suspended": suspended, "virtualMachines": [machine("one", &["front"])]}))
    };
    apply(plane, &[namespace("pausing"), of(false), network("pausing", "front", json!({}))]);
    condition(&tenants(&client), "pausing", "Ready", "True").await;
    apply(plane, &[of(true)]);
    printable(&client, "pausing", "one", "Stopped").await;
    eventually("the instance to be gone", || async {
        instances(&client, "pausing").get_opt("one").await.ok()?.is_none().then_some(())
    })
    .await;
    let found = condition(&tenants(&client), "pausing", "Ready", "True").await;
    assert_eq!(found["status"]["phase"], "Suspended");
    apply(plane, &[of(false)]);
    printable(&client, "pausing", "one", "Running").await;
    condition(&tenants(&client), "pausing", "Ready", "True").await;
}

/// A request to switch a VM, as the customer's person sends it; again while KubeVirt is still busy with the last one.
pub async fn switch(person: &Caller, tenant: &str, vm: &str, how: &str) {
    let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/cf-{tenant}/virtualmachines/{vm}/{how}");
    eventually(&format!("KubeVirt to {how} {vm}"), || async {
        let answer = person.update(&path, &json!({})).await;
        assert!(
            !answer.refused() || answer.text.contains("already underway"),
            "{how}: {} {}",
            answer.code,
            answer.text
        );
        (!answer.refused()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_restarts_stops_and_starts_a_vm() {
    let (plane, client) = bed().await;
    let of = |run_strategy: &str| {
        let mut vm = machine("one", &["front"]);
        merge(&mut vm, json!({"runStrategy": run_strategy}));
        tenant("power", json!({"virtualMachines": [vm]}))
    };
    apply(plane, &[namespace("power"), of("Always"), network("power", "front", json!({}))]);
    condition(&tenants(&client), "power", "Ready", "True").await;
    let sato = Caller::user(plane, "sato").await;

    let before = instances(&client, "power").get("one").await.expect("an instance").metadata.uid;
    switch(&sato, "power", "one", "restart").await;
    eventually("another instance to run", || async {
        let now = instances(&client, "power").get_opt("one").await.ok()??;
        (now.metadata.uid != before && now.data["status"]["phase"] == "Running").then_some(())
    })
    .await;
    printable(&client, "power", "one", "Running").await;

    // A stop stands: the operator does not start again what the customer has stopped, whatever else changes.
    switch(&sato, "power", "one", "stop").await;
    printable(&client, "power", "one", "Stopped").await;
    says(&tenants(&client), "power", "VirtualMachinesReady", "stopped by hand: one").await;
    let label = json!({"classification": {"default": "internal", "levels": [{"name": "internal", "order": 0}]}});
    let mut labelled = of("Always");
    merge(&mut labelled["spec"], label);
    apply(plane, &[labelled]);
    eventually("the change to reach the VM", || async {
        let vm = machines(&client, "power").get_opt("one").await.ok()??;
        let labels = vm.metadata.labels.as_ref()?;
        (labels.get("cloudfarm.dev/classification")? == "internal").then_some(())
    })
    .await;
    printable(&client, "power", "one", "Stopped").await;
    condition(&tenants(&client), "power", "Ready", "True").await;

    switch(&sato, "power", "one", "start").await;
    printable(&client, "power", "one", "Running").await;
    condition(&tenants(&client), "power", "Ready", "True").await;

    // Another declaration has the last word again.
    switch(&sato, "power", "one", "stop").await;
    printable(&client, "power", "one", "Stopped").await;
    apply(plane, &[of("RerunOnFailure")]);
    printable(&client, "power", "one", "Running").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_the_customer_switches_alone_is_as_declared_on_and_off_and_a_viewer_switches_none() {
    let (plane, client) = bed().await;
    let mut vm = machine("one", &["front"]);
    merge(&mut vm, json!({"runStrategy": "Manual"}));
    let people = json!([
        {"username": "sato", "email": "sato@customer.example", "role": "PrivilegedAdministrator"},
        {"username": "ono", "email": "ono@customer.example", "role": "Viewer"},
    ]);
    let spec = json!({"virtualMachines": [vm], "administrators": people});
    apply(plane, &[namespace("manual"), tenant("manual", spec), network("manual", "front", json!({}))]);
    printable(&client, "manual", "one", "Stopped").await;
    condition(&tenants(&client), "manual", "Ready", "True").await;
    let path = "/apis/subresources.kubevirt.io/v1/namespaces/cf-manual/virtualmachines/one/start";
    let answer = Caller::user(plane, "ono").await.update(path, &json!({})).await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    let sato = Caller::user(plane, "sato").await;
    for (how, then) in [("start", "Running"), ("stop", "Stopped"), ("start", "Running")] {
        switch(&sato, "manual", "one", how).await;
        printable(&client, "manual", "one", then).await;
        condition(&tenants(&client), "manual", "Ready", "True").await;
    }
}
