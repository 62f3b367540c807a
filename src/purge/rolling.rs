//! Pure: what ages out while a contract runs (`spec.rolling`): snapshots, removed disks, exports, derived records.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::plan::{Inventory, Item, KindName, Way};
use crate::api::jst::plus_days;
use crate::api::labels;
use crate::api::retention::{Rolling, RollingTarget, days};
use crate::foreign::restored::is_restored;

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
    /// Nobody else has a say: of a backup by plan, that the operator has marked it as older than those that the plan keeps.
    pub may_go: bool,
    /// Something can be restored from it. What is not is kept for nobody's sake, and counts for none that is.
    pub good: bool,
}

/// [`RollingTarget`], ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Snapshot,
    /// A snapshot that the operator made by plan.
    Backup,
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
                | (Self::Backup, RollingTarget::Backups)
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
        let mut kept = 0;
        for each in several {
            // Nothing comes back from it, and the operator has said that it may go.
            let useless = each.target == Target::Backup && !each.good;
            if (kept >= keep || useless) && each.may_go && plus_days(each.since, age) <= now {
                out.push(each.uid.clone());
            }
            kept += usize::from(each.good);
        }
    }
    out
}

/// Has somebody changed their mind since the list was made: a disk is in a VM again, the operator has taken its mark off a
/// backup?
#[must_use]
pub fn is_kept_again(item: &Item, object: &DynamicObject) -> bool {
    let kind = (item.kind.group.as_str(), item.kind.plural.as_str());
    let by_itself = item.way == Way::Dispose && item.after.is_none();
    by_itself
        && match kind {
            ("cdi.kubevirt.io", "datavolumes") => !object.annotations().contains_key(labels::REMOVED_AT),
            ("", "persistentvolumeclaims") if is_restored(&item.name) => {
                !object.annotations().contains_key(labels::REMOVED_AT)
            }
            ("snapshot.kubevirt.io", "virtualmachinesnapshots") if object.labels().contains_key(labels::BACKUP) => {
                object.labels().get(labels::DISPOSABLE).is_none_or(|mark| mark != "true")
            }
            _ => false,
        }
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
        Aged { uid: name.into(), target: Target::Snapshot, since: at(day), of: of.into(), may_go: true, good: true }
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    #[test]
    fn a_removed_disk_takes_its_claim_and_volume_along_and_nothing_else() {
        let removed = Aged { target: Target::RemovedDisk, ..snapshot("disk", "disk", 0) };
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
    fn a_backup_goes_only_when_the_operator_has_marked_it_and_the_rules_own_floor_holds_too() {
        let backup =
            |name: &str, day: i64, may_go: bool| Aged { target: Target::Backup, may_go, ..snapshot(name, "web", day) };
        let names = ["a", "b", "c", "d"];
        let inventory = |marked: &[&str]| Inventory {
            items: names.iter().map(|name| item("virtualmachinesnapshots", name, None)).collect(),
            aged: names.iter().zip(0..).map(|(name, day)| backup(name, day, marked.contains(name))).collect(),
            ..Inventory::default()
        };
        let going = |marked: &[&str], rule: Rolling, day: i64| -> Vec<String> {
            due(&inventory(marked), &[rule], at(day)).into_iter().map(|item| item.name).collect()
        };
        let backups = |older: &str, keep: i64| rule(RollingTarget::Backups, older, keep);
        assert_eq!(going(&["a", "b"], backups("1d", 0), 9), ["a", "b"]);
        assert!(going(&[], backups("1d", 0), 9).is_empty(), "nobody marked any");
        assert_eq!(going(&["a", "b"], backups("1d", 3), 9), ["a"]);
        assert_eq!(going(&["a", "b"], backups("9d", 0), 9), ["a"]);
        assert!(going(&["a", "b"], rule(RollingTarget::Snapshots, "1d", 0), 9).is_empty(), "another target");
    }

    #[test]
    fn what_nothing_can_be_restored_from_counts_for_none_that_is_kept() {
        for (target, kept) in [(Target::Snapshot, RollingTarget::Snapshots), (Target::Backup, RollingTarget::Backups)] {
            let one = |name: &str, day: i64, good: bool| Aged { target, good, ..snapshot(name, "web", day) };
            let aged = [one("old", 0, true), one("good", 1, true), one("torn", 2, false), one("newest", 3, false)];
            let inventory = Inventory {
                items: aged.iter().map(|each| item("virtualmachinesnapshots", &each.uid, None)).collect(),
                aged: aged.into(),
                ..Inventory::default()
            };
            let going = |keep: i64| -> Vec<String> {
                due(&inventory, &[rule(kept, "1d", keep)], at(9)).into_iter().map(|item| item.name).collect()
            };
            // Of backups those are marked by the operator, and go by age alone.
            let useless: &[&str] = if target == Target::Backup { &["newest", "torn"] } else { &[] };
            assert_eq!(
                going(1),
                [&useless[..useless.len().min(1)], &["old"], &useless[useless.len().min(1)..]].concat()
            );
            assert_eq!(going(2), useless, "{target:?}");
            assert_eq!(going(0).len(), 4, "{target:?}");
        }
    }

    #[test]
    fn what_is_wanted_again_since_the_list_was_made_is_kept() {
        let kept = |kind: (&str, &str), name: &str, metadata: serde_json::Value| {
            let named = KindName { group: kind.0.into(), ..item(kind.1, name, None).kind };
            let item = Item { way: Way::Dispose, kind: named, ..item(kind.1, name, None) };
            is_kept_again(&item, &serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap())
        };
        let removed = serde_json::json!({"annotations": {"cloudfarm.dev/removed-at": "2026-11-29T17:00:00Z"}});
        let restored = "restore-0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11-root";
        for (kind, name) in
            [(("cdi.kubevirt.io", "datavolumes"), "web-root"), (("", "persistentvolumeclaims"), restored)]
        {
            assert!(!kept(kind, name, removed.clone()), "{name}");
            assert!(kept(kind, name, serde_json::json!({})), "{name}");
        }
        let snapshots = ("snapshot.kubevirt.io", "virtualmachinesnapshots");
        let marked =
            serde_json::json!({"labels": {"cloudfarm.dev/backup": "plan", "cloudfarm.dev/disposable": "true"}});
        assert!(!kept(snapshots, "web", marked));
        assert!(kept(snapshots, "web", serde_json::json!({"labels": {"cloudfarm.dev/backup": "plan"}})));
        assert!(!kept(snapshots, "web", serde_json::json!({})), "a customer's own");
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

    /// What the operator has marked and brings nothing back takes room for nothing.
    #[test]
    fn a_marked_backup_that_is_not_good_needs_no_good_one_to_go() {
        let backup = |name: &str, day: i64, may_go: bool, good: bool| Aged {
            target: Target::Backup,
            may_go,
            good,
            ..snapshot(name, "web", day)
        };
        let all = [backup("a", 0, true, false), backup("b", 1, false, false), backup("c", 2, true, true)];
        // A customer's own may hold all that there is of some disks.
        let own = Aged { good: false, ..snapshot("own", "web", 0) };
        let aged: BTreeSet<Aged> = all.into_iter().chain([own]).collect();
        let items = aged.iter().map(|each| item("virtualmachinesnapshots", &each.uid, None)).collect();
        let inventory = Inventory { items, aged, ..Inventory::default() };
        let rules = [rule(RollingTarget::Backups, "10d", 3), rule(RollingTarget::Snapshots, "10d", 1)];
        let going =
            |day: i64| -> Vec<String> { due(&inventory, &rules, at(day)).into_iter().map(|item| item.name).collect() };
        assert!(going(9).is_empty());
        assert_eq!(going(100), ["a"]);
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
