//! Retentions: who decides what, by field. The lists of fields come from the types, so that a new field is guarded
//! from the day it exists.

use std::collections::BTreeSet;

use schemars::schema_for;
use serde_json::{Value, json};

use super::{Guard, is_operator, is_purge, may};
use crate::api::retention::{Progress, RetentionSpec, RetentionStatus};

const WHAT: &str = "'Retention ' + object.metadata.name + ': '";

/// The proof about a tenant outlives the tenant: a Retention goes when nothing is lost by it, and never under a hold.
pub fn deletion() -> Guard {
    let what = "'Retention ' + oldObject.metadata.name + ' of tenant ' + oldObject.spec.tenantRef.name";
    Guard::on("cloudfarm-retention-deletion", &["DELETE"], "cloudfarm.dev", &["retentions"])
        .unless(
            "!oldObject.spec.?legalHold.?active.orValue(false)",
            format!("{what} + ' has an active legal hold: release it first'"),
        )
        .unless(
            "oldObject.?status.?deletable.orValue(false) || !has(oldObject.status) || !has(oldObject.status.pinned)",
            format!("{what} + ' is kept: it knows which namespaces are this tenant\\'s, how long its data stays, and carries the proof that it is gone; it may go when status.deletable is true'"),
        )
}

/// The operator makes a Retention with safe defaults, once; from then on it belongs to people.
pub fn by_operator() -> Guard {
    Guard::on("cloudfarm-retention-by-operator", &["CREATE", "UPDATE"], "cloudfarm.dev", &["retentions"])
        .when("operator", is_operator())
        .with("changed", changed())
        .unless(
            "oldObject == null ? variables.changed.size() == 0 && !has(object.spec.legalHold) && object.spec.?approvals.orValue([]).size() == 0 : object.spec == oldObject.spec",
            format!("{WHAT} + 'the operator makes it with spec.tenantRef and the defaults and never changes its spec, which belongs to people; leave spec as it is'"),
        )
}

/// A hold is placed in one's own name, and lifted by somebody else than who placed it.
pub fn holds() -> Guard {
    let field = "object.spec.?legalHold";
    Guard::on("cloudfarm-retention-hold", &["CREATE", "UPDATE"], "cloudfarm.dev", &["retentions"])
        .with("was", "oldObject != null && oldObject.spec.?legalHold.?active.orValue(false)")
        .with("is", format!("{field}.?active.orValue(false)"))
        .unless(
            format!("!variables.is || variables.was && {field} == oldObject.spec.?legalHold || {}", may("hold")),
            format!("{WHAT} + 'spec.legalHold is placed and changed only by somebody with the verb hold on retentions.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(
            format!("!variables.is || variables.was && {field}.?reference == oldObject.spec.?legalHold.?reference && {field}.?placedBy == oldObject.spec.?legalHold.?placedBy || {field}.?placedBy.orValue('') == request.userInfo.username"),
            format!("{WHAT} + 'spec.legalHold.placedBy is ' + {field}.?placedBy.orValue('nobody') + ', and you are ' + request.userInfo.username + ': a hold is placed and changed in one\\'s own name'"),
        )
        .unless(
            format!("!variables.was || variables.is || {}", may("release")),
            format!("{WHAT} + 'spec.legalHold is released only by somebody with the verb release on retentions.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(
            "!variables.was || variables.is || oldObject.spec.?legalHold.?placedBy.orValue('') != request.userInfo.username",
            format!("{WHAT} + 'spec.legalHold was placed by ' + request.userInfo.username + ', so somebody else has to release it'"),
        )
}

/// Everybody agrees for himself. An approval that changes is a new one: its time is part of what was agreed to.
pub fn approvals() -> Guard {
    let (now, before) = ("object.spec.?approvals.orValue([])", "oldObject.spec.?approvals.orValue([])");
    Guard::on("cloudfarm-retention-approval", &["CREATE", "UPDATE"], "cloudfarm.dev", &["retentions"])
        .with("given", format!("{now}.filter(each, oldObject == null || !{before}.exists(old, old == each))"))
        .with("taken", format!("oldObject == null ? [] : {before}.map(old, old.by).filter(by, !{now}.exists(each, each.by == by))"))
        .unless(
            format!("variables.given.size() == 0 || {}", may("approve")),
            format!("{WHAT} + 'spec.approvals are given only by people with the verb approve on retentions.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(
            "variables.given.all(each, each.by == request.userInfo.username)",
            format!("{WHAT} + 'spec.approvals of ' + variables.given.map(each, each.by).join(', ') + ' cannot be written by ' + request.userInfo.username + ': everybody approves for himself, with by: ' + request.userInfo.username"),
        )
        .unless(
            format!("variables.taken.all(by, by == request.userInfo.username) || {}", may("decide")),
            format!("{WHAT} + 'spec.approvals of ' + variables.taken.join(', ') + ' are taken back by those people themselves, or by somebody with the verb decide on retentions.cloudfarm.dev'"),
        )
}

/// Everything else is a decision, but for what only keeps data longer: `suspend: true`, and more approvals.
pub fn decisions() -> Guard {
    let written = |field: &str| {
        format!("has(object.spec.{field}) && (oldObject == null || object.spec.?{field} != oldObject.spec.?{field})")
    };
    Guard::on("cloudfarm-retention-decision", &["CREATE", "UPDATE"], "cloudfarm.dev", &["retentions"])
        .with("changed", changed())
        .with("asked", ["endDate", "earlyErasure", "requestedBy"].map(written).join(" || "))
        .unless(
            format!("variables.changed.size() == 0 || {}", may("decide")),
            format!("{WHAT} + 'spec.' + variables.changed.join(', spec.') + ' is decided only by somebody with the verb decide on retentions.cloudfarm.dev, and ' + request.userInfo.username + ' has it not'"),
        )
        .unless(
            "!variables.asked || object.spec.?requestedBy.orValue('') == request.userInfo.username",
            format!("{WHAT} + 'spec.requestedBy is ' + object.spec.?requestedBy.orValue('nobody') + ', and whoever writes spec.endDate or spec.earlyErasure stands for it: write requestedBy: ' + request.userInfo.username"),
        )
}

/// What runs did is written by runs, and what the operator saw by the operator: neither can make the other believe
/// something.
pub fn status() -> Guard {
    let runs = fields(&schema_for!(Progress).to_value());
    let seen: BTreeSet<String> = fields(&schema_for!(RetentionStatus).to_value()).difference(&runs).cloned().collect();
    let differing = |names: &BTreeSet<String>| {
        differing(
            names.iter().map(|name| (name.as_str(), format!("object.?status.?{name} == oldObject.?status.?{name}"))),
        )
    };
    Guard::on("cloudfarm-retention-status", &["UPDATE"], "cloudfarm.dev", &["retentions/status"])
        .with("runs", differing(&runs))
        .with("seen", differing(&seen))
        .unless(
            format!("variables.runs.size() == 0 || {}", is_purge()),
            format!("{WHAT} + 'status.' + variables.runs.join(', status.') + ' is written by purge runs alone; ' + request.userInfo.username + ' is somebody else'"),
        )
        .unless(
            format!("variables.seen.size() == 0 || {}", is_operator()),
            format!("{WHAT} + 'status.' + variables.seen.join(', status.') + ' is written by the operator alone; ' + request.userInfo.username + ' is somebody else'"),
        )
}

/// CEL: names of the spec's fields that need a decision and are not as they were, or, at first, not as the CRD fills
/// them in.
fn changed() -> String {
    let elsewhere = ["tenantRef", "legalHold", "approvals"];
    let names = fields(&schema_for!(RetentionSpec).to_value());
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !elsewhere.contains(name)).collect();
    let defaults = defaults();
    let at_first = differing(names.iter().map(|name| {
        let same = match *name {
            "suspend" | "requiredApprovals" => "true".to_owned(),
            name => defaults.get(name).map_or_else(
                || format!("!has(object.spec.{name})"),
                |value| format!("object.spec.?{name}.orValue({value}) == {value}"),
            ),
        };
        (*name, same)
    }));
    let later = differing(names.iter().map(|name| {
        let same = match *name {
            "suspend" => "object.spec.?suspend.orValue(false) || !oldObject.spec.?suspend.orValue(false)".to_owned(),
            "requiredApprovals" => {
                "object.spec.?requiredApprovals.orValue(0) >= oldObject.spec.?requiredApprovals.orValue(0)".to_owned()
            }
            name => format!("object.spec.?{name} == oldObject.spec.?{name}"),
        };
        (*name, same)
    }));
    format!("oldObject == null ? {at_first} : {later}")
}

/// CEL: the names for which their expression is false.
fn differing<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let each: Vec<String> = fields.map(|(name, same)| format!("({same}) ? '' : '{name}'")).collect();
    format!("[{}].filter(name, name != '')", each.join(", "))
}

/// Names of a schema's properties.
fn fields(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// What the CRD fills in; JSON of these is CEL.
fn defaults() -> serde_json::Map<String, Value> {
    let filled = serde_json::from_value::<RetentionSpec>(json!({"tenantRef": {"name": ""}})).map(|spec| json!(spec));
    let mut filled = filled.ok().and_then(|spec| spec.as_object().cloned()).unwrap_or_default();
    filled.entry("rolling").or_insert_with(|| json!([]));
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_spec_and_status_is_somebodys() {
        let changed = changed();
        for field in
            ["endDate", "earlyErasure", "requestedBy", "graceDays", "mode", "suspend", "rolling", "scope", "maxObjects"]
        {
            assert_eq!(changed.matches(&format!("'{field}'")).count(), 2, "{field} at first and later");
        }
        assert_eq!(defaults()["graceDays"], 60);
        let status = format!("{:?}", status());
        for field in ["purge", "clockMark", "evidence", "rolling", "pinned", "purgeNotBefore", "holds", "deletable"] {
            assert!(status.contains(&format!("'{field}'")), "{field}");
        }
        let runs = fields(&schema_for!(Progress).to_value());
        assert_eq!(runs.len(), 9, "{runs:?}");
    }
}
