//! From the raw spec to values that cannot be wrong. Everything past this file is total.
//!
//! The API server has refused most mistakes already; this catches what got past it (an older CRD, a relaxed rule) and
//! tells all of it at once.

use kube::ResourceExt;

use crate::api::jst::ContractDate;
use crate::api::quantity::Quantity;
use crate::api::tenant::{Disk, Machine, Tenant};

/// A Tenant whose values have been parsed.
#[derive(Clone, Debug)]
pub struct Declared<'a> {
    pub name: String,
    pub vcpus: i64,
    pub memory: Quantity,
    pub storage: Quantity,
    pub instances: i64,
    pub end: Option<ContractDate>,
    /// Sorted by name: no object depends on the order in which people write lists.
    pub machines: Vec<DeclaredMachine<'a>>,
}

/// A VM whose values have been parsed.
#[derive(Clone, Debug)]
pub struct DeclaredMachine<'a> {
    pub spec: &'a Machine,
    pub size: DeclaredSize,
    /// The root disk first (the one called `root`, else the first that is written), then by name.
    pub disks: Vec<DeclaredDisk<'a>>,
}

/// How big a VM is said to be.
#[derive(Clone, Debug)]
pub enum DeclaredSize {
    Instancetype(String),
    Inline { vcpus: i64, memory: Quantity },
}

/// A disk whose size has been parsed.
#[derive(Clone, Debug)]
pub struct DeclaredDisk<'a> {
    pub spec: &'a Disk,
    pub size: Quantity,
}

/// Everything that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<String>);

/// Parses a Tenant.
///
/// # Errors
/// Every fault, with field, value and what would be right.
pub fn declared(tenant: &Tenant) -> Result<Declared<'_>, Invalid> {
    let mut faults = Vec::new();
    let spec = &tenant.spec;
    let capacity = &spec.contract.capacity;
    let memory = quantity(&mut faults, "spec.contract.capacity.memory", &capacity.memory);
    let storage = quantity(&mut faults, "spec.contract.capacity.storage", &capacity.storage);
    let start = date(&mut faults, "spec.contract.startDate", Some(&spec.contract.start_date));
    let end = date(&mut faults, "spec.contract.endDate", spec.contract.end_date.as_deref());
    if end.zip(start).is_some_and(|(end, start)| end < start) {
        faults.push("spec.contract.endDate lies before startDate".to_owned());
    }
    if spec.residency.storage_class_names.is_empty() {
        faults.push("spec.residency.storageClassNames is empty; name at least one storage class".to_owned());
    }
    let mut machines: Vec<_> =
        spec.virtual_machines.iter().filter_map(|machine| parsed(&mut faults, machine)).collect();
    machines.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    for pair in machines.windows(2).filter(|pair| pair[0].spec.name == pair[1].spec.name) {
        faults.push(format!("spec.virtualMachines has {:?} twice", pair[0].spec.name));
    }
    if !faults.is_empty() {
        return Err(Invalid(faults));
    }
    let name = tenant.name_any();
    Ok(Declared { name, vcpus: capacity.vcpus, memory, storage, instances: capacity.instances, end, machines })
}

fn parsed<'a>(faults: &mut Vec<String>, machine: &'a Machine) -> Option<DeclaredMachine<'a>> {
    let field = format!("spec.virtualMachines[{}]", machine.name);
    let size = match (&machine.instancetype, machine.cpu_cores, &machine.memory) {
        (Some(name), None, None) => DeclaredSize::Instancetype(name.clone()),
        (None, Some(vcpus), Some(memory)) => {
            DeclaredSize::Inline { vcpus, memory: quantity(faults, &format!("{field}.memory"), memory) }
        }
        _ => {
            faults.push(format!("{field} needs exactly one size: instancetype, or cpuCores together with memory"));
            return None;
        }
    };
    if machine.disks.is_empty() {
        faults.push(format!("{field}.disks is empty; the first disk is the root disk"));
    }
    let root = machine.disks.iter().find(|disk| disk.name == "root").or(machine.disks.first());
    let mut disks: Vec<_> = machine
        .disks
        .iter()
        .map(|disk| DeclaredDisk {
            spec: disk,
            size: quantity(faults, &format!("{field}.disks[{}].size", disk.name), &disk.size),
        })
        .collect();
    for disk in machine
        .disks
        .iter()
        .enumerate()
        .filter(|(index, disk)| machine.disks[..*index].iter().any(|earlier| earlier.name == disk.name))
    {
        faults.push(format!("{field}.disks has {:?} twice", disk.1.name));
    }
    disks.sort_by_key(|disk| (Some(&disk.spec.name) != root.map(|root| &root.name), &disk.spec.name));
    Some(DeclaredMachine { spec: machine, size, disks })
}

fn quantity(faults: &mut Vec<String>, field: &str, text: &str) -> Quantity {
    match text.parse::<Quantity>() {
        Ok(quantity) if quantity.is_positive() => return quantity,
        Ok(_) => faults.push(format!("{field}: {text:?} is not above 0")),
        Err(error) => faults.push(format!("{field}: {error}")),
    }
    Quantity::whole(0)
}

fn date(faults: &mut Vec<String>, field: &str, text: Option<&str>) -> Option<ContractDate> {
    match text?.parse() {
        Ok(date) => Some(date),
        Err(error) => {
            faults.push(format!("{field}: {error}"));
            None
        }
    }
}
