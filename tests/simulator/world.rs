//! The virtual cluster: what is stored in it, the rules that hold for every write, and the checks of each effect.

use std::collections::{BTreeMap, BTreeSet};

use cloudfarm::api::home;
use cloudfarm::api::retention::{Progress, PurgeState, Retention, RetentionPhase, RetentionSpec};
use cloudfarm::evidence::certificate::NO_PREVIOUS;
use cloudfarm::purge::look::{Clocks, Look, NamespaceSight};
use cloudfarm::purge::world::Lost;
use cloudfarm::retention::ending::{Declaration, TenantState};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::json;

use crate::model::Book;
use crate::objects::Objects;

/// What each teller of the time is away from the truth, in seconds; `None` is silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skew {
    pub own: i64,
    pub api_server: Option<i64>,
    pub operator: Option<i64>,
}

/// A tenant as people declare it.
#[derive(Clone, Debug)]
pub struct Declared {
    pub uid: String,
    pub end_date: Option<String>,
    pub unreadable: bool,
}

/// Plan and certificate of one life.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub plan: Option<String>,
    /// What the plan was before somebody changed it.
    pub original: Option<String>,
    pub certificate: Option<String>,
}

/// What stands in the CronJob of a Retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub uid: String,
    pub schedule: String,
    pub suspended: bool,
}

/// The cluster, and the books that the model keeps about it.
#[derive(Clone)]
pub struct Cluster {
    pub now: Timestamp,
    pub skew: Skew,
    /// Since when the operator does not run.
    pub down: Option<Timestamp>,
    pub objects: Objects,
    pub retentions: BTreeMap<String, Retention>,
    pub tenants: BTreeMap<String, Declared>,
    pub records: BTreeMap<String, Record>,
    /// Head of the chain and its certificates' hashes.
    pub head: String,
    pub hashes: Vec<String>,
    pub stop: Result<bool, String>,
    pub per_day: usize,
    pub jobs: BTreeMap<String, Job>,
    /// Namespaces in which the purge may delete, and the Retention that gave the right.
    pub rights: BTreeSet<(String, String)>,
    /// Admission policies and the rules of the CRD stand in front of the purge; without them it is on its own.
    pub guarded: bool,
    pub books: BTreeMap<String, Book>,
    /// What must never be.
    pub breaches: Vec<String>,
    pub deletes: usize,
    /// Counts what people, operators and clocks do, so that nights in which nothing can happen are skipped.
    pub changes: u64,
    /// Lateness of each completed purge against the model, in hours.
    pub lateness: Vec<i64>,
    pub log: Vec<String>,
    versions: u64,
    lives: u64,
}

impl Cluster {
    pub fn new(now: Timestamp, guarded: bool) -> Self {
        Self {
            now,
            skew: Skew { own: 0, api_server: Some(0), operator: Some(0) },
            down: None,
            objects: Objects::default(),
            retentions: BTreeMap::new(),
            tenants: BTreeMap::new(),
            records: BTreeMap::new(),
            head: NO_PREVIOUS.into(),
            hashes: Vec::new(),
            stop: Ok(false),
            per_day: 5,
            jobs: BTreeMap::new(),
            rights: BTreeSet::new(),
            guarded,
            books: BTreeMap::new(),
            breaches: Vec::new(),
            deletes: 0,
            changes: 0,
            lateness: Vec::new(),
            log: Vec::new(),
            versions: 0,
            lives: 0,
        }
    }

    pub fn pass_time(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub fn clocks(&self) -> Clocks {
        let at = |offset: i64| self.now + SignedDuration::from_secs(offset);
        Clocks {
            own: at(self.skew.own),
            api_server: self.skew.api_server.map(at),
            operator: self.down.or(self.skew.operator.map(at)),
        }
    }

    /// What the operator believes the time is.
    pub fn operators_time(&self) -> Timestamp {
        self.now + SignedDuration::from_secs(self.skew.operator.unwrap_or_default())
    }

    pub fn note(&mut self, what: impl Into<String>) {
        let line = format!("{} {}", self.now, what.into());
        self.log.push(line);
    }

    pub fn breach(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("BREACH {what}"));
        self.breaches.push(what);
    }

    fn next_version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    /// A uid for a new life of a tenant.
    pub fn new_uid(&mut self, tenant: &str) -> String {
        self.lives += 1;
        format!("{tenant}.{}", self.lives)
    }

    /// The Retention that a Tenant of this name has: see `stores::retention_name`.
    pub fn chosen(&self, tenant: &str) -> String {
        let uid = self.tenants.get(tenant).map(|declared| declared.uid.clone()).unwrap_or_default();
        let proof = self.retentions.get(tenant).and_then(|found| found.status.as_ref()).is_some_and(|status| {
            status.progress.purge.as_ref().is_some_and(|purge| purge.state == PurgeState::Purged)
                && status.pinned.as_ref().is_some_and(|pinned| pinned.tenant_uid != uid)
        });
        if !proof {
            return tenant.to_owned();
        }
        let goes_on = |found: &&Retention| {
            let progress = found.status.as_ref().map(|status| &status.progress);
            let purge = progress.and_then(|progress| progress.purge.as_ref());
            found.spec.tenant_ref.name == tenant && purge.is_none_or(|it| it.state != PurgeState::Purged)
        };
        let standing = self.retentions.values().filter(goes_on).map(ResourceExt::name_any).min();
        standing.unwrap_or_else(|| format!("{tenant}-{uid}"))
    }

    /// Makes a Retention with the defaults, as the Tenant's pass does.
    pub fn make_retention(&mut self, name: &str, tenant: &str) {
        let uid = self.new_uid(tenant);
        let version = self.next_version();
        let made = json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention",
            "metadata": {"name": name, "uid": uid, "generation": 1, "resourceVersion": version},
            "spec": {"tenantRef": {"name": tenant}},
        });
        self.retentions.insert(name.to_owned(), serde_json::from_value(made).expect("a Retention"));
        let declared = self.tenants.get(tenant).cloned();
        let book = Book {
            grace: 60,
            says: declared.as_ref().map(|declared| declared.end_date.clone()),
            unreadable: declared.is_some_and(|declared| declared.unreadable),
            ..Book::default()
        };
        self.books.insert(uid, book);
    }

    /// A person changes a spec, if the CRD lets it pass.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut RetentionSpec)) -> bool {
        let Some(old) = self.retentions.get(name).cloned() else { return false };
        let mut new = old.clone();
        change(&mut new.spec);
        if new.spec == old.spec || !allowed(&old, &new) {
            return false;
        }
        new.metadata.generation = old.metadata.generation.map(|generation| generation + 1);
        new.metadata.resource_version = Some(self.next_version());
        self.retentions.insert(name.to_owned(), new);
        self.changes += 1;
        true
    }

    /// Replaces a Retention, as a restored backup does.
    pub fn restore(&mut self, name: &str, mut old: Retention) {
        let version = self.next_version();
        if let Some(now) = self.retentions.get(name) {
            old.metadata.generation = now.metadata.generation.map(|generation| generation + 1);
        }
        old.metadata.resource_version = Some(version);
        self.retentions.insert(name.to_owned(), old);
        self.changes += 1;
    }

    /// The operator writes its part of a status.
    pub fn write_status(&mut self, name: &str, uid: &str, status: cloudfarm::api::retention::RetentionStatus) {
        let version = self.next_version();
        let Some(found) = self.retentions.get_mut(name).filter(|found| found.metadata.uid.as_deref() == Some(uid))
        else {
            return;
        };
        let progress = found.status.take().unwrap_or_default().progress;
        found.status = Some(cloudfarm::api::retention::RetentionStatus { progress, ..status });
        found.metadata.resource_version = Some(version);
    }

    pub fn tenant_state(&self, tenant: &str) -> TenantState {
        match self.tenants.get(tenant) {
            None => TenantState::Vanished,
            Some(declared) if declared.unreadable => TenantState::Unknown,
            Some(declared) => TenantState::Present(Declaration {
                uid: declared.uid.clone(),
                end_date: declared.end_date.clone(),
                privileged: ["sato".to_owned()].into(),
            }),
        }
    }

    pub fn look(&self, retention: &str) -> Result<Look, Lost> {
        let found = self.retentions.get(retention).cloned();
        let retention = found.ok_or_else(|| Lost::Refused("no such Retention".into()))?;
        let tenant = retention.spec.tenant_ref.name.clone();
        let names = [home::customer_namespace(&tenant), home::derived_namespace(&tenant)];
        let namespaces = names.into_iter().filter_map(|name| {
            let seen = self.objects.namespace(&name)?;
            let (uid, held, approved) = (seen.uid.clone(), seen.hold.is_some(), seen.approved.clone());
            Some((name, NamespaceSight { uid, held, approved }))
        });
        Ok(Look {
            tenant: self.tenant_state(&tenant),
            namespaces: namespaces.collect(),
            clocks: self.clocks(),
            stop: self.stop.clone(),
            retention,
        })
    }

    /// A purge run writes its progress, if the Retention is still as it was looked at.
    pub fn record(&mut self, look: &Look, progress: &Progress, verdict: Option<&'static str>) -> Result<(), Lost> {
        let name = look.retention.name_any();
        let Some(found) = self.retentions.get(&name).cloned() else { return Err(Lost::Refused("gone".into())) };
        if found.metadata.resource_version != look.retention.metadata.resource_version {
            return Err(Lost::Unexpected("the Retention has changed".into()));
        }
        let held = cloudfarm::retention::ending::held(&found);
        if self.guarded && held && progress.purge.is_some() {
            return Err(Lost::Refused("legalHold and a purge exclude each other".into()));
        }
        let uid = found.uid().unwrap_or_default();
        let state = |progress: &Progress| progress.purge.as_ref().map(|purge| purge.state);
        let before = found.status.as_ref().map(|status| status.progress.clone()).unwrap_or_default();
        match (state(&before), state(progress)) {
            (None, Some(_)) => {
                if let Some(why) = verdict {
                    self.breach(format!("{name}: passed the point of no return: {why}"));
                }
                if held {
                    self.breach(format!("{name}: hold and purge in one object"));
                }
                self.note(format!("{name}: point of no return"));
                self.books.entry(uid.clone()).or_default().begun = true;
            }
            (Some(_), None) => self.breach(format!("{name}: a purge that had begun is forgotten")),
            (Some(PurgeState::Purged), Some(PurgeState::Purging | PurgeState::Verifying)) => {
                self.breach(format!("{name}: what is certified is said to be going on"));
            }
            _ => {}
        }
        if state(progress) == Some(PurgeState::Purged) && state(&before) != Some(PurgeState::Purged) {
            let began = progress.purge.as_ref().map(|purge| purge.started_at.0);
            self.check_purged(&name, &uid, began);
        }
        let version = self.next_version();
        let found = self.retentions.get_mut(&name).expect("it is there");
        found.status.get_or_insert_default().progress = progress.clone();
        found.metadata.resource_version = Some(version);
        Ok(())
    }
}

pub fn phase(retention: &Retention) -> Option<RetentionPhase> {
    retention.status.as_ref().and_then(|status| status.phase)
}

/// The rules of the CRD that compare a Retention with its status and with itself before.
fn allowed(old: &Retention, new: &Retention) -> bool {
    let status = old.status.clone().unwrap_or_default();
    let begun = status.progress.purge.is_some();
    let (was, is) = (&old.spec, &new.spec);
    let settled = was.end_date == is.end_date
        && was.grace_days == is.grace_days
        && was.early_erasure.is_some() == is.early_erasure.is_some()
        && was.mode == is.mode;
    let confirmed = is.early_erasure.as_ref().is_none_or(|wish| wish.confirm_name == is.tenant_ref.name);
    let shorter = is.grace_days < was.grace_days && status.phase.is_some_and(|phase| phase != RetentionPhase::Idle);
    !(begun && (cloudfarm::retention::ending::held(new) || !settled))
        && !shorter
        && confirmed
        && (60..=3650).contains(&is.grace_days)
        && is.schedule.split(' ').count() == 5
}
