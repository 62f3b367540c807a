//! What a `VirtualMachineRestore` (snapshot.kubevirt.io/v1beta1, KubeVirt 1.9) leaves on the VM that it restored.
//!
//! KubeVirt makes a new claim for each disk, called `restore-<uid of the restore>-<volume>`, and puts it into the VM in the
//! place of the DataVolume. The disk as it was before stays.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde_json::Value;

use super::virtual_machine::VirtualMachine;

/// Annotation of KubeVirt's on a VM: `<name>-<uid>` of the restore that it was last brought back by.
pub const LAST_RESTORE: &str = "restore.kubevirt.io/lastRestoreUID";

/// How KubeVirt begins the names of claims that it restores to.
const PREFIX: &str = "restore-";

/// Letters of a uid.
const UID: usize = 36;

/// What of a VM was brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Each disk that the VM has by a DataVolume or by a restore's claim, with that claim.
    pub disks: BTreeMap<String, Option<String>>,
    /// `<name>-<uid>` of the last restore.
    pub by: Option<String>,
    /// One has begun and has not ended: the VM does not start.
    pub under_way: bool,
}

impl Restored {
    /// Has the VM a disk that its last restore made? Without one it does not run from what was brought back.
    #[must_use]
    pub fn has_a_disk_of_the_last(&self) -> bool {
        let uid = self.by.as_ref().and_then(|by| by.get(by.len().checked_sub(UID)?..)).filter(|uid| is_uid(uid));
        let made = |claim: &String| claim.strip_prefix(PREFIX).and_then(|rest| rest.get(..UID)) == uid;
        uid.is_some() && self.disks.values().flatten().any(made)
    }
}

/// Reads it from the VM.
#[must_use]
pub fn restored(vm: &VirtualMachine) -> Restored {
    let volumes = vm.spec.template.spec.volumes.as_array().into_iter().flatten();
    let disks = volumes.filter_map(|volume| {
        let name = volume["name"].as_str()?;
        let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str);
        let source = match claim {
            Some(claim) => Some(claim.to_owned()).filter(|claim| is_of_a_restore(claim, name)),
            None => volume.get("dataVolume").map(|_| String::new()),
        }?;
        Some((name.to_owned(), Some(source).filter(|claim| !claim.is_empty())))
    });
    Restored {
        disks: disks.collect(),
        by: vm.annotations().get(LAST_RESTORE).cloned(),
        under_way: vm.status.as_ref().is_some_and(|status| status.restore_in_progress.is_some()),
    }
}

/// Is this what KubeVirt calls a claim that it restores a volume to? People who may not write claims cannot make such a
/// one, and another claim in a VM is drift.
#[must_use]
pub fn is_of_a_restore(claim: &str, volume: &str) -> bool {
    is_restored(claim) && claim.get(PREFIX.len() + UID + 1..) == Some(volume)
}

/// The same for a disk of any name.
#[must_use]
pub fn is_restored(claim: &str) -> bool {
    let rest = claim.strip_prefix(PREFIX);
    rest.and_then(|rest| rest.get(..UID)).is_some_and(is_uid) && rest.and_then(|rest| rest.get(UID..=UID)) == Some("-")
}

/// The name of the restore, without its uid.
#[must_use]
pub fn restore_name(by: &str) -> Option<&str> {
    let cut = by.len().checked_sub(UID)?;
    by.get(cut..).filter(|uid| is_uid(uid))?;
    by.get(..cut)?.strip_suffix('-')
}

fn is_uid(text: &str) -> bool {
    text.len() == UID && text.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RESTORE: &str = "0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11";

    fn of(volumes: &Value) -> Restored {
        let vm: VirtualMachine = serde_json::from_value(json!({
            "metadata": {"name": "web", "annotations": {LAST_RESTORE: format!("again-{RESTORE}")}},
            "spec": {"template": {"spec": {"volumes": volumes}}},
            "status": {"restoreInProgress": "again"},
        }))
        .unwrap();
        restored(&vm)
    }

    #[test]
    fn a_disk_is_restored_only_by_a_claim_that_kubevirt_makes_for_it() {
        let claim = format!("restore-{RESTORE}-root");
        let pvc = |name: &str, claim: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": claim}});
        let volumes = json!([
            pvc("root", &claim), pvc("data", &claim), pvc("more", "db-root"), pvc("odd", "restore-x-odd"),
            {"name": "made", "dataVolume": {"name": "web-made"}}, {"name": "cloudinit", "cloudInitNoCloud": {}},
        ]);
        let found = of(&volumes);
        assert_eq!(found.disks, [("root".to_owned(), Some(claim)), ("made".to_owned(), None)].into());
        assert!(found.under_way);
    }

    #[test]
    fn a_restore_has_its_name_before_its_uid() {
        assert_eq!(restore_name(&format!("web-20261130t0200-again-{RESTORE}")), Some("web-20261130t0200-again"));
        for odd in [
            "",
            "again",
            RESTORE,
            "again-0b9d3c1e_5f53-4f0e-9c57-2f4d1a6f7a11",
            "é0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11",
        ] {
            assert_eq!(restore_name(odd), None, "{odd}");
        }
    }
}
