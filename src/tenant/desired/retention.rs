//! The default Retention: made once when there is none, then left to people.

use serde_json::json;

use super::Home;
use crate::cluster::object::{DesiredObject, Digest, Kind, Reference};

/// A Retention that says nothing but whose it is; the CRD's defaults do the rest. `None` when one exists.
pub fn default_one(home: &Home) -> Option<DesiredObject> {
    if home.snapshot.retention.is_some() {
        return None;
    }
    let name = home.snapshot.retention_name.clone();
    // Built by hand and not from the type: a field with a default that we state would be ours, and a person who
    // changes it by server-side apply would have to take it from us.
    let body = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "Retention",
        "metadata": home.owner.metadata(None, &name),
        "spec": {"tenantRef": {"name": home.owner.name}},
    });
    let digest = Digest::of(&body);
    Some(DesiredObject {
        reference: Reference { kind: Kind::Retention, namespace: None, name },
        body,
        digest,
        after: None,
        decided_by: None,
    })
}
