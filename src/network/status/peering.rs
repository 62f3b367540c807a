//! `PeeringDenied`: which walls stand between this network and those of other tenants.

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::home;
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;
use crate::network::backend::Means;
use crate::network::desired::Plan;
use crate::network::observe::NetworkSnapshot;

pub(super) fn denied(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
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
    let admin = snapshot.observed.values().any(|object| {
        object.reference.kind == Kind::ClusterNetworkPolicy
            && object.reference.name == home::customer_namespace(&snapshot.tenant_name())
    });
    let pod = matches!(plan.choice.means, Ok(Means::NetworkPolicy));
    let also = if admin && pod { "; the tenant's wall in the Admin tier stands before it" } else { "" };
    Verdict::good(type_, format!("{wall}{also}"))
}
