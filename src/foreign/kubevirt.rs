//! KubeVirt's own settings (`KubeVirt`, kubevirt.io/v1, KubeVirt 1.9): only those that a tenant's safety depends on.

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields we read.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kubevirt.io",
    version = "v1",
    kind = "KubeVirt",
    plural = "kubevirts",
    namespaced,
    schema = "disabled",
    derive = "Default"
)]
pub struct KubeVirtSpec {
    #[serde(default)]
    pub configuration: Configuration,
}

/// What whoever runs the cluster has set, and what is left to KubeVirt's defaults.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    pub role_aggregation_strategy: Option<String>,
    pub virtual_machine_options: VirtualMachineOptions,
    pub seccomp_configuration: SeccompConfiguration,
    pub tls_configuration: TlsConfiguration,
    pub eviction_strategy: Option<String>,
    pub network: NetworkConfiguration,
    pub instancetype: InstancetypeConfiguration,
    pub vm_state_storage_class: Option<String>,
    pub developer_configuration: DeveloperConfiguration,
    /// Present, also when it is empty, means that nodes share pages between VMs.
    pub ksm_configuration: Option<Value>,
}

/// Options that are on by being there.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineOptions {
    pub disable_serial_console_log: Option<Value>,
    pub disable_free_page_reporting: Option<Value>,
}

/// System calls that launchers may make.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompConfiguration {
    pub virtual_machine_instance_profile: InstanceProfile,
}

/// One profile for all VMs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceProfile {
    pub custom_profile: CustomProfile,
}

/// The runtime's, or one that lies on the nodes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomProfile {
    pub runtime_default_profile: bool,
    pub localhost_profile: Option<String>,
}

/// KubeVirt's own connections.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct TlsConfiguration {
    #[serde(rename = "minTLSVersion")]
    pub min_tls_version: Option<String>,
}

/// What VMs may be plugged into.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkConfiguration {
    pub permit_bridge_interface_on_pod_network: Option<bool>,
}

/// How instance types get into VMs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct InstancetypeConfiguration {
    pub reference_policy: Option<String>,
}

/// Feature gates: on beside the default, and off in spite of it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct DeveloperConfiguration {
    pub feature_gates: Vec<String>,
    pub disabled_feature_gates: Vec<String>,
}

/// What is known of KubeVirt's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Platform {
    /// The kind is not served.
    #[default]
    NotInstalled,
    /// It is served, and there is no such object: KubeVirt does not run.
    NotConfigured,
    /// There is one, and it cannot be read: why.
    Unreadable(String),
    /// `namespace/name`, and what it says.
    Configured(String, Box<Configuration>),
}
