//! The observed store: what the watches and our own writes' answers showed, reduced to [`Observation`]s.
//!
//! Flow: watches feed [`ObservedStore::see`] and, after a relist, [`ObservedStore::replace`]; the writer feeds the
//! answers of its own calls, so that a pass never has to wait for its own echo. Whatever arrives with an older
//! resource version than what is known is ignored.
//!
//! Guarantees: a kind counts as complete only after its first whole list and while its watch is healthy. Whoever
//! deletes asks [`ObservedStore::complete`] first (I2).
//!
//! Assumption: resource versions of one kind are ordered numbers (guaranteed by Kubernetes since 1.35; etcd has
//! always given them).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::object::{Digest, Kind, Observation, Reference};

/// Shared by all controllers; holds one entry per managed object, indexed by tenant.
#[derive(Debug)]
pub struct ObservedStore {
    state: RwLock<State>,
    /// Told at every change, for whoever waits for one.
    changes: watch::Sender<()>,
}

impl Default for ObservedStore {
    fn default() -> Self {
        Self { state: RwLock::default(), changes: watch::Sender::new(()) }
    }
}

#[derive(Debug, Default)]
struct State {
    by_tenant: HashMap<String, BTreeMap<Reference, Entry>>,
    kinds: HashMap<Kind, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    synced: bool,
    healthy: bool,
    /// Grows with each relist, so that what we wrote while a list was under way is not taken for deleted.
    epoch: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    observation: Observation,
    epoch: u64,
    /// What we asked for last and what the server made of it. Differs when admission changes our objects.
    answered: Option<(Digest, Digest)>,
    /// Known from our own write only. Others than the writer are told when the watch shows it.
    unseen: bool,
}

/// What an event changed for the declarations that look at the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that we own or report.
    None,
    /// Content or facts differ from what was known.
    Changed,
}

impl ObservedStore {
    /// A watch event, or a relist's item outside a relist.
    pub fn see(&self, observation: Observation) -> Change {
        let mut state = self.write();
        let epoch = state.epoch(observation.reference.kind);
        let change = state.insert(observation, epoch, None);
        drop(state);
        if change == Change::Changed {
            self.changes.send_replace(());
        }
        change
    }

    /// Takes in what the API server answered to a claim on an object. Whoever claims goes by what the object says next, so
    /// that the watch is heard although it tells nothing new.
    pub fn claimed(&self, observation: Observation) {
        let mut state = self.write();
        let epoch = state.epoch(observation.reference.kind);
        let as_it_is = Some((observation.digest, observation.digest));
        let change = state.insert(observation, epoch, as_it_is);
        drop(state);
        if change == Change::Changed {
            self.changes.send_replace(());
        }
    }

    /// Waits until an object is as `wanted` says, but no longer than `patience`.
    pub async fn wait_for(
        &self,
        reference: &Reference,
        patience: Duration,
        wanted: impl Fn(&Observation) -> bool,
    ) -> bool {
        let mut changes = self.changes.subscribe();
        let holds = async {
            while !self.get(reference).is_some_and(|observation| wanted(&observation)) {
                // The sender lives as long as the store.
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, holds).await.is_ok()
    }

    /// The answer to one of our writes. `desired` is the digest that was sent.
    pub fn answered(&self, observation: Observation, desired: Digest) {
        let mut state = self.write();
        let epoch = state.epoch(observation.reference.kind);
        let answered = Some((desired, observation.digest));
        state.insert(observation, epoch, answered);
    }

    /// The object with this uid is gone.
    pub fn forget(&self, gone: &Observation) -> Change {
        let mut state = self.write();
        let home = gone.reference.home();
        let Some(objects) = state.by_tenant.get_mut(home) else { return Change::None };
        match objects.get(&gone.reference) {
            Some(entry) if entry.observation.uid == gone.uid => {
                objects.remove(&gone.reference);
                if objects.is_empty() {
                    state.by_tenant.remove(home);
                }
                Change::Changed
            }
            _ => Change::None,
        }
    }

    /// A list of this kind begins; what is known stays until it is complete.
    pub fn relist(&self, kind: Kind) {
        let mut state = self.write();
        let watch = state.kinds.entry(kind).or_default();
        watch.epoch += 1;
        watch.healthy = false;
    }

    /// The whole list of a kind. Returns the tenants for which something changed.
    pub fn replace(&self, kind: Kind, list: Vec<Observation>) -> BTreeSet<String> {
        let mut state = self.write();
        let epoch = state.epoch(kind);
        let mut changed = BTreeSet::new();
        let listed: BTreeSet<Reference> = list.iter().map(|observation| observation.reference.clone()).collect();
        for (tenant, objects) in &mut state.by_tenant {
            let before = objects.len();
            objects.retain(|reference, entry| {
                reference.kind != kind || listed.contains(reference) || entry.epoch == epoch
            });
            if objects.len() != before {
                changed.insert(tenant.clone());
            }
        }
        state.by_tenant.retain(|_, objects| !objects.is_empty());
        for observation in list {
            let tenant = observation.reference.home().to_owned();
            if state.insert(observation, epoch, None) == Change::Changed {
                changed.insert(tenant);
            }
        }
        let watch = state.kinds.entry(kind).or_default();
        watch.synced = true;
        watch.healthy = true;
        changed
    }

    /// Did the watch of this kind answer well (`true`) or badly the last time?
    pub fn mark(&self, kind: Kind, healthy: bool) {
        let mut state = self.write();
        let watch = state.kinds.entry(kind).or_default();
        watch.healthy = healthy && watch.synced;
    }

    /// The kind is no longer installed: what is known of it is forgotten, and nothing is concluded from that.
    pub fn uninstalled(&self, kind: Kind) {
        let mut state = self.write();
        state.kinds.remove(&kind);
        for objects in state.by_tenant.values_mut() {
            objects.retain(|reference, _| reference.kind != kind);
        }
    }

    /// Has the kind been listed whole at least once?
    #[must_use]
    pub fn synced(&self, kind: Kind) -> bool {
        self.read().kinds.get(&kind).is_some_and(|watch| watch.synced)
    }

    /// Is what is known of this kind the whole truth as far as we can tell?
    #[must_use]
    pub fn complete(&self, kind: Kind) -> bool {
        self.read().kinds.get(&kind).is_some_and(|watch| watch.synced && watch.healthy)
    }

    /// Everything in the tenant's home, whoever made it.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> BTreeMap<Reference, Observation> {
        self.read().by_tenant.get(tenant).map_or_else(BTreeMap::new, |objects| {
            objects.iter().map(|(reference, entry)| (reference.clone(), entry.observation.clone())).collect()
        })
    }

    /// Leases of VLAN ids that a tenant's networks have or had.
    #[must_use]
    pub fn leases_of(&self, tenant: &str) -> Vec<Observation> {
        let state = self.read();
        let nobodys = state.by_tenant.get("").into_iter().flatten();
        let leases = nobodys.filter(|(reference, _)| reference.kind == Kind::Lease);
        leases.map(|(_, entry)| &entry.observation).filter(|lease| lease.tenant == tenant).cloned().collect()
    }

    /// One object, if a watch or an answer showed it.
    #[must_use]
    pub fn get(&self, reference: &Reference) -> Option<Observation> {
        self.read().by_tenant.get(reference.home())?.get(reference).map(|entry| entry.observation.clone())
    }

    /// Is the object as wanted? Also when admission changed what we sent and it still is what the server answered.
    #[must_use]
    pub fn settled(&self, reference: &Reference, desired: Digest) -> bool {
        let state = self.read();
        let Some(entry) = state.by_tenant.get(reference.home()).and_then(|objects| objects.get(reference)) else {
            return false;
        };
        let observed = entry.observation.digest;
        observed == desired || entry.answered == Some((desired, observed))
    }

    /// Number of objects known, for metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().by_tenant.values().map(BTreeMap::len).sum()
    }

    /// Is nothing known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // A poisoned lock means that a thread died while holding it; each write below leaves the maps whole at every
    // step, so what is inside is still good.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn epoch(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).map_or(0, |watch| watch.epoch)
    }

    fn insert(&mut self, observation: Observation, epoch: u64, answered: Option<(Digest, Digest)>) -> Change {
        let objects = self.by_tenant.entry(observation.reference.home().to_owned()).or_default();
        let known = objects.get(&observation.reference);
        if known.is_some_and(|known| is_older(&observation, &known.observation)) {
            return Change::None;
        }
        let unseen = others_look(observation.reference.kind) && known.is_some_and(|known| known.unseen);
        let change = match known {
            Some(known) if !unseen && same_content(&known.observation, &observation) => Change::None,
            _ => Change::Changed,
        };
        let own_write = answered.is_some();
        let answered = answered.or_else(|| known.filter(|known| known.observation.uid == observation.uid)?.answered);
        objects.insert(observation.reference.clone(), Entry { observation, epoch, answered, unseen: own_write });
        change
    }
}

/// Kinds that others than whoever writes them wait for: they learn by the watch. A namespace's networks and its Retention;
/// the VMs that a network attaches; the networks that want the same VLAN id; the pass after the one that let a disk grow.
fn others_look(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Namespace
            | Kind::PersistentVolumeClaim
            | Kind::MultiNetworkPolicy
            | Kind::NetworkAttachmentDefinition
            | Kind::UserDefinedNetwork
            | Kind::ClusterUserDefinedNetwork
            | Kind::Lease
    )
}

/// Is everything the same that a pass decides by?
pub(super) fn same_content(one: &Observation, other: &Observation) -> bool {
    one.uid == other.uid
        && one.digest == other.digest
        && one.facts == other.facts
        && (&one.owner, &one.tenant, one.ours, one.deleting)
            == (&other.owner, &other.tenant, other.ours, other.deleting)
}

fn is_older(new: &Observation, known: &Observation) -> bool {
    match (new.resource_version.parse::<u64>(), known.resource_version.parse::<u64>()) {
        (Ok(new), Ok(known)) => new < known,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::object::Facts;

    fn policy(version: u32, content: &str) -> Observation {
        Observation {
            reference: Reference {
                kind: Kind::NetworkPolicy,
                namespace: Some("cf-plum".into()),
                name: "cloudfarm-default-deny".into(),
            },
            uid: "u1".into(),
            resource_version: version.to_string(),
            owner: "Tenant/plum".into(),
            owner_uid: "t1".into(),
            tenant: "plum".into(),
            ours: true,
            digest: Digest::of(&json!(content)),
            facts: Facts::None,
            deleting: false,
        }
    }

    #[test]
    fn an_older_event_never_overwrites_a_newer_answer() {
        let store = ObservedStore::default();
        store.answered(policy(20, "new"), Digest::of(&json!("new")));
        assert_eq!(store.see(policy(10, "old")), Change::None);
        assert!(store.settled(&policy(0, "").reference, Digest::of(&json!("new"))));
    }

    #[test]
    fn how_full_a_quota_is_is_no_reason_for_a_pass() {
        let store = ObservedStore::default();
        let quota = |version: u32, counting: bool| {
            let mut quota = policy(version, "quota");
            quota.reference = Reference { kind: Kind::ResourceQuota, name: "cloudfarm".into(), ..quota.reference };
            quota.facts = Facts::ResourceQuota { counting };
            quota
        };
        assert_eq!(store.see(quota(1, true)), Change::Changed);
        assert_eq!(store.see(quota(2, true)), Change::None);
        assert_eq!(store.see(quota(3, false)), Change::Changed);
    }

    #[test]
    fn what_was_written_during_a_relist_is_not_taken_for_deleted() {
        let store = ObservedStore::default();
        store.relist(Kind::NetworkPolicy);
        store.answered(policy(20, "new"), Digest::of(&json!("new")));
        store.replace(Kind::NetworkPolicy, Vec::new());
        assert_eq!(store.len(), 1);
        store.relist(Kind::NetworkPolicy);
        let changed = store.replace(Kind::NetworkPolicy, Vec::new());
        assert!(store.is_empty() && changed.contains("plum"));
    }

    #[test]
    fn a_kind_is_complete_only_between_a_whole_list_and_the_next_trouble() {
        let store = ObservedStore::default();
        assert!(!store.complete(Kind::NetworkPolicy));
        store.mark(Kind::NetworkPolicy, true);
        assert!(!store.complete(Kind::NetworkPolicy), "a healthy watch that never listed knows nothing");
        store.replace(Kind::NetworkPolicy, Vec::new());
        assert!(store.complete(Kind::NetworkPolicy));
        store.mark(Kind::NetworkPolicy, false);
        assert!(!store.complete(Kind::NetworkPolicy) && store.synced(Kind::NetworkPolicy));
    }

    #[test]
    fn an_object_that_admission_changed_is_settled_until_somebody_else_changes_it() {
        let store = ObservedStore::default();
        let wanted = Digest::of(&json!("wanted"));
        store.answered(policy(20, "mutated"), wanted);
        assert!(store.settled(&policy(0, "").reference, wanted));
        store.see(policy(21, "touched by hand"));
        assert!(!store.settled(&policy(0, "").reference, wanted));
    }

    #[test]
    fn a_namespace_that_we_made_is_news_to_its_inhabitants_when_the_watch_shows_it() {
        let store = ObservedStore::default();
        let mut namespace = policy(20, "made");
        namespace.reference = Reference { kind: Kind::Namespace, namespace: None, name: "cf-plum".into() };
        store.answered(namespace.clone(), namespace.digest);
        assert_eq!(store.see(namespace.clone()), Change::Changed);
        assert_eq!(store.see(namespace), Change::None);
        store.answered(policy(20, "made"), Digest::of(&json!("made")));
        assert_eq!(store.see(policy(20, "made")), Change::None, "the writer alone looks at a policy, and knows it");
    }

    #[test]
    fn a_late_delete_event_of_an_earlier_incarnation_changes_nothing() {
        let store = ObservedStore::default();
        store.see(policy(20, "new"));
        let earlier = Observation { uid: "u0".into(), ..policy(10, "old") };
        assert_eq!(store.forget(&earlier), Change::None);
        assert_eq!(store.len(), 1);
    }
}
