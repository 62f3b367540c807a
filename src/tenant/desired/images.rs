//! What the image gate (14.1.1) says of each VM, and the scans that are due.
//!
//! A VM that is not there, or is off and would be switched on, or whose root disk is still to be made, waits for its image.
//! One that runs is never stopped for it: its disk has long been the customer's own.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{Home, disk_name, disks, machine_reference};
use crate::api::condition::Reason;
use crate::api::tenant::{ImageScan, RunStrategy};
use crate::cluster::object::Facts;
use crate::images::gate::{Standing, judge};
use crate::images::identity::{Origin, identify};
use crate::images::job::job;
use crate::tenant::declared::{Declared, DeclaredMachine};

/// Is the gate in force, and what does it say?
#[derive(Clone, Debug, PartialEq)]
pub enum ImageGate {
    /// `spec.antivirus.images` is Off.
    SwitchedOff,
    /// The operator's config names no scanner.
    NoScanner,
    Asked(Vec<Looked>),
}

/// One VM's image.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    pub vm: String,
    /// Field and image, for people.
    pub what: String,
    /// Where it comes from, if that is known.
    pub origin: Option<Origin>,
    pub standing: Standing,
    /// What waits for it; `None` for a VM that is left as it is.
    pub waits: Option<Waits>,
    /// When time alone changes what is said of it.
    pub next: Option<Timestamp>,
}

/// What an image holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The VM is not there, or is off and would be switched on.
    Start,
    /// The VM runs, but its root disk is not there.
    Disk,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "not started",
            Self::Disk => "left as it is without a new root disk",
        })
    }
}

impl ImageGate {
    /// Where the image of this VM comes from, if the gate has looked at it.
    pub(super) fn judged(&self, vm: &str) -> Option<&Origin> {
        let Self::Asked(all) = self else { return None };
        all.iter().find(|looked| looked.vm == vm)?.origin.as_ref()
    }

    /// Why this VM is not started now.
    pub(super) fn obstacle(&self, vm: &str) -> Option<(Reason, String)> {
        let Self::Asked(all) = self else { return None };
        let looked = all.iter().find(|looked| looked.vm == vm)?;
        let waits = looked.waits?;
        match &looked.standing {
            Standing::Refused { reason, message } => Some((*reason, format!("{waits}: {}: {message}", looked.what))),
            Standing::Clean { .. } | Standing::Excepted { .. } => None,
        }
    }

    /// When time alone changes what is said.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let Self::Asked(all) = self else { return None };
        all.iter().filter_map(|looked| looked.next).min()
    }
}

/// Asks the gate about every VM; with the Jobs that are to be made.
pub(super) fn asked(home: &Home, declared: &Declared) -> (ImageGate, Vec<Job>) {
    let spec = &home.snapshot.tenant.spec;
    if spec.antivirus.as_ref().is_some_and(|antivirus| antivirus.images == ImageScan::Off) {
        return (ImageGate::SwitchedOff, Vec::new());
    }
    let config = &home.snapshot.config;
    let Some(images) = &config.images else { return (ImageGate::NoScanner, Vec::new()) };
    let mut jobs = BTreeMap::new();
    let mut look = |machine: &DeclaredMachine| {
        let field = format!("spec.virtualMachines[{}].image", machine.spec.name);
        let looked = |what, origin, standing, next| Looked {
            vm: machine.spec.name.clone(),
            what,
            origin,
            standing,
            waits: waits(home, machine),
            next,
        };
        match identify(&machine.spec.image, &config.storage.images_namespace, &home.snapshot.images) {
            Err(message) => looked(field, None, Standing::Refused { reason: Reason::ImageUnknown, message }, None),
            Ok(image) => {
                let judged = judge(&image, &home.snapshot.images, images.max_signature_age(), home.snapshot.now);
                // Who is at rest waits for nothing.
                let due = job(&image, config).filter(|_| judged.due && !home.at_rest());
                jobs.extend(due.map(|job| (job.name_any(), job)));
                looked(format!("{field} ({})", image.origin), Some(image.origin), judged.standing, judged.next)
            }
        }
    };
    let all = declared.machines.iter().map(&mut look).collect();
    (ImageGate::Asked(all), jobs.into_values().collect())
}

/// What bringing the VM to its declaration would do with the image.
fn waits(home: &Home, machine: &DeclaredMachine) -> Option<Waits> {
    let seen = home.snapshot.observed.get(&machine_reference(home, &machine.spec.name));
    let Some(Facts::VirtualMachine { idle, stopped, .. }) = seen.map(|vm| &vm.facts) else {
        // Also one that is declared to be off: the customer may switch it on.
        return Some(Waits::Start);
    };
    let declared = machine.spec.run_strategy;
    let by_itself = matches!(declared, RunStrategy::Always | RunStrategy::RerunOnFailure);
    let declared = format!("{declared:?}");
    let changes = idle.as_ref().is_some_and(|now| *now != declared);
    if changes && by_itself && !home.at_rest() && stopped.as_ref() != Some(&declared) {
        return Some(Waits::Start);
    }
    let root = machine.disks.first().map(|disk| disk_name(machine, &disk.spec.name));
    root.is_some_and(|root| disks::made(home, &root).is_none()).then_some(Waits::Disk)
}
