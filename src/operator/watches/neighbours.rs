//! Watches that come and go with a neighbour's CRD.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::task::{AbortHandle, JoinSet};

use super::{managed, patience, platform, trouble};
use crate::cluster::object::{Kind, Managed};
use crate::foreign::certificate::Certificate;
use crate::foreign::cluster_network_policy::ClusterNetworkPolicy;
use crate::foreign::data_volume::DataVolume;
use crate::foreign::instancetype::{Size, VirtualMachineClusterInstancetype};
use crate::foreign::kubevirt::Platform;
use crate::foreign::multi_network_policy::MultiNetworkPolicy;
use crate::foreign::network_attachment_definition::NetworkAttachmentDefinition;
use crate::foreign::open_reports::{ClusterReport, Report};
use crate::foreign::user_defined_network::{ClusterUserDefinedNetwork, UserDefinedNetwork};
use crate::foreign::velero::Schedule;
use crate::foreign::virtual_machine::VirtualMachine;
use crate::foreign::virtual_machine_snapshot::VirtualMachineSnapshot;
use crate::operator::context::Context;
use crate::operator::images::DATA_SOURCE_CRD;
use crate::operator::places::{self, BACKUP_CRD, BACKUP_LOCATION_CRD, SNAPSHOT_CLASS_CRD};

/// The CRD whose objects say how big an instance type is.
const INSTANCETYPE_CRD: &str = "virtualmachineclusterinstancetypes.instancetype.kubevirt.io";

/// Watches CRDs, and neighbours' kinds while their CRDs exist.
pub(super) async fn neighbours(client: Client, context: Arc<Context>) -> &'static str {
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client.clone());
    let events = watcher(api, watcher::Config::default()).backoff(patience());
    let mut events =
        std::pin::pin!(events.inspect_err(|error| trouble(&context, "CustomResourceDefinition", None, error)));
    let mut running = Running { client, context: context.clone(), tasks: JoinSet::new(), handles: HashMap::new() };
    let mut listing = Vec::new();
    loop {
        tokio::select! {
            Some(ended) = running.tasks.join_next(), if !running.tasks.is_empty() => {
                if !ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled) {
                    return "a watch of a neighbour's kind";
                }
            }
            event = events.next() => match event {
                None => return "the watch of CRDs",
                Some(Err(_)) => {}
                Some(Ok(Event::Init)) => listing.clear(),
                Some(Ok(Event::InitApply(crd))) => listing.push(crd.name_any()),
                Some(Ok(Event::InitDone)) => {
                    let listed = std::mem::take(&mut listing);
                    let gone: Vec<_> = running.handles.keys().filter(|name| !listed.contains(name)).cloned().collect();
                    for crd in &gone {
                        running.gone(crd);
                    }
                    for crd in &listed {
                        running.there(crd);
                    }
                    context.neighbours.listed();
                }
                Some(Ok(Event::Apply(crd))) if crd.metadata.deletion_timestamp.is_some() => running.gone(&crd.name_any()),
                Some(Ok(Event::Apply(crd))) => running.there(&crd.name_any()),
                Some(Ok(Event::Delete(crd))) => running.gone(&crd.name_any()),
            },
        }
    }
}

/// Watches that come and go with a neighbour's CRD.
struct Running {
    client: Client,
    context: Arc<Context>,
    tasks: JoinSet<&'static str>,
    handles: HashMap<String, AbortHandle>,
}

impl Running {
    fn there(&mut self, crd: &str) {
        if self.handles.contains_key(crd) {
            return;
        }
        let (client, context) = (self.client.clone(), self.context.clone());
        let kind = Kind::ALL.into_iter().find(|kind| kind.neighbour_crd() == Some(crd));
        let others = [INSTANCETYPE_CRD, platform::CRD, SNAPSHOT_CLASS_CRD, BACKUP_LOCATION_CRD, BACKUP_CRD];
        let of_images = crd == DATA_SOURCE_CRD && context.config.images.is_some();
        let unused = matches!(kind, Some(Kind::Report | Kind::ClusterReport)) && !context.config.open_reports;
        if unused || kind.is_none() && !others.contains(&crd) && !of_images {
            return;
        }
        self.context.neighbours.awaited(crd);
        let handle = match kind {
            None if crd == platform::CRD => self.tasks.spawn(platform::settings(client, context)),
            None => places::neighbour(crd, &mut self.tasks, &client, &context)
                .unwrap_or_else(|| self.tasks.spawn(instancetypes(client, context))),
            Some(kind) => self.watch(kind),
        };
        self.handles.insert(crd.to_owned(), handle);
    }

    fn watch(&mut self, kind: Kind) -> AbortHandle {
        match kind {
            Kind::DataVolume => self.managed::<DataVolume>(),
            Kind::VirtualMachine => self.managed::<VirtualMachine>(),
            Kind::VirtualMachineSnapshot => self.managed::<VirtualMachineSnapshot>(),
            Kind::Schedule => self.managed::<Schedule>(),
            Kind::ClusterNetworkPolicy => self.managed::<ClusterNetworkPolicy>(),
            Kind::MultiNetworkPolicy => self.managed::<MultiNetworkPolicy>(),
            Kind::NetworkAttachmentDefinition => self.managed::<NetworkAttachmentDefinition>(),
            Kind::UserDefinedNetwork => self.managed::<UserDefinedNetwork>(),
            Kind::ClusterUserDefinedNetwork => self.managed::<ClusterUserDefinedNetwork>(),
            Kind::Certificate => self.managed::<Certificate>(),
            Kind::Report => self.managed::<Report>(),
            Kind::ClusterReport => self.managed::<ClusterReport>(),
            // No neighbour's; they are watched from the start.
            Kind::Namespace
            | Kind::ResourceQuota
            | Kind::LimitRange
            | Kind::NetworkPolicy
            | Kind::Role
            | Kind::RoleBinding
            | Kind::CronJob
            | Kind::ConfigMap
            | Kind::Retention
            | Kind::Service
            | Kind::Lease
            | Kind::PersistentVolumeClaim
            | Kind::Secret => self.tasks.spawn(std::future::pending()),
        }
    }

    fn managed<K: Managed>(&mut self) -> AbortHandle {
        self.tasks.spawn(managed::<K>(Api::all(self.client.clone()), self.context.clone()))
    }

    // Nothing is concluded from the disappearance of what a CRD held (I2): its objects are forgotten, not "deleted".
    fn gone(&mut self, crd: &str) {
        let Some(handle) = self.handles.remove(crd) else { return };
        handle.abort();
        self.context.neighbours.settled(crd);
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.neighbour_crd() == Some(crd));
        for kind in kinds {
            self.context.cluster.set_installed(kind, false);
            self.context.cluster.observed.uninstalled(kind);
        }
        if crd == INSTANCETYPE_CRD {
            self.context.stores.set_instancetypes(BTreeMap::new());
        }
        if crd == platform::CRD {
            self.context.stores.set_platform(Platform::NotInstalled);
        }
        places::gone(crd, &self.context);
        self.context.triggers.everything(&self.context.stores);
    }
}

/// Watches the sizes of instance types.
async fn instancetypes(client: Client, context: Arc<Context>) -> &'static str {
    let api = Api::<DeserializeGuard<VirtualMachineClusterInstancetype>>::all(client);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).backoff(patience()));
    let mut sizes: BTreeMap<String, Size> = BTreeMap::new();
    while let Some(event) = events.next().await {
        let whole = match event {
            Ok(Event::Init) => {
                sizes.clear();
                false
            }
            Ok(Event::InitApply(object)) => {
                sizes.extend(sized(object));
                false
            }
            Ok(Event::InitDone) => true,
            Ok(Event::Apply(object)) => {
                sizes.extend(sized(object));
                true
            }
            Ok(Event::Delete(object)) => sizes.remove(&object.name_any()).is_some(),
            Err(error) => {
                trouble(&context, "VirtualMachineClusterInstancetype", Some(INSTANCETYPE_CRD), &error);
                false
            }
        };
        if whole {
            context.neighbours.settled(INSTANCETYPE_CRD);
            if context.stores.set_instancetypes(sizes.clone()) {
                context.triggers.all_tenants(&context.stores);
            }
        }
    }
    "the watch of instance types"
}

fn sized(object: DeserializeGuard<VirtualMachineClusterInstancetype>) -> Option<(String, Size)> {
    let name = object.name_any();
    Some((name, object.0.ok()?.size()?))
}
