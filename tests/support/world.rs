//! Tenants made for a test, and what became of them.

use std::collections::BTreeMap;

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::eventually;
use super::plane::Plane;

/// A Tenant manifest with what every test needs; `more` is merged into its spec.
pub fn tenant(name: &str, more: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            "contract": {
                "applicationId": "TEST-000001",
                "startDate": "2026-04-01",
                "capacity": {"vcpus": 8, "memory": "32Gi", "storage": "500Gi", "instances": 4, "snapshots": 4},
            },
            "administrators": [{"username": "sato", "email": "sato@customer.example", "role": "PrivilegedAdministrator"}],
            "residency": {"storageClassNames": ["cf-jp-encrypted"]},
        },
    });
    merge(&mut manifest["spec"], more);
    manifest
}

/// A VM of 1 CPU and 4Gi on these networks.
pub fn machine(name: &str, networks: &[&str]) -> Value {
    json!({
        "name": name,
        "instancetype": "u1.medium",
        "image": {"dataSource": "ubuntu"},
        "disks": [{"name": "root", "size": "10Gi"}],
        "networks": networks.iter().map(|network| json!({"name": network})).collect::<Vec<_>>(),
    })
}

/// A customer's own Secret.
pub fn secret(tenant: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": format!("cf-{tenant}")},
           "stringData": data})
}

/// A TenantNetwork of type Pod.
pub fn network(tenant: &str, name: &str, more: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "TenantNetwork",
        "metadata": {"name": name, "namespace": format!("cf-{tenant}")},
        "spec": {"type": "Pod", "zone": "Internal"},
    });
    merge(&mut manifest["spec"], more);
    manifest
}

/// The namespace a bundle carries.
pub fn namespace(tenant: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": format!("cf-{tenant}"), "labels": {"cloudfarm.dev/tenant": tenant}},
    })
}

/// A Retention of a tenant; `more` is merged into its spec.
pub fn retention(name: &str, tenant: &str, more: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "Retention",
        "metadata": {"name": name},
        "spec": {"tenantRef": {"name": tenant}},
    });
    merge(&mut manifest["spec"], more);
    manifest
}

/// JSON merge patch.
pub fn merge(target: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !target.is_object() {
                *target = json!({});
            }
            for (key, value) in patch {
                if value.is_null() {
                    target.as_object_mut().expect("an object").remove(&key);
                } else {
                    merge(&mut target[key], value);
                }
            }
        }
        other => *target = other,
    }
}

/// Applies manifests as a person does.
pub fn apply(plane: &Plane, manifests: &[Value]) {
    let text: Vec<String> = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
    plane.kubectl(
        &["apply", "--server-side", "--force-conflicts", "--field-manager=person", "-f", "-"],
        Some(&text.concat()),
    );
}

/// Any resource by group/version/kind/plural.
pub fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

pub fn tenants(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource("cloudfarm.dev", "v1alpha1", "Tenant", "tenants"))
}

pub fn networks(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("cloudfarm.dev", "v1alpha1", "TenantNetwork", "tenantnetworks");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

pub fn retentions(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource("cloudfarm.dev", "v1alpha1", "Retention", "retentions"))
}

/// Walls in the Admin tier.
pub fn walls(client: &Client) -> Api<DynamicObject> {
    let kind = resource("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies");
    Api::all_with(client.clone(), &kind)
}

pub fn machines(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("kubevirt.io", "v1", "VirtualMachine", "virtualmachines");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

/// Waits until the object's condition has this status for its present generation; returns the object.
pub async fn condition(api: &Api<DynamicObject>, name: &str, type_: &str, status: &str) -> Value {
    let last = std::sync::Mutex::new(Value::Null);
    let told = Told(&last);
    let found = eventually(&format!("{name}: {type_}={status}"), || async {
        let object = api.get_opt(name).await.ok().flatten()?;
        let value = serde_json::to_value(object).ok()?;
        *last.lock().expect("no panic while it was held") = value["status"].clone();
        let generation = &value["metadata"]["generation"];
        let holds = value["status"]["conditions"].as_array()?.iter().any(|condition| {
            condition["type"] == type_
                && condition["status"] == status
                && condition["observedGeneration"] == *generation
        });
        holds.then_some(value)
    })
    .await;
    std::mem::forget(told);
    found
}

/// Prints the last status when the wait ends in a panic.
struct Told<'a>(&'a std::sync::Mutex<Value>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("last status: {:#}", self.0.lock().expect("no panic while it was held"));
        }
    }
}

/// Message of a condition.
pub fn message(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == type_);
    found.map_or_else(String::new, |condition| condition["message"].as_str().unwrap_or_default().to_owned())
}

/// Everything that stands for a tenant, without what differs from run to run, under names without the tenant's own.
pub async fn end_state(client: &Client, tenant: &str) -> BTreeMap<String, Value> {
    let (customer, derived) = (format!("cf-{tenant}"), format!("cfd-{tenant}"));
    let inside = [
        resource("", "v1", "ResourceQuota", "resourcequotas"),
        resource("", "v1", "LimitRange", "limitranges"),
        resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
        resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
        resource("", "v1", "Secret", "secrets"),
        resource("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
        resource("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
        resource("", "v1", "Service", "services"),
        resource("cert-manager.io", "v1", "Certificate", "certificates"),
        resource("cloudfarm.dev", "v1alpha1", "TenantNetwork", "tenantnetworks"),
        resource("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions"),
        resource("k8s.cni.cncf.io", "v1beta1", "MultiNetworkPolicy", "multi-networkpolicies"),
    ];
    let ours = format!("cloudfarm.dev/tenant={tenant}");
    let outside = [
        resource("k8s.ovn.org", "v1", "ClusterUserDefinedNetwork", "clusteruserdefinednetworks"),
        resource("coordination.k8s.io", "v1", "Lease", "leases"),
    ];
    let namespaces = Api::<DynamicObject>::all_with(client.clone(), &resource("", "v1", "Namespace", "namespaces"));
    let cron_jobs = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "cloudfarm-system",
        &resource("batch", "v1", "CronJob", "cronjobs"),
    );
    let purge = format!("cf-purge-{tenant}");
    let named = [
        ("Namespace", &namespaces, customer.as_str()),
        ("Namespace", &namespaces, derived.as_str()),
        ("Tenant", &tenants(client), tenant),
        ("Retention", &retentions(client), tenant),
        ("CronJob", &cron_jobs, purge.as_str()),
        ("ClusterNetworkPolicy", &walls(client), customer.as_str()),
    ];
    let mut found = Vec::new();
    for (kind, api, name) in named {
        found.extend(api.get_opt(name).await.expect("an answer").map(|object| (kind.to_owned(), object)));
    }
    for kind in &inside {
        for namespace in [&customer, &derived] {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, kind);
            let list = api.list(&ListParams::default()).await.expect("a list");
            found.extend(list.items.into_iter().map(|object| (kind.kind.clone(), object)));
        }
    }
    for kind in &outside {
        let api = Api::<DynamicObject>::all_with(client.clone(), kind);
        let list = match api.list(&ListParams::default().labels(&ours)).await {
            // A neighbour that is not installed.
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            list => list.expect("a list"),
        };
        found.extend(list.items.into_iter().map(|object| (kind.kind.clone(), object)));
    }
    let entry = |(kind, object): (String, DynamicObject)| {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let key = format!("{kind} {namespace}/{name}").replace(tenant, "<tenant>");
        (key, normal(&kind, &serde_json::to_value(object).expect("JSON"), tenant))
    };
    found.into_iter().map(entry).collect()
}

fn normal(kind: &str, object: &Value, tenant: &str) -> Value {
    let mut object = object.clone();
    for field in
        ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink", "ownerReferences"]
    {
        object["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    // What other controllers count there is not ours.
    if kind == "ResourceQuota" || kind == "Namespace" {
        object.as_object_mut().expect("an object").remove("status");
    }
    scrub(&mut object, tenant);
    object
}

/// Takes times, uids and the tenant's name out.
fn scrub(value: &mut Value, tenant: &str) {
    match value {
        Value::String(text) => {
            *text = text.replace(tenant, "<tenant>");
            if text.len() == 36 && text.chars().filter(|c| *c == '-').count() == 4 {
                *text = "<uid>".into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, tenant)),
        Value::Object(map) => {
            let moving = ["lastTransitionTime", "lastProbeTime", "observedGeneration", "hash"];
            // The API server takes a free one each time.
            let allocated = ["clusterIP", "clusterIPs", "healthCheckNodePort"];
            for volatile in moving.iter().chain(&allocated) {
                map.remove(*volatile);
            }
            // That it says since when is part of the end; when exactly is not.
            for (key, value) in map.iter_mut() {
                if ["cloudfarm.dev/removed-at", "cloudfarm.dev/taken-at", "at"].contains(&key.as_str()) {
                    *value = Value::String("<time>".into());
                }
            }
            let inner = std::mem::take(map);
            *map = inner
                .into_iter()
                .map(|(key, mut value)| {
                    scrub(&mut value, tenant);
                    let value = if key == "args" { Value::String("<args>".into()) } else { value };
                    (key.replace(tenant, "<tenant>"), value)
                })
                .collect();
        }
        _ => {}
    }
}
