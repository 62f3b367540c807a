//! `examples/gitops/`, as a platform team would copy it: the same files, pushed and applied.

use std::path::Path;
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::ObjectList;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::flux::Flux;
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
    for (tenant, vms, networks) in
        [("sakura", vec!["db", "web"], vec!["dmz", "internal"]), ("fuji", vec!["app"], vec!["front"])]
    {
        let names =
            |list: ObjectList<DynamicObject>| list.items.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>();
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
        assert_eq!(
            told(&mark.writes_about(flux.plane, tenant).await),
            [""; 0],
            "three looks at what is as it should be"
        );
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
            own.flat_map(|entry| entry["fieldsV1"].as_object().expect("fields").keys().cloned().collect::<Vec<_>>())
                .collect()
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
    for next in [33, 34, 35] {
        let mark = Mark::now(flux.plane);
        repository
            .write(file, &repository.read(file).replace(&format!("memory: {memory}Gi"), &format!("memory: {next}Gi")));
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
    println!("push to child, of 3: {:?} to {:?}, median {:?}", times[0], times[2], times[1]);
    assert!(times[1] < Duration::from_secs(10), "{times:?}");
}

async fn quota(flux: &Flux) -> Value {
    let kind = world::resource("", "v1", "ResourceQuota", "resourcequotas");
    let quotas = Api::<DynamicObject>::namespaced_with(flux.client.clone(), "cf-sakura", &kind);
    quotas.get("cloudfarm").await.expect("the quota").data["spec"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_everything_and_says_so_when_a_running_tenants_file_is_removed() {
    let (flux, repository) = example().await;
    let before = objects(&flux.client, "fuji").await;
    repository.remove("tenants/fuji/tenant.yaml");
    repository.push("Remove fuji by mistake");
    let said = flux.fails("fuji", "PruneFailed", "tenant fuji has a running contract: set spec.contract.endDate").await;
    println!("removed without an end date: {said}");
    assert_eq!(objects(&flux.client, "fuji").await, before);
    condition(&world::tenants(&flux.client), "fuji", "Ready", "True").await;

    let back = repository.revert();
    flux.ready("fuji", &back).await;
    assert_eq!(objects(&flux.client, "fuji").await, before);

    repository.remove("tenants/fuji");
    repository.push("Remove the whole folder of fuji by mistake");
    flux.fails("fuji", "ArtifactFailed", "tenants/fuji").await;
    assert_eq!(objects(&flux.client, "fuji").await, before);
    let back = repository.revert();
    flux.ready("fuji", &back).await;
    assert_eq!(objects(&flux.client, "fuji").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lets_no_retention_and_nothing_else_into_a_tenants_folder() {
    let (flux, repository) = example().await;
    let before = world::retentions(&flux.client).get("fuji").await.expect("the Retention");
    let retention = "apiVersion: cloudfarm.dev/v1alpha1\nkind: Retention\nmetadata: {name: fuji}\n\
                     spec: {tenantRef: {name: fuji}, graceDays: 60, suspend: true}\n";
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: more, namespace: cf-fuji}\n";
    for (file, manifest, refused) in [
        ("tenants/fuji/retention.yaml", retention, "cannot patch resource \"retentions\""),
        ("tenants/fuji/role.yaml", role, "cannot patch resource \"roles\""),
    ] {
        repository.write(file, manifest);
        repository.push("Reach for more");
        flux.fails("fuji", "ReconciliationFailed", refused).await;
        let back = repository.revert();
        flux.ready("fuji", &back).await;
    }
    let after = world::retentions(&flux.client).get("fuji").await.expect("the Retention");
    assert_eq!(after.data["spec"], before.data["spec"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_nothing_when_a_tenant_goes_from_git_altogether_and_nothing_when_it_comes_back() {
    let (flux, repository) = example().await;
    let before = objects(&flux.client, "fuji").await;
    let mark = Mark::now(flux.plane);
    repository.remove("tenants/fuji");
    repository.remove("clusters/production/tenants/fuji.yaml");
    let gone = repository.push("Lose fuji altogether");
    flux.ready("tenants", &gone).await;
    eventually("Flux to let go of fuji", || async { flux.get("fuji").await.is_none().then_some(()) }).await;
    condition(&world::tenants(&flux.client), "fuji", "Ready", "True").await;

    let back = repository.revert();
    flux.ready("fuji", &back).await;
    assert_eq!(objects(&flux.client, "fuji").await, before);
    assert_eq!(told(&mark.writes_about(flux.plane, "fuji").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_a_tenant_in_two_requests_and_its_data_stays_until_the_promised_day() {
    let (flux, repository) = example().await;
    let (folder, listed) = ("tenants/tsuru", "clusters/production/tenants/tsuru.yaml");
    for (from, to) in [
        ("tenants/fuji/tenant.yaml", "tenants/tsuru/tenant.yaml"),
        ("tenants/fuji/networks.yaml", "tenants/tsuru/networks.yaml"),
        ("clusters/production/tenants/fuji.yaml", listed),
    ] {
        repository.write(to, &repository.read(from).replace("fuji", "tsuru"));
    }
    let onboarded = repository.push("Onboard tsuru");
    flux.ready("tsuru", &onboarded).await;

    let declared = repository.read("tenants/tsuru/tenant.yaml");
    let ending = declared.replace("    capacity:", "    endDate: \"2030-03-31\"\n    capacity:");
    repository.write("tenants/tsuru/tenant.yaml", &ending);
    repository.write(listed, &repository.read(listed).replace("deletionPolicy: Orphan", "deletionPolicy: Delete"));
    let ended = repository.push("The contract of tsuru ends");
    flux.ready("tsuru", &ended).await;
    let retentions = world::retentions(&flux.client);
    condition(&retentions, "tsuru", "Scheduled", "True").await;
    let before = objects(&flux.client, "tsuru").await;

    repository.remove(folder);
    repository.remove(listed);
    let gone = repository.push("Take tsuru out of Git");
    flux.ready("tenants", &gone).await;
    eventually("Flux to delete the Tenant and let go", || async { flux.get("tsuru").await.is_none().then_some(()) })
        .await;
    let tenants = world::tenants(&flux.client);
    assert!(tenants.get_opt("tsuru").await.expect("an answer").is_none(), "the Tenant goes with its file");
    eventually("its network's policy to go", || async {
        let after = objects(&flux.client, "tsuru").await;
        let (network, policy) = ("TenantNetwork cf-tsuru/front", "NetworkPolicy cf-tsuru/network-front");
        let went: Vec<_> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        (went == [policy, network]).then_some(())
    })
    .await;
    let retention = condition(&retentions, "tsuru", "Scheduled", "True").await;
    assert_eq!(retention["status"]["endDate"], "2030-03-31");
    assert_eq!(
        retention["status"]["purgeNotBefore"], "2030-05-30T15:00:00Z",
        "60 days after the midnight in Japan that ends it"
    );
    flux.plane.kubectl(&["get", "cronjob", "cf-purge-tsuru", "-n", "cloudfarm-system"], None);
}
