//! A contract that is filled to the last byte runs, and its VMs may move: the quota has room for what KubeVirt adds.

use std::collections::BTreeMap;

use cloudfarm::api::quantity::Quantity;
use serde_json::{Value, json};

use super::bed::{bed, launcher, pods, printable, says};
use crate::support::eventually;
use crate::support::world::{apply, condition, machine, merge, namespace, network, tenant, tenants};

const MEBIBYTE: i128 = (1 << 20) * 1_000_000_000;

/// What the containers of a pod ask for, in billionths of a byte.
fn memory_of(pod: &Value) -> i128 {
    let containers = pod["spec"]["containers"].as_array().expect("containers");
    let asked = containers.iter().filter_map(|each| each["resources"]["requests"]["memory"].as_str());
    asked.map(|text| text.parse::<Quantity>().expect("a quantity").nanos()).sum()
}

/// The rest of a move is virt-handler's.
async fn second_pod_runs(client: &kube::Client, tenant: &str, vm: &str) {
    let of_vm = kube::api::ListParams::default().labels(&format!("vm.kubevirt.io/name={vm}"));
    eventually("a second pod of the VM to run", || async {
        let found = pods(client, tenant).list(&of_vm).await.ok()?;
        let runs = found.items.iter().filter(|pod| pod.data["status"]["phase"] == "Running").count();
        (runs == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_filled_to_the_last_byte_runs_and_its_largest_vm_can_move() {
    let (plane, client) = bed().await;
    let sizes = [("one", 1, 1024), ("two", 2, 3072), ("four", 4, 8192)];
    let vms: Vec<Value> = sizes
        .iter()
        .map(|(name, cores, memory)| {
            let mut vm = machine(name, &["front"]);
            merge(&mut vm, json!({"instancetype": null, "cpuCores": cores, "memory": format!("{memory}Mi")}));
            vm
        })
        .collect();
    let spec = json!({
        "contract": {"capacity": {"vcpus": 7, "memory": "12Gi", "storage": "30Gi", "instances": 3, "snapshots": 0}},
        "virtualMachines": vms,
    });
    apply(plane, &[namespace("full"), tenant("full", spec), network("full", "front", json!({}))]);
    let found = condition(&tenants(&client), "full", "Ready", "True").await;
    assert_eq!(found["status"]["capacitySummary"], "100%", "the contract is what guests get");
    let mut beside = BTreeMap::new();
    for (name, cores, memory) in sizes {
        printable(&client, "full", name, "Running").await;
        let pod = serde_json::to_value(launcher(&client, "full", name).await.expect("a pod")).expect("JSON");
        let guest = i128::from(memory) * MEBIBYTE;
        let asked = memory_of(&pod) - guest;
        // KubeVirt adds page tables only where a VM states requests of its own; the quota has room for them anyway.
        let least = (281 + 8 * cores) * MEBIBYTE;
        beside.insert(name, asked / MEBIBYTE);
        assert!((least..=least + guest / 512).contains(&asked), "MiB beside a guest: {beside:?}");
    }

    // The largest VM gets its second pod.
    let migration = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "move", "namespace": "cf-full"}, "spec": {"vmiName": "four"},
    });
    apply(plane, &[migration]);
    second_pod_runs(&client, "full", "four").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_contract_of_whole_cpus_runs_by_each_way_to_say_a_size_and_can_move_once_nodes_can_give_them() {
    let (plane, client) = bed().await;
    let mut sized = machine("sized", &["front"]);
    merge(&mut sized, json!({"instancetype": null, "cpuCores": 4, "memory": "8Gi"}));
    // u1.medium has one CPU and 4Gi, and says nothing of whole ones.
    let vms = json!([sized, machine("typed", &["front"])]);
    let spec = json!({
        "contract": {"capacity": {"vcpus": 5, "memory": "12Gi", "storage": "20Gi", "instances": 2, "snapshots": 0}},
        "isolation": {"dedicatedCPU": true},
        "residency": {"storageClassNames": ["cf-jp-encrypted"], "zones": ["jp-east-1a", "jp-east-1b"]},
        "virtualMachines": vms,
    });
    apply(plane, &[namespace("whole"), tenant("whole", spec), network("whole", "front", json!({}))]);
    says(&tenants(&client), "whole", "VirtualMachinesReady", "sized: no node takes it: ").await;
    for node in ["kwok-1", "kwok-2"] {
        plane.kubectl(&["label", "node", node, "kubevirt.io/cpumanager=true"], None);
    }
    let found = condition(&tenants(&client), "whole", "Ready", "True").await;
    assert_eq!(found["status"]["capacitySummary"], "100%");
    let enforced = found["status"]["conditions"].as_array().expect("conditions").iter();
    let without_effect: Vec<_> = enforced.filter(|each| each["message"].to_string().contains("dedicatedCPU")).collect();
    assert!(without_effect.is_empty(), "{without_effect:#?}");
    for (name, cpus, guest) in [("sized", 4, 8192), ("typed", 1, 4096)] {
        printable(&client, "whole", name, "Running").await;
        let pod = serde_json::to_value(launcher(&client, "whole", name).await.expect("a pod")).expect("JSON");
        assert_eq!(pod["spec"]["nodeSelector"]["kubevirt.io/cpumanager"], "true", "{name}");
        assert_eq!(pod["status"]["qosClass"], "Guaranteed", "{name}: {:#}", pod["spec"]["containers"]);
        let compute = &pod["spec"]["containers"][0]["resources"];
        assert_eq!(
            (&compute["requests"]["cpu"], &compute["limits"]["cpu"]),
            (&json!(cpus.to_string()), &json!(cpus.to_string()))
        );
        let asked = memory_of(&pod) - guest * MEBIBYTE;
        let least = (281 + 100 + 8 * cpus) * MEBIBYTE;
        assert!((least..=least + guest * MEBIBYTE / 512).contains(&asked), "{name}: {} MiB", asked / MEBIBYTE);
    }
    let migration = json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "move", "namespace": "cf-whole"}, "spec": {"vmiName": "sized"},
    });
    apply(plane, &[migration]);
    second_pod_runs(&client, "whole", "sized").await;
}
