//! cert-manager's `Certificate` (cert-manager.io/v1, cert-manager 1.21).

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Facts, Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "cert-manager.io",
    version = "v1",
    kind = "Certificate",
    namespaced,
    schema = "disabled",
    status = "CertificateStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateSpec {
    /// The Secret that holds key and certificate.
    pub secret_name: String,
    pub dns_names: Vec<String>,
    /// Issuer or ClusterIssuer, by name.
    pub issuer_ref: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub private_key: Value,
    pub usages: Vec<String>,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct CertificateStatus {
    pub conditions: Vec<Value>,
}

impl Managed for Certificate {
    const KIND: Kind = Kind::Certificate;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let conditions = self.status.clone().unwrap_or_default().conditions;
        let (issued, message) = super::said(&conditions, "Ready");
        Facts::Certificate { issued, message }
    }
}
