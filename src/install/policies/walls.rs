//! Networks, policies and the classes of storage (V5): written by the operator, by the cluster's platform, and cleared
//! away by Kubernetes and the purge. NetworkPolicies add up, so that one of somebody else opens what ours close.

use super::{Guard, is_controller, is_operator, is_purge, may_for_tenants};
use crate::api::labels::TENANT;
use crate::install::roles::MAINTAIN;

const ALL: [&str; 3] = ["CREATE", "UPDATE", "DELETE"];

const WHAT: &str =
    "request.resource.resource + ' ' + dyn(object == null ? oldObject : object).metadata.?name.orValue('')";

/// In tenants' namespaces. OVN-Kubernetes makes NetworkAttachmentDefinitions of UserDefinedNetworks: its account is
/// given the verb.
pub fn of_tenants() -> Guard {
    Guard::on_all(
        "cloudfarm-tenant-walls",
        &ALL,
        &[
            ("networking.k8s.io", &["networkpolicies"]),
            ("k8s.cni.cncf.io", &["network-attachment-definitions", "multi-networkpolicies"]),
            ("k8s.ovn.org", &["userdefinednetworks", "egressfirewalls", "egressqoses", "egressservices", "networkqoses"]),
        ],
    )
    .in_namespaces_with(TENANT)
    .unless(
        by_those_who_keep_them(),
        format!("{WHAT} + ' in ' + request.namespace + ' is a wall of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant'] + ', and is written by the operator or by somebody with the verb {MAINTAIN} on tenants.cloudfarm.dev; rules are written in a TenantNetwork'"),
    )
}

/// Outside of namespaces, and where backups go: what would reach into every tenant. Velero writes the status of its
/// location into the object itself.
pub fn of_the_platform() -> Guard {
    Guard::on_all(
        "cloudfarm-platform-objects",
        &ALL,
        &[
            ("k8s.ovn.org", &["clusteruserdefinednetworks"]),
            (
                "policy.networking.k8s.io",
                &["clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"],
            ),
            ("storage.k8s.io", &["storageclasses"]),
            ("velero.io", &["backupstoragelocations"]),
        ],
    )
    .when(
        "changed",
        "request.resource.resource != 'backupstoragelocations' || request.operation != 'UPDATE' || dyn(object).spec != dyn(oldObject).spec",
    )
    .unless(
        by_those_who_keep_them(),
        format!("{WHAT} + ' reaches into every tenant: it is written by the operator or by somebody with the verb {MAINTAIN} on tenants.cloudfarm.dev (ClusterRole cloudfarm-platform)'"),
    )
}

/// CEL: it is written by the operator or the platform, or cleared away by the purge or by Kubernetes itself.
fn by_those_who_keep_them() -> String {
    format!(
        "{} || {} && request.operation == 'DELETE' || {} && request.operation != 'CREATE' || {}",
        is_operator(),
        is_purge(),
        is_controller(),
        may_for_tenants(MAINTAIN)
    )
}
