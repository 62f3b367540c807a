//! Writing a run's progress on the Retention.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::engine::{Ended, Run, TRIES, progress};
use super::gate;
use super::look::Look;
use super::world::{Lost, World};
use crate::api::retention::{Progress, PurgeState, RunRecord};

impl<W: World> Run<'_, W> {
    /// Writes the progress down. Progress that another run has written is never overwritten: what is proven there would
    /// be forgotten.
    pub(super) async fn save(&mut self) -> Result<(), Lost> {
        self.write(|run, look| {
            if !run.is_ours(look) {
                return Err(Lost::Unexpected("another run has written its progress meanwhile".into()));
            }
            Ok(Some(run.progress.clone()))
        })
        .await
    }

    /// The last write of a run: when, how, and the time as it saw it. It is added to whatever stands there by then.
    pub(super) async fn close(&mut self, ended: &Ended) -> Result<(), Lost> {
        self.write(|run, look| {
            if !run.is_ours(look) {
                run.progress = progress(look);
                run.written = vec![progress(look)];
                if run.progress.purge.as_ref().is_some_and(|purge| purge.state == PurgeState::Purged) {
                    return Ok(None);
                }
            }
            Ok(Some(closed(run.progress.clone(), look, ended)))
        })
        .await
    }

    /// Looks, and writes what that look leads to; nothing for `None`. The operator writes on the same object, so being
    /// overtaken is nothing special here; only the mark of the point of no return insists on the look it was decided by.
    async fn write(&mut self, next: impl Fn(&mut Self, &Look) -> Result<Option<Progress>, Lost>) -> Result<(), Lost> {
        let mut tries = 0;
        loop {
            let look = self.world.look().await?;
            let Some(progress) = next(self, &look)? else { return Ok(()) };
            self.written.push(progress.clone());
            match self.world.record(&look, &progress).await {
                Err(Lost::Unexpected(_)) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn is_ours(&self, look: &Look) -> bool {
        // As JSON, which is what is stored: times lose their fractions there.
        let stored = |progress: &Progress| serde_json::to_value(progress).ok();
        let there = stored(&progress(look));
        self.written.iter().any(|written| stored(written) == there)
    }
}

/// The progress with how a run ended.
fn closed(mut progress: Progress, look: &Look, ended: &Ended) -> Progress {
    let now = look.clocks.own;
    progress.last_run_at = Some(Time(now));
    // A time in doubt is not written down as one that was seen: it would bar every later run.
    if let Ok(time) = gate::time(&look.clocks) {
        let seen = progress.clock_mark.as_ref().map_or(time, |mark| mark.0.max(time));
        progress.clock_mark = Some(Time(seen));
    }
    let message = ended.message.chars().take(1024).collect();
    progress.runs.push(RunRecord { at: Time(now), outcome: ended.outcome, reason: ended.reason.clone(), message });
    let surplus = progress.runs.len().saturating_sub(10);
    progress.runs.drain(..surplus);
    progress
}
