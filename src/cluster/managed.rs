//! Which fields of each built-in kind are ours. The neighbours' kinds say so beside their types in `foreign/`.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use serde_json::{Value, json};

use super::object::{Facts, Kind, Managed};

impl Managed for Namespace {
    const KIND: Kind = Kind::Namespace;
    // Only labels and annotations: the spec holds the namespace controller's finalizer.
    fn owned(&self) -> Value {
        Value::Null
    }
    fn facts(&self) -> Facts {
        Facts::Namespace { terminating: self.metadata.deletion_timestamp.is_some() }
    }
}

impl Managed for ResourceQuota {
    const KIND: Kind = Kind::ResourceQuota;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}

impl Managed for LimitRange {
    const KIND: Kind = Kind::LimitRange;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}

impl Managed for NetworkPolicy {
    const KIND: Kind = Kind::NetworkPolicy;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}

impl Managed for RoleBinding {
    const KIND: Kind = Kind::RoleBinding;
    fn owned(&self) -> Value {
        json!({"roleRef": self.role_ref, "subjects": self.subjects})
    }
}

impl Managed for CronJob {
    const KIND: Kind = Kind::CronJob;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}
