//! A customer fetches disks by an export: a door to the data, which closes by itself.

use super::Guard;
use crate::api::labels::TENANT;

/// How long the door may be open; KubeVirt's own default is two hours.
pub const LONGEST: &str = "168h";

/// For everybody.
pub fn export() -> Guard {
    let ttl = "dyn(object).spec.?ttlDuration";
    Guard::on("cloudfarm-export", &["CREATE", "UPDATE"], "export.kubevirt.io", &["virtualmachineexports"])
        .in_namespaces_with(TENANT)
        .unless(
            format!("!{ttl}.hasValue() || duration({ttl}.orValue('')) <= duration('{LONGEST}')"),
            format!("request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': spec.ttlDuration ' + {ttl}.orValue('') + ' keeps the disks within reach for longer than {LONGEST}; write at most that, and ask again afterwards'"),
        )
}
