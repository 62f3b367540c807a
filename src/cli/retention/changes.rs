//! `cloudfarm retention hold`, `release` and `approve`: one field each, in one's own name, on exactly what was shown.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use clap::{Args, ValueEnum};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::super::{Failure, exit, print, printable};
use super::plan::{CoolOff, by_kind, outlook, totals};
use super::text::{count, when};
use super::{Desk, Found, unchanged};
use crate::api::retention::{Approval, HoldVisibility, LegalHold};
use crate::cluster::people::SignedIn;
use crate::cluster::write::WriteError;
use crate::retention::ending::{approvers, held};

/// How often a change is tried again that was overtaken by another, each time on what is there then.
const TRIES: usize = 5;

/// How long to wait for the operator to say what happens next.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Hold {
    /// Name of the Retention: its tenant's, unless the Tenant says otherwise
    name: String,
    /// File number or the like, by which the hold is found again
    #[arg(long, value_name = "REF")]
    reference: String,
    /// Who may know of it
    #[arg(long, value_enum, default_value_t = Visibility::Provider)]
    visibility: Visibility,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Visibility {
    Provider,
    Tenant,
}

#[derive(Debug, Args)]
pub struct Release {
    /// Name of the Retention: its tenant's, unless the Tenant says otherwise
    name: String,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// Name of the Retention: its tenant's, unless the Tenant says otherwise
    name: String,
    /// The tenant's name, instead of typing it when asked
    #[arg(long, value_name = "TENANT")]
    confirm: Option<String>,
    #[command(flatten)]
    cool_off: CoolOff,
}

impl Hold {
    pub async fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let me = signed_in(desk, &self.name).await?;
        let visibility = match self.visibility {
            Visibility::Provider => HoldVisibility::Provider,
            Visibility::Tenant => HoldVisibility::Tenant,
        };
        let hold = LegalHold {
            active: true,
            reference: Some(self.reference.clone()),
            placed_by: Some(me.name.clone()),
            placed_at: Some(Time(me.at.unwrap_or(desk.now()))),
            visibility,
        };
        let mut found = desk.find(&self.name).await?;
        let mut tried = 0;
        loop {
            none_yet(&found)?;
            match desk.person.hold(&found.stored, &hold).await {
                Ok(after) => {
                    let said = format!(
                        "{}: legal hold {:?} placed by {}, visible to {visibility:?}; somebody else has to release it",
                        found.title(),
                        self.reference,
                        me.name
                    );
                    return told(desk, &said, after).await;
                }
                Err(WriteError::Unexpected(_)) if tried < TRIES => {
                    tried += 1;
                    found = desk.find(&self.name).await?;
                }
                Err(error) => return Err(unchanged(&self.name, &error)),
            }
        }
    }
}

/// Another hold is not silently taken over: whoever placed it could then be made to release it.
fn none_yet(found: &Found) -> Result<(), Failure> {
    let Some(hold) = found.retention.spec.legal_hold.as_ref().filter(|hold| hold.active) else { return Ok(()) };
    let message = format!(
        "{}: spec.legalHold is active already, {:?}, placed by {}; release it before placing another",
        found.title(),
        hold.reference.as_deref().unwrap_or_default(),
        hold.placed_by.as_deref().unwrap_or("nobody"),
    );
    Err(Failure::new(exit::INPUT, printable(&message)))
}

impl Release {
    pub async fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let me = signed_in(desk, &self.name).await?;
        let mut found = desk.find(&self.name).await?;
        let shown = found.retention.spec.legal_hold.clone();
        let mut tried = 0;
        loop {
            if !held(&found.retention) {
                let message = format!("{}: spec.legalHold is not active: nothing to release", found.title());
                return Err(Failure::new(exit::INPUT, message + &by_hand(&found)));
            }
            if found.retention.spec.legal_hold != shown {
                let overtaken = WriteError::Unexpected("spec.legalHold is another one than a moment ago".into());
                return Err(unchanged(&self.name, &overtaken));
            }
            match desk.person.release(&found.stored).await {
                Ok(after) => {
                    let hold = shown.unwrap_or_default();
                    let said = format!(
                        "{}: legal hold {:?}, placed by {}, is released by {}",
                        found.title(),
                        hold.reference.unwrap_or_default(),
                        hold.placed_by.unwrap_or_default(),
                        me.name
                    );
                    return told(desk, &said, after).await;
                }
                Err(WriteError::Unexpected(_)) if tried < TRIES => {
                    tried += 1;
                    found = desk.find(&self.name).await?;
                }
                Err(error) => return Err(unchanged(&self.name, &error)),
            }
        }
    }
}

/// The second place of a hold is not ours to clear.
fn by_hand(found: &Found) -> String {
    let conditions = found.status().conditions;
    let told = conditions.into_iter().find(|each| each.type_ == "HoldActive" && each.status == "True");
    told.map_or_else(String::new, |told| format!("; but {}", printable(&told.message)))
}

impl Approve {
    pub async fn run(&self, desk: &Desk) -> Result<(), Failure> {
        let me = signed_in(desk, &self.name).await?;
        let found = desk.find(&self.name).await?;
        let foresight = desk.foresee(&found, self.cool_off.hours).await?;
        let tenant = &found.retention.spec.tenant_ref.name;
        if found.status().first_seen.is_none() || foresight.dates.is_none() {
            let said =
                "there is no end date to approve; an approval counts only for an end date that the operator has seen";
            return Err(Failure::new(exit::INPUT, format!("{}: {said}", found.title())));
        }
        if found.status().progress.purge.is_some() {
            let said = "the purge has begun; it needs no approval any more";
            return Err(Failure::new(exit::INPUT, format!("{}: {said}", found.title())));
        }
        let counts = by_kind(&foresight.inventory.counts());
        print(&format!("{}: {}\n{}\n", found.title(), totals(&foresight), printable(&counts)))?;
        if !foresight.is_whole() {
            let kinds = foresight.unlisted.join(", ");
            print(&format!("You may not list, and a purge run erases, too: {}\n", printable(&kinds)))?;
        }
        print(&format!("\n{}\n", outlook(&found, &foresight)))?;
        self.confirmed(tenant)?;
        let approval = Approval { by: me.name.clone(), at: Some(Time(me.at.unwrap_or(desk.now()))) };
        let mut on = found.stored.clone();
        let mut tried = 0;
        loop {
            match desk.person.approve(&on, &approval).await {
                Ok(after) => {
                    let said = format!("{}: approved by {}; {}", found.title(), me.name, standing(&after, desk)?);
                    return told(desk, &said, after).await;
                }
                Err(WriteError::Unexpected(_)) if tried < TRIES => {
                    tried += 1;
                    let again = desk.find(&self.name).await?;
                    the_same(&found, &again).map_err(|what| unchanged(&self.name, &WriteError::Unexpected(what)))?;
                    on = again.stored;
                }
                Err(error) => return Err(unchanged(&self.name, &error)),
            }
        }
    }

    fn confirmed(&self, tenant: &str) -> Result<(), Failure> {
        let typed = match &self.confirm {
            Some(name) => name.clone(),
            None => ask(tenant).map_err(|error| Failure::new(exit::INPUT, error))?,
        };
        if typed.trim() == tenant {
            return Ok(());
        }
        let typed = printable(typed.trim());
        Err(Failure::new(exit::INPUT, format!("{typed:?} is not the tenant's name, {tenant}: nothing was approved")))
    }
}

fn ask(tenant: &str) -> std::io::Result<String> {
    eprint!("What was erased cannot be brought back. Type the tenant's name to approve ({tenant}): ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    Ok(typed)
}

/// Is what was approved still what is there? The operator writes on the same object all the time.
fn the_same(shown: &Found, now: &Found) -> Result<(), String> {
    let what = |found: &Found| {
        let status = found.status();
        (found.retention.spec.clone(), status.purge_not_before, status.progress.inventory.map(|preview| preview.hash))
    };
    if what(shown) == what(now) { Ok(()) } else { Err("what was shown is no longer what is there; look again".into()) }
}

fn standing(after: &DynamicObject, desk: &Desk) -> Result<String, Failure> {
    let found = Found::read(after.clone())?;
    let wanted = found.retention.spec.required_approvals;
    if wanted == 0 {
        return Ok("spec.requiredApprovals is 0, so it is kept and decides nothing".into());
    }
    let Some(seen) = found.status().first_seen else { return Ok("the end date was taken back meanwhile".into()) };
    // The API server's clock gave the time of the approval; ours may be behind it.
    let now = desk.now().checked_add(k8s_openapi::jiff::SignedDuration::from_mins(1)).unwrap_or_else(|_| desk.now());
    let given = approvers(&found.retention, seen.at.0, now);
    Ok(format!("{} of {} that are needed", count(given.len(), "approval"), wanted))
}

async fn signed_in(desk: &Desk, name: &str) -> Result<SignedIn, Failure> {
    desk.person.signed_in().await.map_err(|error| unchanged(name, &error))
}

/// What was changed, and what happens next as soon as the operator has looked at it.
async fn told(desk: &Desk, said: &str, after: DynamicObject) -> Result<(), Failure> {
    print(&(printable(said) + "\n"))?;
    let (name, generation) = (after.name_any(), after.metadata.generation);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let found = desk.find(&name).await?;
        let status = found.status();
        if status.observed_generation >= generation {
            let not_before = status
                .purge_not_before
                .map(|at| format!("Not before  {}\n", when(at.0, desk.now())))
                .unwrap_or_default();
            return print(&format!("Next        {}\n{not_before}", printable(&status.next.unwrap_or_default())));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    print(&format!(
        "Next        the operator has not looked at it within {} s; until it has, no purge begins. Ask again: cloudfarm retention status {name}\n",
        PATIENCE.as_secs()
    ))
}
