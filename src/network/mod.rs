//! `TenantNetwork`: from rules to the policies that carry them.
//!
//! One NetworkPolicy per TenantNetwork, beside the tenant's default-deny: what no rule of any network allows stays
//! closed. A VM that is attached to several networks of type Pod may do what any of them allows, since NetworkPolicies
//! add up. Names of rules are for people and in no policy.

pub mod conditions;
pub mod desired;
pub mod expose;
pub mod non_empty;
pub mod observe;
pub mod probe;
pub mod reach;
pub mod rules;
#[cfg(test)]
mod sample;
pub mod status;
pub mod tls;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::tenant_network::TenantNetwork;
use crate::operator::context::{Again, Context};

/// One pass over one TenantNetwork: the five steps.
pub async fn reconcile(network: TenantNetwork, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, network);
    let plan = desired::desired(&snapshot);
    let applied = context.cluster.apply(&plan.desired).await;
    let status = status::status(&snapshot, &plan, &applied);
    context.report(&snapshot.network, &status, &applied, probe::next_change(&snapshot)).await
}
