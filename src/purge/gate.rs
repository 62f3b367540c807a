//! Pure: may this purge go on? Every reason against it is one variant, and the first that holds is told.
//!
//! [`always`] is asked before every single delete, [`begin`] once more before the point of no return. Both see only what
//! was read live a moment ago. Whatever is missing, unreadable or contradictory is a reason against (I5).

use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::look::{Asked, Clocks, Look, Reserve};
use super::plan::Inventory;
use crate::api::jst::in_japan;
use crate::api::retention::{PurgeMode, RunOutcome};
use crate::retention::ending::{Dates, Ending, TenantState, approvers, ending};
use crate::retention::lifecycle::previewed;
use crate::retention::schedule::Schedule;

/// How far clocks may be apart (I13).
pub const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Least time between a run that found runs missing and one that deletes.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How such a run is remembered.
const RUNS_MISSING: &str = "RunsMissing";

/// Span over which the budget counts.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why nothing is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    OtherUid {
        asked: String,
        found: String,
    },
    Stopped,
    StopUnreadable(String),
    Held {
        reference: String,
    },
    NamespaceHeld {
        namespace: String,
    },
    Suspended,
    NotObserved {
        generation: i64,
    },
    NotEnded(String),
    Doubt(String),
    /// The inventory is not what the last preview showed.
    Changed(String),
    Clock(String),
    /// Scheduled runs are missing, or the run that found it was only just.
    RunsMissing(String),
    NotBefore(Timestamp),
    NotPreviewed,
    DryRun,
    Approvals {
        wanted: i64,
        given: Vec<String>,
    },
    NoEvidence(String),
    OverBudget {
        per_day: usize,
    },
    NotApproved {
        namespace: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUid { asked, found } => {
                write!(f, "its uid is {found}, the run is for {asked}: a namesake is not purged")
            }
            Self::Stopped => f.write_str("every purge is stopped: ConfigMap cloudfarm-purge-budget says stop"),
            Self::StopUnreadable(why) => write!(f, "the stop switch cannot be read, so it counts as thrown: {why}"),
            Self::Held { reference } => write!(f, "legal hold {reference:?} is active"),
            Self::NamespaceHeld { namespace } => {
                write!(f, "namespace {namespace} is annotated cloudfarm.dev/legal-hold")
            }
            Self::Suspended => f.write_str("spec.suspend is true"),
            Self::NotObserved { generation } => {
                write!(f, "the operator has not looked at generation {generation} yet: its dates may be too early")
            }
            Self::NotEnded(why) => f.write_str(why),
            Self::Doubt(doubt) => write!(f, "{doubt}: everything is kept until a person has looked"),
            Self::Changed(what) => write!(f, "{what}; this run has previewed anew, the next may delete"),
            Self::Clock(why) | Self::RunsMissing(why) => write!(f, "the time is in doubt: {why}"),
            Self::NotBefore(instant) => write!(f, "nothing may be deleted before {}", in_japan(*instant)),
            Self::NotPreviewed => {
                f.write_str("no run has previewed this purge yet; this one does, the next may delete")
            }
            Self::DryRun => f.write_str("spec.mode is DryRun"),
            Self::Approvals { wanted, given } if given.is_empty() => {
                write!(f, "spec.requiredApprovals is {wanted} and nobody has approved this end date")
            }
            Self::Approvals { wanted, given } => {
                write!(f, "spec.requiredApprovals is {wanted}; approved so far: {}", given.join(", "))
            }
            Self::NoEvidence(why) => write!(f, "what is erased could not be certified: {why}"),
            Self::OverBudget { per_day } => write!(
                f,
                "{per_day} purges have begun within 24 hours, which is the budget; a ConfigMap cloudfarm-purge-approval allows more for one day"
            ),
            Self::NotApproved { namespace } => {
                write!(f, "the operator has not approved the purge on namespace {namespace}")
            }
        }
    }
}

impl Refusal {
    /// In one word, for conditions.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::OtherUid { .. } => "OtherUid",
            Self::Stopped | Self::StopUnreadable(_) => "Stopped",
            Self::Held { .. } | Self::NamespaceHeld { .. } => "HoldPlaced",
            Self::Suspended => "Suspended",
            Self::NotObserved { .. } => "NotObserved",
            Self::NotEnded(_) => "NoEndDate",
            Self::Doubt(_) => "Doubt",
            Self::Changed(_) => "InventoryChanged",
            Self::Clock(_) => "ClockInDoubt",
            Self::RunsMissing(_) => RUNS_MISSING,
            Self::NotBefore(_) => "NotDue",
            Self::NotPreviewed => "NotPreviewed",
            Self::DryRun => "DryRun",
            Self::Approvals { .. } => "ApprovalMissing",
            Self::NoEvidence(_) => "NoEvidence",
            Self::OverBudget { .. } => "OverBudget",
            Self::NotApproved { .. } => "NotApproved",
        }
    }

    /// What a run that ends by this has done.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        match self {
            Self::NotBefore(_) | Self::NotEnded(_) => RunOutcome::Waited,
            _ => RunOutcome::Refused,
        }
    }
}

/// What has to hold before each delete.
///
/// # Errors
/// The first reason against it.
pub fn always(asked: &Asked, look: &Look) -> Result<Dates, Refusal> {
    let now = nobody_objects(asked, look)?;
    let dates = ended(asked, look, now)?;
    announced(look, &dates)?;
    same(look)?;
    if now < dates.not_before {
        return Err(Refusal::NotBefore(dates.not_before));
    }
    Ok(dates)
}

/// What has to hold before each delete of what ages out by `spec.rolling`: no end of the contract, but nobody who
/// objects, and the very tenant and namespaces that are pinned.
///
/// # Errors
/// The first reason against it.
pub fn rolling(asked: &Asked, look: &Look) -> Result<Timestamp, Refusal> {
    let now = nobody_objects(asked, look)?;
    observed(look)?;
    same(look)?;
    if look.retention.spec.mode == PurgeMode::DryRun {
        return Err(Refusal::DryRun);
    }
    Ok(now)
}

/// The right Retention, no brake, no hold, no suspension, and a time that can be trusted.
fn nobody_objects(asked: &Asked, look: &Look) -> Result<Timestamp, Refusal> {
    let retention = &look.retention;
    let found = retention.uid().unwrap_or_default();
    if found != asked.uid {
        return Err(Refusal::OtherUid { asked: asked.uid.clone(), found });
    }
    match &look.stop {
        Ok(false) => {}
        Ok(true) => return Err(Refusal::Stopped),
        Err(why) => return Err(Refusal::StopUnreadable(why.clone())),
    }
    if let Some(hold) = retention.spec.legal_hold.as_ref().filter(|hold| hold.active) {
        return Err(Refusal::Held { reference: hold.reference.clone().unwrap_or_default() });
    }
    if let Some((namespace, _)) = look.namespaces.iter().find(|(_, sight)| sight.held) {
        return Err(Refusal::NamespaceHeld { namespace: namespace.clone() });
    }
    if retention.spec.suspend {
        return Err(Refusal::Suspended);
    }
    let now = time(&look.clocks)?;
    not_back(look, now)?;
    Ok(now)
}

/// What has to hold, beyond [`always`], before the first delete.
///
/// # Errors
/// The first reason against it.
pub fn begin(asked: &Asked, look: &Look, reserve: &Reserve) -> Result<Dates, Refusal> {
    let dates = always(asked, look)?;
    let now = time(&look.clocks)?;
    let spec = &look.retention.spec;
    if !previewed(&look.retention.status.clone().unwrap_or_default().progress, &dates) {
        return Err(Refusal::NotPreviewed);
    }
    nobody_slept(look, now)?;
    if spec.mode == PurgeMode::DryRun {
        return Err(Refusal::DryRun);
    }
    // `now` is the earliest of three clocks, one of them some seconds old: whoever has just approved is not in its future.
    let given = approvers(&look.retention, dates.seen_at, now + SKEW);
    if i64::try_from(given.len()).unwrap_or_default() < spec.required_approvals {
        return Err(Refusal::Approvals { wanted: spec.required_approvals, given: given.into_iter().collect() });
    }
    reserve.evidence.clone().map_err(Refusal::NoEvidence)?;
    let begun = reserve.begun.values().filter(|at| now.duration_since(**at) < DAY).count();
    if begun >= reserve.per_day {
        return Err(Refusal::OverBudget { per_day: reserve.per_day });
    }
    approved(asked, look)?;
    Ok(dates)
}

/// Is what is there whole, not more than is allowed, and just what the last preview showed?
///
/// # Errors
/// The first reason against it.
pub fn as_previewed(look: &Look, inventory: &Inventory) -> Result<(), Refusal> {
    if let Some(doubt) = inventory.doubts.first() {
        return Err(Refusal::Doubt(doubt.clone()));
    }
    let preview = look.retention.status.as_ref().and_then(|status| status.progress.inventory.as_ref());
    if preview.is_none_or(|preview| preview.hash != inventory.hash()) {
        return Err(Refusal::Changed("the last preview showed other objects than are there now".into()));
    }
    let (count, most) = (inventory.items.len(), look.retention.spec.max_objects);
    if i64::try_from(count).unwrap_or(i64::MAX) > most {
        return Err(Refusal::Doubt(format!("{count} objects, and spec.maxObjects is {most}")));
    }
    Ok(())
}

/// Has the operator, which cannot delete, agreed on every namespace that is still there?
///
/// # Errors
/// The namespace that it has not approved.
pub fn approved(asked: &Asked, look: &Look) -> Result<(), Refusal> {
    match look.namespaces.iter().find(|(_, sight)| sight.approved.as_ref() != Some(&asked.uid)) {
        Some((namespace, _)) => Err(Refusal::NotApproved { namespace: namespace.clone() }),
        None => Ok(()),
    }
}

/// The time, if all who tell it agree; the earliest of them.
///
/// # Errors
/// One of them is silent, or they are further apart than [`SKEW`].
pub fn time(clocks: &Clocks) -> Result<Timestamp, Refusal> {
    let silent = |who: &str| Refusal::Clock(format!("{who} does not tell it"));
    let api_server = clocks.api_server.ok_or_else(|| silent("the API server"))?;
    let operator = clocks.operator.ok_or_else(|| silent("the operator's lease"))?;
    let earliest = clocks.own.min(api_server).min(operator);
    let latest = clocks.own.max(api_server).max(operator);
    if latest.duration_since(earliest) > SKEW {
        return Err(Refusal::Clock(format!(
            "this process says {}, the API server {}, the operator's lease {}; they may be 60 s apart",
            in_japan(clocks.own),
            in_japan(api_server),
            in_japan(operator)
        )));
    }
    Ok(earliest)
}

/// No run believes an earlier time than one before it has seen.
fn not_back(look: &Look, now: Timestamp) -> Result<(), Refusal> {
    match look.retention.status.as_ref().and_then(|status| status.progress.clock_mark.as_ref()) {
        Some(mark) if mark.0.duration_since(now) > SKEW => Err(Refusal::Clock(format!(
            "it is {}, and an earlier run has seen {} already",
            in_japan(now),
            in_japan(mark.0)
        ))),
        _ => Ok(()),
    }
}

/// If every clock jumps ahead at once, they agree. What does not jump is how often somebody looked: a run that finds
/// that more than one scheduled run before it is missing writes the time down and leaves the deleting to one that comes
/// at least an hour later.
fn nobody_slept(look: &Look, now: Timestamp) -> Result<(), Refusal> {
    let progress = look.retention.status.as_ref().map(|status| &status.progress);
    let mark = progress.and_then(|progress| progress.clock_mark.as_ref());
    let mark = mark.ok_or_else(|| Refusal::RunsMissing("this is the first run; the next one may delete".into()))?.0;
    let doubted = progress.and_then(|progress| progress.runs.iter().rev().find(|run| run.reason == RUNS_MISSING));
    if let Some(run) = doubted.filter(|run| now.duration_since(run.at.0) < HOUR) {
        let said = format!("runs were missing at {}; one that comes an hour after that may delete", in_japan(run.at.0));
        return Err(Refusal::RunsMissing(said));
    }
    let schedule = look.retention.spec.schedule.parse::<Schedule>();
    let next = |from: Timestamp| {
        let later = from.checked_add(SignedDuration::from_secs(60)).ok()?;
        schedule.as_ref().ok()?.next(later)
    };
    match next(mark).and_then(next) {
        Some(second) if now < second.checked_add(DAY / 4).unwrap_or(second) => Ok(()),
        _ => Err(Refusal::RunsMissing(format!(
            "the last run was at {} and scheduled ones are missing since: the clock may have jumped; the next run may delete",
            in_japan(mark)
        ))),
    }
}

/// The contract's end as it is now, from the live Tenant.
pub fn ended(asked: &Asked, look: &Look, now: Timestamp) -> Result<Dates, Refusal> {
    match ending(&look.retention, &look.tenant, asked.cool_off, now) {
        Ending::On(dates) => Ok(dates),
        Ending::None => Err(Refusal::NotEnded("the contract has no end date: everything is kept".into())),
        Ending::NotDeclared => Err(Refusal::NotEnded("no Tenant of this name has been seen".into())),
        Ending::Orphaned => {
            Err(Refusal::NotEnded("the Tenant is gone and left no end date: everything is kept".into()))
        }
        Ending::Doubtful(doubt) => Err(Refusal::Doubt(doubt)),
        Ending::Unknown => Err(Refusal::Doubt("the Tenant cannot be read".into())),
    }
}

fn observed(look: &Look) -> Result<(), Refusal> {
    let generation = look.retention.metadata.generation.unwrap_or_default();
    let seen = look.retention.status.as_ref().and_then(|status| status.observed_generation);
    if seen == Some(generation) { Ok(()) } else { Err(Refusal::NotObserved { generation }) }
}

/// Do the operator, which announced, and this run, which has just computed, mean the same date?
fn announced(look: &Look, dates: &Dates) -> Result<(), Refusal> {
    observed(look)?;
    let status = look.retention.status.as_ref();
    let announced = status.and_then(|status| status.purge_not_before.as_ref());
    if announced.is_none_or(|announced| announced.0 != dates.not_before) {
        let announced = announced.map_or("nothing".into(), |at| in_japan(at.0));
        let computed = in_japan(dates.not_before);
        return Err(Refusal::Doubt(format!("status.purgeNotBefore says {announced}, this run computes {computed}")));
    }
    Ok(())
}

/// Are the Tenant and the namespaces that are there those that the operator has pinned?
fn same(look: &Look) -> Result<(), Refusal> {
    let status = look.retention.status.as_ref();
    let Some(pinned) = status.and_then(|status| status.pinned.as_ref()) else {
        return Err(Refusal::Doubt("status.pinned is not set: nobody noted whose data it is".into()));
    };
    if let TenantState::Present(declared) = &look.tenant
        && declared.uid != pinned.tenant_uid
    {
        let (found, pinned) = (&declared.uid, &pinned.tenant_uid);
        return Err(Refusal::Doubt(format!("the Tenant has uid {found}, the contract that ended had {pinned}")));
    }
    for (name, sight) in &look.namespaces {
        let meant = pinned.namespace_uids.get(name);
        if meant != Some(&sight.uid) {
            let meant = meant.map_or("none", String::as_str);
            return Err(Refusal::Doubt(format!("namespace {name} has uid {}, pinned is {meant}", sight.uid)));
        }
    }
    Ok(())
}
