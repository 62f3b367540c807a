//! Pure: are the tenant's namespaces closed to other tenants, as objects and as packets?

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer};
use kube::ResourceExt;

use super::Verdict;
use super::scene::{Scene, Unseen};

/// By objects first. Whether packets obey them is what the networks' RulesEnforced says, which is measured.
pub(super) fn closed(scene: &Scene) -> Verdict {
    let policies = match &scene.policies {
        Ok(policies) => policies,
        Err(Unseen(why)) => return Verdict::unknown(why.clone()),
    };
    let open: Vec<String> = [scene.customer(), scene.derived()]
        .into_iter()
        .filter(|namespace| {
            !policies.iter().any(|policy| policy.namespace().as_ref() == Some(namespace) && denies_all(policy))
        })
        .map(|namespace| format!("namespace {namespace} has no NetworkPolicy that denies everything by default"))
        .chain(policies.iter().filter_map(opens))
        .collect();
    if open.is_empty() { obeyed(scene) } else { Verdict::fail(open.join("; ")) }
}

fn obeyed(scene: &Scene) -> Verdict {
    let networks = match &scene.networks {
        Ok(networks) => networks,
        Err(Unseen(why)) => return Verdict::unknown(format!("the policies stand; whether packets obey: {why}")),
    };
    let enforced = |network: &crate::api::tenant_network::TenantNetwork| {
        let conditions = network.status.iter().flat_map(|status| &status.conditions);
        let found = conditions.into_iter().find(|condition| condition.type_ == "RulesEnforced");
        let (status, message) = found.map_or(("Unknown", "not looked at yet"), |found| (&found.status, &found.message));
        (status.to_owned(), format!("TenantNetwork {}: RulesEnforced is {status}: {message}", network.name_any()))
    };
    let told: Vec<(String, String)> = networks.iter().map(enforced).collect();
    let first = |status: &str| told.iter().find(|(found, _)| found == status).map(|(_, told)| told.clone());
    if let Some(told) = first("False") {
        return Verdict::fail(told);
    }
    match told.iter().find(|(status, _)| status != "True") {
        Some((_, told)) => Verdict::unknown(format!("the policies stand; {told}")),
        None if told.is_empty() => Verdict::unknown("the policies stand; no TenantNetwork says whether packets obey"),
        None => Verdict::pass(format!("the policies stand, and packets obey: {}", told[0].1)),
    }
}

/// Selects every pod, both directions, and allows nothing.
fn denies_all(policy: &NetworkPolicy) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let selects_all = spec.pod_selector.as_ref().is_none_or(|selector| {
        selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    });
    let types = |wanted: &str| spec.policy_types.iter().flatten().any(|type_| type_ == wanted);
    let nothing = spec.ingress.as_ref().is_none_or(Vec::is_empty) && spec.egress.as_ref().is_none_or(Vec::is_empty);
    selects_all && types("Ingress") && types("Egress") && nothing
}

/// A rule for everybody, or for pods of other namespaces.
fn opens(policy: &NetworkPolicy) -> Option<String> {
    let spec = policy.spec.as_ref()?;
    let ingress = spec.ingress.iter().flatten().map(|rule| (rule.from.as_ref(), "ingress"));
    let egress = spec.egress.iter().flatten().map(|rule| (rule.to.as_ref(), "egress"));
    let too_wide = |peers: Option<&Vec<NetworkPolicyPeer>>| match peers {
        None => Some("everybody"),
        Some(peers) if peers.is_empty() => Some("everybody"),
        Some(peers) => peers.iter().any(|peer| peer.namespace_selector.is_some()).then_some("pods of other namespaces"),
    };
    let (whom, direction) = ingress.chain(egress).find_map(|(peers, direction)| Some((too_wide(peers)?, direction)))?;
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    Some(format!("NetworkPolicy {namespace}/{name}: an {direction} rule is open to {whom}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::Outcome;
    use crate::check::scene::tests::empty;

    fn policy(namespace: &str, spec: &Value) -> NetworkPolicy {
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec})).unwrap()
    }

    fn wall(namespace: &str) -> NetworkPolicy {
        policy(namespace, &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
    }

    /// Both walls, this policy more, and networks whose RulesEnforced is so.
    fn scene(more: Option<NetworkPolicy>, enforced: &[&str]) -> Scene {
        let mut scene = empty();
        scene.policies = Ok([wall("cf-acme"), wall("cfd-acme")].into_iter().chain(more).collect());
        let network = |status: &&str| {
            let condition = json!({
                "type": "RulesEnforced", "status": status, "reason": "R", "message": "m",
                "lastTransitionTime": "2026-11-29T00:00:00Z",
            });
            let network = json!({
                "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "TenantNetwork", "metadata": {"name": "dmz"},
                "spec": {"type": "Pod"}, "status": {"conditions": [condition]},
            });
            serde_json::from_value(network).unwrap()
        };
        scene.networks = Ok(enforced.iter().map(network).collect());
        scene
    }

    #[test]
    fn closed_is_what_stands_as_policies_and_was_measured() {
        for (enforced, outcome) in [
            (&["True", "True"][..], Outcome::Pass),
            (&["True", "Unknown"], Outcome::Unknown),
            (&["Unknown", "False"], Outcome::Fail),
            (&[], Outcome::Unknown),
        ] {
            assert_eq!(closed(&scene(None, enforced)).outcome, outcome, "{enforced:?}");
        }
        assert_eq!(closed(&empty()).outcome, Outcome::Unknown);
    }

    #[test]
    fn a_wall_that_is_missing_or_not_whole_fails_whatever_was_measured() {
        for half in [
            json!({"podSelector": {}, "policyTypes": ["Ingress"]}),
            json!({"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress", "Egress"]}),
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [{"podSelector": {}}]}]}),
        ] {
            let mut scene = scene(None, &["True"]);
            scene.policies = Ok(vec![wall("cf-acme"), policy("cfd-acme", &half)]);
            let verdict = closed(&scene);
            assert!(verdict.outcome == Outcome::Fail && verdict.reason.contains("namespace cfd-acme has no"), "{half}");
        }
    }

    #[test]
    fn a_rule_for_everybody_or_for_other_namespaces_fails() {
        for rule in [
            json!({"ingress": [{}]}),
            json!({"egress": [{"to": []}]}),
            json!({"ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {}}]}]}),
        ] {
            let mut spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
            spec.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
            let verdict = closed(&scene(Some(policy("cf-acme", &spec)), &["True"]));
            assert_eq!(verdict.outcome, Outcome::Fail, "{rule}");
        }
    }
}
