//! Disks of a VM that was brought back from a backup: what a restore wrote stays.
//!
//! KubeVirt gives a restored VM new claims. To put the declared DataVolumes back in their place would undo the restore
//! without a word, so the VM keeps them, and each DataVolume remembers by an annotation which claim stands for it: a VM
//! that is declared anew gets the same. Whoever writes the DataVolume back into the VM goes back to the old disk.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{Home, disk_name, disks, machine_reference, role_binding};
use crate::api::labels;
use crate::api::tenant_watched::RestoreRow;
use crate::cluster::object::{Claim, Facts, Kind, Observation};
use crate::foreign::restored::{Restored, is_of_a_restore, is_restored, restore_name};
use crate::tenant::declared::DeclaredMachine;
use crate::tenant::observe::Presence;

/// The claim that a restore made for this disk, if one stands for it.
pub(super) fn claim(home: &Home, machine: &DeclaredMachine, disk: &str) -> Option<String> {
    let vm = vm(home, &machine.spec.name);
    match vm.and_then(|(restored, _)| restored.disks.get(disk)) {
        Some(claim) => claim.clone(),
        None => remembered(home, machine, disk),
    }
}

/// The volume by which the VM has this disk.
pub(super) fn volume(home: &Home, machine: &DeclaredMachine, disk: &str) -> Value {
    match claim(home, machine, disk) {
        Some(claim) => json!({"name": disk, "persistentVolumeClaim": {"claimName": claim}}),
        None => json!({"name": disk, "dataVolume": {"name": disk_name(machine, disk)}}),
    }
}

/// What the disk's DataVolume remembers.
fn remembered(home: &Home, machine: &DeclaredMachine, disk: &str) -> Option<String> {
    match &disks::observed(home, Kind::DataVolume, &disk_name(machine, disk))?.facts {
        Facts::DataVolume { restored, .. } => restored.clone().filter(|claim| is_of_a_restore(claim, disk)),
        _ => None,
    }
}

/// Claims that a restore made and nothing needs any more: no VM has one, and no disk remembers it. They say since when, as
/// removed disks do, and say so no longer once something needs them. Nothing is said while that cannot be seen for certain.
pub(super) fn left_over(home: &Home) -> Vec<Claim> {
    let there = || home.snapshot.observed.values();
    let vms = || there().filter_map(|seen| restored_of(&seen.facts));
    let may_write = role_binding::inside(home).is_some();
    if !may_write || home.snapshot.neighbours.kubevirt != Presence::Listed || vms().any(|restored| restored.under_way) {
        return Vec::new();
    }
    let remembered = there().filter_map(|seen| match &seen.facts {
        Facts::DataVolume { restored, .. } => restored.as_ref(),
        _ => None,
    });
    let needed: BTreeSet<&String> =
        vms().flat_map(|restored| restored.disks.values().flatten()).chain(remembered).collect();
    let owner = format!("Tenant/{}", home.owner.name);
    let claims = there().filter(|seen| {
        let mine = seen.reference.namespace.as_ref() == Some(&home.customer) && seen.ours && seen.owner == owner;
        mine && is_restored(&seen.reference.name)
    });
    claims.filter_map(|claim| removed(home, claim, !needed.contains(&claim.reference.name))).collect()
}

/// What makes a claim say so, or say so no longer. Its size goes along as it is: what grew it was said by the same name, and
/// would be taken back.
fn removed(home: &Home, claim: &Observation, is: bool) -> Option<Claim> {
    let Facts::PersistentVolumeClaim { requested, removed_at, .. } = &claim.facts else { return None };
    if is == removed_at.is_some() {
        return None;
    }
    let annotations = if is { json!({labels::REMOVED_AT: home.snapshot.now.to_string()}) } else { json!({}) };
    let mut fields = json!({"metadata": {"namespace": home.customer, "annotations": annotations}});
    if let Some(size) = requested {
        fields["spec"] = json!({"resources": {"requests": {"storage": size}}});
    }
    Some(Claim { on: claim.clone(), fields })
}

fn restored_of(facts: &Facts) -> Option<&Restored> {
    match facts {
        Facts::VirtualMachine { restored, .. } => Some(restored),
        _ => None,
    }
}

/// The last restore of a VM from a backup by plan, as far as it is seen on the VM: one that failed leaves nothing there.
pub(super) fn last(home: &Home, name: &str, before: Option<&RestoreRow>) -> Option<RestoreRow> {
    let seen = vm(home, name).filter(|(restored, _)| !restored.under_way).and_then(|(restored, runs)| {
        let by = restored.by.as_ref()?;
        let from_it = restored.has_a_disk_of_the_last();
        Some((by.clone(), backup_of(restore_name(by)?, name)?, runs && from_it))
    });
    let Some((restore, backup, runs)) = seen else { return before.cloned() };
    let now = Time(home.snapshot.now);
    let mut row = before.filter(|before| before.restore == restore).cloned().unwrap_or(RestoreRow {
        restore,
        backup,
        at: now.clone(),
        ran_at: None,
    });
    row.ran_at = row.ran_at.or(runs.then_some(now));
    Some(row)
}

/// `web-20261130t0200` of `web-20261130t0200-again`: VM, and the due time of the backup.
fn backup_of(restore: &str, vm: &str) -> Option<String> {
    let due = restore.strip_prefix(vm)?.strip_prefix('-')?.split('-').next()?;
    let (day, minute) = due.split_once('t')?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(day, 8) && digits(minute, 4)).then(|| format!("{vm}-{due}"))
}

/// What was brought back of a VM of ours, and does it run?
fn vm<'a>(home: &'a Home, name: &str) -> Option<(&'a Restored, bool)> {
    match &home.snapshot.observed.get(&machine_reference(home, name)).filter(|vm| vm.ours)?.facts {
        Facts::VirtualMachine { restored, ready, .. } => Some((restored, *ready)),
        _ => None,
    }
}
