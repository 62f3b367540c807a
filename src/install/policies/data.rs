//! What holds a customer's data in a tenant's namespace: who may delete it, and when.

use super::{Guard, annotation, by_uid, held, is_garbage_collector, is_operator, is_purge, label, may_for_tenants};
use crate::api::labels::{BACKUP, DISPOSABLE, LEGAL_HOLD, PURGE_APPROVED, TENANT};
use crate::install::roles::LAUNCH;

/// A VirtualMachineRestore, -Backup or -Export is no data: it points at some.
pub(super) const DATA: [(&str, &[&str]); 5] = [
    ("", &["persistentvolumeclaims"]),
    ("cdi.kubevirt.io", &["datavolumes"]),
    ("snapshot.storage.k8s.io", &["volumesnapshots"]),
    ("groupsnapshot.storage.k8s.io", &["volumegroupsnapshots"]),
    ("snapshot.kubevirt.io", &["virtualmachinesnapshots", "virtualmachinesnapshotcontents"]),
];

/// The same wherever its labels and owners can be written: a claim's status takes metadata along, those of custom
/// resources do not.
const MARKED: [(&str, &[&str]); 5] =
    [("", &["persistentvolumeclaims", "persistentvolumeclaims/status"]), DATA[1], DATA[2], DATA[3], DATA[4]];

/// CDI's own volumes while it imports or clones, and those that live and die with one pod.
const PASSING: &str = "(request.userInfo.username == 'system:serviceaccount:cdi:cdi-sa' && (oldObject.metadata.name.startsWith('prime-') || oldObject.metadata.name.startsWith('tmp-'))) || (request.resource.resource == 'persistentvolumeclaims' && oldObject.metadata.?ownerReferences.orValue([]).exists(owner, owner.kind == 'Pod'))";

/// The state of TPM and UEFI that a restored VM had before, which KubeVirt replaces by that of the backup: it marks it, and
/// no restore ends before it is gone.
const REPLACED: &str = "(request.resource.resource == 'persistentvolumeclaims' && oldObject.metadata.name.matches('^(restore-[0-9a-f-]{36}-)?persistent-state-for-') && oldObject.metadata.?labels[?'restore.kubevirt.io/cleanup-backend-pvc'].hasValue())";

/// What a snapshot that never got ready leaves. KubeVirt deletes its content when the deadline is over, and keeps the VM
/// locked until it is gone.
const UNFINISHED: &str = "(request.resource.resource == 'virtualmachinesnapshotcontents' && dyn(oldObject).?status.?readyToUse.orValue(false) != true)";

/// One disk's part of it, which goes with it.
const UNFINISHED_PART: &str = "(request.resource.resource == 'volumesnapshots' && dyn(oldObject).?status.?readyToUse.orValue(false) != true && oldObject.metadata.?ownerReferences.orValue([]).exists(owner, owner.kind == 'VirtualMachineSnapshotContent' && owner.?controller.orValue(false)))";

const WHAT: &str = "request.resource.resource + ' ' + request.namespace + '/' + oldObject.metadata.name + ' of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant']";

/// Data goes when the operator has approved a purge of its namespace, or when it was marked disposable before, and
/// never under a legal hold. The two identities check each other: who approves cannot delete. It asks no Retention,
/// since it is asked for every delete that a controller makes.
///
/// The garbage collector is refused like anybody: what goes with a disposable disk or snapshot has to carry the label,
/// too. Of a snapshot that never got ready it takes what is not ready itself.
pub fn deletion() -> Guard {
    let approved = format!("{}.orValue('') != ''", annotation("namespaceObject", PURGE_APPROVED));
    let hold = format!("{}.hasValue()", annotation("namespaceObject", LEGAL_HOLD));
    let disposable = format!("{}.orValue('') == 'true'", label("oldObject", DISPOSABLE));
    let replaced = format!("({REPLACED} || {UNFINISHED}) && {}", may_for_tenants(LAUNCH));
    let unfinished = format!("{UNFINISHED_PART} && {}", is_garbage_collector());
    Guard::on_all("cloudfarm-data-deletion", &["DELETE"], &DATA)
        .in_namespaces_with(TENANT)
        .with("passing", PASSING)
        .with("what", WHAT)
        .unless(
            format!("!({})", is_operator()),
            "variables.what + ' holds data: the operator approves a purge and deletes nothing itself; only cloudfarm-purge does'",
        )
        .unless(
            format!("variables.passing || !({hold})"),
            "variables.what + ' is under a legal hold: namespace ' + request.namespace + ' has the annotation cloudfarm.dev/legal-hold, and nothing is deleted until somebody with the verb release on retentions.cloudfarm.dev takes it off'",
        )
        .unless(
            format!("variables.passing || {approved} || {disposable} || {replaced} || {unfinished}"),
            "variables.what + ' is kept: data goes by the purge, once the contract is over and the Retention lets it (set spec.contract.endDate of the Tenant), or before that with the label cloudfarm.dev/disposable=true, which spec.rolling of the Retention sets'",
        )
        .unless(
            format!("variables.passing || !({}) || {}", is_purge(), by_uid()),
            "variables.what + ': the purge deletes by uid; send preconditions.uid ' + oldObject.metadata.uid",
        )
}

/// An owner reference to something that is gone makes the garbage collector delete: nobody of ours deletes that way.
/// The plugin OwnerReferencesPermissionEnforcement asks for the same, and few clusters have it on.
pub fn ownership() -> Guard {
    Guard::on_all("cloudfarm-data-ownership", &["UPDATE"], &MARKED)
        .in_namespaces_with(TENANT)
        .when("ours", format!("{} || {}", is_operator(), is_purge()))
        .unless(
            "object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences",
            format!("{WHAT} + ': metadata.ownerReferences are not ours to change, since the garbage collector deletes by them; leave them as they are'"),
        )
}

/// A snapshot counts as the plan's backup, and is one of those that the plan keeps, when the operator says so: a customer,
/// who may make snapshots, neither stands in for a backup nor passes for one that is good.
pub fn backup() -> Guard {
    let (new, old) = (label("object", BACKUP), label("oldObject", BACKUP));
    Guard::on("cloudfarm-backup", &["CREATE", "UPDATE"], "snapshot.kubevirt.io", &["virtualmachinesnapshots"])
        .in_namespaces_with(TENANT)
        .for_objects_with(BACKUP)
        .unless(
            format!("{} || oldObject != null && {new} == {old}", is_operator()),
            "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': the label cloudfarm.dev/backup is set only by the operator, on what it makes by spec.backup of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant'] + '; leave it as it is'",
        )
}

/// The mark that lets data go while the contract runs.
pub fn disposable() -> Guard {
    Guard::on_all("cloudfarm-disposable", &["CREATE", "UPDATE"], &MARKED)
        .in_namespaces_with(TENANT)
        .for_objects_with(DISPOSABLE)
        .unless(
            format!(
                "{} || {} || {new}.orValue('') != 'true' || oldObject != null && {old}.orValue('') == 'true'",
                is_operator(),
                is_purge(),
                new = label("object", DISPOSABLE),
                old = label("oldObject", DISPOSABLE),
            ),
            "request.resource.resource + ' ' + request.namespace + '/' + request.name + ': the label cloudfarm.dev/disposable=true lets data be deleted, and is set only by the operator and by the purge; write spec.rolling in the Retention of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant']",
        )
}

/// The purge deletes by this mark, so it sets it only where people wrote that such data ages out, or where a purge is
/// on its way, and never under a hold.
pub fn disposable_by_purge() -> Guard {
    let tenant = "namespaceObject.metadata.labels['cloudfarm.dev/tenant']";
    Guard::on_all("cloudfarm-disposable-by-purge", &["CREATE", "UPDATE"], &MARKED)
        .in_namespaces_with(TENANT)
        .for_objects_with(DISPOSABLE)
        .every_retention()
        .when("purge", is_purge())
        .with("theirs", format!("params.spec.tenantRef.name == {tenant}"))
        .with(
            "targets",
            "request.resource.resource in ['persistentvolumeclaims', 'datavolumes'] ? ['RemovedDisks', 'Backups', 'Exports'] : ['Snapshots', 'Backups']",
        )
        .unless(
            format!("!variables.theirs || !{}", held()),
            format!("'tenant ' + {tenant} + ' is under the legal hold of Retention ' + params.metadata.name + ': nothing is marked cloudfarm.dev/disposable until it is released'"),
        )
        .unless(
            "!variables.theirs || has(params.status) && has(params.status.purge) || params.spec.?rolling.orValue([]).exists(each, each.target in variables.targets)",
            format!("'tenant ' + {tenant} + ': spec.rolling of Retention ' + params.metadata.name + ' does not name ' + variables.targets.join(', ') + ', so the purge marks no ' + request.resource.resource + ' cloudfarm.dev/disposable while the contract runs'"),
        )
}
