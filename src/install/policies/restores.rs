//! A VM is brought back from a backup only in the way that keeps what was there, its addresses, and its disks from going
//! with it (12.3.1); KubeVirt by itself would let a restore delete, rename and patch.

use super::{Guard, annotation};
use crate::api::labels::{LEGAL_HOLD, TENANT};

const WHAT: &str =
    "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': '";

/// For everybody: a VM to itself, from a backup by plan, with new claims that belong to nobody. The operator reads from the
/// name of a restore, which KubeVirt leaves on the VM, what it was brought back from.
///
/// KubeVirt erases the state of the TPM and of UEFI that the VM had; so there is none under a legal hold.
pub fn restore() -> Guard {
    let hold = format!("{}.hasValue()", annotation("namespaceObject", LEGAL_HOLD));
    Guard::on("cloudfarm-restore", &["CREATE"], "snapshot.kubevirt.io", &["virtualmachinerestores"])
        .in_namespaces_with(TENANT)
        .with("backup", "dyn(object).spec.virtualMachineSnapshotName")
        .with("target", "dyn(object).spec.target")
        .with(
            "due",
            "variables.backup.size() > variables.target.name.size() ? variables.backup.substring(variables.target.name.size() + 1) : ''",
        )
        .unless(
            format!("!({hold})"),
            format!("{WHAT} + 'namespace ' + request.namespace + ' is under a legal hold (annotation cloudfarm.dev/legal-hold), and a restore erases the state of the VM\\'s TPM; wait until it is released'"),
        )
        .unless(
            "variables.target.kind == 'VirtualMachine' && variables.backup.startsWith(variables.target.name + '-') && variables.due.matches('^[0-9]{8}t[0-9]{4}$')",
            format!("{WHAT} + 'spec.virtualMachineSnapshotName ' + variables.backup + ' is no backup by plan of spec.target, ' + variables.target.kind + ' ' + variables.target.name + ': a VM is brought back to itself, from <vm>-<day>t<minute>'"),
        )
        .unless(
            "dyn(object).metadata.?name.orValue('').startsWith(variables.backup + '-')",
            format!("{WHAT} + 'metadata.name does not begin with ' + variables.backup + '-: the VM keeps the name to tell what it was brought back from'"),
        )
        .unless(
            "dyn(object).spec.?volumeOwnershipPolicy.orValue('') == 'None'",
            format!("{WHAT} + 'spec.volumeOwnershipPolicy is not None: disks that the VM owns go with it'"),
        )
        .unless(
            "dyn(object).spec.?volumeRestorePolicy.orValue('RandomizeNames') == 'RandomizeNames' && dyn(object).spec.?volumeRestoreOverrides.orValue([]).size() == 0 && dyn(object).spec.?patches.orValue([]).size() == 0",
            format!("{WHAT} + 'it has spec.volumeRestorePolicy, spec.volumeRestoreOverrides or spec.patches, by which disks are overwritten or taken from elsewhere; leave them out'"),
        )
}
