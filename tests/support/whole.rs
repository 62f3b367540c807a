//! Everything that an API server holds of a tenant, found without the code under test.

use std::collections::BTreeMap;

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;

use super::storage::cluster::Kind;

/// What makes an object the one it was: uid and resource version.
pub type Identity = (String, String);

/// Every object in the tenant's two namespaces, these, the wall around them, and the volumes and snapshot contents that
/// name them. Events only tell of others.
pub async fn objects(client: &Client, tenant: &str) -> BTreeMap<String, Identity> {
    let homes = [format!("cf-{tenant}"), format!("cfd-{tenant}")];
    let mut found = BTreeMap::new();
    let mut add = |kind: &str, object: &DynamicObject| {
        let key = format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any());
        found.insert(key, (object.uid().unwrap_or_default(), object.resource_version().unwrap_or_default()));
    };
    for resource in namespaced(client).await {
        for home in &homes {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), home, &resource);
            for object in api.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
                add(&resource.kind, &object);
            }
        }
    }
    let namespaces = super::world::resource("", "v1", "Namespace", "namespaces");
    let namespaces = Api::<DynamicObject>::all_with(client.clone(), &namespaces);
    for home in &homes {
        if let Some(object) = namespaces.get_opt(home).await.expect("an answer") {
            add("Namespace", &object);
        }
    }
    if let Some(object) = super::world::walls(client).get_opt(&homes[0]).await.expect("an answer") {
        add("ClusterNetworkPolicy", &object);
    }
    for (kind, reference) in [(Kind::Volume, "claimRef"), (Kind::SnapshotContent, "volumeSnapshotRef")] {
        for object in kind.api(client, None).list(&ListParams::default()).await.expect("a list") {
            let Value::String(home) = &object.data["spec"][reference]["namespace"] else { continue };
            if homes.contains(home) {
                add(&kind.resource().kind, &object);
            }
        }
    }
    found
}

async fn namespaced(client: &Client) -> Vec<ApiResource> {
    let discovery = Discovery::new(client.clone()).run().await.expect("discovery");
    let kinds = discovery.groups().flat_map(kube::discovery::ApiGroup::resources_by_stability);
    let kinds = kinds.filter(|(resource, capabilities)| {
        capabilities.scope == Scope::Namespaced
            && capabilities.supports_operation(verbs::LIST)
            && resource.plural != "events"
            && resource.group != "metrics.k8s.io"
    });
    kinds.map(|(resource, _)| resource).collect()
}
