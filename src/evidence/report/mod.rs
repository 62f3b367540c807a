//! The findings as people and programs read them: a table, JSON, NIST's OSCAL, a page to print, OpenReports.

pub mod html;
pub mod open_reports;
pub mod oscal;
pub mod pack;
pub mod table;
mod words;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::judge::{Finding, Object, Outcome, summary};
use crate::api::jst::in_japan;

/// A tenant's findings, whoever made them.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub tenant: String,
    /// When this was made.
    pub at: Timestamp,
    /// Where the findings come from: judged now, or taken from what the operator published.
    pub source: Source,
    pub findings: Vec<Finding>,
}

/// Where findings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Judged by this program, from what its caller may read.
    Live,
    /// The operator's own Report.
    Published,
}

impl Document {
    fn instant(instant: Option<Timestamp>) -> Option<String> {
        instant.map(in_japan)
    }

    /// Everything, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts = summary(&self.findings);
        let counts: serde_json::Map<String, Value> =
            Outcome::ALL.iter().zip(counts).map(|(outcome, count)| (outcome.word().into(), json!(count))).collect();
        let findings: Vec<Value> = self.findings.iter().map(row).collect();
        json!({
            "tenant": self.tenant,
            "at": in_japan(self.at),
            "source": match self.source { Source::Live => "live", Source::Published => "published" },
            "summary": counts,
            "findings": findings,
        })
    }
}

fn row(finding: &Finding) -> Value {
    let clause = finding.clause;
    json!({
        "clause": clause.id,
        "title": {"ja": clause.title.ja, "en": clause.title.en},
        "promise": {"ja": clause.promise.ja, "en": clause.promise.en},
        "verified": {"ja": clause.verified.ja, "en": clause.verified.en},
        "class": clause.class.letter(),
        "owner": clause.owner.word(),
        "theme": clause.theme,
        "severity": clause.severity.word(),
        "result": finding.result,
        "reason": finding.reason,
        "message": finding.message,
        "measured": finding.measured,
        "limit": finding.limit,
        "since": Document::instant(finding.since),
        "checkedAt": Document::instant(finding.checked_at),
        "objects": finding.objects,
        "evidenceSHA256": finding.sha256,
    })
}

/// Such as `Tenant acme` or `TenantNetwork cf-acme/dmz`.
fn named(object: &Object) -> String {
    match &object.namespace {
        Some(namespace) => format!("{} {namespace}/{}", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    }
}
