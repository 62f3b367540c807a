//! Where a tenant's data may lie (V7). A class says in which country, and whether encrypted.
//!
//! That a class keeps its volumes (`reclaimPolicy: Retain`) is not refused: the purge, also a rolling one, turns each
//! volume to Delete and looks that it is gone.

use super::{Guard, may_for_tenants};
use crate::api::labels::TENANT;
use crate::install::roles::MAINTAIN;
use crate::install::{NAMESPACE, STORAGE};

const DISKS: [(&str, &[&str]); 2] = [("", &["persistentvolumeclaims"]), ("cdi.kubevirt.io", &["datavolumes"])];

const WHAT: &str = "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ' of tenant ' + namespaceObject.metadata.labels['cloudfarm.dev/tenant'] + ': '";

/// The class is one of the platform's for tenants. A DataVolume without a class is judged by the claim that CDI makes of
/// it; a claim without one would get one later.
pub fn classes() -> Guard {
    let class = "request.resource.resource == 'datavolumes' ? dyn(object).spec.?storage.?storageClassName.orValue(dyn(object).spec.?pvc.?storageClassName.orValue('')) : dyn(object).metadata.?annotations[?'volume.beta.kubernetes.io/storage-class'].orValue(dyn(object).spec.?storageClassName.orValue(''))";
    Guard::on_all("cloudfarm-storage-class", &["CREATE"], &DISKS)
        .in_namespaces_with(TENANT)
        .asking(NAMESPACE, STORAGE)
        .with("class", class)
        .with("allowed", "params.?data[?'classes'].orValue('').split('\\n').filter(name, name != '')")
        .unless(
            "variables.allowed.size() == 0 || variables.class in variables.allowed || variables.class == '' && request.resource.resource == 'datavolumes'",
            format!("{WHAT} + 'storageClassName is \"' + variables.class + '\"; tenants\\' data lies in ' + variables.allowed.join(', ') + ' and nowhere else (storage.allowedClasses of the operator\\'s config, ConfigMap ' + params.metadata.name + ')'"),
        )
}

/// What fills a disk: the tenant's own, the provider's images, nothing of others, and no volume that is there already.
pub fn sources() -> Guard {
    let named = "[dyn(object).spec.?dataSourceRef.?namespace.orValue(''), dyn(object).spec.?source.?pvc.?namespace.orValue(''), dyn(object).spec.?source.?snapshot.?namespace.orValue(''), dyn(object).spec.?sourceRef.?namespace.orValue('')]";
    Guard::on_all("cloudfarm-storage-source", &["CREATE"], &DISKS)
        .in_namespaces_with(TENANT)
        .asking(NAMESPACE, STORAGE)
        .with("images", "params.?data[?'images'].orValue('')")
        .with("foreign", format!("{named}.filter(name, !(name in ['', request.namespace, variables.images]))"))
        .unless(
            "variables.foreign.size() == 0",
            format!("{WHAT} + 'its content would come from namespace ' + variables.foreign.join(', ') + ', which is somebody else\\'s; images come from ' + variables.images"),
        )
        .unless(
            format!("dyn(object).spec.?volumeName.orValue('') == '' || {}", may_for_tenants(MAINTAIN)),
            format!("{WHAT} + 'it asks for the volume ' + dyn(object).spec.volumeName + ' by name, which may hold the data of somebody else; that needs the verb {MAINTAIN} on tenants.cloudfarm.dev'"),
        )
}
