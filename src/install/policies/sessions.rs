//! What is written down of sessions: by whom, and that it only grows.

use super::{Guard, is, is_controller, is_operator, is_purge, label};
use crate::api::labels::{RECORD, TENANT};
use crate::install::SESSIONS;
use crate::sessions::record::ACCESS;

fn is_sessions() -> String {
    is(SESSIONS)
}

/// CEL: so the records of access without a grant are called, and nothing else.
fn is_record(object: &str) -> String {
    format!("{object}.metadata.?name.orValue('').matches('^access-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$')")
}

/// Records of access without a grant. Whoever entered would rather not be in them: nobody but who keeps them writes one,
/// also not before it is needed, and nothing in one is taken back or changed. An end is added to the end of its entry.
pub fn records() -> Guard {
    let what = "'ConfigMap ' + request.namespace + '/' + object.metadata.name + ': '";
    let (new, old) = ("object.?data.orValue({})", "oldObject.?data.orValue({})");
    let grows = format!(
        "{old}.all(key, key in {new} && ({new}[key] == {old}[key] || {new}[key].startsWith({old}[key].substring(0, {old}[key].size() - 1) + ',')))"
    );
    Guard::on("cloudfarm-access-records", &["CREATE", "UPDATE"], "", &["configmaps"])
        .in_namespaces_with(TENANT)
        .when("derived", "request.namespace.startsWith('cfd-')")
        .when("record", is_record("object"))
        .unless(
            format!("({}) || ({}) || ({}) && oldObject != null && {new} == {old}", is_sessions(), is_operator(), is_purge()),
            format!("{what} + 'a record of access is written by {SESSIONS} and by the operator alone; ' + request.userInfo.username + ' is somebody else'"),
        )
        .unless(
            format!("{}.orValue('') == '{ACCESS}'", label("object", RECORD)),
            format!("{what} + 'a record of access is kept for spec.logRetention.access: it needs the label {RECORD}={ACCESS}'"),
        )
        .unless(
            format!("oldObject == null || {grows}"),
            format!("{what} + 'nothing that is written in a record of access is changed or taken away; add to it'"),
        )
        .unless(
            "object.?binaryData.orValue({}).size() == 0 && !object.?immutable.orValue(false)",
            format!("{what} + 'a record of access has entries of text, and more come: leave out binaryData and immutable'"),
        )
}

/// They go when their period is over, by the purge, and with their namespace.
pub fn kept() -> Guard {
    Guard::on("cloudfarm-access-records-kept", &["DELETE"], "", &["configmaps"])
        .in_namespaces_with(TENANT)
        .when("derived", "request.namespace.startsWith('cfd-')")
        .when("record", is_record("oldObject"))
        .unless(
            format!("({}) || ({})", is_purge(), is_controller()),
            "'ConfigMap ' + request.namespace + '/' + oldObject.metadata.name + ': a record of access goes by the purge alone, when spec.logRetention.access of the tenant is over'",
        )
}

/// Two write one status: who keeps sessions writes them and nothing else, and nobody else writes them. Of a full list the
/// oldest give way.
pub fn on_grants() -> Guard {
    let what = "'accessgrant ' + request.namespace + '/' + object.metadata.name + ': '";
    let (new, old) = ("object.?status.?sessions.orValue([])", "oldObject.?status.?sessions.orValue([])");
    let others = ["observedGeneration", "state", "approvedAt", "expiresAt", "endedAt", "roleBinding", "conditions"]
        .map(|field| format!("object.?status.?{field} == oldObject.?status.?{field}"))
        .join(" && ");
    Guard::on("cloudfarm-grant-sessions", &["UPDATE"], "cloudfarm.dev", &["accessgrants/status"])
        .with("same", format!("{new} == {old}"))
        .with("ids", format!("{new}.map(session, session.auditId)"))
        .unless(
            format!("variables.same || ({})", is_sessions()),
            format!("{what} + 'status.sessions is written by {SESSIONS} alone, from the audit log; ' + request.userInfo.username + ' is somebody else'"),
        )
        .unless(
            format!("!({}) || {others}", is_sessions()),
            format!("{what} + '{SESSIONS} writes status.sessions and nothing else'"),
        )
        .unless(
            format!("variables.same || {new}.size() >= {old}.size() && ({new}.size() == 100 || {old}.all(session, session.auditId in variables.ids))"),
            format!("{what} + 'a session that is written down stays in status.sessions, until a hundred newer ones are there'"),
        )
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;
    use serde_json::Value;

    use super::*;
    use crate::api::access_grant::AccessGrantStatus;
    use crate::sessions::record::ON_A_GRANT;

    #[test]
    fn every_field_of_a_grants_status_is_somebodys() {
        let schema: Value = schema_for!(AccessGrantStatus).to_value();
        let policy = format!("{:?}", on_grants());
        for field in schema["properties"].as_object().unwrap().keys() {
            assert!(policy.contains(&format!("status.?{field}")), "{field}");
        }
        assert_eq!(ON_A_GRANT, 100, "as the policy has it");
    }
}
