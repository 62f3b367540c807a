//! What the purge may do to things that lie outside of namespaces: volumes, snapshot contents and walls. It gives the
//! former back to their drivers, takes the latter away, and changes nothing else, and only for tenants.

use super::{Guard, WALLS, by_uid, held, is_purge, label, made_for_its_tenant};
use crate::api::labels::{FIELD_MANAGER, MANAGED_BY, TENANT};

/// CEL: a map is the same but for one key; `dyn` since fields of a type are no map to the type checker.
fn same_but(field: &str, key: &str) -> String {
    let (new, old) = (format!("dyn(object.{field})"), format!("dyn(oldObject.{field})"));
    format!(
        "{new}.all(key, key == '{key}' || key in {old} && {new}[key] == {old}[key]) && {old}.all(key, key == '{key}' || key in {new})"
    )
}

/// CEL: nothing of the metadata but our own annotations.
fn same_metadata() -> String {
    let same = ["labels", "finalizers", "ownerReferences"]
        .map(|field| format!("object.metadata.?{field} == oldObject.metadata.?{field}"))
        .join(" && ");
    let in_other = |one: &str, other: &str| {
        format!(
            "{one}.metadata.?annotations.orValue({{}}).all(key, key.startsWith('cloudfarm.dev/') || {one}.metadata.annotations[key] == {other}.metadata.?annotations[?key].orValue(''))"
        )
    };
    format!("{same} && {} && {}", in_other("object", "oldObject"), in_other("oldObject", "object"))
}

/// CEL: this is the name of a tenant's namespace.
fn of_a_tenant(namespace: &str) -> String {
    format!("{namespace}.startsWith('cf-') || {namespace}.startsWith('cfd-')")
}

/// A volume is deleted by its driver once it is released and says Delete. Not asked here is the Retention: volumes
/// change often, and this is looked at for each change.
pub fn volumes() -> Guard {
    let what = "'persistentvolume ' + object.metadata.name + ': '";
    let namespace = "oldObject.spec.?claimRef.?namespace.orValue('')";
    Guard::on("cloudfarm-purge-volumes", &["UPDATE"], "", &["persistentvolumes"])
        .when("purge", is_purge())
        .unless(
            of_a_tenant(namespace),
            format!("{what} + 'its claim is in namespace \"' + {namespace} + '\"; the purge touches only volumes of the namespaces of tenants, cf-<tenant> and cfd-<tenant>'"),
        )
        .unless(
            format!("{} && {}", same_but("spec", "persistentVolumeReclaimPolicy"), same_metadata()),
            format!("{what} + 'the purge changes nothing but spec.persistentVolumeReclaimPolicy and annotations that begin with cloudfarm.dev/'"),
        )
        .unless(
            "object.spec.persistentVolumeReclaimPolicy == oldObject.spec.persistentVolumeReclaimPolicy || object.spec.persistentVolumeReclaimPolicy == 'Delete'",
            format!("{what} + 'spec.persistentVolumeReclaimPolicy becomes ' + object.spec.persistentVolumeReclaimPolicy + '; the purge changes it to Delete only'"),
        )
}

/// A snapshot's content, likewise.
pub fn snapshot_contents() -> Guard {
    let what = "'volumesnapshotcontent ' + object.metadata.name + ': '";
    let namespace = "oldObject.spec.?volumeSnapshotRef.?namespace.orValue('')";
    Guard::on("cloudfarm-purge-snapshot-contents", &["UPDATE"], "snapshot.storage.k8s.io", &["volumesnapshotcontents"])
        .when("purge", is_purge())
        .unless(
            of_a_tenant(namespace),
            format!("{what} + 'its snapshot is in namespace \"' + {namespace} + '\"; the purge touches only contents of the namespaces of tenants, cf-<tenant> and cfd-<tenant>'"),
        )
        .unless(
            format!("{} && {}", same_but("spec", "deletionPolicy"), same_metadata()),
            format!("{what} + 'the purge changes nothing but spec.deletionPolicy and annotations that begin with cloudfarm.dev/'"),
        )
        .unless(
            "object.spec.deletionPolicy == oldObject.spec.deletionPolicy || object.spec.deletionPolicy == 'Delete'",
            format!("{what} + 'spec.deletionPolicy becomes ' + object.spec.deletionPolicy + '; the purge changes it to Delete only'"),
        )
}

/// A content that says Retain would leave the data in the store without a name. Content lies outside of namespaces, so
/// no approval can be asked: the tenant's Retention is.
pub fn snapshot_content_deletion() -> Guard {
    let what = "'volumesnapshotcontent ' + oldObject.metadata.name + ': '";
    let namespace = "oldObject.spec.?volumeSnapshotRef.?namespace.orValue('')";
    Guard::on("cloudfarm-purge-snapshot-content-deletion", &["DELETE"], "snapshot.storage.k8s.io", &["volumesnapshotcontents"])
        .every_retention()
        .when("purge", is_purge())
        .with("theirs", format!("{namespace} in ['cf-' + params.spec.tenantRef.name, 'cfd-' + params.spec.tenantRef.name]"))
        .unless(
            of_a_tenant(namespace),
            format!("{what} + 'its snapshot is in namespace \"' + {namespace} + '\"; the purge deletes only contents of the namespaces of tenants, cf-<tenant> and cfd-<tenant>'"),
        )
        .unless(
            "oldObject.spec.deletionPolicy == 'Delete'",
            format!("{what} + 'spec.deletionPolicy is ' + oldObject.spec.deletionPolicy + ', so the data would stay in the store without a name; set it to Delete first'"),
        )
        .unless(by_uid(), format!("{what} + 'the purge deletes by uid; send preconditions.uid ' + oldObject.metadata.uid"))
        .unless(
            format!("!variables.theirs || !{}", held()),
            format!("{what} + 'tenant ' + params.spec.tenantRef.name + ' is under the legal hold of Retention ' + params.metadata.name"),
        )
        .unless(
            "!variables.theirs || has(params.status) && has(params.status.purge) || params.spec.?rolling.orValue([]).exists(each, each.target in ['Snapshots', 'Backups'])",
            format!("{what} + 'no purge of tenant ' + params.spec.tenantRef.name + ' has begun, and spec.rolling of Retention ' + params.metadata.name + ' does not name Snapshots'"),
        )
}

/// The wall in the Admin tier outlives everything that it stands around. It and the networks beside it lie outside of
/// namespaces, so no approval can be asked: the tenant's Retention is.
pub fn wall_deletion() -> Guard {
    let what = "request.resource.resource + ' ' + oldObject.metadata.name + ': '";
    let tenant = format!("{}.orValue('')", label("oldObject", TENANT));
    Guard::on_all("cloudfarm-purge-wall-deletion", &["DELETE"], &WALLS)
        .every_retention()
        .when("purge", is_purge())
        .with("theirs", format!("params.spec.tenantRef.name == {tenant}"))
        .unless(
            made_for_its_tenant("oldObject"),
            format!("{what} + 'is not the wall that cloudfarm made for a tenant, and no network of it; the purge deletes only those, cf-<tenant> and cf-<tenant>.<network> with the labels {MANAGED_BY}={FIELD_MANAGER} and {TENANT}'"),
        )
        .unless(by_uid(), format!("{what} + 'the purge deletes by uid; send preconditions.uid ' + oldObject.metadata.uid"))
        .unless(
            format!("!variables.theirs || !{}", held()),
            format!("{what} + 'tenant ' + params.spec.tenantRef.name + ' is under the legal hold of Retention ' + params.metadata.name"),
        )
        .unless(
            "!variables.theirs || has(params.status) && has(params.status.purge)",
            format!("{what} + 'no purge of tenant ' + params.spec.tenantRef.name + ' has begun, says Retention ' + params.metadata.name"),
        )
}
