//! The pure steps over histories of every kind: who says what, whose word stops counting, clocks that jump, writes that
//! are lost.

use std::collections::{BTreeMap, BTreeSet};

use cloudfarm::access::desired::{Plan, desired};
use cloudfarm::access::observe::{Closed, Customer, GrantSnapshot, TenantSight};
use cloudfarm::access::status::status;
use cloudfarm::api::access_grant::{AccessGrant, AccessGrantSpec, Answer, Basis, Decision, GrantState, Signature};
use cloudfarm::cluster::applied::Applied;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

/// 2026-12-01T00:00:00Z.
const BEGIN: i64 = 1_796_083_200;

#[derive(Clone, Debug)]
enum Step {
    /// The clock moves, also back.
    Clock(i64),
    Approve(&'static str),
    Deny,
    Second(&'static str),
    Revoke,
    /// The customer's administrator is enabled or not.
    Enabled(bool),
    Tenant(u8),
    Deleting,
    /// The status of the next pass is not stored.
    Lost,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    let person = prop_oneof![Just("sato"), Just("kato"), Just("tanaka")];
    prop_oneof![
        6 => (0_i64..3000).prop_map(Step::Clock),
        1 => (-9000_i64..0).prop_map(Step::Clock),
        1 => (0_i64..800_000).prop_map(Step::Clock),
        3 => person.clone().prop_map(Step::Approve),
        1 => Just(Step::Deny),
        2 => person.prop_map(Step::Second),
        1 => Just(Step::Revoke),
        2 => any::<bool>().prop_map(Step::Enabled),
        2 => (0_u8..12).prop_map(Step::Tenant),
        1 => Just(Step::Deleting),
        1 => Just(Step::Lost),
        12 => Just(Step::Pass),
    ]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("an instant")
}

/// The world of one grant.
struct World {
    grant: AccessGrant,
    seconds: i64,
    enabled: bool,
    tenant: u8,
}

impl World {
    fn new(terms: bool, begins: Option<i64>, minutes: i64) -> Self {
        let mut grant = AccessGrant::new(
            "asked",
            AccessGrantSpec {
                requested_by: "tanaka".into(),
                reason: "the disk is slow".into(),
                basis: if terms { Basis::Terms } else { Basis::Consent },
                clause: terms.then(|| "12".into()),
                verbs: vec![cloudfarm::api::access_grant::Verb::Console],
                vms: vec!["web".into()],
                not_before: begins.map(|seconds| Time(at(BEGIN + seconds))),
                duration: format!("{minutes}m"),
                ..AccessGrantSpec::default()
            },
        );
        grant.metadata.namespace = Some("cf-plum".into());
        grant.metadata.uid = Some("u".into());
        grant.metadata.generation = Some(1);
        grant.metadata.creation_timestamp = Some(Time(at(BEGIN)));
        Self { grant, seconds: BEGIN, enabled: true, tenant: 3 }
    }

    fn customer(&self) -> Customer {
        let privileged = self.enabled.then(|| "sato".to_owned()).into_iter().collect();
        let closed = [(4, Closed::Suspended), (5, Closed::Ended), (6, Closed::Erasing)];
        Customer {
            privileged,
            people: BTreeSet::from(["sato".to_owned()]),
            vms: BTreeSet::from(["web".to_owned()]),
            ends_at: None,
            closed: closed.into_iter().find(|(number, _)| *number == self.tenant).map(|(_, closed)| closed),
        }
    }

    fn snapshot(&self) -> GrantSnapshot {
        GrantSnapshot {
            grant: self.grant.clone(),
            tenant: match self.tenant {
                0 => TenantSight::Gone,
                1 => TenantSight::Unreadable,
                _ => TenantSight::Present(self.customer()),
            },
            doors: Vec::new(),
            observed: BTreeMap::new(),
            now: at(self.seconds),
        }
    }

    /// As the CRD lets it be written: once.
    fn write(&mut self, step: &Step) {
        let spec = &mut self.grant.spec;
        let before = spec.clone();
        match step {
            Step::Approve(by) if spec.approval.is_none() && *by != "tanaka" => {
                spec.approval = Some(Answer { by: (*by).into(), at: None, decision: Decision::Approve });
            }
            Step::Deny if spec.approval.is_none() => {
                spec.approval = Some(Answer { by: "sato".into(), at: None, decision: Decision::Deny });
            }
            Step::Second(by) if spec.second_approver.is_none() && *by != "tanaka" && spec.basis == Basis::Terms => {
                spec.second_approver = Some(Signature { by: (*by).into(), ..Signature::default() });
            }
            Step::Revoke => spec.revoked = spec.revoked.take().or(Some(Signature::default())),
            Step::Deleting => self.grant.metadata.deletion_timestamp = Some(Time(at(self.seconds))),
            Step::Clock(seconds) => self.seconds = (self.seconds + seconds).max(BEGIN - 100_000),
            Step::Enabled(enabled) => self.enabled = *enabled,
            Step::Tenant(number) => self.tenant = *number,
            _ => {}
        }
        if self.grant.spec != before {
            self.grant.metadata.generation = self.grant.metadata.generation.map(|generation| generation + 1);
        }
    }

    /// One pass; what it wrote is there afterwards unless it was lost.
    fn pass(&mut self, lost: bool) -> Plan {
        let snapshot = self.snapshot();
        let plan = desired(&snapshot);
        let after = status(&snapshot, &plan, &Applied::default());
        if !lost {
            self.grant.status = Some(after);
        }
        plan
    }
}

/// What has to hold of each pass: by what stood before it.
fn holds(world: &World, before: &AccessGrant, plan: &Plan) {
    let known = before.status.clone().unwrap_or_default();
    let opens = plan.desired.objects().count() > 0;
    let now = at(world.seconds);
    if let Some(state) = known.state.filter(|state| state.over()) {
        assert_eq!((plan.judged.state, opens), (state, false), "an end is for ever");
        assert_eq!(plan.judged.expires_at, known.expires_at.as_ref().map(|at| at.0));
    }
    if let Some(expires_at) = &known.expires_at {
        assert!(plan.judged.expires_at.is_some_and(|now| now <= expires_at.0), "a time became longer: {plan:?}");
    }
    if !opens {
        return;
    }
    let (approved_at, expires_at) = (known.approved_at.expect("written before").0, known.expires_at.expect("too").0);
    let begins = before.spec.not_before.as_ref().map_or(approved_at, |at| at.0.max(approved_at));
    assert!(begins <= now && now < expires_at, "a door outside of its time: {begins} {now} {expires_at}");
    assert!(expires_at.duration_since(begins) <= SignedDuration::from_hours(8));
    for object in plan.desired.objects() {
        assert_eq!(object.body["metadata"]["annotations"]["cloudfarm.dev/expires"], json!(expires_at.to_string()));
        assert_eq!(object.body["metadata"]["labels"]["cloudfarm.dev/grant"], "asked");
    }
    let customer = world.customer();
    assert!(
        world.tenant > 1 && customer.closed.is_none(),
        "nobody knows the tenant, or nobody enters: {}",
        world.tenant
    );
    assert!(before.spec.revoked.is_none() && before.metadata.deletion_timestamp.is_none());
    match before.spec.basis {
        Basis::Consent => {
            let answer = before.spec.approval.as_ref().expect("an answer");
            assert!(answer.decision == Decision::Approve && customer.privileged.contains(&answer.by), "{answer:?}");
        }
        Basis::Terms => assert!(before.spec.second_approver.as_ref().is_some_and(|second| second.by != "tanaka")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_an_end_is_for_ever_no_time_grows_and_no_door_stands_without_consent_or_outside_of_its_time(
        terms in any::<bool>(),
        begins in proptest::option::of(-5000_i64..20_000),
        minutes in 1_i64..480,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(terms, begins, minutes);
        let mut lost = false;
        for step in steps {
            world.write(&step);
            match step {
                Step::Lost => lost = true,
                Step::Pass => {
                    let before = world.grant.clone();
                    let plan = world.pass(std::mem::take(&mut lost));
                    holds(&world, &before, &plan);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_grant_that_is_consented_to_opens_with_the_second_pass_and_ends_by_itself() {
    let mut world = World::new(false, None, 60);
    assert_eq!(world.pass(false).judged.state, GrantState::Requested);
    world.write(&Step::Approve("sato"));
    let first = world.pass(false);
    assert_eq!((first.judged.state, first.desired.objects().count()), (GrantState::Approved, 0), "written down first");
    let second = world.pass(false);
    let kinds: Vec<String> = second.desired.objects().map(|object| object.reference.to_string()).collect();
    assert_eq!(
        kinds,
        ["RoleBinding cf-plum/doors-asked", "Role cf-plum/grant-asked", "RoleBinding cf-plum/grant-asked"]
    );
    assert_eq!(second.judged.next, Some(at(BEGIN + 3600)));
    world.seconds += 3599;
    assert_eq!(world.pass(false).judged.state, GrantState::Active);
    world.seconds += 1;
    assert_eq!(world.pass(false).judged.state, GrantState::Expired);
}

#[test]
fn a_consent_that_came_with_the_request_or_from_the_wrong_person_opens_nothing_and_says_so() {
    let mut world = World::new(false, None, 60);
    world.write(&Step::Approve("sato"));
    world.grant.metadata.generation = Some(1);
    let plan = world.pass(false);
    assert_eq!(plan.judged.state, GrantState::Requested);
    assert!(plan.judged.message.contains("written together with the request"), "{}", plan.judged.message);
    let mut world = World::new(false, None, 60);
    world.write(&Step::Approve("kato"));
    let plan = world.pass(false);
    assert!(plan.judged.message.contains("no enabled PrivilegedAdministrator"), "{}", plan.judged.message);
    // The customer's own people are no staff.
    let mut world = World::new(false, None, 60);
    world.grant.spec.requested_by = "sato".into();
    world.write(&Step::Approve("kato"));
    assert!(world.pass(false).judged.message.contains("one of the Tenant's own administrators"));
}

#[test]
fn a_request_that_nobody_answers_within_a_week_is_over() {
    let mut world = World::new(false, None, 60);
    let waits = world.pass(false);
    assert!(waits.judged.message.contains("kubectl patch accessgrant asked -n cf-plum"), "{}", waits.judged.message);
    assert_eq!(waits.judged.next, Some(at(BEGIN + 7 * 86_400)));
    world.seconds += 7 * 86_400;
    world.write(&Step::Approve("sato"));
    assert_eq!(world.pass(false).judged.state, GrantState::Expired);
}

#[test]
fn a_clock_that_is_behind_what_is_written_opens_nothing_until_it_is_right() {
    let mut world = World::new(false, None, 60);
    world.pass(false);
    world.write(&Step::Approve("sato"));
    world.pass(false);
    assert!(world.pass(false).judged.open);
    world.seconds -= 600;
    let behind = world.pass(false);
    assert!(!behind.judged.open && behind.judged.state == GrantState::Active, "{behind:?}");
    assert_eq!(behind.judged.expires_at, Some(at(BEGIN + 3600)));
    world.seconds += 600;
    assert!(world.pass(false).judged.open);
}
