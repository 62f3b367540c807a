//! Everything of a tenant, read live and whole: each namespaced kind that discovery names, listed in the tenant's
//! namespaces, and what hangs on it outside them.
//!
//! Guarantees: a kind that cannot be listed is a doubt and never "none of them"; lists are read to their last page, and a
//! list that expires on the way is begun anew by the next run; volumes and snapshot contents count by the uid of their
//! claim or snapshot. One that names the tenant's namespace and belongs to no object there is a doubt, too: nobody can
//! say whose data is in it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::classify::{is_cluster_network, is_noise, is_noise_kind, is_wall, place};
use super::plan::{Inventory, Item, Kept, KindName, Step, Way};
use super::rolling::{Aged, Target};
use super::world::Lost;
use super::{velero, wall};
use crate::api::jst::{in_japan, plus_days};
use crate::api::quantity::Quantity;
use crate::api::retention::{LogRetention, days};
use crate::api::{home, labels};
use crate::cluster::write::{WriteError, classify};
use crate::foreign::restored::is_restored;
use crate::foreign::virtual_machine_snapshot::{Outcome, VirtualMachineSnapshotStatus};

/// Objects a page.
const PAGE: u32 = 500;

/// Where the tenant is, by uid.
pub struct Place<'a> {
    pub tenant: &'a str,
    /// Uid of the Tenant that is pinned; empty when none is.
    pub tenant_uid: &'a str,
    /// Namespaces that exist and are pinned.
    pub namespaces: &'a BTreeMap<String, String>,
    pub log_retention: LogRetention,
    pub now: Timestamp,
    pub unlisted: Unlisted,
}

/// The doubt about a kind that whoever asks may not list: what is missing, and what would be right. The API server's
/// words are the second argument.
pub type Unlisted = fn(&KindName, &str) -> String;

/// Makes the inventory.
pub async fn inventory(client: &Client, place: &Place<'_>) -> Result<Inventory, Lost> {
    let mut found = Inventory::default();
    let mut seen = BTreeSet::new();
    let mut content_of = BTreeMap::new();
    let mut stands_for = BTreeMap::new();
    let mut in_vms = BTreeSet::new();
    let mut kept: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
    let derived = home::derived_namespace(place.tenant);
    let Served { namespaced, networks, walls } = served(client).await?;
    let sees_vms = namespaced.iter().any(|kind| kind.plural == "virtualmachines");
    let velero: Vec<KindName> = namespaced.iter().filter(|kind| velero::tells_of_copies(kind)).cloned().collect();
    for kind in namespaced {
        for namespace in place.namespaces.keys() {
            let objects = match list(client, &kind, Some(namespace)).await {
                Ok(objects) => objects,
                Err(WriteError::Refused(said)) => {
                    found.doubts.push((place.unlisted)(&kind, &said));
                    break;
                }
                // Listed in discovery and not there: an API that is going.
                Err(error) => return Err(lost(error)),
            };
            for object in objects {
                let uid = object.uid().unwrap_or_default();
                let restored = object.annotations().get(labels::RESTORED_AS).filter(|_| kind.plural == "datavolumes");
                stands_for
                    .extend(restored.filter(|claim| is_restored(claim)).map(|claim| (claim.clone(), uid.clone())));
                in_vms.extend(claims_in(&kind, &object));
                // The same object may be served by two groups.
                if kind.plural == "virtualmachinesnapshotcontents" {
                    let snapshot = object.data.pointer("/spec/virtualMachineSnapshotName").and_then(Value::as_str);
                    content_of.extend(snapshot.map(|snapshot| (uid.clone(), snapshot.to_owned())));
                }
                if uid.is_empty() || is_noise(&kind, &object.name_any()) || !seen.insert(uid) {
                    continue;
                }
                let record = record_until(&object, place).filter(|_| *namespace == derived);
                if let Some((class, until)) = record {
                    let entry = kept.entry(class).or_insert((0, until));
                    *entry = (entry.0 + 1, entry.1.max(until));
                } else {
                    found.aged.extend(aged(&kind, &object, *namespace == derived));
                    found.items.insert(item(&kind, &object, *namespace == derived));
                }
            }
        }
    }
    contents_follow_their_snapshots(&mut found, &content_of);
    restored_claims_follow_their_disks(&mut found, &stands_for);
    let sees_vms = found.doubts.is_empty() && sees_vms;
    let needed = |claim: &String| !sees_vms || in_vms.contains(claim) || stands_for.contains_key(claim);
    found.aged.retain(|aged| !is_restored(&aged.of) || aged.target != Target::RemovedDisk || !needed(&aged.of));
    outside(client, place, &mut found).await?;
    if let Some(kind) = networks {
        let networks = cluster_networks_of(client, place.tenant, &kind).await;
        let networks = networks.map(|networks| found.items.extend(networks));
        listed(networks, place, &kind, &mut found)?;
    }
    found.kept =
        kept.into_iter().map(|(class, (count, until))| Kept { class, count, until: in_japan(until) }).collect();
    namespaces(place, &derived, &mut found);
    for kind in velero {
        let outcome = beyond(client, place, &kind, &mut found).await;
        listed(outcome, place, &kind, &mut found)?;
    }
    if let Some(kind) = walls {
        let wall = wall::find(client, place, &kind, &mut found).await;
        listed(wall, place, &kind, &mut found)?;
    }
    Ok(found)
}

/// A VM snapshot's content names the snapshot and has no owner reference.
fn contents_follow_their_snapshots(found: &mut Inventory, content_of: &BTreeMap<String, String>) {
    let snapshots = found.items.iter().filter(|item| item.kind.plural == "virtualmachinesnapshots");
    let uids: BTreeMap<String, String> = snapshots.map(|item| (item.name.clone(), item.uid.clone())).collect();
    found.items = std::mem::take(&mut found.items)
        .into_iter()
        .map(|item| match content_of.get(&item.uid).and_then(|name| uids.get(name)) {
            Some(uid) => Item { after: Some(uid.clone()), ..item },
            None => item,
        })
        .collect();
}

/// A claim that a restore made in the place of a disk belongs to nobody, and goes when the disk does.
fn restored_claims_follow_their_disks(found: &mut Inventory, stands_for: &BTreeMap<String, String>) {
    found.items = std::mem::take(&mut found.items)
        .into_iter()
        .map(|item| {
            let disk = stands_for.get(&item.name).filter(|_| item.kind.plural == "persistentvolumeclaims");
            Item { after: item.after.clone().or(disk.cloned()), ..item }
        })
        .collect();
}

/// What of it counts as old, and since when.
fn aged(kind: &KindName, object: &DynamicObject, derived: bool) -> Option<Aged> {
    let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let made = object.creation_timestamp().map(|time| time.0);
    let owned = object.owner_references().iter().any(|owner| owner.controller == Some(true));
    let (target, since, of) = match (kind.group.as_str(), kind.plural.as_str()) {
        _ if derived => (
            Target::Record,
            object.labels().get(labels::RECORD).and(made)?,
            object.labels().get(labels::RECORD)?.clone(),
        ),
        // By plan: it goes when the plan keeps it no longer, and by no other rule.
        ("snapshot.kubevirt.io", "virtualmachinesnapshots") if object.labels().contains_key(labels::BACKUP) => {
            (Target::Backup, made?, text("/spec/source/name")?)
        }
        ("snapshot.kubevirt.io", "virtualmachinesnapshots") => (Target::Snapshot, made?, text("/spec/source/name")?),
        ("snapshot.storage.k8s.io", "volumesnapshots") if !owned => {
            (Target::Snapshot, made?, text("/spec/source/persistentVolumeClaimName").unwrap_or_default())
        }
        ("export.kubevirt.io", "virtualmachineexports") => (Target::Export, made?, String::new()),
        ("cdi.kubevirt.io", "datavolumes") | ("", "persistentvolumeclaims")
            if kind.plural == "datavolumes" || is_restored(&object.name_any()) =>
        {
            let since = object.annotations().get(labels::REMOVED_AT)?.parse().ok()?;
            (Target::RemovedDisk, since, object.name_any())
        }
        _ => return None,
    };
    let marked = object.labels().get(labels::DISPOSABLE).is_some_and(|mark| mark == "true");
    let may_go = target != Target::Backup || marked;
    Some(Aged { uid: object.uid().unwrap_or_default(), target, since, of, may_go, good: is_whole(kind, object) })
}

/// Names of the claims that a VM has, or an instance of one.
fn claims_in(kind: &KindName, object: &DynamicObject) -> BTreeSet<String> {
    let volumes = match kind.plural.as_str() {
        "virtualmachines" => "/spec/template/spec/volumes",
        "virtualmachineinstances" => "/spec/volumes",
        _ => return BTreeSet::new(),
    };
    let volumes = object.data.pointer(volumes).and_then(Value::as_array).into_iter().flatten();
    let claims =
        volumes.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str));
    claims.map(str::to_owned).collect()
}

/// Positive evidence: a snapshot that is not said to be ready, or is said to lack a disk, brings nothing back.
fn is_whole(kind: &KindName, object: &DynamicObject) -> bool {
    match kind.plural.as_str() {
        "virtualmachinesnapshots" => {
            let status = object.data.get("status").cloned().map(serde_json::from_value);
            let status: VirtualMachineSnapshotStatus = status.and_then(Result::ok).unwrap_or_default();
            status.outcome() == Outcome::Ready
        }
        "volumesnapshots" => object.data.pointer("/status/readyToUse") == Some(&Value::Bool(true)),
        _ => true,
    }
}

/// As a purge run tells it.
#[must_use]
pub fn unlisted_by_purge(kind: &KindName, said: &str) -> String {
    format!(
        "{kind} cannot be listed ({said}): grant list on it by a ClusterRole labelled cloudfarm.dev/aggregate-to-purge-inventory=true"
    )
}

/// What others keep of the tenant, where nothing of ours reaches.
async fn beyond(client: &Client, place: &Place<'_>, kind: &KindName, found: &mut Inventory) -> Result<(), WriteError> {
    let namespaces = [home::customer_namespace(place.tenant), home::derived_namespace(place.tenant)];
    found.doubts.extend(velero::doubt(kind, &list(client, kind, None).await?, &namespaces));
    Ok(())
}

/// A namespace that keeps records stays, with its walls.
fn namespaces(place: &Place, derived: &str, found: &mut Inventory) {
    let keeps = !found.kept.is_empty();
    if keeps {
        found.items.retain(|item| item.namespace.as_deref() != Some(derived) || item.way != Way::WithNamespace);
    }
    let kind =
        KindName { group: String::new(), version: "v1".into(), kind: "Namespace".into(), plural: "namespaces".into() };
    let going = place.namespaces.iter().filter(|(name, _)| !keeps || name.as_str() != derived);
    found.items.extend(going.map(|(name, uid)| Item {
        step: Step::Namespaces,
        kind: kind.clone(),
        namespace: None,
        name: name.clone(),
        uid: uid.clone(),
        way: Way::Delete,
        after: None,
        bytes: None,
    }));
}

/// Until when a record has to be kept; `None` when it is none or its time is over.
fn record_until(object: &DynamicObject, place: &Place) -> Option<(String, Timestamp)> {
    let class = object.labels().get(labels::RECORD)?;
    let periods = &place.log_retention;
    let period = match class.as_str() {
        "access" => &periods.access,
        "network" => &periods.network,
        "notices" => &periods.notices,
        "audit" => &periods.audit,
        // Evidence, and a class that nobody knows: as long as the longest.
        _ => &periods.evidence,
    };
    let made = object.creation_timestamp().map_or(place.now, |time| time.0);
    let until = plus_days(made, days(period).unwrap_or(i64::MAX / 24));
    (until > place.now).then(|| (class.clone(), until))
}

/// The kinds that this cluster serves and a tenant may have objects of.
#[derive(Default)]
struct Served {
    namespaced: BTreeSet<KindName>,
    /// Of networks and of walls that are objects of the whole cluster, where it has them.
    networks: Option<KindName>,
    walls: Option<KindName>,
}

async fn served(client: &Client) -> Result<Served, Lost> {
    let discovery = Discovery::new(client.clone()).run().await.map_err(|error| lost(classify(error)))?;
    let mut served = Served::default();
    for group in discovery.groups() {
        // Not `recommended_resources`: those are of one version alone, and a group may have a kind in another only.
        for (resource, capabilities) in group.resources_by_stability() {
            let kind = KindName {
                group: resource.group,
                version: resource.version,
                kind: resource.kind,
                plural: resource.plural,
            };
            if capabilities.scope == Scope::Namespaced && capabilities.supports_operation(verbs::LIST) {
                served.namespaced.insert(kind);
            } else if is_cluster_network(&kind) {
                served.networks = Some(kind);
            } else if is_wall(&kind) {
                served.walls = Some(kind);
            }
        }
    }
    served.namespaced.retain(|kind| !is_noise_kind(kind));
    Ok(served)
}

/// Ours, for this tenant, and where this tenant's are: a name or a label alone proves nothing.
async fn cluster_networks_of(client: &Client, tenant: &str, kind: &KindName) -> Result<Vec<Item>, WriteError> {
    let ours = |object: &DynamicObject| {
        let label = |key: &str| object.labels().get(key).map(String::as_str);
        home::of_cluster_network(&object.name_any()) == tenant
            && label(labels::TENANT) == Some(tenant)
            && label(labels::MANAGED_BY) == Some(labels::FIELD_MANAGER)
    };
    let all = list(client, kind, None).await?;
    Ok(all.iter().filter(|object| ours(object)).map(|object| item(kind, object, false)).collect())
}

impl KindName {
    /// As the client wants it.
    #[must_use]
    pub fn api_resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(&self.group, &self.version, &self.kind);
        ApiResource::from_gvk_with_plural(&gvk, &self.plural)
    }
}

async fn list(client: &Client, kind: &KindName, namespace: Option<&str>) -> Result<Vec<DynamicObject>, WriteError> {
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut all = Vec::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&parameters).await.map_err(classify)?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => parameters = parameters.continue_token(&more),
            None => return Ok(all),
        }
    }
}

fn item(kind: &KindName, object: &DynamicObject, derived: bool) -> Item {
    let (step, way) = place(kind, derived);
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true));
    Item {
        step,
        kind: kind.clone(),
        namespace: object.namespace(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        way,
        after: owner.map(|owner| owner.uid.clone()),
        bytes: bytes(kind, &object.data),
    }
}

fn bytes(kind: &KindName, data: &Value) -> Option<u64> {
    let pointer = match kind.plural.as_str() {
        "persistentvolumeclaims" => "/spec/resources/requests/storage",
        "persistentvolumes" => "/spec/capacity/storage",
        "volumesnapshots" => "/status/restoreSize",
        _ => return None,
    };
    let quantity: Quantity = data.pointer(pointer)?.as_str()?.parse().ok()?;
    u64::try_from(quantity.nanos() / 1_000_000_000).ok()
}

/// Volumes by their claim's uid, snapshot contents by their snapshot's.
async fn outside(client: &Client, place: &Place<'_>, found: &mut Inventory) -> Result<(), Lost> {
    let volumes = KindName {
        group: String::new(),
        version: "v1".into(),
        kind: "PersistentVolume".into(),
        plural: "persistentvolumes".into(),
    };
    let contents = KindName {
        group: "snapshot.storage.k8s.io".into(),
        version: "v1".into(),
        kind: "VolumeSnapshotContent".into(),
        plural: "volumesnapshotcontents".into(),
    };
    let on_claims = hanging(client, place, found, &volumes, "/spec/claimRef", (Step::Disks, Way::Follow)).await;
    listed(on_claims, place, &volumes, found)?;
    let on_snapshots =
        hanging(client, place, found, &contents, "/spec/volumeSnapshotRef", (Step::Snapshots, Way::Delete)).await;
    match on_snapshots {
        // No snapshots in this cluster.
        Err(WriteError::NotFound(_)) => Ok(()),
        outcome => listed(outcome, place, &contents, found),
    }
}

/// What may not be listed is a doubt, here as in the namespaces.
fn listed(outcome: Result<(), WriteError>, place: &Place, kind: &KindName, found: &mut Inventory) -> Result<(), Lost> {
    match outcome {
        Err(WriteError::Refused(said)) => {
            found.doubts.push((place.unlisted)(kind, &said));
            Ok(())
        }
        outcome => outcome.map_err(lost),
    }
}

async fn hanging(
    client: &Client,
    place: &Place<'_>,
    found: &mut Inventory,
    kind: &KindName,
    reference: &str,
    (step, way): (Step, Way),
) -> Result<(), WriteError> {
    let uids: BTreeSet<String> = found.items.iter().map(|item| item.uid.clone()).collect();
    let ours = [home::customer_namespace(place.tenant), home::derived_namespace(place.tenant)];
    for object in list(client, kind, None).await? {
        let Some(belongs) = object.data.pointer(reference) else { continue };
        let text = |field: &str| belongs[field].as_str().unwrap_or_default().to_owned();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        if uids.contains(&uid) {
            found.items.insert(Item {
                step,
                kind: kind.clone(),
                namespace: None,
                name: object.name_any(),
                uid: object.uid().unwrap_or_default(),
                way,
                after: Some(uid),
                bytes: bytes(kind, &object.data),
            });
        } else if ours.contains(&namespace) {
            found.doubts.push(format!(
                "{kind} {} belongs to {namespace}/{name} of uid {uid}, which does not exist: erase it by hand or say whose it is",
                object.name_any()
            ));
        }
    }
    Ok(())
}

fn lost(error: WriteError) -> Lost {
    match error {
        WriteError::Refused(said) => Lost::Refused(said),
        WriteError::Unexpected(said) => Lost::Unexpected(said),
        WriteError::NotFound(said) | WriteError::Unanswered(said) => Lost::Unanswered(said),
    }
}
impl From<WriteError> for Lost {
    fn from(error: WriteError) -> Self {
        lost(error)
    }
}
