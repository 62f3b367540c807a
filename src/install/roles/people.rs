//! The provider's people. Nobody is bound here: who is who is the provider's to say.

use serde_json::Value;

use super::{ENROLL, cluster_role, named, role, rule};
use crate::install::{EVIDENCE_NAMESPACE, NAMESPACE};

/// Sees everything that promises are judged by, and changes nothing.
const AUDITOR: &str = "cloudfarm-auditor";

const OFFICER: &str = "cloudfarm-data-protection-officer";

/// Who decides about data, and who runs the service.
pub fn people() -> Vec<Value> {
    let everything = ["get", "list", "watch", "create", "update", "patch"];
    // `hold`, `release`, `approve` and `decide` exist for admission alone: they tell which field somebody may write.
    let decide = [
        rule("cloudfarm.dev", &["retentions"], &["get", "list", "watch", "update", "patch"]),
        rule("cloudfarm.dev", &["retentions"], &["hold", "release", "approve", "decide"]),
    ];
    // `create` knows the name only when it comes as server-side apply: `kubectl apply --server-side`.
    let steer = [
        named("", &["configmaps"], &["cloudfarm-purge-approval"], &["get", "create", "update", "patch"]),
        named("", &["configmaps"], &["cloudfarm-purge-budget"], &["get", "update", "patch"]),
    ];
    let run = [
        rule("cloudfarm.dev", &["tenants", "tenantnetworks"], &everything),
        rule("cloudfarm.dev", &["tenants", "tenantnetworks"], &["delete"]),
        rule("cloudfarm.dev", &["tenants"], &[ENROLL]),
        rule("cloudfarm.dev", &["retentions"], &["get", "list", "watch"]),
        rule("cloudfarm.dev", &["notices"], &["get", "list", "watch", "create", "update", "patch", "delete"]),
        rule("", &["namespaces"], &["get", "list", "watch", "create"]),
    ];
    // Whoever asks ends an own grant by `spec.revoked`; which fields somebody writes is told by admission.
    let ask = [rule("cloudfarm.dev", &["accessgrants"], &["get", "list", "watch", "create", "update", "patch"])];
    // `second` and `revoke` exist for admission alone: the second person of basis Terms, and who ends others' grants.
    let lead = [
        rule("cloudfarm.dev", &["accessgrants"], &["get", "list", "watch", "update", "patch"]),
        rule("cloudfarm.dev", &["accessgrants"], &["second", "revoke"]),
    ];
    // What `cloudfarm report` and `cloudfarm evidence pack` are made from; nothing of what is in customers' VMs.
    let examine = [
        rule("cloudfarm.dev", &["tenants"], &["get"]),
        rule("cloudfarm.dev", &["retentions", "notices", "tenantnetworks", "accessgrants"], &["list"]),
        rule("openreports.io", &["clusterreports"], &["get", "list"]),
    ];
    vec![
        cluster_role("cloudfarm-staff", &ask),
        cluster_role("cloudfarm-staff-lead", &lead),
        cluster_role(OFFICER, &decide),
        role(NAMESPACE, OFFICER, &steer),
        role(EVIDENCE_NAMESPACE, OFFICER, &[rule("", &["configmaps"], &["get", "list"])]),
        cluster_role("cloudfarm-provider-engineer", &run),
        cluster_role(AUDITOR, &examine),
        role(EVIDENCE_NAMESPACE, AUDITOR, &[rule("", &["configmaps"], &["get", "list"])]),
    ]
}
