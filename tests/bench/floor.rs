//! The bare client: the operator's writes, sent by the operator's method, with nothing deciding in between.

use std::time::{Duration, Instant};

use cloudfarm::cluster::object::Kind;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::DECLARED_AT_ONCE;
use crate::support::{operator, world};

/// Declares tenants and sends, for each, what the operator would send.
pub async fn onboard(admin: &Client, writer: &Client, names: &[String]) -> Duration {
    let folder = std::env::temp_dir().join(format!("cloudfarm-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("template.yaml");
    std::fs::write(&file, world::tenant("template", json!({})).to_string()).expect("a file");
    let template = cloudfarm::render::render(&[file], operator::config()).expect("valid").objects;
    std::fs::remove_dir_all(&folder).ok();

    let began = Instant::now();
    stream::iter(names).for_each_concurrent(DECLARED_AT_ONCE, |name| one(admin, writer, name, &template)).await;
    began.elapsed()
}

/// One tenant: namespaces, then walls and rights in parallel, then the Retention and the two statuses.
async fn one(admin: &Client, writer: &Client, name: &str, template: &[Value]) {
    let tenant: DynamicObject = serde_json::from_value(world::tenant(name, json!({}))).expect("a tenant");
    let made = world::tenants(admin).create(&PostParams::default(), &tenant).await.expect("declared");
    let uid = made.metadata.uid.expect("a uid");
    let text = serde_json::to_string(template).expect("JSON");
    let bodies: Vec<Value> =
        serde_json::from_str(&text.replace("template", name).replace("00000000-0000-0000-0000-000000000000", &uid))
            .expect("JSON");
    let of = |kinds: &[&str]| -> Vec<Value> {
        bodies.iter().filter(|body| kinds.contains(&body["kind"].as_str().unwrap_or_default())).cloned().collect()
    };
    for stage in
        [of(&["Namespace"]), of(&["ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding"]), of(&["Retention"])]
    {
        stream::iter(stage).for_each_concurrent(8, |body| apply(writer, body)).await;
    }
    let status = |kind: &str| {
        json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "status": {"observedGeneration": 1, "conditions": (0..9).map(|number| json!({
                "type": format!("Condition{number}"), "status": "True", "reason": "AsDeclared", "message": "a message of usual length for a condition",
                "lastTransitionTime": "2026-11-24T00:00:00Z", "observedGeneration": 1,
            })).collect::<Vec<_>>()},
        })
    };
    let ssa = PatchParams::apply("cloudfarm").force();
    let (one, other) = futures::join!(
        async { world::tenants(writer).patch_status(name, &ssa, &Patch::Apply(status("Tenant"))).await },
        async { world::retentions(writer).patch_status(name, &ssa, &Patch::Apply(status("Retention"))).await },
    );
    one.and(other).expect("statuses");
}

async fn apply(writer: &Client, body: Value) {
    let kind = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == body["kind"]).expect("a kind");
    let api: Api<DynamicObject> = match body["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(writer.clone(), namespace, &kind.api_resource()),
        None => Api::all_with(writer.clone(), &kind.api_resource()),
    };
    let name = body["metadata"]["name"].as_str().expect("a name").to_owned();
    let mut body = body;
    body["metadata"]["resourceVersion"] = json!("1");
    api.patch(&name, &PatchParams::apply("cloudfarm").force(), &Patch::Apply(body)).await.expect("applied");
}

/// Lists, page by page and one kind after the other as one watch would, what the operator lists at its start; all kinds
/// at once.
pub async fn list(client: &Client) -> Duration {
    let began = Instant::now();
    let own =
        ["tenants", "tenantnetworks"].map(|plural| world::resource("cloudfarm.dev", "v1alpha1", "Tenant", plural));
    let managed = [
        Kind::Namespace,
        Kind::ResourceQuota,
        Kind::LimitRange,
        Kind::NetworkPolicy,
        Kind::RoleBinding,
        Kind::CronJob,
        Kind::Retention,
    ];
    let kinds = managed.map(Kind::api_resource).into_iter().chain(own);
    stream::iter(kinds)
        .for_each_concurrent(None, |kind| async move {
            let api = Api::<DynamicObject>::all_with(client.clone(), &kind);
            let mut page = ListParams::default().limit(500);
            loop {
                let list = api.list(&page).await.expect("a list");
                match list.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => page = page.continue_token(&token),
                    None => return,
                }
            }
        })
        .await;
    began.elapsed()
}
