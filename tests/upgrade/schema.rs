//! What a newer schema would refuse, or lose, of what an older one took.

use std::collections::BTreeSet;

use serde_json::Value;

/// One difference that somebody with stored objects or manifests would feel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// `Tenant.spec.contract.endDate`.
    pub path: String,
    pub what: String,
    /// Never allowed within a version of the API; a tightening is, with a note.
    pub lost: bool,
}

/// Compares two CRDs of one kind.
pub fn compare_crds(old: &Value, new: &Value) -> Vec<Finding> {
    let kind = old["spec"]["names"]["kind"].as_str().unwrap_or_default();
    let mut found = Found(Vec::new());
    for field in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if old.pointer(field) != new.pointer(field) {
            found.lost(kind, format!("{field} is another"));
        }
    }
    for version in list(&old["spec"]["versions"]) {
        let name = &version["name"];
        let Some(now) = list(&new["spec"]["versions"]).find(|other| other["name"] == *name && other["served"] == true)
        else {
            found.lost(kind, format!("version {name} is not served"));
            continue;
        };
        if version["subresources"] != now["subresources"] {
            found.lost(kind, "subresources differ".into());
        }
        found.compare(kind, &version["schema"]["openAPIV3Schema"], &now["schema"]["openAPIV3Schema"]);
    }
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn lost(&mut self, path: &str, what: String) {
        self.0.push(Finding { path: path.into(), what, lost: true });
    }

    fn tightened(&mut self, path: &str, what: String) {
        self.0.push(Finding { path: path.into(), what, lost: false });
    }

    fn compare(&mut self, path: &str, old: &Value, new: &Value) {
        // What decides how an object is stored and merged.
        for word in ["type", "format", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"]
        {
            if old[word] != new[word] {
                self.lost(path, format!("{word} was {} and is {}", old[word], new[word]));
            }
        }
        for flag in ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"] {
            if old[flag] == true && new[flag] != true {
                self.lost(path, format!("{flag} is gone"));
            }
        }
        match (&old["default"], &new["default"]) {
            (was, now) if was == now => {}
            (Value::Null, now) => self.tightened(path, format!("it is {now} where nothing is written")),
            (was, now) => self.lost(path, format!("default was {was} and is {now}")),
        }
        self.bounds(path, old, new);
        self.words(path, old, new);
        self.parts(path, old, new);
    }

    fn bounds(&mut self, path: &str, old: &Value, new: &Value) {
        for (word, upper) in [
            ("maxLength", true),
            ("maxItems", true),
            ("maxProperties", true),
            ("maximum", true),
            ("minLength", false),
            ("minItems", false),
            ("minProperties", false),
            ("minimum", false),
        ] {
            let Some(now) = new[word].as_f64() else { continue };
            let narrower = old[word].as_f64().is_none_or(|was| if upper { now < was } else { now > was });
            if narrower {
                self.tightened(path, format!("{word} was {} and is {now}", old[word]));
            }
        }
        if !new["pattern"].is_null() && new["pattern"] != old["pattern"] {
            self.tightened(path, format!("pattern was {} and is {}", old["pattern"], new["pattern"]));
        }
    }

    fn words(&mut self, path: &str, old: &Value, new: &Value) {
        let set = |schema: &Value, word: &str| list(&schema[word]).map(Value::to_string).collect::<BTreeSet<_>>();
        for required in set(new, "required").difference(&set(old, "required")) {
            self.tightened(path, format!("{required} is required"));
        }
        if !new["enum"].is_null() {
            if old["enum"].is_null() {
                self.tightened(path, "only some values are allowed".into());
            }
            for value in set(old, "enum").difference(&set(new, "enum")) {
                self.tightened(path, format!("{value} is not allowed any longer"));
            }
        }
        let rules = |schema: &Value| {
            list(&schema["x-kubernetes-validations"]).map(|rule| rule["rule"].to_string()).collect::<BTreeSet<_>>()
        };
        for rule in rules(new).difference(&rules(old)) {
            self.tightened(path, format!("a rule is new: {rule}"));
        }
    }

    fn parts(&mut self, path: &str, old: &Value, new: &Value) {
        let empty = serde_json::Map::new();
        for (name, was) in old["properties"].as_object().unwrap_or(&empty) {
            let path = format!("{path}.{name}");
            match new["properties"].get(name) {
                None => self.lost(&path, "the field is gone".into()),
                Some(now) => self.compare(&path, was, now),
            }
        }
        for (word, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            match (old.get(word), new.get(word)) {
                (Some(was), Some(now)) => self.compare(&format!("{path}{mark}"), was, now),
                (Some(_), None) => self.lost(path, format!("{word} is gone")),
                _ => {}
            }
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
