//! `kubectl cloudfarm tenants`: one line for each customer.

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::json;

use super::grants::unreadable;
use super::reads::{Listed, Seen};
use super::show::Scene;
use super::table::{Paint, Table, Tone, cell, plain};
use super::time::{age, day};
use super::{Common, Desk, Failure, Output, conditions, print, print_json, refused, show};
use crate::api::tenant::{Tenant, TenantPhase};

/// A contract is as full as this before somebody has to look.
const FULL: i64 = 90;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm tenants
  kubectl cloudfarm tenants -o json | jq '.tenants[] | select(.alarms > 0) | .name'
VMS is running/declared, FULL the fullest resource of the contract, ENDS the contract's last day, or with erase the day from \
which data may be erased; ALARMS how many conditions are False, and the first reason.
A customer's administrator may read no Tenants: with the kubeconfig's context in the namespace cf-<tenant> this shows what that \
person may see there.
Exit codes: 0 done; 2 wrong usage; 3 kubeconfig or cluster not usable; 4 you may not list Tenants.")]
pub struct Tenants {
    #[command(flatten)]
    common: Common,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    display_name: Option<String>,
    phase: Option<TenantPhase>,
    ready: String,
    vms_running: Option<i64>,
    vms_declared: i64,
    capacity_percent: Option<i64>,
    contract_end: Option<String>,
    erased_not_before: Option<Time>,
    alarms: usize,
    first_reason: Option<String>,
    created_at: Option<Time>,
}

impl Tenants {
    pub async fn run(&self) -> Result<(), Failure> {
        let desk = Desk::at(&self.common).await?;
        let listed = match desk.reads.all::<Tenant>(None).await? {
            Seen::Here(listed) => listed,
            Seen::Missing => Listed::default(),
            Seen::Refused(said) => return self.own(&desk, &said).await,
        };
        let mut rows: Vec<Row> = listed.items.iter().map(row).collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        match self.common.output {
            Output::Table => print(&(table(&rows, desk.now, desk.paint) + &unreadable(&listed.unreadable))),
            Output::Json => print_json(&json!({"tenants": rows, "unreadable": listed.unreadable})),
        }
    }

    /// What somebody sees who is not the provider.
    async fn own(&self, desk: &Desk, said: &str) -> Result<(), Failure> {
        let kindly = "the list of Tenants is the provider's";
        let Some(tenant) = desk.reads.tenant_of_context() else {
            return Err(refused(&format!("{said}; {kindly}. Your own: kubectl cloudfarm show TENANT")));
        };
        let scene = Box::pin(Scene::look(desk, &tenant)).await?;
        if !scene.may_see_anything() {
            return Err(refused(&format!("{said}; {kindly}, and you may see nothing in cf-{tenant} either")));
        }
        eprintln!("cloudfarm: {kindly}; this is what you may see of {tenant}");
        show::shown(&scene, desk, self.common.output)
    }
}

fn row(tenant: &Tenant) -> Row {
    let (spec, status) = (&tenant.spec, tenant.status.clone().unwrap_or_default());
    let (alarms, reason) = conditions::alarms(&status.conditions);
    Row {
        name: tenant.name_any(),
        display_name: spec.display_name.clone(),
        phase: status.phase,
        ready: conditions::status(&status.conditions, "Ready").to_owned(),
        vms_running: status.vms.as_ref().map(|vms| vms.ready),
        vms_declared: i64::try_from(spec.virtual_machines.len()).unwrap_or(i64::MAX),
        capacity_percent: status.capacity.iter().map(|row| row.percent).max(),
        contract_end: spec.contract.end_date.clone(),
        erased_not_before: status.purge_not_before.clone(),
        alarms,
        first_reason: reason.map(str::to_owned),
        created_at: tenant.metadata.creation_timestamp.clone(),
    }
}

fn table(rows: &[Row], now: Timestamp, paint: Paint) -> String {
    let heads = ["NAME", "CUSTOMER", "READY", "VMS", "FULL", "ENDS", "ALARMS", "AGE"];
    let mut table = Table::new(&heads, &["CUSTOMER", "ALARMS"]);
    for row in rows {
        let running = row.vms_running.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let all = row.vms_running == Some(row.vms_declared);
        let full = row.capacity_percent.unwrap_or_default() > FULL;
        let alarms = match &row.first_reason {
            Some(reason) => format!("{} {reason}", row.alarms),
            None => "-".to_owned(),
        };
        table.row(vec![
            plain(&row.name),
            plain(row.display_name.as_deref().unwrap_or("-")),
            cell(&row.ready, conditions::tone(&row.ready)),
            cell(format!("{running}/{}", row.vms_declared), if all { Tone::Plain } else { Tone::Doubtful }),
            cell(
                row.capacity_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%")),
                if full { Tone::Doubtful } else { Tone::Plain },
            ),
            plain(ends(row, now)),
            cell(alarms, if row.alarms > 0 { Tone::Bad } else { Tone::Plain }),
            plain(age(row.created_at.as_ref().map(|at| at.0), now)),
        ]);
    }
    if table.is_empty() { "there is no Tenant\n".to_owned() } else { table.text(paint) }
}

/// The last day; once that is over, the day from which data may be erased.
fn ends(row: &Row, now: Timestamp) -> String {
    let Some(end) = &row.contract_end else { return "-".to_owned() };
    let over = end
        .parse::<crate::api::jst::ContractDate>()
        .ok()
        .and_then(|date| date.ends_at().ok())
        .is_some_and(|at| at <= now);
    match row.erased_not_before.as_ref().filter(|_| over) {
        Some(at) => format!("erase {}", day(at.0)),
        None => end.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant::tests::now;
    use super::super::show::tests::tenant;
    use super::*;

    #[test]
    fn each_customer_is_one_line_whatever_the_names_are() {
        let mut leaving = tenant("a-name-of-thirty-letters-is-1-", 64);
        leaving.metadata.name = Some("a-name-of-thirty-letters-it-is".into());
        leaving.spec.display_name = Some("非常に長い名前の株式会社".repeat(5).chars().take(64).collect());
        leaving.spec.contract.end_date = Some("2026-09-30".into());
        let mut unseen = tenant("beta", 0);
        unseen.status = None;
        unseen.spec.display_name = Some("\u{1b}]0;pwned\u{7}Beta\u{202e}".into());
        let mut ending = tenant("gamma", 3);
        ending.spec.contract.end_date = Some("2027-03-31".into());
        let rows: Vec<Row> = [&leaving, &unseen, &ending].into_iter().map(row).collect();
        super::super::tests::golden("tenants", &table(&rows, now(), Paint::default()));
        let said = json!(rows).to_string();
        assert!(!said.contains("TEST-000001") && !said.contains('@'), "{said}");
        assert_eq!(table(&[], now(), Paint::default()), "there is no Tenant\n");
    }
}
