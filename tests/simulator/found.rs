//! Faults that the simulator found, each as the shortest story that shows it.

use std::cell::RefCell;
use std::rc::Rc;

use cloudfarm::api::home;
use cloudfarm::api::retention::RetentionPhase;
use k8s_openapi::jiff::SignedDuration;

use crate::eyes::{Eyes, Fault, Runs};
use crate::interleavings::{CALLS, PEAR, PLUM, tonight, uid};
use crate::operator;
use crate::people::{Deed, apply, asked, day, free};
use crate::world::{Cluster, phase};

type Shared = Rc<RefCell<Cluster>>;

fn evening() -> Shared {
    Rc::new(RefCell::new(tonight(true)))
}

fn run(cluster: &Shared, tenant: &str, fault: Option<(usize, Fault)>) {
    operator::pass(&mut cluster.borrow_mut(), tenant);
    let eyes = [Eyes::new(cluster.clone(), asked(tenant, &uid(cluster, tenant)), fault)];
    Runs::of(&eyes).finish();
    operator::pass(&mut cluster.borrow_mut(), tenant);
}

fn wait(cluster: &Shared, days: i64) {
    cluster.borrow_mut().now += SignedDuration::from_hours(24 * days);
}

fn is_purged(cluster: &Shared, tenant: &str) -> bool {
    phase(&cluster.borrow().retentions[tenant]) == Some(RetentionPhase::Purged)
}

fn nothing_wrong(cluster: &Shared, case: &str) {
    let cluster = cluster.borrow();
    assert_eq!(cluster.breaches, [""; 0], "{case}\n{}", cluster.log.join("\n"));
}

/// A leader that was paused went on with what it knew, and took back that a purge had begun or was certified.
#[test]
fn a_run_that_lost_its_turn_at_any_call_takes_nothing_back() {
    let ready = tonight(true);
    let plum = uid(&Rc::new(RefCell::new(ready.clone())), PLUM);
    for paused_at in 0..CALLS {
        let cluster = Rc::new(RefCell::new(ready.clone()));
        let eyes = [0, 1].map(|_| Eyes::new(cluster.clone(), asked(PLUM, &plum), None));
        let mut runs = Runs::of(&eyes);
        (0..paused_at).for_each(|_| runs.step(0));
        while runs.runs.contains_key(&1) {
            runs.step(1);
        }
        runs.finish();
        operator::pass(&mut cluster.borrow_mut(), PLUM);
        run(&cluster, PLUM, None);
        cluster.borrow_mut().check_chain();
        nothing_wrong(&cluster, &format!("paused at {paused_at}"));
        assert!(is_purged(&cluster, PLUM), "paused at {paused_at}");
    }
}

/// Two runs at once, and one wrote while the other said its last word: that was lost, and the run ended in an error.
#[test]
fn two_runs_at_once_in_whatever_order_both_have_their_last_word() {
    let ready = tonight(true);
    let plum = uid(&Rc::new(RefCell::new(ready.clone())), PLUM);
    for ahead in 0..CALLS {
        for (one, other) in [(1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 5), (5, 2)] {
            let cluster = Rc::new(RefCell::new(ready.clone()));
            let eyes = [0, 1].map(|_| Eyes::new(cluster.clone(), asked(PLUM, &plum), None));
            let mut runs = Runs::of(&eyes);
            (0..ahead).for_each(|_| runs.step(0));
            while !runs.runs.is_empty() {
                (0..one).for_each(|_| runs.step(0));
                (0..other).for_each(|_| runs.step(1));
            }
            let case = format!("{ahead} calls ahead, then {one} to {other}");
            nothing_wrong(&cluster, &case);
            let log = &cluster.borrow().log;
            assert!(!log.iter().any(|line| line.contains("ended: lost")), "{case}\n{}", log.join("\n"));
        }
    }
}

/// A run died between certificate and status, another tenant's certificate followed, and the first was signed anew: the
/// one that the other had named was gone.
#[test]
fn a_crash_at_any_call_and_another_tenants_purge_after_it_leave_one_unbroken_chain() {
    let ready = tonight(true);
    for fault in [Fault::KilledAfter, Fault::LostAfter] {
        for at in 0..CALLS {
            let cluster = Rc::new(RefCell::new(ready.clone()));
            run(&cluster, PLUM, Some((at, fault)));
            run(&cluster, PEAR, None);
            wait(&cluster, 1);
            run(&cluster, PLUM, None);
            wait(&cluster, 1);
            run(&cluster, PLUM, None);
            cluster.borrow_mut().check_chain();
            nothing_wrong(&cluster, &format!("{fault:?} at {at}"));
            assert!(is_purged(&cluster, PLUM) && is_purged(&cluster, PEAR), "{fault:?} at {at}");
        }
    }
}

/// A backup brought back the time before the purge; its second certificate took the place of the first.
#[test]
fn a_retention_that_is_restored_after_its_purge_makes_no_second_certificate() {
    let cluster = evening();
    let saved = cluster.borrow().retentions[PLUM].clone();
    let book = cluster.borrow().books[&uid(&cluster, PLUM)].clone();
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Vanish);
    run(&cluster, PLUM, None);
    run(&cluster, PEAR, None);
    cluster.borrow_mut().restore(PLUM, saved);
    let mut book = book;
    book.says = None;
    let era = uid(&cluster, PLUM);
    cluster.borrow_mut().books.insert(era, book);
    for _ in 0..4 {
        wait(&cluster, 1);
        run(&cluster, PLUM, None);
    }
    cluster.borrow_mut().check_chain();
    nothing_wrong(&cluster, "restored");
}

/// The time of a record ended while a purge waited for a finalizer; it was in no plan and kept the purge from its end.
#[test]
fn a_record_whose_time_ends_during_a_purge_does_not_keep_it_from_its_end() {
    let cluster = evening();
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Stuck);
    run(&cluster, PLUM, None);
    assert!(!is_purged(&cluster, PLUM));
    wait(&cluster, 400);
    free(&mut cluster.borrow_mut(), PLUM);
    run(&cluster, PLUM, None);
    nothing_wrong(&cluster, "a record");
    assert!(is_purged(&cluster, PLUM));
}

/// With records whose time ended day by day, each preview differed from the one before, and no purge ever began.
#[test]
fn records_whose_time_ends_day_by_day_do_not_put_a_purge_off() {
    let cluster = evening();
    let era = uid(&cluster, PLUM);
    for days in 0..90 {
        let mut cluster = cluster.borrow_mut();
        let until = cluster.now + SignedDuration::from_hours(24 * days - 60);
        let name = format!("record-{days}");
        let record = cluster.objects.make(&era, "configmaps", Some(&home::derived_namespace(PLUM)), &name);
        cluster.objects.get(&record).kept_until = Some(until);
    }
    for _ in 0..3 {
        run(&cluster, PLUM, None);
        wait(&cluster, 1);
    }
    nothing_wrong(&cluster, "records");
    assert!(is_purged(&cluster, PLUM));
}

/// Its approval was taken from the namespace that keeps records, and the next tenant of this name pinned it as its own.
#[test]
fn records_of_an_erased_tenant_are_no_later_namesakes_own() {
    let cluster = evening();
    run(&cluster, PLUM, None);
    assert!(is_purged(&cluster, PLUM));
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Vanish);
    operator::pass(&mut cluster.borrow_mut(), PLUM);
    let now = cluster.borrow().now;
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Declare(Some(day(now, -90))));
    for _ in 0..4 {
        operator::pass(&mut cluster.borrow_mut(), PLUM);
        let jobs = cluster.borrow().jobs.clone();
        for (name, job) in jobs {
            let eyes = [Eyes::new(cluster.clone(), asked(&name, &job.uid), None)];
            Runs::of(&eyes).finish();
        }
        wait(&cluster, 1);
    }
    nothing_wrong(&cluster, "a namesake");
    let kept = cluster.borrow().objects.all.values().any(|object| object.name == "record");
    assert!(kept, "the record of the earlier tenant");
}

/// A Tenant that could not be read left its Retention saying that everything was in order, for years.
#[test]
fn a_purge_that_stops_at_an_unreadable_tenant_says_so() {
    let cluster = evening();
    run(&cluster, PLUM, Some((25, Fault::KilledAfter)));
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Garble);
    wait(&cluster, 3);
    operator::pass(&mut cluster.borrow_mut(), PLUM);
    nothing_wrong(&cluster, "unreadable");
}

/// The customer asked to be erased sooner and the Tenant went while that was done: the rest stayed behind for ever.
#[test]
fn an_early_erasure_that_has_begun_is_finished_when_its_tenant_goes() {
    let start = "2026-06-01T00:00:00Z".parse().expect("an instant");
    let cluster = Rc::new(RefCell::new(Cluster::new(start, true)));
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Declare(Some(day(start, 1))));
    operator::pass(&mut cluster.borrow_mut(), PLUM);
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Wish("sato"));
    operator::pass(&mut cluster.borrow_mut(), PLUM);
    wait(&cluster, 2);
    run(&cluster, PLUM, None);
    wait(&cluster, 1);
    run(&cluster, PLUM, None);
    wait(&cluster, 1);
    run(&cluster, PLUM, Some((40, Fault::KilledAfter)));
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::Vanish);
    for _ in 0..3 {
        wait(&cluster, 1);
        run(&cluster, PLUM, None);
    }
    nothing_wrong(&cluster, "early");
    assert!(cluster.borrow().books[&uid(&cluster, PLUM)].begun, "{}", cluster.borrow().log.join("\n"));
    assert!(is_purged(&cluster, PLUM));
}

/// A disk that came after the plan was made went with its namespace, in no plan and in no certificate.
#[test]
fn a_disk_that_comes_after_the_plan_stops_the_purge_before_its_namespace() {
    let cluster = evening();
    let eyes = [Eyes::new(cluster.clone(), asked(PLUM, &uid(&cluster, PLUM)), None)];
    let mut runs = Runs::of(&eyes);
    (0..20).for_each(|_| runs.step(0));
    apply(&mut cluster.borrow_mut(), PLUM, &Deed::NewDisk(true));
    runs.finish();
    nothing_wrong(&cluster, "a disk");
    assert!(!is_purged(&cluster, PLUM));
    assert!(cluster.borrow().objects.all.values().any(|object| object.name.starts_with("disk-")));
    assert!(cluster.borrow().log.iter().any(|line| line.contains("came after the plan")));
}

/// Not a fault that was found: four things keep what is held, so that leaving one out shows in nothing but the reason.
#[test]
fn a_run_under_a_hold_names_the_hold_and_nothing_behind_it() {
    for hold in [Deed::Hold(true), Deed::HoldNamespace(true)] {
        let cluster = evening();
        apply(&mut cluster.borrow_mut(), PLUM, &hold);
        run(&cluster, PLUM, None);
        nothing_wrong(&cluster, "held");
        assert!(cluster.borrow().log.iter().any(|line| line.contains("Refused HoldPlaced")), "{hold:?}");
    }
}

/// Likewise: another object under the name of a planned one is another object.
#[test]
fn what_is_made_anew_under_a_planned_name_is_not_deleted_by_that_name() {
    let ready = tonight(true);
    for at in 0..40 {
        let cluster = Rc::new(RefCell::new(ready.clone()));
        let eyes = [Eyes::new(cluster.clone(), asked(PLUM, &uid(&cluster, PLUM)), None)];
        let mut runs = Runs::of(&eyes);
        (0..at).for_each(|_| runs.step(0));
        for _ in 0..3 {
            apply(&mut cluster.borrow_mut(), PLUM, &Deed::Again);
        }
        runs.finish();
        nothing_wrong(&cluster, &format!("made anew at {at}"));
    }
}

/// Likewise: what somebody wrote into a stored plan is not erased.
#[test]
fn what_was_written_into_a_stored_plan_stops_the_purge() {
    let ready = tonight(true);
    for at in 0..40 {
        let cluster = Rc::new(RefCell::new(ready.clone()));
        run(&cluster, PLUM, Some((at, Fault::KilledAfter)));
        apply(&mut cluster.borrow_mut(), PLUM, &Deed::Tamper);
        wait(&cluster, 1);
        run(&cluster, PLUM, None);
        nothing_wrong(&cluster, &format!("a plan that was changed after call {at}"));
    }
}
