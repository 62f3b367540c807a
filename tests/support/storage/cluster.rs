//! What the driver sees of the cluster, through caches, and the few ways in which it writes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::backend::Backend;
use super::{Options, merge_finalizers};
use crate::support::world::resource;

/// An object as it is cached.
pub type Object = Arc<DynamicObject>;

/// What became of one step; an error is told and the step tried again.
pub type Step = Result<(), kube::Error>;

/// The kinds that the driver looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    StorageClass,
    Claim,
    Volume,
    SnapshotClass,
    Snapshot,
    SnapshotContent,
    DataVolume,
    Machine,
    Instance,
    MachineSnapshot,
    MachineSnapshotContent,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::StorageClass,
        Self::Claim,
        Self::Volume,
        Self::SnapshotClass,
        Self::Snapshot,
        Self::SnapshotContent,
        Self::DataVolume,
        Self::Machine,
        Self::Instance,
        Self::MachineSnapshot,
        Self::MachineSnapshotContent,
    ];

    pub fn resource(self) -> ApiResource {
        let (group, version, kind) = match self {
            Self::StorageClass => ("storage.k8s.io", "v1", "StorageClass"),
            Self::Claim => ("", "v1", "PersistentVolumeClaim"),
            Self::Volume => ("", "v1", "PersistentVolume"),
            Self::SnapshotClass => ("snapshot.storage.k8s.io", "v1", "VolumeSnapshotClass"),
            Self::Snapshot => ("snapshot.storage.k8s.io", "v1", "VolumeSnapshot"),
            Self::SnapshotContent => ("snapshot.storage.k8s.io", "v1", "VolumeSnapshotContent"),
            Self::DataVolume => ("cdi.kubevirt.io", "v1beta1", "DataVolume"),
            Self::Machine => ("kubevirt.io", "v1", "VirtualMachine"),
            Self::Instance => ("kubevirt.io", "v1", "VirtualMachineInstance"),
            Self::MachineSnapshot => ("snapshot.kubevirt.io", "v1beta1", "VirtualMachineSnapshot"),
            Self::MachineSnapshotContent => ("snapshot.kubevirt.io", "v1beta1", "VirtualMachineSnapshotContent"),
        };
        let end = if kind.ends_with('s') { "es" } else { "s" };
        resource(group, version, kind, &(kind.to_lowercase() + end))
    }

    /// In this namespace, or of the whole cluster.
    pub fn api(self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource()),
            None => Api::all_with(client.clone(), &self.resource()),
        }
    }
}

/// The caches, the backend, and a client to write with.
pub struct Cluster {
    pub client: Client,
    pub backend: Mutex<Backend>,
    pub options: Mutex<Options>,
    /// Held while everything is looked at.
    pub paused: tokio::sync::Mutex<bool>,
    /// Told when anything is worth another look.
    pub changed: Notify,
    stores: BTreeMap<Kind, Store<DynamicObject>>,
    /// Kinds whose objects are known, or that the cluster does not have.
    listed: Mutex<BTreeSet<Kind>>,
    told: Mutex<BTreeSet<String>>,
}

impl Cluster {
    /// The caches, and what fills each of them.
    pub fn new(client: Client, options: Options) -> (Arc<Self>, Vec<(Kind, Writer<DynamicObject>)>) {
        let writers: Vec<_> = Kind::ALL.into_iter().map(|kind| (kind, Writer::new(kind.resource()))).collect();
        let cluster = Self {
            client,
            backend: Mutex::default(),
            options: Mutex::new(options),
            paused: tokio::sync::Mutex::new(false),
            changed: Notify::new(),
            stores: writers.iter().map(|(kind, writer)| (*kind, writer.as_reader())).collect(),
            listed: Mutex::default(),
            told: Mutex::default(),
        };
        (Arc::new(cluster), writers)
    }

    /// Fills one cache for ever.
    pub async fn watch(self: Arc<Self>, kind: Kind, writer: Writer<DynamicObject>) {
        let events = watcher(kind.api(&self.client, None), watcher::Config::default()).default_backoff();
        let mut events = pin!(events.reflect(writer));
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::InitDone) => {
                    self.listed.lock().expect("no panic").insert(kind);
                }
                Ok(watcher::Event::Delete(object)) => self.backend.lock().expect("no panic").orphaned(kind, &object),
                Ok(_) => {}
                Err(error) => {
                    // A cluster without this neighbour has none of its objects.
                    if is_unknown(&error) {
                        self.listed.lock().expect("no panic").insert(kind);
                    }
                    self.tell(&format!("watching {kind:?}: {error}"));
                }
            }
            self.changed.notify_one();
        }
    }

    /// Is it known what there is?
    pub fn is_listed(&self) -> bool {
        self.listed.lock().expect("no panic").len() == Kind::ALL.len()
    }

    pub fn all(&self, kind: Kind) -> Vec<Object> {
        self.stores[&kind].state()
    }

    pub fn get(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Option<Object> {
        self.stores[&kind].find(|object| {
            object.metadata.name.as_deref() == Some(name) && object.metadata.namespace.as_deref() == namespace
        })
    }

    /// Asks the API server before it says that there is none: a cache that lags would lead to a loss.
    pub async fn fetch(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<Option<Object>, kube::Error> {
        match self.get(kind, namespace, name) {
            Some(object) => Ok(Some(object)),
            None => Ok(kind.api(&self.client, namespace).get_opt(name).await?.map(Arc::new)),
        }
    }

    /// What exists already is as good as created.
    pub async fn create(&self, kind: Kind, mut manifest: Value) -> Step {
        let resource = kind.resource();
        manifest["apiVersion"] = resource.api_version.into();
        manifest["kind"] = resource.kind.into();
        let namespace = manifest["metadata"]["namespace"].as_str().map(str::to_owned);
        let object = serde_json::from_value(manifest).map_err(kube::Error::SerdeError)?;
        let answer = kind.api(&self.client, namespace.as_deref()).create(&PostParams::default(), &object).await;
        unless(answer, 409)
    }

    /// What is gone is as good as deleted; another object of the same name is left alone.
    pub async fn delete(&self, kind: Kind, object: &DynamicObject) -> Step {
        let same = Preconditions { uid: object.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        match self.api_of(kind, object).delete(name(object), &parameters).await {
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            answer => answer.map(drop),
        }
    }

    pub async fn status(&self, kind: Kind, object: &DynamicObject, status: Value) -> Step {
        if contains(&object.data["status"], &status) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"status": status}));
        let answer = self.api_of(kind, object).patch_status(name(object), &PatchParams::default(), &patch).await;
        unless(answer, 404)
    }

    pub async fn patch(&self, kind: Kind, object: &DynamicObject, patch: Value) -> Step {
        let answer = self.api_of(kind, object).patch(name(object), &PatchParams::default(), &Patch::Merge(patch)).await;
        unless(answer, 404)
    }

    /// Adds and removes finalizers, if anything has to change.
    pub async fn finalizers(&self, kind: Kind, object: &DynamicObject, add: &[&str], remove: &[&str]) -> Step {
        let before = object.metadata.finalizers.clone().unwrap_or_default();
        let after = merge_finalizers(&before, add, remove);
        if before == after {
            return Ok(());
        }
        // With the version that was looked at: another may have added one of its own meanwhile.
        let version = &object.metadata.resource_version;
        let patch = json!({"metadata": {"finalizers": after, "resourceVersion": version}});
        self.patch(kind, object, patch).await
    }

    fn api_of(&self, kind: Kind, object: &DynamicObject) -> Api<DynamicObject> {
        kind.api(&self.client, object.metadata.namespace.as_deref())
    }

    /// Tells how a step ended, if badly; whether it has to be tried again.
    pub fn failed(&self, what: &str, object: &DynamicObject, step: Step) -> bool {
        match step {
            Ok(()) => false,
            // The cache lags: its next event brings the newer version.
            Err(kube::Error::Api(status)) if status.code == 409 => true,
            Err(error) => {
                let namespace = object.metadata.namespace.as_deref().unwrap_or("-");
                self.tell(&format!("{what} {namespace}/{}: {error}", name(object)));
                true
            }
        }
    }

    /// Once for each thing: it is tried ten times a second.
    pub fn tell(&self, what: &str) {
        if self.told.lock().expect("no panic").insert(what.to_owned()) {
            eprintln!("storage driver: {what}");
        }
    }
}

/// Does the cluster not have the kind?
fn is_unknown(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// Does this answer count as done even with that code?
fn unless<T>(answer: Result<T, kube::Error>, code: u16) -> Step {
    match answer {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        answer => answer.map(drop),
    }
}

/// Is every field of `part` in `whole`?
fn contains(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(part) => part.iter().all(|(key, value)| contains(&whole[key], value)),
        part => whole == part,
    }
}

pub fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

pub fn uid(object: &DynamicObject) -> &str {
    object.metadata.uid.as_deref().unwrap_or_default()
}

pub fn is_going(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

pub fn annotation<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The annotation that keeps the bed's other stand-ins away from an object, too.
pub fn is_held(object: &DynamicObject) -> bool {
    annotation(object, "test.cloudfarm/hold").is_some()
}

/// When it was created: good enough for every time that a status wants, and no clock is read.
pub fn born(object: &DynamicObject) -> Timestamp {
    object.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// A reference to an owner, as controllers write it.
pub fn controller_reference(kind: Kind, owner: &DynamicObject) -> Value {
    let resource = kind.resource();
    json!({
        "apiVersion": resource.api_version, "kind": resource.kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}
