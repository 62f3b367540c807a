//! Every kind of VM that a Tenant can ask for, applied as people do, until KubeVirt says that it runs.

use serde_json::{Value, json};

use super::bed::{bed, claims, instances, launcher, made_by_ovn, printable, says};
use crate::support::audit::{Call, Mark};
use crate::support::eventually;
use crate::support::world::{
    self, apply, condition, machine, machines, merge, namespace, network, secret, tenant, tenants,
};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One VM of each kind: both systems, both profiles, every source, every way onto a network, every way to say a size.
fn every_kind() -> Vec<Value> {
    let with = |name: &str, on: &[&str], more: Value| {
        let mut vm = machine(name, on);
        merge(&mut vm, more);
        vm
    };
    let inline = |cores: i64, memory: &str| json!({"instancetype": null, "cpuCores": cores, "memory": memory});
    let http = json!({"dataSource": null, "http": {"url": "https://mirror.example/w.qcow2", "checksum": format!("sha256:{DIGEST}")}});
    let registry =
        json!({"dataSource": null, "registry": {"url": format!("docker://registry.example/debian@sha256:{DIGEST}")}});
    let mut desktop = inline(2, "4Gi");
    merge(&mut desktop, json!({"os": "Windows", "hardening": {"profile": "Standard"}}));
    vec![
        with("plain", &["front"], json!({})),
        with("preferred", &["front"], json!({"preference": "ubuntu", "hardening": {"profile": "Standard"}})),
        with(
            "windows",
            &["front"],
            json!({"os": "Windows", "instancetype": "u1.large", "preference": "windows.2k22", "image": http}),
        ),
        with("desktop", &["front"], desktop),
        with("sized", &["front"], inline(3, "1500Mi")),
        with(
            "keyed",
            &["front"],
            json!({"sshKeySecrets": ["keys"], "userDataSecret": "user-data", "classification": "internal"}),
        ),
        with(
            "fetched",
            &["front", "back"],
            json!({"image": registry, "disks": [{"name": "root", "size": "10Gi"}, {"name": "data", "size": "1Gi"}]}),
        ),
        with("bridged", &["front", "outside"], json!({})),
        with("alone", &["outside"], json!({"networks": [{"name": "outside", "mac": "02:00:00:00:00:07"}]})),
        with("layered", &["inner"], json!({})),
        with("tagged", &["front", "tagged"], json!({})),
        with(
            "excepted",
            &["front"],
            json!({"hardening": {"profile": "Standard", "exceptions": [{"name": "legacy", "reason": "an old program", "expires": "2030-01-01"}]}}),
        ),
        with("stateful", &["front"], json!({"runStrategy": "RerunOnFailure"})),
        with("off", &["front"], json!({"runStrategy": "Halted"})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_vm_runs_behind_the_tenants_walls_and_the_tenant_is_ready() {
    let (plane, client) = bed().await;
    let mark = Mark::now(plane);
    let vms = every_kind();
    let count = i64::try_from(vms.len()).expect("few");
    let spec = json!({
        "contract": {"capacity": {"vcpus": 32, "memory": "128Gi", "storage": "500Gi", "instances": count, "snapshots": 4}},
        "classification": {"default": "internal", "levels": [{"name": "internal", "order": 0}]},
        "virtualMachines": vms,
    });
    let firewall = json!({"type": "VLAN", "vlan": {"id": 401, "physicalNetwork": "physnet1"}, "backend": "LinuxBridge", "externalFirewall": {"owner": "netops", "ref": "FW-1"}});
    let tagged = json!({"type": "VLAN", "vlan": {"id": 402, "physicalNetwork": "physnet1"}, "subnets": [{"cidr": "203.0.113.0/28"}]});
    apply(
        plane,
        &[
            namespace("every"),
            secret(
                "every",
                "keys",
                &json!({"key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hZGVVcEtleUZvclRlc3RzT25seTAxMjM0NTY3 somebody"}),
            ),
            secret("every", "user-data", &json!({"userdata": "#cloud-config\npackages: [nginx]\n"})),
            tenant("every", spec),
            network("every", "front", json!({})),
            network("every", "back", json!({})),
            network("every", "outside", firewall),
            network("every", "inner", json!({"type": "Layer2", "subnets": [{"cidr": "192.168.7.0/24"}]})),
            network("every", "tagged", tagged),
        ],
    );
    eventually("OVN-Kubernetes to be asked for both networks", || async {
        let said = |words: &[&str]| plane.try_kubectl(words, None).0;
        let both = said(&["get", "userdefinednetwork", "inner", "-n", "cf-every"])
            && said(&["get", "clusteruserdefinednetwork", "cf-every.tagged"]);
        both.then_some(())
    })
    .await;
    made_by_ovn(plane, "userdefinednetwork", Some("cf-every"), "inner");
    made_by_ovn(plane, "clusteruserdefinednetwork", None, "cf-every.tagged");

    for vm in every_kind().iter().map(|vm| vm["name"].as_str().expect("a name").to_owned()).filter(|vm| vm != "off") {
        printable(&client, "every", &vm, "Running").await;
        let pod = launcher(&client, "every", &vm).await.expect("a pod");
        assert_eq!(pod.data["status"]["phase"], "Running", "{vm}");
        assert_eq!(pod.data["spec"]["automountServiceAccountToken"], false, "{vm}");
        let labels = pod.metadata.labels.expect("labels");
        assert_eq!(labels.get("cloudfarm.dev/vm"), Some(&vm), "policies select the pod by it");
        let instance = instances(&client, "every").get(&vm).await.expect("an instance");
        let devices = &instance.data["spec"]["domain"]["devices"];
        assert_eq!(devices["autoattachGraphicsDevice"], false, "{vm}");
        assert_eq!(devices["tpm"], json!({"persistent": true}), "{vm}");
        assert_eq!(instance.data["spec"]["domain"]["firmware"]["bootloader"]["efi"]["secureBoot"], true, "{vm}");
    }
    printable(&client, "every", "off", "Stopped").await;
    assert!(launcher(&client, "every", "off").await.is_none());
    let found = condition(&tenants(&client), "every", "Ready", "True").await;
    assert_eq!(found["status"]["vmsSummary"], format!("{count}/{count}"), "{found:#}");

    // What KubeVirt adds to our VMs is no drift: each was written once.
    let calls = mark.calls(plane).await;
    let of_vms = |call: &&Call| call.resource == "virtualmachines" && call.namespace == "cf-every";
    let writes: Vec<&Call> = calls.iter().filter(of_vms).filter(|call| call.writes()).collect();
    let mut written: Vec<_> = writes.iter().map(|call| call.name.clone()).collect();
    written.sort();
    let mut declared: Vec<_> = every_kind().iter().map(|vm| vm["name"].as_str().expect("a name").to_owned()).collect();
    declared.sort();
    let twice: Vec<_> =
        writes.iter().filter(|call| written.iter().filter(|name| **name == call.name).count() > 1).collect();
    assert_eq!(written, declared, "{twice:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_is_no_longer_declared_goes_and_its_disk_stays() {
    let (plane, client) = bed().await;
    let of = |vms: Value| tenant("fewer", json!({"virtualMachines": vms}));
    let both = json!([machine("one", &["front"]), machine("two", &["front"])]);
    apply(plane, &[namespace("fewer"), of(both), network("fewer", "front", json!({}))]);
    condition(&tenants(&client), "fewer", "Ready", "True").await;
    let before = claims(&client, "fewer").get("two-root").await.expect("a claim");

    apply(plane, &[of(json!([machine("one", &["front"])]))]);
    eventually("the VM, its instance and its pod to be gone", || async {
        let vm = machines(&client, "fewer").get_opt("two").await.ok()?;
        let instance = instances(&client, "fewer").get_opt("two").await.ok()?;
        (vm.is_none() && instance.is_none() && launcher(&client, "fewer", "two").await.is_none()).then_some(())
    })
    .await;
    let after = claims(&client, "fewer").get("two-root").await.expect("the claim");
    assert_eq!((before.metadata.uid, None), (after.metadata.uid, after.metadata.deletion_timestamp));
    let found = condition(&tenants(&client), "fewer", "Ready", "True").await;
    assert_eq!(found["status"]["vmsSummary"], "1/1");
    assert!(world::message(&found, "VirtualMachinesReady").contains("all 1 VMs"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customers_own_machine_takes_its_vms_and_no_others() {
    let (plane, client) = bed().await;
    let pool = "node-restriction.kubernetes.io/cloudfarm-pool";
    plane.kubectl(&["label", "node", "kwok-3", &format!("{pool}=own")], None);
    plane.kubectl(&["taint", "node", "kwok-3", &format!("{pool}=own:NoSchedule")], None);
    let of = |name: &str, zone: &str, isolation: Value| {
        let residency = json!({"storageClassNames": ["cf-jp-encrypted"], "zones": [zone]});
        let vms = json!([machine("one", &["front"])]);
        tenant(name, json!({"residency": residency, "isolation": isolation, "virtualMachines": vms}))
    };
    let front = |name: &str| network(name, "front", json!({}));
    // Both may use the zone of kwok-3 alone.
    let physical = json!({"level": "Physical", "nodePool": "own"});
    apply(plane, &[namespace("own"), of("own", "jp-east-1c", physical), front("own")]);
    apply(plane, &[namespace("guest"), of("guest", "jp-east-1c", json!({"level": "Logical"})), front("guest")]);
    condition(&tenants(&client), "own", "Ready", "True").await;
    let pod = launcher(&client, "own", "one").await.expect("a pod");
    assert_eq!(pod.data["spec"]["nodeName"], "kwok-3");
    says(&tenants(&client), "guest", "VirtualMachinesReady", "one: no node takes it: ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_with_encrypted_memory_boot_by_what_their_hardware_can_do_and_stay_where_they_are() {
    let (plane, client) = bed().await;
    for (name, confidential, secure_boot, launch) in
        [("snp", "SEVSNP", false, json!({"snp": {}})), ("tdx", "TDX", true, json!({"tdx": {}}))]
    {
        // The last byte of the contract, so that what SEV asks for beside it has to have room.
        let spec = json!({
            "contract": {"capacity": {"vcpus": 1, "memory": "4Gi", "storage": "10Gi", "instances": 1}},
            "isolation": {"confidential": confidential},
            "virtualMachines": [machine("one", &["front"])],
        });
        apply(plane, &[namespace(name), tenant(name, spec), network(name, "front", json!({}))]);
        let found = condition(&tenants(&client), name, "Ready", "True").await;
        assert_eq!(found["status"]["capacitySummary"], "100%");
        printable(&client, name, "one", "Running").await;
        let instance = instances(&client, name).get("one").await.expect("an instance").data;
        let domain = &instance["spec"]["domain"];
        assert_eq!(domain["firmware"]["bootloader"]["efi"]["secureBoot"], secure_boot, "{name}");
        assert_eq!(domain["launchSecurity"], launch);
        assert_eq!(instance["spec"]["evictionStrategy"], "None", "{name}");
    }

    // Started and stopped like any other; the same VM by another hand is refused.
    let halted = json!({"spec": {"runStrategy": "Halted"}}).to_string();
    plane.kubectl(
        &["patch", "virtualmachine", "one", "-n", "cf-snp", "--type=merge", "--dry-run=server", "-p", &halted],
        None,
    );
    let ours = machines(&client, "snp").get("one").await.expect("a VM").data;
    let copy = json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "two", "namespace": "cf-snp"}, "spec": ours["spec"]});
    let (made, said) = plane.try_kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&copy.to_string()));
    assert!(!made && said.contains("launchSecurity.snp takes its place in VMs of the operator alone"), "{said}");
}
