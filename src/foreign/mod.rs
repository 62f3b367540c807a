//! Hand-trimmed types of neighbours: only the fields that we set or read, all of them optional, so that another
//! version of a neighbour never breaks a watch.

pub mod certificate;
pub mod cluster_network_policy;
pub mod data_volume;
pub mod instancetype;
pub mod kubevirt;
pub mod multi_network_policy;
pub mod network_attachment_definition;
pub mod open_reports;
pub mod place;
pub mod restored;
pub mod user_defined_network;
pub mod velero;
pub mod virtual_machine;
pub mod virtual_machine_restore;
pub mod virtual_machine_snapshot;

use serde_json::Value;

/// What a neighbour's object says of itself in one condition: is it so, and in which words. A neighbour's conditions may
/// lack fields that ours must have, so they are read one by one.
fn said(conditions: &[Value], type_: &str) -> (bool, String) {
    let condition = conditions.iter().find(|condition| condition["type"] == type_);
    let text = |field: &str| condition.and_then(|condition| condition[field].as_str()).unwrap_or_default();
    (text("status") == "True", text("message").to_owned())
}
