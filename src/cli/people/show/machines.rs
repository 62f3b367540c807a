//! A tenant's VMs: what is declared beside what there is.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;

use super::super::table::{Cell, Paint, Table, Tone, cell, plain};
use super::super::time::away;
use super::Scene;
use crate::api::quantity::Quantity;
use crate::api::tenant::{BackupRow, Machine, Tenant};
use crate::foreign::virtual_machine::VirtualMachine;

/// What KubeVirt prints of a VM that is as it should be, or will be by itself.
const RUNNING: &str = "Running";

/// One VM.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    name: String,
    /// As KubeVirt prints it; absent when it is not made, or may not be seen.
    state: Option<String>,
    declared: Option<bool>,
    size: Option<String>,
    disks: Vec<String>,
    networks: Vec<String>,
    backup: Option<BackupRow>,
}

/// Every VM that is declared or there; those that do not run come first.
pub fn rows(scene: &Scene) -> Vec<Row> {
    let live: BTreeMap<String, &VirtualMachine> =
        scene.machines.items().iter().map(|machine| (machine.name_any(), machine)).collect();
    let tenant = scene.tenant.here();
    let declared: Vec<&Machine> = tenant.iter().flat_map(|tenant| &tenant.spec.virtual_machines).collect();
    let mut rows: Vec<Row> =
        declared.iter().map(|machine| of_declared(machine, live.get(&machine.name).copied(), tenant)).collect();
    let undeclared = live.iter().filter(|(name, _)| !declared.iter().any(|machine| &machine.name == *name));
    rows.extend(undeclared.map(|(name, machine)| of_live(name, machine, tenant.map(|_| false))));
    rows.sort_by_key(|row| (row.state.as_deref() == Some(RUNNING), row.name.clone()));
    rows
}

fn of_declared(machine: &Machine, live: Option<&VirtualMachine>, tenant: Option<&Tenant>) -> Row {
    let status = tenant.and_then(|tenant| tenant.status.as_ref());
    let backup = status.and_then(|status| status.backups.iter().find(|row| row.vm == machine.name)).cloned();
    let own = || Some(format!("{} vCPU {}", machine.cpu_cores?, machine.memory.as_deref().unwrap_or("?")));
    Row {
        name: machine.name.clone(),
        state: live.and_then(state),
        declared: Some(true),
        size: machine.instancetype.clone().or_else(own),
        disks: machine.disks.iter().map(|disk| format!("{} {}", disk.name, disk.size)).collect(),
        networks: machine.networks.iter().map(|network| network.name.clone()).collect(),
        backup,
    }
}

/// What a VM says of itself; whether it is declared only the provider can see.
fn of_live(name: &str, machine: &VirtualMachine, declared: Option<bool>) -> Row {
    let spec = &machine.spec.template.spec;
    let named = |list: &Value, at: &[&str]| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|each| at.iter().find_map(|at| each.pointer(at)?.as_str()).map(str::to_owned)).collect()
    };
    Row {
        name: name.to_owned(),
        state: state(machine),
        declared,
        size: machine.spec.instancetype.as_ref().map(|size| size.name.clone()),
        disks: named(&spec.volumes, &["/dataVolume/name", "/persistentVolumeClaim/claimName"]),
        networks: named(&spec.networks, &["/name"]),
        backup: None,
    }
}

fn state(machine: &VirtualMachine) -> Option<String> {
    machine.status.as_ref().and_then(|status| status.printable_status.clone())
}

/// How many run, of how many.
pub fn running(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.state.as_deref() == Some(RUNNING)).count()
}

/// For people. `seen`: may they be seen in the cluster at all?
pub fn table(rows: &[Row], seen: bool, now: Timestamp, paint: Paint) -> String {
    let mut table = Table::new(&["VM", "STATE", "SIZE", "DISKS", "NETWORKS", "BACKUP"], &["DISKS", "NETWORKS", "SIZE"]);
    for row in rows {
        let state = match (&row.state, row.declared) {
            (Some(state), Some(false)) => cell(format!("{state}, not declared"), Tone::Bad),
            (Some(state), _) if state == RUNNING => cell(state, Tone::Good),
            (Some(state), _) if ["Stopped", "Paused"].contains(&state.as_str()) => plain(state),
            (Some(state), _) => cell(state, Tone::Bad),
            (None, _) if !seen => cell("not known", Tone::Doubtful),
            (None, _) => cell("not made", Tone::Bad),
        };
        let list = |names: &[String]| if names.is_empty() { plain("-") } else { plain(names.join(", ")) };
        let size = plain(row.size.as_deref().unwrap_or("-"));
        table.row(vec![plain(&row.name), state, size, list(&row.disks), list(&row.networks), backup(row, now)]);
    }
    if table.is_empty() { "  none\n".to_owned() } else { table.text(paint) }
}

fn backup(row: &Row, now: Timestamp) -> Cell {
    let Some(backup) = &row.backup else { return plain("-") };
    let last = backup.last_success.as_ref().map_or_else(|| "none".to_owned(), |at| away(at.0, now));
    match backup.failures {
        0 => plain(last),
        failures => cell(format!("{failures} failed, last {last}"), Tone::Bad),
    }
}

/// `6 disks of 3192Gi: 120Gi of cf-jp-encrypted, 3Ti of cf-jp-slow`.
pub fn disks(tenant: &Tenant) -> String {
    let usual = tenant.spec.residency.storage_class_names.first().map_or("-", String::as_str);
    let mut by_class: BTreeMap<&str, (usize, Option<Quantity>)> = BTreeMap::new();
    for disk in tenant.spec.virtual_machines.iter().flat_map(|machine| &machine.disks) {
        let size = disk.size.parse::<Quantity>().ok();
        let class = disk.storage_class_name.as_deref().unwrap_or(usual);
        let (number, sum) = by_class.entry(class).or_insert((0, Some(Quantity::bytes(0))));
        *number += 1;
        *sum = sum.zip(size).map(|(sum, size)| size.with_nanos(sum.nanos() + size.nanos()));
    }
    let all: Vec<String> = by_class
        .iter()
        .map(|(class, (number, sum))| {
            let sum = sum.map_or_else(|| "sizes that cannot be read".to_owned(), |sum| sum.to_string());
            format!("{number} on {class}, {sum}")
        })
        .collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}
