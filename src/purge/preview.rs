//! Previews: what a purge would erase, written down before it may.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::engine::{Ended, Run, Stop, number};
use super::gate::{self, Refusal};
use super::look::Look;
use super::plan::Inventory;
use super::world::World;
use crate::api::retention::{InventorySummary, RunOutcome};
use crate::retention::ending::Dates;

impl<W: World> Run<'_, W> {
    /// Not due yet: is it one of the days on which people are told what will go?
    pub(super) async fn early_preview(&mut self, look: &Look, refusal: Refusal) -> Result<Ended, Stop> {
        let Refusal::NotBefore(not_before) = refusal else { return Err(Stop::Refused(refusal)) };
        let now = gate::time(&look.clocks).map_err(Stop::Refused)?;
        let dates = gate::ended(self.asked, look, now).map_err(Stop::Refused)?;
        if preview_due(look, not_before, now) {
            self.preview(look, &dates, &refusal).await
        } else {
            Err(Stop::Refused(refusal))
        }
    }

    pub(super) async fn preview(&mut self, look: &Look, dates: &Dates, because: &Refusal) -> Result<Ended, Stop> {
        let inventory = self.world.inventory().await?;
        let now = gate::time(&look.clocks).map_err(Stop::Refused)?;
        self.progress.inventory = Some(summary(&inventory, dates.not_before, now));
        let mut message =
            format!("{because}; a purge would erase {} objects, {} bytes", inventory.items.len(), inventory.bytes());
        if !inventory.doubts.is_empty() {
            message = format!("{message}; it would stop at: {}", inventory.doubts.join("; "));
        }
        Ok(Ended::new(RunOutcome::Previewed, "Previewed", message))
    }
}

/// Has one of the days before the purge come on which people are told, since the last preview of it?
fn preview_due(look: &Look, not_before: Timestamp, now: Timestamp) -> bool {
    let preview = look.retention.status.as_ref().and_then(|status| status.progress.inventory.as_ref());
    let last = preview.filter(|preview| preview.not_before.0 == not_before).map(|preview| preview.at.0);
    let days = look.retention.spec.notify_days_before.iter();
    let mut told = days.map(|days| crate::api::jst::plus_days(not_before, -days));
    told.any(|day| day <= now && last.is_none_or(|last| last < day))
}

/// As it is written down.
pub(super) fn summary(inventory: &Inventory, not_before: Timestamp, now: Timestamp) -> InventorySummary {
    InventorySummary {
        hash: inventory.hash(),
        objects: number(inventory.items.len()),
        bytes: i64::try_from(inventory.bytes()).unwrap_or(i64::MAX),
        counts: inventory.counts(),
        at: Time(now),
        not_before: Time(not_before),
    }
}
