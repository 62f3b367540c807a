//! What is read from our objects by who waits for them: the rules of kstatus, which Flux follows with `wait: true`.

use futures::TryStreamExt as _;
use kube::Api;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::flux::{Flux, condition as of};
use crate::support::operator::{self, Operator};
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, merge, namespace, network, tenant};

/// kstatus' rules for kinds that it does not know by name.
fn kstatus(object: &Value) -> &'static str {
    let status = &object["status"];
    let is_true = |type_: &str| of(object, type_)["status"] == "True";
    if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if !status["observedGeneration"].is_null()
        && status["observedGeneration"] != object["metadata"]["generation"]
        || is_true("Reconciling")
    {
        "InProgress"
    } else if is_true("Stalled") {
        "Failed"
    } else if of(object, "Ready").is_null() || is_true("Ready") {
        "Current"
    } else {
        "InProgress"
    }
}

/// The version of the cluster from which changes are read.
async fn now(api: &Api<DynamicObject>) -> String {
    api.list(&ListParams::default()).await.expect("a list").metadata.resource_version.expect("a version")
}

/// Everything that was ever to be read of an object since then, up to what it is now: what kstatus makes of it and for
/// which generation, without repetitions.
async fn read_since(api: &Api<DynamicObject>, since: &str, last: &Value) -> Vec<String> {
    let name = last["metadata"]["name"].as_str().expect("a name");
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(api.watch(&only, since).await.expect("a watch"));
    let mut read = Vec::new();
    while let Some(event) = events.try_next().await.expect("an event") {
        let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
        let object = serde_json::to_value(object).expect("JSON");
        let seen = format!("{} {}", kstatus(&object), object["metadata"]["generation"]);
        if read.last() != Some(&seen) {
            read.push(seen);
        }
        if object["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"] {
            break;
        }
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_or_changed_is_read_as_current_before_the_operator_has_made_it_so() {
    let plane = Plane::shared();
    let client = plane.admin().await;
    operator::shared(plane);
    let (tenants, retentions) = (world::tenants(&client), world::retentions(&client));
    let networks = world::networks(&client, "steps");
    let declared = |memory: &str| {
        let mut manifest = tenant("steps", json!({"virtualMachines": [world::machine("vm", &["front"])]}));
        merge(&mut manifest["spec"]["contract"]["capacity"], json!({"memory": memory}));
        manifest
    };

    let (tenant_since, network_since, retention_since) =
        (now(&tenants).await, now(&networks).await, now(&retentions).await);
    apply(plane, &[namespace("steps"), declared("32Gi"), network("steps", "front", json!({}))]);
    let made = condition(&tenants, "steps", "Ready", "True").await;
    assert_eq!(read_since(&tenants, &tenant_since, &made).await, ["InProgress 1", "Current 1"]);
    let made = condition(&networks, "front", "Ready", "True").await;
    assert_eq!(read_since(&networks, &network_since, &made).await, ["InProgress 1", "Current 1"]);
    let made = condition(&retentions, "steps", "Ready", "True").await;
    assert_eq!(read_since(&retentions, &retention_since, &made).await, ["InProgress 1", "Current 1"]);

    let since = now(&tenants).await;
    apply(plane, &[declared("48Gi")]);
    let changed = condition(&tenants, "steps", "Ready", "True").await;
    assert_eq!(read_since(&tenants, &since, &changed).await, ["InProgress 2", "Current 2"]);

    let since = now(&networks).await;
    let towards = json!({"egress": [{"name": "a", "cidrs": ["169.254.169.254/32"], "allPorts": true}]});
    apply(plane, &[network("steps", "front", towards)]);
    let refused = condition(&networks, "front", "Stalled", "True").await;
    assert_eq!(read_since(&networks, &since, &refused).await, ["InProgress 2", "Failed 2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flux_with_a_fetcher_of_ours_waits_for_crds_then_for_the_operator_and_is_ready_when_the_tenant_is() {
    // A plane without an operator, which lives as long as the process.
    let plane: &'static Plane = Box::leak(Box::new(Plane::start("late", None)));
    let flux = Flux::on(plane).await;
    plane.kubectl(&["delete", "-f", "crds"], None);
    let (_, revision) =
        flux.declared("early", &[namespace("early"), tenant("early", json!({})), network("early", "front", json!({}))]);
    let said = flux.fails("early", "ReconciliationFailed", "Tenant/early").await;
    println!("without CRDs: {said}");

    plane.kubectl(&["apply", "--server-side", "-f", "crds"], None);
    let said = flux.fails("early", "HealthCheckFailed", "Tenant/early status: 'InProgress'").await;
    println!("without an operator: {said}");
    assert!(said.contains("TenantNetwork/cf-early/front status: 'InProgress'"), "{said}");

    let operator = Operator::start(plane).await;
    flux.ready("early", &revision).await;
    condition(&world::tenants(&flux.client), "early", "Ready", "True").await;
    operator.stop().await;
}
