//! Roles: the operator's own, and those that tenants' administrators are bound to.

use serde_json::{Value, json};

use super::NAMESPACE;

/// ClusterRoles that the operator binds inside tenants' namespaces.
pub const TENANT_ROLES: [&str; 3] = ["cloudfarm-tenant-admin", "cloudfarm-tenant-user", "cloudfarm-tenant-viewer"];

/// The provisioner. It creates and patches; of what it may delete nothing holds data (I12). `get` is for the one look
/// after a create that was refused because something is there.
pub fn operator() -> Vec<Value> {
    let rules = [
        rule("cloudfarm.dev", &["tenants", "tenantnetworks"], &["list", "watch"]),
        rule("cloudfarm.dev", &["retentions"], &["get", "list", "watch", "create", "patch"]),
        rule("cloudfarm.dev", &["tenants/status", "tenantnetworks/status", "retentions/status"], &["patch"]),
        rule("", &["namespaces", "resourcequotas", "limitranges"], &["get", "list", "watch", "create", "patch"]),
        rule("networking.k8s.io", &["networkpolicies"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("rbac.authorization.k8s.io", &["rolebindings"], &["get", "list", "watch", "create", "patch", "delete"]),
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": TENANT_ROLES}),
        rule("kubevirt.io", &["virtualmachines"], &["get", "list", "watch", "create", "patch", "delete"]),
        rule("cdi.kubevirt.io", &["datavolumes"], &["get", "list", "watch", "create", "patch"]),
        rule("instancetype.kubevirt.io", &["virtualmachineclusterinstancetypes"], &["list", "watch"]),
        rule("apiextensions.k8s.io", &["customresourcedefinitions"], &["list", "watch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ];
    let own_rules = [
        rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]),
        rule("batch", &["cronjobs"], &["get", "list", "watch", "create", "patch", "delete"]),
    ];
    vec![
        cluster_role("cloudfarm", &rules),
        cluster_role_binding("cloudfarm"),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "cloudfarm", "namespace": NAMESPACE},
            "rules": own_rules,
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "cloudfarm", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cloudfarm"},
            "subjects": [{"kind": "ServiceAccount", "name": "cloudfarm", "namespace": NAMESPACE}],
        }),
    ]
}

/// The purge's own identity. It reads the Retention to tell why it refuses; what a purge needs beyond that is given for
/// one tenant and one run, by the version that deletes.
pub fn purge() -> Vec<Value> {
    vec![
        cluster_role("cloudfarm-purge", &[rule("cloudfarm.dev", &["retentions"], &["get"])]),
        cluster_role_binding("cloudfarm-purge"),
    ]
}

/// What a customer's people may do in their own namespace. Never `admin` or `edit`: those grow with every aggregated
/// role somebody installs.
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
        rule("export.kubevirt.io", &["virtualmachineexports"], &["get", "list", "watch", "create"]),
        rule("", &["resourcequotas", "events"], &["get", "list", "watch"]),
    ];
    vec![
        cluster_role(TENANT_ROLES[0], &[&look[..], &enter(&console_and_forward), &administer].concat()),
        cluster_role(TENANT_ROLES[1], &[&look[..], &enter(&console)].concat()),
        cluster_role(TENANT_ROLES[2], &look),
    ]
}

fn cluster_role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    })
}

/// Gives a service account of ours the ClusterRole of the same name.
fn cluster_role_binding(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    })
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}
