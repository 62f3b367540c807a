//! CDI's `DataVolume` (cdi.kubevirt.io/v1beta1, CDI 1.65).

use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::restored::is_restored;
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

/// What fills a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// `spec.source`
    pub source: Value,
    /// `spec.sourceRef`
    pub source_ref: Value,
    /// The DataSource that pointed at the claim of `source`.
    pub data_source: Option<String>,
}

impl Managed for DataVolume {
    const KIND: Kind = Kind::DataVolume;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let size = self.spec.storage.resources.pointer("/requests/storage").and_then(Value::as_str);
        Facts::DataVolume {
            removed_at: self.annotations().get(labels::REMOVED_AT).cloned(),
            size: size.map(str::to_owned),
            vm: self.annotations().get(labels::VM).cloned(),
            restored: self.annotations().get(labels::RESTORED_AS).filter(|claim| is_restored(claim)).cloned(),
            made: Made {
                source: self.spec.source.clone(),
                source_ref: self.spec.source_ref.clone(),
                data_source: self.annotations().get(labels::DATA_SOURCE).cloned(),
            },
        }
    }
}
