//! Notices: who writes which, and that nobody moves the clock of an incident. Records of mails are the operator's.

use super::{Guard, annotation, is_controller, is_operator, is_purge, label};
use crate::api::labels::{EVENT, RECORD, TENANT};

const WHAT: &str = "'Notice ' + object.metadata.name + ': '";

/// Kinds that the operator has reason for, and nobody else.
const OWN: &str = "['Capacity', 'Retention', 'Access']";

/// What a program makes by itself reaches one tenant and is not published; what people write is of the other kinds. What a mail
/// is written from is a program's, too.
pub fn kinds() -> Guard {
    Guard::on("cloudfarm-notice-kinds", &["CREATE", "UPDATE"], "cloudfarm.dev", &["notices"])
        .with("own", format!("object.spec.kind in {OWN}"))
        .unless(
            format!("variables.own == ({})", is_operator()),
            format!("{WHAT} + 'spec.kind ' + object.spec.kind + ' is ' + (variables.own ? 'made by the operator alone' : 'written by people, and not by the operator') + '; ' + request.userInfo.username + ' may write ' + (variables.own ? 'Maintenance, SpecChange, Vulnerability and Incident' : 'Capacity, Retention and Access')"),
        )
        .unless(
            format!("({}) || !{}.hasValue()", is_operator(), annotation("object", EVENT)),
            format!("{WHAT} + 'the annotation {EVENT} is written by the operator alone: mails are made from it; leave it out'"),
        )
        .unless(
            "!variables.own || !object.spec.web && object.spec.?tenants.?names.orValue([]).size() == 1",
            format!("{WHAT} + 'spec.kind ' + object.spec.kind + ' is about one tenant and is not published: spec.web has to be false and spec.tenants.names one name'"),
        )
        .unless(
            "oldObject == null || !variables.own || object.spec == oldObject.spec",
            format!("{WHAT} + 'the operator makes it once and never changes its spec: it was told as that'"),
        )
}

/// The 4 hours run from a confirmation that has happened (16.1.1). Five minutes are for clocks that differ.
pub fn confirmation() -> Guard {
    Guard::on("cloudfarm-notice-confirmation", &["CREATE"], "cloudfarm.dev", &["notices"])
        .when("incident", "has(object.spec.confirmedAt)")
        .unless(
            "object.metadata.?creationTimestamp.hasValue() && timestamp(object.spec.confirmedAt) <= timestamp(object.metadata.creationTimestamp) + duration('5m')",
            format!("{WHAT} + 'spec.confirmedAt ' + string(object.spec.confirmedAt) + ' is to come: write when the incident was confirmed, from which the 4 hours run'"),
        )
}

/// Who was told, and when, is what the operator saw.
pub fn status() -> Guard {
    Guard::on("cloudfarm-notice-status", &["UPDATE"], "cloudfarm.dev", &["notices/status"])
        .unless(
            format!("({}) || object.?status == oldObject.?status", is_operator()),
            format!("{WHAT} + 'status is written by the operator alone: it is the proof of who was told when'"),
        )
        .unless(
            "!(has(oldObject.status) && has(oldObject.status.deadlineMet)) || oldObject.status.deadlineMet || object.?status.?deadlineMet.orValue(true) == false",
            format!("{WHAT} + 'status.deadlineMet is false, and an incident that was told late stays late'"),
        )
}

/// Records of mails in `cfd-<tenant>`.
pub fn records() -> Guard {
    let record = |object: &str| format!("{}.orValue('') == 'notices'", label(object, RECORD));
    Guard::on("cloudfarm-notice-records", &["CREATE", "UPDATE", "DELETE"], "", &["configmaps"])
        .in_namespaces_with(TENANT)
        .when("derived", "request.namespace.startsWith('cfd-')")
        .when("record", format!("object != null && {} || oldObject != null && {}", record("object"), record("oldObject")))
        .unless(
            format!("({}) || ({}) || request.operation == 'DELETE' && ({})", is_operator(), is_purge(), is_controller()),
            format!("'ConfigMap ' + request.namespace + '/' + request.name + ' is a record of mails ({RECORD}=notices): the operator writes it and the purge takes it away, when spec.logRetention.notices of the tenant is over'"),
        )
}
