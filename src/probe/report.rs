//! Pure: what the caller writes, and what the operator reads of it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Key of the ConfigMap that holds the report as JSON.
pub const KEY: &str = "report";

/// A report is written again after so long, though it says the same: it is how the operator knows that somebody looks.
pub const HEARTBEAT: SignedDuration = SignedDuration::from_mins(10);

/// Older than this a report says nothing any more: two heartbeats were missed.
pub const STALE: SignedDuration = SignedDuration::from_mins(30);

/// Most flows that are named; how many there are in all is told beside them.
const NAMED: usize = 8;

/// What one look at every flow found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// By the caller's clock.
    pub at: Timestamp,
    /// The caller's node.
    #[serde(default)]
    pub node: String,
    /// Flows that were open and should be.
    pub allowed: u32,
    /// Flows that were closed and should be.
    pub denied: u32,
    /// Flows that were otherwise, each with what was expected: the first few.
    #[serde(default)]
    pub unexpected: Vec<String>,
    /// How many were otherwise.
    #[serde(default)]
    pub otherwise: u32,
}

impl Report {
    /// Of every flow whether it was as expected, and if not, what to say about it.
    #[must_use]
    pub fn of(at: Timestamp, node: &str, found: &[(bool, Option<String>)]) -> Self {
        let as_expected = |open: bool| found.iter().filter(|(found, told)| *found == open && told.is_none()).count();
        let told: Vec<String> = found.iter().filter_map(|(_, told)| told.clone()).collect();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            at,
            node: node.to_owned(),
            allowed: number(as_expected(true)),
            denied: number(as_expected(false)),
            otherwise: number(told.len()),
            unexpected: told.into_iter().take(NAMED).collect(),
        }
    }

    /// From the ConfigMap's data. What cannot be read is no report.
    #[must_use]
    pub fn read(data: &BTreeMap<String, String>) -> Option<Self> {
        let report: Self = serde_json::from_str(data.get(KEY)?).ok()?;
        // Without any flow that was open, everything may be down, and nothing has been measured.
        (report.allowed > 0 || report.otherwise > 0 || !report.unexpected.is_empty()).then_some(report)
    }

    /// Does this say the same, whenever it was said?
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }

    /// Has it to be written, after the last one that was?
    #[must_use]
    pub fn is_due(&self, written: Option<&Self>) -> bool {
        written.is_none_or(|last| !self.says_the_same(last) || self.at.duration_since(last.at) >= HEARTBEAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn report(minutes: i64) -> Report {
        Report::of(at(minutes), "node", &[(true, None), (false, None), (false, None)])
    }

    #[test]
    fn a_report_counts_what_was_as_expected_and_names_what_was_not() {
        let found = [(true, None), (true, Some("a -> b is open".to_owned())), (false, None)];
        let report = Report::of(at(0), "node", &found);
        assert_eq!((report.allowed, report.denied, report.otherwise), (1, 1, 1));
        assert_eq!(report.unexpected, ["a -> b is open"]);
    }

    #[test]
    fn it_is_written_when_it_says_something_else_and_now_and_then_without() {
        let last = report(0);
        assert!(report(0).is_due(None));
        assert!(!report(9).is_due(Some(&last)));
        assert!(report(10).is_due(Some(&last)));
        let other = Report { denied: 1, ..report(1) };
        assert!(other.is_due(Some(&last)));
    }

    #[test]
    fn what_is_written_can_be_read_and_what_measured_nothing_is_no_report() {
        let data = |text: String| BTreeMap::from([(KEY.to_owned(), text)]);
        let report = report(3);
        assert_eq!(Report::read(&data(serde_json::to_string(&report).unwrap())), Some(report));
        let nothing_open = Report::of(at(0), "node", &[(false, None)]);
        for unusable in [String::new(), "{}".into(), serde_json::to_string(&nothing_open).unwrap()] {
            assert_eq!(Report::read(&data(unusable)), None);
        }
        assert_eq!(Report::read(&BTreeMap::new()), None);
    }
}
