//! `Tenant`: from a declaration to namespaces, quota, walls, roles and VMs.

pub mod administrators;
pub mod application_id;
mod conditions;
pub mod declared;
pub mod desired;
pub mod guest;
pub mod observe;
pub mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::tenant::Tenant;
use crate::notice::announce;
use crate::operator::context::{Again, Context};
use crate::operator::reports;

/// One pass over one Tenant: the five steps.
pub async fn reconcile(tenant: Tenant, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, tenant).await;
    let plan = desired::desired(&snapshot);
    let applied = plan.apply(&context.cluster).await;
    observe::unwritten(&context.guests, &snapshot, &applied);
    let mut status = status::status(&snapshot, &plan, &applied);
    let published = reports::of_tenant(&context, &snapshot.tenant, &mut status, plan.erasure.is_none()).await;
    let (notices, again) = announce::of_tenant(&context, &snapshot.tenant, &status);
    let next = plan.next_change(&snapshot).into_iter().chain(published).chain(again).min();
    let action = context.report(&snapshot.tenant, &status, &applied, next).await?;
    announce::make(&context, &notices).await?;
    Ok(action)
}
