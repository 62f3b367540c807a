//! The operator's passes over the virtual cluster: the real pure steps between what is seen and what is written.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cloudfarm::api::retention::{Retention, RetentionStatus};
use cloudfarm::api::{home, labels};
use cloudfarm::cluster::applied::Applied;
use cloudfarm::cluster::object::{Digest, Facts, Kind, Observation, Reference};
use cloudfarm::network::vlan::Lasting;
use cloudfarm::operator::config::Config;
use cloudfarm::retention::desired::{Plan, desired};
use cloudfarm::retention::observe::{RetentionSnapshot, purged};
use cloudfarm::retention::status::status;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use crate::world::{Cluster, Job};

pub static CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(cloudfarm::render::documentation_config().expect("a config")));

/// What one pass has decided and not written yet.
pub struct Pass {
    name: String,
    uid: String,
    pub plan: Plan,
    status: RetentionStatus,
    /// Did it change anything that the status says?
    pub changed: bool,
    next: Option<Timestamp>,
}

/// Looks at one Retention and decides.
pub fn see(cluster: &Cluster, name: &str) -> Option<Pass> {
    let retention = cluster.retentions.get(name)?.clone();
    let uid = retention.uid().unwrap_or_default();
    let before = retention.status.clone();
    let snapshot = snapshot(cluster, retention);
    let plan = desired(&snapshot);
    let status = status(&snapshot, &plan, &Applied::default());
    let next = plan.next_change(&snapshot);
    Some(Pass { name: name.to_owned(), uid, changed: before.as_ref() != Some(&status), plan, status, next })
}

fn snapshot(cluster: &Cluster, retention: Retention) -> RetentionSnapshot {
    let tenant = retention.spec.tenant_ref.name.clone();
    let chosen = cluster.chosen(&tenant);
    let rival = cluster.retentions.get(&chosen).filter(|rival| {
        rival.name_any() != retention.name_any() && rival.spec.tenant_ref.name == tenant && !purged(rival)
    });
    RetentionSnapshot {
        tenant: cluster.tenant_state(&tenant),
        rival: rival.map(ResourceExt::name_any),
        config: CONFIG.clone(),
        observed: observed(cluster, &tenant),
        lasting: Lasting::default(),
        now: cluster.operators_time(),
        retention,
    }
}

fn observed(cluster: &Cluster, tenant: &str) -> BTreeMap<Reference, Observation> {
    let names = [home::customer_namespace(tenant), home::derived_namespace(tenant)];
    let seen = names.iter().filter_map(|name| cluster.objects.namespace(name));
    seen.map(|object| {
        let reference = Reference { kind: Kind::Namespace, namespace: None, name: object.name.clone() };
        let observation = Observation {
            reference: reference.clone(),
            uid: object.uid.clone(),
            resource_version: object.version.to_string(),
            owner: format!("Tenant/{tenant}"),
            owner_uid: String::new(),
            tenant: tenant.to_owned(),
            ours: true,
            digest: Digest::of(&Value::Null),
            facts: Facts::Namespace {
                terminating: object.deleting,
                hold: object.annotation(labels::LEGAL_HOLD).cloned(),
                approved: object.annotation(labels::PURGE_APPROVED).cloned(),
            },
            deleting: object.deleting,
        };
        (reference, observation)
    })
    .collect()
}

impl Pass {
    /// Writes what was decided, perhaps long after it was seen: claims by uid, the status without what runs write.
    pub fn write(self, cluster: &mut Cluster) -> Option<Timestamp> {
        for claim in &self.plan.desired.claims {
            let annotation = |key: &str| claim.fields["metadata"]["annotations"][key].as_str().map(str::to_owned);
            let (hold, approved) = (annotation(labels::LEGAL_HOLD), annotation(labels::PURGE_APPROVED));
            let Some(object) = cluster.objects.all.get_mut(&claim.on.uid) else { continue };
            // What this manager no longer states goes; what somebody wrote by hand stays his.
            let ours = object.hold.as_ref() == Some(&self.uid);
            if hold.is_some() || ours {
                object.hold = hold;
            }
            object.approved = approved;
            object.version += 1;
        }
        let mut job = None;
        let tenant = &self.plan.desired.owner.tenant;
        for namespace in [home::customer_namespace(tenant), home::derived_namespace(tenant)] {
            cluster.rights.remove(&(namespace, self.uid.clone()));
        }
        for object in self.plan.desired.objects() {
            let name = object.reference.name.as_str();
            match object.reference.kind {
                Kind::CronJob => {
                    let suspended = object.body["spec"]["suspend"] == true;
                    let schedule = object.body["spec"]["schedule"].as_str().unwrap_or_default().to_owned();
                    job = Some(Job { uid: self.uid.clone(), schedule, suspended });
                }
                Kind::ConfigMap => {
                    cluster.records.entry(self.uid.clone()).or_default();
                }
                Kind::RoleBinding if name == "cloudfarm-purge-erase" => {
                    let namespace = object.reference.namespace.clone().unwrap_or_default();
                    cluster.rights.insert((namespace, self.uid.clone()));
                }
                _ => {}
            }
        }
        match job {
            Some(job) => cluster.jobs.insert(self.name.clone(), job),
            None => cluster.jobs.remove(&self.name),
        };
        if self.changed {
            cluster.write_status(&self.name, &self.uid, self.status);
        }
        self.next
    }
}

/// One whole pass over everything of a tenant: its Retention is made, its home is made, its state is written down.
/// Returns when time alone will change something.
pub fn pass(cluster: &mut Cluster, tenant: &str) -> Option<Timestamp> {
    if cluster.down.is_some() {
        return None;
    }
    declare(cluster, tenant);
    let names: Vec<String> = cluster
        .retentions
        .values()
        .filter(|found| found.spec.tenant_ref.name == tenant)
        .map(ResourceExt::name_any)
        .collect();
    let mut next: Option<Timestamp> = None;
    for name in names {
        believe(cluster, &name);
        // The second pass sees what the first has written, as the watch would show it.
        for _ in 0..2 {
            let Some(seen) = see(cluster, &name) else { break };
            let changed = seen.changed;
            let at = seen.write(cluster);
            next = [next, at].into_iter().flatten().min();
            if !changed {
                break;
            }
        }
        aloud(cluster, &name);
    }
    next
}

/// The Tenant's own pass: a Retention once, a home unless an erasure is in the way.
fn declare(cluster: &mut Cluster, tenant: &str) {
    let Some(declared) = cluster.tenants.get(tenant).filter(|declared| !declared.unreadable).cloned() else { return };
    let chosen = cluster.chosen(tenant);
    if !cluster.retentions.contains_key(&chosen) {
        cluster.make_retention(&chosen, tenant);
    }
    let retention = cluster.retentions.get(&chosen).cloned().expect("it was made");
    let era = retention.uid().unwrap_or_default();
    let begun = purged(&retention);
    let names = [home::customer_namespace(tenant), home::derived_namespace(tenant)];
    let others = names
        .iter()
        .filter_map(|name| cluster.objects.namespace(name))
        .any(|seen| seen.approved.as_ref().is_some_and(|approved| *approved != era) || seen.era != era);
    let fresh = cluster.objects.namespace(&names[0]).is_none();
    if begun || others || declared.uid.is_empty() {
        return;
    }
    let now = cluster.now;
    cluster.objects.home(&era, tenant, now);
    if fresh {
        let number = cluster.changes;
        cluster.objects.machine(&era, tenant, "web");
        cluster.objects.disk(&era, tenant, "web", !number.is_multiple_of(3));
        cluster.objects.snapshot(&era, tenant, "nightly", !number.is_multiple_of(2));
    }
}

/// The model learns that the operator could see.
fn believe(cluster: &mut Cluster, name: &str) {
    let now = cluster.operators_time();
    let uid = cluster.retentions.get(name).and_then(ResourceExt::uid).unwrap_or_default();
    if let Some(book) = cluster.books.get_mut(&uid) {
        book.seen(now);
    }
}

/// Nothing is forgotten: what should be gone and is not, and is not held, is told.
fn aloud(cluster: &mut Cluster, name: &str) {
    let (now, retention) = (cluster.operators_time(), cluster.retentions[name].clone());
    let uid = retention.uid().unwrap_or_default();
    let Some(book) = cluster.books.get(&uid) else { return };
    let late = book.due().is_some_and(|due| now >= due + k8s_openapi::jiff::SignedDuration::from_hours(24));
    let status = retention.status.clone().unwrap_or_default();
    let done = crate::world::phase(&retention) == Some(cloudfarm::api::retention::RetentionPhase::Purged);
    let there = cluster.objects.all.values().any(|object| object.era == uid && object.kind == "persistentvolumes");
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let told = ready.is_some_and(|ready| ready.status == "False" && !ready.message.is_empty());
    if late && there && !done && !book.held && !book.held_in_namespace && !told {
        let said = ready.map(|ready| ready.message.clone()).unwrap_or_default();
        cluster.breach(format!("{name}: overdue and not told: {said}"));
    }
    if done && there {
        cluster.breach(format!("{name}: said to be Purged, and a volume is still there"));
    }
}
