//! `kubectl cloudfarm grants`: who wants to enter, who is inside, until when.

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::grant;
use super::reads::{Listed, Seen};
use super::table::{Paint, Table, WIDTH, cell, clean, indented, plain, wrap, wrap_at_most};
use super::{Common, Desk, Failure, Output, print, print_json, refused};
use crate::api::access_grant::AccessGrant;
use crate::api::home;

/// Columns before what is told below a row.
const INSET: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm grants              everything that is open or waits for somebody
  kubectl cloudfarm grants acme --all   one tenant's whole history
  kubectl cloudfarm grants acme -o json
Without TENANT, who may not list AccessGrants everywhere sees those of the namespace of the kubeconfig's context.
Exit codes: 0 done; 2 wrong usage; 3 kubeconfig or cluster not usable; 4 you may not list AccessGrants there.")]
pub struct Grants {
    /// Name of the Tenant; every one that you may see when it is not given
    tenant: Option<String>,
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

impl Grants {
    pub async fn run(&self) -> Result<(), Failure> {
        let desk = Desk::at(&self.common).await?;
        let listed = self.listed(&desk).await?;
        match self.common.output {
            Output::Table => print(&text(&listed, self.all, desk.now, desk.paint)),
            Output::Json => print_json(&json(&listed, self.all, desk.now)),
        }
    }

    async fn listed(&self, desk: &Desk) -> Result<Listed<AccessGrant>, Failure> {
        let of = |tenant: &str| Some(home::customer_namespace(tenant));
        let mut seen = desk.reads.all(self.tenant.as_deref().and_then(of).as_deref()).await?;
        if self.tenant.is_none()
            && seen.refusal().is_some()
            && let Some(own) = desk.reads.tenant_of_context()
        {
            seen = desk.reads.all(of(&own).as_deref()).await?;
        }
        match seen {
            Seen::Here(listed) => Ok(listed),
            Seen::Missing => Ok(Listed::default()),
            Seen::Refused(said) => {
                let hint = match &self.tenant {
                    Some(tenant) => {
                        format!("whoever may look at {} may be bound there", home::customer_namespace(tenant))
                    }
                    None => "name the tenant that you belong to: kubectl cloudfarm grants TENANT".to_owned(),
                };
                Err(refused(&format!("AccessGrants: {said}; {hint}")))
            }
        }
    }
}

/// What waits for somebody comes first, then what is open; the newest first.
fn sorted(listed: &Listed<AccessGrant>, all: bool) -> Vec<&AccessGrant> {
    let mut grants: Vec<&AccessGrant> = listed.items.iter().filter(|each| all || !grant::over(each)).collect();
    grants.sort_by_key(|each| {
        let born = each.metadata.creation_timestamp.as_ref().map(|at| at.0);
        (grant::over(each), grant::waits_for(each).is_none(), std::cmp::Reverse(born), each.name_any())
    });
    grants
}

/// For people.
pub fn text(listed: &Listed<AccessGrant>, all: bool, now: Timestamp, paint: Paint) -> String {
    let shown = sorted(listed, all);
    let mut table = Table::new(&["TENANT", "GRANT", "STATE", "BY", "EXPIRES"], &["BY"]);
    for each in &shown {
        let cells = vec![
            plain(grant::tenant(each)),
            plain(each.name_any()),
            cell(grant::state_word(each), grant::tone(each, now)),
            plain(&each.spec.requested_by),
            plain(grant::until(each, now)),
        ];
        table.row_and(cells, below(each, now));
    }
    let mut text = if table.is_empty() { "no access is open or asked for\n".to_owned() } else { table.text(paint) };
    let hidden = listed.items.len() - shown.len();
    if hidden > 0 {
        let said = format!("{hidden} over, shown with --all\n");
        text += &said;
    }
    text + &unreadable(&listed.unreadable)
}

fn below(each: &AccessGrant, now: Timestamp) -> String {
    let room = WIDTH - 2 - INSET;
    let what = wrap_at_most(&grant::what(each), room, 2);
    let why = wrap_at_most(&grant::why(each), room, 2);
    let so_far = wrap(&grant::standing(each, now), room);
    let mut lines = vec![("  what", what), ("  why", why), ("  so far", so_far)];
    // What a person has to type is not broken: it is copied.
    lines.extend(grant::to_type(each).map(|command| ("  type", vec![clean(&command)])));
    lines.iter().map(|(head, lines)| indented(head, 2 + INSET, lines)).collect()
}

/// Objects that this version cannot read hide nothing else, and are not hidden.
pub fn unreadable(names: &[String]) -> String {
    let lines =
        names.iter().map(|name| wrap(&format!("cannot be read by this version: {}", clean(name)), WIDTH).join("\n"));
    lines.map(|line| line + "\n").collect()
}

/// For programs.
fn json(listed: &Listed<AccessGrant>, all: bool, now: Timestamp) -> Value {
    let grants: Vec<Value> = sorted(listed, all).into_iter().map(|each| grant::json(each, now)).collect();
    json!({"grants": grants, "unreadable": listed.unreadable})
}

#[cfg(test)]
mod tests {
    use super::super::grant::tests::{grant, now};
    use super::*;

    fn some() -> Listed<AccessGrant> {
        let terms = json!({"basis": "Terms", "clause": "12.3", "verbs": ["AuditExtract"], "requestedBy": "x".repeat(253),
            "reason": "a court asks. ".repeat(70), "vms": (0..64).map(|each| format!("machine-number-{each}")).collect::<Vec<_>>()});
        let approved = json!({"approval": {"by": "tanaka", "decision": "Approve"}});
        let opened =
            json!({"state": "Active", "approvedAt": "2026-11-30T13:41:00Z", "expiresAt": "2026-11-30T14:41:00Z"});
        let denied = json!({"approval": {"by": "tanaka", "at": "2026-11-30T14:05:00Z", "decision": "Deny"}});
        let revoked = json!({"revoked": {"by": "tanaka", "at": "2026-11-30T14:05:00Z", "reason": "障害は直りました"}});
        let items = vec![
            grant("db-1130-2241", approved, opened),
            grant(
                "web-1-1130-2304",
                json!({"ticket": "T-123", "reason": "障害調査\u{1b}[2J"}),
                json!({"state": "Requested"}),
            ),
            grant("all-1130-2304", terms, Value::Null),
            grant("no-1130-2304", denied, json!({"state": "Denied"})),
            grant(
                "back-1130-2304",
                revoked,
                json!({"state": "Revoked", "expiresAt": "2026-11-30T15:05:00Z", "endedAt": "2026-11-30T14:05:01Z"}),
            ),
        ];
        Listed { items, unreadable: vec!["odd".to_owned()] }
    }

    #[test]
    fn what_waits_for_somebody_comes_first_and_everything_fits() {
        super::super::tests::golden("grants", &text(&some(), false, now(), Paint::default()));
        super::super::tests::golden("grants-all", &text(&some(), true, now(), Paint::default()));
        let none = text(&Listed::default(), false, now(), Paint::default());
        assert_eq!(none, "no access is open or asked for\n");
    }

    #[test]
    fn programs_get_every_field_and_no_more_than_was_asked_for() {
        let (few, all) = (json(&some(), false, now()), json(&some(), true, now()));
        assert_eq!((few["grants"].as_array().unwrap().len(), all["grants"].as_array().unwrap().len()), (3, 5));
        assert_eq!(few["unreadable"], json!(["odd"]));
    }
}
