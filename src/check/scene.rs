//! What a check looks at. Every part that could not be seen says so, and is never taken for empty.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, ResourceQuota, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::storage::v1::StorageClass;

use super::rights::{Rights, Topic};
use super::trials::{Answer, Trial};
use crate::api::home;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;

/// Why something could not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen(pub String);

/// Something, or why it could not be seen.
pub type Seen<T> = Result<T, Unseen>;

/// One tenant and what stands around it, at one time.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Name of the tenant.
    pub tenant: String,
    pub declared: Seen<Tenant>,
    /// What the tenant's people were asked about.
    pub rights: BTreeMap<Topic, Rights>,
    /// What admission said to objects that were tried.
    pub trials: BTreeMap<Trial, Answer>,
    /// In the customer's namespace.
    pub quotas: Seen<Vec<ResourceQuota>>,
    /// In both of the tenant's namespaces.
    pub policies: Seen<Vec<NetworkPolicy>>,
    pub networks: Seen<Vec<TenantNetwork>>,
    pub claims: Seen<Vec<PersistentVolumeClaim>>,
    pub services: Seen<Vec<Service>>,
    /// Of the whole cluster.
    pub volumes: Seen<Vec<PersistentVolume>>,
    /// Of the whole cluster.
    pub classes: Seen<Vec<StorageClass>>,
    /// Does the cluster serve ClusterNetworkPolicy, and if so, does one name this tenant?
    pub wall: Seen<Wall>,
    /// Bound in the customer's namespace, and of the platform: not asked about.
    pub set_aside: Vec<String>,
}

/// The wall in the Admin tier, which no NetworkPolicy opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// The cluster does not know the kind.
    NotServed,
    /// The cluster knows the kind, and no object names the tenant.
    Missing,
    /// Its name.
    Stands(String),
}

impl Scene {
    /// `cf-<tenant>`.
    #[must_use]
    pub fn customer(&self) -> String {
        home::customer_namespace(&self.tenant)
    }

    /// `cfd-<tenant>`.
    #[must_use]
    pub fn derived(&self) -> String {
        home::derived_namespace(&self.tenant)
    }

    /// What was answered to a question; a question that was not asked has no answer.
    #[must_use]
    pub fn rights(&self, topic: Topic) -> Rights {
        self.rights.get(&topic).cloned().unwrap_or_else(|| Rights::unseen("it was not asked"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Tenant acme, of which nothing could be seen.
    pub fn empty() -> Scene {
        fn unseen<T>() -> Seen<T> {
            Err(Unseen("not looked at".into()))
        }
        Scene {
            tenant: "acme".into(),
            declared: unseen(),
            rights: BTreeMap::new(),
            trials: BTreeMap::new(),
            quotas: unseen(),
            policies: unseen(),
            networks: unseen(),
            claims: unseen(),
            services: unseen(),
            volumes: unseen(),
            classes: unseen(),
            wall: unseen(),
            set_aside: Vec::new(),
        }
    }

    /// Tenant acme, which may use these classes.
    pub fn tenant(classes: &[&str]) -> Tenant {
        let tenant = json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"},
            "spec": {
                "contract": {
                    "applicationId": "TEST-000001", "startDate": "2026-04-01",
                    "capacity": {"vcpus": 8, "memory": "32Gi", "storage": "500Gi", "instances": 4},
                },
                "administrators": [{"username": "sato", "email": "sato@customer.example", "role": "User"}],
                "residency": {"storageClassNames": classes},
            },
        });
        serde_json::from_value(tenant).unwrap()
    }

    #[test]
    fn where_nothing_could_be_seen_nothing_passes_and_nothing_fails() {
        for row in crate::check::judge(&empty()) {
            assert_eq!(row.outcome, crate::check::Outcome::Unknown, "{}: {}", row.id, row.reason);
            assert!(!row.reason.is_empty(), "{}", row.id);
        }
    }
}
