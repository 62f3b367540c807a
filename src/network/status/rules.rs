//! `RulesAccepted`: is every written rule in a policy?

use super::homeless;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;
use crate::network::attachment::obstacle;
use crate::network::backend::Filter;
use crate::network::desired::Plan;
use crate::network::observe::NetworkSnapshot;
use crate::network::rules::Refused;

pub(super) fn accepted(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::RulesAccepted;
    if let Some(nobody) = homeless(snapshot, type_) {
        return nobody;
    }
    if let Some(first) = plan.refused.first() {
        return Verdict::bad(type_, first.reason, closed(plan.refused.iter()));
    }
    if let Some(obstacle) = obstacle(plan) {
        let message = format!("the rules are read and no policy carries them: {}", obstacle.message);
        return Verdict::bad(type_, obstacle.reason, message);
    }
    if let Filter::External(firewall) = &plan.choice.filter {
        let message = format!("the rules are read; {} has to carry them into {}", firewall.owner, firewall.reference);
        return Verdict::new(type_, Status::Unknown, Reason::ExternalFirewall, message);
    }
    // What is exposed, and the quota that it waits for, have a condition of their own.
    let policies = |kind| !matches!(kind, Kind::Service | Kind::Certificate | Kind::ResourceQuota);
    match applied.faults.iter().find(|fault| policies(fault.reference.kind)) {
        Some(fault) => fault.verdict(type_),
        None => Verdict::good(type_, "every rule is in a policy"),
    }
}

/// What is left out, in words.
pub(super) fn closed<'a>(refused: impl Iterator<Item = &'a Refused>) -> String {
    let all: Vec<String> = refused.map(|refused| format!("{}: {}", refused.rule, refused.message)).collect();
    format!("stays closed: {}", all.join("; "))
}
