//! Prune: deletes what this declaration made and no longer wants.
//!
//! Guarantees: only kinds that hold no data ([`Kind::prunable`](super::object::Kind::prunable)); only objects that
//! carry our label, this owner's name and this owner's uid (I1); only with uid and resource version (I7); nothing at
//! all while any watch is incomplete or an answer of this pass is missing (I2); walls after the VMs they stand around
//! (I3).

use super::Cluster;
use super::applied::{Applied, Cause, Fault};
use super::object::{Desired, Kind, Observation, Reference};
use super::write::WriteError;
use std::collections::BTreeSet;

/// Workloads first, walls last.
const ORDER: [Kind; 4] = [Kind::CronJob, Kind::VirtualMachine, Kind::RoleBinding, Kind::NetworkPolicy];

pub(super) async fn prune(cluster: &Cluster, desired: &Desired, applied: &mut Applied) {
    let unwanted = unwanted(desired, cluster.observed.of_tenant(&desired.owner.tenant).into_values());
    if unwanted.is_empty() {
        return;
    }
    let doubtful = applied.faults.iter().any(|fault| fault.cause == Cause::Unanswered)
        || ORDER.iter().any(|kind| cluster.installed(*kind) && !cluster.observed.complete(*kind));
    if doubtful {
        applied.faults.extend(unwanted.iter().map(|object| Fault {
            reference: object.reference.clone(),
            cause: Cause::Unanswered,
            message: "is no longer wanted; it is kept until every watch is complete again".into(),
        }));
        return;
    }
    for kind in ORDER {
        let of_kind: Vec<_> = unwanted.iter().filter(|object| object.reference.kind == kind).collect();
        for object in of_kind.iter().filter(|object| !object.deleting) {
            delete(cluster, object, applied).await;
        }
        // The watch tells when the VMs are gone; only then do their walls follow.
        if kind == Kind::VirtualMachine && !of_kind.is_empty() {
            return;
        }
    }
}

async fn delete(cluster: &Cluster, object: &Observation, applied: &mut Applied) {
    match cluster.writer.delete(object).await {
        Ok(()) | Err(WriteError::NotFound(_)) => applied.pruned += 1,
        Err(error) => applied.faults.push(Fault {
            reference: object.reference.clone(),
            cause: Cause::Unanswered,
            message: format!("is no longer wanted and could not be deleted: {error}"),
        }),
    }
}

/// What this owner made, may be pruned, and does not want any more.
fn unwanted(desired: &Desired, observed: impl Iterator<Item = Observation>) -> Vec<Observation> {
    let wanted: BTreeSet<&Reference> = desired.objects().map(|object| &object.reference).chain(&desired.keep).collect();
    let owner = format!("{:?}/{}", desired.owner.kind, desired.owner.name);
    observed
        .filter(|object| object.ours && object.owner == owner && object.owner_uid == desired.owner.uid)
        .filter(|object| object.reference.kind.prunable() && !wanted.contains(&object.reference))
        .collect()
}
