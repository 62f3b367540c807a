//! `cloudfarm retention status`: where it stands and what happens next, for somebody who was woken up for it.

use std::fmt::Write as _;

use clap::Args;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};

use super::super::{Failure, print, printable};
use super::text::{count, size, table, when};
use super::{Desk, Found};
use crate::api::jst::in_japan;
use crate::api::retention::{Progress, PurgeMark, StepState};
use crate::api::{home, labels};
use crate::install::EVIDENCE_NAMESPACE;
use crate::retention::ending::{approvers, held};
use crate::retention::lifecycle::PHASES;

#[derive(Debug, Args)]
pub struct Status {
    /// Name of the Retention: its tenant's, unless the Tenant says otherwise; all of them when it is not given
    name: Option<String>,
}

impl Status {
    pub async fn run(&self, desk: &Desk) -> Result<(), Failure> {
        match &self.name {
            Some(name) => {
                let found = desk.find(name).await?;
                let places = places(desk, &found).await;
                print(&one(&found, &places, desk.now()))
            }
            None => print(&all(desk.all().await?)),
        }
    }
}

fn all(mut found: Vec<Found>) -> String {
    // What has no deadline is not urgent.
    found.sort_by_key(|each| (each.status().deadline.map_or(Timestamp::MAX, |at| at.0), each.name()));
    let mut rows = vec![["NAME", "TENANT", "PHASE", "DEADLINE", "NEXT"].map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|each| {
        let status = each.status();
        let deadline = status.deadline.map_or_else(|| "-".into(), |at| in_japan(at.0));
        let phase = status.phase.map_or_else(|| "-".into(), |phase| format!("{phase:?}"));
        let next = printable(status.next.as_deref().unwrap_or("the operator has not looked at it yet"));
        vec![each.name(), each.retention.spec.tenant_ref.name.clone(), phase, deadline, next]
    }));
    table(&rows)
}

fn one(found: &Found, places: &str, now: Timestamp) -> String {
    let (spec, status) = (&found.retention.spec, found.status());
    let mut rows = Vec::new();
    let mut say = |head: &str, said: String| rows.push(vec![head.to_owned(), printable(&said)]);
    let phase = status.phase.map_or_else(
        || "the operator has not looked at it yet".into(),
        |phase| {
            let row = PHASES.iter().find(|row| row.phase == phase);
            row.map_or_else(|| format!("{phase:?}"), |row| format!("{phase:?}: {}; data: {}", row.when, row.data))
        },
    );
    say("Phase", phase);
    say("Next", status.next.clone().unwrap_or_else(|| "not known yet".into()));
    if status.observed_generation != found.retention.metadata.generation {
        say("Stale", "the operator has not looked at the last change; until it has, no purge begins".into());
    }
    for bad in status.conditions.iter().filter(|each| is_bad(&each.type_, &each.status)) {
        say("Trouble", format!("{}: {}: {}", bad.type_, bad.reason, bad.message));
    }
    if let (Some(seen), Some(ends)) = (&status.first_seen, &status.contract_ends_at) {
        let said = format!("last day {}, over at {}", seen.end_date, when(ends.0, now));
        say("Contract", format!("{said}; seen first {}", when(seen.at.0, now)));
    }
    for (head, at) in [("Not before", &status.purge_not_before), ("Deadline", &status.deadline)] {
        if let Some(at) = at {
            say(head, when(at.0, now));
        }
    }
    say("Hold", hold(found, now));
    say("", places.to_owned());
    if spec.suspend {
        say("Suspended", "spec.suspend is true: every purge of this tenant is stopped".into());
    }
    if spec.required_approvals > 0 {
        let given = status.first_seen.as_ref().map(|seen| approvers(&found.retention, seen.at.0, now));
        let given: Vec<String> = given.unwrap_or_default().into_iter().collect();
        say("Approvals", format!("{} of {} {}", given.len(), spec.required_approvals, given.join(", ")));
    }
    purge(&mut say, &status.progress, now);
    format!("{}\n\n{}{}", found.title(), table(&rows), steps(&status.progress))
}

/// Is this condition something that a person who is woken up wants to read?
fn is_bad(type_: &str, status: &str) -> bool {
    match type_ {
        "Ready" | "ClockTrusted" | "InventoryStable" => status == "False",
        "Stalled" | "Overdue" => status == "True",
        _ => false,
    }
}

fn hold(found: &Found, now: Timestamp) -> String {
    let Some(hold) = found.retention.spec.legal_hold.as_ref().filter(|_| held(&found.retention)) else {
        return "none in spec.legalHold".into();
    };
    let at = hold.placed_at.as_ref().map_or_else(String::new, |at| format!(" at {}", when(at.0, now)));
    format!(
        "ACTIVE: {:?}, placed by {}{at}, visible to {:?}",
        hold.reference.as_deref().unwrap_or_default(),
        hold.placed_by.as_deref().unwrap_or("nobody"),
        hold.visibility
    )
}

/// The second place of a hold: an annotation on the tenant's namespaces, put there by the operator or by hand.
async fn places(desk: &Desk, found: &Found) -> String {
    let tenant = &found.retention.spec.tenant_ref.name;
    let uid = found.retention.uid();
    let api = Api::<Namespace>::all(desk.client.clone());
    let mut said = Vec::new();
    for name in [home::customer_namespace(tenant), home::derived_namespace(tenant)] {
        said.push(match api.get_opt(&name).await {
            Ok(None) => format!("{name}: does not exist"),
            Ok(Some(namespace)) => match namespace.annotations().get(labels::LEGAL_HOLD) {
                None => format!("{name}: none"),
                Some(value) if Some(value) == uid.as_ref() => format!("{name}: this hold"),
                Some(value) => format!("{name}: HELD BY HAND, {}={value:?}", labels::LEGAL_HOLD),
            },
            Err(_) => {
                let conditions = found.status().conditions;
                let told = conditions.into_iter().find(|each| each.type_ == "HoldActive");
                let told = told.map_or_else(|| "nothing".into(), |told| format!("{:?}", told.message));
                return format!("namespaces: you may not get them; the operator says {told}");
            }
        });
    }
    format!("on namespaces: {}", said.join("; "))
}

fn purge(say: &mut impl FnMut(&str, String), progress: &Progress, now: Timestamp) {
    if let Some(preview) = &progress.inventory {
        let bytes = size(u64::try_from(preview.bytes).unwrap_or_default());
        let hash = &preview.hash;
        say(
            "Preview",
            format!("{}, {bytes}, at {}, SHA-256 {hash}", count(preview.objects, "object"), when(preview.at.0, now)),
        );
    }
    if let Some(PurgeMark { state, plan_hash, objects, started_at, finished_at, .. }) = &progress.purge {
        let left = progress.remaining.unwrap_or_default();
        let ended = finished_at.as_ref().map_or_else(String::new, |at| format!(", data gone {}", when(at.0, now)));
        let begun = when(started_at.0, now);
        say(
            "Purge",
            format!("{state:?}: {left} of {objects} objects left, begun {begun}{ended}, plan SHA-256 {plan_hash}"),
        );
    }
    for (number, run) in progress.runs.iter().rev().take(5).enumerate() {
        let head = if number == 0 { "Last runs" } else { "" };
        say(head, format!("{} {:?}, {}: {}", when(run.at.0, now), run.outcome, run.reason, run.message));
    }
    if let Some(evidence) = &progress.evidence {
        let said = format!("ConfigMap {EVIDENCE_NAMESPACE}/{}, SHA-256 {}", evidence.report, evidence.sha256);
        say("Certificate", format!("{said}, signed by key {}", evidence.key_id));
    }
}

fn steps(progress: &Progress) -> String {
    if progress.steps.is_empty() {
        return String::new();
    }
    let mut rows = vec![["STEP", "STATE", "GONE", "LEFT", "WAITS FOR"].map(str::to_owned).to_vec()];
    rows.extend(progress.steps.iter().map(|step| {
        let waits = match step.state {
            StepState::Done => String::new(),
            _ => printable(step.message.as_deref().unwrap_or_default()),
        };
        let state = format!("{:?}", step.state);
        vec![printable(&step.name), state, step.deleted.to_string(), step.remaining.to_string(), waits]
    }));
    let mut text = String::from("\n");
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", table(&rows));
    text
}
