//! The watches: one per kind, label-selected, never one per tenant.
//!
//! Each watch is a task that runs for the life of the process. Built-in kinds and our own are watched from the start;
//! a neighbour's kind (KubeVirt, CDI) is watched while its CRD exists, which a metadata watch of CRDs tells. A task
//! that ends or panics ends the process: an operator that no longer sees must not go on deciding.

mod attestations;
mod neighbours;
mod platform;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::StreamExt;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer as StoreWriter;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::context::Context;
use super::stores::{Declared, Guarded, OfTenant};
use super::{doors, images, places};
use crate::api::access_grant::AccessGrant;
use crate::api::labels;
use crate::api::notice::Notice;
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Kind, Managed, Observation};
use crate::cluster::observed::Change;
use crate::install::{EVIDENCE_NAMESPACE, NAMESPACE};
use crate::probe;
use crate::probe::report::Report;

/// Reflector writers that belong to [`super::stores::Stores`].
pub struct Writers {
    pub tenants: StoreWriter<Guarded<Tenant>>,
    pub networks: StoreWriter<Guarded<TenantNetwork>>,
    pub retentions: StoreWriter<Guarded<Retention>>,
    pub grants: StoreWriter<Guarded<AccessGrant>>,
    pub notices: StoreWriter<Guarded<Notice>>,
}

/// Starts every watch.
pub fn start(client: &Client, context: &Arc<Context>, writers: Writers) -> JoinSet<&'static str> {
    let mut tasks = JoinSet::new();
    tasks.spawn(declared(
        client.clone(),
        context.clone(),
        writers.tenants,
        |context| &context.stores.tenants,
        on_tenant,
        on_tenant_gone,
    ));
    tasks.spawn(declared(
        client.clone(),
        context.clone(),
        writers.networks,
        |context| &context.stores.networks,
        on_network,
        on_network_gone,
    ));
    tasks.spawn(declared(
        client.clone(),
        context.clone(),
        writers.retentions,
        |context| &context.stores.retentions,
        on_retention,
        nobody_else,
    ));
    tasks.spawn(declared(
        client.clone(),
        context.clone(),
        writers.grants,
        |context| &context.stores.grants,
        on_grant,
        on_grant_gone,
    ));
    tasks.spawn(declared(
        client.clone(),
        context.clone(),
        writers.notices,
        |context| &context.stores.notices,
        |context, notice| context.triggers.notice(ObjectRef::from_obj(notice)),
        |context, notice| {
            context.notices.forget(notice.meta().uid.as_deref().unwrap_or_default());
            context.notices.forget(&notice.name_any());
        },
    ));
    tasks.spawn(managed::<Namespace>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<ResourceQuota>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<LimitRange>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<NetworkPolicy>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<Role>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<RoleBinding>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<PersistentVolumeClaim>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<Service>(Api::all(client.clone()), context.clone()));
    tasks.spawn(managed::<CronJob>(Api::namespaced(client.clone(), &context.config.purge.namespace), context.clone()));
    tasks.spawn(managed::<Lease>(Api::namespaced(client.clone(), NAMESPACE), context.clone()));
    tasks.spawn(managed::<ConfigMap>(Api::namespaced(client.clone(), EVIDENCE_NAMESPACE), context.clone()));
    context.neighbours.awaited(probe::NAME);
    tasks.spawn(probe_report(Api::namespaced(client.clone(), EVIDENCE_NAMESPACE), context.clone()));
    if context.config.open_reports {
        tasks.spawn(attestations::attestations(Api::namespaced(client.clone(), EVIDENCE_NAMESPACE), context.clone()));
    }
    places::start(&mut tasks, client, context);
    doors::start(&mut tasks, client, context);
    images::start(&mut tasks, client, context);
    tasks.spawn(neighbours::neighbours(client.clone(), context.clone()));
    tasks
}

/// How long a watch that failed waits before the next attempt: kube's own wait of up to a minute would be the longest
/// part of getting over a restart of the API server.
pub(super) fn patience() -> impl Backoff {
    let between = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    ResetTimerBackoff::new(ExponentialBackoff::from(between), Duration::from_mins(2))
}

/// Watches one of our own kinds into its store and index.
async fn declared<K>(
    client: Client,
    context: Arc<Context>,
    writer: StoreWriter<Guarded<K>>,
    store: fn(&Context) -> &Declared<K>,
    on_change: fn(&Context, &Guarded<K>),
    on_delete: fn(&Context, &Guarded<K>),
) -> &'static str
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    Guarded<K>: OfTenant,
{
    let kind = K::kind(&()).into_owned();
    let events = watcher(Api::<Guarded<K>>::all(client), watcher::Config::default()).backoff(patience()).modify(slim);
    let mut events = std::pin::pin!(reflector(writer, events));
    let mut listing = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listing.clear(),
            Ok(Event::InitApply(object)) => listing.push((object.tenant(), ObjectRef::from_obj(&object))),
            Ok(Event::InitDone) => {
                context.doors.look();
                for tenant in store(&context).relisted(std::mem::take(&mut listing)) {
                    context.triggers.home(&context.stores, &tenant);
                }
                context.triggers.everything(&context.stores);
            }
            Ok(Event::Apply(object)) => {
                context.metrics.watch_event(&kind, context.clock.now().as_second());
                store(&context).index(&object.tenant(), ObjectRef::from_obj(&object));
                if !context.statuses.echo(&object) {
                    on_change(&context, &object);
                }
            }
            Ok(Event::Delete(object)) => {
                store(&context).unindex(&object.tenant(), &ObjectRef::from_obj(&object));
                context.triggers.home(&context.stores, &object.tenant());
                on_delete(&context, &object);
            }
            Err(error) => trouble(&context, &kind, None, &error),
        }
    }
    "a watch of our own kinds"
}

// A Tenant's list of VMs decides what its networks attach, and its dates what its Retention does.
fn on_tenant(context: &Context, tenant: &Guarded<Tenant>) {
    context.triggers.home(&context.stores, &tenant.tenant());
    if tenant.0.as_ref().is_ok_and(|tenant| context.notices.other_people(tenant)) {
        context.triggers.notices_about(&context.stores, &tenant.tenant());
    }
}

// Nobody of it is told any more.
fn on_tenant_gone(context: &Context, tenant: &Guarded<Tenant>) {
    context.triggers.notices_about(&context.stores, &tenant.tenant());
}

// A network decides about the Tenant's VMs (what they are attached by, which resolvers they are told), and about its
// siblings' rules, ranges and addresses, and about whoever wants the same VLAN id.
fn on_network(context: &Context, network: &Guarded<TenantNetwork>) {
    context.triggers.tenant(&network.tenant());
    context.triggers.networks_of(&context.stores, &network.tenant());
    context.triggers.rivals(&context.stores, network);
}

// Who was told that another asks for the same VLAN id learns that it does no longer.
fn on_network_gone(context: &Context, network: &Guarded<TenantNetwork>) {
    context.triggers.rivals(&context.stores, network);
}

// What was declared for the tenant has been told already.
fn nobody_else<K: Resource<DynamicType = ()>>(_: &Context, _: &Guarded<K>) {}

// A hold, or a purge that begins, is the Tenant's business, too.
fn on_retention(context: &Context, retention: &Guarded<Retention>) {
    context.triggers.retention(ObjectRef::from_obj(retention));
    context.triggers.tenant(&retention.tenant());
}

// What a grant asks for is nobody else's business.
fn on_grant(context: &Context, grant: &Guarded<AccessGrant>) {
    context.triggers.grant(&grant.namespace().unwrap_or_default(), &grant.name_any());
}

// No pass is left that would close what it has open.
fn on_grant_gone(context: &Context, _: &Guarded<AccessGrant>) {
    context.doors.look();
}

/// Watches one kind of object that we make.
async fn managed<K: Managed>(api: Api<DeserializeGuard<K>>, context: Arc<Context>) -> &'static str {
    let kind = K::KIND;
    let events = watcher(api, watcher::Config::default().labels(&selector(kind)));
    let mut events = std::pin::pin!(events.backoff(patience()));
    let mut listing = Vec::new();
    while let Some(event) = events.next().await {
        if let Err(error) = &event {
            context.cluster.observed.mark(kind, false);
            trouble(&context, &format!("{kind:?}"), kind.neighbour_crd(), error);
            continue;
        }
        context.metrics.watch_event(&format!("{kind:?}"), context.clock.now().as_second());
        // A page of a list that is under way proves nothing yet.
        if matches!(event, Ok(Event::Apply(_) | Event::Delete(_))) {
            context.cluster.observed.mark(kind, true);
        }
        match event {
            Ok(Event::Init) => {
                listing.clear();
                context.cluster.observed.relist(kind);
            }
            Ok(Event::InitApply(object)) => listing.extend(reduced(object)),
            Ok(Event::InitDone) => {
                let changed = context.cluster.observed.replace(kind, std::mem::take(&mut listing));
                if let Some(crd) = kind.neighbour_crd().filter(|_| !context.cluster.installed(kind)) {
                    context.cluster.set_installed(kind, true);
                    context.neighbours.settled(crd);
                    context.triggers.everything(&context.stores);
                }
                for tenant in &changed {
                    context.triggers.home(&context.stores, tenant);
                }
                // Leases lie in nobody's home.
                if kind == Kind::Lease && !changed.is_empty() {
                    context.triggers.all_networks(&context.stores);
                }
            }
            Ok(Event::Apply(object)) => {
                if let Some(observation) = reduced(object)
                    && context.cluster.observed.see(observation.clone()) == Change::Changed
                {
                    context.triggers.object(&context.stores, &observation);
                }
            }
            Ok(Event::Delete(object)) => {
                if let Some(observation) = reduced(object)
                    && context.cluster.observed.forget(&observation) == Change::Changed
                {
                    context.triggers.object(&context.stores, &observation);
                }
            }
            Err(_) => {}
        }
    }
    "a watch of managed objects"
}

/// A namespace may have been labelled by the provider before we adopt it; everything else we made ourselves.
fn selector(kind: Kind) -> String {
    match kind {
        Kind::Namespace => labels::TENANT.to_owned(),
        _ => format!("{}={},{}", labels::MANAGED_BY, labels::FIELD_MANAGER, labels::TENANT),
    }
}

fn reduced<K: Managed>(object: DeserializeGuard<K>) -> Option<Observation> {
    match object.0 {
        Ok(object) => Some(Observation::of(&object)),
        Err(error) => {
            let name = error.metadata.name.as_deref().unwrap_or_default();
            let namespace = error.metadata.namespace.as_deref().unwrap_or_default();
            tracing::warn!(kind = ?K::KIND, namespace, name, %error, "a managed object cannot be read; it is left alone");
            None
        }
    }
}

/// Watches the one ConfigMap into which the probe writes, whoever made it. No pass runs before it was looked for, so that a
/// restart does not forget for a moment what was measured.
async fn probe_report(api: Api<ConfigMap>, context: Arc<Context>) -> &'static str {
    let events = watcher(api, watcher::Config::default().fields(&format!("metadata.name={}", probe::NAME)));
    let mut events = std::pin::pin!(events.backoff(patience()));
    let mut listed = None;
    while let Some(event) = events.next().await {
        let report = match event {
            Ok(Event::Init) => {
                listed = None;
                continue;
            }
            Ok(Event::InitApply(report)) => {
                listed = Report::read(&report.data.unwrap_or_default());
                continue;
            }
            Ok(Event::InitDone) => listed.take(),
            Ok(Event::Apply(report)) => Report::read(&report.data.unwrap_or_default()),
            Ok(Event::Delete(_)) => None,
            Err(error) => {
                trouble(&context, "ConfigMap", Some(probe::NAME), &error);
                continue;
            }
        };
        context.neighbours.settled(probe::NAME);
        if context.stores.set_probe(report) {
            context.triggers.all_networks(&context.stores);
        }
    }
    "the watch of the probe's report"
}

/// A watch was interrupted. `awaited` is what [`super::neighbourhood`] knows by that name.
pub(super) fn trouble(context: &Context, kind: &str, awaited: Option<&str>, error: &watcher::Error) {
    context.metrics.watch_error(kind);
    if let Some(awaited) = awaited {
        context.neighbours.failing(awaited);
    }
    tracing::warn!(kind, %error, "watch interrupted; it is taken up again");
}

/// Drops what nobody reads before it is stored: most of an object's memory is its managed fields.
fn slim<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}
