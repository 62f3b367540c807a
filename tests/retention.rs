//! What a Retention says and wants, over every state of its Tenant and both sides of every instant: pure, no cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use cloudfarm::api::retention::{PurgeState, Retention, RetentionPhase};
use cloudfarm::cluster::applied::Applied;
use cloudfarm::cluster::object::{Digest, Facts, Kind, Observation, Reference};
use cloudfarm::network::vlan::Lasting;
use cloudfarm::operator::config::Config;
use cloudfarm::retention::desired::desired;
use cloudfarm::retention::ending::{Declaration, TenantState};
use cloudfarm::retention::lifecycle::TRANSITIONS;
use cloudfarm::retention::observe::RetentionSnapshot;
use cloudfarm::retention::status::{pins_anew, status};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENDS: &str = "2026-09-30T15:00:00Z";
const NOT_BEFORE: &str = "2026-11-29T15:00:00Z";
const DEADLINE: &str = "2026-11-30T15:00:00Z";

static CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(cloudfarm::render::documentation_config().expect("a config")));

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
    life("t-uid", end_date)
}

fn life(uid: &str, end_date: Option<&str>) -> TenantState {
    let privileged = ["sato".to_owned()].into();
    TenantState::Present(Declaration { uid: uid.into(), end_date: end_date.map(str::to_owned), privileged })
}

fn namespace() -> Observation {
    Observation {
        reference: Reference { kind: Kind::Namespace, namespace: None, name: "cf-plum".into() },
        uid: "n-uid".into(),
        resource_version: "7".into(),
        owner: "Tenant/plum".into(),
        owner_uid: "t-uid".into(),
        tenant: "plum".into(),
        ours: true,
        digest: Digest::of(&Value::Null),
        facts: Facts::Namespace { terminating: false, hold: None, approved: None },
        deleting: false,
    }
}

fn snapshot(retention: Retention, tenant: TenantState, now: &str) -> RetentionSnapshot {
    RetentionSnapshot {
        retention,
        tenant,
        rival: None,
        config: CONFIG.clone(),
        observed: BTreeMap::from([(namespace().reference, namespace())]),
        lasting: Lasting::default(),
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

/// `True SomeReason` and the message of a condition.
fn said(retention: &Retention, type_: &str) -> (String, String) {
    let conditions = retention.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition.type_ == type_).expect("the condition");
    (format!("{} {}", condition.status, condition.reason), condition.message.clone())
}

fn phase(retention: &Retention) -> RetentionPhase {
    retention.status.as_ref().and_then(|status| status.phase).expect("a phase")
}

#[test]
fn a_pass_that_pins_is_followed_by_one_that_acts_on_what_is_pinned() {
    let first = snapshot(retention(&json!({})), alive(Some("2026-09-30")), "2026-10-10T00:00:00Z");
    let bindings = |snapshot: &RetentionSnapshot| {
        desired(snapshot).desired.objects().filter(|object| object.reference.kind == Kind::RoleBinding).count()
    };
    let (known, _) = pass(&first);
    assert_eq!(bindings(&first), 0, "nothing is pinned yet");
    assert!(pins_anew(&first, known.status.as_ref().expect("a status")));
    let second = snapshot(known, alive(Some("2026-09-30")), "2026-10-10T00:00:01Z");
    assert_eq!(bindings(&second), 1);
    assert!(!pins_anew(&second, pass(&second).0.status.as_ref().expect("a status")));
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
    let (known, _) = pass(&snapshot(retention(&json!({})), alive(Some("2026-09-30")), "2026-08-01T00:00:00Z"));
    for (now, wanted) in cases {
        let snapshot = snapshot(known.clone(), alive(Some("2026-09-30")), now);
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
fn an_end_date_that_was_withdrawn_or_overwritten_does_not_come_back_when_the_tenant_vanishes() {
    let now = "2026-10-15T00:00:00Z";
    let (seen, _) = pass(&snapshot(retention(&json!({})), alive(Some("2026-09-30")), now));
    let (withdrawn, job) = pass(&snapshot(seen.clone(), alive(None), now));
    assert_eq!((phase(&withdrawn), job), (RetentionPhase::Idle, None));
    for last_word in [None, Some("soon")] {
        let (overwritten, job) = pass(&snapshot(seen.clone(), alive(last_word), now));
        assert!(job.is_none(), "{last_word:?}");
        let (gone, job) = pass(&snapshot(overwritten, TenantState::Vanished, now));
        assert_eq!((phase(&gone), job), (RetentionPhase::Orphaned, None), "{last_word:?}");
    }
    // Nor does an earlier date while something else is wrong with the Retention.
    let mut broken = seen;
    broken.spec.schedule = "when there is time".into();
    let (broken, _) = pass(&snapshot(broken, alive(Some("2027-09-30")), now));
    assert_eq!(broken.status.and_then(|status| status.end_date).as_deref(), Some("2027-09-30"));
}

#[test]
fn a_decision_about_one_orphan_is_none_about_the_next() {
    let long_after = "2030-01-01T00:00:00Z";
    let (mut orphan, _) = pass(&snapshot(retention(&json!({})), alive(None), ENDS));
    orphan.spec.end_date = Some("2026-10-31".into());
    let (decided, job) = pass(&snapshot(orphan, TenantState::Vanished, ENDS));
    assert!(job.is_some());

    let (back, job) = pass(&snapshot(decided, alive(None), ENDS));
    assert_eq!((phase(&back), job), (RetentionPhase::Idle, None));
    let (gone_again, job) = pass(&snapshot(back, TenantState::Vanished, long_after));
    assert_eq!((phase(&gone_again), job), (RetentionPhase::Orphaned, None), "the old date would erase at once");
    assert!(said(&gone_again, "Stalled").1.contains("remove spec.endDate and write it again"));

    let mut removed = gone_again;
    removed.spec.end_date = None;
    let (mut removed, _) = pass(&snapshot(removed, TenantState::Vanished, long_after));
    removed.spec.end_date = Some("2026-10-31".into());
    assert!(pass(&snapshot(removed, TenantState::Vanished, long_after)).1.is_some(), "it was written again");
}

#[test]
fn what_is_kept_by_a_hold_is_not_overdue_and_what_is_merely_suspended_is() {
    let hold = json!({"legalHold": {"active": true, "reference": "2026-17", "placedBy": "dpo"}});
    let (kept, _) = pass(&snapshot(retention(&hold), alive(Some("2026-09-30")), DEADLINE));
    assert_eq!(phase(&kept), RetentionPhase::Held);
    assert_eq!(said(&kept, "Ready").0, "True HoldPlaced");
    assert_eq!(said(&kept, "Scheduled").0, "False HoldPlaced");

    let suspended = retention(&json!({"suspend": true}));
    let (known, _) = pass(&snapshot(suspended, alive(Some("2026-09-30")), ENDS));
    let (before, _) = pass(&snapshot(known.clone(), alive(Some("2026-09-30")), NOT_BEFORE));
    assert_eq!(
        (said(&before, "Ready").0, said(&before, "Scheduled").0),
        ("True Suspended".into(), "False Suspended".into())
    );
    let (late, _) = pass(&snapshot(known, alive(Some("2026-09-30")), DEADLINE));
    assert_eq!((phase(&late), said(&late, "Ready").0), (RetentionPhase::Overdue, "False Overdue".into()));
}

#[test]
fn a_retention_that_is_not_the_tenants_own_makes_nothing_and_says_whose_place_it_takes() {
    let mut second = snapshot(retention(&json!({})), alive(Some("2026-09-30")), ENDS);
    second.rival = Some("plum-2".into());
    let (after, job) = pass(&second);
    assert!(job.is_none());
    assert!(desired(&second).desired.keep.is_empty(), "a CronJob it made earlier must not stand in the other's way");
    let (status, message) = said(&after, "Stalled");
    assert_eq!(status, "True Invalid");
    assert!(message.contains("plum-2"), "{message}");
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
fn a_retention_as_the_crd_fills_it_in_is_one_that_nobody_has_looked_at() {
    let mut filled_in = retention(&json!({}));
    filled_in.status = serde_json::from_value(json!({"observedGeneration": -1})).expect("a status");
    for tenant in [TenantState::Unknown, TenantState::Vanished, alive(None), alive(Some("2026-09-30"))] {
        let of = |retention: &Retention| pass(&snapshot(retention.clone(), tenant.clone(), ENDS)).0.status;
        assert_eq!(of(&filled_in), of(&retention(&json!({}))), "{tenant:?}");
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
    }
}

/// What people and time do to a Tenant and its Retention.
#[derive(Clone, Debug)]
enum Event {
    /// The Tenant is declared, or changed; a new life of it has a new uid.
    Declare(Option<&'static str>),
    Vanish,
    /// The Tenant can no longer be decoded.
    Garble,
    /// Somebody writes `spec.endDate`.
    Decide(Option<&'static str>),
    Hold(bool),
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let date = || proptest::sample::select(vec![None, Some("2026-09-30"), Some("2027-03-31"), Some("2026-02-30")]);
    prop_oneof![
        3 => date().prop_map(Event::Declare),
        3 => Just(Event::Vanish),
        1 => Just(Event::Garble),
        2 => date().prop_map(Event::Decide),
        1 => any::<bool>().prop_map(Event::Hold),
        2 => (0_i64..200).prop_map(Event::Wait),
    ]
}

fn readable(date: Option<&'static str>) -> Option<&'static str> {
    date.filter(|date| *date != "2026-02-30")
}

/// The rule, told without looking at how it is kept: who said last, and about what, that there is an end.
#[derive(Default)]
struct Book {
    /// Which life of the Tenant was the last.
    life: usize,
    alive: bool,
    garbled: bool,
    last_word: Option<&'static str>,
    written: Option<&'static str>,
    /// What stood in `written` while the Tenant lived, until it is changed.
    left_over: Option<&'static str>,
}

impl Book {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Declare(date) => {
                self.life += usize::from(!self.alive);
                (self.alive, self.garbled) = (true, false);
                self.last_word = *date;
            }
            Event::Vanish => (self.alive, self.garbled) = (false, false),
            Event::Garble => self.garbled = self.alive,
            Event::Decide(date) => self.written = *date,
            Event::Hold(_) | Event::Wait(_) => {}
        }
        if self.garbled {
            return;
        }
        let stays = self.alive || self.left_over == self.written;
        self.left_over = self.written.filter(|_| stays);
    }

    fn tenant(&self) -> TenantState {
        match (self.alive, self.garbled) {
            (false, _) => TenantState::Vanished,
            (true, true) => TenantState::Unknown,
            (true, false) => life(&format!("life-{}", self.life), self.last_word),
        }
    }

    /// The only date by which anything may ever be erased.
    fn end(&self) -> Option<&'static str> {
        let decided = self.written.filter(|date| !self.alive && self.left_over != Some(*date));
        readable(self.last_word).or(readable(decided)).filter(|_| !self.garbled)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// I5, I6 and I8 over every order of events: a purge is scheduled by the last word about the last life of the
    /// Tenant and by nothing else, is suspended under a hold, and means the uids of that life.
    #[test]
    fn a_purge_is_scheduled_by_the_last_word_and_by_nothing_that_was_said_before(
        events in proptest::collection::vec(event(), 1..24)
    ) {
        let mut now = "2026-08-01T00:00:00Z".parse::<Timestamp>().expect("an instant");
        let mut book = Book::default();
        let mut retention = retention(&json!({}));
        let (mut last_end, mut seen_at) = (None, now);
        for event in events {
            book.note(&event);
            match event {
                Event::Decide(date) => retention.spec.end_date = date.map(str::to_owned),
                Event::Hold(active) => {
                    let hold = json!({"active": active, "reference": "2026-17", "placedBy": "dpo"});
                    retention.spec.legal_hold = serde_json::from_value(hold).expect("a hold");
                }
                Event::Wait(days) => now += k8s_openapi::jiff::SignedDuration::from_hours(24 * days),
                _ => {}
            }
            let mut world = snapshot(retention.clone(), book.tenant(), ENDS);
            world.now = now;
            let (after, job) = pass(&world);
            let end = book.end();
            if !book.garbled && end != last_end {
                (last_end, seen_at) = (end, now);
            }
            prop_assert_eq!(job.is_some(), end.is_some(), "{:?}", &after.status);
            if let (Some(job), Some(end)) = (job, end) {
                let held = after.spec.legal_hold.as_ref().is_some_and(|hold| hold.active);
                prop_assert_eq!(&job["spec"]["suspend"], held);
                let ends = format!("{end}T15:00:00Z").parse::<Timestamp>().expect("an instant");
                let status = after.status.as_ref().expect("a status");
                let not_before = status.purge_not_before.as_ref().expect("a date").0;
                let grace = k8s_openapi::jiff::SignedDuration::from_hours(60 * 24);
                let cool_off = k8s_openapi::jiff::SignedDuration::from_hours(24);
                prop_assert_eq!(not_before, (ends + grace).max(seen_at + cool_off));
            }
            let pinned = after.status.as_ref().and_then(|status| status.pinned.clone());
            let life = (book.life > 0).then(|| format!("life-{}", book.life));
            prop_assert_eq!(pinned.map(|pinned| pinned.tenant_uid), life);
            let mut again = world.clone();
            again.retention = after.clone();
            prop_assert_eq!(&pass(&again).0.status, &after.status, "a second look says the same");
            retention = after;
        }
    }
}

/// What can happen to a Retention beyond what people do to the Tenant.
#[derive(Clone, Debug)]
enum Happening {
    To(Event),
    /// The same, before the operator looks.
    Unseen(Event),
    /// Somebody writes `spec.graceDays`; shortened they cannot be.
    Lengthen(i64),
    /// Somebody writes `spec.completeWithin`.
    Within(&'static str),
    /// Somebody breaks or mends `spec.schedule`.
    Schedule(bool),
    /// A purge run previews, if it would.
    Preview,
    /// A purge run begins, or comes one state further, if it would.
    Purge,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => event().prop_map(Happening::To),
        1 => proptest::sample::select(vec![60_i64, 90]).prop_map(Happening::Lengthen),
        1 => proptest::sample::select(vec!["24h", "168h"]).prop_map(Happening::Within),
        1 => any::<bool>().prop_map(Happening::Schedule),
        3 => Just(Happening::Preview),
        2 => Just(Happening::Purge),
        2 => (55_i64..70).prop_map(|days| Happening::To(Event::Wait(days))),
    ]
}

/// A Retention from the first look on, with every change of its phase.
struct Life {
    book: Book,
    retention: Retention,
    now: Timestamp,
    changes: Vec<(Option<RetentionPhase>, RetentionPhase)>,
}

impl Life {
    fn of(happenings: &[Happening]) -> Self {
        let now = "2026-08-01T00:00:00Z".parse().expect("an instant");
        let mut life = Self { book: Book::default(), retention: retention(&json!({})), now, changes: Vec::new() };
        for happening in happenings {
            life.happen(happening);
        }
        life
    }

    fn happen(&mut self, happening: &Happening) {
        if let Happening::Unseen(event) = happening {
            return self.event(event);
        }
        let begun = self.status().progress.purge.is_some();
        match happening {
            // What the CRD refuses once a purge has begun.
            Happening::To(Event::Hold(_) | Event::Decide(_)) | Happening::Lengthen(_) if begun => {}
            Happening::To(event) => self.event(event),
            Happening::Lengthen(days) => self.retention.spec.grace_days = self.retention.spec.grace_days.max(*days),
            Happening::Within(hours) => self.retention.spec.complete_within = (*hours).into(),
            Happening::Schedule(good) => {
                self.retention.spec.schedule = if *good { "30 3 * * *" } else { "nightly" }.into();
            }
            Happening::Preview if self.runs() && !begun => {
                let not_before = self.status().purge_not_before.expect("a date");
                let preview = json!({"hash": "", "objects": 1, "bytes": 1, "at": self.now, "notBefore": not_before});
                self.write("inventory", preview);
            }
            Happening::Purge if begun || self.runs() => self.purge(),
            Happening::Preview | Happening::Purge | Happening::Unseen(_) => {}
        }
        self.look();
    }

    fn event(&mut self, event: &Event) {
        self.book.note(event);
        match event {
            Event::Decide(date) => self.retention.spec.end_date = date.map(str::to_owned),
            Event::Hold(active) => {
                let hold = json!({"active": active, "reference": "2026-17", "placedBy": "dpo"});
                self.retention.spec.legal_hold = serde_json::from_value(hold).expect("a hold");
            }
            Event::Wait(days) => {
                let until = self.now + k8s_openapi::jiff::SignedDuration::from_hours(24 * days);
                // The operator looks whenever time alone changes something.
                while let Some(next) = self.next_change().filter(|next| *next < until) {
                    self.now = next;
                    self.look();
                }
                self.now = until;
            }
            _ => {}
        }
    }

    /// Would a purge run do more than to refuse?
    fn runs(&self) -> bool {
        use RetentionPhase::{Grace, Overdue, Previewed};
        let held = self.retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active);
        !self.book.garbled && !held && matches!(self.status().phase, Some(Grace | Previewed | Overdue))
    }

    fn purge(&mut self) {
        let status = self.status();
        let not_before = status.purge_not_before.clone().expect("a date").0;
        let previewed = status.progress.inventory.is_some_and(|preview| preview.not_before.0 == not_before);
        let state = match status.progress.purge.map(|purge| purge.state) {
            None if !previewed || self.now < not_before => return,
            None => "Purging",
            Some(PurgeState::Purging) => "Verifying",
            Some(_) => "Purged",
        };
        let mark = json!({"state": state, "planHash": "", "objects": 1, "bytes": 1, "startedAt": self.now});
        self.write("purge", mark);
    }

    fn write(&mut self, field: &str, value: Value) {
        let mut status = json!(self.status());
        status[field] = value;
        self.retention.status = serde_json::from_value(status).expect("a status");
    }

    fn status(&self) -> cloudfarm::api::retention::RetentionStatus {
        self.retention.status.clone().unwrap_or_default()
    }

    fn snapshot(&self) -> RetentionSnapshot {
        let mut snapshot = snapshot(self.retention.clone(), self.book.tenant(), ENDS);
        snapshot.now = self.now;
        snapshot
    }

    fn next_change(&self) -> Option<Timestamp> {
        desired(&self.snapshot()).next_change(&self.snapshot())
    }

    fn look(&mut self) {
        let before = self.status().phase;
        self.retention = pass(&self.snapshot()).0;
        let after = phase(&self.retention);
        if before != Some(after) {
            self.changes.push((before, after));
        }
    }
}

fn is_in_the_table((before, after): (Option<RetentionPhase>, RetentionPhase)) -> bool {
    TRANSITIONS.iter().any(|row| row.to == after && row.from.contains(&before))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_the_phase_changes_only_as_the_table_says(
        happenings in proptest::collection::vec(happening(), 1..32)
    ) {
        let changes = Life::of(&happenings).changes;
        for change in &changes {
            prop_assert!(is_in_the_table(*change), "{:?} is not in TRANSITIONS; all: {:?}", change, changes);
        }
    }
}

/// Histories that bring about, between them, every change of the table.
fn histories() -> Vec<Vec<Happening>> {
    use Event::{Decide, Declare, Garble, Hold, Vanish, Wait};
    use Happening::{Lengthen, Preview, Purge, Schedule, To, Unseen, Within};
    const PAST: Option<&str> = Some("2026-06-30");
    const SOON: Option<&str> = Some("2026-09-30");
    const LATE: Option<&str> = Some("2030-09-30");
    const NO_DATE: Option<&str> = Some("2026-02-30");
    // Where most of them begin.
    let ended = [To(Declare(SOON)), To(Wait(65))];
    let previewed = [&ended[..], &[Preview]].concat();
    let overdue = [&ended[..], &[To(Wait(60))]].concat();
    let previewed_overdue = [&previewed[..], &[To(Wait(60))]].concat();
    let held = [&ended[..], &[To(Hold(true))]].concat();
    let decided = [To(Declare(None)), To(Vanish), To(Decide(PAST))];
    let orphaned = [To(Declare(None)), To(Vanish)];
    let after = |before: &[Happening], then: &[Happening]| [before, then].concat();
    let mut all = vec![
        // To Grace and Held: the first look, time, an end date in the past, faults mended, holds released.
        vec![To(Declare(PAST)), To(Declare(NO_DATE)), To(Declare(PAST)), To(Hold(true)), To(Hold(false))],
        vec![To(Declare(NO_DATE)), To(Hold(true)), To(Declare(PAST))],
        vec![To(Hold(true)), To(Declare(PAST)), To(Declare(None))],
        after(&ended, &[To(Declare(None))]),
        after(&orphaned, &[To(Decide(PAST)), To(Decide(None)), To(Hold(true)), To(Decide(PAST)), To(Decide(None))]),
        // To Previewed and from it.
        after(&previewed, &[To(Hold(true)), To(Hold(false)), Lengthen(90)]),
        after(&previewed, &[To(Declare(None)), To(Declare(SOON)), To(Declare(NO_DATE)), To(Declare(SOON))]),
        after(&previewed, &[To(Declare(None)), To(Vanish), To(Decide(SOON)), To(Decide(None))]),
        // To Overdue and from it.
        after(&overdue, &[To(Hold(true)), To(Hold(false)), To(Declare(NO_DATE)), To(Vanish)]),
        after(&previewed_overdue, &[Within("168h"), Within("24h"), To(Declare(LATE))]),
        after(&previewed_overdue, &[Schedule(false), Schedule(true)]),
        after(&overdue, &[Within("168h")]),
        vec![To(Declare(SOON)), To(Garble), To(Wait(200)), To(Declare(SOON))],
        // To Orphaned and Failed from wherever that is left.
        after(&decided, &[To(Wait(60)), To(Decide(None))]),
        vec![Unseen(Hold(true)), To(Declare(PAST))],
        after(&held, &[To(Declare(NO_DATE)), To(Declare(None)), To(Declare(NO_DATE)), To(Vanish), To(Decide(NO_DATE))]),
        after(&orphaned, &[To(Declare(None))]),
    ];
    // The end.
    for days in [56, 60] {
        all.push(after(&previewed, &[To(Wait(days)), Purge, Purge, Purge]));
    }
    all
}

#[test]
fn no_row_of_the_table_is_dead_and_no_change_stands_in_it_twice() {
    let made: BTreeSet<String> =
        histories().iter().flat_map(|history| Life::of(history).changes).map(|change| format!("{change:?}")).collect();
    let mut all = Vec::new();
    for row in &TRANSITIONS {
        all.extend(row.from.iter().map(|from| format!("{:?}", (from, row.to))));
    }
    let told: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(told.len(), all.len(), "a change stands in two rows: {all:#?}");
    let dead: Vec<_> = told.difference(&made).collect();
    assert!(dead.is_empty(), "nothing brings about {dead:#?}");
}

use k8s_openapi::jiff::Timestamp;

fn cloudfarm_timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("an instant")
}
