//! What the last release took and stored is taken and read by this version, and the other way round.
//!
//! `tests/charts/released/` keeps each release's charts and, of the last one, objects as it stored them.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "upgrade/schema.rs"]
mod schema;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use cloudfarm::api::retention::Retention;
use cloudfarm::api::tenant::Tenant;
use cloudfarm::api::tenant_network::TenantNetwork;
use proptest::prelude::*;
use schema::{Finding, compare_crds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::plane::Plane;

const KINDS: [&str; 3] = ["Tenant", "TenantNetwork", "Retention"];

#[test]
fn no_field_is_lost_since_the_last_release_and_what_is_stricter_is_named_in_the_changelog() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("a changelog");
    let unreleased = changelog.split("\n## ").nth(1).expect("what is not released yet");
    let found = KINDS.iter().flat_map(|kind| compare_crds(&released_crd(kind), &crd(kind)));
    let untold: Vec<Finding> =
        found.filter(|finding| finding.lost || !unreleased.contains(&format!("`{}`", finding.path))).collect();
    assert_eq!(
        untold,
        [],
        "a lost field needs a new version of the API; a tightening needs its path in the changelog's unreleased part"
    );
}

#[test]
fn every_way_to_lose_or_tighten_a_field_is_found() {
    let mut ways = 0;
    for kind in KINDS {
        let crd = crd(kind);
        for pointer in pointers(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "") {
            for (what, change) in CHANGES {
                let mut changed = crd.clone();
                let place = format!("/spec/versions/0/schema/openAPIV3Schema{pointer}");
                let part = changed.pointer_mut(&place).expect("a part of the schema");
                if !change(part) {
                    continue;
                }
                ways += 1;
                assert!(!compare_crds(&crd, &changed).is_empty(), "{kind}{pointer}: {what} is not found");
            }
        }
        assert_eq!(compare_crds(&crd, &crd), []);
    }
    assert!(ways > 1000, "only {ways} ways were tried");
}

/// A change of one part of a schema; false where it does not apply.
type Change = fn(&mut Value) -> bool;

const CHANGES: [(&str, Change); 8] = [
    ("a field that goes", |part| {
        let first = part["properties"].as_object().and_then(|fields| fields.keys().next().cloned());
        first.is_some_and(|name| part["properties"].as_object_mut().expect("fields").remove(&name).is_some())
    }),
    ("another type", |part| {
        let other = if part["type"] == "boolean" { "string" } else { "boolean" };
        part["type"].is_string() && replace(part, "type", json!(other))
    }),
    ("a field that becomes required", |part| {
        part["properties"].is_object() && replace(part, "required", json!(["spec", "brandNew"]))
    }),
    ("a value that goes", |part| part["enum"].as_array_mut().is_some_and(|values| values.pop().is_some())),
    ("a lower maximum", |part| {
        ["maxLength", "maxItems", "maximum", "maxProperties"]
            .iter()
            .any(|word| part[*word].as_i64().is_some_and(|most| replace(part, word, json!(most - 1))))
    }),
    ("a new maximum", |part| {
        part["type"] == "string" && part["maxLength"].is_null() && replace(part, "maxLength", json!(9))
    }),
    ("a new pattern", |part| part["type"] == "string" && replace(part, "pattern", json!("^a new one$"))),
    ("a new rule", |part| {
        part["type"] == "object" && replace(part, "x-kubernetes-validations", json!([{"rule": "false"}]))
    }),
];

fn replace(part: &mut Value, word: &str, value: Value) -> bool {
    part[word] = value;
    true
}

/// Every schema inside a schema.
fn pointers(schema: &Value, at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        all.extend(pointers(part, &format!("{at}/properties/{name}")));
    }
    for word in ["items", "additionalProperties"] {
        if schema[word].is_object() {
            all.extend(pointers(&schema[word], &format!("{at}/{word}")));
        }
    }
    all
}

#[test]
fn what_the_last_release_stored_is_read_without_loss() {
    for stored in released_objects() {
        let read = read_again(&stored);
        for part in ["spec", "status"] {
            let gone = missing(&stored[part], &read[part], part);
            assert!(gone.is_empty(), "{} {}: {gone:?}", stored["kind"], stored["metadata"]["name"]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_later_version_stores_is_read_as_if_its_new_fields_were_not_there(seed in any::<u64>()) {
        for stored in released_objects() {
            let mut later = stored.clone();
            let mut number = seed;
            for part in ["spec", "status"] {
                grow(&mut later[part], &mut number);
            }
            prop_assert_eq!(read_again(&later), read_again(&stored));
        }
    }
}

/// Puts unknown fields into some objects inside a value.
fn grow(value: &mut Value, number: &mut u64) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| grow(field, number));
            *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Maps of people's own keys take any key: only what has a field in camel case is one of our structs.
            let ours = fields.keys().any(|key| key.chars().any(char::is_uppercase));
            if ours && *number >> 63 == 0 {
                fields.insert("fieldOfALaterVersion".into(), json!({"deep": [1, "two", null]}));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| grow(item, number)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crds_are_upgraded_and_rolled_back_under_stored_objects_and_nothing_of_them_changes() {
    let plane = Plane::with_our_crds_alone("upgrade", Some("none"));
    let apply = |text: &str| {
        plane.kubectl(
            &["apply", "--server-side", "--force-conflicts", "--field-manager=test-install", "-f", "-"],
            Some(text),
        );
    };
    let all = |crd: fn(&str) -> Value| KINDS.map(|kind| format!("---\n{}\n", crd(kind))).concat();
    apply(&all(released_crd));
    store(&plane);
    let before = stored(&plane);
    assert_eq!(before.len(), released_objects().len());
    for (turn, crds) in
        [("the upgrade", all(crd)), ("the way back", all(released_crd)), ("the upgrade again", all(crd))]
    {
        apply(&crds);
        assert_eq!(stored(&plane), before, "{turn}");
        for object in &before {
            let kind = object["kind"].as_str().expect("a kind");
            let replaced = plane.try_kubectl(&["replace", "--dry-run=server", "-f", "-"], Some(&object.to_string()));
            assert!(replaced.0, "{turn}: {kind} as it is stored is refused: {}", replaced.1);
        }
    }
}

/// Puts the released objects into the cluster, with their status.
fn store(plane: &Plane) {
    for object in released_objects() {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            plane.try_kubectl(&["create", "namespace", namespace], None);
        }
        plane.kubectl(&["create", "-f", "-"], Some(&object.to_string()));
        plane.kubectl(&["replace", "--subresource=status", "-f", "-"], Some(&object.to_string()));
    }
}

fn stored(plane: &Plane) -> Vec<Value> {
    let said = plane.kubectl(&["get", "tenants,tenantnetworks,retentions", "--all-namespaces", "-o", "json"], None);
    let list: Value = serde_json::from_str(&said).expect("JSON");
    list["items"].as_array().expect("a list").clone()
}

/// What this version makes of a stored object.
fn read_again(object: &Value) -> Value {
    fn through<K: DeserializeOwned + Serialize>(object: &Value) -> Value {
        let read: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
        serde_json::to_value(read).expect("JSON")
    }
    match object["kind"].as_str() {
        Some("Tenant") => through::<Tenant>(object),
        Some("TenantNetwork") => through::<TenantNetwork>(object),
        Some("Retention") => through::<Retention>(object),
        other => panic!("{other:?} is none of our kinds"),
    }
}

/// Paths whose values are in one and not the same in the other.
fn missing(was: &Value, is: &Value, path: &str) -> Vec<String> {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => was
            .iter()
            .flat_map(|(name, value)| missing(value, is.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}")))
            .collect(),
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            was.iter().zip(is).flat_map(|(was, is)| missing(was, is, &format!("{path}[]"))).collect()
        }
        _ if was == is => Vec::new(),
        _ => vec![format!("{path}: {was} is read as {is}")],
    }
}

fn crd(kind: &str) -> Value {
    let file = format!("crds/{}s.cloudfarm.dev.yaml", kind.to_lowercase());
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(file)).expect("a CRD")).expect("YAML")
}

/// The CRD as the last release's chart carries it.
fn released_crd(kind: &str) -> Value {
    let file = format!("cloudfarm-crds/generated/{}s.cloudfarm.dev.yaml", kind.to_lowercase());
    let output = Command::new("tar").arg("-xzOf").arg(last_release()).arg(file).output().expect("tar");
    serde_saphyr::from_str(&String::from_utf8_lossy(&output.stdout)).expect("the released CRD")
}

/// Objects as the last release stored them, without what a cluster gives them anew.
fn released_objects() -> Vec<Value> {
    let archive = last_release().to_string_lossy().into_owned();
    let file = archive.replace("cloudfarm-crds-", "objects-").replace(".tgz", ".yaml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_saphyr::from_multiple(&text).expect("the released objects")
}

/// The archive with the highest version.
fn last_release() -> PathBuf {
    let folder = root().join("tests/charts/released");
    let names = std::fs::read_dir(&folder).expect("the releases").map(|entry| entry.expect("a file").file_name());
    let version = |name: &String| -> Vec<u64> {
        let digits = name.trim_start_matches("cloudfarm-crds-").trim_end_matches(".tgz");
        digits.split('.').map(|part| part.parse().expect("a number")).collect()
    };
    let archives =
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with("cloudfarm-crds-"));
    folder.join(archives.max_by_key(version).expect("a release"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
