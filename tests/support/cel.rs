//! The table of rules: one manifest that passes and one that is refused, for each.

use serde_json::Value;

use super::world::merge;

/// One rule with its two manifests.
#[derive(Clone, Debug)]
pub struct Case {
    /// `tenant: the end is not before the start`
    pub name: String,
    /// Part of what the refusal must say.
    pub message: String,
    /// What stood before, for rules about changes.
    pub old: Option<Value>,
    pub accepted: Value,
    pub refused: Value,
    /// The structure refuses, not a CEL rule.
    pub schema: bool,
}

/// Every case of every kind.
pub fn all() -> Vec<Case> {
    ["tenant", "tenant-network", "retention", "access-grant", "notice"].into_iter().flat_map(of_kind).collect()
}

fn of_kind(kind: &str) -> Vec<Case> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cel/{kind}.yaml"));
    let text = std::fs::read_to_string(file).expect("the table");
    let table = repeated(serde_saphyr::from_str(&text).expect("YAML"));
    let patched = |start: &Value, patch: &Value| {
        let mut manifest = start.clone();
        merge(&mut manifest, patch.clone());
        manifest
    };
    let cases = table["cases"].as_array().expect("cases");
    cases
        .iter()
        .map(|case| {
            let old = (!case["old"].is_null()).then(|| patched(&table["base"], &case["old"]));
            let start = old.clone().unwrap_or_else(|| table["base"].clone());
            Case {
                name: format!("{kind}: {}", case["rule"].as_str().expect("a rule")),
                message: case["message"].as_str().expect("a message").to_owned(),
                accepted: patched(&start, &case["accepted"]),
                refused: patched(&start, &case["refused"]),
                schema: case["schema"] == true,
                old,
            }
        })
        .collect()
}

/// An item of a list with `times: 65` stands for 65 items, each with its number in the place of `#` in its name.
fn repeated(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().flat_map(numbered).map(repeated).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, repeated(value))).collect(),
        other => other,
    }
}

fn numbered(mut item: Value) -> Vec<Value> {
    let Some(times) = item.as_object_mut().and_then(|item| item.remove("times")) else { return vec![item] };
    let name = item["name"].as_str().expect("a name to number").to_owned();
    (0..times.as_u64().expect("a number of times"))
        .map(|number| {
            item["name"] = name.replace('#', &number.to_string()).into();
            item.clone()
        })
        .collect()
}
