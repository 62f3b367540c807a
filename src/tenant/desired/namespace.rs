//! The tenant's two namespaces. Clause 8.1.1: customer data and what our service derives from it are clearly separated.

use k8s_openapi::api::core::v1::Namespace;

use super::Home;
use crate::api::labels;
use crate::cluster::object::DesiredObject;

/// `cf-<tenant>`: what the customer puts in.
pub fn customer(home: &Home) -> DesiredObject {
    namespace(home, &home.customer, labels::DATA_CLASS_CUSTOMER)
}

/// `cfd-<tenant>`: reports, access and delivery logs.
pub fn derived(home: &Home) -> DesiredObject {
    namespace(home, &home.derived, labels::DATA_CLASS_DERIVED)
}

fn namespace(home: &Home, name: &str, data_class: &str) -> DesiredObject {
    let mut metadata = home.owner.metadata(None, name);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(labels::DATA_CLASS.into(), data_class.into());
    let pod_security = &home.snapshot.config.pod_security;
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), pod_security.level.clone());
        labels.insert(format!("pod-security.kubernetes.io/{mode}-version"), pod_security.version.clone());
    }
    DesiredObject::new(&Namespace { metadata, ..Namespace::default() })
}
