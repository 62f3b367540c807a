//! Doors that stand open: every Role and RoleBinding that says it is part of one, whoever made it, and the sweep that closes
//! what must not stand, without asking whether anything else was seen.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::context::Context;
use super::places::{News, changed, placed};
use crate::access::door::{Door, in_order};
use crate::access::sweep::{Sight, closes, next};
use crate::api::labels;
use crate::cluster::object::Managed;

/// How often doors are looked at although nothing was told.
const SWEEP: Duration = Duration::from_mins(1);

/// What the watches have told, by place.
#[derive(Debug, Default)]
pub struct DoorStore {
    known: RwLock<Known>,
    /// Told when the sweep has to look before its time.
    look: Notify,
}

#[derive(Debug, Default)]
struct Known {
    roles: Option<BTreeMap<String, Door>>,
    bindings: Option<BTreeMap<String, Door>>,
}

impl DoorStore {
    /// What a grant has open, or what says so.
    #[must_use]
    pub fn of_grant(&self, namespace: &str, grant: &str) -> Vec<Door> {
        let mut all = self.all();
        all.retain(|door| door.grant == grant && door.seen.reference.namespace.as_deref() == Some(namespace));
        all
    }

    /// Every part of every door.
    #[must_use]
    pub fn all(&self) -> Vec<Door> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.bindings.iter().chain(&known.roles).flat_map(BTreeMap::values).cloned().collect()
    }

    /// Something happened that may be a reason to close a door, such as a deleted grant.
    pub fn look(&self) {
        self.look.notify_one();
    }

    fn change(&self, map: fn(&mut Known) -> &mut Option<BTreeMap<String, Door>>, news: News<Door>) -> bool {
        changed(map(&mut self.known.write().unwrap_or_else(PoisonError::into_inner)), news)
    }
}

/// Starts the watches.
pub(super) fn start(tasks: &mut JoinSet<&'static str>, client: &Client, context: &Arc<Context>) {
    let (roles, bindings) = ("roles of doors", "bindings of doors");
    context.neighbours.awaited(roles);
    tasks.spawn(placed(
        Api::<DeserializeGuard<Role>>::all(client.clone()),
        Config::default().labels(labels::GRANT),
        context.clone(),
        "Role",
        roles,
        place,
        |context, news| tell(context, |known| &mut known.roles, news),
    ));
    context.neighbours.awaited(bindings);
    tasks.spawn(placed(
        Api::<DeserializeGuard<RoleBinding>>::all(client.clone()),
        Config::default().labels(labels::GRANT),
        context.clone(),
        "RoleBinding",
        bindings,
        place,
        |context, news| tell(context, |known| &mut known.bindings, news),
    ));
}

fn place<K: Managed>(object: &DeserializeGuard<K>) -> Option<(String, Door)> {
    let door = Door::of(object.0.as_ref().ok()?)?;
    Some((
        format!("{}/{}", door.seen.reference.namespace.as_deref().unwrap_or_default(), door.seen.reference.name),
        door,
    ))
}

/// Whoever a door names looks at it: somebody may have made it by hand.
fn tell(context: &Context, map: fn(&mut Known) -> &mut Option<BTreeMap<String, Door>>, news: News<Door>) {
    let told: Vec<Door> = match &news {
        News::All(all) => all.iter().map(|(_, door)| door.clone()).collect(),
        News::One(_, door) => door.iter().cloned().collect(),
        News::Nothing => Vec::new(),
    };
    if context.doors.change(map, news) {
        for door in told {
            context.triggers.grant(door.seen.reference.namespace.as_deref().unwrap_or_default(), &door.grant);
        }
        context.doors.look();
    }
}

/// Sweeps at once, then every minute, when the hour of a door comes and when there is news of one. Only while this process leads.
pub(super) async fn sweeping(context: &Context) {
    loop {
        sweep(context).await;
        let now = context.clock.steady();
        let until =
            next(&context.doors.all(), now).map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let pause = until.map_or(SWEEP, |until| until.min(SWEEP));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.doors.look.notified() => {}
        }
    }
}

async fn sweep(context: &Context) {
    let now = context.clock.steady();
    let doors = context.doors.all();
    let over = doors.iter().filter_map(|door| {
        let namespace = door.seen.reference.namespace.as_deref().unwrap_or_default();
        let found = context.stores.grants.get(&ObjectRef::new(&door.grant).within(namespace));
        let fresh = found.as_deref().map(|found| found.0.as_ref().map(|grant| context.statuses.freshest(grant)));
        let sight = match &fresh {
            Some(Ok(grant)) => Sight::Seen(grant),
            None if context.stores.grants.synced() => Sight::Gone,
            _ => Sight::Unknown,
        };
        Some((door, closes(door, &sight, now)?))
    });
    let over: Vec<(&Door, &str)> = over.collect();
    for (door, why) in &over {
        tracing::info!(door = %door.seen.reference, why, "a door is closed by the sweep");
    }
    for fault in context.cluster.close(&in_order(over.iter().map(|(door, _)| door.seen.clone()))).await {
        tracing::warn!(%fault, "a door is still open");
    }
    for (door, _) in over {
        // Its status says so.
        context.triggers.grant(door.seen.reference.namespace.as_deref().unwrap_or_default(), &door.grant);
    }
}
