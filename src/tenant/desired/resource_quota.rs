//! The contract as a quota: the wall behind the capacity check.
//!
//! KubeVirt's pods ask for more than their guests, and a VM that moves to another node has two of them. The quota allows
//! for both, so that it never keeps a VM of the contract from starting or moving; what the guests get is the contract to
//! the byte, by the capacity check. While disks are filled, CDI has claims of its own beside theirs, and those have room, too.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Home, capacity, disk_name, disks, launcher};
use crate::api::labels;
use crate::api::quantity::Quantity;
use crate::cluster::object::{DesiredObject, Facts};
use crate::foreign::restored::is_restored;
use crate::tenant::declared::{Declared, DeclaredMachine};

/// Disks a VM may have.
const DISKS_PER_VM: i64 = 16;

/// A VM's persistent TPM and UEFI state need a claim of their own.
const STATE_PER_VM: i64 = 1;

/// A VM is attached to at most so many networks, and has one address outside in each.
const ADDRESSES_PER_VM: i64 = 8;

/// `cloudfarm` in the customer's namespace. Never `limits.*`: KubeVirt's launcher sets limits of its own, and a quota on
/// them would refuse VMs that fit the contract.
pub fn resource_quota(home: &Home, declared: &Declared) -> DesiredObject {
    let count = |number: i64| Quantity::whole(number).to_string();
    let more = |contracted: Quantity, more: i128| contracted.with_nanos(contracted.nanos() + more);
    let sizes = declared.machines.iter().filter_map(|machine| capacity::size(home, machine).ok());
    // One that is larger than the contract is never made, and one of unknown size (`cloudfarm render`) asks for nothing.
    let sizes = sizes
        .filter(|size| (1..=declared.vcpus).contains(&size.vcpus) && size.memory.nanos() <= declared.memory.nanos());
    let isolation = home.snapshot.tenant.spec.isolation.clone().unwrap_or_default();
    let (moving_vcpus, moving_memory) = launcher::largest(&isolation, sizes.clone());
    let (pinned_vcpus, pinned_memory) = launcher::pinned_beside(&isolation, sizes);
    let beside = launcher::memory_beside(&isolation, declared.instances, declared.vcpus, declared.memory.nanos());
    let memory = more(declared.memory, beside + pinned_memory + moving_memory).to_string();
    let Passing { storage: passing, claims: passing_claims } = passing(home, declared);
    let around = disks::around(home, declared.storage.nanos() + passing);
    let storage = more(declared.storage, passing + around + launcher::storage_beside(declared.instances)).to_string();
    let snapshots = home.snapshot.tenant.spec.contract.capacity.snapshots;
    let (kept_disks, restored) = undeclared(home, declared);
    let disks = declared.instances * DISKS_PER_VM + kept_disks;
    // What is brought back and what is handed back have claims before anybody sees them.
    let claims = disks + restored + passing_claims + (declared.instances + 2) * STATE_PER_VM + 2 * DISKS_PER_VM;
    let mut hard: BTreeMap<String, String> = BTreeMap::from([
        ("requests.cpu".into(), count(declared.vcpus + pinned_vcpus + moving_vcpus)),
        ("requests.memory".into(), memory),
        ("requests.storage".into(), storage.clone()),
        ("persistentvolumeclaims".into(), count(claims)),
        ("services.nodeports".into(), "0".into()),
        ("services.loadbalancers".into(), count(declared.instances * ADDRESSES_PER_VM)),
        ("count/virtualmachines.kubevirt.io".into(), count(declared.instances)),
        ("count/datavolumes.cdi.kubevirt.io".into(), count(disks)),
        ("count/virtualmachinesnapshots.snapshot.kubevirt.io".into(), count(snapshots)),
        // KubeVirt takes one of each disk and of the state.
        ("count/volumesnapshots.snapshot.storage.k8s.io".into(), count(snapshots * (DISKS_PER_VM + STATE_PER_VM))),
    ]);
    for class in &home.snapshot.tenant.spec.residency.storage_class_names {
        hard.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), storage.clone());
    }
    let mut metadata = home.owner.metadata(Some(&home.customer), "cloudfarm");
    metadata.annotations.get_or_insert_default().extend([
        (labels::CONTRACTED_VCPUS.to_owned(), count(declared.vcpus)),
        (labels::CONTRACTED_MEMORY.to_owned(), declared.memory.to_string()),
        (labels::CONTRACTED_STORAGE.to_owned(), declared.storage.to_string()),
    ]);
    DesiredObject::new(&ResourceQuota {
        metadata,
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard.into_iter().map(|(resource, amount)| (resource, ApiQuantity(amount))).collect()),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    })
}

/// What CDI 1.65 needs for a while beside the disks.
struct Passing {
    /// Billionths of a byte.
    storage: i128,
    claims: i64,
}

/// A disk is filled in a claim of its own (`prime-<uid>`), which becomes the disk's when it is full; an image from a registry
/// takes a third one for scratch. Room for scratch alone once: CDI tries again, but holds what it has meanwhile, so that
/// all of the first kind have to fit before one of the second does.
fn passing(home: &Home, declared: &Declared) -> Passing {
    let contracted = declared.storage.nanos();
    let sizes: Vec<i128> = disks::without_volume(home, &declared.machines)
        .map(|(_, disk, _)| disk.size.nanos())
        // One that is larger than the contract is never made.
        .filter(|size| *size <= contracted)
        .collect();
    let storage = sizes.iter().sum::<i128>().min(contracted) + sizes.iter().max().copied().unwrap_or_default();
    Passing { storage, claims: i64::try_from(2 * sizes.len()).unwrap_or(i64::MAX) }
}

/// How many disks are there that no VM declares, and how many claims that a restore made.
fn undeclared(home: &Home, declared: &Declared) -> (i64, i64) {
    let of_machine = |machine: &DeclaredMachine| -> Vec<String> {
        machine.disks.iter().map(|disk| disk_name(machine, &disk.spec.name)).collect()
    };
    let named: BTreeSet<String> = declared.machines.iter().flat_map(of_machine).collect();
    let ours = || home.snapshot.observed.values().filter(|object| object.ours);
    let kept = ours()
        .filter(|object| matches!(object.facts, Facts::DataVolume { .. }) && !named.contains(&object.reference.name));
    let restored = ours().filter(|object| {
        matches!(object.facts, Facts::PersistentVolumeClaim { .. }) && is_restored(&object.reference.name)
    });
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    (number(kept.count()), number(restored.count()))
}
