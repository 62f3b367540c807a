//! Pure: from a snapshot to the purge CronJob, which exists only once there is an end date that can be trusted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::observe::{RetentionSnapshot, TenantState};
use super::schedule::Schedule;
use crate::api::jst::{ContractDate, plus_days};
use crate::api::retention::Retention;
use crate::api::{home, labels};
use crate::cluster::object::{Desired, DesiredObject, Owner, OwnerKind, Stage};

/// What a pass means to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    pub ending: Ending,
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
    pub ends_at: Timestamp,
    pub not_before: Timestamp,
    pub deadline: Timestamp,
}

/// Everything the Retention wants.
#[must_use]
pub fn desired(snapshot: &RetentionSnapshot) -> Plan {
    let owner = Owner {
        kind: OwnerKind::Retention,
        namespace: None,
        name: snapshot.retention.name_any(),
        uid: snapshot.retention.uid().unwrap_or_default(),
        tenant: snapshot.retention.spec.tenant_ref.name.clone(),
    };
    let ending = ending(snapshot);
    let schedule = snapshot.retention.spec.schedule.parse::<Schedule>();
    let desired = match (&ending, schedule) {
        (Ending::Unknown, _) => Desired::nothing(owner, &snapshot.observed),
        (Ending::On(_), Ok(schedule)) => of(owner.clone(), vec![cron_job(snapshot, &owner, &schedule)]),
        // A CronJob holds no data: without a date that can be trusted it must not stand (I5), and one that this
        // Retention made must not be in the way of the one that takes precedence.
        _ => of(owner, Vec::new()),
    };
    Plan { desired, ending }
}

/// Is a legal hold active?
#[must_use]
pub fn held(retention: &Retention) -> bool {
    retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active)
}

fn of(owner: Owner, objects: Vec<DesiredObject>) -> Desired {
    Desired { owner, stages: vec![Stage { objects }], once: Vec::new(), keep: BTreeSet::new() }
}

fn ending(snapshot: &RetentionSnapshot) -> Ending {
    let spec = &snapshot.retention.spec;
    if let Some(rival) = &snapshot.rival {
        return Ending::Doubtful(format!(
            "Retention {rival} stands for this tenant already; delete this one or that one"
        ));
    }
    if let Err(error) = spec.schedule.parse::<Schedule>() {
        return Ending::Doubtful(error.to_string());
    }
    let seen_before = snapshot.retention.status.as_ref().is_some_and(|status| status.pinned.is_some());
    let pinned = snapshot.retention.status.as_ref().and_then(|status| status.end_date.clone());
    let disregarded = snapshot.retention.status.as_ref().and_then(|status| status.disregarded_end_date.as_ref());
    let decided = spec.end_date.as_ref().filter(|date| disregarded != Some(date));
    let written = match &snapshot.tenant {
        TenantState::Unknown => return Ending::Unknown,
        TenantState::Present { end_date: None, .. } => return Ending::None,
        TenantState::Present { end_date: Some(date), .. } => date.clone(),
        TenantState::Vanished => match pinned.or_else(|| decided.cloned()) {
            None if seen_before => return Ending::Orphaned,
            None => return Ending::NotDeclared,
            Some(date) => date,
        },
    };
    match dates(&written, spec.grace_days, &spec.complete_within) {
        Ok(dates) => Ending::On(dates),
        Err(doubt) => Ending::Doubtful(doubt),
    }
}

fn dates(end_date: &str, grace_days: i64, complete_within: &str) -> Result<Dates, String> {
    let ends_at =
        end_date.parse::<ContractDate>().and_then(ContractDate::ends_at).map_err(|error| error.to_string())?;
    let hours = complete_within.strip_suffix('h').and_then(|hours| hours.parse::<i64>().ok());
    let hours = hours.filter(|hours| (1..=168).contains(hours));
    let hours = hours.ok_or(format!("completeWithin {complete_within:?} is not between 1h and 168h"))?;
    // The schema refuses fewer than 60; should it ever let one through, the promise still holds.
    let not_before = plus_days(ends_at, grace_days.max(crate::api::jst::GRACE_DAYS));
    let span = k8s_openapi::jiff::SignedDuration::from_hours(hours);
    let deadline = not_before.checked_add(span).unwrap_or(Timestamp::MAX);
    Ok(Dates { end_date: end_date.to_owned(), ends_at, not_before, deadline })
}

/// `cf-purge-<tenant>`, in the operator's namespace and never in one that is going to be deleted. A tenant's name has at
/// most 30 characters, a CronJob's 52.
fn cron_job(snapshot: &RetentionSnapshot, owner: &Owner, schedule: &Schedule) -> DesiredObject {
    let config = &snapshot.config.purge;
    let spec = &snapshot.retention.spec;
    let mut metadata = owner.metadata(Some(&config.namespace), home::purge_cron_job(&owner.tenant));
    metadata.labels.get_or_insert_default().insert(labels::RETENTION.into(), owner.name.clone());
    DesiredObject::new(&CronJob {
        metadata,
        spec: CronJobSpec {
            schedule: schedule.text().to_owned(),
            time_zone: Some(spec.time_zone.clone()),
            concurrency_policy: Some("Forbid".into()),
            starting_deadline_seconds: Some(spec.starting_deadline_seconds),
            successful_jobs_history_limit: Some(10),
            failed_jobs_history_limit: Some(10),
            suspend: Some(spec.suspend || held(&snapshot.retention)),
            job_template: JobTemplateSpec { metadata: None, spec: Some(job(snapshot, owner)) },
        },
        status: None,
    })
}

fn job(snapshot: &RetentionSnapshot, owner: &Owner) -> JobSpec {
    let labels = BTreeMap::from([(labels::RETENTION.to_owned(), owner.name.clone())]);
    JobSpec {
        backoff_limit: Some(2),
        active_deadline_seconds: Some(21600),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
            spec: Some(pod(snapshot, owner)),
        },
        ..JobSpec::default()
    }
}

/// What the API server would fill in is written out, so that a read-back compares equal.
fn pod(snapshot: &RetentionSnapshot, owner: &Owner) -> PodSpec {
    let config = &snapshot.config.purge;
    PodSpec {
        service_account_name: Some(config.service_account.clone()),
        service_account: Some(config.service_account.clone()),
        automount_service_account_token: Some(true),
        restart_policy: Some("Never".into()),
        dns_policy: Some("ClusterFirst".into()),
        scheduler_name: Some("default-scheduler".into()),
        termination_grace_period_seconds: Some(30),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: "purge".into(),
            image: Some(config.image.clone()),
            image_pull_policy: Some("IfNotPresent".into()),
            args: Some(vec!["purge".into(), format!("--retention={}", owner.name), format!("--uid={}", owner.uid)]),
            termination_message_path: Some("/dev/termination-log".into()),
            termination_message_policy: Some("File".into()),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

impl Plan {
    /// When time alone will change what this Retention says.
    #[must_use]
    pub fn next_change(&self, snapshot: &RetentionSnapshot) -> Option<Timestamp> {
        let Ending::On(dates) = &self.ending else { return None };
        [dates.ends_at, dates.not_before, dates.deadline].into_iter().find(|instant| *instant > snapshot.now)
    }
}
