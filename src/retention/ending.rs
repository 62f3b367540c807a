//! Pure: what is known of a contract's end, and the instants that follow from it. The operator and the purge run decide
//! by the same functions, each from what it sees itself.
//!
//! ```text
//! endsAt    = day after the last day, 00:00 in Japan
//! notBefore = the later of  endsAt + graceDays × 24 h            (early erasure: endsAt, and its own cool-off)
//!                      and  first seen + cool-off                (a date in the past erases nothing at once)
//! deadline  = notBefore + completeWithin
//! ```

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::jst::{ContractDate, GRACE_DAYS, plus_days};
use crate::api::retention::{Retention, RetentionSpec, RetentionStatus};

/// What is known of the Tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantState {
    Present(Declaration),
    /// The list of Tenants is complete and it is not in it; or the API server says that it does not exist.
    Vanished,
    /// It is there and cannot be decoded: nothing is decided.
    Unknown,
}

/// What a living Tenant says that matters to its Retention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    pub uid: String,
    /// As written; it may be no date at all.
    pub end_date: Option<String>,
    /// Usernames of the enabled privileged administrators: whose wish the customer's wish is.
    pub privileged: BTreeSet<String>,
}

/// What is known of the contract's end. Only [`Ending::On`] ever leads to a purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The contract runs.
    None,
    /// It ends, or has ended.
    On(Dates),
    /// The Tenant has not been seen yet.
    NotDeclared,
    /// The Tenant is gone and left no end date.
    Orphaned,
    /// Something cannot be read or is contradictory; everything is kept.
    Doubtful(String),
    /// Nothing can be said in this pass; everything stays as it was.
    Unknown,
}

/// The instants that follow from an end date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dates {
    pub end_date: String,
    /// When this end date was first seen.
    pub seen_at: Timestamp,
    pub ends_at: Timestamp,
    pub not_before: Timestamp,
    pub deadline: Timestamp,
    /// The customer's own wish counts.
    pub early: bool,
}

/// The end of the contract as this Retention and this Tenant tell it. `cool_off` is the least time between the first
/// sight of an end date and a purge.
#[must_use]
pub fn ending(retention: &Retention, tenant: &TenantState, cool_off: SignedDuration, now: Timestamp) -> Ending {
    let spec = &retention.spec;
    let status = retention.status.clone().unwrap_or_default();
    if let TenantState::Present(declared) = tenant
        && status.progress.purge.is_some()
        && status.pinned.as_ref().is_some_and(|pinned| pinned.tenant_uid != declared.uid)
    {
        return Ending::Doubtful("a purge has begun, and a Tenant of this name was declared again".into());
    }
    let written = match tenant {
        TenantState::Unknown => return Ending::Unknown,
        TenantState::Present(Declaration { end_date: None, .. }) => return Ending::None,
        TenantState::Present(Declaration { end_date: Some(date), .. }) => date.clone(),
        TenantState::Vanished => match left_behind(spec, &status) {
            None if status.pinned.is_some() => return Ending::Orphaned,
            None => return Ending::NotDeclared,
            Some(date) => date,
        },
    };
    let seen_at = status.first_seen.as_ref().filter(|seen| seen.end_date == written).map_or(now, |seen| seen.at.0);
    match dates(&written, spec, seen_at, cool_off, early(spec, &status, tenant, now)) {
        Ok(dates) => Ending::On(dates),
        Err(doubt) => Ending::Doubtful(doubt),
    }
}

/// The end date that counts when the Tenant is gone: its own last word, or else what a person decided afterwards.
fn left_behind(spec: &RetentionSpec, status: &RetentionStatus) -> Option<String> {
    let decided = spec.end_date.as_ref().filter(|date| status.disregarded_end_date.as_ref() != Some(date));
    status.end_date.clone().or_else(|| decided.cloned())
}

/// Since when the customer's own wish to be erased sooner is known, if it counts: the Tenant is there and says that the
/// person may speak for the customer, or said so when the purge began.
fn early(spec: &RetentionSpec, status: &RetentionStatus, tenant: &TenantState, now: Timestamp) -> Option<Timestamp> {
    let wish = spec.early_erasure.as_ref().filter(|wish| wish.confirm_name == spec.tenant_ref.name)?;
    let counts = match tenant {
        TenantState::Present(declared) => declared.privileged.contains(&wish.approved_by),
        // Data is gone by that wish already: the Tenant's going does not leave the rest behind for ever.
        TenantState::Vanished => status.progress.purge.is_some() && status.early_erasure_seen_at.is_some(),
        TenantState::Unknown => false,
    };
    counts.then(|| status.early_erasure_seen_at.as_ref().map_or(now, |seen| seen.0))
}

fn dates(
    end_date: &str,
    spec: &RetentionSpec,
    seen_at: Timestamp,
    cool_off: SignedDuration,
    early: Option<Timestamp>,
) -> Result<Dates, String> {
    let ends_at =
        end_date.parse::<ContractDate>().and_then(ContractDate::ends_at).map_err(|error| error.to_string())?;
    let within = &spec.complete_within;
    let hours = within.strip_suffix('h').and_then(|hours| hours.parse::<i64>().ok());
    let hours = hours.filter(|hours| (1..=168).contains(hours));
    let hours = hours.ok_or(format!("completeWithin {within:?} is not between 1h and 168h"))?;
    let after = |from: Timestamp, span| from.checked_add(span).unwrap_or(Timestamp::MAX);
    let kept_until = match early {
        Some(wished) => ends_at.max(after(wished, cool_off)),
        // The schema refuses fewer than 60; should it ever let one through, the promise still holds.
        None => plus_days(ends_at, spec.grace_days.max(GRACE_DAYS)),
    };
    let not_before = kept_until.max(after(seen_at, cool_off));
    let deadline = after(not_before, SignedDuration::from_hours(hours));
    Ok(Dates { end_date: end_date.to_owned(), seen_at, ends_at, not_before, deadline, early: early.is_some() })
}

/// Is a legal hold active?
#[must_use]
pub fn held(retention: &Retention) -> bool {
    retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active)
}

/// Whose approvals count: given in the spec, by different people, none of them the one who asked, at or after the end
/// date was seen, and not after `now`.
#[must_use]
pub fn approvers(retention: &Retention, seen_at: Timestamp, now: Timestamp) -> BTreeSet<String> {
    let counts = |at: Timestamp| seen_at <= at && at <= now;
    let spec = &retention.spec;
    let given = spec.approvals.iter().filter(|approval| approval.at.as_ref().is_some_and(|at| counts(at.0)));
    given.filter(|approval| spec.requested_by.as_ref() != Some(&approval.by)).map(|given| given.by.clone()).collect()
}
