//! What disks take of the contract. A disk that is there takes its size until it is erased, whether a VM has it or not, so
//! storage is reckoned from the disks and not from the VMs: one that is made anew pays for what is not there yet.

use std::collections::{BTreeMap, BTreeSet};

use super::disks::{self, Extent, nanos};
use super::{Home, disk_name, restored};
use crate::cluster::object::{Facts, Kind, Observation};
use crate::foreign::restored::is_restored;
use crate::tenant::declared::{Declared, DeclaredDisk, DeclaredMachine};

/// Billionths of a byte that each disk in the tenant's home has, by the name of its claim. A claim that a restore put in a
/// disk's place stands beside it, and the disk is kept as it was.
pub(super) struct Disks<'a> {
    home: &'a Home<'a>,
    there: BTreeMap<String, i128>,
}

impl<'a> Disks<'a> {
    pub(super) fn of(home: &'a Home, declared: &Declared) -> Self {
        let of_machine = |machine: &DeclaredMachine| -> Vec<(String, i128)> {
            let disks = machine.disks.iter();
            disks.map(|disk| (disk_name(machine, &disk.spec.name), disk.size.nanos())).collect()
        };
        let wanted: BTreeMap<String, i128> = declared.machines.iter().flat_map(of_machine).collect();
        let mine = || home.snapshot.observed.values().filter(|object| is_mine(home, object));
        let claims: BTreeMap<&str, i128> =
            mine().filter_map(|object| Some((object.reference.name.as_str(), requested(object)?))).collect();
        let disks = mine().filter(|object| object.reference.kind == Kind::DataVolume).map(|disk| {
            let name = &disk.reference.name;
            let made = nanos(disks::size_made(home, name)).unwrap_or_default();
            let extent = Extent::of(home, made, claims.get(name.as_str()).copied());
            (name.clone(), wanted.get(name).map_or_else(|| extent.alone(), |wanted| extent.beside(home, *wanted)))
        });
        let restored = claims.iter().filter(|(name, _)| is_restored(name));
        let restored = restored.map(|(name, size)| ((*name).to_owned(), *size));
        Self { home, there: disks.chain(restored).collect() }
    }

    /// What those take that none of these VMs has.
    pub(super) fn without<'b>(&self, machines: impl Iterator<Item = &'b DeclaredMachine<'b>>) -> i128 {
        let disks = |machine: &DeclaredMachine| -> Vec<String> {
            machine.disks.iter().map(|disk| disk_name(machine, &disk.spec.name)).collect()
        };
        let named: BTreeSet<String> = machines.flat_map(disks).collect();
        self.there.iter().filter(|(name, _)| !named.contains(*name)).map(|(_, size)| size).sum()
    }

    /// What of a VM's disks is there.
    pub(super) fn there(&self, machine: &DeclaredMachine) -> i128 {
        machine.disks.iter().filter_map(|disk| self.size(&disk_name(machine, &disk.spec.name))).sum()
    }

    /// What a VM's disks need beyond what is there: all of a disk that is not, what one grows by that is.
    pub(super) fn missing(&self, machine: &DeclaredMachine) -> i128 {
        machine.disks.iter().map(|disk| self.more(machine, disk)).sum()
    }

    fn more(&self, machine: &DeclaredMachine, disk: &DeclaredDisk) -> i128 {
        let (wanted, name) = (disk.size.nanos(), disk_name(machine, &disk.spec.name));
        let Some(there) = self.size(&name) else { return wanted };
        // Where a restore's claim stands for the disk, that one grows.
        let stands = restored::claim(self.home, machine, &disk.spec.name).and_then(|claim| self.size(&claim));
        let made = nanos(disks::size_made(self.home, &name)).unwrap_or_default();
        let has = stands.map_or(there, |claim| Extent::of(self.home, made, Some(claim)).beside(self.home, wanted));
        (wanted - has).max(0)
    }

    /// The size of the disk that has this claim.
    pub(super) fn size(&self, claim: &str) -> Option<i128> {
        self.there.get(claim).copied()
    }
}

fn is_mine(home: &Home, object: &Observation) -> bool {
    object.ours && object.reference.namespace.as_ref() == Some(&home.customer)
}

fn requested(object: &Observation) -> Option<i128> {
    match &object.facts {
        Facts::PersistentVolumeClaim { requested, .. } => nanos(requested.as_ref()),
        _ => None,
    }
}
