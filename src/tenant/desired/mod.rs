//! Pure: from a snapshot to everything the Tenant wants.

mod abandoned;
mod backup;
mod boot;
mod capacity;
mod cluster_network_policy;
mod data_volume;
mod disks;
mod images;
mod interface;
mod launcher;
mod limit_range;
pub mod name_resolution;
mod namespace;
mod network_policy;
mod placement;
pub mod report;
pub mod residency;
mod resource_quota;
mod restored;
mod retention;
mod role_binding;
mod secret;
mod storage;
mod used;
pub mod velero;
mod virtual_machine;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

pub use backup::Course;
pub use capacity::{Allocation, Share, Withheld};
pub use images::{ImageGate, Looked, Waits};
pub use residency::Residency;
pub use virtual_machine::halt;

use super::administrators::UNCONTESTED;
use super::application_id::Known;
use super::declared::{Declared, DeclaredMachine, Invalid, declared};
use super::guest;
use super::observe::TenantSnapshot;
use crate::api::condition::Reason;
use crate::api::jst::ContractDate;
use crate::api::retention::PurgeState;
use crate::api::tenant::Tenant;
use crate::api::{home, labels};
use crate::cluster::Cluster;
use crate::cluster::applied::Applied;
use crate::cluster::object::{
    Claim, Desired, DesiredObject, Facts, Kind, Observation, Owner, OwnerKind, Reference, Stage,
};

/// What a pass means to do, and what it holds back.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    /// The contract, as far as it could be parsed.
    pub contract: Result<Contract, Invalid>,
    /// Data of this tenant, or of an earlier one of its name, is being erased or is erased: nothing is made.
    pub erasure: Option<Erasure>,
    /// Scans of images that are due.
    pub scans: Vec<Job>,
}

/// Why nothing is made for a Tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// This tenant's data is being erased.
    UnderWay,
    /// This tenant's data is erased.
    Done,
    /// An earlier tenant of this name is being erased, or records of it are kept where this one's would go.
    OfAnEarlierTenant(String),
}

/// What the status says about the contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// When it is over, if an end is written.
    pub ends_at: Option<Timestamp>,
    pub allocation: Allocation,
    /// VMs that are declared and not made (or not touched, if they exist), each with the reason.
    pub withheld: Vec<Withheld>,
    /// Disks whose size is not as declared, each with the reason.
    pub disks: Vec<(Reason, String)>,
    /// DataVolumes that have no volume yet, each with its VM.
    pub empty: Vec<(String, String)>,
    /// Where its data is.
    pub residency: Residency,
    /// VMs that are backed up by plan.
    pub backups: Vec<Course>,
    /// What the images are that its VMs start from.
    pub images: ImageGate,
}

/// Names and labels that every builder needs.
pub(super) struct Home<'a> {
    pub owner: Owner,
    pub snapshot: &'a TenantSnapshot,
    /// `cf-<tenant>`: what the customer puts in.
    pub customer: String,
    /// `cfd-<tenant>`: what our service makes of it.
    pub derived: String,
    /// The contract is over: VMs are halted and logins closed, data stays.
    pub ended: bool,
}

impl Home<'_> {
    /// Is every VM meant to be off, whatever is declared for it?
    fn at_rest(&self) -> bool {
        self.ended || self.snapshot.tenant.spec.suspended
    }
}

/// Everything the Tenant wants.
#[must_use]
pub fn desired(snapshot: &TenantSnapshot) -> Plan {
    let name = snapshot.tenant.name_any();
    let home = Home {
        owner: owner(&snapshot.tenant),
        snapshot,
        customer: home::customer_namespace(&name),
        derived: home::derived_namespace(&name),
        ended: ends_at(&snapshot.tenant).is_some_and(|end| end <= snapshot.now),
    };
    let erasure = erasure(snapshot);
    match declared(&snapshot.tenant) {
        Ok(declared) if erasure.is_some() => {
            let Plan { contract, .. } = planned(&home, &declared);
            Plan { desired: Desired::nothing(home.owner, &snapshot.observed), contract, erasure, scans: Vec::new() }
        }
        Ok(declared) => planned(&home, &declared),
        Err(invalid) => {
            let desired = Desired::nothing(home.owner, &snapshot.observed);
            Plan { desired, contract: Err(invalid), erasure, scans: Vec::new() }
        }
    }
}

/// The Tenant as the owner of what is made for it.
#[must_use]
pub fn owner(tenant: &Tenant) -> Owner {
    let name = tenant.name_any();
    Owner {
        kind: OwnerKind::Tenant,
        namespace: None,
        uid: tenant.uid().unwrap_or_default(),
        tenant: name.clone(),
        name,
    }
}

fn erasure(snapshot: &TenantSnapshot) -> Option<Erasure> {
    let name = snapshot.tenant.name_any();
    let own = snapshot.retention.as_ref().filter(|retention| retention.tenant == name);
    if let Some(retention) = own
        && let Some(state) = retention.purge
    {
        return Some(match state {
            _ if retention.pinned != snapshot.tenant.uid() => Erasure::OfAnEarlierTenant(format!(
                "data of an earlier tenant of this name is being erased by Retention {}; wait until it is Purged, or choose another name",
                retention.name
            )),
            PurgeState::Purged => Erasure::Done,
            PurgeState::Purging | PurgeState::Verifying => Erasure::UnderWay,
        });
    }
    let approved = |object: &Observation| match &object.facts {
        Facts::Namespace { approved, .. } => approved.clone(),
        _ => None,
    };
    let own = own.map(|retention| retention.uid.clone());
    let left = snapshot.observed.values().find(|object| approved(object).is_some_and(|uid| Some(uid) != own))?;
    Some(Erasure::OfAnEarlierTenant(format!(
        "{} holds records of an earlier tenant of this name, kept for the periods of its Retention; choose another name",
        left.reference
    )))
}

fn planned(home: &Home, declared: &Declared) -> Plan {
    let residency = residency::judged(home);
    let (images, scans) = images::asked(home, declared);
    let capacity::Admission { admitted, withheld, allocation } = capacity::admit(home, declared, &residency, &images);
    let mut keep: BTreeSet<Reference> = withheld.iter().map(|withheld| machine_reference(home, &withheld.vm)).collect();
    // A Secret whose content is not at hand in this pass stands as it is.
    keep.extend(declared.machines.iter().map(|machine| secret_reference(home, &machine.spec.name)));
    keep.extend(home.snapshot.guests.in_doubt.iter().map(|vm| machine_reference(home, vm)));
    let backup::Backups { courses, objects, marks, keep: kept } = backup::backups(home, declared);
    keep.extend(kept);
    let stages = vec![
        Stage { objects: vec![namespace::customer(home), namespace::derived(home)] },
        Stage { objects: walls(home, declared) },
        Stage { objects: admitted.iter().flat_map(|machine| data_volume::disks(home, machine, &images)).collect() },
        Stage { objects: admitted.iter().filter_map(|machine| secret::secret(home, machine)).collect() },
        Stage { objects: admitted.iter().map(|machine| virtual_machine::virtual_machine(home, machine)).collect() },
        Stage { objects },
    ];
    let growth = disks::growth(home, &admitted);
    let halted = halted_as_they_stand(home, &withheld);
    let claims = removed_disks(home, declared)
        .into_iter()
        .chain(restored::left_over(home))
        .chain(growth.claims)
        .chain(halted)
        .chain(marks)
        .collect();
    let once = retention::default_one(home).into_iter().collect();
    let desired = Desired {
        once,
        claims,
        keep,
        abandoned: abandoned::abandoned(home.snapshot),
        leases: abandoned::given_back(home.snapshot),
        ..Desired::only(home.owner.clone(), stages)
    };
    let ends_at = declared.end.and_then(|end| end.ends_at().ok());
    let disks = growth.told;
    let empty = disks::without_volume(home, &admitted);
    let empty = empty.map(|(machine, _, disk)| (machine.spec.name.clone(), disk)).collect();
    Plan {
        desired,
        contract: Ok(Contract { ends_at, allocation, withheld, disks, empty, residency, backups: courses, images }),
        erasure: None,
        scans,
    }
}

/// A disk that no VM declares any more says since when; one that is declared again says so no longer. The disk stays
/// either way (I8).
fn removed_disks(home: &Home, declared: &Declared) -> Vec<Claim> {
    let machines = declared.machines.iter();
    let wanted: BTreeSet<String> =
        machines.flat_map(|machine| machine.disks.iter().map(|disk| disk_name(machine, &disk.spec.name))).collect();
    let owner = format!("Tenant/{}", home.owner.name);
    let disks = home.snapshot.observed.values().filter(|object| {
        object.reference.namespace.as_ref() == Some(&home.customer) && object.ours && object.owner == owner
    });
    disks
        .filter_map(|disk| {
            let Facts::DataVolume { removed_at, .. } = &disk.facts else { return None };
            let declared = wanted.contains(&disk.reference.name);
            let since = (!declared).then(|| home.snapshot.now.to_string());
            let annotations: BTreeMap<&str, String> =
                since.into_iter().map(|since| (labels::REMOVED_AT, since)).collect();
            let metadata = json!({"namespace": home.customer, "annotations": annotations});
            (declared == removed_at.is_some())
                .then(|| Claim { on: disk.clone(), fields: json!({"metadata": metadata}) })
        })
        .collect()
}

/// VMs that are there and do not fit as declared are left as they are; where every VM is halted, they are, too.
fn halted_as_they_stand(home: &Home, withheld: &[Withheld]) -> Vec<Claim> {
    let owner = format!("Tenant/{}", home.owner.name);
    let standing = withheld.iter().filter_map(|each| home.snapshot.observed.get(&machine_reference(home, &each.vm)));
    let ours = standing.filter(|vm| home.at_rest() && vm.ours && vm.owner == owner && !vm.deleting);
    ours.filter_map(virtual_machine::halt).collect()
}

/// When the contract is over, if an end is written that can be read.
fn ends_at(tenant: &Tenant) -> Option<Timestamp> {
    tenant.spec.contract.end_date.as_ref()?.parse::<ContractDate>().ok()?.ends_at().ok()
}

/// What has to stand before any workload, and the rights of people.
fn walls(home: &Home, declared: &Declared) -> Vec<DesiredObject> {
    let mut walls = vec![
        resource_quota::resource_quota(home, declared),
        limit_range::limit_range(home),
        network_policy::default_deny(home, &home.customer),
        network_policy::default_deny(home, &home.derived),
    ];
    walls.extend(home.snapshot.neighbours.cluster_policies.then(|| cluster_network_policy::wall(home)));
    walls.extend(network_policy::platform(home, declared));
    walls.extend(network_policy::cdi_import(home));
    walls.extend(network_policy::hand_back(home));
    walls.extend(role_binding::role_bindings(home));
    walls.extend(role_binding::inside(home));
    walls.push(role_binding::records(home));
    walls
}

fn machine_reference(home: &Home, vm: &str) -> Reference {
    Reference { kind: Kind::VirtualMachine, namespace: Some(home.customer.clone()), name: vm.to_owned() }
}

/// The Secret that is generated for a VM.
fn secret_reference(home: &Home, vm: &str) -> Reference {
    Reference { kind: Kind::Secret, namespace: Some(home.customer.clone()), name: guest::secret_name(vm) }
}

/// Name of a VM's disk: the DataVolume and its claim.
fn disk_name(machine: &DeclaredMachine, disk: &str) -> String {
    format!("{}-{disk}", machine.spec.name)
}

impl Plan {
    /// Brings the cluster to what is planned.
    pub async fn apply(&self, cluster: &Cluster) -> Applied {
        let mut applied = cluster.apply(&self.desired).await;
        cluster.order_scans(&self.scans, &mut applied).await;
        applied
    }

    /// When time alone will change what this Tenant says.
    #[must_use]
    pub fn next_change(&self, snapshot: &TenantSnapshot) -> Option<Timestamp> {
        let contract = self.contract.as_ref().ok()?;
        let end = contract.ends_at.filter(|end| *end > snapshot.now);
        let looks = snapshot.guests.next.filter(|_| self.erasure.is_none());
        let backups = contract.backups.iter().filter_map(|course| course.next_change(snapshot.now));
        let images = contract.images.next_change();
        let unread = match &snapshot.application_id {
            Known::Unread { again, .. } if self.erasure.is_none() => snapshot.now.checked_add(*again).ok(),
            _ => None,
        };
        let contested = snapshot.rival.as_ref().and_then(|_| snapshot.now.checked_add(UNCONTESTED).ok());
        end.into_iter().chain(looks).chain(backups).chain(images).chain(unread).chain(contested).min()
    }
}
