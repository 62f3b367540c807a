//! The rights that the shipped roles give, one by one.

use std::collections::BTreeSet;

use serde_json::Value;

/// Verbs that admission policies ask for, and no request has.
pub const ASKED_BY_ADMISSION: [&str; 9] =
    ["hold", "release", "approve", "decide", "enroll", "maintain", "launch", "revoke", "second"];

/// One verb on one resource, by one role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    pub role: String,
    /// Of a Role.
    pub namespace: Option<String>,
    pub group: String,
    /// With its subresource, if any.
    pub resource: String,
    pub verb: String,
    /// Only objects of this name.
    pub name: Option<String>,
}

/// All of them.
pub fn shipped() -> BTreeSet<Right> {
    cloudfarm::install::manifests().iter().flat_map(of_role).collect()
}

fn of_role(role: &Value) -> Vec<Right> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let (metadata, rules) = (&role["metadata"], role["rules"].as_array().into_iter().flatten());
    let mut rights = Vec::new();
    for rule in rules {
        let words =
            |field: &str| -> Vec<String> { rule[field].as_array().into_iter().flatten().filter_map(word).collect() };
        let mut names: Vec<Option<String>> = words("resourceNames").into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for group in words("apiGroups") {
            for resource in words("resources") {
                for verb in words("verbs") {
                    rights.extend(names.iter().map(|name| Right {
                        kind: word(&role["kind"]).expect("a kind"),
                        role: word(&metadata["name"]).expect("a name"),
                        namespace: word(&metadata["namespace"]),
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
    }
    rights
}
