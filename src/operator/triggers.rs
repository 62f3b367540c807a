//! The fan-out: which declaration has to be looked at again because of what a watch showed.
//!
//! One watch per kind feeds all controllers through plain channels. (kube's own shared streams lose deletes and can
//! stall for good in 5.0; see ARCHITECTURE.md.) While this process does not lead, triggers are dropped: on taking the
//! lead every declaration is looked at once anyway.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::stores::{Guarded, Stores};
use crate::api::access_grant::AccessGrant;
use crate::api::home;
use crate::api::notice::Notice;
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Kind, Observation};
use crate::network::observe::lease_of;
use crate::network::vlan::is_attachment;

/// Senders to the controllers.
#[derive(Default)]
pub struct Triggers {
    tenants: Queue<Tenant>,
    networks: Queue<TenantNetwork>,
    retentions: Queue<Retention>,
    grants: Queue<AccessGrant>,
    notices: Queue<Notice>,
}

/// Receivers of the controllers.
pub struct Queues {
    pub tenants: UnboundedReceiver<ObjectRef<Guarded<Tenant>>>,
    pub networks: UnboundedReceiver<ObjectRef<Guarded<TenantNetwork>>>,
    pub retentions: UnboundedReceiver<ObjectRef<Guarded<Retention>>>,
    pub grants: UnboundedReceiver<ObjectRef<Guarded<AccessGrant>>>,
    pub notices: UnboundedReceiver<ObjectRef<Guarded<Notice>>>,
}

struct Queue<K: kube::Resource<DynamicType = ()> + 'static>(Mutex<Open<K>>);

/// The way to the controller while there is one, and what waits behind it: since when, by namespace and name.
struct Open<K: kube::Resource<DynamicType = ()> + 'static> {
    sender: Option<UnboundedSender<ObjectRef<Guarded<K>>>>,
    waiting: HashMap<Place, Instant>,
}

type Place = (Option<String>, String);

impl<K: kube::Resource<DynamicType = ()>> Default for Queue<K> {
    fn default() -> Self {
        Self(Mutex::new(Open { sender: None, waiting: HashMap::new() }))
    }
}

impl<K: kube::Resource<DynamicType = ()>> Queue<K> {
    fn open(&self) -> UnboundedReceiver<ObjectRef<Guarded<K>>> {
        let (sender, receiver) = unbounded_channel();
        *self.lock() = Open { sender: Some(sender), waiting: HashMap::new() };
        receiver
    }

    fn close(&self) {
        *self.lock() = Open { sender: None, waiting: HashMap::new() };
    }

    fn send(&self, references: impl IntoIterator<Item = ObjectRef<Guarded<K>>>) {
        let mut open = self.lock();
        let Open { sender: Some(sender), waiting } = &mut *open else { return };
        for reference in references {
            let place = (reference.namespace.clone(), reference.name.clone());
            waiting.entry(place).or_insert_with(Instant::now);
            // A closed receiver means that the controller is stopping; nobody is left to look.
            let _ = sender.send(reference);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a queue that does not depend on what waits in it.
trait Waiting {
    fn no_longer(&self, place: &Place);
    fn backlog(&self) -> Backlog;
}

impl<K: kube::Resource<DynamicType = ()>> Waiting for Queue<K> {
    fn no_longer(&self, place: &Place) {
        self.lock().waiting.remove(place);
    }

    fn backlog(&self) -> Backlog {
        let open = self.lock();
        let oldest = open.waiting.values().min().map(Instant::elapsed).unwrap_or_default();
        Backlog { declarations: open.waiting.len(), oldest }
    }
}

/// What waits for a controller: declarations to look at, and for how long the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub declarations: usize,
    pub oldest: Duration,
}

/// The controllers' names.
pub const TENANT: &str = "tenant";
pub const NETWORK: &str = "network";
pub const RETENTION: &str = "retention";
pub const GRANT: &str = "grant";
pub const NOTICE: &str = "notice";

/// All of them.
pub const CONTROLLERS: [&str; 5] = [TENANT, NETWORK, RETENTION, GRANT, NOTICE];

impl Triggers {
    /// Opens the queues with every declaration in them: the first look after taking the lead.
    pub fn open(&self, stores: &Stores) -> Queues {
        let queues = Queues {
            tenants: self.tenants.open(),
            networks: self.networks.open(),
            retentions: self.retentions.open(),
            grants: self.grants.open(),
            notices: self.notices.open(),
        };
        self.everything(stores);
        queues
    }

    /// Closes the queues; the controllers finish what is under way and end.
    pub fn close(&self) {
        self.tenants.close();
        self.networks.close();
        self.retentions.close();
        self.grants.close();
        self.notices.close();
    }

    /// What waits for one of [`CONTROLLERS`]. What is tried again later waits only when its time
    /// has come.
    #[must_use]
    pub fn backlog(&self, controller: &str) -> Backlog {
        self.queue(controller).backlog()
    }

    /// A pass over this declaration begins, or it is gone.
    pub fn taken(&self, controller: &str, namespace: Option<&str>, name: &str) {
        self.queue(controller).no_longer(&(namespace.map(str::to_owned), name.to_owned()));
    }

    fn queue(&self, controller: &str) -> &dyn Waiting {
        match controller {
            TENANT => &self.tenants,
            NETWORK => &self.networks,
            GRANT => &self.grants,
            NOTICE => &self.notices,
            _ => &self.retentions,
        }
    }

    /// Every declaration there is.
    pub fn everything(&self, stores: &Stores) {
        self.tenants.send(stores.tenants.all());
        self.networks.send(stores.networks.all());
        self.retentions.send(stores.retentions.all());
        self.grants.send(stores.grants.all());
        self.notices.send(stores.notices.all());
    }

    /// Every Tenant: instance types changed.
    pub fn all_tenants(&self, stores: &Stores) {
        self.tenants.send(stores.tenants.all());
    }

    /// Every TenantNetwork: the probe said something, or what makes networks came or went.
    pub fn all_networks(&self, stores: &Stores) {
        self.networks.send(stores.networks.all());
    }

    /// The Tenant itself.
    pub fn tenant(&self, tenant: &str) {
        self.tenants.send([ObjectRef::new(tenant)]);
    }

    /// One TenantNetwork.
    pub fn network(&self, reference: ObjectRef<Guarded<TenantNetwork>>) {
        self.networks.send([reference]);
    }

    /// All TenantNetworks of a tenant.
    pub fn networks_of(&self, stores: &Stores, tenant: &str) {
        self.networks.send(stores.networks.references_of(tenant));
    }

    /// One Retention.
    pub fn retention(&self, reference: ObjectRef<Guarded<Retention>>) {
        self.retentions.send([reference]);
    }

    /// One Notice.
    pub fn notice(&self, reference: ObjectRef<Guarded<Notice>>) {
        self.notices.send([reference]);
    }

    /// The Notices that a tenant's people may be told by: its own, and those that people wrote.
    pub fn notices_about(&self, stores: &Stores, tenant: &str) {
        self.notices.send(stores.notices.references_of(tenant));
        self.notices.send(stores.notices.references_of(""));
    }

    /// All Retentions of a tenant.
    pub fn retentions_of(&self, stores: &Stores, tenant: &str) {
        self.retentions.send(stores.retentions.references_of(tenant));
    }

    /// One AccessGrant.
    pub fn grant(&self, namespace: &str, name: &str) {
        self.grants.send([ObjectRef::new(name).within(namespace)]);
    }

    /// All AccessGrants of a tenant: who may consent, or whether anybody may enter, is another.
    pub fn grants_of(&self, stores: &Stores, tenant: &str) {
        self.grants.send(stores.grants.references_of(tenant));
    }

    /// Everything that was declared for a tenant.
    pub fn home(&self, stores: &Stores, tenant: &str) {
        self.tenant(tenant);
        self.networks_of(stores, tenant);
        self.retentions_of(stores, tenant);
        self.grants_of(stores, tenant);
    }

    /// Whoever looks at this object: its owner; for a namespace or its quota everybody who lives in it; for a VM the networks
    /// that may not go before it; for what VMs are attached by also the Tenant; for a VLAN id everybody who asks for it.
    pub fn object(&self, stores: &Stores, changed: &Observation) {
        let home = changed.reference.home();
        match (changed.reference.kind, changed.owner.split_once('/')) {
            (Kind::Lease, _) => self.vlan(stores, changed),
            (Kind::Namespace | Kind::ResourceQuota, _) | (_, None) => self.home(stores, home),
            (Kind::VirtualMachine, Some(("Tenant", _))) => {
                self.tenant(home);
                self.networks.send(stores.networks_of_their_own(home));
            }
            (_, Some(("Tenant", _))) => self.tenant(home),
            (kind, Some(("TenantNetwork", name))) => {
                self.network(ObjectRef::new(name).within(&home::customer_namespace(home)));
                if is_attachment(kind) || kind == Kind::MultiNetworkPolicy {
                    self.tenant(home);
                }
            }
            (_, Some(("AccessGrant", name))) => self.grant(&home::customer_namespace(home), name),
            (_, Some((_, name))) => self.retention(ObjectRef::new(name)),
        }
    }

    /// Everybody who asks for the VLAN id of this Lease, and the tenant that has or had it.
    fn vlan(&self, stores: &Stores, lease: &Observation) {
        self.networks.send(stores.networks_on(&lease.reference.name).iter().map(|found| ObjectRef::from_obj(&**found)));
        self.home(stores, &lease.tenant);
    }

    /// Everybody who asks for the same VLAN id as this network.
    pub fn rivals(&self, stores: &Stores, network: &Guarded<TenantNetwork>) {
        let lease = network.0.as_ref().ok().and_then(lease_of);
        let rivals = lease.map(|lease| stores.networks_on(&lease.name)).unwrap_or_default();
        self.networks.send(rivals.iter().map(|found| ObjectRef::from_obj(&**found)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_triggered_waits_until_it_is_taken_and_counts_once() {
        let triggers = Triggers::default();
        triggers.tenant("nobody-listens");
        let receiver = triggers.tenants.open();
        for name in ["plum", "plum", "pear"] {
            triggers.tenant(name);
        }
        assert_eq!((triggers.backlog(TENANT).declarations, receiver.len()), (2, 3));
        assert_eq!(triggers.backlog(NETWORK), Backlog::default());
        triggers.taken(TENANT, None, "plum");
        assert_eq!(triggers.backlog(TENANT).declarations, 1);
        assert!(triggers.backlog(TENANT).oldest > Duration::ZERO);
        triggers.close();
        assert_eq!(triggers.backlog(TENANT), Backlog::default());
    }
}
