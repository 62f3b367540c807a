//! Namespaces, service accounts, and the few objects that have to be there before anybody asks for them.

use serde_json::{Value, json};

use super::{EVIDENCE_NAMESPACE, NAMESPACE, OPERATOR_ACCOUNT, PURGE_ACCOUNT, PURGE_LEASE, kept};

/// In the order in which they have to be applied.
pub fn objects() -> Vec<Value> {
    vec![
        namespace(NAMESPACE),
        kept(namespace(EVIDENCE_NAMESPACE)),
        service_account(OPERATOR_ACCOUNT),
        service_account(PURGE_ACCOUNT),
        chain(),
        purge_budget(),
        kept(purge_lease()),
    ]
}

pub fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "v1.37",
        }},
    })
}

fn service_account(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "automountServiceAccountToken": false,
    })
}

/// The chain of certificates: SHA-256 of the last one (`head`) and how many there are (`length`). Made empty, which is how
/// a chain begins: applying this again after an upgrade must not take back what purges have written.
fn chain() -> Value {
    config_map(EVIDENCE_NAMESPACE, "chain")
}

/// The hand brake of every purge (`stop: "true"`), and how many tenants may be purged in a day (`tenantsPerDay`, 5 when it
/// is not written). Made empty, so that applying this again does not release a brake that somebody has pulled; if it is
/// missing, the brake counts as pulled.
fn purge_budget() -> Value {
    config_map(NAMESPACE, "cloudfarm-purge-budget")
}

/// Kept, since what it says is written by others after the installation.
pub fn config_map(namespace: &str, name: &str) -> Value {
    kept(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}))
}

/// One purge at a time; the purge may take it and cannot create it.
fn purge_lease() -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": PURGE_LEASE, "namespace": NAMESPACE},
        "spec": {},
    })
}
