//! A tenant's namespaces: their deletion, and the marks on them that everything else trusts.

use super::{
    Guard, annotation, changed_keys, held, is_operator, is_purge, keys_with_authority, label, may, may_for_tenants,
};
use crate::api::labels::{LEGAL_HOLD, PURGE_APPROVED, TENANT};
use crate::install::roles::{ENROLL, MAINTAIN};

const NAMESPACES: [&str; 3] = ["namespaces", "namespaces/status", "namespaces/finalize"];

const TENANT_OF: &str = "object.metadata.labels['cloudfarm.dev/tenant']";

/// Whose a namespace is, is said by the operator and the provider (V1): walls, quota and the purge go by the label. That it
/// stays is [`marks`].
pub fn claim() -> Guard {
    Guard::on("cloudfarm-namespace-claim", &["CREATE", "UPDATE"], "", &NAMESPACES)
        .for_objects_with(TENANT)
        .when("claims", format!("oldObject == null || !{}.hasValue()", label("oldObject", TENANT)))
        .unless(
            format!("{} || {}", is_operator(), may_for_tenants(ENROLL)),
            format!("'namespace ' + object.metadata.name + ': the label cloudfarm.dev/tenant=' + {TENANT_OF} + ' makes it a tenant\\'s, and is put on by the operator or by somebody with the verb {ENROLL} on tenants.cloudfarm.dev; ' + request.userInfo.username + ' is neither'"),
        )
}

/// What others decide by on a tenant's namespace: our own keys, Pod Security, where pods may run, networks. And what
/// would have Kubernetes delete it, or keep it from being deleted. The tenant and the two marks have rules of their own.
pub fn authority() -> Guard {
    let keys = keys_with_authority(&[
        "application-aware-quota/",
        "kubernetes.io/",
        "scheduler.alpha.kubernetes.io/",
        "security.openshift.io/",
    ]);
    let marks = format!("!(key in ['{LEGAL_HOLD}', '{PURGE_APPROVED}'])");
    let added = |field: &str| {
        format!("object.metadata.?{field}.orValue([]).all(each, each in oldObject.metadata.?{field}.orValue([]))")
    };
    let what = format!(
        "'namespace ' + object.metadata.name + ' of tenant ' + {}.orValue('') + ': '",
        label("oldObject", TENANT)
    );
    let who = format!(
        "is changed only by the operator or by somebody with the verb {MAINTAIN} on tenants.cloudfarm.dev, and ' + request.userInfo.username + ' is neither'"
    );
    Guard::on("cloudfarm-namespace-authority", &["UPDATE"], "", &NAMESPACES)
        .for_objects_with(TENANT)
        .when("was", format!("{}.hasValue()", label("oldObject", TENANT)))
        .when("other", format!("!({})", is_operator()))
        .with("maintains", may_for_tenants(MAINTAIN))
        .with("labels", format!("{}.filter(key, key != '{TENANT}')", changed_keys("labels", &keys)))
        .with("annotations", format!("{}.filter(key, {marks})", changed_keys("annotations", &keys)))
        .unless(
            "variables.maintains || variables.labels.size() == 0",
            format!("{what} + 'the label ' + variables.labels.join(', ') + ' {who}"),
        )
        .unless(
            "variables.maintains || variables.annotations.size() == 0",
            format!("{what} + 'the annotation ' + variables.annotations.join(', ') + ' {who}"),
        )
        .unless(
            format!("variables.maintains || {} && {}", added("ownerReferences"), added("finalizers")),
            format!("{what} + 'metadata.ownerReferences and metadata.finalizers get no new entry: the one would have it deleted, the other keep it; this {who}"),
        )
}

/// Only the purge, only what the operator approved, and never under a hold. No uid is asked for: the API server fills it
/// into a namespace's delete before admission looks, and the approval was for this uid and no other.
pub fn deletion() -> Guard {
    let approved = format!("{}.orValue('') != ''", annotation("oldObject", PURGE_APPROVED));
    let hold = format!("{}.hasValue()", annotation("oldObject", LEGAL_HOLD));
    let what =
        "'namespace ' + oldObject.metadata.name + ' of tenant ' + oldObject.metadata.labels['cloudfarm.dev/tenant']";
    Guard::on("cloudfarm-namespace-deletion", &["DELETE"], "", &["namespaces"])
        .for_objects_with(TENANT)
        .unless(
            format!("!({hold})"),
            format!("{what} + ' is under a legal hold: it has the annotation cloudfarm.dev/legal-hold, and nothing is deleted until somebody with the verb release on retentions.cloudfarm.dev takes it off'"),
        )
        .unless(
            approved,
            format!("{what} + ' is kept: it goes by the purge, once the contract is over and the Retention lets it; set spec.contract.endDate of the Tenant'"),
        )
        .unless(
            is_purge(),
            format!("{what} + ' is deleted by cloudfarm-purge alone, which proves what went; ' + request.userInfo.username + ' is somebody else'"),
        )
}

/// Who may write the marks. One that was there before the namespace was a tenant's counts as written now.
pub fn marks() -> Guard {
    let old_label = label("oldObject", TENANT);
    let approval = annotation("object", PURGE_APPROVED);
    let (hold_before, hold_after) = (annotation("oldObject", LEGAL_HOLD), annotation("object", LEGAL_HOLD));
    Guard::on("cloudfarm-namespace-marks", &["CREATE", "UPDATE"], "", &NAMESPACES)
        .for_objects_with(TENANT)
        .with("was", format!("oldObject != null && {old_label}.hasValue()"))
        .with(
            "approves",
            format!("{approval}.hasValue() && (!variables.was || {approval} != {})", annotation("oldObject", PURGE_APPROVED)),
        )
        .unless(
            format!("!variables.was || {} == {old_label}", label("object", TENANT)),
            "'namespace ' + object.metadata.name + ': the label cloudfarm.dev/tenant=' + oldObject.metadata.labels['cloudfarm.dev/tenant'] + ' stays as it is: isolation, holds and the purge go by it'",
        )
        .unless(
            format!("!variables.approves || request.operation == 'UPDATE' && {}", is_operator()),
            "'namespace ' + object.metadata.name + ': the annotation cloudfarm.dev/purge-approved is written by the operator alone, when a purge is due; set spec.contract.endDate of the Tenant, and it follows'",
        )
        .unless(
            format!("!variables.was || !{hold_before}.hasValue() || {hold_after}.hasValue() || {} || {}", is_operator(), may("release")),
            "'namespace ' + object.metadata.name + ': the annotation cloudfarm.dev/legal-hold is taken off only by somebody with the verb release on retentions.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'",
        )
}

/// What an approval has to say: the uid of the one Retention of this tenant, which pinned this very namespace, is due
/// for a purge and is not held. A second Retention of the tenant refuses it. When the tenant has no Retention at all,
/// none can say so; the purge, which looks its Retention up, then does not start.
pub fn approval() -> Guard {
    let after = annotation("object", PURGE_APPROVED);
    let before = annotation("oldObject", PURGE_APPROVED);
    let what = format!(
        "'namespace ' + object.metadata.name + ' of tenant ' + {TENANT_OF} + ': cloudfarm.dev/purge-approved=' + {after}.orValue('')"
    );
    Guard::on("cloudfarm-purge-approval", &["UPDATE"], "", &NAMESPACES)
        .for_objects_with(TENANT)
        .every_retention()
        .when(
            "approves",
            format!("{after}.hasValue() && ({after} != {before} || !{}.hasValue())", label("oldObject", TENANT)),
        )
        // A Retention that is Purged carries the proof about an earlier tenant of this name.
        .with(
            "theirs",
            format!(
                "params.spec.tenantRef.name == {}.orValue('') && params.?status.?purge.?state.orValue('') != 'Purged'",
                label("object", TENANT)
            ),
        )
        .with("meant", format!("params.metadata.uid == {after}.orValue('')"))
        .unless(
            format!("!variables.meant || variables.theirs && object.metadata.name in ['cf-' + {TENANT_OF}, 'cfd-' + {TENANT_OF}]"),
            format!("{what} + ' is the uid of Retention ' + params.metadata.name + ', which is about tenant ' + params.spec.tenantRef.name + ' and its namespaces cf-' + params.spec.tenantRef.name + ' and cfd-' + params.spec.tenantRef.name"),
        )
        .unless(
            "!variables.theirs || variables.meant",
            format!("{what} + ' is not the uid of Retention ' + params.metadata.name + ', which is about this tenant: write ' + params.metadata.uid + ', and delete the other Retention when there are two'"),
        )
        .unless(
            format!("!variables.theirs || !{}", held()),
            format!("{what} + ' is refused: Retention ' + params.metadata.name + ' has an active legal hold'"),
        )
        .unless(
            "!variables.theirs || has(params.status) && has(params.status.purgeNotBefore)",
            format!("{what} + ' is refused: Retention ' + params.metadata.name + ' has no status.purgeNotBefore, so everything is kept'"),
        )
        .unless(
            "!variables.theirs || params.?status.?pinned.?namespaceUIDs[?object.metadata.name].orValue('') == object.metadata.uid",
            format!("{what} + ' is refused: Retention ' + params.metadata.name + ' has not pinned this namespace: status.pinned.namespaceUIDs says ' + params.?status.?pinned.?namespaceUIDs[?object.metadata.name].orValue('nothing') + ', and its uid is ' + object.metadata.uid"),
        )
}

/// A hold has two places, and the one on the namespace is not taken off while the Retention says hold: not by the
/// operator either.
pub fn hold_release() -> Guard {
    let (before, after) = (annotation("oldObject", LEGAL_HOLD), annotation("object", LEGAL_HOLD));
    Guard::on("cloudfarm-hold-release", &["UPDATE"], "", &NAMESPACES)
        .for_objects_with(TENANT)
        .every_retention()
        .when("released", format!("{before}.hasValue() && !{after}.hasValue()"))
        .unless(
            format!("params.spec.tenantRef.name != {}.orValue('') || !{}", label("object", TENANT), held()),
            "'namespace ' + object.metadata.name + ': the annotation cloudfarm.dev/legal-hold stays while Retention ' + params.metadata.name + ' has an active legal hold; release that one first'",
        )
}
