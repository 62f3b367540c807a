//! Prune: deletes what this declaration made and no longer wants.
//!
//! Guarantees: only kinds that hold no data ([`Kind::prunable`](super::object::Kind::prunable)); only objects that
//! carry our label, this owner's name and this owner's uid, or that a declaration which is gone has left behind (I1);
//! only with uid and resource version (I7); nothing at all while any watch is incomplete or an answer of this pass is
//! missing (I2); walls after the VMs they stand around (I3).

use super::Cluster;
use super::applied::{Applied, Cause, Fault};
use super::object::{Desired, Kind, Observation, Reference};
use super::write::WriteError;
use std::collections::BTreeSet;

/// Workloads first, walls last.
const ORDER: [Kind; 13] = [
    Kind::CronJob,
    Kind::Schedule,
    // Before the VM, by which alone it is found again after a restart.
    Kind::Secret,
    Kind::VirtualMachine,
    Kind::RoleBinding,
    Kind::Role,
    Kind::Service,
    Kind::Certificate,
    Kind::NetworkAttachmentDefinition,
    Kind::UserDefinedNetwork,
    Kind::ClusterUserDefinedNetwork,
    Kind::NetworkPolicy,
    Kind::MultiNetworkPolicy,
];

pub(super) async fn prune(cluster: &Cluster, desired: &Desired, applied: &mut Applied) {
    let unwanted = unwanted(desired, cluster.observed.of_tenant(&desired.owner.tenant).into_values());
    if unwanted.is_empty() {
        return;
    }
    let doubtful = applied.faults.iter().any(|fault| matches!(fault.cause, Cause::Unanswered | Cause::Changed))
        || ORDER.iter().any(|kind| kind.watched() && cluster.installed(*kind) && !cluster.observed.complete(*kind));
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
        // A VM goes only after its Secret: nothing else tells that there is one.
        if kind == Kind::Secret && of_kind.iter().any(|object| faulty(applied, object)) {
            return;
        }
        // The watch tells when the VMs are gone; only then do their walls follow.
        if kind == Kind::VirtualMachine && !of_kind.is_empty() {
            return;
        }
    }
}

fn faulty(applied: &Applied, object: &Observation) -> bool {
    applied.faults.iter().any(|fault| fault.reference == object.reference)
}

async fn delete(cluster: &Cluster, object: &Observation, applied: &mut Applied) {
    match cluster.writer.delete(object).await {
        Ok(()) | Err(WriteError::NotFound(_)) => {
            applied.pruned += 1;
            if !object.reference.kind.watched() {
                cluster.observed.forget(object);
            }
        }
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
    let abandoned = |object: &Observation| {
        desired.abandoned.iter().any(|left| left.uid == object.uid && left.owner_uid == object.owner_uid)
    };
    let own = |object: &Observation| object.owner == owner && object.owner_uid == desired.owner.uid;
    observed
        .filter(|object| object.ours && (own(object) || abandoned(object)))
        .filter(|object| object.reference.kind.prunable() && !wanted.contains(&object.reference))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::cluster::asked::cluster;
    use crate::cluster::object::{Digest, Facts, Owner, OwnerKind};

    fn seen(kind: Kind, name: &str, owner: &str, owner_uid: &str) -> Observation {
        Observation {
            reference: Reference { kind, namespace: Some("cf-plum".into()), name: name.into() },
            uid: format!("uid-of-{name}"),
            resource_version: "7".into(),
            owner: owner.into(),
            owner_uid: owner_uid.into(),
            tenant: "plum".into(),
            ours: true,
            digest: Digest::of(&json!(null)),
            facts: Facts::None,
            deleting: false,
        }
    }

    fn nothing_wanted() -> Desired {
        let owner = Owner {
            kind: OwnerKind::Tenant,
            namespace: None,
            name: "plum".into(),
            uid: "t-uid".into(),
            tenant: "plum".into(),
        };
        Desired { keep: BTreeSet::new(), ..Desired::nothing(owner, &BTreeMap::new()) }
    }

    async fn pass(cluster: &Cluster) -> Applied {
        let mut applied = Applied::default();
        prune(cluster, &nothing_wanted(), &mut applied).await;
        applied
    }

    fn everything_listed(cluster: &Cluster, objects: &[Observation]) {
        for unwatched in objects.iter().filter(|object| !object.reference.kind.watched()) {
            cluster.observed.see(unwatched.clone());
        }
        for kind in ORDER.into_iter().filter(|kind| kind.watched()) {
            let of_kind = objects.iter().filter(|object| object.reference.kind == kind).cloned().collect();
            cluster.observed.replace(kind, of_kind);
        }
    }

    #[tokio::test]
    async fn nothing_is_deleted_while_any_watch_is_in_trouble_and_it_is_said() {
        let (cluster, asked) = cluster();
        everything_listed(&cluster, &[seen(Kind::RoleBinding, "stale", "Tenant/plum", "t-uid")]);
        cluster.observed.mark(Kind::NetworkPolicy, false);
        let applied = pass(&cluster).await;
        assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
        assert!(applied.faults[0].message.contains("kept until every watch is complete"));

        cluster.observed.mark(Kind::NetworkPolicy, true);
        pass(&cluster).await;
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_delete_names_the_uid_and_the_version_that_were_seen() {
        let (cluster, asked) = cluster();
        everything_listed(&cluster, &[seen(Kind::RoleBinding, "stale", "Tenant/plum", "t-uid")]);
        pass(&cluster).await;
        let asked = asked.lock().unwrap()[0].clone();
        assert!(asked.starts_with("DELETE ") && asked.contains("/rolebindings/stale"), "{asked}");
        assert!(asked.contains("\"uid\":\"uid-of-stale\"") && asked.contains("\"resourceVersion\":\"7\""), "{asked}");
    }

    #[tokio::test]
    async fn what_belongs_to_others_holds_data_or_is_the_last_wall_is_never_pruned() {
        let (cluster, asked) = cluster();
        let mut stranger = seen(Kind::NetworkPolicy, "stranger", "Tenant/plum", "t-uid");
        stranger.ours = false;
        everything_listed(
            &cluster,
            &[
                stranger,
                seen(Kind::NetworkPolicy, "of-a-network", "TenantNetwork/dmz", "n-uid"),
                seen(Kind::NetworkPolicy, "of-an-earlier-incarnation", "Tenant/plum", "t-uid-before"),
            ],
        );
        for kind in [Kind::DataVolume, Kind::ResourceQuota, Kind::LimitRange, Kind::ClusterNetworkPolicy] {
            cluster.observed.replace(kind, vec![seen(kind, "data", "Tenant/plum", "t-uid")]);
        }
        pass(&cluster).await;
        assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
    }

    #[tokio::test]
    async fn a_vm_goes_after_its_secret_which_nothing_else_tells_of() {
        let (cluster, asked) = cluster();
        cluster.set_installed(Kind::VirtualMachine, true);
        let vm = seen(Kind::VirtualMachine, "vm", "Tenant/plum", "t-uid");
        let secret = seen(Kind::Secret, "cloudfarm-guest-vm", "Tenant/plum", "t-uid");
        everything_listed(&cluster, &[vm, secret.clone()]);
        pass(&cluster).await;
        let asked = asked.lock().unwrap();
        assert!(
            asked.len() == 2 && asked[0].contains("/secrets/") && asked[1].contains("/virtualmachines/"),
            "{asked:?}"
        );
        assert!(cluster.observed.get(&secret.reference).is_none(), "no watch would tell that it is gone");
    }

    #[tokio::test]
    async fn walls_stay_until_the_vms_inside_are_gone() {
        let (cluster, asked) = cluster();
        cluster.set_installed(Kind::VirtualMachine, true);
        let (vm, wall) = (
            seen(Kind::VirtualMachine, "vm", "Tenant/plum", "t-uid"),
            seen(Kind::NetworkPolicy, "wall", "Tenant/plum", "t-uid"),
        );
        everything_listed(&cluster, &[vm.clone(), wall]);
        pass(&cluster).await;
        assert!(asked.lock().unwrap().iter().all(|line| line.contains("/virtualmachines/vm")), "{asked:?}");
        cluster.observed.see(Observation { deleting: true, resource_version: "8".into(), ..vm.clone() });
        pass(&cluster).await;
        assert_eq!(
            asked.lock().unwrap().len(),
            1,
            "a VM that is going is neither deleted again nor robbed of its wall"
        );
        cluster.observed.forget(&vm);
        pass(&cluster).await;
        assert!(asked.lock().unwrap()[1].contains("/networkpolicies/wall"), "{asked:?}");
    }
}
