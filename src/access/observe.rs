//! What one pass over an AccessGrant looks at. Everything comes from the watches; nothing is called.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::door::{self, Door};
use crate::api::access_grant::AccessGrant;
use crate::api::home;
use crate::api::jst::ContractDate;
use crate::api::retention::PurgeState;
use crate::api::tenant::{Administrator, Role, SubjectKind, Tenant};
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::operator::context::Context;

/// An AccessGrant and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct GrantSnapshot {
    pub grant: AccessGrant,
    pub tenant: TenantSight,
    /// Everything in its namespace that carries its name as the label of a door.
    pub doors: Vec<Door>,
    /// The objects of its door as our own writes and their watch know them.
    pub observed: BTreeMap<Reference, Observation>,
    /// Never runs back while the process lives.
    pub now: Timestamp,
}

/// What is known of the Tenant behind the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantSight {
    /// There is none.
    Gone,
    /// It is there and cannot be read.
    Unreadable,
    Present(Customer),
}

/// Of a Tenant, what decides about doors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// Enabled privileged administrators: whose word counts.
    pub privileged: BTreeSet<String>,
    /// Everybody of the customer's, disabled or not: nobody of them is staff.
    pub people: BTreeSet<String>,
    /// VMs that are declared.
    pub vms: BTreeSet<String>,
    /// When the contract is over, if an end is written.
    pub ends_at: Option<Timestamp>,
    /// Why nobody enters now.
    pub closed: Option<Closed>,
}

/// Why nobody enters a tenant's area, whatever is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Suspended,
    Ended,
    Erasing,
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, grant: AccessGrant) -> GrantSnapshot {
    let namespace = grant.namespace().unwrap_or_default();
    let tenant = home::of_customer_namespace(&namespace);
    let now = context.clock.steady();
    let observed = context.cluster.observed.of_tenant(tenant);
    let found = context.stores.tenants.get(&ObjectRef::new(tenant));
    let sight = match found.as_deref().map(|found| &found.0) {
        None => TenantSight::Gone,
        Some(Err(_)) => TenantSight::Unreadable,
        Some(Ok(found)) => TenantSight::Present(customer(found, erasing(context, found, &observed), now)),
    };
    let own = door::references(&namespace, &grant.name_any());
    GrantSnapshot {
        tenant: sight,
        doors: context.doors.of_grant(&namespace, &grant.name_any()),
        observed: observed.into_iter().filter(|(reference, _)| own.contains(reference)).collect(),
        now,
        grant,
    }
}

/// What a Tenant says that matters to grants.
#[must_use]
pub fn customer(tenant: &Tenant, erasing: bool, now: Timestamp) -> Customer {
    let spec = &tenant.spec;
    let end = spec.contract.end_date.as_ref().and_then(|date| date.parse::<ContractDate>().ok());
    let ends_at = end.and_then(|end| end.ends_at().ok());
    let ended = ends_at.is_some_and(|end| end <= now);
    // A word that counts is a person's: nobody here knows who is in a group.
    let privileged = |person: &&Administrator| {
        !person.disabled && person.kind == SubjectKind::User && person.role == Role::PrivilegedAdministrator
    };
    let name = |person: &Administrator| person.username.clone();
    let closed = match (erasing, ended, spec.suspended) {
        (true, _, _) => Some(Closed::Erasing),
        (_, true, _) => Some(Closed::Ended),
        (_, _, true) => Some(Closed::Suspended),
        _ => None,
    };
    Customer {
        privileged: spec.administrators.iter().filter(privileged).map(name).collect(),
        people: spec.administrators.iter().map(name).collect(),
        vms: spec.virtual_machines.iter().map(|machine| machine.name.clone()).collect(),
        ends_at,
        closed,
    }
}

/// Has a purge of this tenant begun, or is its namespace going?
fn erasing(context: &Context, tenant: &Tenant, observed: &BTreeMap<Reference, Observation>) -> bool {
    let retentions = context.stores.retentions.of_tenant(&tenant.name_any());
    let purging = retentions.iter().filter_map(|found| found.0.as_ref().ok()?.status.as_ref()).any(|status| {
        let begun = status.progress.purge.as_ref().is_some_and(|purge| purge.state != PurgeState::Purged);
        begun && status.pinned.as_ref().is_some_and(|pinned| Some(&pinned.tenant_uid) == tenant.uid().as_ref())
    });
    let customer = home::customer_namespace(&tenant.name_any());
    let approved = observed.values().any(|object| {
        object.reference.kind == Kind::Namespace
            && object.reference.name == customer
            && matches!(&object.facts, Facts::Namespace { terminating, approved, .. } if *terminating || approved.is_some())
    });
    purging || approved
}
