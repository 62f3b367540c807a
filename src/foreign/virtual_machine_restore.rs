//! KubeVirt's `VirtualMachineRestore` (snapshot.kubevirt.io/v1beta1, KubeVirt 1.9), as people ask for one.

use kube::CustomResource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::virtual_machine_snapshot::Source;

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "snapshot.kubevirt.io",
    version = "v1beta1",
    kind = "VirtualMachineRestore",
    namespaced,
    schema = "disabled",
    status = "VirtualMachineRestoreStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineRestoreSpec {
    pub target: Source,
    pub virtual_machine_snapshot_name: String,
    /// What becomes of a VM that runs.
    pub target_readiness_policy: String,
    /// Whom the new claims belong to.
    pub volume_ownership_policy: String,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualMachineRestoreStatus {
    pub complete: Option<bool>,
    pub conditions: Vec<Value>,
}

/// The VM to itself, stopped by KubeVirt if it runs. It keeps its MAC addresses, which are in its spec; the disks belong to
/// nobody, so that none goes with the VM.
#[must_use]
pub fn restore(namespace: &str, vm: &str, backup: &str, suffix: &str) -> VirtualMachineRestore {
    VirtualMachineRestore {
        metadata: ObjectMeta {
            name: Some(format!("{backup}-{suffix}")),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: VirtualMachineRestoreSpec {
            target: Source { api_group: "kubevirt.io".into(), kind: "VirtualMachine".into(), name: vm.to_owned() },
            virtual_machine_snapshot_name: backup.to_owned(),
            target_readiness_policy: "StopTarget".into(),
            volume_ownership_policy: "None".into(),
        },
        status: None,
    }
}

impl VirtualMachineRestore {
    /// `None` while it is under way, else what became of it, in KubeVirt's words.
    #[must_use]
    pub fn ended(&self) -> Option<Result<(), String>> {
        let status = self.status.as_ref()?;
        if status.complete == Some(true) {
            return Some(Ok(()));
        }
        let failed = status.conditions.iter().find(|each| each["type"] == "Failure" && each["status"] == "True")?;
        Some(Err(said(failed)))
    }

    /// What KubeVirt says of it now.
    #[must_use]
    pub fn says(&self) -> String {
        let conditions = self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions.iter().find(|each| each["type"] == "Ready").map_or_else(|| "nothing yet".to_owned(), said)
    }
}

fn said(condition: &Value) -> String {
    let of = |field: &str| condition[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    of("message").or_else(|| of("reason")).unwrap_or_else(|| "nothing more".to_owned())
}
