//! AccessGrants: who asks, who answers, and that a door is opened by the operator alone. The API server has no clock for
//! policies but the instant at which an object is made: by it a door is refused that would stand for longer than the longest
//! grant, or that comes after its hour.

use super::{Guard, annotation, is, is_operator, label, may_for_tenants};
use crate::api::labels::{EXPIRES, GRANT, TENANT};
use crate::install::SESSIONS;
use crate::install::roles::MAINTAIN;

const WHAT: &str = "'AccessGrant ' + object.metadata.?name.orValue('') + ': '";

/// CEL: who asks has this verb on AccessGrants there: one that exists for admission alone.
fn may(verb: &str) -> String {
    format!(
        "authorizer.group('cloudfarm.dev').resource('accessgrants').namespace(request.namespace).check('{verb}').allowed()"
    )
}

/// Everybody asks in the own name, and nobody brings the answer along.
pub fn request() -> Guard {
    Guard::on("cloudfarm-grant-request", &["CREATE"], "cloudfarm.dev", &["accessgrants"])
        .unless(
            "object.spec.requestedBy == request.userInfo.username",
            format!("{WHAT} + 'spec.requestedBy is ' + object.spec.requestedBy + ', and you are ' + request.userInfo.username + ': everybody asks in the own name'"),
        )
        .unless(
            "!has(object.spec.approval) && !has(object.spec.secondApprover) && !has(object.spec.revoked)",
            format!("{WHAT} + 'spec.approval, spec.secondApprover and spec.revoked are answers to a request that others have read: leave them out when you ask'"),
        )
        .unless(
            format!("namespaceObject.metadata.?labels[?'{TENANT}'].hasValue() && request.namespace.startsWith('cf-')"),
            format!("{WHAT} + 'namespace ' + request.namespace + ' is no customer\\'s: ask in cf-<tenant>, where the customer sees it'"),
        )
}

/// Every answer is written by the person it names, who has to be one of those who may.
pub fn answers() -> Guard {
    let new = |field: &str| format!("has(object.spec.{field}) && !has(oldObject.spec.{field})");
    let own = |field: &str| format!("object.spec.{field}.by == request.userInfo.username");
    let named = |field: &str| {
        format!(
            "{WHAT} + 'spec.{field}.by is ' + object.spec.{field}.by + ', and you are ' + request.userInfo.username + ': everybody signs for himself'"
        )
    };
    Guard::on("cloudfarm-grant-answer", &["UPDATE"], "cloudfarm.dev", &["accessgrants"])
        .with("approval", new("approval"))
        .with("second", new("secondApprover"))
        .with("revoked", new("revoked"))
        .unless(
            format!("!variables.approval || {}", may("approve")),
            format!("{WHAT} + 'spec.approval is written only by somebody with the verb approve on accessgrants.cloudfarm.dev in ' + request.namespace + ', a privileged administrator of the customer, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(format!("!variables.approval || {}", own("approval")), named("approval"))
        .unless(
            format!("!variables.second || {}", may("second")),
            format!("{WHAT} + 'spec.secondApprover is written only by somebody with the verb second on accessgrants.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(format!("!variables.second || {}", own("secondApprover")), named("secondApprover"))
        .unless(
            format!("!variables.revoked || object.spec.requestedBy == request.userInfo.username || object.spec.?approval.?by.orValue('') == request.userInfo.username || {}", may("revoke")),
            format!("{WHAT} + 'spec.revoked is written by who asked, by who approved, or by somebody with the verb revoke on accessgrants.cloudfarm.dev, and ' + request.userInfo.username + ' is none of them'"),
        )
        .unless(format!("!variables.revoked || {}", own("revoked")), named("revoked"))
}

/// What the operator saw is nobody else's to say: the time that was granted runs by it. The operator itself makes no time
/// longer and takes no end back, also one that has not seen yet what another wrote.
pub fn status() -> Guard {
    let (new, old) = ("object.?status.?expiresAt", "oldObject.?status.?expiresAt");
    let over = "['Expired', 'Revoked', 'Denied']";
    Guard::on("cloudfarm-grant-status", &["UPDATE"], "cloudfarm.dev", &["accessgrants/status"])
        .unless(
            // Of those who read the audit log another policy tells what they may write here.
            format!("({}) || ({})", is_operator(), is(SESSIONS)),
            format!("{WHAT} + 'its status is written by the operator alone; ' + request.userInfo.username + ' is somebody else'"),
        )
        .unless(
            format!("!{old}.hasValue() || {new}.hasValue() && timestamp({new}.orValue('')) <= timestamp({old}.orValue(''))"),
            format!("{WHAT} + 'status.expiresAt is kept or comes earlier, and ' + {new}.orValue('none') + ' is later than ' + {old}.orValue('none')"),
        )
        .unless(
            format!("!(oldObject.?status.?state.orValue('') in {over}) || object.?status.?state == oldObject.?status.?state"),
            format!("{WHAT} + 'status.state is ' + oldObject.?status.?state.orValue('') + ' for good; make another AccessGrant'"),
        )
}

/// A door has an hour at which it closes, at most eight from when it is made, and stays for whom it was made.
pub fn doors() -> Guard {
    let what = "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ' is part of a door: '";
    let (new, old) = (annotation("object", EXPIRES), annotation("oldObject", EXPIRES));
    let longest = "duration('8h5m')";
    let instant = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z$'";
    let made = "timestamp(object.metadata.creationTimestamp)";
    Guard::on(
        "cloudfarm-grant-doors",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["roles", "rolebindings"],
    )
    .for_objects_with(GRANT)
    .unless(
        is_operator(),
        format!("{what} + 'the label {GRANT} and what carries it are written by the operator alone, and ' + request.userInfo.username + ' is somebody else; ask by an AccessGrant'"),
    )
    .unless(
        format!("{}.hasValue() && {new}.hasValue() && {new}.orValue('').matches({instant})", label("object", GRANT)),
        format!("{what} + 'the annotation {EXPIRES} has to say from when on it is closed'"),
    )
    .unless(
        format!("oldObject != null || timestamp({new}.orValue('')) > {made} && timestamp({new}.orValue('')) - {made} <= {longest}"),
        format!("{what} + 'it is made when its hour, ' + {new}.orValue('none') + ', has passed already, or lies more than 8 hours ahead'"),
    )
    .unless(
        format!("oldObject == null || !{old}.hasValue() || timestamp({new}.orValue('')) <= timestamp({old}.orValue(''))"),
        format!("{what} + 'its hour is never moved to a later one, and ' + {new}.orValue('none') + ' is later than ' + {old}.orValue('none')"),
    )
    .unless(
        "oldObject == null || request.resource.resource != 'rolebindings' || object.?subjects == oldObject.?subjects",
        format!("{what} + 'it stays for whom it was made: close it and open another'"),
    )
}

/// People get into a tenant's namespace by the Tenant's administrators or by an AccessGrant, and not by a binding beside
/// them.
pub fn entrances() -> Guard {
    Guard::on(
        "cloudfarm-entrances",
        &["CREATE", "UPDATE"],
        "rbac.authorization.k8s.io",
        &["rolebindings"],
    )
    .in_namespaces_with(TENANT)
    .unless(
        format!("({}) || {}", is_operator(), may_for_tenants(MAINTAIN)),
        "'rolebindings ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': people get into a tenant\\'s namespace by spec.administrators of the Tenant, staff by an AccessGrant; a binding beside them is made only by somebody with the verb maintain on tenants.cloudfarm.dev'",
    )
}
