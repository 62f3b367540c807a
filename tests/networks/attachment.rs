//! Before a VM is attached everything stands; while one is attached nothing goes.

use serde_json::json;

use super::bed::{bed, cluster_networks, filters, gone, leases, made_by_ovn, released, released_at, says, there, vlan};
use crate::support::world::{self, apply, condition, machine, namespace, tenant, tenants};

#[tokio::test]
async fn a_vm_waits_for_filter_network_and_id_and_the_filter_waits_for_the_vm() {
    let (plane, client) = bed().await;
    let rule = json!([{"name": "web", "cidrs": ["198.51.100.0/24"], "ports": [{"port": 443}]}]);
    let outside = vlan("waits", "outside", 301, json!({"subnets": [{"cidr": "203.0.113.0/28"}], "ingress": rule}));
    let with = |machines: serde_json::Value| tenant("waits", json!({"virtualMachines": machines}));
    apply(plane, &[namespace("waits"), with(json!([machine("one", &["outside"])])), outside]);

    says(&tenants(&client), "waits", "VirtualMachinesReady", "is not made by OVN-Kubernetes yet").await;
    let filter = there(&filters(&client, "waits"), "network-outside").await;
    assert_eq!(filter.data["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    let lease = there(&leases(&client), "vlan-physnet1-301").await;
    assert_eq!(lease.data["spec"]["holderIdentity"], "waits/outside");
    let vms = world::machines(&client, "waits");
    assert!(vms.get_opt("one").await.expect("an answer").is_none(), "a VM stood before its network");

    made_by_ovn(plane, &client, "cf-waits.outside").await;
    let vm = there(&vms, "one").await;
    let spec = &vm.data["spec"]["template"]["spec"];
    assert_eq!(spec["networks"], json!([{"name": "net-outside", "multus": {"networkName": "cf-waits.outside"}}]));
    assert_eq!(spec["domain"]["devices"]["interfaces"], json!([{"name": "net-outside", "bridge": {}}]));
    let ready = condition(&world::networks(&client, "waits"), "outside", "Ready", "True").await;
    assert_eq!(ready["status"]["vlanLease"], "vlan-physnet1-301");
    assert_eq!(ready["status"]["attachedVMs"], json!(["one"]));

    // The network goes and its VM is still there: nothing that it needs is taken away.
    plane.kubectl(&["delete", "tenantnetwork", "outside", "-n", "cf-waits"], None);
    says(&tenants(&client), "waits", "VirtualMachinesReady", "\"outside\" does not exist").await;
    there(&filters(&client, "waits"), "network-outside").await;
    there(&cluster_networks(&client), "cf-waits.outside").await;
    let lease = there(&leases(&client), "vlan-physnet1-301").await;
    assert_eq!(released_at(&lease), None);

    // Then the VM goes, and with it the rest; the id stays in quarantine.
    apply(plane, &[with(json!([]))]);
    gone(&vms, "one").await;
    gone(&cluster_networks(&client), "cf-waits.outside").await;
    gone(&filters(&client, "waits"), "network-outside").await;
    released(&client, "vlan-physnet1-301").await;
}
