//! Random histories: ten years of what people, clocks and crashes do, with every scheduled run in which something can
//! happen. A night in which nothing can is not played: its run would only note the time, and the time is noted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cloudfarm::api::jst::plus_days;
use cloudfarm::api::retention::{Retention, RetentionPhase, RunRecord};
use cloudfarm::retention::schedule::Schedule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::eyes::{Eyes, FAULTS, Runs};
use crate::model::Book;
use crate::operator;
use crate::people::{self, Deed, apply, current};
use crate::random::Random;
use crate::world::{Cluster, Job, Skew, phase};

const TENANTS: [&str; 2] = ["plum", "pear"];
const YEARS: i64 = 10;

/// What came of one history.
pub struct Played {
    pub breaches: Vec<String>,
    pub log: Vec<String>,
    pub deletes: usize,
    pub purged: usize,
    pub runs: usize,
}

pub struct History {
    pub cluster: Rc<RefCell<Cluster>>,
    pub random: Random,
    pub runs: usize,
    /// All clocks may jump together; then no schedule is so dense that a jump lasts for two runs.
    jumps: bool,
    /// Last runs that found nothing to do, at which count of changes.
    idle: BTreeMap<String, u64>,
    /// The last instant for which runs were scheduled, and whose run it was already: one waits for the other's turn.
    tonight: (Timestamp, BTreeSet<String>),
    next_passes: BTreeMap<&'static str, Timestamp>,
    next_pass: Option<Timestamp>,
    /// When clocks are set right again.
    mend: Option<Timestamp>,
    backup: BTreeMap<String, (Retention, Book)>,
    /// No more faults and deeds.
    pub calm: bool,
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

impl History {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let start = "2026-01-05T00:00:00Z".parse::<Timestamp>().expect("an instant");
        let guarded = !random.once_in(3);
        let jumps = random.once_in(3);
        let cluster = Rc::new(RefCell::new(Cluster::new(start, guarded)));
        Self {
            cluster,
            random,
            runs: 0,
            jumps,
            idle: BTreeMap::new(),
            tonight: (start, BTreeSet::new()),
            next_passes: BTreeMap::new(),
            next_pass: None,
            mend: None,
            backup: BTreeMap::new(),
            calm: false,
        }
    }

    /// Ten years, then people put everything right, and what is due has to be gone.
    pub fn play(seed: u64) -> Played {
        let mut history = Self::new(seed);
        let end = history.cluster.borrow().now + hours(24 * 366 * YEARS);
        history.until(end);
        history.calm = true;
        for tenant in TENANTS {
            people::calm(&mut history.cluster.borrow_mut(), tenant);
        }
        history.pass(&TENANTS);
        history.until(end + hours(24 * 150));
        history.at_the_end();
        history.played()
    }

    pub fn played(self) -> Played {
        let cluster = self.cluster.borrow();
        let purged = cluster.retentions.values().filter(|it| phase(it) == Some(RetentionPhase::Purged)).count();
        Played {
            breaches: cluster.breaches.clone(),
            log: cluster.log.clone(),
            deletes: cluster.deletes,
            purged,
            runs: self.runs,
        }
    }

    /// Plays until an instant.
    pub fn until(&mut self, end: Timestamp) {
        let mut next_deed = self.next_deed();
        loop {
            let mut touched = TENANTS.to_vec();
            let now = self.cluster.borrow().now;
            let run = self.next_run();
            let deed = Some(next_deed).filter(|_| !self.calm);
            let run_at = run.as_ref().map(|(at, _, _)| *at);
            let instants = [deed, run_at, self.next_pass, self.mend];
            let at = instants.into_iter().flatten().min().unwrap_or(end);
            if at >= end || !self.cluster.borrow().breaches.is_empty() {
                let mut cluster = self.cluster.borrow_mut();
                cluster.now = cluster.now.max(end);
                return;
            }
            self.cluster.borrow_mut().now = at.max(now);
            if Some(at) == self.mend {
                self.mend = None;
                let mut cluster = self.cluster.borrow_mut();
                apply(&mut cluster, TENANTS[0], &Deed::OperatorUp);
                let right = crate::world::Skew { own: 0, api_server: Some(0), operator: Some(0) };
                apply(&mut cluster, TENANTS[0], &Deed::Clocks(right));
            } else if Some(at) == self.next_pass {
                self.next_pass = None;
                self.cluster.borrow_mut().changes += 1;
            } else if Some(at) == run_at {
                if let Some((at, name, job)) = run {
                    if self.tonight.0 != at {
                        self.tonight = (at, BTreeSet::new());
                    }
                    self.tonight.1.insert(name.clone());
                    self.night(&name, &job);
                    touched.retain(|tenant| job.uid.starts_with(&format!("{tenant}.")));
                }
            } else {
                self.deed();
                next_deed = self.next_deed();
            }
            self.pass(&touched);
        }
    }

    /// Every few weeks; often around the instant that matters.
    fn next_deed(&mut self) -> Timestamp {
        let cluster = self.cluster.borrow();
        let dues = cluster.books.values().filter(|book| !book.begun).filter_map(Book::due);
        let before = if self.jumps { self.random.within(0, 28) } else { 0 };
        let dues = dues.map(|due| due - hours(24 * before));
        let near = dues.filter(|due| *due > cluster.now + hours(48)).min().filter(|_| self.random.once_in(3));
        let far = cluster.now + SignedDuration::from_secs(self.random.within(600, 140 * 86_400));
        let near = near.map(|due| due + SignedDuration::from_secs(self.random.within(-2 * 86_400, 3 * 86_400)));
        near.unwrap_or(far)
    }

    fn deed(&mut self) {
        let tenant = self.random.one_of(&TENANTS);
        let (now, alive) = {
            let cluster = self.cluster.borrow();
            (cluster.now, cluster.tenants.contains_key(tenant))
        };
        let mut deed = people::deed(&mut self.random, now, alive, self.jumps);
        if self.jumps && self.random.once_in(6) {
            // What a jump of all clocks makes due tonight.
            let far = self.random.within(20, 90) * 86_400;
            deed = Deed::Clocks(Skew { own: far, api_server: Some(far), operator: Some(far) });
        }
        let dense = matches!(deed, Deed::Schedule("0 */6 * * *")) && self.jumps;
        match &deed {
            _ if dense => return,
            // Whoever finds clocks wrong or the operator down puts it right; jumps of all clocks before two runs.
            Deed::Clocks(skew) => {
                let together = Some(skew.own) == skew.api_server && Some(skew.own) == skew.operator;
                let span = if together { self.random.within(1, 20) } else { self.random.within(1, 24 * 80) };
                self.mend = Some(now + hours(span));
            }
            Deed::OperatorDown => self.mend = Some(now + hours(self.random.within(1, 24 * 12))),
            _ => {}
        }
        let mut cluster = self.cluster.borrow_mut();
        apply(&mut cluster, tenant, &deed);
        drop(cluster);
        self.backup(tenant);
    }

    /// A Retention is saved now and then, and restored as it was: also what it remembers of the end date and of runs.
    fn backup(&mut self, tenant: &str) {
        let mut cluster = self.cluster.borrow_mut();
        let Some(name) = current(&cluster, tenant) else { return };
        let found = cluster.retentions[&name].clone();
        let era = found.uid().unwrap_or_default();
        let book = cluster.books[&era].clone();
        match self.random.below(30) {
            0 => drop(self.backup.insert(era, (found, book))),
            1 => {
                let Some((old, mut then)) = self.backup.remove(&era) else { return };
                (then.says, then.unreadable) = (book.says, book.unreadable);
                then.held_in_namespace = book.held_in_namespace;
                cluster.note(format!("{name}: restored to what it was"));
                cluster.restore(&name, old);
                cluster.books.insert(era, then);
            }
            _ => {}
        }
    }

    pub fn pass(&mut self, tenants: &[&'static str]) {
        let mut cluster = self.cluster.borrow_mut();
        for tenant in tenants {
            match operator::pass(&mut cluster, tenant) {
                Some(next) => self.next_passes.insert(tenant, next),
                None => self.next_passes.remove(tenant),
            };
        }
        // The operator's clock may be ahead; an instant that it means comes when it believes so.
        let ahead = cluster.operators_time().duration_since(cluster.now);
        let now = cluster.now;
        let next = self.next_passes.values().map(|at| *at - ahead).filter(|at| *at > now).min();
        self.next_pass = next.map(|at| at + SignedDuration::from_secs(1));
    }

    /// The next scheduled run, over all Retentions.
    fn next_run(&mut self) -> Option<(Timestamp, String, Job)> {
        let jobs = self.cluster.borrow().jobs.clone();
        let planned = jobs.into_iter().filter(|(_, job)| !job.suspended);
        planned.filter_map(|(name, job)| Some((self.run_of(&name, &job)?, name, job))).min_by_key(|(at, _, _)| *at)
    }

    fn run_of(&self, name: &str, job: &Job) -> Option<Timestamp> {
        let cluster = self.cluster.borrow();
        let schedule = schedule(&job.schedule)?;
        let now = cluster.now + SignedDuration::from_secs(1);
        let waits = !self.tonight.1.contains(name);
        // Another's run may have taken so long that its own turn of this night is past already.
        let turn = |at: &Timestamp| *at >= now || waits && *at == self.tonight.0;
        if self.idle.get(name) != Some(&cluster.changes) {
            return schedule.next(self.tonight.0).filter(turn).or_else(|| schedule.next(now));
        }
        let status = cluster.retentions.get(name)?.status.clone()?;
        let told = [0, 1, 7, 14, 30].map(|days| status.purge_not_before.as_ref().map(|at| plus_days(at.0, -days)));
        let believed = status.progress.clock_mark.as_ref().map(|mark| mark.0);
        told.into_iter().flatten().chain(believed).filter_map(|at| schedule.next(at)).filter(turn).min()
    }

    /// The run that the CronJob starts; another one, left over from an earlier night, may run at the same time.
    fn night(&mut self, name: &str, job: &Job) {
        self.note_the_time(name, job);
        let tries = if self.calm { 1 } else { 1 + self.random.below(2) };
        for _ in 0..tries {
            let faulty = !self.calm && self.random.once_in(4);
            let mut fault =
                || faulty.then(|| (usize::try_from(self.random.below(90)).unwrap_or(0), self.random.one_of(&FAULTS)));
            let mut eyes = vec![Eyes::new(self.cluster.clone(), people::asked(name, &job.uid), fault())];
            if !self.calm && self.random.once_in(8) {
                let fault = self
                    .random
                    .once_in(3)
                    .then(|| (usize::try_from(self.random.below(90)).unwrap_or(0), self.random.one_of(&FAULTS)));
                eyes.push(Eyes::new(self.cluster.clone(), people::asked(name, &job.uid), fault));
            }
            self.runs += eyes.len();
            self.together(name, &eyes);
            // A pod that failed is started again a little later.
            if !eyes.iter().any(|eyes| eyes.killed.get()) {
                break;
            }
        }
        self.rate(name);
    }

    fn together(&mut self, name: &str, eyes: &[Eyes]) {
        let disturbed = !self.calm && self.random.once_in(3);
        let mut runs = Runs::of(eyes);
        while !runs.runs.is_empty() {
            let which: Vec<usize> = runs.runs.keys().copied().collect();
            runs.step(self.random.one_of(&which));
            if disturbed && self.random.once_in(25) {
                let mut cluster = self.cluster.borrow_mut();
                let tenant = cluster.retentions[name].spec.tenant_ref.name.clone();
                let alive = cluster.tenants.contains_key(&tenant);
                let deed = if self.random.once_in(2) {
                    let later = people::day(cluster.now, self.random.within(1, 90));
                    // What has to win just now, before the operator has seen it.
                    let stops = [
                        Deed::Hold(true),
                        Deed::HoldNamespace(true),
                        Deed::Suspend(true),
                        Deed::Again,
                        Deed::Tamper,
                        Deed::Declare(None),
                        Deed::Declare(Some(later)),
                    ];
                    self.random.one_of(&stops)
                } else {
                    people::deed(&mut self.random, cluster.now, alive, false)
                };
                if !matches!(deed, Deed::Clocks(_) | Deed::OperatorDown) {
                    apply(&mut cluster, &tenant, &deed);
                }
                cluster.pass_time(1);
                if self.random.once_in(2) {
                    operator::pass(&mut cluster, &tenant);
                }
            }
        }
    }

    /// Runs of nights that were not played would have noted the time, if it was not in doubt.
    fn note_the_time(&mut self, name: &str, job: &Job) {
        let mut cluster = self.cluster.borrow_mut();
        if self.idle.get(name) != Some(&cluster.changes) {
            return;
        }
        let trusted = cloudfarm::purge::gate::time(&cluster.clocks()).is_ok();
        let before = schedule(&job.schedule).and_then(|schedule| before(&schedule, cluster.now));
        let Some(before) = before.filter(|_| trusted) else { return };
        if let Some(status) = cluster.retentions.get_mut(name).and_then(|found| found.status.as_mut()) {
            let mark = status.progress.clock_mark.as_ref().map_or(before, |mark| mark.0.max(before));
            status.progress.clock_mark = Some(Time(mark));
        }
    }

    /// Would the next run find the same and do the same?
    fn rate(&mut self, name: &str) {
        let cluster = self.cluster.borrow();
        let status = cluster.retentions.get(name).and_then(|found| found.status.clone()).unwrap_or_default();
        let waits = |run: &RunRecord| match run.reason.as_str() {
            "ClockInDoubt" => cloudfarm::purge::gate::time(&cluster.clocks()).is_err() || run.message.contains("seen"),
            "OverBudget" => cluster.per_day == 0,
            "Blocked" => cluster.objects.all.values().any(|object| object.deleting && !object.finalizers.is_empty()),
            reason => {
                ["NotDue", "Suspended", "HoldPlaced", "NoEndDate", "DryRun", "ApprovalMissing", "Stopped", "Doubt"]
                    .contains(&reason)
            }
        };
        let begun_today = status.progress.last_run_at.as_ref().is_some_and(|at| at.0 >= cluster.now - hours(2));
        if begun_today && status.progress.runs.last().is_some_and(waits) {
            self.idle.insert(name.to_owned(), cluster.changes);
        } else {
            self.idle.remove(name);
        }
    }

    /// Nothing is forgotten: months after everything was put right, what had to go is gone.
    pub fn at_the_end(&mut self) {
        if !self.cluster.borrow().breaches.is_empty() {
            return;
        }
        self.pass(&TENANTS);
        let mut cluster = self.cluster.borrow_mut();
        let now = cluster.now;
        let lives: Vec<Retention> = cluster.retentions.values().cloned().collect();
        for life in lives {
            let era = life.uid().unwrap_or_default();
            let late = cluster.books[&era].due().is_some_and(|due| due + hours(24 * 10) < now);
            let status = life.status.clone().unwrap_or_default();
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            let told = ready.map(|ready| format!("{} {}", ready.status, ready.message)).unwrap_or_default();
            let for_a_person = told.starts_with("False")
                && ["declared again", "pinned is", "cannot be read"].iter().any(|why| told.contains(why));
            if late && phase(&life) != Some(RetentionPhase::Purged) && !for_a_person {
                let (name, runs) = (life.name_any(), status.progress.runs.last().map(|run| run.message.clone()));
                cluster.breach(format!("{name}: forgotten; it says {told}; the last run: {runs:?}"));
            }
        }
        cluster.check_chain();
    }
}

/// Reading a schedule is what costs most in a virtual night, so it is read once.
fn schedule(text: &str) -> Option<Rc<Schedule>> {
    thread_local!(static READ: RefCell<BTreeMap<String, Option<Rc<Schedule>>>> = RefCell::default());
    let read = |text: &str| text.parse::<Schedule>().ok().map(Rc::new);
    READ.with_borrow_mut(|known| known.entry(text.to_owned()).or_insert_with(|| read(text)).clone())
}

/// The last time of a schedule before an instant.
fn before(schedule: &Schedule, instant: Timestamp) -> Option<Timestamp> {
    let just = instant - SignedDuration::from_secs(120);
    for span in [1, 8, 40] {
        let mut found = None;
        let mut from = just - hours(24 * span);
        while let Some(next) = schedule.next(from).filter(|next| *next <= just) {
            found = Some(next);
            from = next + SignedDuration::from_secs(60);
        }
        if found.is_some() {
            return found;
        }
    }
    None
}
