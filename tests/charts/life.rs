//! A release from its first day to after its last, on a real API server: what comes, and what stays when it goes.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use serde_json::{Value, json};

use crate::helm::{done, on, prepared, refused, usual};
use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::storage::{Driver, Options};
use crate::support::whole::{Identity, objects};
use crate::support::world::{self, apply, condition, machine, network, tenant};

const CHART: &str = "charts/cloudfarm";

pub fn json(plane: &Plane, what: &str) -> Value {
    let words: Vec<&str> = ["get"].into_iter().chain(what.split_whitespace()).chain(["-o", "json"]).collect();
    serde_json::from_str(&plane.kubectl(&words, None)).expect("JSON")
}

/// `Kind namespace/name` of everything that this release has made and that is there.
fn of_release(plane: &Plane, release: &str) -> BTreeSet<String> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,configmaps,leases,services,\
                 deployments,poddisruptionbudgets,networkpolicies,validatingadmissionpolicies,\
                 validatingadmissionpolicybindings,servicemonitors,prometheusrules";
    let all = json(plane, &format!("{kinds} -A -l app.kubernetes.io/instance={release}"));
    let name = |object: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        format!("{} {}/{}", word(&object["kind"]), word(&metadata["namespace"]), word(&metadata["name"]))
    };
    all["items"].as_array().expect("items").iter().map(name).collect()
}

/// Uids of what proves and guards, whoever is at work.
fn kept(plane: &Plane) -> BTreeMap<String, Value> {
    let what = [
        "crd tenants.cloudfarm.dev",
        "crd tenantnetworks.cloudfarm.dev",
        "crd retentions.cloudfarm.dev",
        "namespace cloudfarm-evidence",
        "configmap chain -n cloudfarm-evidence",
        "configmap cloudfarm-purge-budget -n cloudfarm-system",
        "configmap cloudfarm-purge-program -n cloudfarm-system",
        "lease cloudfarm-purge -n cloudfarm-system",
        "retention kept",
        "tenant kept",
        "clusterrole cloudfarm-tenant-admin",
        "validatingadmissionpolicy cloudfarm-namespace-deletion",
        "validatingadmissionpolicybinding cloudfarm-namespace-deletion",
        "validatingadmissionpolicy cloudfarm-purge-pods",
    ];
    what.iter().map(|what| ((*what).to_owned(), json(plane, what)["metadata"]["uid"].clone())).collect()
}

/// With a wall, people and a disk; and somebody has pulled the brake.
async fn a_tenant_at_work(plane: &Plane, client: &Client) {
    let machines = json!({"virtualMachines": [machine("web", &["front"])]});
    apply(plane, &[world::namespace("kept"), tenant("kept", machines), network("kept", "front", json!({}))]);
    condition(&world::tenants(client), "kept", "Ready", "True").await;
    condition(&world::retentions(client), "kept", "Ready", "True").await;
    eventually("the disk to be bound", || async {
        let claims = json(plane, "pvc -n cf-kept");
        claims["items"].as_array()?.iter().any(|claim| claim["status"]["phase"] == "Bound").then_some(())
    })
    .await;
    let stop = r#"{"data":{"stop":"true"}}"#;
    let words = ["patch", "configmap", "cloudfarm-purge-budget", "-n", "cloudfarm-system", "--type=merge", "-p", stop];
    plane.kubectl(&words, None);
}

/// Everything of a tenant, once controllers have come to rest.
async fn settled(client: &Client, tenant: &str) -> BTreeMap<String, Identity> {
    eventually(&format!("tenant {tenant} to stand still"), || async {
        let before = objects(client, tenant).await;
        (objects(client, tenant).await == before).then_some(before)
    })
    .await
}

fn brake(plane: &Plane) -> Value {
    json(plane, "configmap cloudfarm-purge-budget -n cloudfarm-system")["data"]["stop"].clone()
}

fn ready(plane: &Plane) -> Value {
    json(plane, "deployment cloudfarm -n cloudfarm-system")["status"]["readyReplicas"].clone()
}

fn upgraded_and_rolled_back(plane: &Plane, values: &Value) {
    let config = || json(plane, "configmap cloudfarm-config -n cloudfarm-system")["data"]["config.yaml"].to_string();
    let mut other = values.clone();
    other["config"]["rates"]["concurrency"] = json!(8);
    other["replicas"] = json!(3);
    done(plane, &["upgrade", "cloudfarm", CHART, "--wait", "--timeout=120s"], Some(&other));
    assert!(config().contains("concurrency: 8"));
    assert_eq!(ready(plane), 3);
    done(plane, &["rollback", "cloudfarm", "1", "--wait", "--timeout=120s"], None);
    assert!(config().contains("concurrency: 16"));
    assert_eq!(ready(plane), 2);
}

async fn refuses(plane: &Plane, words: &[&str], says: &str) {
    eventually(&format!("kubectl {} to be refused with {says:?}", words.join(" ")), || async {
        let (ok, said) = plane.try_kubectl(words, None);
        (!ok && said.contains(says)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_helm_uninstalls_are_programs_and_never_a_tenant() {
    let plane = &Plane::with_nothing_of_ours("charts-life", None);
    let mut values = usual();
    refused(
        plane,
        &["install", "cloudfarm", CHART, "--create-namespace"],
        Some(&values),
        &[
            "CRDs are missing (tenants.cloudfarm.dev, tenantnetworks.cloudfarm.dev, retentions.cloudfarm.dev, notices.cloudfarm.dev)",
            "install or upgrade the chart cloudfarm-crds",
        ],
    );
    plane.kubectl(&["delete", "namespace", "cloudfarm-system", "--ignore-not-found"], None);
    prepared(plane);
    let told = done(plane, &["install", "cloudfarm", CHART, "--wait", "--timeout=120s"], Some(&values));
    assert!(told.contains("MISSING: the key that signs erasure certificates"), "{told}");
    assert!(!told.contains("MISSING: Pod Security"), "{told}");
    assert_eq!(ready(plane), 2);
    let first = of_release(plane, "cloudfarm");
    assert!(first.contains("ServiceMonitor cloudfarm-system/cloudfarm"), "the cluster has the kind: {first:#?}");

    let operator = Operator::leading(plane, Faults::default()).await;
    let client = plane.admin().await;
    let _storage = Driver::start(plane, Options::default()).await;
    a_tenant_at_work(plane, &client).await;

    refused(
        plane,
        &["install", "second", CHART],
        Some(&values),
        &["belongs to release cloudfarm", "a cluster has one cloudfarm", "helm upgrade cloudfarm"],
    );

    upgraded_and_rolled_back(plane, &values);
    assert_eq!(of_release(plane, "cloudfarm"), first, "neither adds or loses anything");
    assert_eq!(brake(plane), "true", "nobody has released the brake");

    // It goes. What it stood for stays, to the uid and the resource version.
    operator.stop().await;
    let before = settled(&client, "kept").await;
    let guards = kept(plane);
    assert!(before.keys().any(|key| key.starts_with("PersistentVolume ")), "{before:#?}");
    assert!(before.keys().any(|key| key.starts_with("NetworkPolicy cf-kept/cloudfarm-default-deny")), "{before:#?}");
    done(plane, &["uninstall", "cloudfarm", "--wait"], None);
    done(plane, &["uninstall", "cloudfarm-crds", "--wait"], None);
    assert_eq!(kept(plane), guards);
    assert_eq!(objects(&client, "kept").await, before);
    let gone: Vec<_> = first.difference(&of_release(plane, "cloudfarm")).cloned().collect();
    for kind in [
        "Deployment",
        "ServiceAccount",
        "ClusterRoleBinding",
        "RoleBinding",
        "Service",
        "NetworkPolicy",
        "ServiceMonitor",
    ] {
        assert!(gone.iter().any(|name| name.starts_with(&format!("{kind} "))), "{kind} stays: {gone:#?}");
    }
    refuses(plane, &["delete", "namespace", "cf-kept", "--dry-run=server"], "is kept: it goes by the purge").await;
    refuses(plane, &["delete", "tenant", "kept", "--dry-run=server"], "has a running contract").await;

    // It comes back: by its own name, and what stands as it should is not written to.
    values["config"]["purge"]["coolOffHours"] = json!(48);
    refused(
        plane,
        &["install", "another", CHART],
        Some(&values),
        &["What an uninstalled release left behind is taken over by a release of the same name"],
    );
    done(plane, &["install", "cloudfarm-crds", "charts/cloudfarm-crds"], None);
    done(plane, &["install", "cloudfarm", CHART, "--wait", "--timeout=120s"], Some(&values));
    assert_eq!(of_release(plane, "cloudfarm"), first);
    assert_eq!(brake(plane), "true");
    let program = json(plane, "configmap cloudfarm-purge-program -n cloudfarm-system");
    assert_eq!(program["data"]["coolOffHours"], "48", "what was kept is what is installed now");
    let operator = Operator::leading(plane, Faults::default()).await;
    apply(plane, &[world::namespace("new"), tenant("new", json!({}))]);
    condition(&world::tenants(&client), "new", "Ready", "True").await;
    assert_eq!(kept(plane), guards);
    assert_eq!(objects(&client, "kept").await, before, "a tenant that stood well is not touched");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_without_a_kind_stops_before_it_changes_anything() {
    let plane = &Plane::with_nothing_of_ours("charts-kinds", Some("none"));
    let values = usual();
    prepared(plane);
    done(plane, &["install", "cloudfarm", CHART], Some(&values));
    plane.kubectl(&["delete", "crd", "tenantnetworks.cloudfarm.dev"], None);
    let before = json(plane, "deployment cloudfarm -n cloudfarm-system")["metadata"]["generation"].clone();
    let mut other = values.clone();
    other["replicas"] = json!(3);
    refused(
        plane,
        &["upgrade", "cloudfarm", CHART],
        Some(&other),
        &["CRDs are missing (tenantnetworks.cloudfarm.dev)", "helm upgrade --install cloudfarm-crds"],
    );
    assert_eq!(json(plane, "deployment cloudfarm -n cloudfarm-system")["metadata"]["generation"], before);
    // helm compares with what it rendered last, so the kinds' chart has to bring back what somebody deleted.
    done(plane, &["upgrade", "--install", "cloudfarm-crds", "charts/cloudfarm-crds"], None);
    plane.our_crds_established();
    done(plane, &["upgrade", "cloudfarm", CHART, "--wait", "--timeout=120s"], Some(&other));
    assert_eq!(ready(plane), 3);

    let labels = json(plane, "crd tenants.cloudfarm.dev")["metadata"].clone();
    assert_eq!(labels["annotations"]["helm.sh/resource-policy"], "keep");
    let complaint = on(plane, &["install", "cloudfarm", CHART, "--namespace", "default"], Some(&values));
    let complaint = complaint.expect_err("another namespace");
    assert!(complaint.contains("the namespace is \"default\"; it has to be cloudfarm-system"), "{complaint}");
}
