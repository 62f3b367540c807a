//! What a customer declares: names, references, ranges, and how much of it.

use serde_json::{Value, json};

use crate::bed::{Attack, forbidden, refused};
use crate::support::caller::{JSON, MERGE};
use crate::support::eventually;
use crate::support::world;

const OURS: &str = "/apis/cloudfarm.dev/v1alpha1";

#[tokio::test]
async fn s4_names_that_would_become_another_tenants_are_refused_to_those_who_may_declare() {
    let attack = Attack::begin().await;
    for (who, caller) in attack.everybody().await {
        forbidden(who, &caller, "POST", &format!("{OURS}/tenants"), &world::tenant("own", json!({}))).await;
    }
    for name in [
        "Acme",
        "acme.",
        "acme_",
        "-acme",
        "acme-",
        "ａｃｍｅ",
        "acme/globex",
        "..",
        "1acme",
        &"a".repeat(31),
        &"a".repeat(64),
        "acme globex",
        "acme\n",
    ] {
        let manifest = world::tenant(name, json!({}));
        refused("an administrator", &attack.admin, "POST", &format!("{OURS}/tenants"), JSON, &manifest).await;
    }
    attack.left_nothing().await;
}

/// A rule of sato's own network.
fn egress(rule: Value) -> Value {
    let mut whole = json!({"name": "out", "allPorts": true});
    world::merge(&mut whole, rule);
    json!({"spec": {"egress": [whole]}})
}

#[tokio::test]
async fn s11_s12_cve_2026_65834_what_is_no_name_and_no_network_is_refused_by_the_schema() {
    let attack = Attack::begin().await;
    let sato = attack.person("sato").await;
    let own = format!("{OURS}/namespaces/cf-acme/tenantnetworks/front");
    for cidr in [
        "::ffff:10.96.0.1/128",
        "::ffff:0:0/96",
        "10.96.0.1/16",
        "0.0.0.0/33",
        "10.96.0.1",
        "localhost",
        "",
        "0/0",
        "10.0.0.0/8\n",
        "{{ .cidr }}",
    ] {
        refused("sato", &sato, "PATCH", &own, MERGE, &egress(json!({"cidrs": [cidr]}))).await;
    }
    let long = "a".repeat(1000);
    for name in
        ["../globex", "cf-globex/front", &long, "front\n", "{{ .Release.Name }}", "$(id)", "front\u{0}", "FRONT", "*"]
    {
        for reference in ["networks", "vms"] {
            refused("sato", &sato, "PATCH", &own, MERGE, &egress(json!({reference: [name]}))).await;
        }
        let named = json!({"spec": {"egress": [{"name": name, "cidrs": ["198.51.100.0/24"], "allPorts": true}]}});
        refused("sato", &sato, "PATCH", &own, MERGE, &named).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s11_wide_and_inward_ranges_open_nothing_of_the_platform_or_of_others() {
    let attack = Attack::begin().await;
    let sato = attack.person("sato").await;
    let own = format!("{OURS}/namespaces/cf-acme/tenantnetworks/front");
    let policy = "/apis/networking.k8s.io/v1/namespaces/cf-acme/networkpolicies/network-front";
    let closed = attack.live(policy).await["spec"]["egress"].clone();
    for cidr in ["169.254.169.254/32", "10.96.0.1/32", "10.244.0.0/24", "10.99.0.0/28"] {
        let change = attack.person("sato").await.patch(&own, &egress(json!({"cidrs": [cidr]}))).await;
        assert!(!change.refused(), "its own network is sato's to write: {change:?}");
        let seen = eventually("the operator to have seen it", || async {
            let network = attack.live(&own).await;
            (network["status"]["observedGeneration"] == network["metadata"]["generation"]).then_some(network)
        })
        .await;
        let said = world::message(&seen, "RulesAccepted");
        assert!(said.contains(&format!("{cidr} lies inside")), "{cidr}: {said}");
        assert_eq!(attack.live(policy).await["spec"]["egress"], closed, "{cidr} opened something");
    }
    // Everything, as far as this zone lets it: a range in two halves.
    let halves = egress(json!({"cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}));
    if !sato.patch(&own, &halves).await.refused() {
        let opened = eventually("the operator to have seen it", || async {
            let network = attack.live(&own).await;
            (network["status"]["observedGeneration"] == network["metadata"]["generation"]).then_some(())?;
            Some(attack.live(policy).await["spec"]["egress"].clone())
        })
        .await;
        for block in opened.pointer("/0/to").and_then(Value::as_array).into_iter().flatten() {
            let except = block["ipBlock"]["except"].to_string();
            let inward = if block["ipBlock"]["cidr"] == "0.0.0.0/1" { "10.96.0.0/16" } else { "169.254.0.0/16" };
            assert!(except.contains(inward), "{block} does not leave out {inward}");
        }
    }
    // Its own declaration is back; the world but for its version is as before.
    let back = sato.patch(&own, &json!({"spec": {"egress": null}})).await;
    assert!(!back.refused(), "{back:?}");
    eventually("the wall to be as before", || async {
        (attack.live(policy).await["spec"]["egress"] == closed).then_some(())
    })
    .await;
    attack.left_only(&["tenantnetworks cf-acme/front", "networkpolicies cf-acme/network-front"]).await;
}

#[tokio::test]
async fn s16_nobody_of_a_customer_writes_events_or_leases_or_reports() {
    let attack = Attack::begin().await;
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"}, "message": "\u{1b}[31mPurged\n", "reason": "Purged",
        "involvedObject": {"kind": "Namespace", "name": "cf-acme", "namespace": "cf-acme"}});
    for (who, caller) in attack.everybody().await {
        for namespace in ["cf-acme", "cloudfarm-system", "default"] {
            forbidden(who, &caller, "POST", &format!("/api/v1/namespaces/{namespace}/events"), &event).await;
            forbidden(who, &caller, "POST", &format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"), &event)
                .await;
            let lease =
                json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "cloudfarm"}});
            forbidden(
                who,
                &caller,
                "POST",
                &format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
                &lease,
            )
            .await;
            forbidden(
                who,
                &caller,
                "POST",
                &format!("/apis/openreports.io/v1alpha1/namespaces/{namespace}/reports"),
                &json!({}),
            )
            .await;
        }
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s17_a_flood_ends_at_the_contract() {
    let attack = Attack::begin().await;
    let sato = attack.person("sato").await;
    let networks = format!("{OURS}/namespaces/cf-acme/tenantnetworks");
    forbidden("sato", &sato, "POST", &networks, &world::network("acme", "more", json!({}))).await;
    let snapshots = "/apis/snapshot.kubevirt.io/v1beta1/namespaces/cf-acme/virtualmachinesnapshots";
    let snapshot = |number: usize| {
        json!({"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot", "metadata": {"name": format!("flood-{number}")},
        "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}}})
    };
    let mut made = 0;
    let last = loop {
        let answer = sato.create(snapshots, &snapshot(made)).await;
        if answer.refused() {
            break answer;
        }
        made += 1;
        assert!(made <= 4, "the contract has 4 snapshots");
    };
    assert!(last.code == 403 && last.text.contains("exceeded quota"), "{last:?}");
    for number in 0..made {
        let own = format!("{snapshots}/flood-{number}");
        forbidden("sato", &sato, "DELETE", &own, &Value::Null).await;
        let mark = json!({"metadata": {"labels": {"cloudfarm.dev/disposable": "true"}}});
        forbidden("sato", &sato, "PATCH", &own, &mark).await;
    }
    attack
        .left_only(&["virtualmachinesnapshots cf-acme/flood-", "resourcequotas cf-acme/cloudfarm", "tenants /acme"])
        .await;
}
