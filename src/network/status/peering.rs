//! `PeeringDenied`: which walls stand between this network and those of other tenants.

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::cluster::applied::Applied;
use crate::network::backend::Means;
use crate::network::desired::Plan;

pub(super) fn denied(plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::PeeringDenied;
    let missing = plan.desired.objects().find(|object| !applied.observed.contains_key(&object.reference));
    if let Some(missing) = missing {
        let message = format!("{} is not there yet, and no VM is attached before it is", missing.reference);
        return Verdict::new(type_, Status::Unknown, Reason::Progressing, message);
    }
    if plan.desired.stages.is_empty() {
        return Verdict::good(type_, "nothing is made and nothing attached, so nothing is joined");
    }
    let wall = match &plan.choice.means {
        Ok(Means::OvnLayer2) => "no other namespace is on it",
        Ok(Means::OvnLocalnet | Means::Bridge(_)) => "no other network of this provider has its VLAN id",
        Ok(Means::NetworkPolicy) | Err(_) => "the default-deny stands, and no rule names anybody in another namespace",
    };
    // Of the wall in the Admin tier the Tenant tells: it comes and goes without this network.
    Verdict::good(type_, wall)
}
