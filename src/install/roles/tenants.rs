//! What a customer's people may do in their own namespace. Never `admin` or `edit`: those grow with every aggregated role
//! somebody installs.

use serde_json::Value;

use super::{cluster_role, named, rule};

/// ClusterRoles that the operator binds inside tenants' namespaces.
pub const TENANT_ROLES: [&str; 5] = [
    "cloudfarm-tenant-admin",
    "cloudfarm-tenant-user",
    "cloudfarm-tenant-viewer",
    "cloudfarm-tenant-export",
    "cloudfarm-tenant-approver",
];

/// One role for each grade of administrator, one for those who fetch the data after the contract, and what privileged
/// administrators have beside theirs: whether staff come in is theirs to say.
pub fn tenants() -> Vec<Value> {
    let look = [
        rule("kubevirt.io", &["virtualmachines", "virtualmachineinstances"], &["get", "list", "watch"]),
        rule("cdi.kubevirt.io", &["datavolumes"], &["get", "list", "watch"]),
        rule("cloudfarm.dev", &["tenantnetworks", "accessgrants"], &["get", "list", "watch"]),
        rule("openreports.io", &["reports"], &["get", "list", "watch"]),
    ];
    let enter = |doors: &[&str]| {
        [
            rule("subresources.kubevirt.io", doors, &["get"]),
            rule(
                "subresources.kubevirt.io",
                &["virtualmachines/start", "virtualmachines/stop", "virtualmachines/restart"],
                &["update"],
            ),
        ]
    };
    let console = ["virtualmachineinstances/console", "virtualmachineinstances/vnc"];
    let console_and_forward =
        ["virtualmachineinstances/console", "virtualmachineinstances/vnc", "virtualmachineinstances/portforward"];
    let administer = [
        rule("cloudfarm.dev", &["tenantnetworks"], &["update", "patch"]),
        rule("snapshot.kubevirt.io", &["virtualmachinesnapshots"], &["get", "list", "watch", "create"]),
        // A restore holds no data; one that gets no room keeps its VM off until it is deleted.
        rule("snapshot.kubevirt.io", &["virtualmachinerestores"], &["get", "list", "watch", "create", "delete"]),
        // How large the disks are that a restore makes anew.
        rule("", &["persistentvolumeclaims"], &["get"]),
        rule("export.kubevirt.io", &["virtualmachineexports"], &["get", "list", "watch", "create"]),
        rule("", &["resourcequotas", "events"], &["get", "list", "watch"]),
    ];
    let take_along = [
        rule("export.kubevirt.io", &["virtualmachineexports"], &["get", "list", "watch", "create"]),
        // KubeVirt puts the word that opens an export there; an export has to be called hand-back for it.
        named("", &["secrets"], &["export-token-hand-back"], &["get"]),
        rule("kubevirt.io", &["virtualmachines"], &["get", "list", "watch"]),
    ];
    // `approve` and `revoke` exist for admission alone: they tell which field somebody may write.
    let answer = [
        rule("cloudfarm.dev", &["accessgrants"], &["get", "list", "watch", "update", "patch"]),
        rule("cloudfarm.dev", &["accessgrants"], &["approve", "revoke"]),
    ];
    vec![
        cluster_role(TENANT_ROLES[0], &[&look[..], &enter(&console_and_forward), &administer].concat()),
        cluster_role(TENANT_ROLES[1], &[&look[..], &enter(&console)].concat()),
        cluster_role(TENANT_ROLES[2], &look),
        cluster_role(TENANT_ROLES[3], &take_along),
        cluster_role(TENANT_ROLES[4], &answer),
    ]
}
