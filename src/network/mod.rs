//! `TenantNetwork`: from rules to the policies that carry them.
//!
//! One NetworkPolicy per TenantNetwork, beside the tenant's default-deny: what no rule of any network allows stays
//! closed. A VM that is attached to several networks of type Pod may do what any of them allows, since NetworkPolicies
//! add up. Names of rules are for people and in no policy.
//!
//! A network of type Layer2 or VLAN is made by OVN-Kubernetes or a bridge ([`backend`]) and is an interface of its own in
//! the VM, which no NetworkPolicy reaches: a MultiNetworkPolicy with the same doors stands before it. A VLAN's id is its
//! own while its Lease says so ([`vlan`]).

pub mod attachment;
pub mod backend;
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
pub mod subnets;
pub mod tls;
pub mod vlan;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::tenant_network::TenantNetwork;
use crate::operator::context::{Again, Context};
use crate::operator::reports;

/// One pass over one TenantNetwork: the five steps.
pub async fn reconcile(network: TenantNetwork, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, network);
    let plan = desired::desired(&snapshot);
    let applied = context.cluster.apply(&plan.desired).await;
    let status = status::status(&snapshot, &plan, &applied);
    let next = [plan.next_change(), probe::next_change(&snapshot)].into_iter().flatten().min();
    reports::of_network(&context, &snapshot.network, &status);
    context.report(&snapshot.network, &status, &applied, next).await
}
