//! Pure: what a Tenant says of where its data is (6.1.3).

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant::{FINDINGS, ResidencyStatus};
use crate::tenant::desired::Residency;

/// Findings that fit into a message; the status has more of them.
const TOLD: usize = 6;

/// True only when there is nothing that is outside and nothing that is not known.
pub(super) fn verdict(found: &Residency) -> Verdict {
    let type_ = ConditionType::ResidencyVerified;
    if !found.outside.is_empty() {
        let message =
            format!("outside of Japan: {}; no new VM is made, those that run are left running", some(&found.outside));
        return Verdict::bad(type_, Reason::OutsideResidency, message);
    }
    if !found.unknown.is_empty() {
        return Verdict::new(
            type_,
            Status::Unknown,
            Reason::NotMeasured,
            format!("not known: {}", some(&found.unknown)),
        );
    }
    Verdict::good(
        type_,
        "by their labels and topologies all nodes, and this tenant's storage classes, volumes, snapshot classes and backup location, are in Japan; that no node labels itself is the API server's admission plugin NodeRestriction's to see to, which no API tells",
    )
}

/// The same as lists; nothing when there is nothing, since the API server does not keep an empty object.
pub(super) fn status(found: &Residency) -> Option<ResidencyStatus> {
    if *found == Residency::default() {
        return None;
    }
    let cut = |findings: &[String]| {
        findings.iter().take(FINDINGS).map(|finding| finding.chars().take(256).collect()).collect::<Vec<String>>()
    };
    Some(ResidencyStatus { violations: cut(&found.outside), unknown: cut(&found.unknown) })
}

fn some(findings: &[String]) -> String {
    let told: Vec<&str> = findings.iter().take(TOLD).map(String::as_str).collect();
    let more = findings.len().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    told.join("; ") + &more
}
