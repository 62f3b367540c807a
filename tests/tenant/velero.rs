//! Backups by Velero, without a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudfarm::foreign::velero::Backup;
use cloudfarm::foreign::virtual_machine_snapshot::Outcome;
use cloudfarm::tenant::observe::RetentionFact;
use serde_json::{Value, json};

use super::*;

/// 10 o'clock in Japan; the schedule is 02:00.
const MORNING: &str = "2026-11-24T01:00:00Z";

/// A tenant whose Schedule Velero has, in a cluster whose location says this country.
fn world(plan: &Value, country: Option<&str>) -> TenantSnapshot {
    let mut spec = spec();
    spec["backup"] = json!({"enabled": true, "method": "VeleroCSI", "schedule": "0 2 * * *"});
    spec["backup"].as_object_mut().expect("a map").extend(plan.as_object().expect("a map").clone());
    spec["residency"]["backupLocation"] = json!("s3-jp");
    let mut world = snapshot(&spec);
    world.now = MORNING.parse().expect("an instant");
    let locations = BTreeMap::from([("velero/s3-jp".to_owned(), country.map(str::to_owned))]);
    world.places = Arc::new(Places { backup_locations: Some(locations), ..Places::clone(&world.places) });
    let there = seen(Kind::Schedule, "cf-plum", "Tenant/plum", Facts::Schedule { refused: None });
    let reference = Reference { namespace: Some("velero".into()), ..there.reference.clone() };
    world.observed.insert(reference.clone(), Observation { reference, ..there });
    world
}

/// Is the Schedule wanted, and if not, does it stay? And what is said.
fn judged(world: &TenantSnapshot) -> (bool, bool, String, String) {
    let plan = desired(world);
    let wanted = plan.desired.objects().any(|object| object.reference.kind == Kind::Schedule);
    let kept = plan.desired.keep.iter().any(|reference| reference.kind == Kind::Schedule);
    let status = status(world, &plan, &Applied::default());
    let found = status.conditions.iter().find(|each| each.type_ == "BackupsCurrent").expect("the condition");
    (wanted, kept, found.status.clone(), found.message.clone())
}

#[test]
fn a_schedule_goes_when_it_is_known_to_be_wrong_and_stays_while_nobody_knows() {
    let jp = Some("JP");
    assert!(matches!(judged(&world(&json!({}), jp)), (true, false, ..)));
    for (plan, country, stays, told) in [
        (json!({}), Some("SG"), false, "its label says SG"),
        (json!({}), None, true, "it has no label cloudfarm.dev/country=JP"),
        (json!({"schedule": "every night"}), jp, true, "is not five cron fields"),
        (json!({"quiesce": "Required"}), jp, true, "quiesce Required cannot be seen"),
    ] {
        let (wanted, kept, status, said) = judged(&world(&plan, country));
        assert_eq!((wanted, kept, status.as_str()), (false, stays, "False"), "{plan} {said}");
        assert!(said.contains(told), "{said}");
    }
    let mut nowhere = world(&json!({}), jp);
    nowhere.tenant.spec.residency.backup_location = None;
    assert!(matches!(judged(&nowhere), (false, true, _, said) if said.contains("needs spec.residency.backupLocation")));
    for (plan, end) in [(json!({"enabled": false}), None), (json!({}), Some("2026-06-30"))] {
        let mut over = world(&plan, jp);
        over.tenant.spec.contract.end_date = end.map(str::to_owned);
        assert!(matches!(judged(&over), (false, false, ..)), "{plan} {end:?}");
    }
}

#[test]
fn what_velero_makes_counts_by_the_plans_times_and_a_hold_says_what_it_does_not_reach() {
    let mut world = world(&json!({}), Some("JP"));
    world.tenant.status = Some(status(&world, &desired(&world), &Applied::default()));
    let made = |begun: &str, outcome: Outcome| Backup {
        tenant: "plum".into(),
        begun: begun.parse().expect("an instant"),
        outcome,
        deleting: false,
    };
    world.now = "2026-11-25T02:00:00Z".parse().expect("an instant");
    let first = made("2026-11-24T17:00:04Z", Outcome::Ready);
    world.velero = Some(BTreeMap::from([("velero/one".to_owned(), Arc::new(first))]));
    world.retention = Some(RetentionFact {
        name: "plum".into(),
        uid: "r".into(),
        tenant: "plum".into(),
        pinned: None,
        held: true,
        ages_backups_out: false,
        purge: None,
        not_before: None,
    });
    let (.., status, said) = judged(&world);
    assert!(status == "True" && said.contains("the legal hold does not reach what Velero has made"), "{said}");

    // Carrying a day's data away may take its hours, and no more.
    world.now = "2026-11-25T23:00:00Z".parse().expect("an instant");
    assert_eq!(judged(&world).2, "True", "{}", judged(&world).3);
    world.now = "2026-11-26T01:00:00Z".parse().expect("an instant");
    let (.., status, said) = judged(&world);
    assert!(status == "Unknown" && said.contains("all VMs, by Velero: no good backup of"), "{status} {said}");
}

#[test]
fn a_vm_without_a_plan_of_its_own_has_no_snapshots_beside_and_one_cannot_have_velero_for_itself() {
    let mut world = world(&json!({}), Some("JP"));
    world.now = "2026-11-24T17:00:00Z".parse().expect("an instant");
    let plan = desired(&world);
    let snapshots = plan.desired.objects().filter(|object| object.reference.kind == Kind::VirtualMachineSnapshot);
    assert_eq!(snapshots.count(), 0);
    let own = json!({"enabled": true, "method": "VeleroCSI"});
    world.tenant.spec.virtual_machines[0].backup = Some(serde_json::from_value(own).expect("a plan"));
    assert!(judged(&world).3.contains("web: method VeleroCSI is for all VMs of a tenant"), "{}", judged(&world).3);
}
