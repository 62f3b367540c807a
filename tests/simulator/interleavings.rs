//! Every order in which two purgers' calls, a person's hold and release, a change of the contract, the operator's passes
//! and a crash can follow each other, for two tenants with few objects.
//!
//! A run makes some 60 calls; where one thing is put between two of them, everything is played anew from the same
//! start. With up to three things in each order, all places are tried for the first and the second and third follow at
//! every distance up to a bound.

use std::cell::RefCell;
use std::rc::Rc;

use cloudfarm::api::retention::RetentionPhase;
use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;

use crate::eyes::{Eyes, Fault, Runs};
use crate::operator;
use crate::people::{Deed, apply, asked, day};
use crate::world::{Cluster, phase};

pub const PLUM: &str = "plum";
pub const PEAR: &str = "pear";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Hold,
    HoldNamespace,
    Release,
    Later,
    Pass,
    Crash,
}

const ACTS: [Act; 6] = [Act::Hold, Act::HoldNamespace, Act::Release, Act::Later, Act::Pass, Act::Crash];

/// Two tenants whose purges are due tonight and were previewed last night; both runs are alike.
pub fn tonight(guarded: bool) -> Cluster {
    evening(guarded).borrow().clone()
}

fn evening(guarded: bool) -> Rc<RefCell<Cluster>> {
    let start = "2026-06-01T00:00:00Z".parse().expect("an instant");
    let cluster = Rc::new(RefCell::new(Cluster::new(start, guarded)));
    let last_day = day(start, 10);
    for tenant in [PLUM, PEAR] {
        apply(&mut cluster.borrow_mut(), tenant, &Deed::Declare(Some(last_day.clone())));
        operator::pass(&mut cluster.borrow_mut(), tenant);
        operator::pass(&mut cluster.borrow_mut(), tenant);
    }
    for days in [68, 69, 70] {
        cluster.borrow_mut().now =
            start + SignedDuration::from_hours(24 * days) + SignedDuration::from_secs(18 * 3600 + 1800);
        for tenant in [PLUM, PEAR] {
            operator::pass(&mut cluster.borrow_mut(), tenant);
            if days < 70 {
                let eyes = [Eyes::new(cluster.clone(), asked(tenant, &uid(&cluster, tenant)), None)];
                Runs::of(&eyes).finish();
            }
            operator::pass(&mut cluster.borrow_mut(), tenant);
        }
    }
    cluster
}

pub fn uid(cluster: &Rc<RefCell<Cluster>>, tenant: &str) -> String {
    cluster.borrow().retentions[tenant].uid().unwrap_or_default()
}

/// One run of plum's purge with these acts before these calls; then everything goes on until it is erased or held.
fn play(tonight: &Cluster, acts: &[(usize, Act)]) -> Rc<RefCell<Cluster>> {
    let cluster = Rc::new(RefCell::new(tonight.clone()));
    let before = cluster.borrow().objects.all.clone();
    let mut taken = Vec::new();
    let crash = acts.iter().find(|(_, act)| *act == Act::Crash).map(|(at, _)| (*at, Fault::KilledAfter));
    {
        let eyes = [Eyes::new(cluster.clone(), asked(PLUM, &uid(&cluster, PLUM)), crash)];
        let mut runs = Runs::of(&eyes);
        let mut call = 0;
        while !runs.runs.is_empty() {
            for (_, act) in acts.iter().filter(|(at, _)| *at == call) {
                let mut cluster = cluster.borrow_mut();
                let held = |cluster: &Cluster| cloudfarm::retention::ending::held(&cluster.retentions[PLUM]);
                match act {
                    Act::Hold => {
                        apply(&mut cluster, PLUM, &Deed::Hold(true));
                        taken.push((*act, held(&cluster)));
                    }
                    Act::HoldNamespace => apply(&mut cluster, PLUM, &Deed::HoldNamespace(true)),
                    Act::Release => {
                        apply(&mut cluster, PLUM, &Deed::Hold(false));
                        apply(&mut cluster, PLUM, &Deed::HoldNamespace(false));
                    }
                    Act::Later => {
                        let later = day(cluster.now, 100);
                        apply(&mut cluster, PLUM, &Deed::Declare(Some(later)));
                    }
                    Act::Pass => drop(operator::pass(&mut cluster, PLUM)),
                    Act::Crash => {}
                }
            }
            runs.step(0);
            call += 1;
        }
    }
    let mut cluster_now = cluster.borrow_mut();
    let begun = cluster_now.books[&cluster_now.retentions[PLUM].uid().unwrap_or_default()].begun;
    let held = cloudfarm::retention::ending::held(&cluster_now.retentions[PLUM]);
    if begun && held {
        cluster_now.breach(format!("hold and purge have both won: {acts:?}"));
    }
    let untouched = cluster_now.objects.all.values().filter(|object| object.era.starts_with(PEAR)).count();
    if untouched != before.values().filter(|object| object.era.starts_with(PEAR)).count() {
        cluster_now.breach(format!("something of pear is gone: {acts:?}"));
    }
    for object in before.values().filter(|object| object.era.starts_with(PEAR)) {
        if cluster_now.objects.all.get(&object.uid) != Some(object) {
            cluster_now.breach(format!("{} {} of pear was changed: {acts:?}", object.kind, object.name));
        }
    }
    drop(cluster_now);
    cluster
}

/// How many calls the longest run makes.
pub const CALLS: usize = 150;

#[test]
fn a_hold_or_the_purge_wins_at_every_point_and_never_both() {
    let mut played = 0;
    let mut won = [0, 0];
    let evenings = [tonight(true), tonight(false)];
    for evening in &evenings {
        for first in ACTS {
            for at in 0..CALLS {
                check(&play(evening, &[(at, first)]), &format!("{first:?} at {at}"), &mut won);
                played += 1;
            }
        }
    }
    // Around the point of no return and the first deletes, every pair and every triple.
    for first in ACTS {
        for second in ACTS {
            for at in 0..10 {
                for gap in 0..4 {
                    let pair = [(at, first), (at + gap, second)];
                    check(&play(&evenings[0], &pair), &format!("{pair:?}"), &mut won);
                    let triple = [(at, first), (at + gap, second), (at + gap, Act::Pass)];
                    check(&play(&evenings[1], &triple), &format!("{triple:?}"), &mut won);
                    played += 2;
                }
            }
        }
    }
    println!("{played} interleavings: the hold won {} times, the purge {} times", won[0], won[1]);
    assert!(won[0] > 0 && won[1] > 0);
}

fn check(cluster: &Rc<RefCell<Cluster>>, acts: &str, won: &mut [usize; 2]) {
    let cluster = cluster.borrow();
    assert_eq!(cluster.breaches, [""; 0], "{acts}\n{}", cluster.log.join("\n"));
    let retention = &cluster.retentions[PLUM];
    won[usize::from(cluster.books[&retention.uid().unwrap_or_default()].begun)] += 1;
    let gone =
        !cluster.objects.all.values().any(|object| object.era.starts_with(PLUM) && object.kind == "persistentvolumes");
    assert!(gone || phase(retention) != Some(RetentionPhase::Purged), "{acts}");
}
