//! The health checks that Argo CD is given, run by Lua on what the operator really wrote.

use k8s_openapi::api::core::v1::ConfigMap;
use mlua::{Lua, LuaSerdeExt as _};
use serde_json::{Value, json};

use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, namespace, network, tenant};
use crate::support::{eventually, operator};

/// What the example's check for an object's kind says about it, and with which words.
fn health(object: &Value) -> (String, String) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gitops/argocd/argocd-cm.yaml");
    let text = std::fs::read_to_string(file).expect("the example");
    let map: ConfigMap = serde_saphyr::from_str(&text).expect("a ConfigMap");
    let key = format!("resource.customizations.health.cloudfarm.dev_{}", object["kind"].as_str().expect("a kind"));
    let script = map.data.expect("data").remove(&key).expect("a check");
    // As in Argo CD: the object is `obj`, and what is null there is nil.
    let lua = Lua::new();
    let options = mlua::serde::ser::Options::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.globals().set("obj", lua.to_value_with(object, options).expect("a value")).expect("a global");
    let said: Value = lua.from_value(lua.load(script).eval().expect("the check runs")).expect("a table");
    let word = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("no {name}: {said}")).to_owned();
    (word("status"), word("message"))
}

fn is(object: &Value, status: &str, words: &str) {
    let (found, message) = health(object);
    assert!(found == status && message.contains(words), "{found}, {message}; wished: {status}, {words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn argo_cds_health_checks_read_what_the_operator_wrote() {
    let plane = Plane::shared();
    let client = plane.admin().await;
    operator::shared(plane);
    let (tenants, retentions, networks) =
        (world::tenants(&client), world::retentions(&client), world::networks(&client, "argo"));
    // As the API server first shows it, before any operator could have looked.
    let fresh = plane.kubectl(
        &["create", "--dry-run=server", "-o", "json", "-f", "-"],
        Some(&tenant("fresh", json!({})).to_string()),
    );
    is(&serde_json::from_str(&fresh).expect("JSON"), "Progressing", "not looked at this generation");

    apply(plane, &[namespace("argo"), tenant("argo", json!({})), network("argo", "front", json!({}))]);
    let made = condition(&tenants, "argo", "Ready", "True").await;
    is(&made, "Healthy", "as declared");
    let mut changed = made.clone();
    changed["metadata"]["generation"] = json!(2);
    is(&changed, "Progressing", "not looked at this generation");
    is(&condition(&networks, "front", "Ready", "True").await, "Healthy", "the rules stand");
    is(&condition(&retentions, "argo", "Ready", "True").await, "Healthy", "");

    let missing = json!({"virtualMachines": [world::machine("vm", &["later"])]});
    apply(plane, &[tenant("argo-waits", missing)]);
    is(&condition(&tenants, "argo-waits", "Ready", "False").await, "Progressing", "");
    plane.kubectl(&["create", "namespace", "cf-argo-foreign"], None);
    apply(plane, &[tenant("argo-foreign", json!({}))]);
    is(&condition(&tenants, "argo-foreign", "Stalled", "True").await, "Degraded", "cf-argo-foreign");
    let towards = json!({"egress": [{"name": "a", "cidrs": ["169.254.169.254/32"], "allPorts": true}]});
    apply(plane, &[network("argo", "front", towards), network("argo", "waits", peer("later"))]);
    is(&condition(&networks, "front", "Stalled", "True").await, "Degraded", "stays closed");
    is(&condition(&networks, "waits", "Ready", "False").await, "Progressing", "later");

    apply(plane, &[tenant("argo", json!({"suspended": true}))]);
    let suspended = eventually("the tenant to be suspended", || async {
        let found = serde_json::to_value(tenants.get("argo").await.ok()?).ok()?;
        (found["status"]["phase"] == "Suspended").then_some(found)
    })
    .await;
    is(&suspended, "Suspended", "Suspended: ");
    plane.kubectl(&["patch", "retention", "argo", "--type=merge", "-p", r#"{"spec":{"suspend":true}}"#], None);
    let generation = json!(2);
    let paused = eventually("the operator to see that the purge is suspended", || async {
        let found = serde_json::to_value(retentions.get("argo").await.ok()?).ok()?;
        (found["status"]["observedGeneration"] == generation).then_some(found)
    })
    .await;
    is(&paused, "Suspended", "");
    plane.kubectl(&["annotate", "tenant", "argo-waits", "cloudfarm.dev/allow-orphan=true"], None);
    plane.kubectl(&["delete", "tenant", "argo-waits"], None);
    is(&condition(&retentions, "argo-waits", "Stalled", "True").await, "Degraded", "no end date");
}

fn peer(name: &str) -> Value {
    json!({"egress": [{"name": "a", "networks": [name], "allPorts": true}]})
}
