//! The fan-out: which declaration has to be looked at again because of what a watch showed.
//!
//! One watch per kind feeds all controllers through plain channels. (kube's own shared streams lose deletes and can
//! stall for good in 5.0; see ARCHITECTURE.md.) While this process does not lead, triggers are dropped: on taking the
//! lead every declaration is looked at once anyway.

use std::sync::{Mutex, PoisonError};

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stores::{Guarded, Stores};
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Kind, Observation};

/// Senders to the three controllers.
#[derive(Default)]
pub struct Triggers {
    tenants: Queue<Tenant>,
    networks: Queue<TenantNetwork>,
    retentions: Queue<Retention>,
}

/// Receivers of the three controllers.
pub struct Queues {
    pub tenants: UnboundedReceiver<ObjectRef<Guarded<Tenant>>>,
    pub networks: UnboundedReceiver<ObjectRef<Guarded<TenantNetwork>>>,
    pub retentions: UnboundedReceiver<ObjectRef<Guarded<Retention>>>,
}

struct Queue<K: kube::Resource<DynamicType = ()> + 'static>(Mutex<Option<UnboundedSender<ObjectRef<Guarded<K>>>>>);

impl<K: kube::Resource<DynamicType = ()>> Default for Queue<K> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: kube::Resource<DynamicType = ()>> Queue<K> {
    fn open(&self) -> UnboundedReceiver<ObjectRef<Guarded<K>>> {
        let (sender, receiver) = unbounded_channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn send(&self, references: impl IntoIterator<Item = ObjectRef<Guarded<K>>>) {
        if let Some(sender) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            for reference in references {
                // A closed receiver means that the controller is stopping; nobody is left to look.
                let _ = sender.send(reference);
            }
        }
    }
}

impl Triggers {
    /// Opens the queues with every declaration in them: the first look after taking the lead.
    pub fn open(&self, stores: &Stores) -> Queues {
        let queues =
            Queues { tenants: self.tenants.open(), networks: self.networks.open(), retentions: self.retentions.open() };
        self.everything(stores);
        queues
    }

    /// Closes the queues; the controllers finish what is under way and end.
    pub fn close(&self) {
        self.tenants.close();
        self.networks.close();
        self.retentions.close();
    }

    /// Every declaration there is.
    pub fn everything(&self, stores: &Stores) {
        self.tenants.send(stores.tenants.all());
        self.networks.send(stores.networks.all());
        self.retentions.send(stores.retentions.all());
    }

    /// Every Tenant: a neighbour's kind came or went, or instance types changed.
    pub fn all_tenants(&self, stores: &Stores) {
        self.tenants.send(stores.tenants.all());
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

    /// All Retentions of a tenant.
    pub fn retentions_of(&self, stores: &Stores, tenant: &str) {
        self.retentions.send(stores.retentions.references_of(tenant));
    }

    /// Everything that was declared for a tenant.
    pub fn home(&self, stores: &Stores, tenant: &str) {
        self.tenant(tenant);
        self.networks_of(stores, tenant);
        self.retentions_of(stores, tenant);
    }

    /// Whoever looks at this object: its owner, and for a namespace everybody who lives in it.
    pub fn object(&self, stores: &Stores, changed: &Observation) {
        let home = changed.reference.home();
        match (changed.reference.kind, changed.owner.split_once('/')) {
            (Kind::Namespace, _) | (_, None) => self.home(stores, home),
            (_, Some(("Tenant", _))) => self.tenant(home),
            (_, Some(("TenantNetwork", name))) => {
                let namespace = changed.reference.namespace.clone().unwrap_or_default();
                self.network(ObjectRef::new(name).within(&namespace));
            }
            (_, Some((_, name))) => self.retention(ObjectRef::new(name)),
        }
    }
}
