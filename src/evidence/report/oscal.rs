//! NIST's OSCAL 1.2 assessment results. Ids are made from what they name, so that one world gives one document.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Document, named};
use crate::api::jst::in_japan;
use crate::evidence::clauses::Class;
use crate::evidence::judge::{Finding, Outcome};

/// The version whose schema this keeps to.
pub const VERSION: &str = "1.2.3";

/// Namespace of our own properties.
const NS: &str = "https://cloudfarm.dev/ns/oscal";

/// The document as assessment results.
#[must_use]
pub fn assessment_results(document: &Document) -> Value {
    let at = in_japan(document.at);
    let id = |what: &str| uuid(&format!("{}/{what}", document.tenant));
    let observations: Vec<Value> = document.findings.iter().map(|finding| observation(document, finding)).collect();
    // What was not judged is observed and concluded from by nobody.
    let judged = document.findings.iter().filter(|finding| finding.result != Outcome::Skip);
    let findings: Vec<Value> = judged.map(|finding| concluded(document, finding)).collect();
    let controls: Vec<Value> =
        document.findings.iter().map(|finding| json!({"control-id": token(finding.clause.id)})).collect();
    json!({"assessment-results": {
        "uuid": uuid(&format!("{}/{at}", document.tenant)),
        "metadata": {
            "title": format!("Cloud Farm: promises to tenant {}", document.tenant),
            "last-modified": at,
            "version": env!("CARGO_PKG_VERSION"),
            "oscal-version": VERSION,
            "roles": [{"id": "assessor", "title": "cloudfarm"}],
            "parties": [{"uuid": uuid("party/cloudfarm"), "type": "organization", "name": "cloudfarm"}],
            "responsible-parties": [{"role-id": "assessor", "party-uuids": [uuid("party/cloudfarm")]}],
        },
        "import-ap": {"href": format!("#{}", uuid("assessment-plan"))},
        "results": [{
            "uuid": uuid(&format!("{}/result/{at}", document.tenant)),
            "title": format!("Tenant {}", document.tenant),
            "description": "Each clause of the whitepaper, judged from what the operator says of the tenant.",
            "start": at,
            "end": at,
            "reviewed-controls": {"control-selections": [{"include-controls": controls}]},
            "observations": observations,
            "findings": findings,
        }],
        "back-matter": {"resources": [
            {"uuid": uuid("assessment-plan"), "title": "The clause catalogue of cloudfarm is the plan: each clause says how it is verified",
             "rlinks": [{"href": "crds/CLAUSES.md"}]},
            {"uuid": id("evidence"), "title": "What was looked at, one file a clause, in the evidence pack",
             "rlinks": [{"href": "evidence/"}]},
        ]},
    }})
}

fn observation(document: &Document, finding: &Finding) -> Value {
    let clause = finding.clause;
    let method = match clause.class {
        Class::Enforced => "TEST",
        Class::Verified | Class::Organisation => "EXAMINE",
    };
    let mut observed = json!({
        "uuid": uuid(&format!("{}/observation/{}", document.tenant, clause.id)),
        "title": format!("{} {}", clause.id, clause.title.en),
        "description": format!("{} Looked at: {}.", clause.promise.en, clause.verified.en),
        "props": props(finding),
        "methods": [method],
        "collected": in_japan(finding.checked_at.unwrap_or(document.at)),
        "relevant-evidence": [{
            "href": format!("evidence/{}.json", clause.id),
            "description": format!("sha256 {}", finding.sha256),
        }],
        "remarks": finding.message,
    });
    let subjects: Vec<Value> = finding
        .objects
        .iter()
        .map(|object| {
            let what = named(object);
            json!({"subject-uuid": uuid(object.uid.as_deref().unwrap_or(&what)), "type": "component", "title": what})
        })
        .collect();
    if !subjects.is_empty() {
        observed["subjects"] = json!(subjects);
    }
    observed
}

fn concluded(document: &Document, finding: &Finding) -> Value {
    let clause = finding.clause;
    let state = if finding.result == Outcome::Pass { "satisfied" } else { "not-satisfied" };
    let reason = match finding.result {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        _ => "other",
    };
    json!({
        "uuid": uuid(&format!("{}/finding/{}", document.tenant, clause.id)),
        "title": format!("{} {}", clause.id, clause.title.en),
        "description": finding.message,
        "target": {
            "type": "objective-id",
            "target-id": token(clause.id),
            "status": {"state": state, "reason": reason, "remarks": finding.reason},
        },
        "related-observations": [{"observation-uuid": uuid(&format!("{}/observation/{}", document.tenant, clause.id))}],
    })
}

fn props(finding: &Finding) -> Vec<Value> {
    let clause = finding.clause;
    [
        ("result", finding.result.word()),
        ("reason", finding.reason.as_str()),
        ("class", clause.class.letter()),
        ("owner", clause.owner.word()),
        ("theme", clause.theme),
        ("severity", clause.severity.word()),
        ("measured", finding.measured.trim()),
        ("limit", finding.limit.trim()),
        ("evidence-sha256", finding.sha256.as_str()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| json!({"name": name, "ns": NS, "value": value}))
    .collect()
}

/// A token begins with a letter.
fn token(clause: &str) -> String {
    format!("iso27017-{}", clause.to_ascii_lowercase())
}

/// A UUID of version 5's form, from a digest of what it names.
fn uuid(of: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(format!("cloudfarm-oscal\n{of}"))[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = crate::evidence::hex::encode(&bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
