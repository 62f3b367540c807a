//! Where things are, as far as their objects tell: nodes, storage classes, volumes, snapshot classes, backup locations. Only
//! what a look at residency (6.1.3) needs of them is kept.
//!
//! Odd values are no errors: what cannot be read says nothing, and who says nothing is not known to be anywhere.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelectorTerm, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::api::{DynamicObject, PartialObjectMeta};

use crate::api::home;
use crate::api::labels::COUNTRY;
use crate::api::quantity::Quantity;

/// Terms of a topology that are looked at; one more makes it unreadable.
const TERMS: usize = 64;

/// Everything that is known of places and is nobody's own; `None` while a kind is not installed or has not been listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    pub nodes: Option<BTreeMap<String, NodePlace>>,
    pub classes: Option<BTreeMap<String, ClassPlace>>,
    pub snapshot_classes: Option<BTreeMap<String, SnapshotClassPlace>>,
    /// By `<namespace>/<name>`: what its label says.
    pub backup_locations: Option<BTreeMap<String, Option<String>>>,
}

/// A node's labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePlace {
    pub country: Option<String>,
    pub zone: Option<String>,
    pub region: Option<String>,
}

/// A storage class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassPlace {
    pub driver: String,
    pub country: Option<String>,
    pub reach: Reach,
}

/// A class of volume snapshots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotClassPlace {
    pub driver: String,
    pub country: Option<String>,
}

/// A volume of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumePlace {
    /// Whose claim it is or was.
    pub tenant: String,
    pub claim: String,
    pub class: String,
    pub reach: Reach,
    pub size: Option<Quantity>,
    /// Is it its claim's now, and not what a claim left behind?
    pub bound: bool,
}

/// One place, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    Node(String),
    Zone(String),
    Region(String),
}

/// Where something may be: in any of these terms; in each term all groups hold; in each group any of the spots. Without a
/// term it may be anywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach(pub Vec<Vec<Vec<Spot>>>);

impl Reach {
    /// From topology terms, each as keys with their values. A term without a key that is understood may be anywhere, and so
    /// may be the whole.
    fn of(terms: Vec<Vec<(String, Vec<String>)>>) -> Self {
        let term = |keys: Vec<(String, Vec<String>)>| -> Vec<Vec<Spot>> {
            let understood = keys.into_iter().filter_map(|(key, values)| spots(&key, values));
            understood.filter(|spots| !spots.is_empty()).collect()
        };
        let count = terms.len();
        let terms: Vec<_> = terms.into_iter().map(term).collect();
        let readable = count <= TERMS && terms.iter().all(|term| !term.is_empty());
        Self(if readable { terms } else { Vec::new() })
    }
}

/// CSI drivers have keys of their own that end like the usual ones, such as `topology.rbd.csi.ceph.com/zone`.
fn spots(key: &str, values: Vec<String>) -> Option<Vec<Spot>> {
    let spot: fn(String) -> Spot = match key.rsplit_once('/')?.1 {
        "zone" => Spot::Zone,
        "region" => Spot::Region,
        "hostname" => Spot::Node,
        _ => return None,
    };
    Some(values.into_iter().map(spot).collect())
}

/// A node by its labels; `country` is the label that the operator's config names.
#[must_use]
pub fn node(node: &PartialObjectMeta<Node>, country: &str) -> NodePlace {
    let label = |key: &str| node.labels().get(key).cloned();
    NodePlace {
        country: label(country),
        zone: label("topology.kubernetes.io/zone"),
        region: label("topology.kubernetes.io/region"),
    }
}

/// A storage class by its label and its topologies.
#[must_use]
pub fn storage_class(class: &StorageClass) -> ClassPlace {
    let terms = class.allowed_topologies.clone().unwrap_or_default().into_iter();
    let terms = terms.map(|term| {
        let keys = term.match_label_expressions.unwrap_or_default().into_iter();
        keys.map(|each| (each.key, each.values)).collect()
    });
    ClassPlace {
        driver: class.provisioner.clone(),
        country: class.labels().get(COUNTRY).cloned(),
        reach: Reach::of(terms.collect()),
    }
}

/// A volume of a tenant; `None` for everybody else's and for one that nobody has claimed.
#[must_use]
pub fn volume(volume: &PersistentVolume) -> Option<VolumePlace> {
    let spec = volume.spec.as_ref()?;
    let claim = spec.claim_ref.as_ref()?;
    let tenant = home::of_customer_namespace(claim.namespace.as_deref()?);
    let affinity = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let terms = affinity.map(|required| required.node_selector_terms.iter().map(selected).collect());
    let size = spec.capacity.as_ref().and_then(|capacity| capacity.get("storage")).and_then(|size| size.0.parse().ok());
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    (!tenant.is_empty()).then(|| VolumePlace {
        bound: phase == Some("Bound"),
        tenant: tenant.to_owned(),
        claim: claim.name.clone().unwrap_or_default(),
        class: spec.storage_class_name.clone().unwrap_or_default(),
        reach: Reach::of(terms.unwrap_or_default()),
        size,
    })
}

fn selected(term: &NodeSelectorTerm) -> Vec<(String, Vec<String>)> {
    let within = term.match_expressions.iter().flatten().filter(|each| each.operator == "In");
    within.map(|each| (each.key.clone(), each.values.clone().unwrap_or_default())).collect()
}

/// A class of volume snapshots. Its fields are beside its metadata and not in a spec.
#[must_use]
pub fn snapshot_class(class: &DynamicObject) -> SnapshotClassPlace {
    SnapshotClassPlace {
        driver: class.data["driver"].as_str().unwrap_or_default().to_owned(),
        country: class.labels().get(COUNTRY).cloned(),
    }
}

/// What a backup location's label says.
#[must_use]
pub fn backup_location(location: &DynamicObject) -> Option<String> {
    location.labels().get(COUNTRY).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(affinity: &Value) -> Reach {
        let manifest = json!({
            "metadata": {"name": "pv"},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "claimRef": {"namespace": "cf-plum", "name": "web-root"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": affinity}},
            },
        });
        volume(&serde_json::from_value(manifest).unwrap()).unwrap().reach
    }

    #[test]
    fn keys_of_drivers_are_understood_and_a_term_that_is_not_may_be_anywhere() {
        let zone = |key: &str| json!({"matchExpressions": [{"key": key, "operator": "In", "values": ["jp-a"]}]});
        let in_zone = Reach(vec![vec![vec![Spot::Zone("jp-a".into())]]]);
        assert_eq!(read(&json!([zone("topology.kubernetes.io/zone")])), in_zone);
        assert_eq!(read(&json!([zone("topology.rbd.csi.ceph.com/zone")])), in_zone);
        for odd in [
            json!([zone("topology.kubernetes.io/zone"), zone("color")]),
            json!([zone("zone")]),
            json!([{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["us"]}]}]),
            json!([{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": []}]}]),
            json!([{}]),
            json!(vec![zone("topology.kubernetes.io/zone"); TERMS + 1]),
        ] {
            assert_eq!(read(&odd), Reach::default(), "{odd}");
        }
    }

    #[test]
    fn a_volume_is_the_tenants_whose_namespace_its_claim_is_in() {
        let in_phase = |spec: Value, phase: &str| {
            let manifest = json!({"metadata": {}, "spec": spec, "status": {"phase": phase}});
            volume(&serde_json::from_value(manifest).unwrap())
        };
        let of = |spec: Value| in_phase(spec, "Bound");
        let found = of(json!({"claimRef": {"namespace": "cf-plum", "name": "c"}, "capacity": {"storage": "much"}}));
        assert_eq!(found.map(|found| (found.tenant, found.size)), Some(("plum".into(), None)));
        for (phase, bound) in [("Bound", true), ("Released", false), ("Failed", false)] {
            let found = in_phase(json!({"claimRef": {"namespace": "cf-plum", "name": "c"}}), phase).unwrap();
            assert_eq!((found.bound, found.claim.as_str()), (bound, "c"));
        }
        for nobodys in [json!({}), json!({"claimRef": {"name": "c"}}), json!({"claimRef": {"namespace": "plum"}})] {
            assert_eq!(of(nobodys), None);
        }
    }
}
