//! One tenant for people.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::super::reads::Seen;
use super::super::table::{Paint, Table, Tone, WIDTH, cell, field, plain, wrap};
use super::super::time::when;
use super::super::{conditions, grant};
use super::{Scene, machines};
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;

/// One screen.
pub fn text(scene: &Scene, now: Timestamp, paint: Paint) -> String {
    let title = match scene.tenant.here() {
        Some(tenant) => title(tenant),
        None => format!("Tenant {}, as far as you may see it", scene.name),
    };
    let mut text: String = wrap(&title, WIDTH).iter().map(|line| paint.on(line, Tone::Head) + "\n").collect();
    if let Some(tenant) = scene.tenant.here() {
        text += &contract(tenant, now);
    }
    text += &field("Namespaces", &scene.namespaces().join(", "));
    if let Some(tenant) = scene.tenant.here() {
        let status = tenant.status.clone().unwrap_or_default();
        text += &head("Conditions", paint);
        if status.conditions.is_empty() {
            text += "  the operator has not looked at it yet\n";
        }
        text += &conditions::text(&status.conditions, now, paint);
    }
    let rows = machines::rows(scene);
    let visible = scene.machines.refusal().is_none();
    if visible || !rows.is_empty() {
        text += &head(&format!("VMs: {} of {} run", machines::running(&rows), rows.len()), paint);
        text += &machines::table(&rows, visible, now, paint);
    }
    if let Some(tenant) = scene.tenant.here() {
        text += "\n";
        text += &field("Disks", &machines::disks(tenant));
        text += &field("Backups", &backups(tenant));
    }
    text += &networks(scene, paint);
    text += &grants(scene, now, paint);
    text += &retention(&scene.retention, now, paint);
    let unseen = scene.unseen();
    if !unseen.is_empty() {
        text += "\n";
        text += &field("Not shown", &format!("you may not read: {}", unseen.join(", ")));
    }
    text
}

fn head(said: &str, paint: Paint) -> String {
    format!("\n{}\n", paint.on(said, Tone::Head))
}

fn title(tenant: &Tenant) -> String {
    let status = tenant.status.as_ref();
    let phase = status
        .and_then(|status| status.phase)
        .map_or_else(|| "not looked at yet".to_owned(), |phase| format!("{phase:?}"));
    let ready = match conditions::status(status.map_or(&[][..], |status| &status.conditions[..]), "Ready") {
        "True" => ", ready",
        "False" => ", NOT READY",
        _ => "",
    };
    let suspended = if tenant.spec.suspended { ", suspended" } else { "" };
    let name = tenant.spec.display_name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    format!("Tenant {}{name}: {phase}{ready}{suspended}", tenant.name_any())
}

fn contract(tenant: &Tenant, now: Timestamp) -> String {
    let (spec, status) = (&tenant.spec, tenant.status.clone().unwrap_or_default());
    let contract = &spec.contract;
    let end = match (&contract.end_date, &status.contract_ends_at) {
        (Some(date), Some(at)) => format!("last day {date}, over {}", when(at.0, now)),
        (Some(date), None) => format!("last day {date}"),
        (None, _) => "no end date".to_owned(),
    };
    let plan = contract.service_plan.as_ref().map(|plan| format!(", plan {plan}")).unwrap_or_default();
    let terms = contract.terms_version.as_ref().map(|terms| format!(", terms {terms}")).unwrap_or_default();
    let capacity = &contract.capacity;
    let bought = format!(
        "{} vCPUs, {} memory, {} storage, {} VMs, {} snapshots",
        capacity.vcpus, capacity.memory, capacity.storage, capacity.instances, capacity.snapshots
    );
    let full: Vec<String> = status
        .capacity
        .iter()
        .map(|row| format!("{} {}% ({} of {})", row.resource, row.percent, row.allocated, row.contracted))
        .collect();
    let people: Vec<String> = spec
        .administrators
        .iter()
        .map(|person| {
            let off = if person.disabled { ", disabled" } else { "" };
            format!("{} ({:?}{off})", person.username, person.role)
        })
        .collect();
    let mut text = field("Contract", &format!("from {}, {end}{plan}{terms}", contract.start_date));
    text += &field("Bought", &bought);
    if !full.is_empty() {
        text += &field("In use", &full.join(", "));
    }
    if let Some(at) = &status.purge_not_before {
        text += &field("Erasure", &format!("not before {}", when(at.0, now)));
    }
    text + &field("People", &people.join(", "))
}

fn backups(tenant: &Tenant) -> String {
    let status = tenant.status.clone().unwrap_or_default();
    let failing = status.backups.iter().filter(|row| row.failures > 0).count();
    let none = status.backups.iter().filter(|row| row.last_success.is_none()).count();
    match status.backups.len() {
        0 => "none planned".to_owned(),
        planned => format!("{planned} VMs by plan; {failing} fail, {none} have no good one yet"),
    }
}

fn networks(scene: &Scene, paint: Paint) -> String {
    if scene.networks.refusal().is_some() {
        return String::new();
    }
    let mut table = Table::new(&["NETWORK", "TYPE", "ZONE", "ADDRESSES", "RULES", "ENFORCED", "READY"], &["ADDRESSES"]);
    let mut sorted: Vec<_> = scene.networks.items().iter().collect();
    sorted.sort_by_key(|network| network.name_any());
    for network in sorted {
        let status = network.status.clone().unwrap_or_default();
        let said = |type_: &str| {
            let said = conditions::status(&status.conditions, type_);
            cell(said, conditions::tone(said))
        };
        let subnets: Vec<&str> = network.spec.subnets.iter().map(|subnet| subnet.cidr.as_str()).collect();
        let word = |value: serde_json::Value| plain(value.as_str().unwrap_or("-"));
        table.row(vec![
            plain(network.name_any()),
            word(serde_json::json!(network.spec.type_)),
            word(serde_json::json!(network.spec.zone)),
            plain(if subnets.is_empty() { "-".to_owned() } else { subnets.join(", ") }),
            plain(status.rules.map_or_else(|| "-".to_owned(), |rules| rules.to_string())),
            said("RulesEnforced"),
            said("Ready"),
        ]);
    }
    head("Networks", paint) + &if table.is_empty() { "  none\n".to_owned() } else { table.text(paint) }
}

fn grants(scene: &Scene, now: Timestamp, paint: Paint) -> String {
    if scene.grants.refusal().is_some() {
        return String::new();
    }
    let (over, open): (Vec<_>, Vec<_>) = scene.grants.items().iter().partition(|each| grant::over(each));
    let mut text = head("Access of the provider's staff", paint);
    if open.is_empty() {
        text += "  none is open or asked for\n";
    } else {
        let mut table = Table::new(&["GRANT", "STATE", "BY", "EXPIRES", "WHAT"], &["BY", "WHAT"]);
        for each in open {
            table.row(vec![
                plain(each.name_any()),
                cell(grant::state_word(each), grant::tone(each, now)),
                plain(&each.spec.requested_by),
                plain(grant::until(each, now)),
                plain(grant::what(each)),
            ]);
        }
        text += &table.text(paint);
    }
    if !over.is_empty() {
        let said = format!("  {} over: kubectl cloudfarm grants {} --all\n", over.len(), scene.name);
        text += &said;
    }
    text
}

fn retention(seen: &Seen<Retention>, now: Timestamp, paint: Paint) -> String {
    let retention = match seen {
        Seen::Here(retention) => retention,
        Seen::Missing => return head("Retention", paint) + "  there is none\n",
        Seen::Refused(_) => return String::new(),
    };
    let status = retention.status.clone().unwrap_or_default();
    let phase = status.phase.map_or_else(|| "not looked at yet".to_owned(), |phase| format!("{phase:?}"));
    let held = if retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active) { ", LEGAL HOLD" } else { "" };
    let mut text = head(&format!("Retention {}: {phase}{held}", retention.name_any()), paint);
    text += &field("Next", status.next.as_deref().unwrap_or("not known yet"));
    for (word, at) in [("Not before", &status.purge_not_before), ("Deadline", &status.deadline)] {
        if let Some(at) = at {
            text += &field(word, &when(at.0, now));
        }
    }
    // Good ones are many and say nothing to who looks at a tenant.
    let bad: Vec<_> =
        status.conditions.into_iter().filter(|each| conditions::grade(each) == conditions::Grade::Bad).collect();
    text + &conditions::text(&bad, now, paint)
}
