//! The watch of what the organisation has signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};

use super::{patience, trouble};
use crate::api::labels::ATTESTATION;
use crate::evidence::attestation::{KEY, Word};
use crate::operator::context::Context;

/// Watches the ConfigMaps with signed statements. They are few, and each is about every tenant.
pub(super) async fn attestations(api: Api<ConfigMap>, context: Arc<Context>) -> &'static str {
    let events = watcher(api, watcher::Config::default().labels(ATTESTATION));
    let mut events = std::pin::pin!(events.backoff(patience()));
    let mut known: BTreeMap<String, Word> = BTreeMap::new();
    while let Some(event) = events.next().await {
        let whole = match event {
            Ok(Event::Init) => {
                known.clear();
                false
            }
            Ok(Event::InitApply(map)) => {
                known.insert(map.name_any(), read(&map));
                false
            }
            Ok(Event::InitDone) => true,
            Ok(Event::Apply(map)) => {
                known.insert(map.name_any(), read(&map));
                true
            }
            Ok(Event::Delete(map)) => known.remove(&map.name_any()).is_some(),
            Err(error) => {
                trouble(&context, "ConfigMap", None, &error);
                false
            }
        };
        if whole && context.stores.set_words(known.values().cloned().collect()) {
            context.triggers.everything(&context.stores);
        }
    }
    "the watch of signed statements"
}

/// A statement, filed under the clause of its label.
#[must_use]
pub fn read(map: &ConfigMap) -> Word {
    let clause = map.labels().get(ATTESTATION).cloned().unwrap_or_default();
    let text = map.data.as_ref().and_then(|data| data.get(KEY)).map_or("", String::as_str);
    Word::read(&clause, text)
}
