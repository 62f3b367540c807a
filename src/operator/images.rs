//! What is known of images, and the watches that tell it: of our records and Jobs, and of what DataSources point at. They run
//! only where the operator's config names a scanner. What images are is everybody's: news makes every Tenant look again.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::api::{ApiResource, DynamicObject};
use kube::core::{DeserializeGuard, GroupVersionKind};
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource, ResourceExt};
use tokio::task::{AbortHandle, JoinSet};

use super::context::Context;
use super::places::{News, changed, placed};
use crate::api::labels;
use crate::images::known::{self, Known, Record};
use crate::install::IMAGES_NAMESPACE;

/// CDI's CRD whose objects say which claim an image's name means now.
pub const DATA_SOURCE_CRD: &str = "datasources.cdi.kubevirt.io";

/// What the watches of this module have told.
#[derive(Debug, Default)]
pub struct ImageStore(RwLock<Arc<Known>>);

impl ImageStore {
    /// Everything.
    #[must_use]
    pub fn get(&self) -> Arc<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes one of the maps; tells whether it is another one now.
    fn change<P: Clone + PartialEq>(
        &self,
        map: fn(&mut Known) -> &mut Option<BTreeMap<String, P>>,
        news: News<P>,
    ) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        changed(map(Arc::make_mut(&mut known)), news)
    }
}

/// Starts the watches of built-in kinds.
pub(super) fn start(tasks: &mut JoinSet<&'static str>, client: &Client, context: &Arc<Context>) {
    if context.config.images.is_none() {
        return;
    }
    let golden = context.config.storage.images_namespace.clone();
    let records = "records of images";
    context.neighbours.awaited(records);
    tasks.spawn(placed(
        Api::<DeserializeGuard<ConfigMap>>::namespaced(client.clone(), IMAGES_NAMESPACE),
        Config::default().labels(labels::IMAGE_RECORD),
        context.clone(),
        "ConfigMap",
        records,
        |object| Some((place(object), record(object))),
        |context, news| everybodys(context, context.images.change(|known| &mut known.records, news)),
    ));
    let (scans, claim_scans) = ("scans of images", "scans of claims");
    jobs(tasks, client, context, IMAGES_NAMESPACE, scans, |context, news| {
        everybodys(context, context.images.change(|known| &mut known.scans, news));
    });
    jobs(tasks, client, context, &golden, claim_scans, |context, news| {
        everybodys(context, context.images.change(|known| &mut known.claim_scans, news));
    });
    let claims = "claims with images";
    context.neighbours.awaited(claims);
    tasks.spawn(placed(
        Api::<DeserializeGuard<PersistentVolumeClaim>>::namespaced(client.clone(), &golden),
        Config::default(),
        context.clone(),
        "PersistentVolumeClaim",
        claims,
        |object| Some((place(object), known::claim(object.0.as_ref().ok()?))),
        |context, news| everybodys(context, context.images.change(|known| &mut known.claims, news)),
    ));
}

/// Watches our Jobs in a namespace, by their names.
fn jobs(
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    context: &Arc<Context>,
    namespace: &str,
    awaited: &'static str,
    tell: fn(&Context, News<known::Scan>),
) {
    context.neighbours.awaited(awaited);
    tasks.spawn(placed(
        Api::<DeserializeGuard<Job>>::namespaced(client.clone(), namespace),
        Config::default().labels(labels::IMAGE_SCAN),
        context.clone(),
        "Job",
        awaited,
        |job| Some((place(job), scan(job))),
        tell,
    ));
}

/// Starts the watch of DataSources while their CRD is there.
pub(super) fn neighbour(
    crd: &str,
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    context: &Arc<Context>,
) -> Option<AbortHandle> {
    if crd != DATA_SOURCE_CRD {
        return None;
    }
    let gvk = GroupVersionKind::gvk("cdi.kubevirt.io", "v1beta1", "DataSource");
    let kind = ApiResource::from_gvk_with_plural(&gvk, "datasources");
    Some(tasks.spawn(placed(
        Api::<DynamicObject>::namespaced_with(client.clone(), &context.config.storage.images_namespace, &kind),
        Config::default(),
        context.clone(),
        "DataSource",
        DATA_SOURCE_CRD,
        |source| Some((place(source), known::source(source))),
        |context, news| everybodys(context, context.images.change(|known| &mut known.sources, news)),
    )))
}

/// CDI is gone, and with it what its objects told.
pub(super) fn gone(crd: &str, context: &Context) {
    if crd == DATA_SOURCE_CRD {
        context.images.change(|known| &mut known.sources, News::Nothing);
    }
}

/// One that cannot be read counts as nothing, and says so.
fn record(object: &DeserializeGuard<ConfigMap>) -> Record {
    match &object.0 {
        Ok(object) => known::record(object),
        Err(error) => Record::Unreadable(error.to_string()),
    }
}

/// One that cannot be read is there all the same.
fn scan(job: &DeserializeGuard<Job>) -> known::Scan {
    job.0.as_ref().map(known::scan).unwrap_or_default()
}

fn place<K: Resource>(object: &K) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

fn everybodys(context: &Context, changed: bool) {
    if changed {
        context.triggers.all_tenants(&context.stores);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::images::known::Scan;

    #[test]
    fn what_cannot_be_decoded_is_no_result_and_still_a_job() {
        let record = record(&serde_json::from_value(json!({"metadata": {"name": "x"}, "data": 5})).unwrap());
        assert!(matches!(record, Record::Unreadable(why) if !why.is_empty()));
        let job = serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": 5})).unwrap();
        assert_eq!(scan(&job), Scan::Ordered);
    }

    #[test]
    fn a_job_that_says_nothing_new_is_no_news() {
        let store = ImageStore::default();
        let say = |news: News<Scan>| store.change(|known| &mut known.scans, news);
        assert!(store.get().scans.is_none(), "not listed is not empty");
        assert!(say(News::All(Vec::new())));
        assert!(say(News::One("a/b".into(), Some(Scan::default()))));
        assert!(!say(News::One("a/b".into(), Some(Scan::default()))));
        assert!(say(News::One("a/b".into(), Some(Scan::Running))));
        assert!(say(News::One("a/b".into(), None)));
    }
}
