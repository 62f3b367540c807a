//! What the operator goes on watching for a Tenant: how full the contract is, where its data is, how old its backups are.
//! Nothing in it moves by itself: there are instants and no ages.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Crossings that a status remembers.
pub const CROSSINGS: usize = 16;

/// One resource of the contract.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityRow {
    /// vcpus, memory, storage or instances.
    #[schemars(length(max = 32))]
    pub resource: String,
    pub contracted: String,
    /// Sum over the VMs that are made; of storage, with the disks that are kept without one. `unknown` while the size of a
    /// VM that is there is.
    pub allocated: String,
    /// What is in use now: guest sizes of VMs that have an instance, volumes that are bound to disks, VMs that are there.
    /// Absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// Allocated in percent of contracted, as far as it is known, rounded down.
    pub percent: i64,
    /// Since when it is over spec.capacityAlert.thresholdPercent, without having been below rearmPercent meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeded_since: Option<Time>,
    /// How often it crossed the threshold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crossings: i64,
}

/// One time that a resource filled up beyond the threshold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityCrossing {
    /// As in status.capacity.
    #[schemars(length(max = 32))]
    pub resource: String,
    /// The how manieth of this resource: with it, a notice is sent once.
    pub number: i64,
    pub at: Time,
    /// What was over.
    pub basis: CapacityMeasure,
    /// In percent of contracted at that time, rounded down.
    pub percent: i64,
    /// When it was below spec.capacityAlert.rearmPercent again, or the contract was enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rearmed_at: Option<Time>,
}

/// One of the two things that are compared with the contract.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityMeasure {
    Allocated,
    Used,
}

/// Findings of one sort that a status holds.
pub const FINDINGS: usize = 16;

/// What speaks against the data being in the country (6.1.3), or is not known.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResidencyStatus {
    /// What is outside, by name; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub violations: Vec<String>,
    /// What is not known to be inside, with what would tell; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub unknown: Vec<String>,
}

/// The backups of one VM by plan, or of all by Velero.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupRow {
    /// The VM; `*` stands for all of them together, which is how Velero makes backups.
    #[schemars(length(max = 63))]
    pub vm: String,
    /// Times of the schedule count from here on.
    pub since: Time,
    /// Method and schedule that they are of: with other ones they count anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub plan: Option<String>,
    /// The last time of the schedule for which a backup was made, good or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due: Option<Time>,
    /// The time of the schedule of the newest good backup that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
    /// Its VirtualMachineSnapshot, or namespace and name of Velero's Backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub snapshot: Option<String>,
    /// Were the guest's file systems at rest?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiesced: Option<bool>,
    /// When it was last brought back from one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_restore: Option<RestoreRow>,
    /// Backups since then that are not good.
    #[serde(default)]
    pub failures: i64,
}

/// A VM that was brought back from a backup by plan. One that failed is not here: its VirtualMachineRestore says why.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRow {
    /// Name and uid of the VirtualMachineRestore, as KubeVirt joins them.
    #[schemars(length(max = 290))]
    pub restore: String,
    /// The VirtualMachineSnapshot.
    #[schemars(length(max = 253))]
    pub backup: String,
    /// When its disks were there again.
    pub at: Time,
    /// When the VM ran from them: before that, nobody knows whether the backup was any good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_at: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(number: &i64) -> bool {
    *number == 0
}
