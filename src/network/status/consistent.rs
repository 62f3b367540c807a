//! `Consistent`: is in the cluster what the network wants, and nothing of it besides?

use crate::api::condition::{ConditionType, Reason, Verdict};
use crate::cluster::applied::Applied;
use crate::cluster::object::Reference;
use crate::network::desired::Plan;
use crate::network::observe::NetworkSnapshot;

pub(super) fn consistent(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::Consistent;
    if let Some(nobody) = super::homeless(snapshot, type_) {
        return nobody;
    }
    if let Some(fault) = applied.faults.first() {
        return fault.verdict(type_);
    }
    let wanted = |reference: &Reference| plan.desired.objects().any(|object| object.reference == *reference);
    let kept: Vec<String> =
        plan.desired.keep.iter().filter(|reference| !wanted(reference)).map(ToString::to_string).collect();
    if !kept.is_empty() {
        let message = format!("kept until no VM is attached any longer: {}", kept.join(", "));
        return Verdict::bad(type_, Reason::Progressing, message);
    }
    let missing: Vec<String> = plan
        .desired
        .objects()
        .filter(|object| !applied.observed.contains_key(&object.reference))
        .map(|object| object.reference.to_string())
        .collect();
    if !missing.is_empty() {
        return Verdict::bad(type_, Reason::Progressing, format!("not there yet: {}", missing.join(", ")));
    }
    Verdict::good(type_, "everything that the network wants is there as wanted")
}
