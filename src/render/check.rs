//! Checking manifests the way the API server would: structure by JSON Schema, rules by CEL, keys of list maps.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::read::{Document, Mistake};
use crate::api::access_grant::AccessGrant;
use crate::api::labels::GROUP;
use crate::api::notice::Notice;
use crate::api::quantity::Quantity;
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;

/// Schemas by kind, each made when the first document of that kind comes.
static SCHEMAS: [(&str, LazyLock<Value>); 5] = [
    ("Tenant", LazyLock::new(|| schema(&Tenant::crd()))),
    ("TenantNetwork", LazyLock::new(|| schema(&TenantNetwork::crd()))),
    ("Retention", LazyLock::new(|| schema(&Retention::crd()))),
    ("AccessGrant", LazyLock::new(|| schema(&AccessGrant::crd()))),
    ("Notice", LazyLock::new(|| schema(&Notice::crd()))),
];

/// Everything that is wrong with a document of ours; documents of others are not looked at.
#[must_use]
pub fn check(document: &Document) -> Vec<Mistake> {
    let version = document.value["apiVersion"].as_str().unwrap_or_default();
    if document.kind().is_empty() || version.is_empty() {
        return vec![document.mistake("", "is no Kubernetes object: apiVersion or kind is missing")];
    }
    if !version.starts_with(GROUP) {
        return Vec::new();
    }
    let Some((_, schema)) = SCHEMAS.iter().find(|(kind, _)| *kind == document.kind()) else {
        let known = SCHEMAS.each_ref().map(|(kind, _)| *kind);
        return vec![document.mistake("kind", format!("{GROUP} has no such kind; it has {}", known.join(", ")))];
    };
    if version != format!("{GROUP}/v1alpha1") {
        return vec![document.mistake("apiVersion", format!("{version:?} does not exist; write {GROUP}/v1alpha1"))];
    }
    let mut mistakes = structure(document, schema);
    if mistakes.is_empty() {
        mistakes = walk(document, schema, twice);
    }
    if mistakes.is_empty() {
        mistakes = walk(document, schema, beyond_measure);
    }
    if mistakes.is_empty() {
        mistakes = rules(document, schema);
    }
    mistakes
}

fn schema(crd: &CustomResourceDefinition) -> Value {
    let version = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    json!(version.and_then(|schema| schema.open_api_v3_schema.as_ref()))
}

fn structure(document: &Document, schema: &Value) -> Vec<Mistake> {
    let mut strict = schema.clone();
    strict["properties"]["apiVersion"] = json!({"type": "string"});
    strict["properties"]["kind"] = json!({"type": "string"});
    strict["properties"]["metadata"] = json!({"type": "object", "required": ["name"]});
    close(&mut strict);
    let validator: Validator =
        match jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true).build(&strict) {
            Ok(validator) => validator,
            Err(error) => return vec![document.mistake("", format!("the schema itself is wrong: {error}"))],
        };
    validator
        .iter_errors(&document.value)
        .map(|error| {
            let field = error.instance_path().to_string().trim_start_matches('/').replace('/', ".");
            document.mistake(field, error.to_string())
        })
        .collect()
}

/// Unknown fields are mistakes: the API server would drop them, and a wall that was misspelt would be missing.
fn close(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.get("nullable") == Some(&json!(true)) && map.contains_key("type") {
        let type_ = map["type"].clone();
        map.insert("type".into(), json!([type_, "null"]));
    }
    if map.get("properties").is_some_and(|properties| properties.as_object().is_some_and(|all| !all.is_empty()))
        && map.get("x-kubernetes-preserve-unknown-fields") != Some(&json!(true))
    {
        map.insert("additionalProperties".into(), json!(false));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(close);
    }
    if let Some(items) = map.get_mut("items") {
        close(items);
    }
}

/// Everything that `look` finds in a manifest, value by value beside its schema.
fn walk(document: &Document, schema: &Value, look: Look) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut open = vec![(schema, &document.value, String::new())];
    while let Some((schema, value, path)) = open.pop() {
        mistakes.extend(look(schema, value).into_iter().map(|message| document.mistake(path.clone(), message)));
        match value {
            Value::Array(items) => {
                let inner = items.iter().enumerate().rev();
                open.extend(inner.map(|(index, item)| (&schema["items"], item, format!("{path}[{index}]"))));
            }
            Value::Object(map) => open.extend(map.iter().rev().map(|(key, inner)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                (&schema["properties"][key], inner, path)
            })),
            _ => {}
        }
    }
    mistakes
}

/// What is wrong with one value, given its schema.
type Look = fn(&Value, &Value) -> Vec<String>;

/// Items of a list map with the same key.
fn twice(schema: &Value, value: &Value) -> Vec<String> {
    let (Value::Array(items), Some(keys)) = (value, schema["x-kubernetes-list-map-keys"].as_array()) else {
        return Vec::new();
    };
    let key = |item: &Value| -> String {
        let parts: Vec<String> = keys.iter().map(|key| item[key.as_str().unwrap_or_default()].to_string()).collect();
        parts.join(", ")
    };
    let mut seen = BTreeSet::new();
    items.iter().map(key).filter(|key| !seen.insert(key.clone())).map(|key| format!("has {key} twice")).collect()
}

/// A quantity with an exponent nobody can count to, such as 1e99: the evaluator of rules overflows on it, and the
/// operator would refuse it, too.
fn beyond_measure(schema: &Value, value: &Value) -> Vec<String> {
    let Some(text) = value.as_str().filter(|text| text.contains(['e', 'E'])) else { return Vec::new() };
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let measured = rules.filter_map(|rule| rule["rule"].as_str()).any(|rule| rule.contains("quantity("));
    let wrong = text.parse::<Quantity>().err().filter(|_| measured);
    wrong.map(|error| error.to_string()).into_iter().collect()
}

fn rules(document: &Document, schema: &Value) -> Vec<Mistake> {
    let validator = kube::core::cel::Validator::new();
    let mut schema = schema.clone();
    only_what_is_there(&mut schema, &document.value);
    match validator.validate_with_defaults(&schema, &document.value, None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .into_vec()
            .into_iter()
            .map(|error| document.mistake(error.field_path.clone(), error.message.clone()))
            .collect(),
    }
}

/// Takes out of the schema what the manifest does not have and no default adds: its rules cannot fail, and most of the
/// time of a check goes into parsing rules.
fn only_what_is_there(schema: &mut Value, value: &Value) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, property| value.get(name).is_some() || property.get("default").is_some());
        for (name, property) in properties {
            only_what_is_there(property, &value[name.as_str()]);
        }
    }
    if let (Some(items), Value::Array(_)) = (schema.get_mut("items"), value) {
        let mut union = Value::Null;
        for item in value.as_array().into_iter().flatten() {
            unite(&mut union, item);
        }
        only_what_is_there(items, &union);
    }
}

/// Adds the keys of `item` to `union`, so that one schema fits all items of a list.
fn unite(union: &mut Value, item: &Value) {
    match (union, item) {
        (Value::Object(union), Value::Object(item)) => {
            for (key, value) in item {
                unite(union.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(union), Value::Array(item)) => union.extend(item.iter().cloned()),
        (union, item) => *union = item.clone(),
    }
}
