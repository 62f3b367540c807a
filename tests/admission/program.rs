//! What may run with the purge's rights: the program of the installation, however the operator's token is used.

use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, accepted, ask, bed, refused};
use crate::support::operator::config;
use crate::support::{eventually, world};

/// The CronJob of a contract that has ended, as the operator makes it.
fn cron_job(name: &str) -> Value {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/beta.yaml");
    let rendered = cloudfarm::render::render(&[example], config()).expect("the example renders");
    let job = rendered.objects.into_iter().find(|object| object["kind"] == "CronJob");
    let mut job = job.expect("beta's contract has ended");
    // The Retention is in no cluster, and the garbage collector would miss it.
    world::merge(&mut job["metadata"], json!({"name": name, "ownerReferences": null}));
    job
}

fn pod_of(job: &Value) -> &Value {
    &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
}

/// The same with this change to its pod.
fn changed(mut job: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut job["spec"]["jobTemplate"]["spec"]["template"]["spec"]);
    job
}

/// A Job of it, as somebody makes it who wants no CronJob for that.
fn job_of(cron_job: &Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": cron_job["metadata"]["name"], "namespace": "cloudfarm-system"},
        "spec": cron_job["spec"]["jobTemplate"]["spec"]})
}

fn bare_pod(cron_job: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": cron_job["metadata"]["name"], "namespace": "cloudfarm-system"}, "spec": pod_of(cron_job)})
}

const CREATE: &str = "create --dry-run=server";

#[tokio::test]
async fn what_the_operator_makes_of_an_ended_contract_runs_restricted_with_its_own_token() {
    let plane = bed().await;
    accepted(plane, OPERATOR, "create", Some(cron_job("runs"))).await;
    // By the controllers, which are somebody else at each step.
    accepted(plane, ADMIN, "create job runs --from=cronjob/runs -n cloudfarm-system", None).await;
    eventually("the pod to have run", || async {
        let words = "get pods -n cloudfarm-system -l batch.kubernetes.io/job-name=runs -o json";
        let (_, said) = ask(plane, ADMIN, words, None);
        let pods: Value = serde_json::from_str(&said).ok()?;
        (pods["items"][0]["status"]["phase"] == "Succeeded").then_some(())
    })
    .await;
    let restricted = plane.kubectl(
        &["get", "ns", "cloudfarm-system", "-o", r"jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}"],
        None,
    );
    assert_eq!(restricted, "restricted");
}

#[tokio::test]
async fn a_stolen_token_of_the_operator_runs_no_program_of_its_own_as_the_purge() {
    let plane = bed().await;
    let good = cron_job("stolen");
    accepted(plane, OPERATOR, CREATE, Some(good.clone())).await;
    let container = |change: Value| changed(good.clone(), move |pod| world::merge(&mut pod["containers"][0], change));
    let pod = |change: Value| changed(good.clone(), move |pod| world::merge(pod, change));
    let another = || {
        json!({"name": "beside", "image": pod_of(&good)["containers"][0]["image"],
        "securityContext": pod_of(&good)["containers"][0]["securityContext"]})
    };
    let volumes = |source: Value| json!([{"name": "token", "projected": {"sources": [source]}}]);
    let cases = [
        (container(json!({"image": "registry.invalid/own"})), "its image is registry.invalid/own"),
        (container(json!({"command": ["/bin/sh"]})), "it has one container with the fields args, image"),
        (
            container(json!({"args": ["purge", "--retention=a", "--uid=b", "--cool-off-hours=1"]})),
            "--cool-off-hours=24",
        ),
        (container(json!({"args": ["purge", "--retention=a", "--uid=b"]})), "they have to be purge --retention=NAME"),
        (
            container(json!({"args": ["signing-key", "--retention=a", "--uid=b", "--cool-off-hours=24"]})),
            "its args are signing-key",
        ),
        (container(json!({"env": [{"name": "KUBECONFIG", "value": "/own"}]})), "and no others"),
        (container(json!({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}})), "and no others"),
        (pod(json!({"containers": [pod_of(&good)["containers"][0], another()]})), "it has one container"),
        (pod(json!({"initContainers": [another()]})), "the fields initContainers of the pod"),
        (
            pod(json!({"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["kubernetes.default.svc"]}]})),
            "the fields hostAliases",
        ),
        (pod(json!({"nodeSelector": {"kubernetes.io/hostname": "mine"}})), "the fields nodeSelector"),
        (
            pod(json!({"volumes": volumes(json!({"secret": {"name": "cloudfarm-signing-key"}}))})),
            "its only volume is the projected token",
        ),
        (
            pod(json!({"volumes": volumes(json!({"configMap": {"name": "own-ca"}}))})),
            "its only volume is the projected token",
        ),
        (pod(json!({"volumes": [{"name": "token", "emptyDir": {}}]})), "its only volume is the projected token"),
        (
            pod(json!({"serviceAccountName": "default", "serviceAccount": "default"})),
            "of the operator runs as serviceAccountName default",
        ),
    ];
    for (manifest, says) in cases {
        refused(plane, OPERATOR, CREATE, Some(manifest), &[says]).await;
    }
}

#[tokio::test]
async fn nobody_gets_around_it_by_a_job_a_pod_or_an_update() {
    let plane = bed().await;
    let good = cron_job("around");
    let own = changed(good.clone(), |pod| pod["containers"][0]["image"] = json!("registry.invalid/own"));
    let says = ["its image is registry.invalid/own", "cloudfarm-purge-program"];
    for (good, own) in [(job_of(&good), job_of(&own)), (bare_pod(&good), bare_pod(&own))] {
        accepted(plane, ADMIN, CREATE, Some(good)).await;
        refused(plane, ADMIN, CREATE, Some(own), &says).await;
    }
    accepted(plane, OPERATOR, "create", Some(good.clone())).await;
    refused(plane, OPERATOR, "apply --server-side --force-conflicts --dry-run=server", Some(own), &says).await;

    let (words, suspend) = ("patch cronjob around -n cloudfarm-system", json!({"spec": {"suspend": true}}));
    accepted(plane, OPERATOR, &format!("{words} --dry-run=server"), Some(suspend)).await;
    let token = plane.kubeconfig_of("cloudfarm", "writes-the-program");
    for verb in ["create", "update", "patch", "delete"] {
        let words = ["auth", "can-i", verb, "configmaps/cloudfarm-purge-program", "-n", "cloudfarm-system"];
        let (may, said) = plane.try_kubectl_with(&token, &words, None);
        assert!(!may && said.contains("no"), "the operator may {verb} the program: {said}");
    }
}

#[tokio::test]
async fn after_an_upgrade_the_old_program_may_be_suspended_and_not_started() {
    let plane = bed().await;
    let mut old = cron_job("older");
    // As it was made for an older installation.
    let program = |image: &str| {
        let data = json!({"data": {"image": image}});
        accepted(plane, ADMIN, "patch configmap cloudfarm-purge-program -n cloudfarm-system", Some(data))
    };
    old["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.invalid/older");
    program("registry.invalid/older").await;
    accepted(plane, OPERATOR, "create", Some(old.clone())).await;
    program(&config().purge.image).await;
    let mut namesake = old.clone();
    namesake["metadata"]["name"] = json!("older-again");
    refused(plane, OPERATOR, CREATE, Some(namesake), &["its image is registry.invalid/older"]).await;

    let words = "patch cronjob older -n cloudfarm-system --dry-run=server";
    accepted(plane, OPERATOR, words, Some(json!({"spec": {"suspend": true}}))).await;
    refused(plane, ADMIN, CREATE, Some(job_of(&old)), &["its image is registry.invalid/older"]).await;
    accepted(plane, OPERATOR, "apply --server-side --force-conflicts --dry-run=server", Some(cron_job("older"))).await;
}
