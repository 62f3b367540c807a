//! `SubnetsDistinct`: do the network's ranges lie in no other?

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant_network::NetworkType;
use crate::network::desired::Plan;
use crate::network::observe::NetworkSnapshot;

/// Said by networks of their own only: type Pod has no ranges.
pub(super) fn subnets(snapshot: &NetworkSnapshot, plan: &Plan) -> Option<Verdict> {
    let type_ = ConditionType::SubnetsDistinct;
    if snapshot.network.spec.type_ == NetworkType::Pod {
        return None;
    }
    let clashes = &plan.clashes;
    Some(if !clashes.against.is_empty() {
        Verdict::bad(type_, Reason::SubnetsOverlap, clashes.against.join("; "))
    } else if !clashes.before.is_empty() {
        // Whoever was there first keeps its ranges and stays ready.
        Verdict::new(type_, Status::True, Reason::SubnetsOverlap, clashes.before.join("; "))
    } else {
        Verdict::good(type_, "its ranges lie in no other of this tenant and in none of the cluster")
    })
}
