//! The watch of KubeVirt's own settings, while their CRD exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};

use super::{patience, trouble};
use crate::foreign::kubevirt::{KubeVirt, Platform};
use crate::operator::context::Context;

/// The CRD of KubeVirt's own settings.
pub(super) const CRD: &str = "kubevirts.kubevirt.io";

/// KubeVirt itself lets there be one object; should there be several, the first by name is told.
pub(super) async fn settings(client: Client, context: Arc<Context>) -> &'static str {
    let api = Api::<DeserializeGuard<KubeVirt>>::all(client);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).backoff(patience()));
    let mut found: BTreeMap<String, Platform> = BTreeMap::new();
    while let Some(event) = events.next().await {
        let whole = match event {
            Ok(Event::Init) => {
                found.clear();
                false
            }
            Ok(Event::InitApply(object)) => {
                found.extend([read(object)]);
                false
            }
            Ok(Event::InitDone) => true,
            Ok(Event::Apply(object)) => {
                found.extend([read(object)]);
                true
            }
            Ok(Event::Delete(object)) => found.remove(&place(&object)).is_some(),
            Err(error) => {
                trouble(&context, "KubeVirt", Some(CRD), &error);
                false
            }
        };
        if whole {
            context.neighbours.settled(CRD);
            let first = found.values().next().cloned().unwrap_or(Platform::NotConfigured);
            if context.stores.set_platform(first) {
                context.triggers.all_tenants(&context.stores);
            }
        }
    }
    "the watch of KubeVirt's settings"
}

fn read(object: DeserializeGuard<KubeVirt>) -> (String, Platform) {
    let place = place(&object);
    match object.0 {
        Ok(object) => (place.clone(), Platform::Configured(place, Box::new(object.spec.configuration))),
        Err(error) => (place.clone(), Platform::Unreadable(format!("KubeVirt {place} cannot be read: {error}"))),
    }
}

fn place(object: &DeserializeGuard<KubeVirt>) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}
