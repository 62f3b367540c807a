//! Which fields of each built-in kind are ours. The neighbours' kinds say so beside their types in `foreign/`.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Secret, Service,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use serde_json::{Value, json};

use super::object::{Facts, Kind, Managed};
use crate::api::labels;

/// Workloads that a quota has to count before they can be made.
const COUNTED: [&str; 2] = ["count/virtualmachines.kubevirt.io", "count/datavolumes.cdi.kubevirt.io"];

impl Managed for Namespace {
    const KIND: Kind = Kind::Namespace;
    // Only labels and annotations: the spec holds the namespace controller's finalizer.
    fn owned(&self) -> Value {
        Value::Null
    }
    fn facts(&self) -> Facts {
        let annotation = |key: &str| self.metadata.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        Facts::Namespace {
            terminating: self.metadata.deletion_timestamp.is_some(),
            hold: annotation(labels::LEGAL_HOLD),
            approved: annotation(labels::PURGE_APPROVED),
        }
    }
}

impl Managed for ResourceQuota {
    const KIND: Kind = Kind::ResourceQuota;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let status = self.status.clone().unwrap_or_default();
        let used = status.used.unwrap_or_default();
        let limits = self.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let counted = COUNTED.iter().all(|resource| used.contains_key(*resource));
        Facts::ResourceQuota { counting: counted && status.hard.as_ref() == limits }
    }
}

impl Managed for PersistentVolumeClaim {
    const KIND: Kind = Kind::PersistentVolumeClaim;
    // Nothing: CDI makes it, from the DataVolume's labels and annotations.
    fn owned(&self) -> Value {
        Value::Null
    }
    fn facts(&self) -> Facts {
        let storage =
            |all: Option<&std::collections::BTreeMap<String, ApiQuantity>>| Some(all?.get("storage")?.0.clone());
        let resources = self.spec.as_ref().and_then(|spec| spec.resources.as_ref());
        let status = self.status.as_ref();
        Facts::PersistentVolumeClaim {
            requested: storage(resources.and_then(|resources| resources.requests.as_ref())),
            capacity: storage(status.and_then(|status| status.capacity.as_ref())),
            bound: status.and_then(|status| status.phase.as_deref()) == Some("Bound"),
            removed_at: self.metadata.annotations.as_ref().and_then(|all| all.get(labels::REMOVED_AT)).cloned(),
        }
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

impl Managed for Role {
    const KIND: Kind = Kind::Role;
    fn owned(&self) -> Value {
        json!({"rules": self.rules})
    }
}

impl Managed for RoleBinding {
    const KIND: Kind = Kind::RoleBinding;
    fn owned(&self) -> Value {
        json!({"roleRef": self.role_ref, "subjects": self.subjects})
    }
    fn facts(&self) -> Facts {
        Facts::RoleBinding { subjects: self.subjects.as_ref().map_or(0, Vec::len) }
    }
}

impl Managed for CronJob {
    const KIND: Kind = Kind::CronJob;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
}

impl Managed for ConfigMap {
    const KIND: Kind = Kind::ConfigMap;
    // Only that it is there: the plan and the certificate in it are written by purge runs.
    fn owned(&self) -> Value {
        Value::Null
    }
}

impl Managed for Service {
    const KIND: Kind = Kind::Service;
    // Of the spec only what we say: the API server adds addresses and node ports.
    fn owned(&self) -> Value {
        let spec = self.spec.clone().unwrap_or_default();
        json!({"spec": {
            "type": spec.type_,
            "selector": spec.selector,
            "allocateLoadBalancerNodePorts": spec.allocate_load_balancer_node_ports,
            "externalTrafficPolicy": spec.external_traffic_policy,
            "ipFamilyPolicy": spec.ip_family_policy,
            "externalIPs": spec.external_ips,
            "loadBalancerIP": spec.load_balancer_ip,
            "ports": spec.ports.unwrap_or_default().iter().map(|port| {
                json!({"name": port.name, "protocol": port.protocol, "port": port.port, "targetPort": port.target_port})
            }).collect::<Vec<_>>(),
        }})
    }
    fn facts(&self) -> Facts {
        let status = self.status.clone().unwrap_or_default().load_balancer.unwrap_or_default();
        let address = |ingress: k8s_openapi::api::core::v1::LoadBalancerIngress| ingress.ip.or(ingress.hostname);
        let mut addresses: Vec<String> = status.ingress.unwrap_or_default().into_iter().filter_map(address).collect();
        addresses.sort();
        Facts::Service { addresses }
    }
}

impl Managed for Lease {
    const KIND: Kind = Kind::Lease;
    fn owned(&self) -> Value {
        json!({"holder": self.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref())})
    }
    fn facts(&self) -> Facts {
        let annotation = |key: &str| self.metadata.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        let filled = |key: &str| annotation(key).filter(|value| !value.is_empty());
        Facts::Lease {
            holder: self.spec.as_ref().and_then(|spec| spec.holder_identity.clone()),
            taken_at: annotation(labels::TAKEN_AT),
            released_at: filled(labels::RELEASED_AT),
        }
    }
}

/// Keys of a Secret that a guest starts from, as KubeVirt wants them: cloud-init's and Windows' answer file.
pub const GUEST_KEYS: [&str; 2] = ["userdata", "unattend.xml"];

impl Managed for Secret {
    const KIND: Kind = Kind::Secret;
    // Only what we write: a key that somebody adds is theirs, and is handed to no guest.
    fn owned(&self) -> Value {
        let data = self.data.clone().unwrap_or_default();
        let ours = data.into_iter().filter(|(key, _)| GUEST_KEYS.contains(&key.as_str()));
        json!({"type": self.type_, "data": ours.collect::<std::collections::BTreeMap<_, _>>()})
    }
}
