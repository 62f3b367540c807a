//! The operator: the provisioner. It creates and patches; of what it may delete nothing holds data (I12).

use serde_json::{Value, json};

use super::doors::doors;
use super::inside::inside;
use super::records::records;
use super::{
    DOORS, INSIDE, PURGE_ROLES, RECORDS, TENANT_ROLES, cluster_role, cluster_role_binding, role, role_binding, rule,
};
use crate::install::{EVIDENCE_NAMESPACE, NAMESPACE, OPERATOR_ACCOUNT};

/// `get` is for the one look after a create that was refused because something is there. `bind` lets it give roles
/// whose rights it does not hold; to whom it may give the purge's is a policy.
pub fn operator() -> Vec<Value> {
    let bound: Vec<&str> = TENANT_ROLES.into_iter().chain(PURGE_ROLES).chain([INSIDE, DOORS, RECORDS]).collect();
    let rules = [
        rule("cloudfarm.dev", &["tenants", "tenantnetworks", "accessgrants"], &["list", "watch"]),
        rule("cloudfarm.dev", &["retentions"], &["get", "list", "watch", "create", "patch"]),
        // It makes some, and changes none.
        rule("cloudfarm.dev", &["notices"], &["list", "watch", "create"]),
        rule(
            "cloudfarm.dev",
            &["tenants/status", "tenantnetworks/status", "retentions/status", "accessgrants/status", "notices/status"],
            &["patch"],
        ),
        rule("", &["namespaces", "resourcequotas", "limitranges"], &["get", "list", "watch", "create", "patch"]),
        rule("networking.k8s.io", &["networkpolicies"], &["get", "list", "watch", "create", "patch", "delete"]),
        // Of Roles only such as say what it holds itself in that namespace: those of doors.
        rule(
            "rbac.authorization.k8s.io",
            &["roles", "rolebindings"],
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": bound}),
        rule("kubevirt.io", &["virtualmachines"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("kubevirt.io", &["kubevirts"], &["list", "watch"]),
        rule("cdi.kubevirt.io", &["datavolumes"], &["get", "list", "watch", "create", "patch"]),
        rule("cdi.kubevirt.io", &["datasources"], &["list", "watch"]),
        rule("", &["persistentvolumeclaims"], &["list", "watch"]),
        // Without `delete`: backups go by the purge's rolling run.
        rule("snapshot.kubevirt.io", &["virtualmachinesnapshots"], &["get", "list", "watch", "create", "patch"]),
        rule("", &["services"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("cert-manager.io", &["certificates"], &["get", "list", "watch", "create", "patch", "delete"]),
        // Without `delete`: the wall between tenants goes with the last of the data.
        rule("policy.networking.k8s.io", &["clusternetworkpolicies"], &["get", "list", "watch", "create", "patch"]),
        rule(
            "k8s.cni.cncf.io",
            &["network-attachment-definitions", "multi-networkpolicies"],
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        rule(
            "k8s.ovn.org",
            &["userdefinednetworks", "clusteruserdefinednetworks"],
            &["get", "list", "watch", "create", "patch", "delete"],
        ),
        rule("instancetype.kubevirt.io", &["virtualmachineclusterinstancetypes"], &["list", "watch"]),
        // Where data is: looked at, and changed by nobody of ours.
        rule("", &["nodes", "persistentvolumes"], &["list", "watch"]),
        rule("storage.k8s.io", &["storageclasses"], &["list", "watch"]),
        rule("snapshot.storage.k8s.io", &["volumesnapshotclasses"], &["list", "watch"]),
        rule("velero.io", &["backupstoragelocations", "backups"], &["list", "watch"]),
        // Of which one may be written is a policy; backups go by their own end.
        rule("velero.io", &["schedules"], &["get", "list", "watch", "create", "patch", "delete"]),
        // Without `delete`: what is kept as proof is not taken away.
        rule("openreports.io", &["reports", "clusterreports"], &["get", "list", "watch", "create", "patch"]),
        rule("apiextensions.k8s.io", &["customresourcedefinitions"], &["list", "watch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ];
    let own_rules = [
        // Its own, and one for each VLAN id.
        rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update", "patch"]),
        // Texts of notices (spec.bodyRef).
        rule("", &["configmaps"], &["get"]),
        rule("batch", &["cronjobs"], &["get", "list", "watch", "create", "patch", "delete"]),
    ];
    // Plans and certificates are made here, and filled by the purge.
    let evidence = [rule("", &["configmaps"], &["get", "list", "watch", "create", "patch"])];
    vec![
        cluster_role(OPERATOR_ACCOUNT, &rules),
        cluster_role_binding(NAMESPACE, OPERATOR_ACCOUNT),
        inside(),
        doors(),
        records(),
        role(NAMESPACE, OPERATOR_ACCOUNT, &own_rules),
        role_binding(NAMESPACE, OPERATOR_ACCOUNT),
        role(EVIDENCE_NAMESPACE, OPERATOR_ACCOUNT, &evidence),
        role_binding(EVIDENCE_NAMESPACE, OPERATOR_ACCOUNT),
    ]
}
