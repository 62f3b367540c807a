//! Pods in tenants' namespaces (V6): the shells of VMs, and CDI's for a moment. Nobody enters them, and nobody puts one
//! of their own beside them. Consoles, VNC and port forwarding of VMs go by `subresources.kubevirt.io`, which admission
//! does not see: roles guard them.

use super::{Guard, changed_keys, keys_with_authority, may_for_tenants};
use crate::api::labels::TENANT;
use crate::install::roles::LAUNCH;

const POD: &str = "'pod ' + request.namespace + '/' + request.name + ': '";

/// For everybody, cluster administrators included: a shell in a launcher is a shell beside the guest's memory
/// (CVE-2026-7374). `services/proxy` leads to pods, too.
pub fn entry() -> Guard {
    Guard::on(
        "cloudfarm-pod-entry",
        &["CONNECT", "CREATE", "UPDATE"],
        "",
        &["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers", "services/proxy"],
    )
    .in_namespaces_with(TENANT)
    .unless(
        "false",
        "request.resource.resource + '/' + request.subResource + ' of ' + request.namespace + '/' + request.name + ': nobody enters the pods of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant'] + '; the customer uses the VM\\'s console, and for a fault of the platform its logs and events are there'",
    )
}

/// Pods are made by KubeVirt and CDI, and by whom the cluster gives the same verb. What Pod Security refuses is refused
/// here as well, should the namespace's label ever be weaker.
pub fn creation() -> Guard {
    let what = "'pod ' + request.namespace + '/' + object.metadata.?name.orValue(object.metadata.?generateName.orValue('')) + ': '";
    Guard::on("cloudfarm-pod-creation", &["CREATE"], "", &["pods"])
        .in_namespaces_with(TENANT)
        .unless(
            may_for_tenants(LAUNCH),
            format!("{what} + 'in the namespace of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant'] + ' pods are made by KubeVirt and CDI; ' + request.userInfo.username + ' has not the verb {LAUNCH} on tenants.cloudfarm.dev (ClusterRole cloudfarm-launcher)'"),
        )
        .unless(
            "!object.spec.?volumes.orValue([]).exists(volume, has(volume.hostPath)) && !object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)",
            format!("{what} + 'it has hostPath, hostNetwork, hostPID or hostIPC, which lead to the node; leave them out'"),
        )
}

/// Walls select pods by label, and a pod's image can be exchanged while it runs. A binding carries labels over to the
/// pod that it places.
pub fn change() -> Guard {
    let keys = keys_with_authority(&["kubevirt.io", "k8s.v1.cni.cncf.io/"]);
    let images = |object: &str| {
        let of = |list: &str| format!("dyn({object}).spec.?{list}.orValue([]).map(each, each.?image.orValue(''))");
        format!("{} + {}", of("containers"), of("initContainers"))
    };
    let labels = changed_keys("labels", &keys);
    let first = "object.metadata.?labels.orValue({})";
    let named = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
    Guard::on_all("cloudfarm-pod-change", &["CREATE", "UPDATE"], &[("", &["pods/status", "pods/binding", "bindings"])])
        .and("UPDATE", "", &["pods"])
        .in_namespaces_with(TENANT)
        .with("labels", format!("oldObject == null ? {first}.filter(key, [{named}].exists(prefix, key.startsWith(prefix))) : {labels}"))
        .with("sameImages", format!("oldObject == null || request.resource.resource == 'bindings' || {} == {}", images("object"), images("oldObject")))
        .unless(
            format!("variables.labels.size() == 0 || {}", may_for_tenants(LAUNCH)),
            format!("{POD} + 'the label ' + variables.labels.join(', ') + ' is changed only by who makes such pods (verb {LAUNCH} on tenants.cloudfarm.dev): walls select by it'"),
        )
        .unless(
            format!("variables.sameImages || {}", may_for_tenants(LAUNCH)),
            format!("{POD} + 'its images are changed only by who makes such pods (verb {LAUNCH} on tenants.cloudfarm.dev)'"),
        )
}
