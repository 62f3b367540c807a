//! OVN-Kubernetes' networks (k8s.ovn.org/v1): `UserDefinedNetwork` in one namespace, `ClusterUserDefinedNetwork` for
//! the namespaces that a selector names. For each it makes a NetworkAttachmentDefinition of the same name there.

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Facts, Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "k8s.ovn.org",
    version = "v1",
    kind = "UserDefinedNetwork",
    namespaced,
    schema = "disabled",
    status = "NetworkStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct UserDefinedNetworkSpec {
    /// `Layer2` or `Layer3`.
    pub topology: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub layer2: Value,
}

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "k8s.ovn.org",
    version = "v1",
    kind = "ClusterUserDefinedNetwork",
    schema = "disabled",
    status = "NetworkStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterUserDefinedNetworkSpec {
    pub namespace_selector: Value,
    /// `topology` and what belongs to it: here `Localnet`, a VLAN of the provider's network.
    pub network: Value,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct NetworkStatus {
    pub conditions: Vec<Value>,
}

impl Managed for UserDefinedNetwork {
    const KIND: Kind = Kind::UserDefinedNetwork;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        network(self.status.as_ref())
    }
}

impl Managed for ClusterUserDefinedNetwork {
    const KIND: Kind = Kind::ClusterUserDefinedNetwork;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        network(self.status.as_ref())
    }
}

// OVN-Kubernetes calls it NetworkCreated; versions before 1.1 called it NetworkReady.
fn network(status: Option<&NetworkStatus>) -> Facts {
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let said = ["NetworkCreated", "NetworkReady"].map(|type_| super::said(conditions, type_));
    let made = said.iter().any(|(made, _)| *made);
    let message = said.into_iter().map(|(_, message)| message).find(|message| !message.is_empty()).unwrap_or_default();
    Facts::Network { made, message }
}
