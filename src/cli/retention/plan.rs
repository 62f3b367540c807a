//! `cloudfarm retention plan`: exactly what would go, and whether it would go now.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::super::{Failure, exit, print, printable};
use super::text::{count, size, table, when};
use super::{Desk, Found};
use crate::api::jst::in_japan;
use crate::purge::foresight::{Answer, Foresight};
use crate::purge::plan::{Inventory, Item, Step, Way};

#[derive(Debug, Args)]
pub struct Plan {
    /// Name of the Retention: its tenant's, unless the Tenant says otherwise
    name: String,
    /// A table for people, or JSON with the same in it
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    cool_off: CoolOff,
}

#[derive(Debug, Args)]
pub struct CoolOff {
    /// Least hours between the first sight of an end date and a purge, as the operator's config has it
    #[arg(long = "cool-off-hours", env = "CLOUDFARM_COOL_OFF_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    pub hours: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl Plan {
    pub async fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let found = desk.find(&self.name).await?;
        let foresight = desk.foresee(&found, self.cool_off.hours).await?;
        match self.output {
            Output::Table => print(&as_table(&found, &foresight)),
            Output::Json => {
                let text = serde_json::to_string_pretty(&as_json(&found, &foresight));
                print(&(text.map_err(|error| Failure::new(exit::INPUT, error))? + "\n"))
            }
        }
    }
}

fn as_table(found: &Found, foresight: &Foresight) -> String {
    let inventory = &foresight.inventory;
    // Writing to a String cannot fail.
    let mut text = format!("{}: {}\n", found.title(), totals(foresight));
    let rows: Vec<Vec<String>> = inventory.items.iter().map(row).collect();
    // One table, so that columns stand below each other through all steps.
    let lines = table(&rows);
    let mut lines = lines.lines();
    for (step, items) in steps(inventory) {
        let bytes: u64 = items.iter().map(|item| item.counted_bytes()).fold(0, u64::saturating_add);
        let bytes = if bytes == 0 { String::new() } else { format!(", {}", size(bytes)) };
        let _ = write!(text, "\n{} {step:?}: {}{bytes}\n", step as usize + 1, count(items.len(), "object"));
        for line in lines.by_ref().take(items.len()) {
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    for kind in &foresight.unlisted {
        let _ = write!(text, "\nNot listed: you may not list {}", printable(kind));
    }
    if !foresight.is_whole() {
        let tenant = &found.retention.spec.tenant_ref.name;
        let _ = write!(
            text,
            "\nA purge run counts and erases these, too. To see them here, have list on them in cf-{tenant} and cfd-{tenant}; \
ClusterRole view, bound in these two, covers most of them and no Secrets.\n"
        );
    }
    text + "\n" + &outlook(found, foresight)
}

fn row(item: &Item) -> Vec<String> {
    let place = item.namespace.as_ref().map_or_else(|| item.name.clone(), |space| format!("{space}/{}", item.name));
    let way = match item.way {
        Way::Delete | Way::Dispose => "",
        Way::Follow => "goes with what it belongs to",
        Way::WithNamespace => "goes with its namespace",
    };
    let bytes = item.bytes.map_or_else(|| "-".into(), |bytes| bytes.to_string());
    vec![item.kind.to_string(), place, item.uid.clone(), bytes, way.into()]
}

/// `14 objects, 20 GiB (21474836480 bytes)`.
pub fn totals(foresight: &Foresight) -> String {
    let inventory = &foresight.inventory;
    let most = if foresight.is_whole() { "" } else { "AT LEAST " };
    format!("{most}{}, {}", count(inventory.items.len(), "object"), size(inventory.bytes()))
}

/// What is kept, what is not known, what stands in the way, and when it would go.
pub fn outlook(found: &Found, foresight: &Foresight) -> String {
    let (inventory, status, now) = (&foresight.inventory, found.status(), foresight.look.clocks.own);
    let mut rows = Vec::new();
    let mut say = |head: &str, said: String| rows.push(vec![head.to_owned(), printable(&said)]);
    for kept in &inventory.kept {
        say("Kept", format!("{} of {}, until {}", count(kept.count, "record"), kept.class, kept.until));
    }
    for doubt in &inventory.doubts {
        say("Doubt", doubt.clone());
    }
    for unseen in &foresight.unseen {
        say("Not seen", unseen.clone());
    }
    if let Some(preview) = &status.progress.inventory {
        let told = match foresight.is_as_previewed() {
            Some(true) => "the same as the last preview, of",
            Some(false) => "NOT the same as the last preview, of",
            None => "not to be compared with the last preview, since not everything was seen; that one is of",
        };
        let bytes = u64::try_from(preview.bytes).unwrap_or_default();
        let counted = preview.counts.clone();
        let preview = format!("{}: {}, {}", when(preview.at.0, now), count(preview.objects, "object"), size(bytes));
        say("Hash", format!("{}, {told} {preview}", inventory.hash()));
        if !foresight.is_whole() {
            let counts = by_kind(&counted);
            say("Previewed", format!("the purge run, which sees everything, counted {counts}"));
        }
    } else {
        say("Hash", format!("{}; no run has previewed this purge yet", inventory.hash()));
    }
    if let Some(dates) = &foresight.dates {
        say("Contract", format!("last day {}, over at {}", dates.end_date, when(dates.ends_at, now)));
        say("Not before", when(dates.not_before, now));
        say("Deadline", when(dates.deadline, now));
        if let Some(run) = foresight.run {
            say("First run", format!("{} is the first that may erase, as far as dates decide", when(run, now)));
        }
    }
    say("Now", verdict(&foresight.answer));
    table(&rows)
}

/// `4 networkpolicies.networking.k8s.io, 2 namespaces`.
pub fn by_kind(counts: &BTreeMap<String, i64>) -> String {
    counts.iter().map(|(kind, number)| format!("{number} {kind}")).collect::<Vec<_>>().join(", ")
}

fn verdict(answer: &Answer) -> String {
    match answer {
        Answer::Begins => "a run that starts now WOULD ERASE all of this".into(),
        Answer::GoesOn => "the purge has begun; a run that starts now goes on with what is left".into(),
        Answer::Done => "the purge is complete; there is nothing to erase".into(),
        Answer::Perhaps => "nothing that you may read speaks against it: a run that starts now MAY ERASE".into(),
        Answer::Not(refusal) => format!("nothing would be erased: {}: {refusal}", refusal.word()),
    }
}

fn steps(inventory: &Inventory) -> impl Iterator<Item = (Step, Vec<&Item>)> {
    let of = |step| inventory.items.iter().filter(move |item| item.step == step).collect::<Vec<_>>();
    Step::ALL.into_iter().map(move |step| (step, of(step))).filter(|(_, items)| !items.is_empty())
}

fn as_json(found: &Found, foresight: &Foresight) -> Value {
    let inventory = &foresight.inventory;
    let step = |(step, items): (Step, Vec<&Item>)| {
        let bytes: u64 = items.iter().map(|item| item.counted_bytes()).fold(0, u64::saturating_add);
        json!({"step": step, "objects": items.len(), "bytes": bytes, "items": items})
    };
    let (erases, reason, message) = match &foresight.answer {
        Answer::Begins | Answer::GoesOn => (json!(true), "Due", verdict(&foresight.answer)),
        Answer::Perhaps => (Value::Null, "NotAllSeen", verdict(&foresight.answer)),
        Answer::Done => (json!(false), "Purged", verdict(&foresight.answer)),
        Answer::Not(refusal) => (json!(false), refusal.word(), refusal.to_string()),
    };
    let preview = found.status().progress.inventory.map(|preview| {
        json!({"hash": preview.hash, "objects": preview.objects, "bytes": preview.bytes, "at": in_japan(preview.at.0),
            "equal": foresight.is_as_previewed()})
    });
    let dates = foresight.dates.as_ref().map(|dates| {
        json!({"endDate": dates.end_date, "endsAt": in_japan(dates.ends_at), "notBefore": in_japan(dates.not_before),
            "deadline": in_japan(dates.deadline), "firstRun": foresight.run.map(in_japan)})
    });
    json!({
        "retention": found.name(),
        "retentionUID": found.retention.uid(),
        "tenant": found.retention.spec.tenant_ref.name,
        "at": in_japan(foresight.look.clocks.own),
        "objects": inventory.items.len(),
        "bytes": inventory.bytes(),
        "counts": inventory.counts(),
        "hash": inventory.hash(),
        "preview": preview,
        "steps": steps(inventory).map(step).collect::<Vec<_>>(),
        "kept": inventory.kept,
        "doubts": inventory.doubts,
        "notSeen": foresight.unseen,
        "notListed": foresight.unlisted,
        "dates": dates,
        "now": {"erases": erases, "reason": reason, "message": message},
    })
}
