//! `BackendReady`: is there something that can make the network?

use crate::api::condition::{ConditionType, Verdict};
use crate::network::backend::Means;
use crate::network::desired::Plan;

pub(super) fn backend(plan: &Plan) -> Verdict {
    let type_ = ConditionType::BackendReady;
    let means = match &plan.choice.means {
        Ok(means) => means,
        Err(obstacle) => {
            let message = format!("{}; VMs that name this network are not made", obstacle.message);
            return Verdict::bad(type_, obstacle.reason, message);
        }
    };
    let words = match means {
        Means::NetworkPolicy => "NetworkPolicies on the cluster's own network".to_owned(),
        Means::OvnLayer2 => "OVN-Kubernetes, a network of its own inside the cluster".to_owned(),
        Means::OvnLocalnet => "OVN-Kubernetes, a VLAN of the physical network".to_owned(),
        Means::Bridge(bridge) => format!("Multus, bridge {bridge} on every node"),
    };
    let later = plan.choice.later.map(super::vlan::written);
    let later = later.map(|later| format!("; {later} takes its place when no VM is attached"));
    Verdict::good(type_, words + &later.unwrap_or_default())
}
