//! CDI's `DataVolume` (cdi.kubevirt.io/v1beta1, CDI 1.65).

use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::labels;
use crate::cluster::object::{Facts, Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "cdi.kubevirt.io",
    version = "v1beta1",
    kind = "DataVolume",
    namespaced,
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase")]
pub struct DataVolumeSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub source: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub source_ref: Value,
    #[serde(default)]
    pub storage: Storage,
}

/// The claim the DataVolume makes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub resources: Value,
}

impl Managed for DataVolume {
    const KIND: Kind = Kind::DataVolume;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        Facts::DataVolume { removed_at: self.annotations().get(labels::REMOVED_AT).cloned() }
    }
}
