//! Pure: where in the order of a purge an object goes, and whether it counts at all.

use super::plan::{KindName, Step, Way};

/// Kinds that controllers make and remove by themselves and that only tell of other objects: they go with the namespace
/// and are not even listed, so that they do not make every preview differ from the next.
#[must_use]
pub fn is_noise_kind(kind: &KindName) -> bool {
    matches!(
        (kind.group.as_str(), kind.plural.as_str()),
        ("" | "events.k8s.io", "events")
            | ("", "endpoints")
            | ("discovery.k8s.io", "endpointslices")
            | ("coordination.k8s.io", "leases")
            | ("metrics.k8s.io", _)
    )
}

/// Networks that are objects of the whole cluster and belong to one tenant all the same.
#[must_use]
pub fn is_cluster_network(kind: &KindName) -> bool {
    kind.group == "k8s.ovn.org" && kind.plural == "clusteruserdefinednetworks"
}

/// Walls in the Admin tier, of which each tenant may have one.
#[must_use]
pub fn is_wall(kind: &KindName) -> bool {
    kind.group == "policy.networking.k8s.io" && kind.plural == "clusternetworkpolicies"
}

/// Objects that the cluster makes anew wherever a namespace is, and the purge's own rights.
#[must_use]
pub fn is_noise(kind: &KindName, name: &str) -> bool {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "configmaps") => name == "kube-root-ca.crt",
        ("", "serviceaccounts") => name == "default",
        // The purge's own rights, which the operator gives and takes.
        ("rbac.authorization.k8s.io", "rolebindings") => name.starts_with("cloudfarm-purge-"),
        _ => false,
    }
}

/// The step and the way of a namespaced object. What nobody knows goes with its namespace.
#[must_use]
pub fn place(kind: &KindName, derived: bool) -> (Step, Way) {
    let (step, way) = known(&kind.group, &kind.plural);
    // Nothing of what our service derives is a workload or a way out; it goes together, after the data it came from.
    if derived && way == Way::Delete { (Step::Derived, way) } else { (step, way) }
}

fn known(group: &str, plural: &str) -> (Step, Way) {
    let step = match (group, plural) {
        ("rbac.authorization.k8s.io", "rolebindings" | "roles") | ("cloudfarm.dev", "accessgrants") => Step::Access,
        ("export.kubevirt.io", "virtualmachineexports") => Step::Exports,
        ("batch", "cronjobs" | "jobs")
        | ("apps", "deployments" | "statefulsets" | "daemonsets" | "replicasets")
        | ("", "replicationcontrollers")
        | ("autoscaling", "horizontalpodautoscalers")
        | ("pool.kubevirt.io", "virtualmachinepools")
        | ("kubevirt.io", "virtualmachineinstancereplicasets")
        | ("cdi.kubevirt.io", "dataimportcrons")
        // cert-manager makes the Secret of a Certificate anew.
        | ("cert-manager.io", "certificates" | "certificaterequests" | "issuers")
        | ("acme.cert-manager.io", "challenges" | "orders") => Step::Schedules,
        ("kubevirt.io", "virtualmachines" | "virtualmachineinstances" | "virtualmachineinstancemigrations")
        | ("", "pods") => Step::Machines,
        (
            "snapshot.kubevirt.io",
            "virtualmachinesnapshots" | "virtualmachinesnapshotcontents" | "virtualmachinerestores",
        )
        | ("snapshot.storage.k8s.io", "volumesnapshots") => Step::Snapshots,
        ("cdi.kubevirt.io", "datavolumes") | ("", "persistentvolumeclaims") => Step::Disks,
        ("", "secrets" | "configmaps") => Step::Secrets,
        ("openreports.io", "reports") | ("wgpolicyk8s.io", "policyreports") => Step::Derived,
        ("cloudfarm.dev", "tenantnetworks")
        | ("", "services")
        | ("networking.k8s.io", "ingresses")
        | ("k8s.cni.cncf.io", "network-attachment-definitions" | "multi-networkpolicies")
        | ("k8s.ovn.org", "userdefinednetworks" | "clusteruserdefinednetworks") => Step::Networks,
        // Walls and quotas stay to the very end.
        _ => return (Step::Namespaces, Way::WithNamespace),
    };
    (step, Way::Delete)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, plural: &str) -> KindName {
        KindName { group: group.into(), version: "v1".into(), kind: String::new(), plural: plural.into() }
    }

    #[test]
    fn walls_outlive_networks_networks_outlive_disks_and_what_nobody_knows_goes_with_the_namespace() {
        let step = |group, plural| place(&kind(group, plural), false).0;
        assert!(step("kubevirt.io", "virtualmachines") < step("snapshot.kubevirt.io", "virtualmachinesnapshots"));
        assert!(step("snapshot.storage.k8s.io", "volumesnapshots") < step("", "persistentvolumeclaims"));
        assert!(step("", "persistentvolumeclaims") < step("cloudfarm.dev", "tenantnetworks"));
        assert!(step("cert-manager.io", "certificates") < step("", "secrets"));
        let walls = place(&kind("networking.k8s.io", "networkpolicies"), false);
        assert_eq!(walls, (Step::Namespaces, Way::WithNamespace));
        assert_eq!(place(&kind("example.com", "widgets"), false), (Step::Namespaces, Way::WithNamespace));
    }

    #[test]
    fn what_the_cluster_makes_by_itself_does_not_count_and_its_namesakes_do() {
        assert!(is_noise(&kind("", "configmaps"), "kube-root-ca.crt") && !is_noise(&kind("", "configmaps"), "app"));
        assert!(is_noise_kind(&kind("events.k8s.io", "events")) && !is_noise_kind(&kind("example.com", "events")));
        assert!(!is_noise(&kind("rbac.authorization.k8s.io", "rolebindings"), "cloudfarm-tenant-admin"));
    }
}
