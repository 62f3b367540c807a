//! The purge: it deletes, and creates nothing. What it holds for the whole cluster is looking, its own status, and what
//! admission fences; what it may read and erase of a tenant is bound in that tenant's namespaces by the operator, and
//! only while a purge runs.

use serde_json::{Value, json};

use super::{cluster_role, cluster_role_binding, named, role, role_binding, rule};
use crate::install::{EVIDENCE_NAMESPACE, NAMESPACE, PURGE_ACCOUNT};
use crate::purge::classify::place;
use crate::purge::plan::{KindName, Way};

/// ClusterRoles that the operator binds to the purge in a tenant's namespaces, by RoleBinding and never cluster-wide:
/// they read Secrets and delete data.
pub const PURGE_ROLES: [&str; 4] =
    ["cloudfarm-purge-inventory", "cloudfarm-purge-erase", "cloudfarm-purge-rolling", "cloudfarm-purge-records"];

/// Our own part of the inventory; providers add theirs, with the same label, for kinds of their own.
pub const KNOWN_INVENTORY: &str = "cloudfarm-purge-inventory-known";

const AGGREGATE: &str = "cloudfarm.dev/aggregate-to-purge-inventory";

const SNAPSHOTS: &str = "snapshot.kubevirt.io";

/// Every namespaced kind of Kubernetes 1.37 that can be listed, but for those that only tell of others
/// ([`is_noise_kind`](crate::purge::classify::is_noise_kind)).
const KUBERNETES: [(&str, &[&str]); 11] = [
    (
        "",
        &[
            "configmaps",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    ("apps", &["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("certificates.k8s.io", &["podcertificaterequests"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
    ("rbac.authorization.k8s.io", &["rolebindings", "roles"]),
    ("resource.k8s.io", &["resourceclaims", "resourceclaimtemplates"]),
    ("storage.k8s.io", &["csistoragecapacities"]),
    ("cloudfarm.dev", &["accessgrants", "tenantnetworks"]),
];

/// The neighbours' namespaced kinds.
const NEIGHBOURS: [(&str, &[&str]); 21] = [
    (
        "kubevirt.io",
        &[
            "kubevirts",
            "virtualmachineinstancemigrations",
            "virtualmachineinstancepresets",
            "virtualmachineinstancereplicasets",
            "virtualmachineinstances",
            "virtualmachines",
        ],
    ),
    ("backup.kubevirt.io", &["virtualmachinebackups", "virtualmachinebackuptrackers"]),
    ("clone.kubevirt.io", &["virtualmachineclones"]),
    ("export.kubevirt.io", &["virtualmachineexports"]),
    ("instancetype.kubevirt.io", &["virtualmachineinstancetypes", "virtualmachinepreferences"]),
    ("pool.kubevirt.io", &["virtualmachinepools"]),
    (SNAPSHOTS, &["virtualmachinerestores", "virtualmachinesnapshotcontents", "virtualmachinesnapshots"]),
    (
        "cdi.kubevirt.io",
        &[
            "dataimportcrons",
            "datasources",
            "datavolumes",
            "volumeclonesources",
            "volumeimportsources",
            "volumeuploadsources",
        ],
    ),
    ("forklift.cdi.kubevirt.io", &["openstackvolumepopulators", "ovirtvolumepopulators"]),
    ("aaq.kubevirt.io", &["applicationawareappliedclusterresourcequotas", "applicationawareresourcequotas"]),
    ("snapshot.storage.k8s.io", &["volumesnapshots"]),
    ("groupsnapshot.storage.k8s.io", &["volumegroupsnapshots"]),
    ("k8s.cni.cncf.io", &["ipamclaims", "multi-networkpolicies", "network-attachment-definitions"]),
    ("k8s.ovn.org", &["egressfirewalls", "egressqoses", "egressservices", "networkqoses", "userdefinednetworks"]),
    ("cert-manager.io", &["certificaterequests", "certificates", "issuers"]),
    ("acme.cert-manager.io", &["challenges", "orders"]),
    ("openreports.io", &["reports"]),
    ("wgpolicyk8s.io", &["policyreports"]),
    (
        "velero.io",
        &[
            "backuprepositories",
            "backups",
            "backupstoragelocations",
            "datadownloads",
            "datauploads",
            "deletebackuprequests",
            "downloadrequests",
            "podvolumebackups",
            "podvolumerestores",
            "restores",
            "schedules",
            "serverstatusrequests",
            "volumesnapshotlocations",
        ],
    ),
    (
        "monitoring.coreos.com",
        &["alertmanagerconfigs", "alertmanagers", "podmonitors", "probes", "prometheuses", "prometheusrules"],
    ),
    ("monitoring.coreos.com", &["prometheusagents", "scrapeconfigs", "servicemonitors", "thanosrulers"]),
];

/// Roles of the purge, and the bindings that stand always.
pub fn purge() -> Vec<Value> {
    vec![
        cluster_role(PURGE_ACCOUNT, &everywhere()),
        cluster_role_binding(NAMESPACE, PURGE_ACCOUNT),
        role(NAMESPACE, PURGE_ACCOUNT, &at_home()),
        role_binding(NAMESPACE, PURGE_ACCOUNT),
        role(EVIDENCE_NAMESPACE, PURGE_ACCOUNT, &[rule("", &["configmaps"], &["get", "patch"])]),
        role_binding(EVIDENCE_NAMESPACE, PURGE_ACCOUNT),
        inventory(),
        known_inventory(),
        cluster_role(PURGE_ROLES[1], &erase()),
        cluster_role(PURGE_ROLES[2], &rolling()),
        cluster_role(PURGE_ROLES[3], &records()),
    ]
}

/// It never deletes a volume: it turns Retain into Delete, and the volume's controller deletes.
fn everywhere() -> Vec<Value> {
    vec![
        rule("cloudfarm.dev", &["retentions"], &["get", "list"]),
        rule("cloudfarm.dev", &["retentions/status"], &["patch"]),
        rule("cloudfarm.dev", &["tenants"], &["get"]),
        rule("", &["namespaces"], &["get", "delete"]),
        rule("", &["persistentvolumes"], &["get", "list", "patch"]),
        rule("snapshot.storage.k8s.io", &["volumesnapshotcontents"], &["get", "list", "patch", "delete"]),
        rule("policy.networking.k8s.io", &["clusternetworkpolicies"], &["get", "delete"]),
        rule("velero.io", &["backups", "schedules"], &["list"]),
        rule("k8s.ovn.org", &["clusteruserdefinednetworks"], &["get", "list", "delete"]),
    ]
}

fn at_home() -> Vec<Value> {
    vec![
        named("", &["configmaps"], &["cloudfarm-purge-approval", "cloudfarm-purge-budget"], &["get"]),
        named("coordination.k8s.io", &["leases"], &["cloudfarm-purge"], &["get", "update"]),
        named("coordination.k8s.io", &["leases"], &["cloudfarm"], &["get"]),
        named("", &["secrets"], &["cloudfarm-signing-key"], &["get"]),
    ]
}

/// Everything that may lie in a tenant's namespace; the rules are filled in by the controller manager.
fn inventory() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": PURGE_ROLES[0]},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {AGGREGATE: "true"}}]},
    })
}

fn known_inventory() -> Value {
    let listed = kinds().map(|(group, resources)| rule(group, resources, &["list"]));
    // Looked at once more before it is deleted, and after.
    let looked_at = erased().map(|(group, resources)| rule(group, &resources, &["get"]));
    let mut known = cluster_role(KNOWN_INVENTORY, &listed.chain(looked_at).collect::<Vec<_>>());
    known["metadata"]["labels"] = json!({AGGREGATE: "true"});
    known
}

/// What ages out while a contract runs: it is labelled disposable first, which admission asks for.
fn rolling() -> Vec<Value> {
    let disks = ["persistentvolumeclaims"];
    let snapshots = ["virtualmachinesnapshots", "virtualmachinesnapshotcontents"];
    let both = ["delete", "patch"];
    vec![
        rule("", &disks, &both),
        rule("cdi.kubevirt.io", &["datavolumes"], &both),
        rule(SNAPSHOTS, &snapshots, &both),
        rule("snapshot.storage.k8s.io", &["volumesnapshots"], &both),
        rule("export.kubevirt.io", &["virtualmachineexports"], &["delete"]),
    ]
}

/// Records in a derived namespace whose period is over.
fn records() -> Vec<Value> {
    vec![rule("", &["configmaps"], &["delete"]), rule("openreports.io", &["reports"], &["delete"])]
}

/// VMs are halted, snapshots let go of their content, and a rolling purge marks what it deletes as disposable.
fn erase() -> Vec<Value> {
    let erased = erased().map(|(group, resources)| rule(group, &resources, &["delete"]));
    let patched = [
        rule("kubevirt.io", &["virtualmachines"], &["patch"]),
        rule(SNAPSHOTS, &["virtualmachinesnapshots", "virtualmachinesnapshotcontents"], &["patch"]),
        rule("", &["persistentvolumeclaims"], &["patch"]),
        rule("cdi.kubevirt.io", &["datavolumes"], &["patch"]),
        rule("snapshot.storage.k8s.io", &["volumesnapshots"], &["patch"]),
    ];
    erased.chain(patched).collect()
}

/// What a purge deletes one by one. Everything else goes with its namespace, which needs no right to it.
fn erased() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let one_by_one = |group: &str, plural: &str| {
        let kind = KindName { group: group.into(), version: String::new(), kind: String::new(), plural: plural.into() };
        place(&kind, false).1 == Way::Delete
    };
    kinds().filter_map(move |(group, resources)| {
        let resources: Vec<&str> = resources.iter().copied().filter(|plural| one_by_one(group, plural)).collect();
        (!resources.is_empty()).then_some((group, resources))
    })
}

fn kinds() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    KUBERNETES.into_iter().chain(NEIGHBOURS)
}
