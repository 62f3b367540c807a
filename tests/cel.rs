//! Every rule of the CRDs, without a cluster and on a real API server: one manifest passes, one is refused with the
//! message that people read.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use cloudfarm::api::manifest::all_crds;
use cloudfarm::render::{Document, check};
use kube::core::cel::Validator;
use serde_json::{Value, json};
use support::cel::{Case, all};
use support::plane::Plane;

fn schema(kind: &Value) -> Value {
    let crd = all_crds().into_iter().find(|crd| crd.spec.names.kind == *kind).expect("one of our kinds");
    json!(crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()))
}

fn rules_say(manifest: &Value, old: Option<&Value>) -> String {
    let schema = schema(&manifest["kind"]);
    match Validator::new().validate_with_defaults(&schema, manifest, old) {
        Ok(()) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn every_rule_accepts_its_good_manifest_and_refuses_its_bad_one_without_a_cluster() {
    let mut wrong = Vec::new();
    for Case { name, message, old, accepted, refused, .. } in all().iter().filter(|case| !case.schema) {
        let said = rules_say(accepted, old.as_ref());
        if !said.is_empty() {
            wrong.push(format!("{name}: the good one is refused: {said}"));
        }
        let said = rules_say(refused, old.as_ref());
        if !said.contains(message.as_str()) {
            wrong.push(format!("{name}: the bad one is not refused with {message:?} but {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn render_judges_structure_and_rules_alike() {
    let mut wrong = Vec::new();
    for Case { name, message, accepted, refused, .. } in all().iter().filter(|case| case.old.is_none()) {
        let mistakes = |manifest: &Value| {
            let document = Document { file: "table".into(), value: manifest.clone() };
            check(&document).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let said = mistakes(accepted);
        if !said.is_empty() {
            wrong.push(format!("{name}: the good one is refused: {said}"));
        }
        let said = mistakes(refused);
        if !said.contains(message.as_str()) {
            wrong.push(format!("{name}: the bad one is not refused with {message:?} but {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_has_a_sentence_of_its_own() {
    let mut names: Vec<String> = all().into_iter().map(|case| case.name).collect();
    names.sort();
    let twice: Vec<&[String]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_rule_of_every_crd_has_a_case() {
    fn messages(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                for rule in map.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                    found.push(rule["message"].as_str().expect("every rule has a message").to_owned());
                }
                map.values().for_each(|value| messages(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
            _ => {}
        }
    }
    let cases = all();
    for crd in all_crds() {
        let mut found = Vec::new();
        messages(&json!(crd), &mut found);
        assert!(!found.is_empty());
        for message in found {
            let covered = cases.iter().any(|case| !case.schema && message.contains(&case.message));
            assert!(covered, "{}: no case for {message:?}", crd.spec.names.kind);
        }
    }
}

#[test]
fn the_api_server_says_the_same() {
    let plane = Plane::with_our_crds_alone("cel", Some("none"));
    let create = |manifest: &Value| {
        plane.try_kubectl(&["create", "--dry-run=server", "--validate=strict", "-f", "-"], Some(&manifest.to_string()))
    };
    let mut wrong = Vec::new();
    for (number, Case { name, message, old, accepted, refused, .. }) in all().iter().enumerate() {
        let (good, bad) = match old {
            None => (create(accepted), create(refused)),
            Some(old) => {
                let named = |manifest: &Value| {
                    let mut manifest = manifest.clone();
                    manifest["metadata"]["name"] = json!(format!("change-{number}"));
                    manifest
                };
                plane.kubectl(&["create", "-f", "-"], Some(&named(old).to_string()));
                if let Some(status) = old.get("status") {
                    let (kind, name) = (old["kind"].as_str().expect("a kind"), format!("change-{number}"));
                    let patch = json!({"status": status}).to_string();
                    plane.kubectl(&["patch", kind, &name, "--subresource=status", "--type=merge", "-p", &patch], None);
                }
                let replace = |manifest: &Value| {
                    plane.try_kubectl(&["replace", "--dry-run=server", "-f", "-"], Some(&named(manifest).to_string()))
                };
                (replace(accepted), replace(refused))
            }
        };
        if !good.0 {
            wrong.push(format!("{name}: the good one is refused: {}", good.1));
        }
        if bad.0 || !bad.1.contains(message.as_str()) {
            wrong.push(format!("{name}: the bad one is not refused with {message:?}: {}", bad.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
