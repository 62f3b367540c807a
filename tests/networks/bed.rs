//! The plane with OVN-Kubernetes' CRDs, and what lies in it.

use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::plane::Plane;
use crate::support::world::{network, resource};
use crate::support::{eventually, operator};

/// The shared plane with every backend's CRDs, and the operator running.
pub async fn bed() -> (&'static Plane, Client) {
    static OVN: std::sync::Once = std::sync::Once::new();
    let plane = Plane::shared();
    OVN.call_once(|| plane.install("ovn"));
    operator::shared(plane);
    (plane, plane.admin().await)
}

/// A network of type VLAN with that id of physical network physnet1.
pub fn vlan(tenant: &str, name: &str, id: u16, more: Value) -> Value {
    let mut manifest =
        network(tenant, name, json!({"type": "VLAN", "vlan": {"id": id, "physicalNetwork": "physnet1"}}));
    crate::support::world::merge(&mut manifest["spec"], more);
    manifest
}

pub fn behind_a_firewall() -> Value {
    json!({"backend": "LinuxBridge", "externalFirewall": {"owner": "netops", "ref": "FW-1"}})
}

pub fn filters(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("k8s.cni.cncf.io", "v1beta1", "MultiNetworkPolicy", "multi-networkpolicies");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

pub fn definitions(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

pub fn cluster_networks(client: &Client) -> Api<DynamicObject> {
    Api::all_with(
        client.clone(),
        &resource("k8s.ovn.org", "v1", "ClusterUserDefinedNetwork", "clusteruserdefinednetworks"),
    )
}

pub fn leases(client: &Client) -> Api<DynamicObject> {
    let kind = resource("coordination.k8s.io", "v1", "Lease", "leases");
    Api::namespaced_with(client.clone(), "cloudfarm-system", &kind)
}

/// What OVN-Kubernetes says once it has made a network.
pub async fn made_by_ovn(plane: &Plane, client: &Client, name: &str) {
    there(&cluster_networks(client), name).await;
    let said = json!({"status": {"conditions": [{
        "type": "NetworkCreated", "status": "True", "reason": "Test", "message": "",
        "lastTransitionTime": "2026-11-29T00:00:00Z",
    }]}});
    plane.kubectl(
        &["patch", "clusteruserdefinednetwork", name, "--subresource=status", "--type=merge", "-p", &said.to_string()],
        None,
    );
}

pub async fn there(api: &Api<DynamicObject>, name: &str) -> DynamicObject {
    eventually(&format!("{name} to be there"), || async { api.get_opt(name).await.ok().flatten() }).await
}

pub async fn gone(api: &Api<DynamicObject>, name: &str) {
    eventually(&format!("{name} to be gone"), || async { api.get_opt(name).await.ok()?.is_none().then_some(()) }).await;
}

/// Waits until a message of the condition holds these words; returns the object.
pub async fn says(api: &Api<DynamicObject>, name: &str, type_: &str, words: &str) -> Value {
    eventually(&format!("{name}: {type_} says {words:?}"), || async {
        let value = serde_json::to_value(api.get_opt(name).await.ok()??).ok()?;
        crate::support::world::message(&value, type_).contains(words).then_some(value)
    })
    .await
}

/// Waits until the id is given back.
pub async fn released(client: &Client, lease: &str) {
    eventually(&format!("{lease} to be given back"), || async {
        released_at(&leases(client).get_opt(lease).await.ok()??).map(drop)
    })
    .await;
}

/// Since when the id is nobody's.
pub fn released_at(lease: &DynamicObject) -> Option<String> {
    let at = lease.metadata.annotations.as_ref()?.get("cloudfarm.dev/released-at")?;
    (!at.is_empty()).then(|| at.clone())
}
