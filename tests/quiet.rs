//! Quiet: how many calls the operator makes, counted by the API server's audit log.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use serde_json::{Value, json};
use support::audit::{Call, Mark};
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, network, tenant};

fn writes(calls: &[Call]) -> Vec<String> {
    calls
        .iter()
        .filter(|call| call.writes())
        .map(|call| format!("{} {}/{}", call.resource, call.namespace, call.name))
        .collect()
}

fn nothing_odd(calls: &[Call]) {
    let odd: Vec<_> = calls
        .iter()
        .filter(|call| call.verb == "get" || call.code == 409 || call.code == 429 || call.code >= 500)
        .collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

fn no_lists(calls: &[Call]) {
    let lists: Vec<_> = calls.iter().filter(|call| call.verb == "list").collect();
    assert!(lists.is_empty(), "{lists:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_costs_one_write_per_object_and_one_status_a_change_one_more_and_looking_again_nothing() {
    let plane = Plane::shared();
    let client = plane.admin().await;
    let operator = Operator::start(plane).await;
    apply(plane, &[tenant("warm-up", json!({}))]);
    condition(&world::tenants(&client), "warm-up", "Ready", "True").await;
    condition(&world::retentions(&client), "warm-up", "Ready", "True").await;

    // Creation: two namespaces, quota, limit range, two default-denies, platform, import, the wall, two role
    // bindings for people and one for who keeps records, the Retention, and one status each for the Tenant and the Retention.
    let mark = Mark::now(plane);
    apply(plane, &[tenant("quiet", json!({}))]);
    condition(&world::tenants(&client), "quiet", "Ready", "True").await;
    condition(&world::retentions(&client), "quiet", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    nothing_odd(&calls);
    no_lists(&calls);
    let made = writes(&calls);
    let statuses = made.iter().filter(|write| write.contains("/status ")).count();
    assert_eq!((made.len() - statuses, count(&made, "tenants/status")), (13, 1), "{made:#?}");
    let mut once = made.clone();
    once.sort();
    once.dedup();
    assert!(
        once.len() >= made.len() - 1,
        "only the Retention's status may be written twice, once per namespace pinned: {made:#?}"
    );

    // A network: one policy and one status.
    let mark = Mark::now(plane);
    apply(
        plane,
        &[network(
            "quiet",
            "front",
            json!({"ingress": [{"name": "a", "cidrs": ["198.51.100.0/24"], "ports": [{"port": 443}]}]}),
        )],
    );
    condition(&world::networks(&client, "quiet"), "front", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    nothing_odd(&calls);
    assert_eq!(writes(&calls), ["networkpolicies cf-quiet/network-front", "tenantnetworks/status cf-quiet/front"]);

    // One changed field: the changed object and the status.
    let mark = Mark::now(plane);
    apply(plane, &[tenant("quiet", json!({"contract": {"capacity": {"memory": "48Gi"}}}))]);
    condition(&world::tenants(&client), "quiet", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    nothing_odd(&calls);
    assert_eq!(writes(&calls), ["resourcequotas cf-quiet/cloudfarm", "tenants/status /quiet"]);

    // Looking again at an unchanged world.
    let mark = Mark::now(plane);
    plane.kubectl(&["annotate", "tenant", "quiet", "test/look=again"], None);
    plane.kubectl(&["annotate", "tenantnetwork", "front", "-n", "cf-quiet", "test/look=again"], None);
    plane.kubectl(&["annotate", "retention", "quiet", "test/look=again"], None);
    // The operator has looked when a later declaration, which queues behind these, is done.
    apply(plane, &[tenant("later", json!({}))]);
    condition(&world::tenants(&client), "later", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    nothing_odd(&calls);
    let about_quiet: Vec<_> =
        calls.iter().filter(|call| call.name == "quiet" || call.namespace.ends_with("quiet")).collect();
    assert!(about_quiet.is_empty(), "{about_quiet:#?}");

    // A restart: every kind is listed once, nothing is written and nothing is read one by one.
    condition(&world::retentions(&client), "later", "Ready", "True").await;
    operator.stop().await;
    let mark = Mark::now(plane);
    let operator = Operator::start(plane).await;
    apply(plane, &[tenant("last", json!({}))]);
    condition(&world::tenants(&client), "last", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    nothing_odd(&calls);
    let touched: Vec<Value> = calls
        .iter()
        .filter(|call| call.writes() && !call.name.ends_with("last") && !call.namespace.ends_with("last"))
        .map(|call| json!(format!("{call:?}")))
        .collect();
    assert!(touched.is_empty(), "{touched:#?}");
    // The probe's report is looked for by its name, beside the ConfigMaps that are ours by their label; Roles and RoleBindings
    // of doors by another label, whoever made them.
    let listed = calls.iter().filter(|call| call.verb == "list");
    let mut lists: Vec<_> = listed.map(|call| (call.resource.clone(), call.name.clone())).collect();
    let all = lists.len();
    lists.sort();
    lists.dedup();
    assert_eq!(lists.len() + 2, all, "a kind was listed twice");
    operator.stop().await;
}

fn count(writes: &[String], resource: &str) -> usize {
    writes.iter().filter(|write| write.starts_with(&format!("{resource} "))).count()
}
