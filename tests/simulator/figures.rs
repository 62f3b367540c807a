//! Figures: what a sweep over many Retentions costs the operator, and how late purges are. Times are printed and never
//! asserted; what is asserted is that nothing is called, changed or erased early.

use std::time::Instant;

use cloudfarm::api::retention::RetentionPhase;
use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;

use crate::histories::History;
use crate::operator;
use crate::people::{Deed, apply, day};
use crate::world::{Cluster, phase};

#[test]
fn a_sweep_over_retentions_of_which_none_is_due_wants_and_changes_nothing() {
    let start = "2026-06-01T00:00:00Z".parse().expect("an instant");
    let mut cluster = Cluster::new(start, true);
    apply(&mut cluster, "plum", &Deed::Declare(None));
    operator::pass(&mut cluster, "plum");
    operator::pass(&mut cluster, "plum");
    let sweep = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let (began, mut changed, mut wanted) = (Instant::now(), 0, 0);
    for _ in 0..sweep {
        let seen = operator::see(&cluster, "plum").expect("a Retention");
        changed += usize::from(seen.changed);
        wanted += seen.plan.desired.objects().count() + seen.plan.desired.claims.len();
    }
    println!("{sweep} Retentions without an end date: {} ms a sweep, 0 calls", began.elapsed().as_millis());
    assert_eq!((changed, wanted), (0, 0));
}

#[test]
fn due_purges_begin_no_instant_early_and_at_most_hours_late() {
    let count = if cfg!(debug_assertions) { 100 } else { 1000 };
    let mut late = Vec::new();
    for seed in 0..count {
        let mut history = History::new(seed);
        history.calm = true;
        let start = history.cluster.borrow().now;
        let last_day = day(start, 5 + history.random.within(0, 300));
        apply(&mut history.cluster.borrow_mut(), "plum", &Deed::Declare(Some(last_day)));
        history.pass(&["plum"]);
        history.until(start + SignedDuration::from_hours(24 * 400));
        let cluster = history.cluster.borrow();
        assert_eq!(cluster.breaches, [""; 0], "{}", cluster.log.join("\n"));
        let done = cluster.retentions.values().find(|found| found.name_any() == "plum");
        assert_eq!(done.and_then(phase), Some(RetentionPhase::Purged), "{}", cluster.log.join("\n"));
        late.extend(cluster.lateness.clone());
    }
    late.sort_unstable();
    let at = |percent: usize| late[(late.len() * percent / 100).min(late.len() - 1)];
    println!("{} due purges: 0 early, complete {} h (p50), {} h (p99) after their instant", late.len(), at(50), at(99));
}
