//! `NetworkAttachmentDefinition` (k8s.cni.cncf.io/v1): how Multus adds an interface to a pod.

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "k8s.cni.cncf.io",
    version = "v1",
    kind = "NetworkAttachmentDefinition",
    plural = "network-attachment-definitions",
    namespaced,
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(default)]
pub struct NetworkAttachmentDefinitionSpec {
    /// The CNI plugin's config: JSON in a string.
    pub config: String,
}

impl Managed for NetworkAttachmentDefinition {
    const KIND: Kind = Kind::NetworkAttachmentDefinition;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}
