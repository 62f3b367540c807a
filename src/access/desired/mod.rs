//! Pure: from a snapshot to the door that a grant wants, and to whatever stands open and must not.

mod doors;
mod role;
mod role_binding;

use kube::ResourceExt;

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use super::door;
use super::observe::{GrantSnapshot, TenantSight};
use super::state::{Judged, judge};
use super::verbs;
use crate::api::{home, labels};
use crate::cluster::Cluster;
use crate::cluster::applied::Applied;
use crate::cluster::object::{Desired, Observation, Owner, OwnerKind, Stage};

/// What a pass means to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub judged: Judged,
    pub desired: Desired,
    /// What is closed before anything is opened.
    pub close: Vec<Observation>,
    /// VMs that the grant names and the Tenant does not declare.
    pub unknown: Vec<String>,
    /// Does the door lead anywhere?
    pub leads_nowhere: bool,
}

/// What every part of a door is made from.
struct Opening<'a> {
    owner: &'a Owner,
    namespace: &'a str,
    grant: &'a str,
    requested_by: &'a str,
    rules: Vec<PolicyRule>,
    expires_at: Timestamp,
}

/// Everything the grant wants.
#[must_use]
pub fn desired(snapshot: &GrantSnapshot) -> Plan {
    let namespace = snapshot.grant.namespace().unwrap_or_default();
    let name = snapshot.grant.name_any();
    let owner = Owner {
        kind: OwnerKind::AccessGrant,
        namespace: Some(namespace.clone()),
        name: name.clone(),
        uid: snapshot.grant.uid().unwrap_or_default(),
        tenant: home::of_customer_namespace(&namespace).to_owned(),
    };
    let judged = judge(&snapshot.grant, &snapshot.tenant, snapshot.now);
    let (known, unknown) = vms(snapshot);
    let rules = verbs::rules(&snapshot.grant.spec.verbs, &known);
    let leads_nowhere = rules.is_empty();
    let opening = judged.expires_at.filter(|_| judged.open && !leads_nowhere).map(|expires_at| Opening {
        owner: &owner,
        namespace: &namespace,
        grant: &name,
        requested_by: &snapshot.grant.spec.requested_by,
        rules,
        expires_at,
    });
    let stages = opening.as_ref().map(stages).unwrap_or_default();
    let wanted = if opening.is_some() { door::references(&namespace, &name).to_vec() } else { Vec::new() };
    let labelled =
        snapshot.doors.iter().filter(|door| !wanted.contains(&door.seen.reference) || !door.made_for(&owner));
    let named = snapshot.observed.values().filter(|seen| {
        !wanted.contains(&seen.reference) && seen.ours && seen.owner == format!("{:?}/{name}", owner.kind)
    });
    let close = door::in_order(named.cloned().chain(labelled.map(|door| door.seen.clone())));
    // What is closed is closed by `close`, which waits for no watch.
    let keep = snapshot.observed.keys().cloned().collect();
    let desired = Desired { keep, ..Desired::only(owner.clone(), stages) };
    Plan { judged, desired, close, unknown, leads_nowhere }
}

/// The operator's own right to give comes first, then what is given, then to whom.
fn stages(opening: &Opening) -> Vec<Stage> {
    let doors = doors::role_binding(opening);
    let role = role::role(opening).after(doors.reference.clone());
    let binding = role_binding::role_binding(opening).after(role.reference.clone());
    [doors, role, binding].map(|object| Stage { objects: vec![object] }).into()
}

/// VMs of the grant that are declared, and those that are not.
fn vms(snapshot: &GrantSnapshot) -> (Vec<String>, Vec<String>) {
    let mut named = snapshot.grant.spec.vms.clone();
    named.sort();
    named.dedup();
    named.into_iter().partition(|vm| match &snapshot.tenant {
        TenantSight::Present(customer) => customer.vms.contains(vm),
        TenantSight::Gone | TenantSight::Unreadable => false,
    })
}

impl Opening<'_> {
    /// Labels and annotations of a part of a door.
    fn metadata(&self, name: String) -> ObjectMeta {
        let mut metadata = self.owner.metadata(Some(self.namespace), name);
        metadata.labels.get_or_insert_default().insert(labels::GRANT.to_owned(), self.grant.to_owned());
        metadata.annotations.get_or_insert_default().insert(labels::EXPIRES.to_owned(), self.expires_at.to_string());
        metadata
    }
}

impl Plan {
    /// Closes what must not stand open, then brings the cluster to what is planned.
    pub async fn apply(&self, cluster: &Cluster) -> Applied {
        let faults = cluster.close(&self.close).await;
        let mut applied = cluster.apply(&self.desired).await;
        applied.pruned += self.close.len() - faults.len();
        applied.faults.extend(faults);
        applied
    }
}
