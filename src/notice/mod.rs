//! `Notice`: everybody whom something is about is told by mail, once, and it can be proven when.
//!
//! ```text
//! Notice ----- audience ----> tenants --- recipients ---> people
//!    \                           |
//!     \ status: how many         | record in cfd-<tenant>: who (as a hash), which mail, when, how often tried
//!      conditions, deadline      v
//!                          1 the record says "is being sent"   refused if another leader wrote it meanwhile
//!                          2 the mail goes out                 always under the same Message-ID
//!                          3 the record says what became of it
//! ```
//!
//! Whoever dies between 2 and 3 leaves a mail whose fate nobody knows: it is sent once more, under the Message-ID that it had.
//! [`recipients`], [`record`], [`event`] and [`status`] decide and call nobody; [`deliver`] goes from tenant to tenant.
//! [`announce`] makes the notices that the operator itself has reason for.

pub mod announce;
mod body;
mod book;
mod deliver;
pub mod event;
pub mod observe;
pub mod recipients;
pub mod record;
pub mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;

use crate::api::notice::Notice;
use crate::cluster::applied::Applied;
use crate::operator::context::{Again, Context};
use crate::operator::reports;
pub use book::Book;

/// One pass over one Notice: the five steps. What is wanted are mails, and what is written are records of them.
pub async fn reconcile(notice: Notice, context: Arc<Context>) -> Result<Action, Again> {
    let snapshot = observe::observe(&context, notice).await;
    let delivered = deliver::deliver(&context, &snapshot).await;
    let status = status::status(&snapshot, &delivered);
    let next = status::next_change(&snapshot, &delivered);
    reports::of_notice(&context, &snapshot.notice, &status);
    context.report(&snapshot.notice, &status, &Applied::default(), next).await
}
