//! The plane with KubeVirt's own programs, and what lies in a tenant's namespace there.

use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::plane::Plane;
use crate::support::world::{self, resource};
use crate::support::{eventually, operator};

/// The shared plane with KubeVirt and OVN-Kubernetes' CRDs, and the operator running.
pub async fn bed() -> (&'static Plane, Client) {
    static KUBEVIRT: std::sync::Once = std::sync::Once::new();
    let plane = Plane::shared();
    KUBEVIRT.call_once(|| {
        plane.install("ovn");
        plane.run_kubevirt();
    });
    operator::shared(plane);
    (plane, plane.admin().await)
}

pub fn instances(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("kubevirt.io", "v1", "VirtualMachineInstance", "virtualmachineinstances");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

pub fn pods(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &resource("", "v1", "Pod", "pods"))
}

pub fn claims(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

/// The pod in which a VM runs.
pub async fn launcher(client: &Client, tenant: &str, vm: &str) -> Option<DynamicObject> {
    let of_vm = ListParams::default().labels(&format!("vm.kubevirt.io/name={vm}"));
    let found = pods(client, tenant).list(&of_vm).await.ok()?;
    found.items.into_iter().find(|pod| pod.metadata.deletion_timestamp.is_none())
}

/// Waits until KubeVirt says this about the VM; returns it.
pub async fn printable(client: &Client, tenant: &str, vm: &str, status: &str) -> Value {
    eventually(&format!("VM {tenant}/{vm} to be {status}"), || async {
        let found = world::machines(client, tenant).get_opt(vm).await.ok().flatten()?;
        (found.data["status"]["printableStatus"] == status).then(|| serde_json::to_value(found).expect("JSON"))
    })
    .await
}

/// Says for OVN-Kubernetes that a network is there.
pub fn made_by_ovn(plane: &Plane, kind: &str, namespace: Option<&str>, name: &str) {
    let said = json!({"status": {"conditions": [{
        "type": "NetworkCreated", "status": "True", "reason": "NetworkAttachmentDefinitionCreated", "message": "",
        "lastTransitionTime": "2026-11-29T00:00:00Z",
    }]}});
    let mut words = vec!["patch", kind, name, "--subresource", "status", "--type", "merge", "-p"];
    let said = said.to_string();
    words.push(&said);
    words.extend(namespace.into_iter().flat_map(|namespace| ["-n", namespace]));
    plane.kubectl(&words, None);
}

/// Waits until a message of the condition holds these words; returns the object.
pub async fn says(api: &Api<DynamicObject>, name: &str, type_: &str, words: &str) -> Value {
    eventually(&format!("{name}: {type_} says {words:?}"), || async {
        let value = serde_json::to_value(api.get_opt(name).await.ok()??).ok()?;
        world::message(&value, type_).contains(words).then_some(value)
    })
    .await
}
