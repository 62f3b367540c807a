//! What a Retention states on objects that the Tenant made. Each claim is asked for only while the object does not show
//! it yet, so that a second pass writes nothing.

use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::approved;
use crate::api::labels;
use crate::cluster::object::{Claim, Facts, Kind, Observation};
use crate::retention::ending::{Dates, TenantState, held};
use crate::retention::observe::RetentionSnapshot;
use crate::tenant::desired::halt;

/// A hold may be placed at any time; nothing else is claimed.
pub fn of_a_running_contract(snapshot: &RetentionSnapshot) -> Vec<Claim> {
    snapshot.pinned_namespaces().filter_map(|namespace| on_namespace(snapshot, namespace, false)).collect()
}

/// The hold or the approval on the namespaces; and, when the Tenant is gone and cannot do it itself, VMs halted and
/// logins closed. Declaring the Tenant again takes both back: it states its own fields on its own objects.
pub fn of_an_ended_contract(snapshot: &RetentionSnapshot, dates: &Dates) -> Vec<Claim> {
    let approved = approved(snapshot, dates);
    let namespaces = snapshot.pinned_namespaces().filter_map(|namespace| on_namespace(snapshot, namespace, approved));
    let mut claims: Vec<Claim> = namespaces.collect();
    if snapshot.now >= dates.ends_at && snapshot.tenant == TenantState::Vanished {
        let tenants = format!("Tenant/{}", snapshot.retention.spec.tenant_ref.name);
        let left =
            snapshot.observed.values().filter(|object| object.ours && object.owner == tenants && !object.deleting);
        claims.extend(left.filter_map(quiet));
    }
    claims
}

/// Annotations of the namespace: the Retention's uid says whose hold and whose approval it is.
fn on_namespace(snapshot: &RetentionSnapshot, namespace: &Observation, approved: bool) -> Option<Claim> {
    let Facts::Namespace { terminating: false, hold, approved: seen } = &namespace.facts else { return None };
    let uid = snapshot.retention.uid().unwrap_or_default();
    let held = held(&snapshot.retention);
    let (hold_is_ours, approval_is_ours) = (hold.as_ref() == Some(&uid), seen.as_ref() == Some(&uid));
    // Whoever wrote a hold by hand has to take it away by hand; ours beside it would change nothing.
    let by_hand = hold.is_some() && !hold_is_ours;
    if (by_hand || held == hold_is_ours) && approved == approval_is_ours {
        return None;
    }
    let mut annotations = Map::new();
    if held && !by_hand {
        annotations.insert(labels::LEGAL_HOLD.into(), json!(uid));
    }
    if approved {
        annotations.insert(labels::PURGE_APPROVED.into(), json!(uid));
    }
    Some(Claim { on: namespace.clone(), fields: json!({"metadata": {"annotations": annotations}}) })
}

/// A VM that runs is halted, a login that is open is closed.
fn quiet(object: &Observation) -> Option<Claim> {
    match (&object.facts, object.reference.kind) {
        (Facts::VirtualMachine { .. }, _) => halt(object),
        (Facts::RoleBinding { subjects: 1.. }, Kind::RoleBinding) => {
            let metadata = json!({"namespace": object.reference.namespace});
            let fields = json!({"metadata": metadata, "subjects": Value::Array(vec![])});
            Some(Claim { on: object.clone(), fields })
        }
        _ => None,
    }
}
