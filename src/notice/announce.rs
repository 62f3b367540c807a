//! The notices that the operator makes itself, after a status that gives reason for one was written. Nothing is made while no
//! mail server is configured: what nobody could be told must not be sent weeks later.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::event;
use crate::api::access_grant::AccessGrant;
use crate::api::notice::Notice;
use crate::api::retention::Retention;
use crate::api::tenant::{Tenant, TenantStatus};
use crate::operator::context::{Again, Context};

/// What a Tenant's status gives reason to tell, as it is known once the status is written; and when there is something to tell
/// again.
#[must_use]
pub fn of_tenant(context: &Context, tenant: &Tenant, status: &TenantStatus) -> (Vec<Notice>, Option<Timestamp>) {
    if context.post.is_none() {
        return (Vec::new(), None);
    }
    let tenant = Tenant { status: Some(status.clone()), ..tenant.clone() };
    let (mut notices, next) = event::capacity(&tenant, context.clock.now());
    notices.push(event::opening(&tenant));
    (notices, next)
}

/// For a Retention whose pass has ended.
///
/// # Errors
/// A Notice could not be made.
pub async fn of_retention(context: &Context, retention: &Retention) -> Result<(), Again> {
    let notices: Vec<Notice> = event::retention(retention, context.clock.now()).into_iter().collect();
    make(context, &notices).await
}

/// For an AccessGrant whose pass has ended.
///
/// # Errors
/// A Notice could not be made.
pub async fn of_grant(context: &Context, grant: &AccessGrant, tenant: &str) -> Result<(), Again> {
    let notices: Vec<Notice> = event::access(grant, tenant, context.clock.now()).into_iter().collect();
    make(context, &notices).await
}

/// Makes those that are not there yet.
///
/// # Errors
/// The API server refused one or did not answer.
pub async fn make(context: &Context, notices: &[Notice]) -> Result<(), Again> {
    if context.post.is_none() {
        return Ok(());
    }
    let known = |notice: &&Notice| context.stores.notices.get(&ObjectRef::new(&notice.name_any())).is_none();
    for notice in notices.iter().filter(known) {
        let made = context.cluster.writer.announce(notice).await;
        made.map_err(|error| Again(format!("Notice {}: {error}", notice.name_any())))?;
    }
    Ok(())
}
