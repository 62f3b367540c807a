//! Every reason against a purge, one by one, each from a world in which nothing else speaks against it; and both sides of
//! every border. Pure, no cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::BTreeMap;

use cloudfarm::api::retention::{PurgeMode, Retention, RunOutcome};
use cloudfarm::purge::gate::{Refusal, always, approved, begin, rolling, time};
use cloudfarm::purge::look::{Asked, Clocks, Look, NamespaceSight, Reserve};
use cloudfarm::retention::ending::{Declaration, TenantState};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const NOT_BEFORE: &str = "2026-11-29T15:00:00Z";

/// What is changed in a world in which nothing speaks against a purge, and the reason that is told then.
type Case = (&'static str, &'static str, fn(&mut Look));
type CaseAtTheBeginning = (&'static str, &'static str, fn(&mut Look, &mut Reserve));

fn at(instant: &str) -> Timestamp {
    instant.parse().expect("an instant")
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn asked() -> Asked {
    Asked { retention: "plum".into(), uid: "r-uid".into(), cool_off: SignedDuration::from_hours(24) }
}

/// A Retention whose purge is due, previewed and announced.
fn retention(spec: &Value) -> Retention {
    let mut whole = json!({"tenantRef": {"name": "plum"}});
    whole.as_object_mut().expect("a map").extend(spec.as_object().expect("a map").clone());
    serde_json::from_value(json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention",
        "metadata": {"name": "plum", "uid": "r-uid", "generation": 3}, "spec": whole,
        "status": {
            "observedGeneration": 3, "endDate": "2026-09-30", "firstSeen": {"endDate": "2026-09-30", "at": "2026-08-01T00:00:00Z"},
            "contractEndsAt": "2026-09-30T15:00:00Z", "purgeNotBefore": NOT_BEFORE, "deadline": "2026-11-30T15:00:00Z",
            "pinned": {"tenantUID": "t-uid", "namespaceUIDs": {"cf-plum": "n-uid", "cfd-plum": "d-uid"}},
            "inventory": {"hash": "ab", "objects": 1, "bytes": 0, "at": "2026-11-28T18:30:00Z", "notBefore": NOT_BEFORE},
            "clockMark": "2026-11-28T18:30:00Z",
        },
    }))
    .expect("a Retention")
}

fn tenant(uid: &str, end_date: Option<&str>) -> TenantState {
    let privileged = ["sato".to_owned()].into();
    TenantState::Present(Declaration { uid: uid.into(), end_date: end_date.map(str::to_owned), privileged })
}

/// The run of the night: half past three in Japan.
fn due() -> Look {
    let now = at("2026-11-29T18:30:00Z");
    let namespace = |uid: &str| NamespaceSight { uid: uid.into(), held: false, approved: Some("r-uid".into()) };
    Look {
        retention: retention(&json!({})),
        tenant: tenant("t-uid", Some("2026-09-30")),
        namespaces: BTreeMap::from([("cf-plum".into(), namespace("n-uid")), ("cfd-plum".into(), namespace("d-uid"))]),
        clocks: Clocks { own: now, api_server: Some(now), operator: Some(now) },
        stop: Ok(false),
    }
}

fn reserve() -> Reserve {
    Reserve { per_day: 5, begun: BTreeMap::new(), evidence: Ok(()) }
}

fn word(refusal: Result<impl Sized, Refusal>) -> &'static str {
    refusal.err().map_or("open", |refusal| refusal.word())
}

fn set(look: &mut Look, instant: Timestamp) {
    look.clocks = Clocks { own: instant, api_server: Some(instant), operator: Some(instant) };
}

#[test]
fn a_purge_that_nothing_speaks_against_may_begin_also_when_the_tenant_is_gone() {
    assert_eq!(word(begin(&asked(), &due(), &reserve())), "open");
    assert_eq!(word(always(&asked(), &due())), "open");
    let gone = Look { tenant: TenantState::Vanished, ..due() };
    assert_eq!(word(begin(&asked(), &gone, &reserve())), "open");
}

#[test]
fn each_reason_alone_closes_the_gate_before_every_delete() {
    let cases: [Case; 22] = [
        ("a namesake", "OtherUid", |look| look.retention.metadata.uid = Some("another".into())),
        ("the stop switch", "Stopped", |look| look.stop = Ok(true)),
        ("a stop switch that cannot be read", "Stopped", |look| look.stop = Err("gone".into())),
        ("a hold", "HoldPlaced", |look| {
            look.retention = retention(&json!({"legalHold": {"active": true, "reference": "17", "placedBy": "dpo"}}));
        }),
        ("a hold on the customer's namespace", "HoldPlaced", |look| hold(look, "cf-plum")),
        ("a hold on the derived namespace", "HoldPlaced", |look| hold(look, "cfd-plum")),
        ("a suspension", "Suspended", |look| look.retention.spec.suspend = true),
        ("a generation nobody looked at", "NotObserved", |look| look.retention.metadata.generation = Some(4)),
        ("no status at all", "NotObserved", |look| look.retention.status = None),
        ("no end date", "NoEndDate", |look| look.tenant = tenant("t-uid", None)),
        ("a date that is none", "Doubt", |look| look.tenant = tenant("t-uid", Some("2026-02-30"))),
        ("a Tenant that cannot be read", "Doubt", |look| look.tenant = TenantState::Unknown),
        ("another date than was announced", "Doubt", |look| look.tenant = tenant("t-uid", Some("2026-08-31"))),
        ("a Tenant of another uid", "Doubt", |look| look.tenant = tenant("another", Some("2026-09-30"))),
        ("a date that only the operator knows", "Doubt", |look| status(look).purge_not_before = None),
        ("nothing pinned", "Doubt", |look| status(look).pinned = None),
        ("a namespace of another uid", "Doubt", |look| uid(look, "another")),
        ("a namespace that nobody pinned", "Doubt", |look| {
            let sight = look.namespaces["cf-plum"].clone();
            look.namespaces.insert("cf-other".into(), sight);
        }),
        ("an orphan", "NoEndDate", |look| {
            look.tenant = TenantState::Vanished;
            status(look).end_date = None;
        }),
        ("a Tenant nobody has seen", "NoEndDate", |look| {
            look.tenant = TenantState::Vanished;
            status(look).end_date = None;
            status(look).pinned = None;
        }),
        ("an API server that tells no time", "ClockInDoubt", |look| look.clocks.api_server = None),
        ("an operator that tells no time", "ClockInDoubt", |look| look.clocks.operator = None),
    ];
    for (case, wanted, change) in cases {
        let mut look = due();
        change(&mut look);
        assert_eq!(word(always(&asked(), &look)), wanted, "{case}");
        assert_eq!(word(begin(&asked(), &look, &reserve())), wanted, "{case}, at the beginning");
    }
}

fn status(look: &mut Look) -> &mut cloudfarm::api::retention::RetentionStatus {
    look.retention.status.as_mut().expect("a status")
}

fn hold(look: &mut Look, namespace: &str) {
    look.namespaces.get_mut(namespace).expect("the namespace").held = true;
}

fn uid(look: &mut Look, uid: &str) {
    look.namespaces.get_mut("cf-plum").expect("the namespace").uid = uid.into();
}

#[test]
fn each_reason_alone_keeps_a_purge_from_beginning() {
    let cases: [CaseAtTheBeginning; 10] = [
        ("no preview", "NotPreviewed", |look, _| status(look).progress.inventory = None),
        ("a preview of another date", "NotPreviewed", |look, _| {
            let preview = status(look).progress.inventory.as_mut().expect("a preview");
            preview.not_before.0 += seconds(1);
        }),
        ("the first run", "RunsMissing", |look, _| status(look).progress.clock_mark = None),
        ("a schedule that is none", "RunsMissing", |look, _| look.retention.spec.schedule = "soon".into()),
        ("a dry run", "DryRun", |look, _| look.retention.spec.mode = PurgeMode::DryRun),
        ("an approval that is missing", "ApprovalMissing", |look, _| look.retention.spec.required_approvals = 1),
        ("nothing to certify with", "NoEvidence", |_, reserve| reserve.evidence = Err("no key".into())),
        ("a used-up budget", "OverBudget", |_, reserve| reserve.per_day = 0),
        ("no approval on a namespace", "NotApproved", |look, _| {
            look.namespaces.get_mut("cfd-plum").expect("the namespace").approved = None;
        }),
        ("an approval of another purge", "NotApproved", |look, _| {
            look.namespaces.get_mut("cf-plum").expect("the namespace").approved = Some("another".into());
        }),
    ];
    for (case, wanted, change) in cases {
        let (mut look, mut reserve) = (due(), reserve());
        change(&mut look, &mut reserve);
        assert_eq!(word(begin(&asked(), &look, &reserve)), wanted, "{case}");
        assert_eq!(word(always(&asked(), &look)), "open", "{case}: what has begun goes on");
    }
    let mut look = due();
    look.namespaces.get_mut("cf-plum").expect("the namespace").approved = None;
    assert_eq!(word(approved(&asked(), &look)), "NotApproved");
    assert_eq!(word(approved(&asked(), &due())), "open");
}

#[test]
fn the_gate_opens_at_the_promised_second_and_not_before() {
    for (instant, wanted) in [("2026-11-29T14:59:59Z", "NotDue"), (NOT_BEFORE, "open")] {
        let mut look = due();
        set(&mut look, at(instant));
        assert_eq!(word(always(&asked(), &look)), wanted, "{instant}");
    }
    // Of three clocks that agree well enough, the slowest counts.
    for (slow, wanted) in [(61, "ClockInDoubt"), (60, "NotDue"), (0, "open")] {
        let mut look = due();
        set(&mut look, at(NOT_BEFORE));
        look.clocks.operator = Some(at(NOT_BEFORE) - seconds(slow));
        assert_eq!(word(always(&asked(), &look)), wanted, "{slow} s");
    }
}

#[test]
fn clocks_that_are_more_than_a_minute_apart_tell_no_time() {
    let now = at(NOT_BEFORE);
    let clocks = |own: i64, api: i64, operator: i64| Clocks {
        own: now + seconds(own),
        api_server: Some(now + seconds(api)),
        operator: Some(now + seconds(operator)),
    };
    assert_eq!(time(&clocks(0, 60, 30)), Ok(now));
    assert_eq!(time(&clocks(60, 0, 60)), Ok(now));
    for wrong in [clocks(0, 61, 0), clocks(61, 0, 0), clocks(0, 0, 61), clocks(-3600, 0, 0), clocks(0, 30, -31)] {
        let said = time(&wrong).expect_err("they disagree").to_string();
        assert!(said.contains("60 s apart"), "{said}");
    }
}

#[test]
fn no_run_believes_a_time_before_one_that_a_run_has_seen() {
    for (ahead, wanted) in [(61, "ClockInDoubt"), (60, "open"), (0, "open")] {
        let mut look = due();
        let now = look.clocks.own;
        status(&mut look).progress.clock_mark =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now + seconds(ahead)));
        assert_eq!(word(always(&asked(), &look)), wanted, "{ahead} s");
    }
}

#[test]
fn if_more_than_one_scheduled_run_is_missing_the_next_one_decides() {
    // Runs are at 18:30 UTC; the last one was on the 28th.
    for (now, wanted) in [
        ("2026-11-29T18:30:00Z", "open"),
        ("2026-12-01T00:29:59Z", "open"),
        ("2026-12-01T00:30:00Z", "RunsMissing"),
        ("2027-01-30T18:30:00Z", "RunsMissing"),
    ] {
        let mut look = due();
        set(&mut look, at(now));
        assert_eq!(word(begin(&asked(), &look, &reserve())), wanted, "{now}");
        assert_eq!(word(always(&asked(), &look)), "open", "{now}: what has begun goes on");
    }
}

#[test]
fn after_a_run_that_found_runs_missing_the_next_one_waits_an_hour() {
    for (minutes, wanted) in [(0, "RunsMissing"), (59, "RunsMissing"), (60, "open")] {
        let mut look = due();
        let found = look.clocks.own - seconds(60 * minutes);
        status(&mut look).progress.clock_mark.as_mut().expect("a mark").0 = found;
        let run = json!({"at": found.to_string(), "outcome": "Refused", "reason": "RunsMissing", "message": ""});
        status(&mut look).progress.runs = vec![serde_json::from_value(run).expect("a run")];
        assert_eq!(word(begin(&asked(), &look, &reserve())), wanted, "{minutes} minutes");
    }
}

#[test]
fn a_date_in_the_past_erases_nothing_before_the_cool_off_is_over() {
    let first_seen = at("2026-11-29T12:00:00Z");
    let over = first_seen + seconds(24 * 3600);
    for (now, wanted) in [(over - seconds(1), "NotDue"), (over, "open")] {
        let mut look = due();
        set(&mut look, now);
        let seen = status(&mut look).first_seen.as_mut().expect("a date");
        seen.at.0 = first_seen;
        status(&mut look).purge_not_before.as_mut().expect("a date").0 = over;
        assert_eq!(word(always(&asked(), &look)), wanted, "{now}");
    }
}

#[test]
fn the_customers_own_wish_counts_only_from_one_who_may_speak_for_the_customer() {
    let wish = |by: &str, confirm: &str| json!({"requestedBy": "dpo", "earlyErasure": {"approvedBy": by, "confirmName": confirm}});
    let early = at("2026-10-03T18:30:00Z");
    let cases = [
        ("a privileged administrator", wish("sato", "plum"), tenant("t-uid", Some("2026-09-30")), "open"),
        ("somebody else", wish("mallory", "plum"), tenant("t-uid", Some("2026-09-30")), "Doubt"),
        ("the name of another tenant", wish("sato", "pear"), tenant("t-uid", Some("2026-09-30")), "Doubt"),
        ("a Tenant that is gone and cannot say", wish("sato", "plum"), TenantState::Vanished, "Doubt"),
    ];
    for (case, spec, tenant, wanted) in cases {
        let mut look = Look { retention: retention(&spec), tenant, ..due() };
        set(&mut look, early);
        let seen = at("2026-10-01T00:00:00Z");
        status(&mut look).early_erasure_seen_at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen));
        // What the operator announces for a wish that counts.
        status(&mut look).purge_not_before.as_mut().expect("a date").0 = seen + seconds(24 * 3600);
        status(&mut look).progress.clock_mark.as_mut().expect("a mark").0 = early - seconds(24 * 3600);
        assert_eq!(word(always(&asked(), &look)), wanted, "{case}");
    }
}

#[test]
fn only_approvals_of_this_end_date_by_others_than_the_requester_count() {
    let given = |by: &str, at: Value| json!({"by": by, "at": at});
    let (early, late) = (json!("2026-07-31T23:59:59Z"), json!("2026-11-29T18:31:01Z"));
    let (first, last) = (json!("2026-08-01T00:00:00Z"), json!("2026-11-29T18:31:00Z"));
    let cases = [
        ("two people", vec![given("a", first.clone()), given("b", last.clone())], "open"),
        ("one person", vec![given("a", first.clone())], "ApprovalMissing"),
        ("one of them before the date was known", vec![given("a", early), given("b", last.clone())], "ApprovalMissing"),
        (
            "one of them further in the future than clocks may differ",
            vec![given("a", first.clone()), given("b", late)],
            "ApprovalMissing",
        ),
        ("one of them without a time", vec![given("a", first.clone()), json!({"by": "b"})], "ApprovalMissing"),
        ("one of them the requester", vec![given("a", first), given("dpo", last)], "ApprovalMissing"),
    ];
    for (case, approvals, wanted) in cases {
        let spec = json!({"requestedBy": "dpo", "requiredApprovals": 2, "approvals": approvals});
        let look = Look { retention: retention(&spec), ..due() };
        assert_eq!(word(begin(&asked(), &look, &reserve())), wanted, "{case}");
    }
}

#[test]
fn a_missing_approval_is_told_with_those_that_were_given() {
    let said = |given: &[&str]| {
        let given = given.iter().map(|name| (*name).to_owned()).collect();
        Refusal::Approvals { wanted: 2, given }.to_string()
    };
    assert!(said(&[]).contains("nobody has approved"), "{}", said(&[]));
    assert!(said(&["a"]).contains("approved so far: a"), "{}", said(&["a"]));
}

#[test]
fn the_budget_counts_purges_of_the_last_day() {
    let now = due().clocks.own;
    for (ago, wanted) in [(24 * 3600, "open"), (24 * 3600 - 1, "OverBudget")] {
        let begun = BTreeMap::from([("pear".to_owned(), now - seconds(ago))]);
        let reserve = Reserve { per_day: 1, begun, ..reserve() };
        assert_eq!(word(begin(&asked(), &due(), &reserve)), wanted, "{ago} s ago");
    }
}

#[test]
fn what_ages_out_needs_no_end_date_and_everything_else() {
    let running = || Look { tenant: tenant("t-uid", None), ..due() };
    assert_eq!(word(rolling(&asked(), &running())), "open");
    let cases: [Case; 9] = [
        ("a namesake", "OtherUid", |look| look.retention.metadata.uid = Some("another".into())),
        ("the stop switch", "Stopped", |look| look.stop = Ok(true)),
        ("a hold on a namespace", "HoldPlaced", |look| hold(look, "cf-plum")),
        ("a suspension", "Suspended", |look| look.retention.spec.suspend = true),
        ("a generation nobody looked at", "NotObserved", |look| look.retention.metadata.generation = Some(4)),
        ("a dry run", "DryRun", |look| look.retention.spec.mode = PurgeMode::DryRun),
        ("a Tenant of another uid", "Doubt", |look| look.tenant = tenant("another", None)),
        ("a namespace of another uid", "Doubt", |look| uid(look, "another")),
        ("clocks in doubt", "ClockInDoubt", |look| look.clocks.operator = None),
    ];
    for (case, wanted, change) in cases {
        let mut look = running();
        change(&mut look);
        assert_eq!(word(rolling(&asked(), &look)), wanted, "{case}");
    }
}

#[test]
fn once_a_purge_has_begun_a_tenant_that_is_declared_again_stops_it() {
    let mut look = due();
    status(&mut look).progress.purge = serde_json::from_value(
        json!({"state": "Purging", "planHash": "ab", "objects": 1, "bytes": 0, "startedAt": "2026-11-29T18:30:00Z"}),
    )
    .expect("a mark");
    assert_eq!(word(always(&asked(), &look)), "open");
    look.tenant = tenant("another", Some("2026-09-30"));
    let said = always(&asked(), &look).expect_err("it stops").to_string();
    assert!(said.contains("declared again"), "{said}");
}

#[test]
fn waiting_for_a_date_is_no_refusal_and_everything_else_is() {
    assert_eq!(Refusal::NotBefore(at(NOT_BEFORE)).outcome(), RunOutcome::Waited);
    assert_eq!(Refusal::NotEnded(String::new()).outcome(), RunOutcome::Waited);
    for refusal in [Refusal::Stopped, Refusal::Suspended, Refusal::DryRun, Refusal::Doubt(String::new())] {
        assert_eq!(refusal.outcome(), RunOutcome::Refused);
        assert!(!refusal.to_string().is_empty());
    }
}
