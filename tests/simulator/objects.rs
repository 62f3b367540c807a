//! What lies in the virtual cluster, and what its own controllers do with it.

use std::collections::{BTreeMap, BTreeSet};

use cloudfarm::api::{home, labels};
use cloudfarm::purge::classify::{is_noise, is_noise_kind, place};
use cloudfarm::purge::plan::{Inventory, Item, Kept, KindName, Step, Way};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// One object. Truth that no program sees stands beside what the API shows: `era`, whose data it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub uid: String,
    pub kind: &'static str,
    pub namespace: Option<String>,
    pub name: String,
    /// Uid of the Retention that stands for whose data it is; empty for what is nobody's.
    pub era: String,
    pub version: u64,
    pub deleting: bool,
    pub finalizers: Vec<&'static str>,
    /// Uid of the controller's owner; for volumes and snapshot contents of the claim or snapshot they hang on.
    pub owner: Option<String>,
    /// Volumes, contents: the driver deletes. VMs: halted.
    pub ready: bool,
    /// A record, kept until then.
    pub kept_until: Option<Timestamp>,
    /// Of a namespace.
    pub hold: Option<String>,
    pub approved: Option<String>,
}

/// Group, version and kind of what is simulated.
pub fn kind(plural: &str) -> KindName {
    let (group, version, kind) = match plural {
        "virtualmachines" => ("kubevirt.io", "v1", "VirtualMachine"),
        "datavolumes" => ("cdi.kubevirt.io", "v1beta1", "DataVolume"),
        "persistentvolumeclaims" => ("", "v1", "PersistentVolumeClaim"),
        "persistentvolumes" => ("", "v1", "PersistentVolume"),
        "volumesnapshots" => ("snapshot.storage.k8s.io", "v1", "VolumeSnapshot"),
        "volumesnapshotcontents" => ("snapshot.storage.k8s.io", "v1", "VolumeSnapshotContent"),
        "secrets" => ("", "v1", "Secret"),
        "configmaps" => ("", "v1", "ConfigMap"),
        "networkpolicies" => ("networking.k8s.io", "v1", "NetworkPolicy"),
        "rolebindings" => ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
        "reports" => ("openreports.io", "v1alpha1", "Report"),
        _ => ("", "v1", "Namespace"),
    };
    KindName { group: group.into(), version: version.into(), kind: kind.into(), plural: plural.into() }
}

/// Objects by uid.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub all: BTreeMap<String, Object>,
    made: u64,
}

impl Objects {
    /// A new object; returns its uid.
    pub fn make(&mut self, era: &str, kind: &'static str, namespace: Option<&str>, name: &str) -> String {
        self.made += 1;
        // The order of names is not the order of making, so that nothing depends on it.
        let uid = format!("{:04x}-{}", self.made.wrapping_mul(40_503) % 65_521, self.made);
        let object = Object {
            uid: uid.clone(),
            kind,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            era: era.to_owned(),
            version: 1,
            deleting: false,
            finalizers: Vec::new(),
            owner: None,
            ready: true,
            kept_until: None,
            hold: None,
            approved: None,
        };
        self.all.insert(uid.clone(), object);
        uid
    }

    pub fn get(&mut self, uid: &str) -> &mut Object {
        self.all.get_mut(uid).expect("it was made")
    }

    /// The namespaces, walls, a report and a record of a tenant that is declared.
    pub fn home(&mut self, era: &str, tenant: &str, now: Timestamp) {
        let (own, derived) = (home::customer_namespace(tenant), home::derived_namespace(tenant));
        for namespace in [&own, &derived] {
            if self.namespace(namespace).is_none() {
                self.make(era, "namespaces", None, namespace);
                self.make(era, "networkpolicies", Some(namespace), "wall");
                self.make(era, "configmaps", Some(namespace), "kube-root-ca.crt");
                if *namespace == derived {
                    self.make(era, "reports", Some(namespace), "report");
                    let record = self.make(era, "configmaps", Some(namespace), "record");
                    self.get(&record).kept_until = Some(now + SignedDuration::from_hours(24 * 365));
                } else {
                    self.make(era, "rolebindings", Some(namespace), "admin");
                    self.make(era, "secrets", Some(namespace), "login");
                }
            }
        }
    }

    /// A disk with its claim and volume.
    pub fn disk(&mut self, era: &str, tenant: &str, name: &str, delete: bool) -> String {
        let own = home::customer_namespace(tenant);
        let disk = self.make(era, "datavolumes", Some(&own), name);
        let claim = self.make(era, "persistentvolumeclaims", Some(&own), name);
        self.get(&claim).owner = Some(disk);
        let volume = self.make(era, "persistentvolumes", None, &format!("pv-{claim}"));
        self.get(&volume).owner = Some(claim.clone());
        self.get(&volume).ready = delete;
        claim
    }

    /// A machine that runs.
    pub fn machine(&mut self, era: &str, tenant: &str, name: &str) {
        let machine = self.make(era, "virtualmachines", Some(&home::customer_namespace(tenant)), name);
        self.get(&machine).ready = false;
    }

    /// A snapshot with its content.
    pub fn snapshot(&mut self, era: &str, tenant: &str, name: &str, delete: bool) {
        let snapshot = self.make(era, "volumesnapshots", Some(&home::customer_namespace(tenant)), name);
        let content = self.make(era, "volumesnapshotcontents", None, &format!("content-{snapshot}"));
        self.get(&content).owner = Some(snapshot);
        self.get(&content).ready = delete;
    }

    pub fn namespace(&self, name: &str) -> Option<&Object> {
        self.all.values().find(|object| object.kind == "namespaces" && object.name == name)
    }

    pub fn namespace_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.all.values_mut().find(|object| object.kind == "namespaces" && object.name == name)
    }

    /// By kind and place, as the API finds it.
    pub fn at(&self, item: &Item) -> Option<&Object> {
        let there = |object: &&Object| {
            object.kind == item.kind.plural && object.name == item.name && object.namespace == item.namespace
        };
        self.all.values().find(there)
    }

    /// What an API server and controllers do when a deletion is asked for.
    pub fn ask_deletion(&mut self, uid: &str) {
        if let Some(object) = self.all.get_mut(uid).filter(|object| !object.deleting) {
            object.deleting = true;
            object.version += 1;
        }
    }

    /// Controllers go on until nothing changes: owners take along what they own, claims their volumes, namespaces what
    /// is in them; finalizers hold.
    pub fn settle(&mut self) {
        loop {
            let emptied: BTreeSet<String> = self.all.values().filter_map(|object| object.namespace.clone()).collect();
            let leaves = |object: &Object| {
                object.deleting
                    && object.finalizers.is_empty()
                    && (object.kind != "namespaces" || !emptied.contains(&object.name))
            };
            let gone: Vec<String> =
                self.all.values().filter(|object| leaves(object)).map(|object| object.uid.clone()).collect();
            for uid in &gone {
                self.all.remove(uid);
            }
            let closing: BTreeSet<String> = self
                .all
                .values()
                .filter(|object| object.kind == "namespaces" && object.deleting)
                .map(|object| object.name.clone())
                .collect();
            let follows = |object: &Object| {
                let lost_owner = object.owner.as_ref().is_some_and(|owner| !self.all.contains_key(owner));
                let outside = object.namespace.is_none();
                // A driver deletes a released volume only if its policy says so.
                lost_owner && (!outside || object.ready)
                    || object.namespace.as_ref().is_some_and(|namespace| closing.contains(namespace))
            };
            let following: Vec<String> = self
                .all
                .values()
                .filter(|object| !object.deleting && follows(object))
                .map(|object| object.uid.clone())
                .collect();
            if gone.is_empty() && following.is_empty() {
                return;
            }
            for uid in &following {
                self.ask_deletion(uid);
            }
        }
    }

    /// As [`cloudfarm::purge::inventory`] makes it, over this cluster.
    pub fn inventory(&self, tenant: &str, pinned: &BTreeMap<String, String>, now: Timestamp) -> Inventory {
        let mut found = Inventory::default();
        let derived = home::derived_namespace(tenant);
        let here = |name: &str| self.namespace(name).is_some_and(|seen| pinned.get(name) == Some(&seen.uid));
        let mut kept: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
        for object in self.all.values() {
            let kind = kind(object.kind);
            let Some(namespace) = object.namespace.as_ref().filter(|namespace| here(namespace)) else { continue };
            if is_noise_kind(&kind) || is_noise(&kind, &object.name) {
                continue;
            }
            if let Some(until) = object.kept_until.filter(|until| *namespace == derived && *until > now) {
                let entry = kept.entry("access".into()).or_insert((0, until));
                *entry = (entry.0 + 1, entry.1.max(until));
                continue;
            }
            let (step, way) = place(&kind, *namespace == derived);
            found.items.insert(object.item(step, way));
        }
        self.outside(tenant, &mut found);
        if !kept.is_empty() {
            found.items.retain(|item| item.namespace.as_ref() != Some(&derived) || item.way != Way::WithNamespace);
        }
        for name in pinned.keys().filter(|name| here(name) && (kept.is_empty() || **name != derived)) {
            let namespace = self.namespace(name).expect("it is here");
            found.items.insert(namespace.item(Step::Namespaces, Way::Delete));
        }
        found.kept = kept
            .into_iter()
            .map(|(class, (count, until))| Kept { class, count, until: cloudfarm::api::jst::in_japan(until) })
            .collect();
        found
    }

    fn outside(&self, tenant: &str, found: &mut Inventory) {
        let uids: BTreeSet<String> = found.items.iter().map(|item| item.uid.clone()).collect();
        for object in self.all.values() {
            let (step, way) = match object.kind {
                "persistentvolumes" => (Step::Disks, Way::Follow),
                "volumesnapshotcontents" => (Step::Snapshots, Way::Delete),
                _ => continue,
            };
            let hangs_on = object.owner.clone().unwrap_or_default();
            if uids.contains(&hangs_on) {
                found.items.insert(object.item(step, way));
            } else if object.claimed_in(tenant) && !self.all.contains_key(&hangs_on) {
                found.doubts.push(format!("{} {} belongs to nothing that exists", object.kind, object.name));
            }
        }
    }
}

impl Object {
    fn item(&self, step: Step, way: Way) -> Item {
        let bytes = ["persistentvolumeclaims", "persistentvolumes", "volumesnapshots"].contains(&self.kind);
        Item {
            step,
            kind: kind(self.kind),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            way,
            after: self.owner.clone(),
            bytes: bytes.then_some(1 << 30),
        }
    }

    /// As a line of a stored plan.
    pub fn as_planned(&self) -> String {
        serde_json::to_string(&self.item(Step::Disks, Way::Delete)).expect("JSON") + "\n"
    }

    /// Does its reference name a namespace of this tenant? The era's first part is the tenant's name.
    fn claimed_in(&self, tenant: &str) -> bool {
        self.era.split('.').next() == Some(tenant)
    }

    /// The two places of a hold and of an approval are annotations of the namespace.
    pub fn annotation(&self, key: &str) -> Option<&String> {
        if key == labels::LEGAL_HOLD { self.hold.as_ref() } else { self.approved.as_ref() }
    }
}
