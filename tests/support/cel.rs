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
    ["tenant", "tenant-network", "retention"].into_iter().flat_map(of_kind).collect()
}

fn of_kind(kind: &str) -> Vec<Case> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cel/{kind}.yaml"));
    let text = std::fs::read_to_string(file).expect("the table");
    let table: Value = serde_saphyr::from_str(&text).expect("YAML");
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
