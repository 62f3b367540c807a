//! From an answer's JSON to an [`Observation`], by kind.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Secret, Service,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde_json::Value;

use super::object::{Kind, Managed, Observation};
use crate::api::retention::Retention;
use crate::foreign::certificate::Certificate;
use crate::foreign::cluster_network_policy::ClusterNetworkPolicy;
use crate::foreign::data_volume::DataVolume;
use crate::foreign::multi_network_policy::MultiNetworkPolicy;
use crate::foreign::network_attachment_definition::NetworkAttachmentDefinition;
use crate::foreign::open_reports::{ClusterReport, Report};
use crate::foreign::user_defined_network::{ClusterUserDefinedNetwork, UserDefinedNetwork};
use crate::foreign::velero::Schedule;
use crate::foreign::virtual_machine::VirtualMachine;
use crate::foreign::virtual_machine_snapshot::VirtualMachineSnapshot;

impl Kind {
    /// Reduces an object of this kind.
    ///
    /// # Errors
    /// The JSON is not an object of this kind.
    pub fn observe(self, value: Value) -> Result<Observation, serde_json::Error> {
        match self {
            Self::Namespace => reduce::<Namespace>(value),
            Self::ResourceQuota => reduce::<ResourceQuota>(value),
            Self::LimitRange => reduce::<LimitRange>(value),
            Self::NetworkPolicy => reduce::<NetworkPolicy>(value),
            Self::Role => reduce::<Role>(value),
            Self::RoleBinding => reduce::<RoleBinding>(value),
            Self::DataVolume => reduce::<DataVolume>(value),
            Self::PersistentVolumeClaim => reduce::<PersistentVolumeClaim>(value),
            Self::VirtualMachine => reduce::<VirtualMachine>(value),
            Self::VirtualMachineSnapshot => reduce::<VirtualMachineSnapshot>(value),
            Self::Schedule => reduce::<Schedule>(value),
            Self::CronJob => reduce::<CronJob>(value),
            Self::ConfigMap => reduce::<ConfigMap>(value),
            Self::Retention => reduce::<Retention>(value),
            Self::ClusterNetworkPolicy => reduce::<ClusterNetworkPolicy>(value),
            Self::MultiNetworkPolicy => reduce::<MultiNetworkPolicy>(value),
            Self::NetworkAttachmentDefinition => reduce::<NetworkAttachmentDefinition>(value),
            Self::UserDefinedNetwork => reduce::<UserDefinedNetwork>(value),
            Self::ClusterUserDefinedNetwork => reduce::<ClusterUserDefinedNetwork>(value),
            Self::Service => reduce::<Service>(value),
            Self::Certificate => reduce::<Certificate>(value),
            Self::Lease => reduce::<Lease>(value),
            Self::Report => reduce::<Report>(value),
            Self::ClusterReport => reduce::<ClusterReport>(value),
            Self::Secret => reduce::<Secret>(value),
        }
    }
}

fn reduce<K: Managed>(value: Value) -> Result<Observation, serde_json::Error> {
    serde_json::from_value::<K>(value).map(|object| Observation::of(&object))
}
