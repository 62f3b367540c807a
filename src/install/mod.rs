//! What a cluster needs besides the CRDs: namespace, identities, roles, admission policies. Generated from here into
//! `charts/cloudfarm/generated/`, so that there is no second copy by hand.

pub mod authentication;
mod images;
mod objects;
mod policies;
mod probe;
mod roles;
mod sessions;

use serde_json::{Value, json};

use crate::operator::config::{Config, Purge, Storage};

pub use probe::probe;
pub use roles::{DOORS, INSIDE, RECORDS, TENANT_ROLES};
pub use sessions::sessions;

/// Namespace of the operator, its lease and the purge CronJobs.
pub const NAMESPACE: &str = "cloudfarm-system";

/// Namespace of plans, certificates and the chain that joins them.
pub const EVIDENCE_NAMESPACE: &str = "cloudfarm-evidence";

/// Namespace of results of scans, of exceptions, and of the Jobs that scan registries' images.
pub const IMAGES_NAMESPACE: &str = "cloudfarm-images";

/// Service account of scans: writes the result of its own image and nothing else.
pub const SCAN_ACCOUNT: &str = "cloudfarm-scan";

/// Service account of the operator: creates and patches, cannot delete data.
pub const OPERATOR_ACCOUNT: &str = "cloudfarm";

/// Service account of purge runs: deletes, cannot create anything.
pub const PURGE_ACCOUNT: &str = "cloudfarm-purge";

/// The operator, as the API server knows it.
pub const OPERATOR: &str = "system:serviceaccount:cloudfarm-system:cloudfarm";

/// The purge, as the API server knows it.
pub const PURGE: &str = "system:serviceaccount:cloudfarm-system:cloudfarm-purge";

/// The session log, as the API server knows it.
pub const SESSIONS: &str = "system:serviceaccount:cloudfarm-sessions:cloudfarm-sessions";

/// Lease of the purge run whose turn it is; made here, since a purge cannot create.
pub const PURGE_LEASE: &str = "cloudfarm-purge";

/// ConfigMap with what a pod with the purge's rights has to run ([`purge_program`]).
pub const PURGE_PROGRAM: &str = "cloudfarm-purge-program";

/// ConfigMap with where tenants' data may lie and where images come from ([`storage`]).
pub const STORAGE: &str = "cloudfarm-storage";

/// Every object but those [`by_config`], in the order in which they have to be applied.
#[must_use]
pub fn manifests() -> Vec<Value> {
    let mut all = objects::objects();
    all.extend(images::images());
    all.extend(roles::roles());
    all.extend(policies::policies());
    all
}

/// What admission asks for beside the request, which the operator's config says.
#[must_use]
pub fn by_config(config: &Config) -> Vec<Value> {
    let mut all = vec![purge_program(config), storage(config)];
    if config.images.is_some() {
        all.extend(images::beside_images(&config.storage.images_namespace));
    }
    all
}

/// Classes that a tenant's disks may name, one a line (none means any), and the namespace of the provider's images. Until
/// it is there, no tenant gets a new disk.
#[must_use]
pub fn storage(config: &Config) -> Value {
    let mut storage = objects::config_map(NAMESPACE, STORAGE);
    let Storage { allowed_classes, images_namespace, .. } = &config.storage;
    storage["data"] = json!({"classes": allowed_classes.join("\n"), "images": images_namespace});
    storage
}

/// What admission lets run with the purge's rights: this image with this cool-off. Not among the [`manifests`], since it
/// depends on the config; until it is there, no pod starts in the operator's namespace.
#[must_use]
pub fn purge_program(config: &Config) -> Value {
    let Purge { image, cool_off_hours, .. } = &config.purge;
    let mut program = objects::config_map(NAMESPACE, PURGE_PROGRAM);
    program["data"] = json!({"image": image, "coolOffHours": cool_off_hours.to_string()});
    program
}

/// Outlives `helm uninstall`, since tenants and their data do: a wall, what proves an erasure, the rights of people. An
/// operator that is installed again takes it over.
fn kept(mut object: Value) -> Value {
    object["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep".into();
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rule of every role, with the role's name.
    fn rules() -> Vec<(String, Value)> {
        let of = |object: Value| -> Vec<(String, Value)> {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let rules = object["rules"].as_array().cloned().unwrap_or_default();
            rules.into_iter().map(|rule| (name.clone(), rule)).collect()
        };
        manifests().into_iter().flat_map(of).collect()
    }

    fn has(rule: &Value, field: &str, word: &str) -> bool {
        rule[field].as_array().is_some_and(|words| words.iter().any(|each| each == word))
    }

    #[test]
    fn no_role_has_a_wildcard_or_may_escalate_impersonate_or_enter_pods() {
        for (role, rule) in rules() {
            for field in ["apiGroups", "resources", "verbs"] {
                assert!(!has(&rule, field, "*"), "{role}: wildcard in {field}");
            }
            for verb in ["escalate", "impersonate", "deletecollection"] {
                assert!(!has(&rule, "verbs", verb), "{role}: {verb}");
            }
            for resource in ["pods/exec", "pods/attach", "pods/portforward", "nodes/proxy"] {
                assert!(!has(&rule, "resources", resource), "{role}: {resource}");
            }
            if has(&rule, "verbs", "bind") {
                assert!(rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty()), "{role}: bind");
            }
        }
    }

    /// One Secret by its name, or those of a tenant's namespace by the operator for its VMs and by a purge that counts and
    /// erases them: these roles are bound by RoleBindings alone, see `no_cluster_wide_binding_reaches_what_tenants_own`. Watching is no one's business.
    #[test]
    fn secrets_are_read_by_name_or_in_one_tenants_namespace_and_never_watched() {
        for (role, rule) in rules().iter().filter(|(_, rule)| has(rule, "resources", "secrets")) {
            assert!(!has(rule, "verbs", "watch"), "{role}: {rule}");
            let by_name = rule["verbs"] == serde_json::json!(["get"])
                && rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty());
            assert!(
                by_name
                    || roles::PURGE_ROLES.contains(&role.as_str())
                    || [roles::KNOWN_INVENTORY, INSIDE].contains(&role.as_str()),
                "{role}: {rule}"
            );
        }
    }

    #[test]
    fn no_cluster_wide_binding_reaches_what_tenants_own() {
        let bound: Vec<String> = manifests()
            .iter()
            .filter(|object| object["kind"] == "ClusterRoleBinding")
            .map(|binding| binding["roleRef"]["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(bound, ["cloudfarm", "cloudfarm-purge", "cloudfarm-launcher"]);
        for (role, rule) in rules().iter().filter(|(role, _)| bound.contains(role)) {
            assert!(!has(rule, "resources", "secrets") || rule["resourceNames"].is_array(), "{role}: {rule}");
        }
        for (role, rule) in rules().iter().filter(|(role, _)| role == "cloudfarm-purge") {
            for verb in ["create", "update"] {
                let lease = has(rule, "resources", "leases") && verb == "update";
                assert!(!has(rule, "verbs", verb) || lease, "{role} may {verb}: {rule}");
            }
        }
    }

    #[test]
    fn the_accounts_are_spelled_as_the_api_server_spells_them() {
        for (account, name) in [(OPERATOR_ACCOUNT, OPERATOR), (PURGE_ACCOUNT, PURGE)] {
            assert_eq!(format!("system:serviceaccount:{NAMESPACE}:{account}"), name);
        }
        let (namespace, account) = (crate::sessions::NAMESPACE, crate::sessions::NAME);
        assert_eq!(format!("system:serviceaccount:{namespace}:{account}"), SESSIONS);
    }

    /// What acts ends with the release; what guards tenants, and lets their people in, stays.
    #[test]
    fn an_uninstallation_takes_what_acts_and_leaves_what_guards() {
        for object in manifests() {
            let stays = object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let acts = match object["kind"].as_str().unwrap_or_default() {
                "Namespace" => name == NAMESPACE, // no part of the chart
                // Without it no VM would start any more.
                "ClusterRoleBinding" if name == "cloudfarm-launcher" => false,
                "ServiceAccount" | "ClusterRoleBinding" | "RoleBinding" => true,
                "ClusterRole" | "Role" => {
                    [OPERATOR_ACCOUNT, DOORS, INSIDE, RECORDS, SCAN_ACCOUNT].contains(&name)
                        || name.starts_with(PURGE_ACCOUNT)
                }
                _ => false,
            };
            assert_eq!(stays, !acts, "{} {name}", object["kind"]);
        }
    }

    #[test]
    fn the_operator_cannot_delete_anything_that_holds_data() {
        let holds_data =
            ["namespaces", "persistentvolumeclaims", "persistentvolumes", "datavolumes", "tenants", "retentions"];
        for (role, rule) in rules().iter().filter(|(role, _)| role == "cloudfarm") {
            if has(rule, "verbs", "delete") {
                assert!(holds_data.iter().all(|resource| !has(rule, "resources", resource)), "{role}: {rule}");
            }
        }
    }
}
