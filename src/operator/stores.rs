//! What the watches of our own kinds know: the declarations themselves, and the few indexes between them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use crate::api::access_grant::AccessGrant;
use crate::api::home;
use crate::api::labels;
use crate::api::notice::Notice;
use crate::api::retention::{PurgeState, Retention};
use crate::api::tenant::Tenant;
use crate::api::tenant_network::{NetworkType, TenantNetwork};
use crate::evidence::attestation::Word;
use crate::foreign::instancetype::Size;
use crate::foreign::kubevirt::Platform;
use crate::network::observe::lease_of;
use crate::probe::report::Report;

/// A declaration that may be undecodable without harming its neighbours (I14).
pub type Guarded<K> = DeserializeGuard<K>;

/// Everything a pass may look up without a call.
pub struct Stores {
    pub tenants: Declared<Tenant>,
    pub networks: Declared<TenantNetwork>,
    pub retentions: Declared<Retention>,
    pub grants: Declared<AccessGrant>,
    pub notices: Declared<Notice>,
    instancetypes: RwLock<Arc<BTreeMap<String, Size>>>,
    platform: RwLock<Arc<Platform>>,
    probe: RwLock<Option<Report>>,
    words: RwLock<Option<Arc<Vec<Word>>>>,
}

/// One declared kind: its reflector's store and an index by tenant.
pub struct Declared<K: Resource<DynamicType = ()> + 'static> {
    pub store: Store<Guarded<K>>,
    by_tenant: RwLock<HashMap<String, HashSet<ObjectRef<Guarded<K>>>>>,
    synced: AtomicBool,
}

impl Stores {
    #[must_use]
    pub fn new(
        tenants: Store<Guarded<Tenant>>,
        networks: Store<Guarded<TenantNetwork>>,
        retentions: Store<Guarded<Retention>>,
        grants: Store<Guarded<AccessGrant>>,
        notices: Store<Guarded<Notice>>,
    ) -> Self {
        Self {
            tenants: Declared::new(tenants),
            networks: Declared::new(networks),
            retentions: Declared::new(retentions),
            grants: Declared::new(grants),
            notices: Declared::new(notices),
            instancetypes: RwLock::default(),
            platform: RwLock::default(),
            probe: RwLock::default(),
            words: RwLock::default(),
        }
    }

    /// The Retention that stands for a Tenant: the one it names, or the one of its own name. If that one already carries
    /// the proof about an earlier tenant of this name, another with the Tenant's uid in its name: a namesake inherits
    /// nothing.
    #[must_use]
    pub fn retention_name(&self, tenant: &Tenant) -> String {
        let name = tenant.name_any();
        let uid = tenant.uid().unwrap_or_default();
        let chosen = tenant.spec.retention_name.clone().unwrap_or_else(|| name.clone());
        let found = self.retentions.get(&ObjectRef::new(&chosen));
        let proof = found.as_ref().and_then(|found| found.0.as_ref().ok()).is_some_and(|found| {
            let status = found.status.as_ref();
            let purged = status.and_then(|status| status.progress.purge.as_ref());
            let pinned = status.and_then(|status| status.pinned.as_ref());
            purged.is_some_and(|purge| purge.state == PurgeState::Purged)
                && pinned.is_some_and(|pinned| pinned.tenant_uid != uid)
        });
        if !proof {
            return chosen;
        }
        // A later tenant that went and is declared again goes on under the Retention it has: with its holds and its days.
        let purged = |found: &Retention| {
            let progress = found.status.as_ref().map(|status| &status.progress);
            progress.and_then(|progress| progress.purge.as_ref()).is_some_and(|it| it.state == PurgeState::Purged)
        };
        let all = self.retentions.of_tenant(&name);
        let decoded = all.iter().filter_map(|found| found.0.as_ref().ok());
        let standing = decoded.filter(|found| !purged(found)).map(ResourceExt::name_any);
        standing.min().unwrap_or_else(|| format!("{name}-{}", uid.chars().take(8).collect::<String>()))
    }

    /// TenantNetworks of a tenant that are no part of the cluster's own network.
    #[must_use]
    pub fn networks_of_their_own(&self, tenant: &str) -> Vec<ObjectRef<Guarded<TenantNetwork>>> {
        let all = self.networks.of_tenant(tenant);
        let own = all.iter().filter(|found| of_its_own(found));
        own.map(|found| ObjectRef::from_obj(&**found)).collect()
    }

    /// TenantNetworks of all tenants that ask for the VLAN id of this Lease. Looks through all of them.
    #[must_use]
    pub fn networks_on(&self, lease: &str) -> Vec<Arc<Guarded<TenantNetwork>>> {
        let asks = |network: &TenantNetwork| lease_of(network).is_some_and(|asked| asked.name == lease);
        let all = self.networks.store.state().into_iter();
        all.filter(|found| found.0.as_ref().is_ok_and(asks)).collect()
    }

    /// Sizes of the cluster's instance types, by name.
    #[must_use]
    pub fn instancetypes(&self) -> Arc<BTreeMap<String, Size>> {
        self.instancetypes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the sizes; tells whether anything changed.
    pub fn set_instancetypes(&self, sizes: BTreeMap<String, Size>) -> bool {
        let mut current = self.instancetypes.write().unwrap_or_else(PoisonError::into_inner);
        let changed = **current != sizes;
        *current = Arc::new(sizes);
        changed
    }

    /// What is known of KubeVirt's settings.
    #[must_use]
    pub fn platform(&self) -> Arc<Platform> {
        self.platform.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it; tells whether anything changed.
    pub fn set_platform(&self, platform: Platform) -> bool {
        let mut current = self.platform.write().unwrap_or_else(PoisonError::into_inner);
        let changed = **current != platform;
        *current = Arc::new(platform);
        changed
    }

    /// The probe's last report, if one can be read.
    #[must_use]
    pub fn probe(&self) -> Option<Report> {
        self.probe.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the probe's report; tells whether it is another one.
    pub fn set_probe(&self, report: Option<Report>) -> bool {
        let mut current = self.probe.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *current != report;
        *current = report;
        changed
    }
}

impl Stores {
    /// What the organisation has signed, once that has been listed.
    #[must_use]
    pub fn words(&self) -> Option<Arc<Vec<Word>>> {
        self.words.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it; tells whether anything changed.
    pub fn set_words(&self, words: Vec<Word>) -> bool {
        let mut current = self.words.write().unwrap_or_else(PoisonError::into_inner);
        let changed = current.as_deref() != Some(&words);
        *current = Some(Arc::new(words));
        changed
    }
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Declared<K> {
    fn new(store: Store<Guarded<K>>) -> Self {
        Self { store, by_tenant: RwLock::default(), synced: AtomicBool::new(false) }
    }

    /// A declaration by reference, if it is there and can be decoded.
    #[must_use]
    pub fn get(&self, reference: &ObjectRef<Guarded<K>>) -> Option<Arc<Guarded<K>>> {
        self.store.get(reference)
    }

    /// The declarations of this kind that belong to a tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Vec<Arc<Guarded<K>>> {
        let index = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        index.get(tenant).into_iter().flatten().filter_map(|reference| self.store.get(reference)).collect()
    }

    /// References of the declarations that belong to a tenant.
    #[must_use]
    pub fn references_of(&self, tenant: &str) -> Vec<ObjectRef<Guarded<K>>> {
        let index = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        index.get(tenant).into_iter().flatten().cloned().collect()
    }

    /// References of all declarations.
    #[must_use]
    pub fn all(&self) -> Vec<ObjectRef<Guarded<K>>> {
        self.store.state().iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
    }

    /// Has the kind been listed whole at least once?
    #[must_use]
    pub fn synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Notes that a declaration belongs to a tenant.
    pub fn index(&self, tenant: &str, reference: ObjectRef<Guarded<K>>) {
        let mut index = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        index.entry(tenant.to_owned()).or_default().insert(reference);
    }

    /// Forgets a deleted declaration.
    pub fn unindex(&self, tenant: &str, reference: &ObjectRef<Guarded<K>>) {
        let mut index = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(references) = index.get_mut(tenant) {
            references.remove(reference);
            if references.is_empty() {
                index.remove(tenant);
            }
        }
    }

    /// Replaces the index after a whole list. Returns the tenants that lost a declaration meanwhile.
    pub fn relisted(&self, listed: Vec<(String, ObjectRef<Guarded<K>>)>) -> BTreeSet<String> {
        let mut fresh: HashMap<String, HashSet<ObjectRef<Guarded<K>>>> = HashMap::new();
        for (tenant, reference) in listed {
            fresh.entry(tenant).or_default().insert(reference);
        }
        let mut index = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        let lost =
            index.iter().filter(|(tenant, old)| fresh.get(*tenant) != Some(old)).map(|(tenant, _)| tenant.clone());
        let lost = lost.collect();
        *index = fresh;
        self.synced.store(true, Ordering::Release);
        lost
    }
}

/// Is the network no part of the cluster's own?
#[must_use]
pub fn of_its_own(network: &Guarded<TenantNetwork>) -> bool {
    network.0.as_ref().is_ok_and(|network| network.spec.type_ != NetworkType::Pod)
}

/// How a declaration tells which tenant it belongs to.
pub trait OfTenant {
    /// The tenant's name.
    fn tenant(&self) -> String;
}

impl OfTenant for Guarded<Tenant> {
    fn tenant(&self) -> String {
        self.name_any()
    }
}

impl OfTenant for Guarded<TenantNetwork> {
    fn tenant(&self) -> String {
        home::of_customer_namespace(&self.namespace().unwrap_or_default()).to_owned()
    }
}

impl OfTenant for Guarded<AccessGrant> {
    fn tenant(&self) -> String {
        home::of_customer_namespace(&self.namespace().unwrap_or_default()).to_owned()
    }
}

impl OfTenant for Guarded<Retention> {
    // An undecodable Retention belongs to the tenant it is named after, which is the default name.
    fn tenant(&self) -> String {
        self.0.as_ref().map_or_else(|_| self.name_any(), |retention| retention.spec.tenant_ref.name.clone())
    }
}

impl OfTenant for Guarded<Notice> {
    // What people write is about many, and found under nobody's name.
    fn tenant(&self) -> String {
        self.annotations()
            .get(labels::OWNER)
            .and_then(|owner| owner.strip_prefix("Tenant/"))
            .unwrap_or_default()
            .to_owned()
    }
}
