//! One VM of a Tenant: its size, image, disks, networks and hardening.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tenant::Backup;

/// One VM.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.instancetype) != (has(self.cpuCores) && has(self.memory)) && has(self.cpuCores) == has(self.memory)").message("a VM needs exactly one size: instancetype, or cpuCores together with memory"))]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Name of the VM; a DNS label of at most 40 characters.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    #[serde(default)]
    pub os: OperatingSystem,
    #[serde(default)]
    pub run_strategy: RunStrategy,
    /// Name of a VirtualMachineClusterInstancetype, such as u1.medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub instancetype: Option<String>,
    /// Name of a VirtualMachineClusterPreference, such as ubuntu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub preference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub cpu_cores: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))").message("memory must be a quantity above 0, such as 4Gi"))]
    pub memory: Option<String>,
    /// What the first disk starts from.
    pub image: Image,
    /// Disks. The one called root, or else the first, is the root disk and gets the image; the others start empty.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub disks: Vec<Disk>,
    /// TenantNetworks of the same tenant that the VM is attached to.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub networks: Vec<Attachment>,
    /// Secrets in cf-<tenant> with SSH public keys, for Linux.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub ssh_key_secrets: Vec<String>,
    /// Secret in cf-<tenant> with the key userdata: one cloud-config (first line #cloud-config) or one script (first line
    /// #!) of at most 512 KiB, for Linux. The floor (time zone, NTP, key-only SSH, guest agent) comes after it; GuestFloor
    /// names what of it the floor overrules. A change of the Secret is noticed within half an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub user_data_secret: Option<String>,
    /// The customer's own label for this VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub classification: Option<String>,
    /// Hardening (CLD.9.5.2); Strict when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardening: Option<Hardening>,
    /// Overrides the Tenant's backup for this VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// Family of the guest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatingSystem {
    #[default]
    Linux,
    Windows,
}

/// When the VM runs, in KubeVirt's words.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunStrategy {
    #[default]
    Always,
    Halted,
    Manual,
    RerunOnFailure,
}

/// Where the root disk's content comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("(has(self.dataSource) ? 1 : 0) + (has(self.http) ? 1 : 0) + (has(self.registry) ? 1 : 0) == 1").message("image needs exactly one of dataSource, http and registry"))]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Name of a DataSource among the provider's golden images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub data_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryImage>,
}

/// An image by HTTP, with its checksum: CDI refuses any other content.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HttpImage {
    #[schemars(length(min = 9, max = 1024), regex(pattern = "^https://"))]
    pub url: String,
    #[schemars(length(max = 135), regex(pattern = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"))]
    pub checksum: String,
}

/// A container disk, by digest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RegistryImage {
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('docker://') && self.contains('@sha256:')").message("image.registry.url must be docker://... with a digest (@sha256:...): a tag can be moved to another content"))]
    pub url: String,
}

/// One disk.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    #[schemars(length(min = 1, max = 20), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("!(self in ['cloudinit', 'sysprep'])").message("a disk cannot be called cloudinit or sysprep: that is the disk with what the guest starts from"))]
    pub name: String,
    /// Size, such as 40Gi. It may grow; it never shrinks.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))").message("disk size must be a quantity above 0, such as 40Gi"))]
    #[x_kube(validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0").message("a disk never shrinks; write the size it has, or a bigger one"))]
    pub size: String,
    /// One of residency.storageClassNames; the first of them when it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub storage_class_name: Option<String>,
    /// The customer's own label for this disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub classification: Option<String>,
}

/// One network the VM is attached to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Attachment {
    /// Name of a TenantNetwork in cf-<tenant>.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// A fixed address, where the network has subnets of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new("isIP(self)").message("networks[].ip must be an IP address"))]
    pub ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 17), regex(pattern = "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"))]
    pub mac: Option<String>,
}

/// How hard a VM is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Hardening {
    #[serde(default)]
    pub profile: Profile,
    /// What is not hardened, why, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub exceptions: Vec<HardeningException>,
}

/// Strict: no console, no hot-plug. Standard: both allowed. Neither boots without UEFI secure boot.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    #[default]
    Strict,
    Standard,
}

/// One thing that is not hardened.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HardeningException {
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
    /// Last day of the exception.
    #[schemars(length(max = 10), extend("format" = "date"))]
    pub expires: String,
}
