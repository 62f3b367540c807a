//! What is known of places, and the watches that tell it: one per kind. What belongs to everybody makes every Tenant look
//! again, a volume its own.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::core::{DeserializeGuard, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::{AbortHandle, JoinSet};

use super::context::Context;
use super::images;
use super::of_tenants::OfTenants;
use super::watches::{patience, trouble};
use crate::foreign::place::{self, Places, VolumePlace};
use crate::foreign::velero::{self, Backup};

/// Neighbours' CRDs that tell of places.
pub const SNAPSHOT_CLASS_CRD: &str = "volumesnapshotclasses.snapshot.storage.k8s.io";
pub const BACKUP_LOCATION_CRD: &str = "backupstoragelocations.velero.io";
pub const BACKUP_CRD: &str = "backups.velero.io";

/// What the watches of this module have told.
#[derive(Debug, Default)]
pub struct PlaceStore {
    places: RwLock<Arc<Places>>,
    volumes: OfTenants<VolumePlace>,
    backups: OfTenants<Backup>,
}

impl PlaceStore {
    /// Everything that is nobody's own.
    #[must_use]
    pub fn get(&self) -> Arc<Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A tenant's volumes by name; `None` before volumes were listed.
    #[must_use]
    pub fn volumes_of(&self, tenant: &str) -> Option<BTreeMap<String, Arc<VolumePlace>>> {
        self.volumes.of(tenant)
    }

    /// Velero's backups by a tenant's plan, by `<namespace>/<name>`; `None` while Velero's kinds are not there.
    #[must_use]
    pub fn backups_of(&self, tenant: &str) -> Option<BTreeMap<String, Arc<Backup>>> {
        self.backups.of(tenant)
    }

    /// Changes one of the maps; tells whether it is another one now.
    fn change<P: Clone + PartialEq>(
        &self,
        map: fn(&mut Places) -> &mut Option<BTreeMap<String, P>>,
        news: News<P>,
    ) -> bool {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        // Copied only while a pass looks at it.
        changed(map(Arc::make_mut(&mut places)), news)
    }
}

/// What a watch tells: a whole list, one object as it is now, or that the kind is gone.
pub(super) enum News<P> {
    All(Vec<(String, P)>),
    One(String, Option<P>),
    Nothing,
}

/// Changes what is known of a kind; tells whether it is another now.
pub(super) fn changed<P: PartialEq>(of_kind: &mut Option<BTreeMap<String, P>>, news: News<P>) -> bool {
    match news {
        News::All(all) => {
            let all = Some(all.into_iter().collect());
            let changed = *of_kind != all;
            *of_kind = all;
            changed
        }
        News::Nothing => of_kind.take().is_some(),
        News::One(name, Some(one)) => {
            let all = of_kind.get_or_insert_default();
            let changed = all.get(&name) != Some(&one);
            if changed {
                all.insert(name, one);
            }
            changed
        }
        News::One(name, None) => of_kind.as_mut().is_some_and(|all| all.remove(&name).is_some()),
    }
}

/// Starts the watches of built-in kinds.
pub(super) fn start(tasks: &mut JoinSet<&'static str>, client: &Client, context: &Arc<Context>) {
    for kind in ["Node", "StorageClass", "PersistentVolume"] {
        context.neighbours.awaited(kind);
    }
    let all = Api::<PartialObjectMeta<Node>>::all(client.clone());
    let label = context.config.residency.node_label.clone();
    tasks.spawn(placed(
        all,
        Config::default(),
        context.clone(),
        "Node",
        "Node",
        move |node| Some((node.name_any(), place::node(node, &label))),
        |context, news| everybodys(context, context.places.change(|places| &mut places.nodes, news)),
    ));
    let all = Api::<DeserializeGuard<StorageClass>>::all(client.clone());
    tasks.spawn(placed(
        all,
        Config::default(),
        context.clone(),
        "StorageClass",
        "StorageClass",
        |class| Some((class.name_any(), place::storage_class(class.0.as_ref().ok()?))),
        |context, news| everybodys(context, context.places.change(|places| &mut places.classes, news)),
    ));
    let all = Api::<DeserializeGuard<PersistentVolume>>::all(client.clone());
    tasks.spawn(placed(
        all,
        Config::default(),
        context.clone(),
        "PersistentVolume",
        "PersistentVolume",
        |volume| Some((volume.name_any(), place::volume(volume.0.as_ref().ok()?)?)),
        |context, news| {
            ones(context, &context.places.volumes.change(news));
        },
    ));
}

/// Starts the watch of a neighbour's kind while its CRD is there; `None` if it tells of no place.
pub(super) fn neighbour(
    crd: &str,
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    context: &Arc<Context>,
) -> Option<AbortHandle> {
    let dynamic = |group: &str, kind: &str, plural: &str| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
    };
    let watch = match crd {
        SNAPSHOT_CLASS_CRD => {
            let kind = dynamic("snapshot.storage.k8s.io", "VolumeSnapshotClass", "volumesnapshotclasses");
            tasks.spawn(placed(
                Api::<DynamicObject>::all_with(client.clone(), &kind),
                Config::default(),
                context.clone(),
                "VolumeSnapshotClass",
                SNAPSHOT_CLASS_CRD,
                |class| Some((class.name_any(), place::snapshot_class(class))),
                |context, news| everybodys(context, context.places.change(|places| &mut places.snapshot_classes, news)),
            ))
        }
        BACKUP_LOCATION_CRD => {
            let kind = dynamic("velero.io", "BackupStorageLocation", "backupstoragelocations");
            tasks.spawn(placed(
                Api::<DynamicObject>::all_with(client.clone(), &kind),
                Config::default(),
                context.clone(),
                "BackupStorageLocation",
                BACKUP_LOCATION_CRD,
                |location| {
                    let name = format!("{}/{}", location.namespace().unwrap_or_default(), location.name_any());
                    Some((name, place::backup_location(location)))
                },
                |context, news| everybodys(context, context.places.change(|places| &mut places.backup_locations, news)),
            ))
        }
        BACKUP_CRD => {
            let kind = dynamic("velero.io", "Backup", "backups");
            tasks.spawn(placed(
                Api::<DynamicObject>::all_with(client.clone(), &kind),
                Config::default().labels(velero::SCHEDULE_NAME),
                context.clone(),
                "Backup",
                BACKUP_CRD,
                |backup| {
                    let name = format!("{}/{}", backup.namespace().unwrap_or_default(), backup.name_any());
                    Some((name, velero::backup(backup)?))
                },
                |context, news| ones(context, &context.places.backups.change(news)),
            ))
        }
        _ => return images::neighbour(crd, tasks, client, context),
    };
    Some(watch)
}

/// A neighbour's CRD is gone, and with it what its objects told.
pub(super) fn gone(crd: &str, context: &Context) {
    match crd {
        SNAPSHOT_CLASS_CRD => {
            context.places.change(|places| &mut places.snapshot_classes, News::Nothing);
        }
        BACKUP_LOCATION_CRD => {
            context.places.change(|places| &mut places.backup_locations, News::Nothing);
        }
        BACKUP_CRD => ones(context, &context.places.backups.change(News::Nothing)),
        _ => images::gone(crd, context),
    }
}

fn ones(context: &Context, tenants: &[String]) {
    for tenant in tenants {
        context.triggers.tenant(tenant);
    }
}

fn everybodys(context: &Context, changed: bool) {
    if changed {
        context.triggers.all_tenants(&context.stores);
    }
}

/// Watches one kind. No pass runs before it was listed, so that a restart forgets nothing for a moment.
pub(super) async fn placed<K, P, F>(
    api: Api<K>,
    config: Config,
    context: Arc<Context>,
    kind: &'static str,
    awaited: &'static str,
    place: F,
    tell: fn(&Context, News<P>),
) -> &'static str
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    F: Fn(&K) -> Option<(String, P)> + Send + 'static,
    P: Send + 'static,
{
    // A name under which it is known also when it cannot be placed.
    let name = |object: &K| match object.meta().namespace.as_deref() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    };
    let mut events = std::pin::pin!(watcher(api, config).backoff(patience()));
    let mut listing = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listing.clear(),
            Ok(Event::InitApply(object)) => listing.extend(place(&object)),
            Ok(Event::InitDone) => {
                tell(&context, News::All(std::mem::take(&mut listing)));
                context.neighbours.settled(awaited);
            }
            Ok(Event::Apply(object)) => {
                context.metrics.watch_event(kind, context.clock.now().as_second());
                tell(&context, News::One(name(&object), place(&object).map(|(_, placed)| placed)));
            }
            Ok(Event::Delete(object)) => tell(&context, News::One(name(&object), None)),
            Err(error) => trouble(&context, kind, Some(awaited), &error),
        }
    }
    "a watch of places"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::place::NodePlace;

    #[test]
    fn a_heartbeat_of_a_node_is_no_news() {
        let store = PlaceStore::default();
        let node = |zone: &str| NodePlace { zone: Some(zone.into()), ..NodePlace::default() };
        let say = |news: News<NodePlace>| store.change(|places| &mut places.nodes, news);
        assert!(say(News::All(Vec::new())), "listed, and there is none");
        assert!(say(News::One("n".into(), Some(node("jp-a")))));
        assert!(!say(News::One("n".into(), Some(node("jp-a")))));
        assert!(say(News::One("n".into(), Some(node("jp-b")))));
        assert!(say(News::One("n".into(), None)));
        assert!(!say(News::One("n".into(), None)));
    }
}
