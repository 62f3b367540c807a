//! What goes wrong between Git and a tenant, and what people then read.

use serde_json::{Value, json};

use crate::flux::{Flux, HOME, file, pushed};
use crate::support::whole::objects;
use crate::support::world::{self, condition, message, namespace, network, tenant};
use crate::support::{eventually, operator};

async fn flux() -> Flux {
    let flux = Flux::shared().await;
    operator::shared(flux.plane);
    flux
}

fn memory(name: &str, memory: &str) -> Value {
    tenant(name, json!({"contract": {"capacity": {"memory": memory}}}))
}

/// The contracted memory as the API server has it.
async fn contracted(flux: &Flux, name: &str) -> String {
    let found = world::tenants(&flux.client).get(name).await.expect("the Tenant");
    found.data["spec"]["contract"]["capacity"]["memory"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_that_is_wrong_is_told_in_the_words_of_its_rule_and_nothing_of_that_commit_is_applied() {
    let flux = flux().await;
    let (repository, revision) = flux.declared("wrong", &[memory("wrong", "32Gi")]);
    flux.ready("wrong", &revision).await;

    let end = json!({"contract": {"endDate": "2026-03-31", "capacity": {"memory": "48Gi"}}});
    pushed(&repository, &[tenant("wrong", end), namespace("wrong"), network("wrong", "front", json!({}))]);
    let said = flux.fails("wrong", "ReconciliationFailed", "Tenant/wrong").await;
    assert!(said.contains("endDate"), "{said}");
    println!("wrong spec: {said}");
    assert_eq!(contracted(&flux, "wrong").await, "32Gi");
    assert!(world::networks(&flux.client, "wrong").get_opt("front").await.expect("an answer").is_none());

    let revision = pushed(&repository, &[memory("wrong", "48Gi")]);
    flux.ready("wrong", &revision).await;
    assert_eq!(contracted(&flux, "wrong").await, "48Gi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tenants_in_one_kustomization_a_wrong_spec_stops_both_and_a_stranger_in_the_way_only_its_own() {
    let flux = flux().await;
    let (repository, revision) = flux.declared("two", &[memory("two-good", "32Gi"), memory("two-bad", "32Gi")]);
    flux.ready("two", &revision).await;

    // Flux tries every object of a commit before it applies the first.
    pushed(&repository, &[memory("two-good", "48Gi"), memory("two-bad", "a lot")]);
    flux.fails("two", "ReconciliationFailed", "Tenant/two-bad").await;
    condition(&world::tenants(&flux.client), "two-good", "Ready", "True").await;
    assert_eq!(contracted(&flux, "two-good").await, "32Gi", "it runs on as it was, and waits for its change");

    flux.plane.kubectl(&["create", "namespace", "cf-two-foreign"], None);
    pushed(&repository, &[memory("two-bad", "32Gi"), memory("two-foreign", "32Gi")]);
    let said = flux.fails("two", "HealthCheckFailed", "Tenant/two-foreign").await;
    println!("a stranger in the way: {said}");
    assert!(!said.contains("two-good") && !said.contains("two-bad"), "{said}");
    condition(&world::tenants(&flux.client), "two-good", "Ready", "True").await;
    assert_eq!(contracted(&flux, "two-good").await, "48Gi");

    flux.plane.kubectl(&["label", "namespace", "cf-two-foreign", "cloudfarm.dev/tenant=two-foreign"], None);
    condition(&world::tenants(&flux.client), "two-foreign", "Ready", "True").await;
    flux.reconcile("two").await;
    let healthy = flux.get("two").await.expect("the Kustomization");
    assert_eq!(crate::flux::condition(&healthy, "Ready")["status"], "True", "{healthy:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_by_hand_comes_back_by_flux_on_declarations_and_by_the_operator_on_what_it_made() {
    let flux = flux().await;
    let declared = [namespace("drift"), memory("drift", "32Gi"), network("drift", "front", json!({}))];
    let (_, revision) = flux.declared("drift", &declared);
    flux.ready("drift", &revision).await;

    let patch = json!({"spec": {"suspended": true, "contract": {"capacity": {"memory": "64Gi"}}}}).to_string();
    flux.plane.kubectl(&["patch", "tenant", "drift", "--type=merge", "-p", &patch], None);
    flux.plane.kubectl(&["delete", "tenantnetwork", "front", "-n", "cf-drift"], None);
    flux.reconcile("drift").await;
    assert_eq!(contracted(&flux, "drift").await, "32Gi");
    condition(&world::networks(&flux.client, "drift"), "front", "Ready", "True").await;
    let tenant = condition(&world::tenants(&flux.client), "drift", "Ready", "True").await;
    assert_eq!(tenant["spec"]["suspended"], false, "what kubectl wrote beside Git's fields goes, too");

    flux.kustomization("drift", json!({"suspend": true}));
    flux.plane.kubectl(&["delete", "resourcequota", "cloudfarm", "-n", "cf-drift"], None);
    flux.plane.kubectl(&["delete", "networkpolicy", "network-front", "-n", "cf-drift"], None);
    eventually("the operator to make them anew, without Flux", || async {
        let found = objects(&flux.client, "drift").await;
        let there = |key: &str| found.contains_key(key);
        (there("ResourceQuota cf-drift/cloudfarm") && there("NetworkPolicy cf-drift/network-front")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_kustomization_leaves_the_tenant_as_it_is_until_it_is_resumed() {
    let flux = flux().await;
    let repository = flux.repository("paused");
    flux.kustomization("paused", json!({"path": "./paused"}));
    flux.kustomization("running", json!({"path": "./running", "sourceRef": {"name": "paused"}}));
    let commit = |size: &str| {
        for name in ["paused", "running"] {
            repository.write(&format!("{name}/tenant.yaml"), &memory(name, size).to_string());
        }
        repository.push("Declare")
    };
    let first = commit("32Gi");
    flux.ready("paused", &first).await;
    flux.ready("running", &first).await;

    flux.kustomization("paused", json!({"path": "./paused", "suspend": true}));
    let second = commit("48Gi");
    flux.ready("running", &second).await;
    assert_eq!((contracted(&flux, "running").await, contracted(&flux, "paused").await), ("48Gi".into(), "32Gi".into()));
    condition(&world::tenants(&flux.client), "paused", "Ready", "True").await;

    flux.kustomization("paused", json!({"path": "./paused", "suspend": false}));
    flux.ready("paused", &second).await;
    assert_eq!(contracted(&flux, "paused").await, "48Gi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kustomization_that_may_delete_stays_while_its_tenant_is_refused_and_goes_once_that_is_allowed() {
    let flux = flux().await;
    let mut home = namespace("unguarded");
    home["metadata"]["annotations"] = json!({"kustomize.toolkit.fluxcd.io/prune": "disabled"});
    let declared = [home, tenant("unguarded", json!({})), network("unguarded", "front", json!({}))];
    let (_, revision) = flux.declared("unguarded", &declared);
    flux.ready("unguarded", &revision).await;

    flux.plane.kubectl(&["delete", "kustomization", "unguarded", "-n", HOME, "--wait=false"], None);
    eventually("an Event to say why it stays", || async {
        let about = ["get", "events", "-n", HOME, "--field-selector", "involvedObject.name=unguarded", "-o", "json"];
        flux.plane.kubectl(&about, None).contains("pruning for deleted resource failed").then_some(())
    })
    .await;
    let kept = condition(&world::tenants(&flux.client), "unguarded", "Ready", "True").await;
    assert_eq!(kept["metadata"]["deletionTimestamp"], Value::Null, "{}", message(&kept, "Ready"));
    assert!(flux.get("unguarded").await.is_some(), "it cannot go");
    let networks = world::networks(&flux.client, "unguarded");
    assert!(networks.get_opt("front").await.expect("an answer").is_none(), "Flux deletes what it may: its networks");

    flux.plane.kubectl(&["annotate", "tenant", "unguarded", "cloudfarm.dev/allow-orphan=true"], None);
    eventually("Flux to try again", || async { flux.get("unguarded").await.is_none().then_some(()) }).await;
    let retention = condition(&world::retentions(&flux.client), "unguarded", "Stalled", "True").await;
    assert!(message(&retention, "Stalled").contains("data and walls are kept"), "{}", message(&retention, "Stalled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_ends_the_same_in_whatever_order_its_parts_are_applied() {
    let flux = flux().await;
    let orders = ["ntw", "nwt", "tnw", "twn", "wnt", "wtn"];
    let mut ends = Vec::new();
    for order in orders {
        let name = format!("order-{order}");
        let repository = flux.repository(&name);
        for (part, manifest) in [
            ("n", namespace(&name)),
            ("t", tenant(&name, json!({"virtualMachines": [world::machine("vm", &["front"])]}))),
            ("w", network(&name, "front", json!({}))),
        ] {
            repository.write(&format!("{part}/{}", file(&manifest)), &manifest.to_string());
        }
        let revision = repository.push("Declare");
        let parts: Vec<String> = order.chars().map(|part| format!("{name}-{part}")).collect();
        for part in &parts {
            let path = format!("./{}", part.chars().last().expect("a letter"));
            flux.kustomization(part, json!({"path": path, "wait": false, "sourceRef": {"name": &name}}));
            eventually(&format!("Flux to have tried {part}"), || async {
                let ready = crate::flux::condition(&flux.get(part).await?, "Ready");
                (ready["status"] != "Unknown" && !ready.is_null()).then_some(())
            })
            .await;
        }
        for part in &parts {
            flux.ready(part, &revision).await;
        }
        condition(&world::networks(&flux.client, &name), "front", "Ready", "True").await;
        condition(&world::tenants(&flux.client), &name, "Ready", "True").await;
        ends.push((name.clone(), world::end_state(&flux.client, &name).await));
    }
    let (first, expected) = &ends[0];
    for (name, end) in &ends[1..] {
        assert_eq!(without_flux(end), without_flux(expected), "{name} ended otherwise than {first}");
    }
}

/// The end state without what Flux says about whose Kustomization it is.
fn without_flux(end: &std::collections::BTreeMap<String, Value>) -> Vec<(String, Value)> {
    let strip = |(key, value): (&String, &Value)| {
        let mut value = value.clone();
        if let Some(labels) = value["metadata"]["labels"].as_object_mut() {
            labels.retain(|label, _| !label.contains("fluxcd.io"));
        }
        (key.clone(), value)
    };
    end.iter().map(strip).collect()
}
