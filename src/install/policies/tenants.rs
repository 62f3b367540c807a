//! Tenants: a declaration that goes or changes must not change what was promised about the data.

use super::Guard;

/// A Tenant whose contract runs is not deleted by a slip of the hand (I8). The data would stay anyway; this keeps the
/// declaration, too.
pub fn deletion() -> Guard {
    Guard::on("cloudfarm-tenant-deletion", &["DELETE"], "cloudfarm.dev", &["tenants"]).unless(
        "has(oldObject.spec.contract) && has(oldObject.spec.contract.endDate) || oldObject.metadata.?annotations[?'cloudfarm.dev/allow-orphan'].orValue('') == 'true'",
        "'tenant ' + oldObject.metadata.name + ' has a running contract: set spec.contract.endDate, and its data is erased when the retention is over; or annotate it cloudfarm.dev/allow-orphan=true to delete the declaration and keep the data'",
    )
}

/// What the Tenant said last is what counts after it, so it does not go before that is written down.
pub fn last_word() -> Guard {
    let (said, noted) = ("oldObject.spec.?contract.?endDate", "params.?status.?endDate");
    Guard::on("cloudfarm-tenant-last-word", &["DELETE"], "cloudfarm.dev", &["tenants"])
        .every_retention()
        .unless(
            // A Retention that carries the proof about an earlier tenant of this name says nothing about this one.
            format!("params.spec.tenantRef.name != oldObject.metadata.name || params.?status.?purge.hasValue() || {said} == {noted}"),
            format!("'tenant ' + oldObject.metadata.name + ': the operator has not noted this Tenant\\'s last change yet (spec.contract.endDate is ' + {said}.orValue('not set') + ', status.endDate of Retention ' + params.metadata.name + ' is ' + {noted}.orValue('not set') + '); try again in a moment'"),
        )
}

/// What is gone does not come back, so the date by which it went stays. The Tenant's own status says so, which the
/// operator has written a moment after the purge began; in that moment the purge, which asks the Tenant before every
/// delete, stops by itself. Asking every Retention instead would cost each change of a Tenant a fraction of a second.
pub fn end_date() -> Guard {
    let (new, old) = ("object.spec.?contract.?endDate", "oldObject.spec.?contract.?endDate");
    Guard::on("cloudfarm-tenant-end-date", &["UPDATE"], "cloudfarm.dev", &["tenants"])
        .when("changed", format!("{new} != {old}"))
        .unless(
            "!(oldObject.?status.?phase.orValue('') in ['Purging', 'Purged'])",
            format!("'tenant ' + object.metadata.name + ': spec.contract.endDate cannot be changed any more, since the purge has begun (' + oldObject.status.phase + '): data is gone already; write ' + {old}.orValue('no date') + ' again'"),
        )
}
