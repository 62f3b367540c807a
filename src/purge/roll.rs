//! The parts of a run that no end of a contract asks for: what ages out while it runs, and, long after the purge, records
//! whose period is over. The same rounds, the same questions before each delete.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::engine::{Ended, May, Run, Stop, number, some};
use super::gate::{self, Refusal};
use super::look::Look;
use super::plan::{Item, Step, Way};
use super::rolling;
use super::world::World;
use crate::api::retention::{RollingRecord, RunOutcome};

impl<W: World> Run<'_, W> {
    /// Erases what `spec.rolling` lets go, after `before` has said what the contract's end asks for.
    pub(super) async fn roll(&mut self, look: &Look, before: Ended) -> Result<Ended, Stop> {
        let rules = &look.retention.spec.rolling;
        if rules.is_empty() {
            return Ok(before);
        }
        let now = match gate::rolling(self.asked, look) {
            Ok(now) => now,
            Err(refusal) => return Ok(also(before, &format!("nothing ages out: {refusal}"))),
        };
        let inventory = self.world.inventory().await?;
        let items = rolling::due(&inventory, rules, now);
        if items.is_empty() {
            return Ok(before);
        }
        let most = look.retention.spec.max_objects;
        if number(items.len()) > most {
            let refusal =
                Refusal::Doubt(format!("{} objects age out at once, and spec.maxObjects is {most}", items.len()));
            return Ok(also(before, &format!("nothing ages out: {refusal}")));
        }
        self.may = May::Roll;
        let names: Vec<String> = items.iter().map(ToString::to_string).collect();
        let left = self.in_order(&items).await?;
        let message = if left.is_empty() { some(&names) } else { format!("waits for: {}", some(&left)) };
        let deleted = number(items.len() - left.len());
        let record = RollingRecord { at: Time(now), deleted, message: message.chars().take(1024).collect() };
        self.progress.rolling = Some(record);
        let said = format!("{}; aged out: {deleted} of {} objects: {message}", before.message, items.len());
        let outcome = if left.is_empty() { RunOutcome::Rolled } else { RunOutcome::Interrupted };
        Ok(Ended::new(outcome, "Rolled", said))
    }

    /// After the purge only records are left; those whose period is over go, and with the last one their namespace.
    pub(super) async fn expired_records(&mut self) -> Result<Ended, Stop> {
        let inventory = self.world.inventory().await?;
        if inventory.items.is_empty() || !inventory.doubts.is_empty() {
            let kept: u64 = inventory.kept.iter().map(|kept| kept.count).sum();
            let said = format!("it is purged; {kept} records are kept for their periods");
            return Ok(Ended::new(RunOutcome::Waited, "Purged", said));
        }
        let left = self.in_order(&inventory.items).await?;
        if left.is_empty() {
            let said = format!("{} records whose period is over are gone", inventory.items.len());
            return Ok(Ended::new(RunOutcome::Rolled, "Rolled", said));
        }
        Err(Stop::Blocked(format!("expired records: {}", some(&left))))
    }

    async fn in_order(&mut self, items: &std::collections::BTreeSet<Item>) -> Result<Vec<String>, Stop> {
        for step in Step::ALL {
            let of_step: Vec<&Item> =
                items.iter().filter(|item| item.step == step && item.way != Way::WithNamespace).collect();
            let left = self.rounds(&of_step).await?;
            if !left.is_empty() {
                return Ok(left);
            }
        }
        Ok(Vec::new())
    }
}

fn also(ended: Ended, more: &str) -> Ended {
    Ended { message: format!("{}; {more}", ended.message), ..ended }
}
