//! Pure: what ages out while a contract runs (`spec.rolling`): snapshots, removed disks, exports, derived records.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::plan::{Inventory, Item, KindName, Way};
use crate::api::jst::plus_days;
use crate::api::retention::{Rolling, RollingTarget, days};

/// Something that may age out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aged {
    /// Uid of the object, which is in the inventory, too (but for records, whose period is over).
    pub uid: String,
    pub target: Target,
    /// Its age counts from here: made, or no longer declared.
    pub since: Timestamp,
    /// What it is one of several of: the VM a snapshot is of. The newest of each are kept.
    pub of: String,
}

/// [`RollingTarget`], ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Snapshot,
    RemovedDisk,
    Export,
    /// A derived record whose period of `spec.logRetention` is over.
    Record,
}

impl Target {
    fn is(self, target: RollingTarget) -> bool {
        matches!(
            (self, target),
            (Self::Snapshot, RollingTarget::Snapshots)
                | (Self::RemovedDisk, RollingTarget::RemovedDisks)
                | (Self::Export, RollingTarget::Exports)
                | (Self::Record, RollingTarget::Logs)
        )
    }
}

/// What the rules let go now, with everything that hangs on it. A rule whose age cannot be read lets nothing go.
#[must_use]
pub fn due(inventory: &Inventory, rules: &[Rolling], now: Timestamp) -> BTreeSet<Item> {
    let mut uids: BTreeSet<String> = rules.iter().flat_map(|rule| aged_out(&inventory.aged, rule, now)).collect();
    // A claim goes with its DataVolume, a volume with its claim, a snapshot's content with the snapshot.
    loop {
        let hanging = inventory
            .items
            .iter()
            .filter(|item| !uids.contains(&item.uid) && item.after.as_ref().is_some_and(|after| uids.contains(after)));
        let more: Vec<String> = hanging.map(|item| item.uid.clone()).collect();
        if more.is_empty() {
            break;
        }
        uids.extend(more);
    }
    let going = inventory.items.iter().filter(|item| uids.contains(&item.uid));
    going
        .map(|item| Item { way: if item.way == Way::Delete { Way::Dispose } else { item.way }, ..item.clone() })
        .collect()
}

fn aged_out(aged: &BTreeSet<Aged>, rule: &Rolling, now: Timestamp) -> Vec<String> {
    let Some(age) = days(&rule.older_than) else { return Vec::new() };
    let mut by_source: BTreeMap<&str, Vec<&Aged>> = BTreeMap::new();
    for each in aged.iter().filter(|each| each.target.is(rule.target)) {
        by_source.entry(&each.of).or_default().push(each);
    }
    let keep = usize::try_from(rule.keep_last).unwrap_or_default();
    let mut out = Vec::new();
    for several in by_source.values_mut() {
        several.sort_by_key(|each| std::cmp::Reverse((each.since, each.uid.clone())));
        let older = several.iter().skip(keep).filter(|each| plus_days(each.since, age) <= now);
        out.extend(older.map(|each| each.uid.clone()));
    }
    out
}

/// Does admission keep objects of this kind while the contract runs, unless they are labelled disposable?
#[must_use]
pub fn is_guarded(kind: &KindName) -> bool {
    matches!(
        (kind.group.as_str(), kind.plural.as_str()),
        ("", "persistentvolumeclaims")
            | ("cdi.kubevirt.io", "datavolumes")
            | ("snapshot.storage.k8s.io", "volumesnapshots")
            | (
                "snapshot.kubevirt.io",
                "virtualmachinesnapshots" | "virtualmachinesnapshotcontents" | "virtualmachinerestores"
            )
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::purge::plan::Step;

    fn item(plural: &str, name: &str, after: Option<&str>) -> Item {
        Item {
            step: Step::Disks,
            kind: KindName { group: String::new(), version: "v1".into(), kind: String::new(), plural: plural.into() },
            namespace: Some("cf-plum".into()),
            name: name.into(),
            uid: name.into(),
            way: Way::Delete,
            after: after.map(str::to_owned),
            bytes: None,
        }
    }

    fn rule(target: RollingTarget, older_than: &str, keep_last: i64) -> Rolling {
        Rolling { target, older_than: older_than.into(), keep_last }
    }

    fn snapshot(name: &str, of: &str, day: i64) -> Aged {
        Aged { uid: name.into(), target: Target::Snapshot, since: at(day), of: of.into() }
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    #[test]
    fn a_removed_disk_takes_its_claim_and_volume_along_and_nothing_else() {
        let removed = Aged { uid: "disk".into(), target: Target::RemovedDisk, since: at(0), of: "disk".into() };
        let items = [
            item("datavolumes", "disk", None),
            item("persistentvolumeclaims", "claim", Some("disk")),
            item("persistentvolumes", "volume", Some("claim")),
            item("persistentvolumeclaims", "other", None),
        ];
        let inventory = Inventory { items: items.into(), aged: [removed].into(), ..Inventory::default() };
        let rules = [rule(RollingTarget::RemovedDisks, "60d", 0)];
        assert!(due(&inventory, &rules, at(59)).is_empty());
        let mut names: Vec<String> = due(&inventory, &rules, at(60)).into_iter().map(|item| item.name).collect();
        names.sort();
        assert_eq!(names, ["claim", "disk", "volume"]);
    }

    #[test]
    fn another_rule_or_an_age_that_cannot_be_read_lets_nothing_go() {
        let inventory = Inventory {
            items: [item("virtualmachinesnapshots", "s", None)].into(),
            aged: [snapshot("s", "web", 0)].into(),
            ..Inventory::default()
        };
        for rule in [rule(RollingTarget::Exports, "1d", 0), rule(RollingTarget::Snapshots, "soon", 0)] {
            assert!(due(&inventory, &[rule], at(10_000)).is_empty());
        }
    }

    proptest! {
        /// Of each VM the newest stay whatever their age, and nothing younger than the rule goes.
        #[test]
        fn the_newest_of_each_vm_and_the_young_are_kept(
            days in proptest::collection::vec((0_i64..100, 0_usize..3), 0..30), keep in 0_i64..5, age in 1_i64..50
        ) {
            let vms = ["web", "app", "db"];
            let aged: BTreeSet<Aged> =
                days.iter().enumerate().map(|(i, (day, vm))| snapshot(&format!("s{i}"), vms[*vm], *day)).collect();
            let items = aged.iter().map(|each| item("virtualmachinesnapshots", &each.uid, None)).collect();
            let inventory = Inventory { items, aged: aged.clone(), ..Inventory::default() };
            let now = at(100);
            let going = due(&inventory, &[rule(RollingTarget::Snapshots, &format!("{age}d"), keep)], now);
            for vm in vms {
                let of_vm: Vec<&Aged> = aged.iter().filter(|each| each.of == vm).collect();
                let gone = |each: &&&Aged| going.iter().any(|item| item.uid == each.uid);
                let kept = of_vm.len() - of_vm.iter().filter(gone).count();
                prop_assert!(kept >= of_vm.len().min(usize::try_from(keep).unwrap()));
                for each in of_vm.iter().filter(gone) {
                    prop_assert!(plus_days(each.since, age) <= now);
                    let younger_kept = of_vm.iter().filter(|other| other.since >= each.since && !gone(other)).count();
                    prop_assert!(younger_kept >= usize::try_from(keep).unwrap());
                }
            }
        }
    }
}
