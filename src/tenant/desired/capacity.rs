//! Which VMs fit: checked before anything is made, so that a contract is never exceeded and a VM that cannot start is
//! never half there. What does not fit is named; the others go on.

use std::collections::BTreeMap;

use super::storage::Disks;
use super::{Home, ImageGate, Residency, disk_name, disks, machine_reference, used};
use crate::api::condition::Reason;
use crate::api::quantity::Quantity;
use crate::foreign::instancetype::Size;
use crate::tenant::declared::{Declared, DeclaredMachine, DeclaredSize};
use crate::tenant::guest::Guest;
use crate::tenant::observe::{NetworkFact, Presence};

/// A VM that is declared and not made. If it exists already, it is neither changed nor deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub vm: String,
    pub reason: Reason,
    pub message: String,
}

/// How much of the contract is taken: by the VMs that are made, and by disks that are kept without one.
#[derive(Clone, Debug)]
pub struct Allocation {
    pub vcpus: Share,
    pub memory: Share,
    pub storage: Share,
    pub instances: Share,
}

/// One resource: taken and contracted, and in use if that is known.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub taken: Quantity,
    /// Of a VM that is there nobody knows the size: it takes more than `taken`.
    pub at_least: bool,
    pub contracted: Quantity,
    pub used: Option<Quantity>,
}

impl Share {
    fn of(contracted: Quantity) -> Self {
        Self { taken: contracted.with_nanos(0), at_least: false, contracted, used: None }
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
        self.percent_of(self.taken)
    }

    /// This much in percent of contracted, rounded down.
    #[must_use]
    pub fn percent_of(self, much: Quantity) -> i64 {
        let percent = much.nanos() * 100 / self.contracted.nanos().max(1);
        i64::try_from(percent).unwrap_or(i64::MAX)
    }

    /// Is this much strictly more than so many percent of contracted? To the billionth of a unit.
    #[must_use]
    pub fn is_over(self, much: Quantity, percent: i64) -> bool {
        much.nanos() * 100 > self.contracted.nanos() * i128::from(percent)
    }

    /// Is this much strictly less than so many percent of contracted?
    #[must_use]
    pub fn is_below(self, much: Quantity, percent: i64) -> bool {
        much.nanos() * 100 < self.contracted.nanos() * i128::from(percent)
    }
}

pub(super) struct Admission<'a> {
    pub admitted: Vec<DeclaredMachine<'a>>,
    pub withheld: Vec<Withheld>,
    pub allocation: Allocation,
}

/// Admits VMs in a stable order: those that exist first, so that shrinking a contract or adding a VM never turns one
/// off; then by name.
pub(super) fn admit<'a>(
    home: &Home,
    declared: &Declared<'a>,
    residency: &Residency,
    images: &ImageGate,
) -> Admission<'a> {
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
    let disks = Disks::of(home, declared);
    // Disks that no living VM has count before any VM is looked at: the API server counts them, too.
    let living = || machines.iter().filter(|machine| exists(&machine.spec.name));
    admission.allocation.storage.take(declared.storage.with_nanos(disks.without(living())));
    let kept = declared.storage.with_nanos(disks.without(declared.machines.iter()));
    let sizeless = living().find(|machine| size(home, machine).is_err()).map(|machine| machine.spec.name.clone());
    // What a living VM has is its own, whoever is looked at first.
    let mut names = BTreeMap::new();
    for (name, vm) in living().flat_map(|machine| disk_names(machine).map(|name| (name, machine.spec.name.clone()))) {
        names.entry(name).or_insert(vm);
    }
    let mut books = Books { disks, kept, names, sizeless };
    for machine in machines {
        let there = exists(&machine.spec.name);
        // Those that live are not killed for it; new ones are not made.
        let abroad = residency.outside.first().filter(|_| !there);
        let found = match abroad {
            Some(outside) => Some((Reason::OutsideResidency, format!("not made outside of Japan: {outside}"))),
            None => obstacle(home, &machine, images, &mut admission.allocation, &mut books, there),
        };
        match found {
            None => admission.admitted.push(machine),
            Some((reason, message)) => {
                admission.withheld.push(Withheld { vm: machine.spec.name.clone(), reason, message });
            }
        }
    }
    admission.admitted.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    admission.withheld.sort_by(|one, other| one.vm.cmp(&other.vm));
    used::fill(home, declared, &books.disks, &mut admission.allocation);
    admission
}

/// What is known while VMs are looked at one after the other.
struct Books<'a> {
    disks: Disks<'a>,
    /// What disks take that no VM has which is declared.
    kept: Quantity,
    /// Whose each disk is, by its name: living VMs' and those of VMs before this one.
    names: BTreeMap<String, String>,
    /// A VM that is there and whose size nobody knows.
    sizeless: Option<String>,
}

/// Why this VM cannot be made now. Takes its share of the contract when it can, and when it is there already.
fn obstacle(
    home: &Home,
    machine: &DeclaredMachine,
    images: &ImageGate,
    allocation: &mut Allocation,
    books: &mut Books,
    there: bool,
) -> Option<(Reason, String)> {
    // A new VM's disks that are there already are counted; a living one's are once it is its turn.
    let counted = if there { books.disks.there(machine) } else { 0 };
    let size = size_or_reason(home, machine);
    let disks = declared_storage(allocation, counted + books.disks.missing(machine));
    let obstacle = missing_neighbour(home)
        .or_else(|| size.clone().err())
        .or_else(|| books.sizeless.as_ref().filter(|_| !there).map(beside_unknown))
        .or_else(|| {
            let message = beyond_contract(*size.as_ref().ok()?, disks, allocation, books.kept)?;
            Some((Reason::CapacityExceeded, message))
        })
        .or_else(|| network_obstacle(home, machine))
        .or_else(|| disk_obstacle(home, machine, &mut books.names))
        .or_else(|| guest_obstacle(home, machine))
        .or_else(|| images.obstacle(&machine.spec.name));
    if obstacle.is_none() || there {
        // One that is there and withheld is left as it is, and so are its disks.
        let disks = if obstacle.is_none() { disks } else { declared_storage(allocation, counted) };
        take(size.ok(), disks, allocation);
    }
    obstacle
}

fn beside_unknown(sizeless: &String) -> (Reason, String) {
    let message = format!(
        "nobody knows how much of the contract is left: the instance type of VM {sizeless:?} does not exist in this cluster; bring it back, or remove that VM"
    );
    (Reason::InstancetypeNotFound, message)
}

fn missing_neighbour(home: &Home) -> Option<(Reason, String)> {
    let neighbours = &home.snapshot.neighbours;
    let needed =
        [("KubeVirt", neighbours.kubevirt, Reason::KubeVirtMissing), ("CDI", neighbours.cdi, Reason::CdiMissing)];
    needed.into_iter().find_map(|(name, presence, missing)| match presence {
        Presence::Listed => None,
        Presence::Missing => {
            Some((missing, format!("{name} is not installed in this cluster; the VM follows when it is")))
        }
        Presence::Unlisted => {
            let message = format!(
                "{name} is installed, but what it holds could not be listed yet; until then nothing is decided"
            );
            Some((Reason::NotSynced, message))
        }
    })
}

fn size_or_reason(home: &Home, machine: &DeclaredMachine) -> Result<Size, (Reason, String)> {
    let missing = |name| format!("instance type {name:?} does not exist in this cluster");
    size(home, machine).map_err(|name| (Reason::InstancetypeNotFound, missing(name)))
}

/// The guest's size, or the instance type that does not exist.
pub(super) fn size(home: &Home, machine: &DeclaredMachine) -> Result<Size, String> {
    match &machine.size {
        DeclaredSize::Inline { vcpus, memory } => Ok(Size { vcpus: *vcpus, memory: *memory, pinned: false }),
        DeclaredSize::Instancetype(name) => home.snapshot.instancetypes.get(name).copied().ok_or_else(|| name.clone()),
    }
}

fn declared_storage(allocation: &Allocation, nanos: i128) -> Quantity {
    allocation.storage.contracted.with_nanos(nanos)
}

/// What of the contract is too small, each with needed and left.
fn beyond_contract(size: Size, disks: Quantity, allocation: &Allocation, kept: Quantity) -> Option<String> {
    let wants = [
        ("vcpus", Quantity::whole(size.vcpus), allocation.vcpus),
        ("memory", size.memory, allocation.memory),
        ("storage", disks, allocation.storage),
        ("instances", Quantity::whole(1), allocation.instances),
    ];
    let short: Vec<String> = wants
        .iter()
        .filter(|(_, wanted, share)| wanted.is_positive() && !share.fits(*wanted))
        .map(|(resource, wanted, share)| {
            let of_kept = if *resource == "storage" && kept.is_positive() {
                format!(", {kept} of them by disks that no VM has")
            } else {
                String::new()
            };
            format!("{resource}: needs {wanted}, {} of {} contracted are taken{of_kept}", share.taken, share.contracted)
        })
        .collect();
    (!short.is_empty()).then(|| format!("does not fit the contract ({})", short.join("; ")))
}

fn take(size: Option<Size>, disks: Quantity, allocation: &mut Allocation) {
    if let Some(size) = size {
        allocation.vcpus.take(Quantity::whole(size.vcpus));
        allocation.memory.take(size.memory);
    } else {
        allocation.vcpus.at_least = true;
        allocation.memory.at_least = true;
    }
    allocation.storage.take(disks);
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

/// Data that its guest could start from, if only from earlier.
fn guest_obstacle(home: &Home, machine: &DeclaredMachine) -> Option<(Reason, String)> {
    let guest = home.snapshot.guests.by_vm.get(&machine.spec.name);
    match guest {
        Some(guest) if guest.record().is_some() => None,
        Some(Guest::Refused { refusal, .. }) => Some((refusal.reason, refusal.message.clone())),
        _ => Some((Reason::Progressing, "what its guest starts with has not been looked at yet".into())),
    }
}

/// The names of a VM's disks.
fn disk_names(machine: &DeclaredMachine) -> impl Iterator<Item = String> {
    machine.disks.iter().map(|disk| disk_name(machine, &disk.spec.name))
}

fn disk_obstacle(
    home: &Home,
    machine: &DeclaredMachine,
    names: &mut BTreeMap<String, String>,
) -> Option<(Reason, String)> {
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
    let vm = &machine.spec.name;
    let others = disk_names(machine).find_map(|name| {
        let of = names.get(&name).or_else(|| disks::made_for(home, &name)).filter(|of| *of != vm)?.clone();
        Some((name, of))
    });
    if let Some((name, of)) = others {
        let message = format!(
            "its disk would be called {name}, which is a disk of VM {of:?}; give this VM or its disk another name"
        );
        return Some((Reason::Invalid, message));
    }
    names.extend(disk_names(machine).map(|name| (name, vm.clone())));
    None
}
