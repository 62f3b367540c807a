//! Rendered charts against the schemas of the API server that is there, neighbours' kinds and ours included: judged by
//! kubeconform, which nobody here wrote.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::helm::{self, prepared, root, run, tool, values};
use crate::rendered::template;
use crate::support::plane::Plane;

/// Schemas as kubeconform reads them, one file a kind, from what the API server publishes.
fn written_schemas(plane: &Plane) -> PathBuf {
    let folder = plane.dir.join("schemas");
    std::fs::create_dir_all(&folder).expect("a folder");
    let openapi: Value = serde_json::from_str(&plane.kubectl(&["get", "--raw", "/openapi/v2"], None)).expect("JSON");
    let definitions = openapi["definitions"].as_object().expect("definitions");
    for (name, definition) in definitions {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let word = |field: &str| kind[field].as_str().unwrap_or_default().to_lowercase();
            let group = word("group").split('.').next().map(str::to_owned).filter(|group| !group.is_empty());
            let group = group.map(|group| format!("-{group}")).unwrap_or_default();
            let file = folder.join(format!("{}{group}-{}.json", word("kind"), word("version")));
            std::fs::write(file, whole(name, definitions).to_string()).expect("a schema");
        }
    }
    folder
}

/// One schema with everything that it points at.
fn whole(name: &str, definitions: &Map<String, Value>) -> Value {
    let (mut needed, mut open) = (Map::new(), vec![name.to_owned()]);
    while let Some(name) = open.pop() {
        if !needed.contains_key(&name) {
            let mut found = BTreeSet::new();
            needed.insert(name.clone(), strict(&definitions[&name], &mut found));
            open.extend(found);
        }
    }
    json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": format!("#/definitions/{name}"), "definitions": needed})
}

/// What the API server means by it: nothing beyond the properties, numbers in quantities, either in ports.
fn strict(schema: &Value, found: &mut BTreeSet<String>) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
        let name = target.trim_start_matches("#/definitions/").to_owned();
        let quantity = name.ends_with("api.resource.Quantity");
        found.insert(name);
        return if quantity { json!({"type": ["string", "number"]}) } else { json!({"$ref": target}) };
    }
    let either = fields.get("format").is_some_and(|format| format == "int-or-string")
        || fields.get("x-kubernetes-int-or-string").is_some_and(|either| *either == json!(true));
    if either {
        return json!({"type": ["string", "integer"]});
    }
    let mut made = Map::new();
    for (key, value) in fields {
        let inside = match key.as_str() {
            "properties" => {
                let each = value.as_object().into_iter().flatten();
                each.map(|(name, property)| (name.clone(), strict(property, found))).collect::<Map<_, _>>().into()
            }
            "items" | "additionalProperties" | "not" => strict(value, found),
            "allOf" | "anyOf" | "oneOf" => {
                value.as_array().into_iter().flatten().map(|each| strict(each, found)).collect::<Vec<_>>().into()
            }
            "type" | "required" | "enum" | "pattern" | "minimum" | "maximum" | "minLength" | "maxLength"
            | "minItems" | "maxItems" => value.clone(),
            _ => continue,
        };
        made.insert(key.clone(), inside);
    }
    let open = fields.get("x-kubernetes-preserve-unknown-fields").is_some();
    if made.contains_key("properties") && !made.contains_key("additionalProperties") && !open {
        made.insert("additionalProperties".into(), json!(false));
    }
    made.into()
}

fn conform(schemas: &Path, text: &str) -> (bool, String) {
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    let mut command = Command::new(tool("charts", "kubeconform"));
    let (ok, output, complaint) =
        run(command.args(["-strict", "-summary", "-schema-location", &location, "-"]).current_dir(root()), text);
    (ok, output + &complaint)
}

#[test]
fn every_rendered_object_conforms_and_is_accepted_by_a_real_api_server() {
    let plane = Plane::with_nothing_of_ours("charts-schemas", None);
    prepared(&plane);
    let schemas = written_schemas(&plane);
    let kinds = helm::alone(&["template", "cloudfarm-crds", "charts/cloudfarm-crds"], None).expect("it renders");
    let mut all = vec![("the kinds", kinds)];
    for case in ["default", "minimal", "everything"] {
        all.push((case, template(&values(case), &[]).expect("it renders")));
    }
    for namespace in [
        "cloudfarm-evidence",
        "cloudfarm-images",
        "cf-golden",
        "cloudfarm-probe-a",
        "cloudfarm-probe-b",
        "cloudfarm-sessions",
    ] {
        plane.kubectl(&["create", "namespace", namespace], None);
    }
    for (case, text) in &all {
        let (ok, said) = conform(&schemas, text);
        assert!(ok && said.contains("Invalid: 0, Errors: 0, Skipped: 0"), "{case}: {said}");
        let words = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-"];
        let (ok, said) = plane.try_kubectl(&words, Some(text));
        assert!(ok, "{case}: {said}");
    }

    // The judge sees what it is there for.
    let text = &all[1].1;
    for (was, is) in [
        ("replicas: 2", "replicas: two"),
        ("replicas: 2", "replica: 2"),
        ("periodSeconds: 10", "periodSecond: 10"),
        ("maxUnavailable: 1", "maxUnavailable: [1]"),
    ] {
        assert!(text.contains(was), "{was}");
        let (ok, said) = conform(&schemas, &text.replacen(was, is, 1));
        assert!(!ok && said.contains("Invalid: 1"), "{is}: {said}");
    }
}
