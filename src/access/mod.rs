//! `AccessGrant`: staff ask, the customer consents, a door stands open for the time that was granted and closes by itself.
//!
//! ```text
//! staff                customer's privileged administrator        operator
//!   asks (create)                                                   Requested
//!                        writes spec.approval                       writes approvedAt and expiresAt, Approved
//!                                                                   opens the door: Role and RoleBinding, Active
//!   comes in                                                        closes it at expiresAt: Expired
//!   writes revoked       writes revoked                             closes it at once: Revoked
//! ```
//!
//! The API server knows no right that ends by itself, so a door is closed by whoever is left: the pass at its hour, the
//! sweep ([`sweep`]) every minute and at every start, and the garbage collector when its AccessGrant is deleted. No door is
//! opened before the instant at which it closes is written in the status.

pub mod desired;
pub mod door;
pub mod observe;
pub mod state;
pub mod status;
pub mod sweep;
pub mod verbs;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::api::access_grant::AccessGrant;
use crate::api::home;
use crate::notice::announce;
use crate::operator::context::{Again, Context};
use crate::operator::reports;

/// One pass over one AccessGrant: the five steps.
pub async fn reconcile(grant: AccessGrant, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, grant);
    let plan = desired::desired(&snapshot);
    let applied = plan.apply(&context.cluster).await;
    let status = status::status(&snapshot, &plan, &applied);
    context.report(&snapshot.grant, &status, &applied, None).await?;
    reports::of_grant(&context, &snapshot.grant, &status);
    let told = AccessGrant { status: Some(status), ..snapshot.grant.clone() };
    let namespace = snapshot.grant.namespace().unwrap_or_default();
    announce::of_grant(&context, &told, home::of_customer_namespace(&namespace)).await?;
    if plan.judged.to_be_written(&snapshot.grant) {
        // The time that was granted is written; only a pass that reads it there opens the door.
        context.triggers.grant(&namespace, &snapshot.grant.name_any());
    }
    // To the second, and never early: the clock is cut to whole seconds.
    Ok(plan.judged.next.map_or_else(Action::await_change, |at| {
        let wait = at.duration_since(snapshot.now);
        Action::requeue(Duration::try_from(wait).unwrap_or_default().max(Duration::from_millis(100)))
    }))
}
