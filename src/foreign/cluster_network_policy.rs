//! `ClusterNetworkPolicy` of the network policy API (policy.networking.k8s.io/v1alpha2, network-policy-api 0.2).

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "policy.networking.k8s.io",
    version = "v1alpha2",
    kind = "ClusterNetworkPolicy",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterNetworkPolicySpec {
    /// `Admin` is asked before every NetworkPolicy, `Baseline` after.
    pub tier: String,
    /// 0 to 1000; the lower is asked first within its tier.
    pub priority: i32,
    /// Namespaces (or pods) it is about.
    pub subject: Value,
    /// At most 25; the first that matches decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<ClusterRule>,
    /// At most 25; the first that matches decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<ClusterRule>,
}

/// One rule: `from` for ingress, `to` for egress; each peer is exactly one of its kinds.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct ClusterRule {
    pub name: String,
    /// `Accept` and `Deny` are final; `Pass` leaves it to NetworkPolicies.
    pub action: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<Value>,
}

impl Managed for ClusterNetworkPolicy {
    const KIND: Kind = Kind::ClusterNetworkPolicy;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}
