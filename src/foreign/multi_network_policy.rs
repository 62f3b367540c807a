//! `MultiNetworkPolicy` (k8s.cni.cncf.io/v1beta1): a NetworkPolicy for an interface that Multus adds.

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Kind, Managed};

/// Annotation: the networks it is about, as `<namespace>/<name of the NetworkAttachmentDefinition>`.
pub const POLICY_FOR: &str = "k8s.v1.cni.cncf.io/policy-for";

/// The same body as a NetworkPolicy's.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "k8s.cni.cncf.io",
    version = "v1beta1",
    kind = "MultiNetworkPolicy",
    plural = "multi-networkpolicies",
    namespaced,
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(transparent)]
pub struct MultiNetworkPolicySpec(pub NetworkPolicySpec);

impl Managed for MultiNetworkPolicy {
    const KIND: Kind = Kind::MultiNetworkPolicy;
    fn owned(&self) -> Value {
        json!({"spec": self.spec, "policyFor": self.annotations().get(POLICY_FOR)})
    }
}
