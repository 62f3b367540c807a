//! `examples/gitops/`, as a platform team would copy it: the same files, pushed and applied.

use std::path::Path;
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::ObjectList;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::flux::{Flux, HOME};
use crate::git::Repository;
use crate::support::audit::{Call, Mark};
use crate::support::whole::objects;
use crate::support::world::{self, condition};
use crate::support::{eventually, operator};

const FLUX: &str = "system:serviceaccount:flux-system:cloudfarm-tenants";
const OPERATOR: &str = cloudfarm::install::OPERATOR;

/// What differs from the files as they are: where Git is, and that nobody here waits for minutes.
const HERE: [(&str, &str); 2] = [("retryInterval: 1m", "retryInterval: 2s"), ("timeout: 5m", "timeout: 30s")];

/// The example on the shared plane, and the team's clone; one test at a time changes it.
async fn example() -> (Flux, MutexGuard<'static, Repository>) {
    static MADE: OnceCell<Mutex<Repository>> = OnceCell::const_new();
    let flux = Flux::shared().await;
    operator::shared(flux.plane);
    let repository = MADE.get_or_init(|| async { Mutex::new(set_up(&flux).await) }).await.lock().await;
    (flux, repository)
}

async fn set_up(flux: &Flux) -> Repository {
    let repository = flux.hosted("tenants");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops");
    copy(&root, &root.join("clusters"), &repository);
    copy(&root, &root.join("tenants"), &repository);
    let revision = repository.push("Onboard sakura and fuji");
    let set_up = repository.read("clusters/production/flux.yaml");
    let url = "https://git.example/platform/tenants.git";
    assert!(set_up.contains(url), "the example says where Git is");
    flux.plane.kubectl(&["apply", "-f", "-"], Some(&set_up.replace(url, &repository.url)));
    for name in ["tenants", "sakura", "fuji"] {
        flux.ready(name, &revision).await;
    }
    repository
}

fn copy(root: &Path, folder: &Path, repository: &Repository) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            copy(root, &path, repository);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = HERE.iter().fold(text, |text, (from, to)| text.replace(from, to));
        repository.write(&path.strip_prefix(root).expect("below the root").display().to_string(), &text);
    }
}

fn told(writes: &[(String, Call)]) -> Vec<String> {
    let line = |(who, call): &(String, Call)| format!("{who}: {} {}/{}", call.resource, call.namespace, call.name);
    writes.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brings_tenants_up_and_afterwards_nobody_writes_anything() {
    let (flux, _repository) = example().await;
    for (tenant, vms, networks) in [("sakura", vec!["db", "web"], vec!["dmz", "internal"]), ("fuji", vec!["app"], vec!["front"])] {
        let names = |list: ObjectList<DynamicObject>| {
            list.items.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>()
        };
        let all = ListParams::default();
        assert_eq!(names(world::machines(&flux.client, tenant).list(&all).await.expect("a list")), vms);
        assert_eq!(names(world::networks(&flux.client, tenant).list(&all).await.expect("a list")), networks);
        condition(&world::tenants(&flux.client), tenant, "Ready", "True").await;
        condition(&world::retentions(&flux.client), tenant, "Ready", "True").await;
    }

    let mark = Mark::now(flux.plane);
    for _ in 0..3 {
        for name in ["tenants", "sakura", "fuji"] {
            flux.reconcile(name).await;
        }
    }
    for tenant in ["sakura", "fuji"] {
        assert_eq!(told(&mark.writes_about(flux.plane, tenant).await), [""; 0], "three looks at what is as it should be");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_the_spec_to_flux_and_the_status_to_the_operator() {
    let (flux, _repository) = example().await;
    let tenant = condition(&world::tenants(&flux.client), "sakura", "Ready", "True").await;
    let network = condition(&world::networks(&flux.client, "sakura"), "dmz", "Ready", "True").await;
    for object in [tenant, network] {
        let parts = |manager: &str| -> Vec<String> {
            let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
            let own = entries.iter().filter(|entry| entry["manager"] == manager);
            own.flat_map(|entry| entry["fieldsV1"].as_object().expect("fields").keys().cloned().collect::<Vec<_>>()).collect()
        };
        assert_eq!(parts("kustomize-controller"), ["f:metadata", "f:spec"]);
        assert_eq!(parts("cloudfarm"), ["f:status"]);
        assert_eq!(object["metadata"]["managedFields"].as_array().map(Vec::len), Some(2), "and nobody else has a part");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_an_edit_into_one_write_of_flux_and_two_of_the_operator() {
    let (flux, repository) = example().await;
    let file = "tenants/sakura/tenant.yaml";
    let mut memory = 32;
    let mut times = Vec::new();
    for next in [33, 34, 35, 36, 37] {
        let mark = Mark::now(flux.plane);
        repository.write(file, &repository.read(file).replace(&format!("memory: {memory}Gi"), &format!("memory: {next}Gi")));
        memory = next;
        let before = quota(&flux).await;
        let began = Instant::now();
        let revision = repository.push("Sell more memory");
        eventually("the quota to follow", || async { (quota(&flux).await != before).then_some(()) }).await;
        times.push(began.elapsed());
        flux.ready("sakura", &revision).await;
        let writes = told(&mark.writes_about(flux.plane, "sakura").await);
        let wanted = [
            format!("{FLUX}: tenants /sakura"),
            format!("{OPERATOR}: resourcequotas cf-sakura/cloudfarm"),
            format!("{OPERATOR}: tenants/status /sakura"),
        ];
        assert_eq!(writes, wanted);
    }
    times.sort();
    println!("push to child, of 5: {:?} to {:?}, median {:?}", times[0], times[4], times[2]);
    assert!(times[2] < Duration::from_secs(10), "{times:?}");
}

async fn quota(flux: &Flux) -> Value {
    let kind = world::resource("", "v1", "ResourceQuota", "resourcequotas");
    let quotas = Api::<DynamicObject>::namespaced_with(flux.client.clone(), "cf-sakura", &kind);
    quotas.get("cloudfarm").await.expect("the quota").data["spec"].clone()
}
