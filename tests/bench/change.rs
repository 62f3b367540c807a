//! One change in an idle cluster: from the commit of the spec to the commit of the child, against a bare watch->patch
//! loop in this process.

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::process::OperatorProcess;
use crate::report::Report;
use crate::support::plane::Plane;
use crate::support::world;

/// Changes measured.
const CHANGES: usize = 60;

/// Measures the operator, stops it, and measures the bare loop on the same objects.
pub async fn compare(
    plane: &Plane,
    admin: &Client,
    tenant: &str,
    operator: &OperatorProcess,
    report: &mut Report,
    tenants: usize,
) {
    let mut commits = quota_commits(admin, tenant).await;
    let times = measure(admin, tenant, &mut commits).await;
    report.quantiles(tenants, "one change, operator", &times);
    operator.terminate().await;
    let bare =
        tokio::spawn(bare_loop(Client::try_from(plane.operator_config().await).expect("client"), tenant.to_owned()));
    // The loop has listed when it answers its first change.
    set_memory(admin, tenant, 20).await;
    commits.recv().await;
    let times = measure(admin, tenant, &mut commits).await;
    report.quantiles(tenants, "one change, bare loop", &times);
    bare.abort();
}

/// Instants at which a watch shows a new quota, with its memory.
async fn quota_commits(admin: &Client, tenant: &str) -> UnboundedReceiver<(Instant, String)> {
    let kind = world::resource("", "v1", "ResourceQuota", "resourcequotas");
    let api = Api::<DynamicObject>::namespaced_with(admin.clone(), &format!("cf-{tenant}"), &kind);
    let (sender, receiver) = unbounded_channel();
    let (started, ready) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut started = Some(started);
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
        let mut last = String::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(quota) | watcher::Event::InitApply(quota)) => {
                    let memory = quota.data["spec"]["hard"]["requests.memory"].as_str().unwrap_or_default().to_owned();
                    if memory != last && started.is_none() {
                        sender.send((Instant::now(), memory.clone())).ok();
                    }
                    last = memory;
                }
                Ok(watcher::Event::InitDone) => drop(started.take().map(|started| started.send(()))),
                _ => {}
            }
        }
    });
    ready.await.expect("the watch starts");
    receiver
}

async fn measure(admin: &Client, tenant: &str, commits: &mut UnboundedReceiver<(Instant, String)>) -> Vec<Duration> {
    let mut times = Vec::new();
    for change in 0..CHANGES {
        let memory = 100 + change;
        set_memory(admin, tenant, memory).await;
        let committed = Instant::now();
        loop {
            let (seen, what) = commits.recv().await.expect("the watch goes on");
            if what == format!("{memory}Gi") {
                times.push(seen.saturating_duration_since(committed));
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times
}

async fn set_memory(admin: &Client, tenant: &str, gib: usize) {
    let patch = json!({"spec": {"contract": {"capacity": {"memory": format!("{gib}Gi")}}}});
    world::tenants(admin).patch(tenant, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
}

/// Sees a Tenant, applies its quota: the same body by the same method, with nothing deciding in between.
async fn bare_loop(client: Client, tenant: String) {
    let kind = world::resource("", "v1", "ResourceQuota", "resourcequotas");
    let quotas = Api::<DynamicObject>::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind);
    let made = quotas.get("cloudfarm").await.expect("the operator made it");
    let mut body = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "cloudfarm", "uid": made.metadata.uid, "labels": made.metadata.labels, "annotations": made.metadata.annotations},
        "spec": made.data["spec"],
    });
    let mut events = std::pin::pin!(watcher(world::tenants(&client), watcher::Config::default()));
    let mut last = body["spec"]["hard"]["requests.memory"].as_str().unwrap_or_default().to_owned();
    while let Some(event) = events.next().await {
        // A change that came before the list was complete is in the list.
        let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { continue };
        let memory = object.data["spec"]["contract"]["capacity"]["memory"].as_str().unwrap_or_default().to_owned();
        if object.metadata.name.as_deref() != Some(&tenant) || memory == last {
            continue;
        }
        body["spec"]["hard"]["requests.memory"] = json!(memory);
        quotas
            .patch("cloudfarm", &PatchParams::apply("cloudfarm").force(), &Patch::Apply(&body))
            .await
            .expect("patched");
        last = memory;
    }
}
