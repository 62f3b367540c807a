//! The provider's report of a tenant. It is owned by nothing, since it has to outlive the tenant, its erasure and the Retention.

use crate::api::home;
use crate::cluster::object::{DesiredObject, Owner};
use crate::evidence::judge::{Finding, Object};
use crate::evidence::report::open_reports::said;
use crate::foreign::open_reports::ClusterReport;

/// `cloudfarm-<tenant>`.
#[must_use]
pub fn cluster_report(owner: &Owner, about: &Object, findings: &[Finding]) -> DesiredObject {
    let name = home::cluster_report(&owner.tenant, &owner.name, &owner.uid);
    DesiredObject::new(&ClusterReport { metadata: owner.lasting_metadata(None, name), said: said(findings, about) })
}
