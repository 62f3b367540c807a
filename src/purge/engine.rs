//! One purge run, from the first look to the certificate.
//!
//! ```text
//! look ── gate closed ────────────────────────────── record why, end
//!      ── not due, or not previewed ── inventory ─── record the preview, end
//!      ── open ── inventory = preview? ── store the plan ── mark Purging ── steps ── verify ── certify
//! ```
//!
//! Guarantees:
//! - Nothing is deleted before the plan is stored and `status.purge` is written with the resource version of the look
//!   that found everything in order. A hold that was placed meanwhile changes the version, so exactly one wins (I6).
//! - Before every single delete the world is looked at again, live, and every reason against it is asked (`gate`).
//! - "Asked for" is never "gone": a step ends when each of its items has been read back as not existing.
//! - It can die anywhere. The next run reads the stored plan and goes on; what is gone is gone, what was asked for is
//!   waited for.
//! - Finalizers of others are never touched; what they keep is told by name, and the run ends without a certificate.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::certificate;
use super::gate::{self, Refusal};
use super::look::{Asked, Look};
use super::plan::{Item, NotThePlan, Plan, Step, Way};
use super::preview::summary;
use super::world::{ItemState, Lost, World};
use crate::api::retention::{EvidenceReference, Progress, PurgeMark, PurgeState, RunOutcome, StepState, StepStatus};
use crate::evidence::certificate::Certificate;
use crate::retention::ending::Dates;

/// How often a write is tried again that was overtaken by another.
pub(super) const TRIES: usize = 5;

/// How a run ended, for the log, the exit code and the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub outcome: RunOutcome,
    /// In one word: the refusal's, or what happened.
    pub reason: String,
    pub message: String,
}

impl Ended {
    pub(super) fn new(outcome: RunOutcome, reason: &str, message: impl Into<String>) -> Self {
        Self { outcome, reason: reason.to_owned(), message: message.into() }
    }

    fn refused(outcome: RunOutcome, refusal: &Refusal) -> Self {
        Self::new(outcome, refusal.word(), refusal.to_string())
    }
}

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}")]
    Lost(#[from] Lost),
    #[error("{0}")]
    Plan(#[from] NotThePlan),
    /// What could not be erased, by name, with what blocks it.
    #[error("{0}")]
    Blocked(String),
}

impl Stop {
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.word(),
            Self::Lost(Lost::Unexpected(_)) => "Overtaken",
            Self::Lost(_) => "NoAnswer",
            Self::Plan(_) => "PlanChanged",
            Self::Blocked(_) => "Blocked",
        }
    }
}

/// Runs once.
///
/// # Errors
/// The world did not answer; nothing could be recorded either.
pub async fn run<W: World>(world: &W, asked: &Asked) -> Result<Ended, Lost> {
    let mut look = world.look().await?;
    let written = vec![progress(&look)];
    let mut run = Run { world, asked, progress: progress(&look), written, may: May::Purge };
    let mut result = Box::pin(run.go(&look)).await;
    for _ in 0..TRIES {
        // Somebody wrote on the Retention between the look and the mark, perhaps a hold: everything is asked anew.
        let overtaken = matches!(result, Err(Stop::Lost(Lost::Unexpected(_)))) && run.progress.purge.is_none();
        if !overtaken {
            break;
        }
        look = world.look().await?;
        run.progress = progress(&look);
        run.written = vec![progress(&look)];
        result = Box::pin(run.go(&look)).await;
    }
    let ended = match result {
        Ok(ended) => ended,
        Err(Stop::Refused(Refusal::OtherUid { asked, found })) => {
            let refusal = Refusal::OtherUid { asked, found };
            // A namesake's status is none of our business.
            return Ok(Ended::refused(refusal.outcome(), &refusal));
        }
        Err(Stop::Refused(refusal)) => Ended::refused(run.outcome(&refusal), &refusal),
        Err(Stop::Lost(lost)) if run.progress.purge.is_none() => return Err(lost),
        Err(stop) => Ended::new(RunOutcome::Interrupted, stop.reason(), stop.to_string()),
    };
    run.close(&ended).await?;
    Ok(ended)
}

pub(super) fn progress(look: &Look) -> Progress {
    look.retention.status.clone().unwrap_or_default().progress
}

pub(super) struct Run<'a, W: World> {
    pub(super) world: &'a W,
    pub(super) asked: &'a Asked,
    /// As it stands in the status, or will stand with the next record.
    pub(super) progress: Progress,
    /// What may stand in the status: what stood there when it was looked at, and what was written since. Whether a write
    /// whose answer was lost took effect is not known, so there may be several.
    pub(super) written: Vec<Progress>,
    /// What is asked before each delete.
    pub(super) may: May,
}

/// By which right something is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// The contract is over, and a purge has begun.
    Purge,
    /// It has aged out by `spec.rolling`.
    Roll,
}

impl<W: World> Run<'_, W> {
    async fn go(&mut self, look: &Look) -> Result<Ended, Stop> {
        match self.progress.purge.as_ref().map(|purge| purge.state) {
            Some(PurgeState::Purged) => self.expired_records().await,
            Some(_) => self.purge().await,
            None => match self.contract(look).await {
                Err(Stop::Refused(refusal)) if refusal.outcome() == RunOutcome::Waited => {
                    self.roll(look, Ended::refused(RunOutcome::Waited, &refusal)).await
                }
                Ok(ended) if ended.outcome == RunOutcome::Previewed => self.roll(look, ended).await,
                outcome => outcome,
            },
        }
    }

    /// What the contract's end asks of this run.
    async fn contract(&mut self, look: &Look) -> Result<Ended, Stop> {
        let dates = match gate::always(self.asked, look) {
            Ok(dates) => dates,
            Err(refusal) => return self.early_preview(look, refusal).await,
        };
        match gate::begin(self.asked, look, &self.world.reserve().await?) {
            Ok(dates) => self.begin(look, &dates).await,
            Err(Refusal::NotPreviewed) => self.preview(look, &dates, &Refusal::NotPreviewed).await,
            Err(refusal) => Err(Stop::Refused(refusal)),
        }
    }

    /// Up to the point of no return.
    async fn begin(&mut self, look: &Look, dates: &Dates) -> Result<Ended, Stop> {
        let inventory = self.world.inventory().await?;
        let now = gate::time(&look.clocks).map_err(Stop::Refused)?;
        if let Err(refusal) = gate::as_previewed(look, &inventory) {
            if matches!(refusal, Refusal::Changed(_)) {
                self.progress.inventory = Some(summary(&inventory, dates.not_before, now));
            }
            return Err(Stop::Refused(refusal));
        }
        let plan = Plan {
            retention: self.asked.retention.clone(),
            retention_uid: self.asked.uid.clone(),
            kept: inventory.kept.clone(),
            items: inventory.items.clone(),
        };
        self.world.store_plan(&plan.text()).await?;
        self.progress.purge = Some(PurgeMark {
            state: PurgeState::Purging,
            plan_hash: plan.hash(),
            objects: number(plan.items.len()),
            bytes: i64::try_from(inventory.bytes()).unwrap_or(i64::MAX),
            started_at: Time(now),
            finished_at: None,
            holds_checked: 0,
        });
        self.progress.steps = steps(&plan);
        self.progress.remaining = Some(number(plan.items.len()));
        self.written.push(self.progress.clone());
        // The resource version is that of the look: whoever wrote a hold since has won.
        if let Err(lost) = self.world.record(look, &self.progress).await {
            self.progress = progress(look);
            return Err(Stop::Lost(lost));
        }
        self.purge().await
    }

    /// From the point of no return to the certificate.
    async fn purge(&mut self) -> Result<Ended, Stop> {
        let wanted = self.progress.purge.as_ref().map(|purge| purge.plan_hash.clone()).unwrap_or_default();
        let plan = Plan::stored(self.world.plan().await?.as_deref(), &wanted)?;
        // What stops the purge is told before what it brings about: the operator takes the rights away for the same reason.
        let look = self.world.look().await?;
        gate::always(self.asked, &look).map_err(Stop::Refused)?;
        for step in Step::ALL {
            if step == Step::Namespaces {
                self.nothing_new(&plan).await?;
            }
            self.step(&plan, step).await?;
        }
        self.verify(&plan).await
    }

    /// A namespace takes along whatever is in it: data that came after the plan was made would go unnamed.
    async fn nothing_new(&mut self, plan: &Plan) -> Result<(), Stop> {
        if self.status(Step::Namespaces).is_none_or(|status| status.state == StepState::Done) {
            return Ok(());
        }
        let planned: BTreeSet<&str> = plan.items.iter().map(|item| item.uid.as_str()).collect();
        let found = self.world.inventory().await?;
        let data = found.items.iter().filter(|item| matches!(item.step, Step::Disks | Step::Snapshots));
        let new: Vec<String> =
            data.filter(|item| !planned.contains(item.uid.as_str())).map(ToString::to_string).collect();
        if new.is_empty() {
            return Ok(());
        }
        Err(Stop::Blocked(format!("came after the plan was made, so that a person has to erase it: {}", some(&new))))
    }

    async fn step(&mut self, plan: &Plan, step: Step) -> Result<(), Stop> {
        let items: Vec<&Item> = plan.of(step).filter(|item| item.way != Way::WithNamespace).collect();
        if items.is_empty() || self.status(step).is_none_or(|status| status.state == StepState::Done) {
            return Ok(());
        }
        self.begin_step(step).await?;
        let left = self.rounds(&items).await?;
        if left.is_empty() { self.end_step(plan, step).await } else { Err(self.blocked(step, &items, &left)) }
    }

    /// Rounds until everything is gone, or this run has waited long enough; returns what is still there.
    pub(super) async fn rounds(&mut self, items: &[&Item]) -> Result<Vec<String>, Stop> {
        loop {
            let left = self.round(items).await?;
            if left.is_empty() || !self.world.rest().await {
                return Ok(left);
            }
        }
    }

    /// One round over a step's items: what is ready is deleted, what is not is made ready. Returns what is still there,
    /// each with what keeps it.
    async fn round(&mut self, items: &[&Item]) -> Result<Vec<String>, Stop> {
        let mut there = Vec::new();
        for item in items {
            if let ItemState::There(seen) = self.world.state(item).await? {
                there.push((*item, seen));
            }
        }
        let unready = there.iter().any(|(_, seen)| !seen.ready && !seen.deleting);
        let mut left = Vec::new();
        for (item, seen) in &there {
            let waits = item.after.as_ref().is_some_and(|uid| there.iter().any(|(other, _)| other.uid == *uid));
            let outcome = if seen.deleting {
                Ok(())
            } else if !seen.ready {
                self.ask().await?;
                self.world.prepare(item, seen).await
            } else if unready || waits || !matches!(item.way, Way::Delete | Way::Dispose) {
                Ok(())
            } else {
                self.ask().await?;
                self.world.delete(item, seen).await
            };
            let mut why = seen.blockers.clone();
            match outcome {
                Ok(()) => {}
                // It changed since it was looked at; the next round looks again.
                Err(Lost::Unexpected(said) | Lost::Refused(said)) => why.push(said),
                Err(lost) => return Err(Stop::Lost(lost)),
            }
            left.push(if why.is_empty() { item.to_string() } else { format!("{item} ({})", why.join(", ")) });
        }
        Ok(left)
    }

    /// The last question before something is changed.
    async fn ask(&mut self) -> Result<(), Stop> {
        let look = self.world.look().await?;
        if self.may == May::Roll {
            return gate::rolling(self.asked, &look).map(drop).map_err(Stop::Refused);
        }
        gate::always(self.asked, &look).map_err(Stop::Refused)?;
        gate::approved(self.asked, &look).map_err(Stop::Refused)?;
        if let Some(purge) = &mut self.progress.purge {
            purge.holds_checked = purge.holds_checked.saturating_add(1);
        }
        Ok(())
    }

    async fn verify(&mut self, plan: &Plan) -> Result<Ended, Stop> {
        let look = self.world.look().await?;
        gate::always(self.asked, &look).map_err(Stop::Refused)?;
        let now = gate::time(&look.clocks).map_err(Stop::Refused)?;
        if let Some(purge) = self.progress.purge.as_mut().filter(|purge| purge.state == PurgeState::Purging) {
            purge.state = PurgeState::Verifying;
            purge.finished_at = Some(Time(now));
            self.save().await?;
        }
        let rest = self.world.inventory().await?;
        let found: Vec<String> = rest.items.iter().map(ToString::to_string).chain(rest.doubts.clone()).collect();
        if !found.is_empty() {
            return Err(Stop::Blocked(format!("after the purge there is still: {}", some(&found))));
        }
        let certificate = certificate::certificate(&look, &self.progress, plan);
        let evidence = self.certify(certificate).await?;
        self.progress.evidence = Some(evidence);
        self.progress.remaining = Some(0);
        if let Some(purge) = &mut self.progress.purge {
            purge.state = PurgeState::Purged;
        }
        let message = format!("{} objects are gone, looked for again and certified", plan.items.len());
        Ok(Ended::new(RunOutcome::Purged, "Purged", message))
    }

    /// Another tenant's certificate may take the place that this one was meant for.
    async fn certify(&self, certificate: Certificate) -> Result<EvidenceReference, Lost> {
        let mut tries = 0;
        loop {
            match self.world.certify(certificate.clone()).await {
                Err(Lost::Unexpected(_)) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn status(&mut self, step: Step) -> Option<&mut StepStatus> {
        let name = format!("{step:?}");
        self.progress.steps.iter_mut().find(|status| status.name == name)
    }

    async fn begin_step(&mut self, step: Step) -> Result<(), Stop> {
        let look = self.world.look().await?;
        let now = Time(gate::time(&look.clocks).map_err(Stop::Refused)?);
        if let Some(status) = self.status(step) {
            status.state = StepState::Running;
            status.started_at.get_or_insert(now);
        }
        Ok(())
    }

    async fn end_step(&mut self, plan: &Plan, step: Step) -> Result<(), Stop> {
        let look = self.world.look().await?;
        let now = Time(gate::time(&look.clocks).map_err(Stop::Refused)?);
        if let Some(status) = self.status(step) {
            status.state = StepState::Done;
            status.deleted = number(plan.of(step).count());
            status.remaining = 0;
            status.finished_at = Some(now);
            status.message = None;
        }
        let done = |item: &&Item| {
            let name = format!("{:?}", item.step);
            self.progress.steps.iter().any(|status| status.name == name && status.state == StepState::Done)
        };
        let gone = plan.items.iter().filter(done).count();
        self.progress.remaining = Some(number(plan.items.len() - gone));
        Ok(self.save().await?)
    }

    fn blocked(&mut self, step: Step, items: &[&Item], left: &[String]) -> Stop {
        let message = format!("step {step:?} waits for: {}", some(left));
        if let Some(status) = self.status(step) {
            status.state = StepState::Blocked;
            status.deleted = number(items.len() - left.len());
            status.remaining = number(left.len());
            status.message = Some(message.chars().take(1024).collect());
        }
        Stop::Blocked(message)
    }

    fn outcome(&self, refusal: &Refusal) -> RunOutcome {
        if self.progress.purge.is_some() { RunOutcome::Interrupted } else { refusal.outcome() }
    }
}

fn steps(plan: &Plan) -> Vec<StepStatus> {
    let pending = |step: &Step| StepStatus {
        name: format!("{step:?}"),
        state: StepState::Pending,
        started_at: None,
        finished_at: None,
        deleted: 0,
        remaining: number(plan.of(*step).count()),
        message: None,
    };
    Step::ALL.iter().filter(|step| plan.of(**step).next().is_some()).map(pending).collect()
}

/// As many as a message holds.
pub(super) fn some(names: &[String]) -> String {
    let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join("; ");
    if names.len() > 8 { format!("{shown}; and {} more", names.len() - 8) } else { shown }
}

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
