//! Disks that are there. Their size may grow and never shrinks: CDI takes no change of a DataVolume, so a disk grows by its
//! claim, and one that is declared smaller than it is stays as it is and is told.

use serde_json::json;

use super::{Home, disk_name, restored};
use crate::api::condition::Reason;
use crate::api::quantity::Quantity;
use crate::cluster::object::{Claim, Facts, Kind, Observation, Reference};
use crate::foreign::data_volume::Made;
use crate::tenant::declared::{DeclaredDisk, DeclaredMachine};

/// What becomes of disks whose declared size is not the one they were made with.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// Claims that are asked for more.
    pub claims: Vec<Claim>,
    /// What is not as declared, each by field.
    pub told: Vec<(Reason, String)>,
}

/// Looks at every disk of these machines.
pub(super) fn growth(home: &Home, machines: &[DeclaredMachine]) -> Growth {
    let mut growth = Growth::default();
    for machine in machines {
        for disk in &machine.disks {
            look(home, machine, disk, &mut growth);
        }
    }
    growth
}

/// A claim in file systems is larger than its disk, for the file system around it: CDI adds 5.5 % unless told otherwise.
/// Up to this part of the disk more is not taken for growth.
const AROUND: i128 = 8;

/// Billionths of a byte in a byte.
const BYTE: i128 = 1_000_000_000;

/// The same in a MiB: what is asked for is whole.
const MEBIBYTE: i128 = (1 << 20) * BYTE;

/// Billionths of a byte that the claim of a disk of this size may have beside it.
pub(super) fn around(home: &Home, size: i128) -> i128 {
    if home.snapshot.config.storage.volume_mode == "Filesystem" { size / AROUND } else { 0 }
}

/// How big a disk is, in billionths of a byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// As its DataVolume was made. CDI takes no change of it: a disk that has grown says so by its claim.
    made: i128,
    /// What its claim asks for, if that is more than a disk of this size has around it.
    grown: Option<i128>,
}

impl Extent {
    pub(super) fn of(home: &Home, made: i128, claim: Option<i128>) -> Self {
        Self { made, grown: claim.filter(|claim| *claim > made + around(home, made)) }
    }

    /// What it takes where nothing is declared of it.
    pub(super) fn alone(self) -> i128 {
        self.grown.unwrap_or(self.made)
    }

    /// What it takes where so much is declared: what the claim of a grown disk has around it is not more than that.
    pub(super) fn beside(self, home: &Home, declared: i128) -> i128 {
        match self.grown {
            Some(grown) if (declared..=declared + around(home, declared)).contains(&grown) => declared,
            Some(grown) => grown,
            None => self.made,
        }
    }

    /// What its claim has to ask for to hold this much. A grown claim no longer tells what is around its disk.
    fn claim_for(self, home: &Home, wanted: i128, claim: i128) -> i128 {
        if around(home, wanted) == 0 {
            return wanted;
        }
        let most = wanted + around(home, wanted);
        let asked = if self.grown.is_some() {
            most
        } else {
            // In bytes, or the product would be too large for any number.
            let product = (wanted / BYTE).checked_mul(claim.max(self.made) / BYTE);
            let in_proportion = product.map_or(most, |product| product / (self.made / BYTE).max(1) * BYTE);
            // Less would not be told from what is around the disk as it was made.
            in_proportion.max(self.made + around(home, self.made) + 1)
        };
        (asked + MEBIBYTE - 1) / MEBIBYTE * MEBIBYTE
    }
}

fn look(home: &Home, machine: &DeclaredMachine, disk: &DeclaredDisk, growth: &mut Growth) {
    let name = disk_name(machine, &disk.spec.name);
    let Some(made) = nanos(size_made(home, &name)) else { return };
    let claim = restored::claim(home, machine, &disk.spec.name).unwrap_or(name);
    let claim = observed(home, Kind::PersistentVolumeClaim, &claim);
    let (requested, capacity, bound) = match claim.map(|claim| &claim.facts) {
        Some(Facts::PersistentVolumeClaim { requested, capacity, bound, .. }) => {
            (nanos(requested.as_ref()), nanos(capacity.as_ref()), *bound)
        }
        _ => (None, None, false),
    };
    let wanted = disk.size;
    let field = format!("spec.virtualMachines[{}].disks[{}].size", machine.spec.name, disk.spec.name);
    let extent = Extent::of(home, made, requested);
    let has = extent.beside(home, wanted.nanos());
    let text = |nanos: i128| wanted.with_nanos(nanos);
    if wanted.nanos() < has {
        let has = text(has);
        let message = format!(
            "{field}: {wanted} is less than the {has} that the disk has, and a disk never shrinks; write {has}"
        );
        growth.told.push((Reason::DiskShrunk, message));
    } else if has < wanted.nanos() {
        let Some((claim, requested)) = claim.filter(|_| bound).zip(requested) else {
            growth.told.push((Reason::Progressing, format!("{field}: grows to {wanted} once its claim is bound")));
            return;
        };
        let asked = text(extent.claim_for(home, wanted.nanos(), requested)).to_string();
        growth.claims.push(Claim {
            on: claim.clone(),
            fields: json!({
                "metadata": {"namespace": home.customer},
                "spec": {"resources": {"requests": {"storage": asked}}},
            }),
        });
        growth.told.push((Reason::Progressing, format!("{field}: grows from {} to {wanted}", text(has))));
    } else if extent.grown.is_some() && capacity < extent.grown {
        let message =
            format!("{field}: {wanted} is asked for and not there yet; some storage grows at the VM's next start");
        growth.told.push((Reason::Progressing, message));
    }
}

/// Disks of these machines that have no volume yet, by the names of VM and DataVolume.
pub(super) fn without_volume<'a>(
    home: &'a Home,
    machines: &'a [DeclaredMachine],
) -> impl Iterator<Item = (&'a DeclaredMachine<'a>, &'a DeclaredDisk<'a>, String)> {
    let disks = machines.iter().flat_map(|machine| machine.disks.iter().map(move |disk| (machine, disk)));
    disks.map(|(machine, disk)| (machine, disk, disk_name(machine, &disk.spec.name))).filter(|(_, _, name)| {
        let claim = observed(home, Kind::PersistentVolumeClaim, name).map(|claim| &claim.facts);
        !matches!(claim, Some(Facts::PersistentVolumeClaim { bound: true, .. }))
    })
}

/// Billionths of a byte, from an object.
pub(super) fn nanos(size: Option<&String>) -> Option<i128> {
    Some(size?.parse::<Quantity>().ok()?.nanos())
}

/// The size with which a disk was made, as its DataVolume says it.
pub(super) fn size_made<'a>(home: &'a Home, name: &str) -> Option<&'a String> {
    match &observed(home, Kind::DataVolume, name)?.facts {
        Facts::DataVolume { size, .. } => size.as_ref(),
        _ => None,
    }
}

/// The VM that a disk was made for, as its DataVolume says it.
pub(super) fn made_for<'a>(home: &'a Home, name: &str) -> Option<&'a String> {
    match &observed(home, Kind::DataVolume, name)?.facts {
        Facts::DataVolume { vm, .. } => vm.as_ref(),
        _ => None,
    }
}

/// What a disk that is there was made from.
pub(super) fn made<'a>(home: &'a Home, name: &str) -> Option<&'a Made> {
    match &observed(home, Kind::DataVolume, name)?.facts {
        Facts::DataVolume { made, .. } => Some(made),
        _ => None,
    }
}

/// An object of ours among the customer's.
pub(super) fn observed<'a>(home: &'a Home, kind: Kind, name: &str) -> Option<&'a Observation> {
    let reference = Reference { kind, namespace: Some(home.customer.clone()), name: name.to_owned() };
    home.snapshot.observed.get(&reference).filter(|object| object.ours)
}
