//! Pure: how full the contract is, and since when too full (12.1.3).
//!
//! ```text
//! within --strictly over thresholdPercent--> exceeded --strictly below rearmPercent, or another contract--> within
//! ```
//!
//! What was exceeded is read from the last status and from nowhere else, so a restart neither repeats a crossing nor
//! forgets one. Whoever sends notices goes by `status.capacityHistory`: resource and number name a crossing for good.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::jst::in_japan;
use crate::api::quantity::Quantity;
use crate::api::tenant::{
    CROSSINGS, CapacityAlert, CapacityBasis, CapacityCrossing, CapacityMeasure, CapacityRow, TenantStatus,
};
use crate::operator::news::News;
use crate::tenant::desired::{Allocation, Share};

/// Stands for an amount that nobody can reckon.
const NOT_KNOWN: &str = "unknown";

/// What the status says of the contract.
pub(super) struct Watched {
    pub rows: Vec<CapacityRow>,
    pub history: Vec<CapacityCrossing>,
    pub verdict: Verdict,
}

/// Compares every resource with the contract.
pub(super) fn watched(
    allocation: &Allocation,
    alert: Option<&CapacityAlert>,
    previous: Option<&TenantStatus>,
    now: Timestamp,
) -> Watched {
    let alert = alert.cloned().unwrap_or_default();
    let mut history = previous.map(|status| status.capacity_history.clone()).unwrap_or_default();
    let resources = [
        ("instances", allocation.instances),
        ("memory", allocation.memory),
        ("storage", allocation.storage),
        ("vcpus", allocation.vcpus),
    ];
    let mut rows = Vec::new();
    let (mut over, mut unknown) = (Vec::new(), Vec::new());
    for (resource, share) in resources {
        let before = previous.and_then(|status| status.capacity.iter().find(|row| row.resource == resource));
        let row = row(resource, share, &alert, before, &mut history, now);
        if let Some(since) = &row.exceeded_since {
            over.push(said(&row, share, &alert, since.0));
        }
        if alert.basis == CapacityBasis::Used && share.used.is_none() {
            unknown.push(format!("in use of {resource}"));
        }
        if alert.basis != CapacityBasis::Used && share.at_least {
            unknown.push(format!("allocated of {resource}"));
        }
        rows.push(row);
    }
    history.truncate(CROSSINGS);
    Watched { rows, history, verdict: verdict(&alert, &over, &unknown) }
}

/// One for each crossing that the last status did not know.
pub(super) fn news(status: &TenantStatus, before: Option<&TenantStatus>) -> Vec<News> {
    let known = |crossing: &CapacityCrossing| {
        let same = |old: &CapacityCrossing| old.resource == crossing.resource && old.number == crossing.number;
        before.is_some_and(|before| before.capacity_history.iter().any(same))
    };
    let fresh = status.capacity_history.iter().filter(|crossing| !known(crossing));
    fresh
        .map(|crossing| News {
            about: format!("capacity-{}-{}", crossing.resource, crossing.number),
            reason: Reason::OverThreshold.as_str(),
            note: format!(
                "{}: {} % of the contract are {}; the condition CapacityWithinThreshold says more",
                crossing.resource,
                crossing.percent,
                word(crossing.basis)
            ),
        })
        .collect()
}

fn word(measure: CapacityMeasure) -> &'static str {
    match measure {
        CapacityMeasure::Allocated => "allocated",
        CapacityMeasure::Used => "used",
    }
}

fn verdict(alert: &CapacityAlert, over: &[String], unknown: &[String]) -> Verdict {
    let type_ = ConditionType::CapacityWithinThreshold;
    if !alert.enabled {
        let message = "spec.capacityAlert.enabled is false: nobody is told when the contract fills up";
        return Verdict::new(type_, Status::Unknown, Reason::SwitchedOff, message);
    }
    if !over.is_empty() {
        return Verdict::bad(type_, Reason::OverThreshold, over.join("; "));
    }
    if !unknown.is_empty() {
        let way_out = if alert.basis == CapacityBasis::Used {
            "spec.capacityAlert.basis Allocated or Both goes by what VMs and disks are given"
        } else {
            "VirtualMachinesReady names the instance type that does not exist"
        };
        let message = format!("it is not known how much is {}; {way_out}", unknown.join(", "));
        return Verdict::new(type_, Status::Unknown, Reason::NotMeasured, message);
    }
    Verdict::good(type_, format!("no contracted resource is over {} %", alert.threshold_percent))
}

fn row(
    resource: &str,
    share: Share,
    alert: &CapacityAlert,
    before: Option<&CapacityRow>,
    history: &mut Vec<CapacityCrossing>,
    now: Timestamp,
) -> CapacityRow {
    let contracted = share.contracted.to_string();
    let mut row = CapacityRow {
        resource: resource.into(),
        allocated: if share.at_least { NOT_KNOWN.to_owned() } else { share.taken.to_string() },
        used: share.used.map(|used| used.to_string()),
        percent: share.percent(),
        exceeded_since: before.and_then(|row| row.exceeded_since.clone()),
        crossings: before.map_or(0, |row| row.crossings),
        contracted,
    };
    let another_contract = before.is_some_and(|before| before.contracted != row.contracted);
    let figures = figures(share, alert.basis);
    let most = figures.iter().find(|(_, much)| share.is_over(*much, alert.threshold_percent));
    match (row.exceeded_since.is_some(), most) {
        (false, Some((basis, much))) if alert.enabled => {
            row.exceeded_since = Some(Time(now));
            row.crossings += 1;
            let percent = share.percent_of(*much);
            let crossing = CapacityCrossing {
                resource: resource.into(),
                number: row.crossings,
                at: Time(now),
                basis: *basis,
                percent,
                rearmed_at: None,
            };
            history.insert(0, crossing);
        }
        (true, None) if rearmed(share, &figures, alert, another_contract) => rearm(&mut row, history, now),
        (true, _) if !alert.enabled => rearm(&mut row, history, now),
        _ => {}
    }
    row
}

/// Another contract is judged afresh. What is not known rearms nothing: all that counts has to be.
fn rearmed(
    share: Share,
    figures: &[(CapacityMeasure, Quantity)],
    alert: &CapacityAlert,
    another_contract: bool,
) -> bool {
    let below = |(_, much): &(CapacityMeasure, Quantity)| share.is_below(*much, alert.rearm_percent);
    let known = (alert.basis == CapacityBasis::Allocated || share.used.is_some())
        && (alert.basis == CapacityBasis::Used || !share.at_least);
    known && (another_contract || figures.iter().all(below))
}

fn rearm(row: &mut CapacityRow, history: &mut [CapacityCrossing], now: Timestamp) {
    row.exceeded_since = None;
    let last = history.iter_mut().find(|crossing| crossing.resource == row.resource);
    if let Some(crossing) = last.filter(|crossing| crossing.rearmed_at.is_none()) {
        crossing.rearmed_at = Some(Time(now));
    }
}

/// What counts, as far as it is known.
fn figures(share: Share, basis: CapacityBasis) -> Vec<(CapacityMeasure, Quantity)> {
    let allocated = (basis != CapacityBasis::Used).then_some((CapacityMeasure::Allocated, share.taken));
    let used = share.used.filter(|_| basis != CapacityBasis::Allocated).map(|used| (CapacityMeasure::Used, used));
    allocated.into_iter().chain(used).collect()
}

fn said(row: &CapacityRow, share: Share, alert: &CapacityAlert, since: Timestamp) -> String {
    let figures: Vec<String> = figures(share, alert.basis)
        .into_iter()
        .map(|(basis, much)| format!("{much} {} ({} %)", word(basis), share.percent_of(much)))
        .collect();
    format!(
        "{}: {} of {} contracted; over {} % since {}, told again after it was below {} %",
        row.resource,
        figures.join(", "),
        row.contracted,
        alert.threshold_percent,
        in_japan(since),
        alert.rearm_percent
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNITS: [&str; 4] = ["instances", "memory", "storage", "vcpus"];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// One resource as given, the others empty.
    fn allocation(resource: &str, taken: i64, used: Option<i64>, contracted: i64) -> Allocation {
        let of = |name: &str| {
            let unit = |much: i64| if name == "memory" { Quantity::bytes(much) } else { Quantity::whole(much) };
            let mine = name == resource;
            Share {
                taken: unit(if mine { taken } else { 0 }),
                at_least: false,
                contracted: unit(if mine { contracted } else { 1000 }),
                used: if mine { used.map(unit) } else { Some(unit(0)) },
            }
        };
        Allocation { vcpus: of("vcpus"), memory: of("memory"), storage: of("storage"), instances: of("instances") }
    }

    fn alert(threshold: i64, rearm: i64) -> CapacityAlert {
        CapacityAlert { threshold_percent: threshold, rearm_percent: rearm, ..CapacityAlert::default() }
    }

    /// As before, with a VM whose size nobody knows.
    fn at_least(mut allocation: Allocation) -> Allocation {
        allocation.vcpus.at_least = true;
        allocation
    }

    /// The status after this look, as far as capacity goes.
    fn look(
        before: &TenantStatus,
        allocation: &Allocation,
        alert: &CapacityAlert,
        now: i64,
    ) -> (TenantStatus, Verdict) {
        let Watched { rows, history, verdict } = watched(allocation, Some(alert), Some(before), at(now));
        (TenantStatus { capacity: rows, capacity_history: history, ..TenantStatus::default() }, verdict)
    }

    fn crossings(status: &TenantStatus, resource: &str) -> i64 {
        status.capacity.iter().find(|row| row.resource == resource).unwrap().crossings
    }

    #[test]
    fn the_border_itself_is_silent_and_one_unit_more_is_not_for_every_resource_and_odd_thresholds() {
        for resource in UNITS {
            // Contract and the last unit that is silent.
            for (threshold, contracted, border) in [
                (90, 10, 9),
                (90, 64 << 30, 61_847_529_062),
                (33, 100, 33),
                (67, 3, 2),
                (1, 100, 1),
                (99, i64::MAX, 9_131_138_316_486_228_048),
                (100, 7, 7),
            ] {
                let alert = alert(threshold, threshold - 1);
                let silent = look(&TenantStatus::default(), &allocation(resource, border, None, contracted), &alert, 1);
                assert_eq!(silent.1.status, Status::True, "{resource} {border} of {contracted}: {}", silent.1.message);
                let loud =
                    look(&TenantStatus::default(), &allocation(resource, border + 1, None, contracted), &alert, 1);
                assert_eq!(loud.1.status, Status::False, "{resource} {} of {contracted}", border + 1);
                let silent =
                    look(&TenantStatus::default(), &allocation(resource, 0, Some(border), contracted), &alert, 1);
                assert_eq!(silent.1.status, Status::True, "used {border} of {contracted}");
                let loud =
                    look(&TenantStatus::default(), &allocation(resource, 0, Some(border + 1), contracted), &alert, 1);
                assert_eq!(loud.1.status, Status::False, "used {} of {contracted}", border + 1);
            }
        }
    }

    #[test]
    fn a_crossing_is_told_once_until_it_was_strictly_below_the_lower_border() {
        let alert = alert(90, 85);
        let mut status = TenantStatus::default();
        let steps = [(91, 1, false), (95, 1, false), (86, 1, false), (85, 1, false), (92, 1, false), (84, 1, true)];
        for (now, (taken, told, well)) in (1..).zip(steps.into_iter().chain([(90, 1, true), (91, 2, false)])) {
            let (next, verdict) = look(&status, &allocation("memory", taken, Some(0), 100), &alert, now);
            assert_eq!(crossings(&next, "memory"), told, "{taken}");
            assert_eq!(verdict.status == Status::True, well, "{taken}: {}", verdict.message);
            status = next;
        }
        let history: Vec<_> =
            status.capacity_history.iter().map(|each| (each.number, each.at.0, each.rearmed_at.clone())).collect();
        assert_eq!(history, [(2, at(8), None), (1, at(1), Some(Time(at(6))))]);
        let again = look(&status, &allocation("memory", 91, Some(0), 100), &alert, 99);
        assert_eq!(again.0, status, "nothing moves while nothing changes");
    }

    #[test]
    fn another_contract_is_judged_at_once_and_what_stays_over_is_no_new_crossing() {
        let alert = alert(90, 85);
        let (over, _) = look(&TenantStatus::default(), &allocation("storage", 95, Some(0), 100), &alert, 1);
        let (still, verdict) = look(&over, &allocation("storage", 95, Some(0), 101), &alert, 2);
        assert_eq!((crossings(&still, "storage"), verdict.status), (1, Status::False));
        let (well, verdict) = look(&still, &allocation("storage", 95, Some(0), 110), &alert, 3);
        assert_eq!(verdict.status, Status::True, "86 % of the new contract: {}", verdict.message);
        assert_eq!(well.capacity_history[0].rearmed_at, Some(Time(at(3))));
        let (shrunk, verdict) = look(&well, &allocation("storage", 95, Some(0), 105), &alert, 4);
        assert_eq!((crossings(&shrunk, "storage"), verdict.status), (2, Status::False));
    }

    #[test]
    fn each_crossing_is_news_once_also_to_a_process_that_has_just_started() {
        let alert = alert(90, 85);
        let (over, _) = look(&TenantStatus::default(), &allocation("vcpus", 95, None, 100), &alert, 1);
        let told = news(&over, None);
        assert_eq!(told.iter().map(|each| each.about.as_str()).collect::<Vec<_>>(), ["capacity-vcpus-1"]);
        let (later, _) = look(&over, &allocation("vcpus", 96, None, 100), &alert, 2);
        assert_eq!(news(&later, Some(&over)), []);
        // The status was not written: the same look again is the same news.
        let (again, _) = look(&TenantStatus::default(), &allocation("vcpus", 95, None, 100), &alert, 7);
        assert_eq!(news(&again, None)[0].about, told[0].about);
    }

    #[test]
    fn what_is_not_known_is_never_taken_for_good_and_rearms_nothing() {
        let by_use = CapacityAlert { basis: CapacityBasis::Used, ..alert(90, 85) };
        let (_, verdict) = look(&TenantStatus::default(), &allocation("vcpus", 99, None, 100), &by_use, 1);
        assert_eq!(verdict.status, Status::Unknown, "{}", verdict.message);
        assert!(verdict.message.contains("vcpus"), "{}", verdict.message);
        let (over, _) = look(&TenantStatus::default(), &allocation("vcpus", 0, Some(95), 100), &by_use, 1);
        let (still, verdict) = look(&over, &allocation("vcpus", 0, None, 100), &by_use, 2);
        assert_eq!((crossings(&still, "vcpus"), verdict.status), (1, Status::False));
        // Both count, and one of them alone says nothing about the other.
        let both = alert(90, 85);
        let (still, _) = look(&over, &allocation("vcpus", 0, None, 100), &both, 2);
        assert_eq!(still.capacity_history[0].rearmed_at, None);
        let (still, _) = look(&over, &allocation("vcpus", 0, None, 1000), &both, 2);
        assert_eq!(still.capacity_history[0].rearmed_at, None, "nor does another contract");
        let (well, _) = look(&over, &allocation("vcpus", 0, Some(0), 100), &both, 2);
        assert_eq!(well.capacity_history[0].rearmed_at, Some(Time(at(2))));
        let off = CapacityAlert { enabled: false, ..alert(90, 85) };
        let (quiet, verdict) = look(&over, &allocation("vcpus", 99, Some(99), 100), &off, 3);
        assert_eq!(
            (verdict.status, quiet.capacity_history[0].rearmed_at.clone()),
            (Status::Unknown, Some(Time(at(3))))
        );
    }

    #[test]
    fn what_takes_nobody_knows_how_much_is_unknown_and_not_little() {
        let by_both = alert(90, 85);
        let (over, _) = look(&TenantStatus::default(), &allocation("vcpus", 95, Some(95), 100), &by_both, 1);
        let (still, verdict) = look(&over, &at_least(allocation("vcpus", 1, Some(1), 100)), &by_both, 2);
        assert_eq!((verdict.status, still.capacity_history[0].rearmed_at.clone()), (Status::False, None));
        let (unknown, verdict) =
            look(&TenantStatus::default(), &at_least(allocation("vcpus", 1, Some(1), 100)), &by_both, 2);
        assert_eq!((verdict.status, verdict.reason), (Status::Unknown, Reason::NotMeasured));
        assert!(verdict.message.contains("allocated of vcpus"), "{}", verdict.message);
        let row = unknown.capacity.iter().find(|row| row.resource == "vcpus").unwrap();
        assert_eq!(row.allocated, "unknown");
        // What is known already is too much.
        let (_, verdict) =
            look(&TenantStatus::default(), &at_least(allocation("vcpus", 95, Some(1), 100)), &by_both, 2);
        assert_eq!(verdict.status, Status::False);
        let by_use = CapacityAlert { basis: CapacityBasis::Used, ..alert(90, 85) };
        let (_, verdict) = look(&TenantStatus::default(), &at_least(allocation("vcpus", 1, Some(1), 100)), &by_use, 2);
        assert_eq!(verdict.status, Status::True);
    }

    #[test]
    fn the_history_is_bounded_and_the_number_goes_on() {
        let alert = alert(90, 85);
        let mut status = TenantStatus::default();
        for now in 0..60 {
            let taken = if now % 2 == 0 { 99 } else { 1 };
            status = look(&status, &allocation("vcpus", taken, Some(0), 100), &alert, now).0;
        }
        assert_eq!((status.capacity_history.len(), crossings(&status, "vcpus")), (CROSSINGS, 30));
        assert_eq!(status.capacity_history[0].number, 30);
    }

    proptest! {
        /// Against a model in exact fractions, with restarts: the status goes through JSON before each look.
        #[test]
        fn random_histories_cross_as_the_model_does(
            threshold in 2_i64..=100, gap in 1_i64..40, contracted in 1_i64..500,
            steps in proptest::collection::vec((0_i64..600, proptest::option::of(0_i64..600)), 1..40),
        ) {
            let rearm = (threshold - gap).max(0);
            let alert = alert(threshold, rearm);
            let (mut status, mut over, mut told) = (TenantStatus::default(), false, 0_i64);
            for (now, (taken, used)) in (0..).zip(steps) {
                let most = taken.max(used.unwrap_or(0));
                let above = most * 100 > threshold * contracted;
                // What is in use counts, too: while nobody knows it, nobody can say that it is little.
                let beneath = used.is_some() && most * 100 < rearm * contracted;
                if above && !over { told += 1; }
                over = above || over && !beneath;
                let text = serde_json::to_string(&status).unwrap();
                status = serde_json::from_str(&text).unwrap();
                let (next, verdict) = look(&status, &allocation("memory", taken, used, contracted), &alert, now);
                prop_assert_eq!(verdict.status == Status::False, over);
                prop_assert_eq!(crossings(&next, "memory"), told);
                let open = next.capacity_history.iter().filter(|each| each.rearmed_at.is_none()).count();
                prop_assert_eq!(open, usize::from(over));
                status = next;
            }
        }
    }
}
