//! What people, hardware and time do to the cluster, and what the model is told of it.

use cloudfarm::api::home;
use cloudfarm::api::retention::{Approval, EarlyErasure, LegalHold, PurgeMode};
use cloudfarm::purge::look::Asked;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::model::Book;
use crate::objects::Object;
use crate::random::Random;
use crate::world::{Cluster, Declared, Skew, phase};

#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    Declare(Option<String>),
    Vanish,
    /// The Tenant can no longer be decoded.
    Garble,
    Decide(Option<String>),
    Hold(bool),
    HoldNamespace(bool),
    Suspend(bool),
    Dry(bool),
    Grace(i64),
    Want(i64),
    Approve(&'static str),
    Disapprove,
    Wish(&'static str),
    NoWish,
    Schedule(&'static str),
    OperatorDown,
    OperatorUp,
    Clocks(Skew),
    Stop(Result<bool, String>),
    Budget(usize),
    NewDisk(bool),
    NewSecret,
    NewRecord,
    /// A controller makes something of the same name anew.
    Again,
    /// Somebody writes something of the other tenant into a stored plan.
    Tamper,
    Stuck,
    Freed,
}

impl PartialEq for Skew {
    fn eq(&self, other: &Self) -> bool {
        (self.own, self.api_server, self.operator) == (other.own, other.api_server, other.operator)
    }
}

const RIGHT: Skew = Skew { own: 0, api_server: Some(0), operator: Some(0) };
const NONSENSE: [&str; 5] = ["2026-02-30", "soon", "", "2026-09-30T00:00:00Z", "9999-12-31"];
const SCHEDULES: [&str; 6] =
    ["30 3 * * *", "0 0 * * 0", "0 */6 * * *", "59 23 1,15 * *", "30 3 * * * *", "15 4 * * 1-5"];

/// Something for one tenant. `jumps` allows all clocks to be wrong together, which no program can see while it lasts.
pub fn deed(random: &mut Random, now: Timestamp, alive: bool, jumps: bool) -> Deed {
    let date = |random: &mut Random| match random.below(8) {
        0 => Some(random.one_of(&NONSENSE).to_owned()),
        1 | 2 => None,
        3 => Some(day(now, -random.within(60, 800))),
        4 => Some(day(now, -random.within(0, 70))),
        _ => Some(day(now, random.within(0, 200))),
    };
    match random.below(40) {
        0..=6 => Deed::Declare(date(random)),
        7..=9 if alive => Deed::Vanish,
        7..=9 | 11 => Deed::Decide(date(random)),
        10 => Deed::Garble,
        12..=13 => Deed::Hold(true),
        14..=15 => Deed::Hold(false),
        16 => Deed::HoldNamespace(true),
        17..=18 => Deed::HoldNamespace(false),
        19 => Deed::Suspend(random.once_in(3)),
        20 => Deed::Dry(random.once_in(3)),
        21 => Deed::Grace(random.one_of(&[59, 60, 61, 90, 365])),
        22 => Deed::Want(random.within(0, 3)),
        23..=25 => Deed::Approve(random.one_of(&["ito", "kato", "mori"])),
        26 => Deed::Disapprove,
        27..=28 => Deed::Wish(random.one_of(&["sato", "sato", "mallory"])),
        29 => Deed::NoWish,
        30 => Deed::Schedule(random.one_of(&SCHEDULES)),
        31 => Deed::OperatorDown,
        32..=33 => Deed::Clocks(skew(random, jumps)),
        34 => Deed::Stop(random.one_of(&[Ok(false), Ok(true), Err("it is not there".into()), Ok(false)])),
        35 => Deed::Budget(usize::try_from(random.below(3)).unwrap_or_default()),
        36 => Deed::NewDisk(random.once_in(2)),
        37 if random.once_in(2) => Deed::NewSecret,
        37 if random.once_in(2) => Deed::NewRecord,
        37 => Deed::Again,
        38 => Deed::Stuck,
        _ => Deed::Freed,
    }
}

fn skew(random: &mut Random, jumps: bool) -> Skew {
    let off = random.one_of(&[3600, -3600, 61 * 86_400, -61 * 86_400, 59, -59, 90, 86_400]);
    match random.below(7) {
        0 => Skew { own: off, ..RIGHT },
        1 => Skew { api_server: Some(off), ..RIGHT },
        // An operator that is wrong about the time also notes wrongly when it saw a date: see the closing note.
        2 => Skew { operator: Some(off.max(0)), ..RIGHT },
        3 => Skew { api_server: None, ..RIGHT },
        4 => Skew { operator: None, ..RIGHT },
        5 if jumps => Skew { own: off.max(0), api_server: Some(off.max(0)), operator: Some(off.max(0)) },
        _ => Skew { own: off.max(0), api_server: Some(off.max(0)), ..RIGHT },
    }
}

pub fn day(now: Timestamp, days: i64) -> String {
    (now + SignedDuration::from_hours(days * 24)).to_string().chars().take(10).collect()
}

/// The Retention that people mean when they speak of a tenant: the newest that is not history yet.
pub fn current(cluster: &Cluster, tenant: &str) -> Option<String> {
    let own = cluster.retentions.values().filter(|found| found.spec.tenant_ref.name == tenant);
    let mut names: Vec<(bool, String)> = own
        .map(|found| {
            let done = phase(found) == Some(cloudfarm::api::retention::RetentionPhase::Purged);
            (done, found.name_any())
        })
        .collect();
    names.sort();
    names.into_iter().next().map(|(_, name)| name)
}

fn books<'a>(cluster: &'a mut Cluster, tenant: &str) -> impl Iterator<Item = &'a mut Book> {
    let prefix = format!("{tenant}.");
    cluster.books.iter_mut().filter(move |(era, _)| era.starts_with(&prefix)).map(|(_, book)| book)
}

/// Does it, if it is possible, and tells the model.
pub fn apply(cluster: &mut Cluster, tenant: &str, deed: &Deed) {
    cluster.note(format!("{tenant}: {deed:?}"));
    cluster.changes += 1;
    match deed {
        Deed::Declare(date) => declare(cluster, tenant, date.as_ref()),
        Deed::Vanish => {
            cluster.tenants.remove(tenant);
            books(cluster, tenant).for_each(|book| (book.says, book.unreadable) = (None, false));
        }
        Deed::Garble => {
            if let Some(declared) = cluster.tenants.get_mut(tenant) {
                declared.unreadable = true;
                books(cluster, tenant).for_each(|book| book.unreadable = true);
            }
        }
        Deed::Tamper => tamper(cluster, tenant),
        Deed::HoldNamespace(on) => hold_namespace(cluster, tenant, *on),
        Deed::OperatorDown => cluster.down = cluster.down.or(Some(cluster.now)),
        Deed::OperatorUp => cluster.down = None,
        Deed::Clocks(skew) => cluster.skew = *skew,
        Deed::Stop(stop) => cluster.stop.clone_from(stop),
        Deed::Budget(budget) => cluster.per_day = *budget,
        Deed::NewDisk(_) | Deed::NewSecret | Deed::NewRecord | Deed::Again | Deed::Stuck | Deed::Freed => {
            objects(cluster, tenant, deed);
        }
        _ => edit(cluster, tenant, deed),
    }
}

fn declare(cluster: &mut Cluster, tenant: &str, date: Option<&String>) {
    if let Some(declared) = cluster.tenants.get_mut(tenant) {
        declared.end_date = date.cloned();
        declared.unreadable = false;
    } else {
        let uid = cluster.new_uid("life");
        let declared = Declared { uid, end_date: date.cloned(), unreadable: false };
        cluster.tenants.insert(tenant.to_owned(), declared);
    }
    books(cluster, tenant).for_each(|book| (book.says, book.unreadable) = (Some(date.cloned()), false));
}

fn hold_namespace(cluster: &mut Cluster, tenant: &str, on: bool) {
    let names = [home::customer_namespace(tenant), home::derived_namespace(tenant)];
    if let Some(namespace) = cluster.objects.namespace_mut(&names[0]) {
        if on {
            namespace.hold = Some("2026-17".into());
        } else if namespace.hold.as_deref() == Some("2026-17") {
            namespace.hold = None;
        }
        namespace.version += 1;
        let (era, held) = (namespace.era.clone(), namespace.hold.as_deref() == Some("2026-17"));
        if let Some(book) = cluster.books.get_mut(&era) {
            book.held_in_namespace = held;
        }
    }
}

fn edit(cluster: &mut Cluster, tenant: &str, deed: &Deed) {
    let Some(name) = current(cluster, tenant) else { return };
    let era = cluster.retentions[&name].uid().unwrap_or_default();
    let now = cluster.now;
    let passed = cluster.edit(&name, |spec| match deed {
        Deed::Decide(date) => (spec.end_date, spec.requested_by) = (date.clone(), Some("dpo".into())),
        Deed::Hold(active) => {
            let (reference, placed_by) = (Some("2026-17".into()), Some("dpo".into()));
            spec.legal_hold = Some(LegalHold { active: *active, reference, placed_by, ..LegalHold::default() });
        }
        Deed::Suspend(suspend) => spec.suspend = *suspend,
        Deed::Dry(dry) => spec.mode = if *dry { PurgeMode::DryRun } else { PurgeMode::Enforce },
        Deed::Grace(days) => spec.grace_days = *days,
        Deed::Want(wanted) => spec.required_approvals = *wanted,
        Deed::Approve(by) => {
            spec.approvals.retain(|given| given.by != *by);
            spec.approvals.push(Approval { by: (*by).to_owned(), at: Some(Time(now)) });
            let surplus = spec.approvals.len().saturating_sub(2);
            spec.approvals.drain(..surplus);
        }
        Deed::Disapprove => drop(spec.approvals.pop()),
        Deed::Wish(by) => {
            let confirm_name = spec.tenant_ref.name.clone();
            spec.early_erasure = Some(EarlyErasure { approved_by: (*by).to_owned(), at: None, confirm_name });
        }
        Deed::NoWish => spec.early_erasure = None,
        Deed::Schedule(schedule) => (*schedule).clone_into(&mut spec.schedule),
        _ => {}
    });
    let spec = cluster.retentions[&name].spec.clone();
    if !passed {
        cluster.note(format!("{name}: refused, or nothing new"));
        return;
    }
    let book = cluster.books.entry(era).or_default();
    match deed {
        Deed::Decide(date) => book.decided.clone_from(date),
        Deed::Hold(active) => book.held = *active,
        Deed::Suspend(suspend) => book.suspended = *suspend,
        Deed::Dry(dry) => book.dry = *dry,
        Deed::Grace(days) => book.grace = *days,
        Deed::Want(wanted) => book.wanted = usize::try_from(*wanted).unwrap_or_default(),
        Deed::Approve(by) => {
            book.approvals.retain(|given| given.0 != *by);
            book.approvals.push((by, now));
            let surplus = book.approvals.len().saturating_sub(2);
            book.approvals.drain(..surplus);
        }
        Deed::Disapprove => drop(book.approvals.pop()),
        Deed::Wish(_) | Deed::NoWish => {
            book.wish = spec.early_erasure.is_some_and(|wish| wish.approved_by == "sato");
        }
        _ => {}
    }
}

fn objects(cluster: &mut Cluster, tenant: &str, deed: &Deed) {
    let own = home::customer_namespace(tenant);
    let number = cluster.changes;
    let open = cluster.objects.namespace(&own).filter(|namespace| !namespace.deleting).map(|seen| seen.era.clone());
    let Some(era) = open else { return };
    match deed {
        Deed::NewDisk(delete) => drop(cluster.objects.disk(&era, tenant, &format!("disk-{number}"), *delete)),
        Deed::NewSecret => drop(cluster.objects.make(&era, "secrets", Some(&own), &format!("secret-{number}"))),
        Deed::NewRecord => {
            let until = cluster.now + SignedDuration::from_hours(24 * 90);
            let derived = home::derived_namespace(tenant);
            if cluster.objects.namespace(&derived).is_some_and(|seen| seen.era == era) {
                let record = cluster.objects.make(&era, "configmaps", Some(&derived), &format!("record-{number}"));
                cluster.objects.get(&record).kept_until = Some(until);
            }
        }
        Deed::Again => {
            let theirs = cluster.objects.all.values();
            let mine = theirs.filter(|it| it.namespace.as_ref() == Some(&own) && it.owner.is_none() && !it.deleting);
            let mine: Vec<_> =
                mine.filter(|it| it.kind != "datavolumes" && it.kind != "volumesnapshots").cloned().collect();
            let which = usize::try_from(number).unwrap_or_default() % mine.len().max(1);
            if let Some(old) = mine.get(which) {
                cluster.objects.all.remove(&old.uid);
                let uid = cluster.objects.make(&era, old.kind, Some(&own), &old.name);
                cluster.objects.get(&uid).ready = old.ready;
            }
        }
        Deed::Stuck => {
            let theirs = cluster.objects.all.values_mut().filter(|object| object.era == era);
            let which = usize::try_from(number).unwrap_or_default();
            let mut theirs: Vec<_> = theirs.filter(|object| object.kind != "namespaces").collect();
            let which = which % theirs.len().max(1);
            if let Some(object) = theirs.get_mut(which) {
                object.finalizers = vec!["example.com/stuck"];
                object.version += 1;
            }
        }
        _ => free(cluster, tenant),
    }
}

fn tamper(cluster: &mut Cluster, tenant: &str) {
    let prefix = format!("{tenant}.");
    let foreign = cluster.objects.all.values().find(|it| !it.era.starts_with(&prefix) && it.kind == "datavolumes");
    let Some(line) = foreign.map(Object::as_planned) else { return };
    for (_, record) in cluster.records.iter_mut().filter(|(era, _)| era.starts_with(&prefix)) {
        if let Some(plan) = &mut record.plan {
            record.original.get_or_insert_with(|| plan.clone());
            plan.push_str(&line);
        }
    }
}

pub fn free(cluster: &mut Cluster, tenant: &str) {
    let prefix = format!("{tenant}.");
    for object in cluster.objects.all.values_mut().filter(|object| object.era.starts_with(&prefix)) {
        object.version += u64::from(!object.finalizers.is_empty());
        object.finalizers.clear();
    }
    cluster.objects.settle();
    cluster.changes += 1;
}

/// Data that came after a plan was made is told by name, and a person erases it.
fn erase_by_hand(cluster: &mut Cluster, tenant: &str) {
    let prefix = format!("{tenant}.");
    let begun = cluster.books.iter().filter(|(era, book)| era.starts_with(&prefix) && book.begun);
    let plans: Vec<(String, String)> =
        begun.filter_map(|(era, _)| Some((era.clone(), cluster.records.get(era)?.plan.clone()?))).collect();
    for (era, plan) in plans {
        let data =
            ["datavolumes", "persistentvolumeclaims", "persistentvolumes", "volumesnapshots", "volumesnapshotcontents"];
        cluster
            .objects
            .all
            .retain(|uid, object| object.era != era || !data.contains(&object.kind) || plan.contains(uid));
    }
}

/// What a CronJob's pod is started with.
pub fn asked(retention: &str, uid: &str) -> Asked {
    Asked { retention: retention.into(), uid: uid.into(), cool_off: SignedDuration::from_hours(24) }
}

/// Everything that stood in the way is put right by people.
pub fn calm(cluster: &mut Cluster, tenant: &str) {
    let all = [
        Deed::Clocks(RIGHT),
        Deed::OperatorUp,
        Deed::Stop(Ok(false)),
        Deed::Budget(5),
        Deed::Hold(false),
        Deed::HoldNamespace(false),
        Deed::Suspend(false),
        Deed::Dry(false),
        Deed::Want(0),
        Deed::Schedule("30 3 * * *"),
        Deed::Freed,
    ];
    for deed in all {
        apply(cluster, tenant, &deed);
    }
    for record in cluster.records.values_mut() {
        record.plan = record.original.take().or(record.plan.take());
    }
    erase_by_hand(cluster, tenant);
    free(cluster, tenant);
}
