//! Findings as results of OpenReports, and back. Small, since each tenant has two and they lie in etcd: the promise is told
//! by the rule's id ([`crate::evidence::clauses`]), objects by kind and name, and no result says more than two lines.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::jst::in_japan;
use crate::evidence::clauses::{self, Class};
use crate::evidence::judge::{Finding, Object, Outcome, summary};
use crate::foreign::open_reports::{ResultRow, Said, Stamp};

/// What the rules are of.
pub const POLICY: &str = "iso27017-2015";

/// Letters of a message that go into etcd, and of each measured value.
const MESSAGE: usize = 160;
const VALUE: usize = 80;

/// Objects that a result names.
const OBJECTS: usize = 2;

/// All findings, about one object.
#[must_use]
pub fn said(findings: &[Finding], about: &Object) -> Said {
    let counts = Outcome::ALL.iter().zip(summary(findings));
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Said {
        source: "cloudfarm.dev".into(),
        scope: json!(about),
        summary: counts.map(|(outcome, number)| (outcome.word().to_owned(), count(number))).collect(),
        results: findings.iter().map(row).collect(),
    }
}

fn row(finding: &Finding) -> ResultRow {
    let clause = finding.clause;
    let checked = finding.checked_at.map(in_japan).unwrap_or_default();
    let properties = [
        ("class", clause.class.letter()),
        ("owner", clause.owner.word()),
        ("reason", &finding.reason),
        ("measured", &short(&finding.measured, VALUE)),
        ("limit", &short(&finding.limit, VALUE)),
        ("checkedAtJST", &checked),
        ("evidenceSHA256", &finding.sha256),
    ];
    let written = properties.into_iter().filter(|(_, value)| !value.is_empty());
    ResultRow {
        policy: POLICY.into(),
        rule: clause.id.into(),
        category: clause.theme.into(),
        severity: clause.severity.word().into(),
        scored: clause.class != Class::Organisation,
        result: finding.result.word().into(),
        timestamp: finding.since.map(|since| Stamp { seconds: since.as_second(), nanos: 0 }),
        message: short(&finding.message, MESSAGE),
        resources: finding.objects.iter().take(OBJECTS).map(object).collect(),
        properties: written.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
    }
}

fn object(object: &Object) -> Value {
    let mut named = json!({"kind": object.kind, "name": object.name});
    if let Some(namespace) = &object.namespace {
        named["namespace"] = json!(namespace);
    }
    named
}

fn short(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

/// What somebody reads who may read the report and nothing that it was made from. A clause that it does not have, or has
/// with a result that is none, is unknown.
#[must_use]
pub fn findings(said: &Said) -> Vec<Finding> {
    clauses::all()
        .map(|clause| {
            let row = said.results.iter().find(|row| row.rule == clause.id).cloned().unwrap_or_default();
            let property = |name: &str| row.properties.get(name).cloned().unwrap_or_default();
            let result = Outcome::ALL.into_iter().find(|outcome| outcome.word() == row.result);
            // Whoever may write a report may write anything into it: people's word does not become a pass by that.
            let result = result.filter(|result| clause.class != Class::Organisation || *result != Outcome::Pass);
            let missing = "the operator's Report says nothing of this clause";
            Finding {
                clause,
                result: result.unwrap_or(Outcome::Error),
                reason: if result.is_some() { property("reason") } else { "NotReported".into() },
                message: if result.is_some() { row.message.clone() } else { missing.into() },
                measured: property("measured"),
                limit: property("limit"),
                since: row.timestamp.and_then(|stamp| Timestamp::from_second(stamp.seconds).ok()),
                checked_at: property("checkedAtJST").parse().ok(),
                objects: row.resources.iter().map(read).collect(),
                looked: None,
                sha256: property("evidenceSHA256"),
            }
        })
        .collect()
}

fn read(value: &Value) -> Object {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    Object {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: value["namespace"].as_str().map(str::to_owned),
        name: text("name"),
        uid: None,
    }
}
