//! Velero's Schedules: the operator's are each of one tenant's namespace, and no others. With a Schedule of any namespace a
//! stolen token could have everything of the cluster carried to the backup location.

use super::{Guard, is_operator, label};
use crate::api::labels::{FIELD_MANAGER, MANAGED_BY, TENANT};

/// What the operator may write, and of which only what it made before.
pub fn schedules() -> Guard {
    let ours = format!(
        "variables.before == null || {}.orValue('') == '{FIELD_MANAGER}' && variables.before.metadata.name == 'cf-' + {}.orValue('')",
        label("variables.before", MANAGED_BY),
        label("variables.before", TENANT)
    );
    let of_its_tenant = format!(
        "request.operation == 'DELETE' || dyn(object).metadata.name == 'cf-' + {}.orValue('') && dyn(object).spec.?template.?includedNamespaces.orValue([]) == [dyn(object).metadata.name]",
        label("dyn(object)", TENANT)
    );
    let what = "'schedules.velero.io ' + request.namespace + '/' + request.name";
    Guard::on("cloudfarm-velero-schedules", &["CREATE", "UPDATE", "DELETE"], "velero.io", &["schedules"])
        .when("operator", is_operator())
        .with("before", "dyn(oldObject)")
        .unless(ours, format!("{what} + ' is not the operator\\'s: it changes and deletes only what it made, which is called cf-<tenant>'"))
        .unless(of_its_tenant, format!("{what} + ' would back up more than the namespace that it is called like: the operator orders backups of one tenant each'"))
}
