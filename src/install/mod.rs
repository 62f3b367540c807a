//! What a cluster needs besides the CRDs: namespace, identities, roles, admission policies. Generated from here into
//! `charts/cloudfarm/generated/`, so that there is no second copy by hand.

mod policies;
mod roles;

use serde_json::{Value, json};

/// Namespace of the operator, its lease and the purge CronJobs.
pub const NAMESPACE: &str = "cloudfarm-system";

/// Namespace of plans and certificates: it survives every tenant.
pub const EVIDENCE_NAMESPACE: &str = "cloudfarm-evidence";

/// Lease of the purge run whose turn it is; made here, since a purge cannot create.
pub const PURGE_LEASE: &str = "cloudfarm-purge";

/// Every object, in the order in which they have to be applied.
#[must_use]
pub fn manifests() -> Vec<Value> {
    let mut all = vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "v1.37",
            }},
        }),
        service_account("cloudfarm"),
        service_account("cloudfarm-purge"),
    ];
    all.extend(roles::operator());
    all.extend(roles::purge());
    all.extend(roles::tenants());
    all.extend(policies::policies());
    all
}

fn service_account(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "automountServiceAccountToken": false,
    })
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
            for resource in ["secrets", "pods/exec", "pods/attach", "pods/portforward", "nodes/proxy"] {
                assert!(!has(&rule, "resources", resource), "{role}: {resource}");
            }
            if has(&rule, "verbs", "bind") {
                assert!(rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty()), "{role}: bind");
            }
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
