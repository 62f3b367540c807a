//! Pure: what the probe's last report means for a network whose rules are NetworkPolicies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::observe::NetworkSnapshot;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant_network::Probe;
use crate::probe::report::{Report, STALE};

/// Where to look when packets do not obey.
const WHAT_TO_DO: &str = "install a network plugin that enforces NetworkPolicies, or mend it; until then nothing separates \
                          tenants. kubectl -n cloudfarm-probe-a logs deployment/caller tells each round";

/// Do packets obey? `policies` tells whether any policy of this network stands for the question.
#[must_use]
pub fn enforced(snapshot: &NetworkSnapshot, policies: bool) -> Verdict {
    let unknown = |reason, message: &str| Verdict::new(ConditionType::RulesEnforced, Status::Unknown, reason, message);
    if !policies {
        return unknown(Reason::NotMeasured, "no policy is wanted, so there is nothing to measure");
    }
    let Some(report) = &snapshot.probe else {
        let message = "whether the network plugin obeys policies is not measured: no probe reports; the chart installs one with probe.enabled=true";
        return unknown(Reason::NotMeasured, message);
    };
    if stale_at(report) <= snapshot.now {
        // Without the report's time, which would move the message with every heartbeat that comes late.
        let message = "the probe has not reported for half an hour; kubectl -n cloudfarm-probe-a get pods tells why";
        return unknown(Reason::ProbeStale, message);
    }
    let Report { node, allowed, denied, unexpected, otherwise, .. } = report;
    if *otherwise == 0 && unexpected.is_empty() {
        let message = format!(
            "the network plugin on node {node} obeys the same policies in the probe's namespaces, not measured on each tenant's own packets: {allowed} flows are open and {denied} closed, as expected"
        );
        return Verdict::new(ConditionType::RulesEnforced, Status::True, Reason::Measured, message);
    }
    let some = unexpected.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    let count = usize::try_from(*otherwise).unwrap_or(usize::MAX).max(unexpected.len());
    let message = format!("{count} flows of the probe on node {node} are not as expected: {some}; {WHAT_TO_DO}");
    Verdict::bad(ConditionType::RulesEnforced, Reason::NotEnforced, message)
}

/// What the status repeats of a report. Its time is when this result was first seen, so that it stands still.
#[must_use]
pub fn told(snapshot: &NetworkSnapshot, policies: bool) -> Option<Probe> {
    let report = snapshot.probe.as_ref().filter(|_| policies)?;
    let now = Probe {
        at: Time(report.at),
        allowed: report.allowed.into(),
        denied: report.denied.into(),
        unexpected: report.unexpected.clone(),
    };
    let before = snapshot.network.status.as_ref().and_then(|status| status.probe.clone());
    let same = before.filter(|before| Probe { at: now.at.clone(), ..before.clone() } == now);
    Some(same.unwrap_or(now))
}

/// When time alone will change what is said here.
#[must_use]
pub fn next_change(snapshot: &NetworkSnapshot) -> Option<Timestamp> {
    snapshot.probe.as_ref().map(stale_at).filter(|at| *at > snapshot.now)
}

fn stale_at(report: &Report) -> Timestamp {
    report.at.checked_add(STALE).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::network::sample::dmz;

    /// A network at this minute, with a report of minute 0 in which these flows were not as expected.
    fn snapshot(minute: i64, unexpected: &[&str]) -> NetworkSnapshot {
        let unexpected: Vec<String> = unexpected.iter().map(|&flow| flow.to_owned()).collect();
        let otherwise = u32::try_from(unexpected.len()).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let report = Report { at, node: "node".into(), allowed: 7, denied: 9, unexpected, otherwise };
        NetworkSnapshot { probe: Some(report), now: at + SignedDuration::from_mins(minute), ..dmz(&json!({})) }
    }

    fn is(snapshot: &NetworkSnapshot, status: Status, reason: Reason, part: &str) {
        let verdict = enforced(snapshot, true);
        assert_eq!((verdict.status, verdict.reason), (status, reason), "{}", verdict.message);
        assert!(verdict.message.contains(part), "{}", verdict.message);
    }

    #[test]
    fn a_fresh_report_without_surprises_is_a_measurement_and_says_of_what() {
        is(&snapshot(29, &[]), Status::True, Reason::Measured, "7 flows are open and 9 closed");
        is(&snapshot(0, &[]), Status::True, Reason::Measured, "not measured on each tenant's own packets");
    }

    #[test]
    fn one_flow_that_is_not_as_expected_is_enough_and_is_named_with_what_to_do() {
        let flow = "a/caller -> b/listener TCP 8001 is open";
        is(&snapshot(0, &[flow]), Status::False, Reason::NotEnforced, flow);
        is(&snapshot(0, &[flow]), Status::False, Reason::NotEnforced, "install a network plugin");
    }

    #[test]
    fn an_old_report_says_nothing_whatever_it_said() {
        for unexpected in [&[][..], &["a -> b is open"]] {
            is(&snapshot(30, unexpected), Status::Unknown, Reason::ProbeStale, "has not reported");
        }
        assert_eq!(next_change(&snapshot(29, &[])), Some(Timestamp::UNIX_EPOCH + STALE));
        assert_eq!(next_change(&snapshot(30, &[])), None);
    }

    #[test]
    fn without_a_probe_or_without_policies_nothing_is_claimed() {
        is(&dmz(&json!({})), Status::Unknown, Reason::NotMeasured, "probe.enabled=true");
        let verdict = enforced(&snapshot(0, &[]), false);
        assert_eq!((verdict.status, told(&snapshot(0, &[]), false)), (Status::Unknown, None));
    }

    #[test]
    fn a_heartbeat_that_says_the_same_changes_nothing_in_the_status() {
        let mut snapshot = snapshot(1, &[]);
        let first = told(&snapshot, true);
        snapshot.network.status =
            Some(crate::api::tenant_network::TenantNetworkStatus { probe: first.clone(), ..Default::default() });
        let later = snapshot.probe.as_mut().unwrap();
        later.at += SignedDuration::from_mins(10);
        assert_eq!(told(&snapshot, true), first);
        snapshot.probe.as_mut().unwrap().denied = 8;
        assert_ne!(told(&snapshot, true), first);
    }
}
