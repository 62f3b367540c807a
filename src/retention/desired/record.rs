//! The ConfigMap into which a purge writes its plan and its certificate: made beforehand, since a purge cannot create.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::api::home;
use crate::cluster::object::{DesiredObject, Owner};
use crate::install::EVIDENCE_NAMESPACE;
use crate::retention::observe::RetentionSnapshot;

/// `cf-record-<tenant>.<uid>` in cloudfarm-evidence. Owned by nothing: it outlives the Retention, too.
pub fn record(_: &RetentionSnapshot, owner: &Owner) -> DesiredObject {
    let mut metadata = owner.metadata(Some(EVIDENCE_NAMESPACE), home::purge_record(&owner.tenant, &owner.uid));
    metadata.owner_references = None;
    DesiredObject::new(&ConfigMap { metadata, ..ConfigMap::default() })
}
