//! What KubeVirt refuses, or cannot start, is told on the Tenant in its words, and hurts no other VM.

use serde_json::{Value, json};

use super::bed::{bed, printable, says};
use crate::support::eventually;
use crate::support::world::{apply, condition, machine, machines, merge, message, namespace, network, tenant, tenants};

fn with(name: &str, more: Value) -> Value {
    let mut vm = machine(name, &["front"]);
    merge(&mut vm, more);
    vm
}

fn reason(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().expect("conditions");
    let found = conditions.iter().find(|condition| condition["type"] == type_).expect("the condition");
    found["reason"].as_str().expect("a reason").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vms_that_kubevirts_webhook_refuses_are_named_with_its_words_and_the_others_run() {
    let (plane, client) = bed().await;
    let vms = json!([
        with("lost", json!({"preference": "no-such-preference"})),
        with("small", json!({"preference": "windows.11"})),
        with("well", json!({})),
    ]);
    apply(
        plane,
        &[
            namespace("refused"),
            tenant("refused", json!({"virtualMachines": vms})),
            network("refused", "front", json!({})),
        ],
    );
    printable(&client, "refused", "well", "Running").await;
    // KubeVirt takes a preference that is not there, and stumbles over it afterwards.
    let stumbles = "lost: KubeVirt says FailedFindPreference: virtualmachineclusterpreferences.instancetype.kubevirt.io \"no-such-preference\" not found";
    let found = says(&tenants(&client), "refused", "VirtualMachinesReady", stumbles).await;
    let said = message(&found, "VirtualMachinesReady");
    assert!(said.starts_with("VirtualMachine cf-refused/small: admission webhook"), "{said}");
    assert!(said.contains("insufficient CPU resources"), "{said}");
    assert_eq!(reason(&found, "VirtualMachinesReady"), "Refused");
    assert!(machines(&client, "refused").get_opt("small").await.expect("an answer").is_none());
    eventually("the one that is well to be counted", || async {
        let found = tenants(&client).get("refused").await.ok()?;
        (found.data["status"]["vmsSummary"] == "1/3").then_some(())
    })
    .await;

    // Corrected, it is made.
    let vms = json!([with("lost", json!({"preference": "ubuntu"})), with("well", json!({}))]);
    apply(plane, &[tenant("refused", json!({"virtualMachines": vms}))]);
    printable(&client, "refused", "lost", "Running").await;
    condition(&tenants(&client), "refused", "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launcher_that_another_quota_refuses_is_told_and_follows_when_there_is_room() {
    let (plane, client) = bed().await;
    let of = |vms: Value| tenant("tight", json!({"virtualMachines": vms}));
    apply(plane, &[namespace("tight"), of(json!([with("one", json!({}))])), network("tight", "front", json!({}))]);
    condition(&tenants(&client), "tight", "Ready", "True").await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "strangers", "namespace": "cf-tight"},
        "spec": {"hard": {"requests.memory": "5Gi"}},
    });
    apply(plane, &[quota]);
    plane.kubectl(
        &["wait", "--for=jsonpath={.status.used}", "resourcequota/strangers", "-n", "cf-tight", "--timeout=60s"],
        None,
    );
    apply(plane, &[of(json!([with("one", json!({})), with("two", json!({}))]))]);
    let found = says(&tenants(&client), "tight", "VirtualMachinesReady", "exceeded quota: strangers").await;
    let said = message(&found, "VirtualMachinesReady");
    assert!(said.starts_with("two: KubeVirt cannot start it: "), "{said}");
    assert_eq!(reason(&found, "VirtualMachinesReady"), "StartRefused");
    assert_eq!((&found["status"]["vmsSummary"], &found["status"]["phase"]), (&json!("1/2"), &json!("Provisioning")));
    plane.kubectl(&["delete", "resourcequota", "strangers", "-n", "cf-tight"], None);
    printable(&client, "tight", "two", "Running").await;
    condition(&tenants(&client), "tight", "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_no_node_takes_is_told_with_the_schedulers_words() {
    let (plane, client) = bed().await;
    let residency = json!({"residency": {"zones": ["jp-east-9z"]}});
    let mut declared = tenant("homeless", json!({"virtualMachines": [with("one", json!({}))]}));
    merge(&mut declared["spec"], residency);
    apply(plane, &[namespace("homeless"), declared, network("homeless", "front", json!({}))]);
    let found = says(&tenants(&client), "homeless", "VirtualMachinesReady", "nodes are available").await;
    assert!(message(&found, "VirtualMachinesReady").starts_with("one: no node takes it: "), "{found:#}");
    assert_eq!(reason(&found, "VirtualMachinesReady"), "Unschedulable");
}
