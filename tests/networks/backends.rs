//! By what a network is made: a bridge, nothing, or what comes later.

use serde_json::{Value, json};

use super::bed::{bed, behind_a_firewall, cluster_networks, definitions, leases, says, there, vlan};
use crate::support::audit::Mark;
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, machine, namespace, network, networks, tenant, tenants};

#[tokio::test]
async fn a_bridge_attaches_vms_only_behind_a_named_firewall_and_never_claims_its_rules() {
    let (plane, client) = bed().await;
    let vm = json!({"virtualMachines": [machine("one", &["front", "outside"])]});
    apply(
        plane,
        &[
            namespace("bridge"),
            tenant("bridge", vm),
            network("bridge", "front", json!({})),
            vlan("bridge", "outside", 302, behind_a_firewall()),
        ],
    );
    let found = condition(&networks(&client, "bridge"), "outside", "Ready", "True").await;
    let said = world::message(&found, "RulesEnforced");
    assert!(said.contains("netops") && said.contains("FW-1"), "{said}");
    condition(&networks(&client, "bridge"), "outside", "RulesEnforced", "Unknown").await;
    let definition = there(&definitions(&client, "bridge"), "outside").await;
    let config: Value = serde_json::from_str(definition.data["spec"]["config"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (&config["bridge"], &config["vlan"], &config["macspoofchk"]),
        (&json!("br-physnet1"), &json!(302), &json!(true))
    );
    let vm = there(&world::machines(&client, "bridge"), "one").await;
    let interfaces = &vm.data["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"];
    assert_eq!((&interfaces[0]["name"], &interfaces[1]["name"]), (&json!("pod"), &json!("net-outside")));

    // A physical network without a bridge, and nobody who filters.
    let mut elsewhere = vlan("bridge", "elsewhere", 303, behind_a_firewall());
    elsewhere["spec"]["vlan"]["physicalNetwork"] = json!("physnet9");
    apply(plane, &[elsewhere]);
    let found = condition(&networks(&client, "bridge"), "elsewhere", "BackendReady", "False").await;
    assert!(world::message(&found, "BackendReady").contains("networks.bridges.physnet9"), "{found:#}");
    condition(&networks(&client, "bridge"), "elsewhere", "RulesEnforced", "False").await;
}

#[tokio::test]
async fn a_definition_of_that_name_that_somebody_else_made_is_left_alone_and_said() {
    let (plane, client) = bed().await;
    apply(plane, &[namespace("foreign"), tenant("foreign", json!({}))]);
    condition(&tenants(&client), "foreign", "Ready", "True").await;
    let strangers = json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "outside", "namespace": "cf-foreign"}, "spec": {"config": "{}"},
    });
    apply(plane, &[strangers]);
    let before = there(&definitions(&client, "foreign"), "outside").await;
    apply(plane, &[vlan("foreign", "outside", 304, behind_a_firewall())]);
    let found = condition(&networks(&client, "foreign"), "outside", "Stalled", "True").await;
    assert!(world::message(&found, "Stalled").contains("NetworkAttachmentDefinition cf-foreign/outside"), "{found:#}");
    let after = there(&definitions(&client, "foreign"), "outside").await;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
}

#[tokio::test]
async fn of_two_networks_whose_ranges_overlap_the_older_is_made_and_both_say_so() {
    let (plane, client) = bed().await;
    let of = |name: &str, id: u16, cidr: &str| vlan("overlap", name, id, json!({"subnets": [{"cidr": cidr}]}));
    apply(plane, &[namespace("overlap"), tenant("overlap", json!({})), of("a", 305, "203.0.113.0/26")]);
    condition(&networks(&client, "overlap"), "a", "Ready", "True").await;
    apply(plane, &[of("b", 306, "203.0.113.32/28")]);
    let later = condition(&networks(&client, "overlap"), "b", "SubnetsDistinct", "False").await;
    assert!(world::message(&later, "SubnetsDistinct").contains("203.0.113.0/26 of TenantNetwork \"a\""), "{later:#}");
    says(&networks(&client, "overlap"), "a", "SubnetsDistinct", "203.0.113.32/28").await;
    condition(&networks(&client, "overlap"), "a", "Ready", "True").await;
    assert!(cluster_networks(&client).get_opt("cf-overlap.b").await.expect("an answer").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_is_taken_what_goes_is_said_and_a_restart_writes_nothing() {
    let plane = Plane::start("late", None);
    let client = plane.admin().await;
    let operator = Operator::start(&plane).await;
    apply(&plane, &[namespace("late"), tenant("late", json!({})), vlan("late", "outside", 307, json!({}))]);
    let waiting = condition(&networks(&client, "late"), "outside", "BackendReady", "False").await;
    let said = world::message(&waiting, "BackendReady");
    assert!(said.contains("clusteruserdefinednetworks.k8s.ovn.org") && said.contains("externalFirewall"), "{said}");

    plane.install("ovn");
    condition(&networks(&client, "late"), "outside", "Ready", "True").await;
    there(&cluster_networks(&client), "cf-late.outside").await;

    operator.stop().await;
    let mark = Mark::now(&plane);
    let operator = Operator::start(&plane).await;
    // It has looked at everything when a later declaration is done.
    apply(&plane, &[tenant("after", json!({}))]);
    condition(&tenants(&client), "after", "Ready", "True").await;
    let calls = mark.calls(&plane).await;
    let about_late: Vec<_> =
        calls.iter().filter(|call| call.writes() && !format!("{call:?}").contains("after")).collect();
    assert!(about_late.is_empty(), "{about_late:#?}");

    let mark = Mark::now(&plane);
    plane.kubectl(&["delete", "crd", "clusteruserdefinednetworks.k8s.ovn.org", "--timeout=60s"], None);
    condition(&networks(&client, "late"), "outside", "BackendReady", "False").await;
    there(&leases(&client), "vlan-physnet1-307").await;
    let calls = mark.calls(&plane).await;
    assert!(calls.iter().all(|call| call.resource != "leases"), "the id stays the network's: {calls:#?}");
    operator.stop().await;
}
