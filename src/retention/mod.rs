//! `Retention`: from the end of a contract to the purge CronJob.
//!
//! ```text
//! Tenant declared, no end date ─────────────── Idle      no CronJob: running contracts make no cron load
//!   end date written, day passed ───────────── Grace     CronJob stands; nothing is deleted before purgeNotBefore
//!   legal hold ─────────────────────────────── Held      CronJob suspended
//!   deadline passed, not purged ────────────── Overdue   said aloud
//! Tenant gone with an end date ─────────────── as above  the date and the uids were pinned while it lived
//! Tenant gone without one ──────────────────── Orphaned  data and walls kept until somebody decides
//! ```
//!
//! Absence is never consent (I5): a date that is missing or cannot be read keeps everything for ever, and is said.

pub mod desired;
pub mod gate;
pub mod observe;
pub mod schedule;
pub mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::retention::Retention;
use crate::operator::context::{Again, Context};

/// One pass over one Retention: the five steps.
pub async fn reconcile(retention: Retention, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, retention);
    let plan = desired::desired(&snapshot);
    let applied = context.cluster.apply(&plan.desired).await;
    let status = status::status(&snapshot, &plan, &applied);
    context.report(&snapshot.retention, &status, &applied, plan.next_change(&snapshot)).await
}
