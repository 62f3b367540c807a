//! Backups by plan over time: the steps of many passes, without a cluster.

use cloudfarm::api::tenant::TenantStatus;
use cloudfarm::cluster::applied::{Cause, Fault};
use cloudfarm::cluster::object::{Claim, DesiredObject};
use cloudfarm::foreign::virtual_machine_snapshot::{Backup, Outcome};
use cloudfarm::tenant::observe::RetentionFact;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 10 o'clock in Japan; the schedule is 02:00.
const MORNING: &str = "2026-11-24T01:00:00Z";

/// What is done to a world.
type Change = fn(&mut TenantSnapshot);

fn plan(more: &Value) -> Value {
    let mut plan = json!({"enabled": true, "schedule": "0 2 * * *", "keepLast": 2});
    plan.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    let mut spec = spec();
    spec["virtualMachines"] = json!([machine("web", &["front"])]);
    spec["backup"] = plan;
    spec["contract"]["capacity"]["snapshots"] = json!(40);
    spec
}

/// A world in which time passes and the operator looks now and then.
struct Life {
    world: TenantSnapshot,
    made: Vec<String>,
}

impl Life {
    fn of(spec: &Value) -> Self {
        let mut world = snapshot(spec);
        world.now = MORNING.parse().expect("an instant");
        world.retention = Some(RetentionFact {
            name: "plum".into(),
            uid: "r".into(),
            tenant: "plum".into(),
            pinned: None,
            held: false,
            ages_backups_out: true,
            purge: None,
            not_before: None,
        });
        let mut life = Self { world, made: Vec::new() };
        life.there("web");
        life
    }

    fn there(&mut self, vm: &str) {
        let vm = seen(Kind::VirtualMachine, vm, "Tenant/plum", running(Attached::default()));
        self.world.observed.insert(vm.reference.clone(), vm);
    }

    fn wait(&mut self, hours: i64) {
        self.world.now = self.world.now.checked_add(SignedDuration::from_hours(hours)).expect("an instant");
    }

    /// One pass: what is made appears, marks are written, the status is remembered. Returns what was made.
    fn look(&mut self) -> Vec<String> {
        let plan = desired(&self.world);
        let is_backup = |object: &&DesiredObject| object.reference.kind == Kind::VirtualMachineSnapshot;
        let objects: Vec<DesiredObject> = plan.desired.objects().filter(is_backup).cloned().collect();
        let mut applied = Applied::default();
        for object in &objects {
            let found = object.reference.kind.observe(with_uid(&object.body)).expect("a snapshot");
            self.world.observed.insert(found.reference.clone(), found.clone());
            applied.observed.insert(found.reference.clone(), found);
        }
        for claim in &plan.desired.claims {
            self.mark(claim);
        }
        self.world.tenant.status = Some(status(&self.world, &plan, &applied));
        let names: Vec<String> = objects.into_iter().map(|object| object.reference.name).collect();
        self.made.extend(names.clone());
        names
    }

    /// One pass in which the API server refuses every backup with these words.
    fn look_refused(&mut self, message: &str) {
        let plan = desired(&self.world);
        let backups = plan.desired.objects().filter(|object| object.reference.kind == Kind::VirtualMachineSnapshot);
        let faults = backups.map(|object| Fault {
            reference: object.reference.clone(),
            cause: Cause::Refused,
            message: message.into(),
        });
        let applied = Applied { faults: faults.collect(), ..Applied::default() };
        self.world.tenant.status = Some(status(&self.world, &plan, &applied));
    }

    fn mark(&mut self, claim: &Claim) {
        let marked = claim.fields["metadata"]["labels"]["cloudfarm.dev/disposable"] == "true";
        let found = self.world.observed.get_mut(&claim.on.reference).expect("what was seen");
        if let Facts::Backup(backup) = &mut found.facts {
            backup.disposable = marked;
        }
    }

    fn end(&mut self, name: &str, outcome: Outcome, quiesced: bool) {
        let found = self.world.observed.values_mut().find(|seen| seen.reference.name == name).expect("a snapshot");
        let Facts::Backup(backup) = &mut found.facts else { panic!("{found:?}") };
        backup.outcome = outcome;
        backup.quiesced = quiesced;
    }

    /// One night: the operator looks at the due time, and the snapshot ends so.
    fn night(&mut self, outcome: &Outcome) {
        self.wait(24);
        for name in self.look() {
            self.end(&name, outcome.clone(), true);
        }
        self.look();
    }

    fn backups(&self) -> Vec<(String, Backup)> {
        let all = self.world.observed.values().filter_map(|seen| match &seen.facts {
            Facts::Backup(backup) => Some((seen.reference.name.clone(), backup.clone())),
            _ => None,
        });
        all.collect()
    }

    fn marked(&self) -> Vec<String> {
        self.backups().into_iter().filter(|(_, backup)| backup.disposable).map(|(name, _)| name).collect()
    }

    fn status(&self) -> &TenantStatus {
        self.world.tenant.status.as_ref().expect("a status")
    }

    fn says(&self) -> (String, String) {
        let conditions = &self.status().conditions;
        let found = conditions.iter().find(|each| each.type_ == "BackupsCurrent").expect("the condition");
        (found.status.clone(), found.message.clone())
    }
}

fn with_uid(body: &Value) -> Value {
    let mut body = body.clone();
    body["metadata"]["uid"] = json!(format!("uid-of-{}", body["metadata"]["name"].as_str().expect("a name")));
    body["metadata"]["resourceVersion"] = json!("5");
    body
}

#[test]
fn a_backup_is_made_at_its_time_in_japan_once_and_not_before_the_vm_was_seen() {
    let mut life = Life::of(&plan(&json!({})));
    assert!(life.look().is_empty(), "02:00 of today was before anybody asked");
    assert_eq!(life.says().0, "Unknown", "{}", life.says().1);
    life.wait(15);
    assert!(life.look().is_empty(), "01:00");
    life.wait(1);
    assert_eq!(life.look(), ["web-20261125t0200"]);
    for hours in [0, 1, 22] {
        life.wait(hours);
        assert!(life.look().is_empty(), "one is enough for one time");
    }
    life.wait(1);
    assert_eq!(life.look(), ["web-20261126t0200"]);
}

#[test]
fn a_snapshot_says_what_it_is_of_whose_it_is_and_for_which_time() {
    let mut spec = plan(&json!({}));
    spec["classification"] = json!({"default": "internal", "levels": [{"name": "internal"}]});
    let mut life = Life::of(&spec);
    life.look();
    life.wait(24);
    let planned = desired(&life.world);
    let object = planned.desired.objects().find(|object| object.reference.kind == Kind::VirtualMachineSnapshot);
    let body = &object.expect("a snapshot").body;
    assert_eq!(body["spec"]["source"], json!({"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}));
    assert_eq!(body["spec"]["deletionPolicy"], "Delete");
    assert_eq!(body["metadata"]["annotations"]["cloudfarm.dev/due"], "2026-11-24T17:00:00Z");
    let labels = &body["metadata"]["labels"];
    assert_eq!(labels["cloudfarm.dev/classification"], "internal");
    assert_eq!((&labels["cloudfarm.dev/tenant"], &labels["cloudfarm.dev/backup"]), (&json!("plum"), &json!("plan")));
}

#[test]
fn after_days_without_a_look_one_backup_is_made_and_not_one_for_each_day() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    life.wait(24 * 9);
    assert_eq!(life.look(), ["web-20261203t0200"]);
}

#[test]
fn a_snapshot_that_somebody_erased_is_not_made_again_for_the_same_time() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    life.night(&Outcome::Ready);
    life.world.observed.retain(|reference, _| reference.kind != Kind::VirtualMachineSnapshot);
    assert!(life.look().is_empty());
    assert_eq!(life.says().0, "Unknown", "what is not there is no backup: {}", life.says().1);
}

#[test]
fn one_bad_night_is_not_known_to_be_harmless_and_two_are_a_failure_until_a_good_one() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    life.night(&Outcome::Ready);
    assert_eq!(life.says().0, "True", "{}", life.says().1);
    life.night(&Outcome::Failed("no room on the pool".into()));
    assert_eq!(life.says().0, "Unknown");
    life.night(&Outcome::Failed("no room on the pool".into()));
    let (status, message) = life.says();
    assert_eq!(status, "False");
    assert!(message.contains("web") && message.contains("no room on the pool"), "{message}");
    assert!(message.contains("2026-11-25T02:00:00+09:00"), "the last good one: {message}");
    assert_eq!(life.status().backups[0].failures, 2);
    life.night(&Outcome::Ready);
    assert_eq!((life.says().0.as_str(), life.status().backups[0].failures), ("True", 0));
}

#[test]
fn what_is_under_way_is_waited_for_an_hour_and_then_counts() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    life.night(&Outcome::Ready);
    life.wait(16);
    life.look();
    assert_eq!(life.says().0, "True", "02:00, and nothing has happened yet");
    let planned = desired(&life.world);
    let again = planned.next_change(&life.world).expect("an instant");
    assert_eq!(again.to_string(), "2026-11-25T18:00:00Z", "it is looked at when the hour is over");
    life.world.now = again;
    life.look();
    assert_eq!(life.says().0, "Unknown", "{}", life.says().1);
}

#[test]
fn required_rest_makes_a_hasty_copy_a_failure_and_best_effort_does_not() {
    for (quiesce, status) in [("Required", "Unknown"), ("BestEffort", "True")] {
        let mut life = Life::of(&plan(&json!({"quiesce": quiesce})));
        life.look();
        life.wait(24);
        let name = life.look().remove(0);
        life.end(&name, Outcome::Ready, false);
        life.look();
        assert_eq!(life.says().0, status, "{quiesce}: {}", life.says().1);
        let row = &life.status().backups[0];
        assert_eq!((row.failures, row.quiesced), if quiesce == "Required" { (1, None) } else { (0, Some(false)) });
    }
}

#[test]
fn only_what_is_older_than_the_good_ones_that_are_kept_is_marked_and_never_in_doubt() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    for outcome in [Outcome::Ready, Outcome::Ready, Outcome::Failed(String::new()), Outcome::Ready] {
        life.night(&outcome);
    }
    // Two good ones are kept; the bad one between them is of no use.
    assert_eq!(life.marked(), ["web-20261125t0200", "web-20261127t0200"]);

    let doubts: [(&str, Change); 5] = [
        ("a hold", |world| world.retention.as_mut().expect("one").held = true),
        ("no rule", |world| world.retention.as_mut().expect("one").ages_backups_out = false),
        ("no Retention", |world| world.retention = None),
        ("a hold by hand", |world| {
            let facts = Facts::Namespace { terminating: false, hold: Some(String::new()), approved: None };
            let mut namespace = seen(Kind::Namespace, "cf-plum", "Tenant/plum", facts);
            namespace.reference.namespace = None;
            world.observed.insert(namespace.reference.clone(), namespace);
        }),
        ("the grace days", |world| world.tenant.spec.contract.end_date = Some("2026-11-25".into())),
    ];
    for (doubt, change) in doubts {
        let mut life = Life { world: life.world.clone(), made: Vec::new() };
        change(&mut life.world);
        life.look();
        assert!(life.marked().is_empty(), "{doubt}: {:?}", life.marked());
    }
    let mut wider = life.world.clone();
    wider.tenant.spec.backup.as_mut().expect("a plan").keep_last = 9;
    let mut life = Life { world: wider, made: Vec::new() };
    life.look();
    assert_eq!(life.marked(), ["web-20261127t0200"], "more good ones are kept now");
}

/// Else they fill the contract's room, and nothing is made any more even after the cause is mended.
#[test]
fn failed_ones_are_marked_whatever_the_count_of_good_ones_and_the_newest_only_where_it_takes_the_last_room() {
    let mut spec = plan(&json!({}));
    spec["contract"]["capacity"]["snapshots"] = json!(3);
    let mut life = Life::of(&spec);
    life.look();
    for _ in 0..3 {
        life.night(&Outcome::Failed("deadline".into()));
    }
    assert_eq!(life.marked(), ["web-20261125t0200", "web-20261126t0200"], "the newest tells why");
    life.night(&Outcome::Ready);
    assert_eq!(life.made.len(), 3, "no room");
    assert_eq!(life.marked(), ["web-20261125t0200", "web-20261126t0200", "web-20261127t0200"]);
    life.world.retention.as_mut().expect("one").held = true;
    life.look();
    assert!(life.marked().is_empty(), "a hold");
}

/// They hold something, so as many of them are kept as of good ones, and no more.
#[test]
fn copies_that_hold_something_and_are_not_good_do_not_pile_up() {
    let partial = Outcome::Partial("a disk is not in it".into());
    for (quiesce, outcome, at_rest) in [("BestEffort", partial, true), ("Required", Outcome::Ready, false)] {
        let mut life = Life::of(&plan(&json!({"quiesce": quiesce})));
        life.look();
        for _ in 0..3 {
            life.wait(24);
            for name in life.look() {
                life.end(&name, outcome.clone(), at_rest);
            }
            life.look();
        }
        assert_eq!(life.marked(), ["web-20261125t0200"], "{quiesce}");
        assert_eq!(life.status().backups[0].failures, 3, "{quiesce}");
    }
}

#[test]
fn what_is_not_there_or_not_ours_or_under_way_is_neither_backed_up_nor_a_backup() {
    for change in [|vm: &mut Observation| vm.ours = false, |vm: &mut Observation| vm.deleting = true] {
        let mut life = Life::of(&plan(&json!({})));
        life.look();
        life.world.observed.values_mut().for_each(change);
        life.wait(24);
        assert!(life.look().is_empty());
    }
    let mut life = Life::of(&plan(&json!({"keepLast": 1})));
    life.look();
    for outcome in [Outcome::Pending, Outcome::Ready, Outcome::Ready] {
        life.night(&outcome);
    }
    assert_eq!(life.marked(), ["web-20261126t0200"], "one that may still become good is not marked");
    let going = life.world.observed.values_mut().find(|seen| seen.reference.name == "web-20261127t0200");
    going.expect("the newest").deleting = true;
    life.look();
    assert_eq!(life.status().backups[0].snapshot.as_deref(), Some("web-20261126t0200"), "one that goes is no backup");
}

#[test]
fn a_backup_under_way_is_waited_for_until_the_next_is_due_at_most() {
    let mut life = Life::of(&plan(&json!({"schedule": "*/30 * * * *"})));
    life.look();
    life.world.now = "2026-11-24T01:30:00Z".parse().expect("an instant");
    for name in life.look() {
        life.end(&name, Outcome::Ready, true);
    }
    life.world.now = "2026-11-24T02:00:00Z".parse().expect("an instant");
    assert_eq!(life.look().len(), 1);
    life.look();
    assert_eq!(life.says().0, "True", "{}", life.says().1);
    life.world.now = "2026-11-24T02:30:00Z".parse().expect("an instant");
    life.look();
    assert_eq!(life.says().0, "Unknown", "{}", life.says().1);
}

#[test]
fn a_clock_that_ran_ahead_once_neither_stops_backups_nor_passes_for_one() {
    let mut life = Life::of(&plan(&json!({"keepLast": 1})));
    let right = life.world.now;
    // The first look of all was in another year, and so was a backup.
    life.wait(24 * 400);
    life.look();
    life.wait(24);
    let ahead = life.look().remove(0);
    life.end(&ahead, Outcome::Ready, true);
    life.look();
    life.world.now = right;
    life.look();
    assert_eq!(life.status().backups[0].last_success, None);
    for night in 0..3 {
        life.night(&Outcome::Ready);
        let (status, message) = life.says();
        assert_eq!((life.made.len(), status.as_str()), (2 + night, "True"), "{message}");
        assert!(message.contains(&ahead) && message.contains("a clock"), "{message}");
    }
    let row = life.status().backups[0].clone();
    assert!(row.since.0 <= life.world.now && row.last_due.expect("a time").0 <= life.world.now);
    assert_eq!(life.marked(), ["web-20261125t0200", "web-20261126t0200"], "{ahead} counts for nothing and is kept");
}

#[test]
fn what_stands_in_the_way_of_a_backup_that_was_not_made_is_told() {
    let mut life = Life::of(&plan(&json!({})));
    life.look();
    for _ in 0..2 {
        life.wait(26);
        life.look_refused(
            "exceeded quota: cloudfarm, requested: count/virtualmachinesnapshots=1, used: 40, limited: 40",
        );
    }
    let (status, message) = life.says();
    assert!(status == "False" && message.contains("exceeded quota") && message.contains("limited: 40"), "{message}");
}

#[test]
fn a_plan_that_changes_counts_from_the_day_on_which_it_did() {
    let changes: [(&str, Change); 2] = [
        ("its schedule", |world| world.tenant.spec.backup.as_mut().expect("a plan").schedule = "0 2 * * *".into()),
        ("its method", |world| world.tenant.spec.virtual_machines[0].backup = None),
    ];
    for (change, change_it) in changes {
        let mut spec = plan(&json!({"schedule": "0 2 1 * *"}));
        if change == "its method" {
            spec["backup"]["schedule"] = json!("0 2 * * *");
            let velero = json!({"enabled": true, "schedule": "0 2 * * *", "keepLast": 2, "method": "VeleroCSI"});
            spec["virtualMachines"][0]["backup"] = velero;
        }
        let mut life = Life::of(&spec);
        life.look();
        life.wait(24 * 12);
        for name in life.look() {
            life.end(&name, Outcome::Ready, true);
        }
        let before = life.made.len();
        change_it(&mut life.world);
        assert!(life.look().is_empty(), "{change}: times before it do not count");
        assert_ne!(life.says().0, "False", "{change}: {}", life.says().1);
        life.night(&Outcome::Ready);
        assert_eq!((life.made.len(), life.says().0.as_str()), (before + 1, "True"), "{change}");
    }
}

#[test]
fn a_plan_that_cannot_be_followed_says_why_and_makes_nothing() {
    let cases: [(&str, Change); 5] = [
        ("never comes", |world| world.tenant.spec.backup.as_mut().expect("a plan").schedule = "0 2 31 2 *".into()),
        ("five cron fields", |world| world.tenant.spec.backup.as_mut().expect("a plan").schedule = "0 2 * * 7".into()),
        ("VirtualMachineSnapshot", |world| world.neighbours.snapshots = false),
        ("leaves no room", |world| world.tenant.spec.contract.capacity.snapshots = 0),
        ("was not made", |world| world.observed.clear()),
    ];
    for (told, change) in cases {
        let mut life = Life::of(&plan(&json!({})));
        life.look();
        change(&mut life.world);
        for _ in 0..3 {
            life.night(&Outcome::Ready);
        }
        let (status, message) = life.says();
        assert!(life.made.is_empty() && status == "False" && message.contains(told), "{told}: {status} {message}");
    }
}

#[test]
fn a_vm_has_its_own_plan_or_none_and_its_plan_counts_from_the_day_it_is_on() {
    let mut spec = plan(&json!({}));
    spec["virtualMachines"] = json!([machine("web", &["front"]), machine("app", &["front"])]);
    spec["virtualMachines"][1]["backup"] = json!({"enabled": false, "schedule": "0 2 * * *", "keepLast": 2});
    let mut life = Life::of(&spec);
    life.there("app");
    life.look();
    life.wait(24);
    assert_eq!(life.look(), ["web-20261125t0200"]);
    life.world.tenant.spec.virtual_machines[1].backup = None;
    assert!(life.look().is_empty());
    life.wait(24);
    assert_eq!(life.look(), ["app-20261126t0200", "web-20261126t0200"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Looks at random times, snapshots that end at random: never two for one time, never more than the schedule has
    /// times, the newest good ones never marked, and False exactly after two times without a good one.
    #[test]
    fn random_lives_keep_the_promise_or_say_so(
        keep in 1_i64..4, steps in proptest::collection::vec((1_i64..40, 0_u8..5), 1..60)
    ) {
        let mut life = Life::of(&plan(&json!({"keepLast": keep})));
        life.look();
        let began: Timestamp = MORNING.parse().expect("an instant");
        for (hours, fate) in steps {
            life.wait(hours);
            for name in life.look() {
                let outcome = match fate { 0 => Outcome::Failed("x".into()), 1 => Outcome::Pending, _ => Outcome::Ready };
                life.end(&name, outcome, true);
            }
            life.look();
            let mut names = life.made.clone();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), life.made.len(), "twice for one time");
            let mut good: Vec<Backup> =
                life.backups().into_iter().map(|(_, backup)| backup).filter(|each| each.outcome == Outcome::Ready).collect();
            good.sort_by_key(|backup| std::cmp::Reverse(backup.due));
            let kept = usize::try_from(keep).expect("small");
            prop_assert!(good.iter().take(kept).all(|backup| !backup.disposable), "a good one that is kept is marked");
            prop_assert!(good.iter().skip(kept).all(|backup| backup.disposable), "one too many is not marked");
            // Daily at 17:00 UTC, so the model counts days.
            let day = |at: Timestamp| (at.as_second() - 17 * 3600).div_euclid(86_400);
            let newest = good.first().map_or_else(|| day(began), |backup| day(backup.due));
            let today = day(life.world.now);
            let fresh = life.world.now.as_second() - 17 * 3600 - today * 86_400 < 3600;
            let done = life.backups().iter().any(|(_, it)| day(it.due) == today && it.outcome != Outcome::Pending);
            let missed = today - newest - i64::from(fresh && !done && today > newest);
            prop_assert_eq!(life.says().0 == "False", missed >= 2, "{} missed: {}", missed, life.says().1);
        }
    }
}
