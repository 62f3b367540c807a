//! What one look at the cluster shows a purge run: everything read live, nothing from a cache.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::retention::Retention;
use crate::retention::ending::TenantState;

/// Which purge was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub retention: String,
    /// The Retention must have this uid: a namesake is not purged.
    pub uid: String,
    /// Least time between the first sight of an end date and a purge.
    pub cool_off: SignedDuration,
}

/// One live look.
#[derive(Clone, Debug)]
pub struct Look {
    pub retention: Retention,
    pub tenant: TenantState,
    /// The tenant's two namespaces, as far as they exist.
    pub namespaces: BTreeMap<String, NamespaceSight>,
    pub clocks: Clocks,
    /// The global stop switch; `Err` when it cannot be read.
    pub stop: Result<bool, String>,
}

/// What has to be known beyond a [`Look`] before a purge begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Tenants whose purge may begin within 24 hours.
    pub per_day: usize,
    /// Other tenants' purges that began, by Retention.
    pub begun: BTreeMap<String, Timestamp>,
    /// Can what is erased be certified: a key that signs, and a record to write into? `Err` says what is missing.
    pub evidence: Result<(), String>,
}

/// A namespace of the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSight {
    pub uid: String,
    /// The second place of a legal hold.
    pub held: bool,
    /// Uid of the Retention whose purge may delete here.
    pub approved: Option<String>,
}

/// What tells the time (I13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// This process's.
    pub own: Timestamp,
    /// `Date` of the API server's answer.
    pub api_server: Option<Timestamp>,
    /// When the operator renewed its lease: the high-water mark that somebody else keeps writing down.
    pub operator: Option<Timestamp>,
}

/// By which time records that are kept are told from those whose time is over: once a purge has begun, that of its
/// beginning. Otherwise a record whose time ends in between would be found left over, and in no plan.
#[must_use]
pub fn records_as_of(look: &Look) -> Timestamp {
    let status = look.retention.status.as_ref();
    let begun = status.and_then(|status| status.progress.purge.as_ref());
    begun.map_or(look.clocks.own, |purge| purge.started_at.0)
}
