//! How much of a contract is in use now, as far as the API tells: guest sizes of VMs that have an instance, VMs that are
//! there, volumes that are bound to disks. A quota would tell of launchers' overhead, of CPU ratios and of the second pod of a migration, none of which is
//! the customer's.

use super::Home;
use super::capacity::{Allocation, size};
use super::storage::Disks;
use crate::api::quantity::Quantity;
use crate::cluster::object::{Facts, Kind, Observation};
use crate::foreign::instancetype::Size;
use crate::tenant::declared::Declared;
use crate::tenant::observe::Presence;

/// Says what is in use beside what is taken.
pub(super) fn fill(home: &Home, declared: &Declared, disks: &Disks, allocation: &mut Allocation) {
    allocation.storage.used = bound(home, disks).map(|nanos| allocation.storage.contracted.with_nanos(nanos));
    if home.snapshot.neighbours.kubevirt != Presence::Listed {
        return;
    }
    let there: Vec<&Observation> = home
        .snapshot
        .observed
        .values()
        .filter(|object| {
            object.reference.kind == Kind::VirtualMachine && object.reference.namespace.as_ref() == Some(&home.customer)
        })
        .collect();
    allocation.instances.used = i64::try_from(there.len()).ok().map(Quantity::whole);
    let running: Option<Vec<Size>> =
        there.into_iter().filter(|vm| is_live(vm)).map(|vm| running_size(home, declared, vm)).collect();
    let Some(running) = running else { return };
    let vcpus = running.iter().map(|size| size.vcpus).sum();
    let memory = running.iter().map(|size| size.memory.nanos()).sum();
    allocation.vcpus.used = Some(Quantity::whole(vcpus));
    allocation.memory.used = Some(allocation.memory.contracted.with_nanos(memory));
}

/// Sum over the volumes that are bound to disks; unknown before they were listed, and while one does not tell its size.
/// CDI's passing claims and what a storage rounds up were bought by nobody.
fn bound(home: &Home, disks: &Disks) -> Option<i128> {
    let bound = home.snapshot.volumes.as_ref()?.values().filter(|volume| volume.bound);
    let of_disks = bound.filter_map(|volume| Some((volume.size, disks.size(&volume.claim)?)));
    of_disks.map(|(volume, disk)| Some(volume?.nanos().min(disk))).sum()
}

fn is_live(vm: &Observation) -> bool {
    matches!(vm.facts, Facts::VirtualMachine { live: true, .. })
}

/// Unknown where what runs was started from another declaration than today's, or from none that is left.
fn running_size(home: &Home, declared: &Declared, vm: &Observation) -> Option<Size> {
    let outdated = matches!(&vm.facts, Facts::VirtualMachine { networks, .. } if networks.outdated);
    let machine = declared.machines.iter().find(|machine| machine.spec.name == vm.reference.name)?;
    if outdated { None } else { size(home, machine).ok() }
}
