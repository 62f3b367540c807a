//! Every kind that the purge's roles name: it is counted, and what a purge deletes one by one is gone.
//!
//! Neighbours that no test installs are played by CRDs that take any object: here a kind is a name and nothing more.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bed_alone;
use super::support::plane::Plane;
use super::support::purge::{due, ended_tenant};
use super::support::rights::shipped;
use super::support::world::apply;

const TENANT: &str = "sampler";

/// Group and plural of every kind that this role gives this verb on.
fn kinds(role: &str, verb: &str) -> BTreeSet<(String, String)> {
    let rights = shipped().into_iter().filter(|right| right.role == role && right.verb == verb);
    rights.map(|right| (right.group, right.resource)).collect()
}

fn samples() -> Vec<Value> {
    let text = include_str!("every-kind.yaml");
    let documents = text.split("---\n").map(|document| serde_saphyr::from_str::<Value>(document).expect("YAML"));
    documents
        .map(|mut sample| {
            sample["metadata"]["namespace"] = json!(format!("cf-{TENANT}"));
            sample
        })
        .collect()
}

/// Group and plural of what the API server serves in namespaces.
fn served(plane: &Plane) -> BTreeSet<(String, String)> {
    let listed = plane.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"], None);
    let kinds = listed.lines().map(|name| name.split_once('.').unwrap_or((name, "")));
    kinds.map(|(plural, group)| (group.to_owned(), plural.to_owned())).collect()
}

fn stand_in((group, plural): &(String, String)) -> Value {
    let sample = samples().into_iter().find(|sample| {
        let kind = sample["kind"].as_str().expect("a kind").to_lowercase();
        sample["apiVersion"].as_str().expect("a version").starts_with(group.as_str()) && format!("{kind}s") == *plural
    });
    let singular = plural.trim_end_matches('s').to_owned() + "-test";
    let version = sample
        .as_ref()
        .and_then(|sample| sample["apiVersion"].as_str()?.split_once('/'))
        .map_or("v1", |(_, version)| version);
    let kind = sample
        .as_ref()
        .and_then(|sample| sample["kind"].as_str())
        .map_or_else(|| format!("Test{plural}"), str::to_owned);
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {
            "name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved, a test's stand-in"}},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

/// Makes an object, as somebody who may; its uid.
pub fn create(plane: &Plane, sample: &Value) -> String {
    let who = ["--as=system:serviceaccount:kubevirt:kubevirt-controller", "--as-group=system:masters"];
    let words = [&["create", "-f", "-", "-o", "jsonpath={.metadata.uid}"], &who[..]].concat();
    let (ok, said) = plane.try_kubectl(&words, Some(&sample.to_string()));
    assert!(ok, "{}: {said}", sample["kind"]);
    // The API server may warn about an old version behind it.
    said.chars().take(36).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_that_the_purge_knows_is_counted_and_an_object_of_each_that_it_deletes_by_name_is_gone() {
    let (desk, driver, _turn) = bed_alone().await;
    let plane = desk.plane;
    plane.install("ovn");
    let known = kinds("cloudfarm-purge-inventory-known", "list");
    let missing: Vec<Value> = known.difference(&served(plane)).map(stand_in).collect();
    apply(plane, &missing);
    let named: Vec<String> =
        missing.iter().map(|crd| format!("crd/{}", crd["metadata"]["name"].as_str().expect("a name"))).collect();
    let wait: Vec<&str> =
        ["wait", "--for=condition=Established"].into_iter().chain(named.iter().map(String::as_str)).collect();
    plane.kubectl(&wait, None);
    assert_eq!(known.difference(&served(plane)).collect::<Vec<_>>(), Vec::<&(String, String)>::new());

    ended_tenant(&desk, driver, TENANT, &[]).await;
    let purger = due(&desk, TENANT).await;
    let made: Vec<(Value, String)> =
        samples().into_iter().map(|sample| (sample["kind"].clone(), create(plane, &sample))).collect();
    purger.preview().await;
    let certificate = purger.purged().await;
    let gone: BTreeSet<&str> = certificate.objects.iter().map(|object| object.uid.as_str()).collect();
    for (kind, uid) in &made {
        assert!(gone.contains(uid.as_str()), "{kind} is not in the certificate");
    }
    plane.kubectl(
        &[&["delete", "--wait=false"], &named.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
        None,
    );
}
