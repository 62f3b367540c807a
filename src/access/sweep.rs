//! Pure: which doors must not stand open, told from the door itself and from whatever is known of its AccessGrant.
//!
//! That a grant is not seen is a reason only once all grants were listed; that the hour on the door has passed always is.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::door::Door;
use crate::api::access_grant::{AccessGrant, AccessGrantStatus};

/// What is known of the AccessGrant that a door names.
#[derive(Clone, Debug)]
pub enum Sight<'a> {
    /// Grants have not been listed, or this one cannot be read.
    Unknown,
    /// There is none of that name.
    Gone,
    Seen(&'a AccessGrant),
}

/// Why a door has to be closed now; `None` if it may stay.
#[must_use]
pub fn closes(door: &Door, grant: &Sight, now: Timestamp) -> Option<&'static str> {
    let Some(expires_at) = door.expires_at else { return Some("nothing on it says when it closes") };
    if expires_at <= now {
        return Some("its time is over");
    }
    match grant {
        Sight::Unknown => None,
        Sight::Gone => Some("its AccessGrant is gone"),
        Sight::Seen(grant) => of_grant(door, grant, now),
    }
}

fn of_grant(door: &Door, grant: &AccessGrant, now: Timestamp) -> Option<&'static str> {
    if grant.uid().unwrap_or_default() != door.seen.owner_uid {
        return Some("it was not made for this AccessGrant");
    }
    if grant.metadata.deletion_timestamp.is_some() {
        return Some("its AccessGrant is being deleted");
    }
    if grant.spec.revoked.is_some() {
        return Some("its AccessGrant is revoked");
    }
    match &grant.status {
        Some(AccessGrantStatus { state: Some(state), .. }) if state.over() => Some("its AccessGrant is over"),
        Some(AccessGrantStatus { expires_at: Some(expires_at), .. }) if expires_at.0 > now => None,
        Some(AccessGrantStatus { expires_at: Some(_), .. }) => Some("the time of its AccessGrant is over"),
        _ => Some("its AccessGrant says of no time that was granted"),
    }
}

/// When the next of these has to be closed by its own hour. What is over already and still there is tried again with the next
/// sweep.
#[must_use]
pub fn next<'a>(doors: impl IntoIterator<Item = &'a Door>, now: Timestamp) -> Option<Timestamp> {
    doors.into_iter().filter_map(|door| door.expires_at).filter(|at| *at > now).min()
}
