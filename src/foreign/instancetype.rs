//! KubeVirt's `VirtualMachineClusterInstancetype` (instancetype.kubevirt.io/v1beta1): only its size.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::api::quantity::Quantity;

/// The fields we read.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "instancetype.kubevirt.io",
    version = "v1beta1",
    kind = "VirtualMachineClusterInstancetype",
    schema = "disabled",
    derive = "Default"
)]
pub struct VirtualMachineClusterInstancetypeSpec {
    #[serde(default)]
    pub cpu: Cpu,
    #[serde(default)]
    pub memory: Memory,
}

/// Guest CPUs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    #[serde(default)]
    pub guest: i64,
    /// A VM that names such a type must not say so itself: KubeVirt refuses it as a conflict.
    #[serde(default, rename = "dedicatedCPUPlacement", skip_serializing_if = "Option::is_none")]
    pub dedicated_cpu_placement: Option<bool>,
}

/// Guest memory.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    #[serde(default)]
    pub guest: String,
}

/// How much of a contract a VM takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub vcpus: i64,
    pub memory: Quantity,
    /// Its instance type gives it whole CPUs, whatever the Tenant says.
    pub pinned: bool,
}

impl VirtualMachineClusterInstancetype {
    /// Its size, if it states one.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        let memory: Quantity = self.spec.memory.guest.parse().ok()?;
        (self.spec.cpu.guest > 0 && memory.is_positive()).then_some(Size {
            vcpus: self.spec.cpu.guest,
            memory,
            pinned: self.spec.cpu.dedicated_cpu_placement == Some(true),
        })
    }
}
