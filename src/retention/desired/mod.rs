//! Pure: from a snapshot to what a Retention wants: the purge CronJob, which exists only while there is something that
//! it may have to do; the record that a purge writes into; the purge's rights, while it runs; and claims on what the
//! Tenant made: a hold in its second place, the approval of a purge, VMs halted and logins closed when the Tenant is gone.

mod claims;
pub mod cluster_report;
mod cron_job;
mod record;
mod role_binding;
pub mod token;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::ending::{Dates, Ending, approvers, ending, held};
use super::lifecycle::previewed;
use super::observe::RetentionSnapshot;
use super::schedule::Schedule;
use crate::api::jst::plus_days;
use crate::api::retention::{Progress, PurgeMode, PurgeState, Retention};
use crate::cluster::object::{Desired, LeaseWrite, Owner, OwnerKind, Stage};
use crate::network::desired::lease;

/// What a pass means to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    pub ending: Ending,
}

/// Everything the Retention wants.
#[must_use]
pub fn desired(snapshot: &RetentionSnapshot) -> Plan {
    let owner = owner(&snapshot.retention);
    let ending = judged(snapshot);
    let schedule = snapshot.retention.spec.schedule.parse::<Schedule>();
    let desired = match (&ending, schedule) {
        (Ending::Unknown, _) => Desired::nothing(owner, &snapshot.observed),
        (_, Ok(schedule)) if purge_state(snapshot) == Some(PurgeState::Purged) => {
            after_the_purge(snapshot, owner, &schedule)
        }
        (Ending::On(dates), Ok(schedule)) => at_the_end(snapshot, owner, dates, &schedule),
        (Ending::None, Ok(schedule)) if rolls(snapshot) => {
            let stages = vec![
                Stage { objects: vec![cron_job::cron_job(snapshot, &owner, &schedule)] },
                Stage { objects: role_binding::inventory(snapshot, &owner) },
                Stage { objects: role_binding::rolling(snapshot, &owner) },
            ];
            of(owner, stages, claims::of_a_running_contract(snapshot))
        }
        // The approval on what is left, records that are kept, stays: it says that they are an earlier tenant's.
        _ if purge_state(snapshot) == Some(PurgeState::Purged) => of(owner, Vec::new(), Vec::new()),
        // Neither a CronJob nor rights hold data: without a date that can be trusted they must not stand (I5), and those
        // that this Retention made must not be in the way of the one that takes precedence.
        _ => of(owner, Vec::new(), claims::of_a_running_contract(snapshot)),
    };
    Plan { desired: Desired { leases: given_back(snapshot), ..desired }, ending }
}

/// The Retention as the owner of what is made for it.
#[must_use]
pub fn owner(retention: &Retention) -> Owner {
    Owner {
        kind: OwnerKind::Retention,
        namespace: None,
        name: retention.name_any(),
        uid: retention.uid().unwrap_or_default(),
        tenant: retention.spec.tenant_ref.name.clone(),
    }
}

/// VLAN ids of a tenant whose data is erased: no Tenant is left whose pass would give them back.
fn given_back(snapshot: &RetentionSnapshot) -> Vec<LeaseWrite> {
    if purge_state(snapshot) != Some(PurgeState::Purged) {
        return Vec::new();
    }
    let gone = snapshot.lasting.given_back(&snapshot.observed);
    gone.map(|seen| lease::given_back(seen, snapshot.now, true)).collect()
}

fn at_the_end(snapshot: &RetentionSnapshot, owner: Owner, dates: &Dates, schedule: &Schedule) -> Desired {
    let mut stages = vec![Stage { objects: vec![cron_job::cron_job(snapshot, &owner, schedule)] }];
    if snapshot.now >= dates.ends_at {
        stages.push(Stage { objects: vec![record::record(snapshot, &owner)] });
        stages.push(Stage { objects: role_binding::inventory(snapshot, &owner) });
    }
    if rolls(snapshot) {
        stages.push(Stage { objects: role_binding::rolling(snapshot, &owner) });
    }
    if approved(snapshot, dates) {
        stages.push(Stage { objects: role_binding::erase(snapshot, &owner) });
    }
    of(owner, stages, claims::of_an_ended_contract(snapshot, dates))
}

/// Records that `spec.logRetention` keeps are in a namespace of the tenant: as long as it is there, runs look for what is
/// over, once a month.
fn after_the_purge(snapshot: &RetentionSnapshot, owner: Owner, schedule: &Schedule) -> Desired {
    if snapshot.pinned_namespaces().next().is_none() {
        return of(owner, Vec::new(), Vec::new());
    }
    let stages = vec![
        Stage { objects: vec![cron_job::cron_job(snapshot, &owner, &schedule.monthly())] },
        Stage { objects: role_binding::inventory(snapshot, &owner) },
        Stage { objects: role_binding::rolling(snapshot, &owner) },
    ];
    of(owner, stages, Vec::new())
}

/// May anything age out while the contract runs, and is the tenant known?
fn rolls(snapshot: &RetentionSnapshot) -> bool {
    let pinned = snapshot.retention.status.as_ref().is_some_and(|status| status.pinned.is_some());
    !snapshot.retention.spec.rolling.is_empty() && pinned
}

fn of(owner: Owner, stages: Vec<Stage>, claims: Vec<crate::cluster::object::Claim>) -> Desired {
    Desired { claims, ..Desired::only(owner, stages) }
}

/// Does the operator, which cannot delete, agree that a purge may now delete? Whatever speaks against it, it does not;
/// once a purge has begun, only a suspension stops it.
#[must_use]
pub fn approved(snapshot: &RetentionSnapshot, dates: &Dates) -> bool {
    let spec = &snapshot.retention.spec;
    if spec.suspend || held(&snapshot.retention) || snapshot.held_by_hand().is_some() {
        return false;
    }
    if purge_state(snapshot).is_some() {
        return true;
    }
    let given = approvers(&snapshot.retention, dates.seen_at, snapshot.now).len();
    snapshot.now >= dates.not_before
        && spec.mode == PurgeMode::Enforce
        && i64::try_from(given).unwrap_or_default() >= spec.required_approvals
        && previewed(&progress(snapshot), dates)
}

/// How far a purge of this Retention is, if one has begun.
#[must_use]
pub fn purge_state(snapshot: &RetentionSnapshot) -> Option<PurgeState> {
    progress(snapshot).purge.map(|purge| purge.state)
}

/// What purge runs have written.
#[must_use]
pub fn progress(snapshot: &RetentionSnapshot) -> Progress {
    snapshot.retention.status.clone().unwrap_or_default().progress
}

fn judged(snapshot: &RetentionSnapshot) -> Ending {
    if let Some(rival) = &snapshot.rival {
        return Ending::Doubtful(format!(
            "Retention {rival} stands for this tenant already; delete this one or that one"
        ));
    }
    if let Err(error) = snapshot.retention.spec.schedule.parse::<Schedule>() {
        return Ending::Doubtful(error.to_string());
    }
    ending(&snapshot.retention, &snapshot.tenant, snapshot.config.purge.cool_off(), snapshot.now)
}

impl Plan {
    /// When time alone will change what this Retention says or wants.
    #[must_use]
    pub fn next_change(&self, snapshot: &RetentionSnapshot) -> Option<Timestamp> {
        let Ending::On(dates) = &self.ending else { return None };
        let told = snapshot.retention.spec.notify_days_before.iter().map(|days| plus_days(dates.not_before, -days));
        let instants = told.chain([dates.ends_at, dates.not_before, dates.deadline]);
        instants.filter(|instant| *instant > snapshot.now).min()
    }
}
