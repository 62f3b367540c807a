//! Pure: what is said of worlds, and of what it must never be said that a promise is kept.

use std::collections::BTreeSet;

use cloudfarm::evidence::clauses::{self, Class};
use cloudfarm::evidence::judge::{Finding, Outcome, World, judge, summary};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::sample::{at, erased, manifests, nothing_known, word, world};

fn of<'a>(findings: &'a [Finding], clause: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.clause.id == clause).expect("every clause is there")
}

fn said(findings: &[Finding], clause: &str) -> (Outcome, String) {
    let finding = of(findings, clause);
    (finding.result, finding.reason.clone())
}

/// What holds whatever the world is.
fn sound(findings: &[Finding]) {
    let ids: Vec<&str> = findings.iter().map(|finding| finding.clause.id).collect();
    assert_eq!(ids, clauses::all().map(|clause| clause.id).collect::<Vec<_>>());
    assert_eq!(summary(findings).iter().sum::<usize>(), findings.len());
    for finding in findings {
        let id = finding.clause.id;
        assert!(!finding.reason.is_empty() && !finding.message.is_empty(), "{id} has no reason: {finding:?}");
        assert_eq!(finding.sha256.len(), 64, "{id}");
        assert_ne!(finding.reason, "NotJudged", "{id}");
        let people = finding.clause.class == Class::Organisation;
        assert!(!people || matches!(finding.result, Outcome::Skip | Outcome::Warn), "{id}: {finding:?}");
        for text in [&finding.message, &finding.measured, &finding.limit] {
            assert!(!text.chars().any(char::is_control) && !text.contains("@acme.example"), "{id}: {text}");
        }
    }
}

#[test]
fn every_clause_has_a_reason_and_what_software_can_see_to_be_kept_passes() {
    let findings = judge(&world(manifests()));
    sound(&findings);
    let outcomes = |outcome: Outcome| -> Vec<&str> {
        findings.iter().filter(|finding| finding.result == outcome).map(|finding| finding.clause.id).collect()
    };
    assert_eq!(outcomes(Outcome::Fail), Vec::<&str>::new());
    // What the API server alone could tell nobody has measured; that is said, and is no pass.
    assert_eq!(outcomes(Outcome::Error), ["5.1.1-5", "9.2.2", "9.2.4", "12.4.1"]);
    assert_eq!(outcomes(Outcome::Warn), ["CLD.12.4.5", "18.2.1"]);
    assert_eq!(summary(&findings)[0], 30, "{:#?}", outcomes(Outcome::Pass));
}

#[test]
fn what_nobody_could_read_is_an_error_and_never_a_pass() {
    let findings = judge(&nothing_known());
    sound(&findings);
    for finding in &findings {
        let wanted = if finding.clause.class == Class::Organisation { Outcome::Skip } else { Outcome::Error };
        assert_eq!(finding.result, wanted, "{}: {}", finding.clause.id, finding.message);
    }
}

#[test]
fn a_clause_that_passes_passes_no_longer_once_any_condition_it_looked_at_is_unknown_or_missing() {
    let findings = judge(&world(manifests()));
    let mut tried = 0;
    for finding in findings.iter().filter(|finding| finding.result == Outcome::Pass) {
        let looked: Value = serde_json::from_str(finding.looked.as_deref().expect("judged here")).expect("JSON");
        let types: BTreeSet<String> = looked["looked"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|each| each["condition"]["type"].as_str().or(each["condition"].as_str()).map(str::to_owned))
            .collect();
        for type_ in types {
            for change in [unknown as fn(&mut Value, &str), missing, stale, unmeasured] {
                let mut all = manifests();
                let each = all.iter_mut().flat_map(|one| match one {
                    Value::Array(several) => several.iter_mut().collect(),
                    one => vec![one],
                });
                each.for_each(|manifest| change(manifest, &type_));
                let changed = judge(&world(all));
                sound(&changed);
                let id = finding.clause.id;
                // The one condition that counts whatever its generation.
                if type_ == "NoticesDelivered" && of(&changed, id).result == Outcome::Pass {
                    continue;
                }
                assert_ne!(of(&changed, id).result, Outcome::Pass, "{id} passes without {type_}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "only {tried} were tried");
}

fn conditions_of(manifest: &mut Value) -> Option<&mut Vec<Value>> {
    manifest.pointer_mut("/status/conditions")?.as_array_mut()
}

fn each_condition(manifest: &mut Value, type_: &str, change: impl Fn(&mut Value)) {
    for condition in conditions_of(manifest).into_iter().flatten() {
        if condition["type"] == type_ {
            change(condition);
        }
    }
}

fn unknown(manifest: &mut Value, type_: &str) {
    each_condition(manifest, type_, |condition| condition["status"] = json!("Unknown"));
}

fn unmeasured(manifest: &mut Value, type_: &str) {
    each_condition(manifest, type_, |condition| condition["reason"] = json!("NotMeasured"));
}

fn stale(manifest: &mut Value, type_: &str) {
    if manifest["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|each| each["type"] == type_)) {
        manifest["metadata"]["generation"] = json!(2);
    }
}

fn missing(manifest: &mut Value, type_: &str) {
    if let Some(all) = conditions_of(manifest) {
        all.retain(|condition| condition["type"] != type_);
    }
}

#[test]
fn a_door_without_consent_or_beyond_its_end_breaks_the_promise() {
    let judged = |change: fn(&mut Value)| {
        let mut all = manifests();
        change(&mut all[3][0]);
        said(&judge(&world(all)), "5.1.1-4")
    };
    assert_eq!(judged(|_| ()).0, Outcome::Pass);
    let broken: [fn(&mut Value); 5] = [
        |grant| grant["spec"]["approval"] = Value::Null,
        |grant| grant["spec"]["approval"]["by"] = json!("tanaka"),
        |grant| grant["spec"]["approval"]["decision"] = json!("Deny"),
        |grant| grant["status"]["roleBinding"] = json!("grant-disk-full"),
        |grant| grant["status"]["state"] = json!("Active"),
    ];
    for (index, change) in broken.into_iter().enumerate() {
        assert_eq!(judged(change).0, Outcome::Fail, "{index}");
    }
    assert_eq!(judged(|grant| grant["status"] = json!({})).0, Outcome::Error);
}

#[test]
fn four_hours_are_four_hours_and_late_stays_late() {
    let judged = |confirmed: &str, status: Value| {
        let mut all = manifests();
        let outage = &mut all[4][3];
        outage["spec"]["confirmedAt"] = json!(confirmed);
        outage["status"] = status;
        said(&judge(&world(all)), "16.1.1").0
    };
    let sent = json!({"counts": {"recipients": 2, "sent": 2, "failed": 0}, "lastSentAt": "2026-11-20T02:00:00Z"});
    let with = |met: bool| {
        let mut status = sent.clone();
        status["deadlineMet"] = json!(met);
        status
    };
    assert_eq!(judged("2026-11-20T01:00:00Z", with(true)), Outcome::Pass);
    assert_eq!(judged("2026-11-20T01:00:00Z", with(false)), Outcome::Fail);
    assert_eq!(judged("2026-11-20T01:00:00Z", json!({})), Outcome::Warn, "the 4 hours run");
    assert_eq!(judged("2026-11-19T22:59:00Z", json!({})), Outcome::Fail, "they are over");
    assert_eq!(judged("2026-11-19T22:59:00Z", Value::Null), Outcome::Error, "nobody has looked");
}

#[test]
fn a_hold_that_is_the_providers_alone_is_in_no_word_that_a_customer_reads() {
    let mut all = manifests();
    let held = json!({"type": "HoldActive", "status": "True", "reason": "HoldPlaced", "message": "a legal hold is active",
        "lastTransitionTime": "2026-11-10T00:00:00Z", "observedGeneration": 1});
    all[2]["spec"]["legalHold"] =
        json!({"active": true, "reference": "2026-wa-17", "placedBy": "dpo", "visibility": "Provider"});
    for condition in all[2]["status"]["conditions"].as_array_mut().expect("a list") {
        if condition["type"] == "HoldActive" {
            *condition = held.clone();
        }
    }
    let provider = world(all);
    assert_eq!(said(&judge(&provider), "CLD.8.1.5"), (Outcome::Warn, "HoldPlaced".into()));
    let customer = judge(&World { for_customer: true, ..provider.clone() });
    for finding in &customer {
        let told = (&finding.reason, &finding.message, &finding.measured, &finding.limit, &finding.looked);
        let whole = format!("{told:?}").to_lowercase();
        assert!(!whole.replace("threshold", "").contains("hold") && !whole.contains("2026-wa-17"), "{whole}");
    }
    let mut visible = provider;
    let written =
        visible.retention.as_mut().expect("known").as_mut().expect("there").spec.legal_hold.as_mut().expect("a hold");
    written.visibility = cloudfarm::api::retention::HoldVisibility::Tenant;
    visible.for_customer = true;
    assert_eq!(said(&judge(&visible), "CLD.8.1.5").0, Outcome::Warn);
}

#[test]
fn an_erasure_is_proven_by_its_certificate_and_leaves_nothing_else_to_judge() {
    let findings = judge(&erased());
    sound(&findings);
    assert_eq!(said(&findings, "CLD.8.1.5"), (Outcome::Pass, "AsPromised".into()));
    assert_eq!(said(&findings, "6.1.3"), (Outcome::Skip, "Erased".into()));
    let mut uncertified = erased();
    let status =
        uncertified.retention.as_mut().expect("known").as_mut().expect("there").status.as_mut().expect("a status");
    status.progress.evidence = None;
    assert_eq!(said(&judge(&uncertified), "CLD.8.1.5").0, Outcome::Warn);
    // A tenant that vanished without an end is not erased.
    let orphaned = World { tenant: Ok(None), ..world(manifests()) };
    assert_eq!(said(&judge(&orphaned), "6.1.3"), (Outcome::Error, "TenantNotFound".into()));
}

#[test]
fn a_statement_is_shown_with_its_age_and_is_never_a_pass() {
    let judged = |words: Vec<_>| said(&judge(&World { words: Ok(words), ..world(manifests()) }), "7.2.2");
    assert_eq!(judged(Vec::new()), (Outcome::Skip, "NotAttested".into()));
    assert_eq!(judged(vec![word("7.2.2", "2026-11-19T00:00:00Z")]), (Outcome::Skip, "Attested".into()));
    assert_eq!(judged(vec![word("7.2.2", "2025-11-20T03:00:00Z")]), (Outcome::Warn, "AttestationTooOld".into()));
    assert_eq!(judged(vec![word("7.2.2", "2027-01-01T00:00:00Z")]).0, Outcome::Warn);
    let mut forged = word("7.2.2", "2026-11-19T00:00:00Z");
    forged.sound = Err("was changed since it was signed".into());
    assert_eq!(judged(vec![forged]), (Outcome::Warn, "BadSignature".into()));
}

#[test]
fn time_alone_changes_nothing_that_is_said() {
    let earlier = world(manifests());
    let later = World { now: at("2026-11-20T09:00:00Z"), ..earlier.clone() };
    assert_eq!(judge(&earlier), judge(&later));
}

/// Any status, any reason, anything said.
fn any_condition() -> impl Strategy<Value = (String, String, String)> {
    let status = prop_oneof!["True", "False", "Unknown", ".{0,6}"];
    let reason = prop_oneof!["AsDeclared", "NotMeasured", "SwitchedOff", "[A-Z][a-z]{0,12}"];
    (status, reason, "\\PC{0,40}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_world_makes_a_promise_that_people_keep_pass_or_leaves_a_clause_out(
        told in proptest::collection::vec(any_condition(), 30), grants in 0_usize..3, gone: bool
    ) {
        let mut all = manifests();
        let mut told = told.into_iter().cycle();
        for manifest in &mut all[..3] {
            for condition in conditions_of(manifest).into_iter().flatten() {
                let (status, reason, message) = told.next().expect("it goes round");
                condition["status"] = json!(status);
                condition["reason"] = json!(reason);
                condition["message"] = json!(message);
            }
        }
        let one = all[3][0].clone();
        all[3] = json!(vec![one; grants]);
        let mut changed = world(all);
        if gone {
            changed.tenant = Ok(None);
        }
        sound(&judge(&changed));
    }
}
