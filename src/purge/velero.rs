//! Backups that Velero took of a tenant's namespaces: they lie in Velero's own namespace and in an object store, where no
//! purge of ours reaches. While there is one, or a Schedule that will make one, nothing may be called erased.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::plan::KindName;
use crate::foreign::velero::SCHEDULE_NAME;

/// Backups that are told one by one.
const TOLD: usize = 3;

/// Is this a kind of Velero's by which copies are told: those that are there, and those that will be?
#[must_use]
pub fn tells_of_copies(kind: &KindName) -> bool {
    kind.group == "velero.io" && ["backups", "schedules"].contains(&kind.plural.as_str())
}

/// What stands against an erasure of these namespaces, if anything does.
#[must_use]
pub fn doubt(kind: &KindName, objects: &[DynamicObject], namespaces: &[String]) -> Option<String> {
    let schedules = kind.plural == "schedules";
    let spec = if schedules { "/spec/template" } else { "/spec" };
    let holding = objects.iter().filter(|object| namespaces.iter().any(|name| may_hold(object, spec, name)));
    // Others' alone: the tenant's own Schedule, called like its namespace, goes with the contract.
    let mut again = false;
    let mut held: Vec<String> = holding
        .map(|object| {
            let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
            let until = object.data.pointer("/status/expiration").and_then(Value::as_str);
            let by = object.labels().get(SCHEDULE_NAME).filter(|by| !namespaces.contains(by));
            again |= by.is_some();
            let by = by.map(|by| format!(", by Schedule {by}")).unwrap_or_default();
            if schedules { name } else { format!("{name} (till {}{by})", until.unwrap_or("nobody knows when")) }
        })
        .collect();
    held.sort();
    let more = held.len().saturating_sub(TOLD);
    held.truncate(TOLD);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let (held_by, remedy) = match (schedules, again) {
        (true, _) => (
            "makes backups of",
            "exclude both namespaces there (spec.template.excludedNamespaces), or delete it; the backups that are there stay",
        ),
        (false, true) => (
            "has backups of",
            "the Schedule makes them anew: exclude both namespaces there first (spec.template.excludedNamespaces), then delete the backups by `velero backup delete`, which erases what they hold, or wait until they have expired",
        ),
        (false, false) => (
            "has backups of",
            "delete them by `velero backup delete`, which erases what they hold, or wait until they have expired",
        ),
    };
    (!held.is_empty()).then(|| {
        format!("Velero {held_by} {}: {} {}{more}; {remedy}", namespaces.join(" and "), kind.kind, held.join(", "))
    })
}

/// What makes a name a pattern.
const PATTERN: [char; 4] = ['*', '?', '[', '{'];

/// In doubt, yes: Velero takes every namespace where none is named, and names may be patterns. One that includes may match
/// whatever begins like it; one that excludes counts where it says nothing but how names begin.
fn may_hold(object: &DynamicObject, spec: &str, namespace: &str) -> bool {
    let names = |field: &str| -> Vec<String> {
        let list = object.data.pointer(&format!("{spec}/{field}")).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (included, excluded) = (names("includedNamespaces"), names("excludedNamespaces"));
    let may_cover = |name: &String| match name.find(PATTERN) {
        Some(literal) => namespace.starts_with(&name[..literal]),
        None => name == namespace,
    };
    let covers = |name: &String| match name.strip_suffix('*') {
        Some(start) => !start.contains(PATTERN) && namespace.starts_with(start),
        None => name == namespace,
    };
    (included.is_empty() || included.iter().any(may_cover)) && !excluded.iter().any(covers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(kind: &str, plural: &str) -> KindName {
        KindName { group: "velero.io".into(), version: "v1".into(), kind: kind.into(), plural: plural.into() }
    }

    fn backup(name: &str, spec: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "velero"}, "spec": spec, "status": {"expiration": "2026-12-29T00:00:00Z"},
        }))
        .unwrap()
    }

    #[test]
    fn a_backup_is_in_the_way_when_it_may_hold_the_namespace() {
        let (backups, schedules) = (kind("Backup", "backups"), kind("Schedule", "schedules"));
        let namespaces = ["cf-plum".to_owned(), "cfd-plum".to_owned()];
        let of = |spec: &Value| {
            let here = doubt(&backups, &[backup("b", spec)], &namespaces).is_some();
            let coming = doubt(&schedules, &[backup("s", &json!({"template": spec}))], &namespaces).is_some();
            assert_eq!(here, coming, "{spec}");
            here
        };
        for spec in [
            json!({}),
            json!({"includedNamespaces": ["*"]}),
            json!({"includedNamespaces": ["cf-pear", "cfd-plum"]}),
            json!({"includedNamespaces": ["cf-*"], "excludedNamespaces": ["cf-pear"]}),
            json!({"includedNamespaces": ["c?-plum"]}),
            json!({"includedNamespaces": ["[x]*"]}),
            json!({"includedNamespaces": ["cf-[o-q]lum"]}),
            json!({"includedNamespaces": ["{prod,cf-plum}"]}),
            json!({"includedNamespaces": ["cf-{pear,plum}", "prod"]}),
            json!({"excludedNamespaces": ["cf-*"]}),
            json!({"excludedNamespaces": ["cf-?*", "cfd-*"]}),
            json!({"excludedNamespaces": ["*-plum"]}),
        ] {
            assert!(of(&spec), "{spec}");
        }
        for spec in [
            json!({"includedNamespaces": ["cf-plum2", "production"]}),
            json!({"excludedNamespaces": ["cf-plum", "cfd-plum"]}),
            json!({"includedNamespaces": ["prod-*"]}),
            json!({"includedNamespaces": ["prod-?", "cf-plum2*"]}),
            json!({"excludedNamespaces": ["kube-system", "cf-*", "cfd-pl*"]}),
            json!({"includedNamespaces": ["*"], "excludedNamespaces": ["cf*"]}),
        ] {
            assert!(!of(&spec), "{spec}");
        }
    }

    /// Waiting would never end.
    #[test]
    fn who_makes_them_again_every_night_is_named_and_what_to_change_there() {
        let mut nightly = backup("nightly-1", &json!({}));
        nightly.metadata.labels = Some([("velero.io/schedule-name".to_owned(), "nightly".to_owned())].into());
        let namespaces = ["cf-plum".to_owned(), "cfd-plum".to_owned()];
        let said = doubt(&kind("Backup", "backups"), &[nightly.clone()], &namespaces).unwrap();
        assert!(said.contains("by Schedule nightly") && said.contains("exclude both namespaces there first"), "{said}");
        let schedule = doubt(&kind("Schedule", "schedules"), &[backup("nightly", &json!({}))], &namespaces).unwrap();
        assert!(schedule.contains("exclude both namespaces"), "{schedule}");
        // The tenant's own goes with the contract.
        for own in [None, Some("cf-plum")] {
            nightly.metadata.labels = own.map(|own| [("velero.io/schedule-name".to_owned(), own.to_owned())].into());
            let said = doubt(&kind("Backup", "backups"), &[nightly.clone()], &namespaces).unwrap();
            assert!(!said.contains("exclude") && said.contains("wait until"), "{said}");
        }
    }

    #[test]
    fn some_are_named_with_their_end_and_the_rest_is_counted() {
        let all: Vec<DynamicObject> = ["e", "d", "c", "b", "a"].map(|name| backup(name, &json!({}))).into();
        let said = doubt(&kind("Backup", "backups"), &all, &["cf-plum".to_owned()]).unwrap();
        assert!(said.contains("velero/a (till 2026-12-29T00:00:00Z)") && said.contains(" and 2 more;"), "{said}");
        assert_eq!(doubt(&kind("Backup", "backups"), &[], &["cf-plum".to_owned()]), None);
    }
}
