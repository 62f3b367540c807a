//! What one pass over a Retention looks at. Everything comes from the watches; nothing is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::ending::{Declaration, TenantState};
use crate::api::home;
use crate::api::retention::Retention;
use crate::api::tenant::{Role, SubjectKind, Tenant};
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::network::observe::lasting;
use crate::network::vlan::Lasting;
use crate::operator::config::Config;
use crate::operator::context::Context;

/// A Retention and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct RetentionSnapshot {
    pub retention: Retention,
    pub tenant: TenantState,
    /// Another Retention that stands for the same tenant and takes precedence.
    pub rival: Option<String>,
    pub config: Arc<Config>,
    pub observed: BTreeMap<Reference, Observation>,
    /// What of the tenant's networks outlasts them.
    pub lasting: Lasting,
    pub now: Timestamp,
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, retention: Retention) -> RetentionSnapshot {
    let tenant = retention.spec.tenant_ref.name.clone();
    let found = context.stores.tenants.get(&ObjectRef::new(&tenant));
    let state = match found.as_deref().map(|found| &found.0) {
        None => TenantState::Vanished,
        Some(Err(_)) => TenantState::Unknown,
        Some(Ok(found)) => TenantState::Present(declaration(found)),
    };
    let chosen = match found.as_ref().and_then(|found| found.0.as_ref().ok()) {
        Some(declared) => context.stores.retention_name(declared),
        None => tenant.clone(),
    };
    let rival = context.stores.retentions.get(&ObjectRef::new(&chosen)).filter(|rival| {
        rival.name_any() != retention.name_any()
            && rival.0.as_ref().is_ok_and(|rival| rival.spec.tenant_ref.name == tenant && !purged(rival))
    });
    RetentionSnapshot {
        tenant: state,
        rival: rival.map(|rival| rival.name_any()),
        config: context.config.clone(),
        observed: context.cluster.observed.of_tenant(&tenant),
        lasting: lasting(context, &tenant),
        now: context.clock.now(),
        retention,
    }
}

/// What a Tenant says that matters to its Retention.
#[must_use]
pub fn declaration(tenant: &Tenant) -> Declaration {
    let privileged = |role: Role| role == Role::PrivilegedAdministrator;
    let people = tenant.spec.administrators.iter().filter(|person| !person.disabled && privileged(person.role));
    // A wish is somebody's, and a user may be called as a group is.
    let people = people.filter(|person| person.kind == SubjectKind::User);
    Declaration {
        uid: tenant.uid().unwrap_or_default(),
        end_date: tenant.spec.contract.end_date.clone(),
        privileged: people.map(|person| person.username.clone()).collect::<BTreeSet<_>>(),
    }
}

/// Has a purge of this Retention begun or ended? Then it speaks of one tenant's past and of nobody's future.
#[must_use]
pub fn purged(retention: &Retention) -> bool {
    retention.status.as_ref().is_some_and(|status| status.progress.purge.is_some())
}

impl RetentionSnapshot {
    /// The tenant's namespaces that are there and ours.
    pub fn namespaces(&self) -> impl Iterator<Item = &Observation> {
        let tenant = &self.retention.spec.tenant_ref.name;
        let names = [home::customer_namespace(tenant), home::derived_namespace(tenant)];
        self.observed.values().filter(move |object| {
            object.reference.kind == Kind::Namespace
                && names.contains(&object.reference.name)
                && object.tenant == *tenant
                && object.ours
        })
    }

    /// Those whose uid is pinned: the only ones that a purge may enter.
    pub fn pinned_namespaces(&self) -> impl Iterator<Item = &Observation> {
        let pinned = self.retention.status.as_ref().and_then(|status| status.pinned.as_ref());
        self.namespaces().filter(move |namespace| {
            pinned.is_some_and(|pinned| pinned.namespace_uids.get(&namespace.reference.name) == Some(&namespace.uid))
        })
    }

    /// What a purge of another Retention has left there, with records that are kept, is no later tenant's.
    #[must_use]
    pub fn of_an_earlier_tenant(&self, namespace: &Observation) -> bool {
        let own = self.retention.uid().unwrap_or_default();
        matches!(&namespace.facts, Facts::Namespace { approved: Some(approved), .. } if *approved != own)
    }

    /// A hold that somebody wrote on a namespace by hand: its other place.
    #[must_use]
    pub fn held_by_hand(&self) -> Option<&Observation> {
        let own = self.retention.uid().unwrap_or_default();
        self.namespaces().find(|namespace| match &namespace.facts {
            Facts::Namespace { hold: Some(hold), .. } => *hold != own,
            _ => false,
        })
    }
}
