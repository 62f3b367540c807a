//! Pure: where a grant is on its way, by what is written, by what was written before, and by the time.
//!
//! ```text
//! Requested -> Approved -> Active -> Expired
//!      |           |          |----> Revoked
//!      |-----------|----------'
//!      '-> Denied, or Expired when nobody answers within a week
//! ```
//!
//! Three rules hold whatever happens, and `tests/grants.rs` tries them with histories of every kind: an end is for ever;
//! `expiresAt` is kept or comes earlier; a door is asked for only between the beginning and the end that the status
//! carries already, and only while the consent would count if it were given now (I5).

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::observe::{Closed, Customer, TenantSight};
use crate::api::access_grant::{AccessGrant, AccessGrantStatus, Basis, Decision, GrantState};
use crate::api::condition::Reason;

/// A request that nobody has answered for so long is over: what was asked for then is not what is needed now.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Clocks of two machines may be apart by so much before one of them is doubted.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// The longest time that any grant gives, whatever is written: the CRD allows no more.
const LONGEST: SignedDuration = SignedDuration::from_hours(8);

/// What a pass finds out about a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub state: GrantState,
    pub approved_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Is the door to stand open now?
    pub open: bool,
    /// Why it is so, and who has to do what next.
    pub reason: Reason,
    pub message: String,
    /// When time alone changes this.
    pub next: Option<Timestamp>,
}

/// Judges a grant.
#[must_use]
pub fn judge(grant: &AccessGrant, tenant: &TenantSight, now: Timestamp) -> Judged {
    let before = grant.status.clone().unwrap_or_default();
    let known = Known {
        grant,
        now,
        state: before.state.unwrap_or(GrantState::Requested),
        approved_at: before.approved_at.as_ref().map(|at| at.0),
        expires_at: before.expires_at.as_ref().map(|at| at.0),
        ended_at: before.ended_at.as_ref().map(|at| at.0),
    };
    if known.state.over() {
        return known
            .says(Reason::GrantOver, "it is over for good; whoever needs access again asks by another AccessGrant");
    }
    if let Some(ended) = known.ended_by_word() {
        return ended;
    }
    if let Some(later) = latest(grant, &before).filter(|later| *later > now.saturating_add(SKEW).unwrap_or(now)) {
        let message = format!(
            "the operator's clock is behind {later}, which is written here already: no door is open until it is right; correct the clock of the operator's node"
        );
        // A clock is set right without a word.
        return Judged { next: plus(now, SignedDuration::from_secs(30)), ..known.says(Reason::ClockInDoubt, message) };
    }
    let customer: Result<&Customer, Lack> = match tenant {
        TenantSight::Unreadable => {
            return known.says(
                Reason::Invalid,
                "the Tenant behind this namespace cannot be read, so nobody knows whose consent counts: no door is open; correct the Tenant (kubectl describe tenant)",
            );
        }
        TenantSight::Gone => Err(Lack::no_tenant()),
        TenantSight::Present(customer) => Ok(customer),
    };
    let judged = known.by_consent(customer.and_then(|customer| consent(grant, customer)));
    // The contract may be over before the time that was granted.
    let ends_at = match tenant {
        TenantSight::Present(customer) => customer.ends_at.filter(|end| *end > now && !judged.state.over()),
        TenantSight::Gone | TenantSight::Unreadable => None,
    };
    Judged { next: judged.next.into_iter().chain(ends_at).min(), ..judged }
}

/// The latest instant that is known to have been: what a clock that is right cannot be before.
fn latest(grant: &AccessGrant, before: &AccessGrantStatus) -> Option<Timestamp> {
    let created = grant.metadata.creation_timestamp.iter();
    let turned = before.conditions.iter().map(|condition| &condition.last_transition_time);
    created.chain(&before.approved_at).chain(turned).map(|at| at.0).max()
}

/// A grant, and what was written about it before.
struct Known<'a> {
    grant: &'a AccessGrant,
    now: Timestamp,
    state: GrantState,
    approved_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl Known<'_> {
    /// As before, without a door.
    fn says(&self, reason: Reason, message: impl Into<String>) -> Judged {
        Judged {
            state: self.state,
            approved_at: self.approved_at,
            expires_at: self.expires_at,
            ended_at: self.ended_at,
            open: false,
            reason,
            message: message.into(),
            next: None,
        }
    }

    fn ends(&self, state: GrantState, reason: Reason, message: impl Into<String>) -> Judged {
        Judged { state, ended_at: Some(self.now), next: None, ..self.says(reason, message) }
    }

    /// Somebody ended it. Whoever says no is believed: what he could do wrong is that a door is closed.
    fn ended_by_word(&self) -> Option<Judged> {
        let spec = &self.grant.spec;
        if self.grant.metadata.deletion_timestamp.is_some() {
            return Some(self.ends(GrantState::Revoked, Reason::Revoked, "it is being deleted, which ends it"));
        }
        if spec.revoked.is_some() {
            return Some(self.ends(GrantState::Revoked, Reason::Revoked, "ended by who is named in spec.revoked.by"));
        }
        let denied = spec.approval.as_ref().is_some_and(|answer| answer.decision == Decision::Deny);
        denied.then(|| {
            self.ends(GrantState::Denied, Reason::Denied, "the customer said no: who is named in spec.approval.by")
        })
    }

    fn by_consent(&self, consent: Result<(), Lack>) -> Judged {
        let Some(duration) = length(&self.grant.spec.duration) else {
            return self
                .says(Reason::Invalid, "spec.duration cannot be read: make another AccessGrant, such as with 1h30m");
        };
        match (consent, self.approved_at) {
            (Err(lack), Some(_)) => self.ends(
                GrantState::Revoked,
                lack.reason,
                format!("the consent counts no longer: {}; whoever needs access asks again", lack.message),
            ),
            (lacks, None) => self.unconsented(lacks, duration),
            (Ok(()), Some(approved_at)) => self.consented(approved_at, duration),
        }
    }

    /// No consent has been seen before.
    fn unconsented(&self, consent: Result<(), Lack>, duration: SignedDuration) -> Judged {
        let created = self.grant.metadata.creation_timestamp.as_ref().map(|at| at.0);
        let too_late = created.and_then(|created| plus(created, ANSWER_WITHIN));
        if too_late.is_some_and(|too_late| too_late <= self.now) {
            let message = "no consent that counts was given within 7 days; whoever still needs access asks again";
            return self.ends(GrantState::Expired, Reason::Expired, message);
        }
        if let Err(lack) = consent {
            return Judged { next: too_late, ..self.says(lack.reason, lack.message) };
        }
        let Some((_, ends)) = self.window(self.now, duration) else {
            return self.says(Reason::Invalid, "spec.notBefore lies beyond all time: make another AccessGrant");
        };
        Judged {
            state: GrantState::Approved,
            approved_at: Some(self.now),
            expires_at: Some(self.expires_at.map_or(ends, |before| before.min(ends))),
            ..self.says(Reason::Progressing, "consent was given; the door is opened when this is written down")
        }
    }

    /// The time that was granted runs, or is about to.
    fn consented(&self, approved_at: Timestamp, duration: SignedDuration) -> Judged {
        let Some((begins, ends)) = self.window(approved_at, duration) else {
            return self.says(Reason::Invalid, "spec.notBefore lies beyond all time: make another AccessGrant");
        };
        let expires = self.expires_at.map_or(ends, |before| before.min(ends));
        let expires_at = Some(expires);
        if expires <= self.now {
            let over = self.ends(
                GrantState::Expired,
                Reason::Expired,
                format!("the time that was granted was over at {expires}"),
            );
            return Judged { expires_at, ..over };
        }
        if self.now < begins {
            return Judged {
                state: GrantState::Approved,
                expires_at,
                next: Some(begins),
                ..self.says(
                    Reason::NotYetBegun,
                    format!("consent was given; the door opens at {begins} and closes at {expires}"),
                )
            };
        }
        Judged {
            state: GrantState::Active,
            expires_at,
            // What is not written yet cannot be held against a door that is forgotten.
            open: self.expires_at == expires_at,
            next: Some(expires),
            ..self.says(Reason::Open, format!("open until {expires}"))
        }
    }

    /// From when to when a consent of this instant lets somebody in.
    fn window(&self, approved_at: Timestamp, duration: SignedDuration) -> Option<(Timestamp, Timestamp)> {
        let begins = self.grant.spec.not_before.as_ref().map_or(approved_at, |at| at.0.max(approved_at));
        Some((begins, plus(begins, duration)?))
    }
}

impl Judged {
    /// Does the status say yet when the door closes? Before that nothing is opened.
    #[must_use]
    pub fn to_be_written(&self, grant: &AccessGrant) -> bool {
        let before = grant.status.as_ref();
        let before = before.and_then(|status| Some((status.approved_at.as_ref()?.0, status.expires_at.as_ref()?.0)));
        !self.state.over() && self.approved_at.zip(self.expires_at).is_some_and(|now| before != Some(now))
    }
}

/// What is missing for a consent that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub reason: Reason,
    pub message: String,
}

impl Lack {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    fn no_tenant() -> Self {
        Self::new(
            Reason::TenantNotFound,
            "no Tenant stands behind this namespace: ask in the namespace cf-<tenant> of a Tenant that is declared",
        )
    }
}

/// Does somebody's word let staff in, if it were given now?
///
/// # Errors
/// What is missing.
pub fn consent(grant: &AccessGrant, customer: &Customer) -> Result<(), Lack> {
    let spec = &grant.spec;
    match customer.closed {
        Some(Closed::Suspended) => {
            return Err(Lack::new(Reason::Suspended, "the Tenant is suspended: nobody enters (spec.suspended)"));
        }
        Some(Closed::Ended) => {
            return Err(Lack::new(Reason::ContractEnded, "the contract is over: nobody enters any more"));
        }
        Some(Closed::Erasing) => {
            return Err(Lack::new(Reason::Purging, "the tenant's data is being erased: nobody enters any more"));
        }
        None => {}
    }
    if customer.people.contains(&spec.requested_by) {
        return Err(Lack::new(
            Reason::ApprovalNotCounted,
            "spec.requestedBy is one of the Tenant's own administrators: this is for the provider's staff, and customers have roles of their own",
        ));
    }
    // What came with the request is nobody's answer to it, and admission refuses it: an object brought back from a copy.
    let at_first = grant.metadata.generation == Some(1) && (spec.approval.is_some() || spec.second_approver.is_some());
    if at_first {
        return Err(Lack::new(
            Reason::ApprovalNotCounted,
            "the consent was written together with the request, so that nobody has read it: make another AccessGrant",
        ));
    }
    match spec.basis {
        Basis::Consent => by_the_customer(grant, customer),
        Basis::Terms => by_the_terms(grant),
    }
}

fn by_the_customer(grant: &AccessGrant, customer: &Customer) -> Result<(), Lack> {
    let Some(approval) = &grant.spec.approval else {
        let (name, namespace) = (grant.name_any(), grant.namespace().unwrap_or_default());
        return Err(Lack::new(
            Reason::AwaitingApproval,
            format!(
                "a privileged administrator of the customer has to answer: kubectl patch accessgrant {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"approval\":{{\"by\":\"<own user name>\",\"decision\":\"Approve\"}}}}}}' (or Deny)"
            ),
        ));
    };
    if approval.by == grant.spec.requested_by {
        return Err(Lack::new(
            Reason::ApprovalNotCounted,
            "spec.approval.by is who asks: nobody consents to an own request; make another AccessGrant",
        ));
    }
    if !customer.privileged.contains(&approval.by) {
        return Err(Lack::new(
            Reason::ApprovalNotCounted,
            "spec.approval.by is no enabled PrivilegedAdministrator of the Tenant (see its spec.administrators)",
        ));
    }
    Ok(())
}

fn by_the_terms(grant: &AccessGrant) -> Result<(), Lack> {
    if grant.spec.clause.as_ref().is_none_or(|clause| clause.trim().is_empty()) {
        return Err(Lack::new(Reason::ApprovalNotCounted, "basis Terms without spec.clause: make another AccessGrant"));
    }
    match &grant.spec.second_approver {
        None => {
            let (name, namespace) = (grant.name_any(), grant.namespace().unwrap_or_default());
            Err(Lack::new(
                Reason::AwaitingApproval,
                format!(
                    "a second person of the staff has to look: kubectl patch accessgrant {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"secondApprover\":{{\"by\":\"<own user name>\"}}}}}}'"
                ),
            ))
        }
        Some(second) if second.by == grant.spec.requested_by => Err(Lack::new(
            Reason::ApprovalNotCounted,
            "spec.secondApprover.by is who asks: a second person has to look; make another AccessGrant",
        )),
        Some(_) => Ok(()),
    }
}

/// `1h30m`, at most [`LONGEST`].
fn length(text: &str) -> Option<SignedDuration> {
    let (hours, minutes) = match text.split_once('h') {
        Some((hours, "")) => (hours.parse::<u8>().ok()?, 0),
        Some((hours, rest)) => (hours.parse().ok()?, rest.strip_suffix('m')?.parse::<u16>().ok()?),
        None => (0, text.strip_suffix('m')?.parse().ok()?),
    };
    let length = SignedDuration::from_mins(i64::from(hours) * 60 + i64::from(minutes));
    (length > SignedDuration::ZERO).then(|| length.min(LONGEST))
}

fn plus(at: Timestamp, duration: SignedDuration) -> Option<Timestamp> {
    at.checked_add(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_as_the_crd_writes_it_and_is_never_more_than_eight_hours() {
        for (text, minutes) in [("1h", 60), ("90m", 90), ("1h30m", 90), ("8h", 480), ("99h", 480), ("7h999m", 480)] {
            assert_eq!(length(text), Some(SignedDuration::from_mins(minutes)), "{text}");
        }
        for wrong in ["", "h", "m", "0m", "1", "1d", "-1h", "1h30", "1.5h", "30m1h", "h30m"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }
}
