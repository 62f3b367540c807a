//! `Retention`: from the end of a contract to a proven erasure.
//!
//! ```text
//! operator                                                        purge run (crate::purge), every night
//!   end date seen       pins uids and dates, CronJob
//!   contract over       VMs halted, logins closed, record made     writes the time down, previews at T-30/14/7/1
//!   legal hold          CronJob suspended, namespaces annotated    refuses
//!   purge is due        approves on the namespaces, gives rights   looks for itself, stores the plan, erases
//!   gone and certified  takes the rights away                      certificate
//! ```
//!
//! Where it stands is a table: [`lifecycle`]. Absence is never consent (I5): a date that is missing or cannot be read
//! keeps everything for ever, and is said.

mod conditions;
pub mod desired;
pub mod ending;
pub mod lifecycle;
mod next;
pub mod observe;
pub mod schedule;
pub mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::retention::Retention;
use crate::notice::announce;
use crate::operator::context::{Again, Context};
use crate::operator::reports;

/// One pass over one Retention: the five steps.
pub async fn reconcile(retention: Retention, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, retention);
    let plan = desired::desired(&snapshot);
    let applied = context.cluster.apply(&plan.desired).await;
    let mut status = status::status(&snapshot, &plan, &applied);
    let published = reports::of_retention(&context, &snapshot.retention, &mut status).await;
    // Nothing wakes a pass for what only this one wrote down.
    let next = if status::pins_anew(&snapshot, &status) { Some(snapshot.now) } else { plan.next_change(&snapshot) };
    let next = next.into_iter().chain(published).min();
    let action = context.report(&snapshot.retention, &status, &applied, next).await;
    let told = Retention { status: Some(status.clone()), ..snapshot.retention.clone() };
    if snapshot.retention.status.as_ref().map(|before| &before.purge_not_before) != Some(&status.purge_not_before) {
        // The Tenant says the same date.
        context.triggers.tenant(&snapshot.retention.spec.tenant_ref.name);
    }
    let action = action?;
    announce::of_retention(&context, &told).await?;
    Ok(action)
}
