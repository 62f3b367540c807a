//! The CronJob that runs `cloudfarm purge`.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, JobSpec, JobTemplateSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::token;
use crate::api::{home, labels};
use crate::cli::exit;
use crate::cluster::object::{DesiredObject, Owner};
use crate::retention::ending::held;
use crate::retention::observe::RetentionSnapshot;
use crate::retention::schedule::Schedule;

/// `cf-purge-<tenant>`, in the operator's namespace and never in one that is going to be deleted. A tenant's name has at
/// most 30 characters, a CronJob's 52.
pub fn cron_job(snapshot: &RetentionSnapshot, owner: &Owner, schedule: &Schedule) -> DesiredObject {
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
        // A refusal is an answer: asking again ten seconds later would make a doubt that wants a day shorter than a minute.
        pod_failure_policy: Some(PodFailurePolicy {
            rules: vec![PodFailurePolicyRule {
                action: "FailJob".into(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some("purge".into()),
                    operator: "In".into(),
                    values: vec![exit::REFUSED.into()],
                }),
                on_pod_conditions: None,
            }],
        }),
        active_deadline_seconds: Some(21600),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
            spec: Some(pod(snapshot, owner)),
        },
        ..JobSpec::default()
    }
}

/// User and group of the image, for clusters whose policies want to read them in the pod.
const NOBODY: i64 = 65532;

/// What the API server would fill in is written out, so that a read-back compares equal. What may stand here at all is
/// `install/policies/program.rs`.
fn pod(snapshot: &RetentionSnapshot, owner: &Owner) -> PodSpec {
    let config = &snapshot.config.purge;
    PodSpec {
        service_account_name: Some(config.service_account.clone()),
        service_account: Some(config.service_account.clone()),
        automount_service_account_token: Some(false),
        restart_policy: Some("Never".into()),
        dns_policy: Some("ClusterFirst".into()),
        scheduler_name: Some("default-scheduler".into()),
        termination_grace_period_seconds: Some(30),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: "purge".into(),
            image: Some(config.image.clone()),
            image_pull_policy: Some("IfNotPresent".into()),
            args: Some(vec![
                "purge".into(),
                format!("--retention={}", owner.name),
                format!("--uid={}", owner.uid),
                format!("--cool-off-hours={}", config.cool_off_hours),
            ]),
            volume_mounts: Some(vec![token::mount()]),
            termination_message_path: Some("/dev/termination-log".into()),
            // Why a run was refused is seen where people look first, also when nobody keeps logs.
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }],
        volumes: Some(vec![token::volume()]),
        ..PodSpec::default()
    }
}
