//! KubeVirt's `VirtualMachine` (kubevirt.io/v1, KubeVirt 1.9).

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::labels::NETWORK_PREFIX;
use crate::cluster::object::{Attached, Facts, Kind, Managed};

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kubevirt.io",
    version = "v1",
    kind = "VirtualMachine",
    namespaced,
    status = "VirtualMachineStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instancetype: Option<Matcher>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<Matcher>,
    #[serde(default)]
    pub template: Template,
}

/// An instance type or preference by kind and name.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub name: String,
}

/// The VMI the VM makes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Template {
    #[serde(default)]
    pub metadata: TemplateMetadata,
    #[serde(default)]
    pub spec: InstanceSpec,
}

/// Labels that reach the launcher pod, where network policies select them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct TemplateMetadata {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The machine. Deep parts that nobody but the builder looks at are plain JSON.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction_strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub dns_config: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub affinity: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub access_credentials: Value,
    #[serde(default)]
    pub domain: Domain,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub networks: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub volumes: Value,
}

/// The virtual hardware.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub clock: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_policy: Option<String>,
    #[serde(default)]
    pub devices: Devices,
}

/// CPU count, when there is no instance type.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    #[serde(default)]
    pub cores: i64,
}

/// Guest memory, when there is no instance type.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    #[serde(default)]
    pub guest: String,
}

/// Boot loader.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Firmware {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub bootloader: Value,
}

/// CPU features; secure boot is refused without SMM.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Features {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub smm: Value,
}

/// Devices, each said explicitly so that no default of KubeVirt decides.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_graphics_device: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_serial_console: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_serial_console: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_mem_balloon: Option<bool>,
    #[serde(default, rename = "autoattachVSOCK", skip_serializing_if = "Option::is_none")]
    pub autoattach_vsock: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_pod_interface: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_hotplug: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rng: Option<Rng>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub disks: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub interfaces: Value,
}

/// A random number source; presence is all.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Rng {}

/// A TPM; persistent keeps its state in a volume.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Tpm {
    #[serde(default)]
    pub persistent: bool,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineStatus {
    #[serde(default)]
    pub ready: bool,
    #[serde(default)]
    pub printable_status: Option<String>,
    /// There is an instance of it.
    #[serde(default)]
    pub created: bool,
    /// Generation from which that instance was started.
    #[serde(default)]
    pub observed_generation: Option<i64>,
}

impl Managed for VirtualMachine {
    const KIND: Kind = Kind::VirtualMachine;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let status = self.status.clone().unwrap_or_default();
        Facts::VirtualMachine {
            ready: status.ready,
            printable_status: status.printable_status.unwrap_or_default(),
            halted: self.spec.run_strategy.as_deref() == Some("Halted"),
            networks: attached(self),
        }
    }
}

// An interface is part of the instance: what a changed declaration no longer names goes with the next start.
fn attached(vm: &VirtualMachine) -> Attached {
    let labels = vm.spec.template.metadata.labels.keys();
    let status = vm.status.clone().unwrap_or_default();
    Attached {
        to: labels.filter_map(|label| label.strip_prefix(NETWORK_PREFIX)).map(str::to_owned).collect(),
        outdated: status.created && status.observed_generation.is_some_and(|from| Some(from) != vm.metadata.generation),
    }
}
