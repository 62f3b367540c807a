//! Which VMs fit: checked before anything is made, so that a contract is never exceeded and a VM that cannot start is
//! never half there. What does not fit is named; the others go on.

use std::collections::BTreeSet;

use super::{Home, disk_name, machine_reference};
use crate::api::condition::Reason;
use crate::api::quantity::Quantity;
use crate::foreign::instancetype::Size;
use crate::tenant::declared::{Declared, DeclaredMachine, DeclaredSize};
use crate::tenant::observe::NetworkFact;

/// A VM that is declared and not made. If it exists already, it is neither changed nor deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub vm: String,
    pub reason: Reason,
    pub message: String,
}

/// How much of the contract the VMs take that are made.
#[derive(Clone, Debug)]
pub struct Allocation {
    pub vcpus: Share,
    pub memory: Share,
    pub storage: Share,
    pub instances: Share,
}

/// One resource: taken and contracted.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub taken: Quantity,
    pub contracted: Quantity,
}

impl Share {
    fn of(contracted: Quantity) -> Self {
        Self { taken: contracted.with_nanos(0), contracted }
    }

    fn fits(self, more: Quantity) -> bool {
        self.taken.nanos() + more.nanos() <= self.contracted.nanos()
    }

    fn take(&mut self, more: Quantity) {
        self.taken = self.taken.with_nanos(self.taken.nanos() + more.nanos());
    }

    /// Taken in percent of contracted, rounded down.
    #[must_use]
    pub fn percent(self) -> i64 {
        let percent = self.taken.nanos() * 100 / self.contracted.nanos().max(1);
        i64::try_from(percent).unwrap_or(i64::MAX)
    }
}

pub(super) struct Admission<'a> {
    pub admitted: Vec<DeclaredMachine<'a>>,
    pub withheld: Vec<Withheld>,
    pub allocation: Allocation,
}

/// Admits VMs in a stable order: those that exist first, so that shrinking a contract or adding a VM never turns one
/// off; then by name.
pub(super) fn admit<'a>(home: &Home, declared: &Declared<'a>) -> Admission<'a> {
    let mut machines = declared.machines.clone();
    let exists = |vm: &str| home.snapshot.observed.contains_key(&machine_reference(home, vm));
    machines.sort_by_key(|machine| !exists(&machine.spec.name));
    let mut admission = Admission {
        admitted: Vec::new(),
        withheld: Vec::new(),
        allocation: Allocation {
            vcpus: Share::of(Quantity::whole(declared.vcpus)),
            memory: Share::of(declared.memory),
            storage: Share::of(declared.storage),
            instances: Share::of(Quantity::whole(declared.instances)),
        },
    };
    let mut disks = BTreeSet::new();
    for machine in machines {
        let there = exists(&machine.spec.name);
        match obstacle(home, &machine, &mut admission.allocation, &mut disks, there) {
            None => admission.admitted.push(machine),
            Some((reason, message)) => {
                admission.withheld.push(Withheld { vm: machine.spec.name.clone(), reason, message });
            }
        }
    }
    admission.admitted.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    admission.withheld.sort_by(|one, other| one.vm.cmp(&other.vm));
    admission
}

/// Why this VM cannot be made now. Takes its share of the contract when it can, and when it is there already.
fn obstacle(
    home: &Home,
    machine: &DeclaredMachine,
    allocation: &mut Allocation,
    disks: &mut BTreeSet<String>,
    there: bool,
) -> Option<(Reason, String)> {
    if !home.snapshot.neighbours.kubevirt {
        return Some((
            Reason::KubeVirtMissing,
            "KubeVirt is not installed in this cluster; the VM follows when it is".into(),
        ));
    }
    if !home.snapshot.neighbours.cdi {
        return Some((Reason::CdiMissing, "CDI is not installed in this cluster; the VM follows when it is".into()));
    }
    let size = match size(home, machine) {
        Ok(size) => size,
        Err(name) => {
            return Some((
                Reason::InstancetypeNotFound,
                format!("instance type {name:?} does not exist in this cluster"),
            ));
        }
    };
    let obstacle = beyond_contract(machine, size, allocation)
        .map(|message| (Reason::CapacityExceeded, message))
        .or_else(|| network_obstacle(home, machine))
        .or_else(|| disk_obstacle(home, machine, disks));
    if obstacle.is_none() || there {
        take(machine, size, allocation);
    }
    obstacle
}

fn size(home: &Home, machine: &DeclaredMachine) -> Result<Size, String> {
    match &machine.size {
        DeclaredSize::Inline { vcpus, memory } => Ok(Size { vcpus: *vcpus, memory: *memory }),
        DeclaredSize::Instancetype(name) => home.snapshot.instancetypes.get(name).copied().ok_or_else(|| name.clone()),
    }
}

fn storage(machine: &DeclaredMachine, like: Quantity) -> Quantity {
    like.with_nanos(machine.disks.iter().map(|disk| disk.size.nanos()).sum())
}

/// What of the contract is too small, each with needed and left.
fn beyond_contract(machine: &DeclaredMachine, size: Size, allocation: &Allocation) -> Option<String> {
    let wants = [
        ("vcpus", Quantity::whole(size.vcpus), allocation.vcpus),
        ("memory", size.memory, allocation.memory),
        ("storage", storage(machine, allocation.storage.contracted), allocation.storage),
        ("instances", Quantity::whole(1), allocation.instances),
    ];
    let short: Vec<String> = wants
        .iter()
        .filter(|(_, wanted, share)| !share.fits(*wanted))
        .map(|(resource, wanted, share)| {
            format!("{resource}: needs {wanted}, {} of {} contracted are taken", share.taken, share.contracted)
        })
        .collect();
    (!short.is_empty()).then(|| format!("does not fit the contract ({})", short.join("; ")))
}

fn take(machine: &DeclaredMachine, size: Size, allocation: &mut Allocation) {
    allocation.vcpus.take(Quantity::whole(size.vcpus));
    allocation.memory.take(size.memory);
    allocation.storage.take(storage(machine, allocation.storage.contracted));
    allocation.instances.take(Quantity::whole(1));
}

fn network_obstacle(home: &Home, machine: &DeclaredMachine) -> Option<(Reason, String)> {
    machine.spec.networks.iter().find_map(|attachment| match home.snapshot.networks.get(&attachment.name) {
        None => Some((
            Reason::NetworkNotFound,
            format!("TenantNetwork {:?} does not exist in {}; the VM waits for it", attachment.name, home.customer),
        )),
        Some(NetworkFact::Pod | NetworkFact::OfItsOwn(Ok(_))) => None,
        Some(NetworkFact::OfItsOwn(Err(obstacle))) => Some((
            obstacle.reason,
            format!("TenantNetwork {:?} cannot attach it: {}", attachment.name, obstacle.message),
        )),
    })
}

fn disk_obstacle(home: &Home, machine: &DeclaredMachine, disks: &mut BTreeSet<String>) -> Option<(Reason, String)> {
    let allowed = &home.snapshot.tenant.spec.residency.storage_class_names;
    let provider = &home.snapshot.config.storage.allowed_classes;
    for disk in &machine.disks {
        let class = disk.spec.storage_class_name.as_ref().or(allowed.first());
        let class = class.map(String::as_str).unwrap_or_default();
        if !allowed.iter().any(|name| name == class) {
            let message =
                format!("disk {:?}: storage class {class:?} is not in residency.storageClassNames", disk.spec.name);
            return Some((Reason::Invalid, message));
        }
        if !provider.is_empty() && !provider.iter().any(|name| name == class) {
            let message = format!("disk {:?}: storage class {class:?} is not one the provider allows", disk.spec.name);
            return Some((Reason::Invalid, message));
        }
    }
    // VM "a-b" with disk "c" and VM "a" with disk "b-c" would share one volume.
    let names: Vec<String> = machine.disks.iter().map(|disk| disk_name(machine, &disk.spec.name)).collect();
    if let Some(taken) = names.iter().find(|name| disks.contains(*name)) {
        let message = format!("its disk would be called {taken}, which is a disk of another VM; rename one of the two");
        return Some((Reason::Invalid, message));
    }
    disks.extend(names);
    None
}
