//! What a Retention says and wants, over every state of its Tenant and both sides of every instant: pure, no cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudfarm::api::retention::{Retention, RetentionPhase};
use cloudfarm::cluster::applied::Applied;
use cloudfarm::retention::desired::desired;
use cloudfarm::retention::gate::{Refusal, refusal};
use cloudfarm::retention::observe::{RetentionSnapshot, TenantState};
use cloudfarm::retention::status::status;
use proptest::prelude::*;
use serde_json::{Value, json};

const ENDS: &str = "2026-09-30T15:00:00Z";
const NOT_BEFORE: &str = "2026-11-29T15:00:00Z";
const DEADLINE: &str = "2026-11-30T15:00:00Z";

fn retention(more: &Value) -> Retention {
    let mut spec = json!({"tenantRef": {"name": "plum"}});
    spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    serde_json::from_value(json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention",
        "metadata": {"name": "plum", "uid": "r-uid", "generation": 1}, "spec": spec,
    }))
    .expect("a Retention")
}

fn alive(end_date: Option<&str>) -> TenantState {
    TenantState::Present { uid: "t-uid".into(), end_date: end_date.map(str::to_owned) }
}

fn snapshot(retention: Retention, tenant: TenantState, now: &str) -> RetentionSnapshot {
    RetentionSnapshot {
        retention,
        tenant,
        namespaces: BTreeMap::from([("cf-plum".into(), "n-uid".into())]),
        rival: None,
        config: Arc::new(cloudfarm::render::documentation_config().expect("a config")),
        observed: BTreeMap::new(),
        now: now.parse().expect("an instant"),
    }
}

/// One pass: the object with its new status, and the CronJob that is wanted.
fn pass(snapshot: &RetentionSnapshot) -> (Retention, Option<Value>) {
    let plan = desired(snapshot);
    let mut after = snapshot.retention.clone();
    after.status = Some(status(snapshot, &plan, &Applied::default()));
    let job = plan.desired.objects().next().map(|object| object.body.clone());
    (after, job)
}

fn phase(retention: &Retention) -> RetentionPhase {
    retention.status.as_ref().and_then(|status| status.phase).expect("a phase")
}

#[test]
fn the_phase_follows_from_the_dates_to_the_second() {
    use RetentionPhase::{Grace, Idle, Overdue};
    let cases = [
        ("2026-09-30T14:59:59Z", Idle),
        (ENDS, Grace),
        ("2026-11-29T14:59:59Z", Grace),
        (NOT_BEFORE, Grace),
        ("2026-11-30T14:59:59Z", Grace),
        (DEADLINE, Overdue),
    ];
    for (now, wanted) in cases {
        let snapshot = snapshot(retention(&json!({})), alive(Some("2026-09-30")), now);
        let (after, job) = pass(&snapshot);
        assert_eq!(phase(&after), wanted, "{now}");
        assert!(job.is_some(), "{now}: the purge is scheduled as soon as there is an end date");
        let next = desired(&snapshot).next_change(&snapshot);
        assert!(next.is_none_or(|next| next > snapshot.now), "{now}");
    }
}

#[test]
fn absence_is_never_consent() {
    let now = "2030-01-01T00:00:00Z";
    let doubtful = [
        ("no end date", alive(None), RetentionPhase::Idle),
        ("a date that does not exist", alive(Some("2026-02-30")), RetentionPhase::Failed),
        ("no date at all", alive(Some("")), RetentionPhase::Failed),
        ("a time instead of a date", alive(Some("2026-09-30T00:00:00Z")), RetentionPhase::Failed),
        ("a Tenant that was never seen", TenantState::Vanished, RetentionPhase::Idle),
        ("a Tenant that cannot be read", TenantState::Unknown, RetentionPhase::Failed),
    ];
    for (case, tenant, wanted) in doubtful {
        let (after, job) = pass(&snapshot(retention(&json!({})), tenant, now));
        assert_eq!(phase(&after), wanted, "{case}");
        assert!(job.is_none(), "{case}: a purge was scheduled");
        let status = after.status.expect("a status");
        assert!(status.purge_not_before.is_none() && status.deadline.is_none(), "{case}");
    }
}

#[test]
fn an_end_date_survives_its_tenant_and_a_tenant_without_one_leaves_an_orphan() {
    let now = "2026-10-15T00:00:00Z";
    let (seen, _) = pass(&snapshot(retention(&json!({})), alive(Some("2026-09-30")), now));
    let (after, job) = pass(&snapshot(seen.clone(), TenantState::Vanished, now));
    assert_eq!(phase(&after), RetentionPhase::Grace);
    assert_eq!(after.status.as_ref().map(|status| &status.pinned), seen.status.as_ref().map(|status| &status.pinned));
    assert!(job.is_some());

    let (seen, _) = pass(&snapshot(retention(&json!({})), alive(None), now));
    let (orphan, job) = pass(&snapshot(seen.clone(), TenantState::Vanished, now));
    assert_eq!((phase(&orphan), job), (RetentionPhase::Orphaned, None));

    let mut decided = seen;
    decided.spec.end_date = Some("2026-10-31".into());
    let (after, job) = pass(&snapshot(decided, TenantState::Vanished, now));
    assert_eq!(phase(&after), RetentionPhase::Idle, "the date that a person wrote is in the future");
    assert!(job.is_some());
}

#[test]
fn a_withdrawn_end_date_is_forgotten_and_one_that_cannot_be_read_is_not() {
    let now = "2026-10-15T00:00:00Z";
    let (seen, _) = pass(&snapshot(retention(&json!({})), alive(Some("2026-09-30")), now));
    let (withdrawn, job) = pass(&snapshot(seen.clone(), alive(None), now));
    assert_eq!((phase(&withdrawn), job), (RetentionPhase::Idle, None));
    assert!(withdrawn.status.is_some_and(|status| status.end_date.is_none()));
    let (unreadable, _) = pass(&snapshot(seen, alive(Some("soon")), now));
    assert_eq!(unreadable.status.and_then(|status| status.end_date).as_deref(), Some("2026-09-30"));
}

#[test]
fn a_hold_and_a_suspension_stop_the_cron_job() {
    let cases = [
        (json!({}), false),
        (json!({"suspend": true}), true),
        (json!({"legalHold": {"active": true, "reference": "2026-17", "placedBy": "dpo"}}), true),
    ];
    for (more, suspended) in cases {
        let (after, job) = pass(&snapshot(retention(&more), alive(Some("2026-09-30")), ENDS));
        assert_eq!(job.expect("a CronJob")["spec"]["suspend"], suspended, "{more}");
        let held = more["legalHold"]["active"] == true;
        assert_eq!(phase(&after) == RetentionPhase::Held, held, "{more}");
    }
}

#[test]
fn the_cron_job_is_in_japan_alone_by_its_uid_and_its_name_always_fits() {
    let mut long = retention(&json!({"tenantRef": {"name": "a".repeat(30)}}));
    long.metadata.name = Some("a".repeat(30));
    let (_, job) = pass(&snapshot(long, alive(Some("2026-09-30")), ENDS));
    let job = job.expect("a CronJob");
    assert!(job["metadata"]["name"].as_str().is_some_and(|name| name.len() <= 52));
    assert_eq!((&job["spec"]["timeZone"], &job["spec"]["concurrencyPolicy"]), (&json!("Asia/Tokyo"), &json!("Forbid")));
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "cloudfarm-purge");
    assert_eq!(pod["containers"][0]["args"][2], "--uid=r-uid");
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
}

#[test]
fn the_gate_refuses_with_the_first_reason_and_never_opens() {
    let (seen, _) = pass(&snapshot(retention(&json!({})), alive(Some("2026-09-30")), ENDS));
    let at = |instant: &str| instant.parse().expect("an instant");
    assert!(matches!(refusal(&seen, "other", at(DEADLINE)), Refusal::OtherUid { .. }));
    assert_eq!(refusal(&seen, "r-uid", at("2026-11-29T14:59:59Z")), Refusal::NotBefore(at(NOT_BEFORE)));
    assert_eq!(refusal(&seen, "r-uid", at(NOT_BEFORE)), Refusal::NotInThisVersion);
    assert_eq!(refusal(&retention(&json!({})), "r-uid", at(DEADLINE)), Refusal::NoDate);
    let mut held = seen;
    held.spec.legal_hold =
        serde_json::from_value(json!({"active": true, "reference": "2026-17", "placedBy": "dpo"})).expect("a hold");
    assert!(matches!(refusal(&held, "r-uid", at(DEADLINE)), Refusal::LegalHold { .. }));
}

proptest! {
    /// I5 and the 60 days: whatever people write in whatever order, nothing may be deleted before the promised instant.
    #[test]
    fn no_purge_is_ever_announced_before_sixty_days_after_the_last_day(
        year in 2020_i16..2100, month in 1_i8..=12, day in 1_i8..=28, grace in -1000_i64..4000, now in 0_i64..5_000_000_000
    ) {
        let date = format!("{year:04}-{month:02}-{day:02}");
        let mut retention = retention(&json!({}));
        retention.spec.grace_days = grace;
        let mut snapshot = snapshot(retention, alive(Some(&date)), ENDS);
        snapshot.now = cloudfarm_timestamp(now);
        let (after, _) = pass(&snapshot);
        let status = after.status.clone().expect("a status");
        let ends = format!("{date}T15:00:00Z").parse::<Timestamp>().expect("an instant");
        let not_before = status.purge_not_before.expect("a date").0;
        prop_assert!(not_before.duration_since(ends).as_secs() >= 60 * 86_400);
        prop_assert!(status.deadline.expect("a deadline").0 > not_before);
        if snapshot.now < not_before {
            prop_assert_eq!(refusal(&after, "r-uid", snapshot.now), Refusal::NotBefore(not_before));
        }
    }
}

use k8s_openapi::jiff::Timestamp;

fn cloudfarm_timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("an instant")
}
