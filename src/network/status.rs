//! Pure: what a TenantNetwork says about itself after a pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::conditions;
use super::desired::Plan;
use super::observe::NetworkSnapshot;
use super::rules::Refused;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::tenant_network::{Backend, MadeObject, NetworkType, TenantNetworkStatus, TlsMode};
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;
use crate::operator::context::Conditions;

impl Conditions for TenantNetworkStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> TenantNetworkStatus {
    let spec = &snapshot.network.spec;
    let name = snapshot.network.name_any();
    let mut verdicts =
        vec![backend(snapshot), rules(snapshot, plan, applied), enforced(plan), not_yet_enforced(snapshot)];
    verdicts.extend(conditions::exposed(snapshot, plan, applied));
    verdicts.extend(conditions::tls(snapshot, plan, applied));
    let stalled = stalled(plan, applied);
    verdicts.push(ready(snapshot, &verdicts, &stalled));
    verdicts.push(stalled);
    let previous = snapshot.network.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let attached = |networks: &Vec<String>| networks.contains(&name);
    let tenant = snapshot.tenant.clone().unwrap_or_default();
    TenantNetworkStatus {
        observed_generation: snapshot.network.metadata.generation,
        backend: (spec.type_ == NetworkType::Pod).then(|| "NetworkPolicy".to_owned()),
        objects: plan
            .desired
            .objects()
            .filter(|object| applied.observed.contains_key(&object.reference))
            .map(|object| MadeObject {
                kind: format!("{:?}", object.reference.kind),
                name: object.reference.name.clone(),
                hash: object.digest.to_string(),
            })
            .collect(),
        addresses: conditions::addresses(plan, applied),
        attached_vms: tenant.vms.into_iter().filter(|(_, networks)| attached(networks)).map(|(vm, _)| vm).collect(),
        vlan_lease: None,
        probe: None,
        consistent: None,
        rules: i64::try_from(spec.ingress.len() + spec.egress.len()).ok(),
        conditions: merge(previous, &verdicts, snapshot.network.metadata.generation, snapshot.now),
    }
}

fn backend(snapshot: &NetworkSnapshot) -> Verdict {
    let type_ = ConditionType::BackendReady;
    match snapshot.network.spec.type_ {
        NetworkType::Pod => Verdict::good(type_, "NetworkPolicies on the cluster's own network"),
        other => Verdict::bad(
            type_,
            Reason::NotYetSupported,
            format!("type {other:?} has no backend in this version; VMs that name this network are not made"),
        ),
    }
}

fn rules(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::RulesAccepted;
    if let Some(nobody) = homeless(snapshot, type_) {
        return nobody;
    }
    if let Some(first) = plan.refused.first() {
        return Verdict::bad(type_, first.reason, closed(plan.refused.iter()));
    }
    if !carried(plan) {
        let message = "the rules are read and no policy carries them: this version makes none for this type";
        return Verdict::bad(type_, Reason::NotYetSupported, message);
    }
    // What is exposed, and the quota that it waits for, have a condition of their own.
    let policies = |kind| !matches!(kind, Kind::Service | Kind::Certificate | Kind::ResourceQuota);
    match applied.faults.iter().find(|fault| policies(fault.reference.kind)) {
        Some(fault) => fault.verdict(type_),
        None => Verdict::good(type_, "every rule is in a policy"),
    }
}

fn closed<'a>(refused: impl Iterator<Item = &'a Refused>) -> String {
    let all: Vec<String> = refused.map(|refused| format!("{}: {}", refused.rule, refused.message)).collect();
    format!("stays closed: {}", all.join("; "))
}

/// A network in a namespace that is no tenant's, or not yet, or no longer.
fn homeless(snapshot: &NetworkSnapshot, type_: ConditionType) -> Option<Verdict> {
    let namespace = snapshot.network.namespace().unwrap_or_default();
    if snapshot.tenant.is_none() {
        let message =
            format!("no Tenant stands behind namespace {namespace:?}; nothing is changed until one is declared");
        return Some(Verdict::bad(type_, Reason::TenantNotFound, message));
    }
    if snapshot.erasing {
        let message =
            format!("the data in namespace {namespace:?} is erased; what stands stays until it goes with the data");
        return Some(Verdict::bad(type_, Reason::Purging, message));
    }
    let message = format!("namespace {namespace:?} is not the Tenant's yet; its NamespacesReady says what is missing");
    (!snapshot.home_ready).then(|| Verdict::bad(type_, Reason::Progressing, message))
}

/// Does a policy carry the rules?
fn carried(plan: &Plan) -> bool {
    plan.desired.objects().any(|object| object.reference.kind == Kind::NetworkPolicy)
}

/// Policies are objects until packets have been measured.
fn enforced(plan: &Plan) -> Verdict {
    let message = if carried(plan) {
        "whether the network plugin obeys the policies is not measured by this version"
    } else {
        "no policy is wanted, so there is nothing to measure"
    };
    Verdict::new(ConditionType::RulesEnforced, Status::Unknown, Reason::NotMeasured, message)
}

/// What is written in the spec and has no effect in this version.
fn not_yet_enforced(snapshot: &NetworkSnapshot) -> Verdict {
    let spec = &snapshot.network.spec;
    let written = [
        ("spec.backend", !matches!(spec.backend, Backend::Auto | Backend::NetworkPolicy)),
        ("spec.subnets", !spec.subnets.is_empty()),
        ("spec.vlan", spec.vlan.is_some()),
        ("spec.tls.minVersion", spec.tls.as_ref().is_some_and(|tls| tls.mode != TlsMode::Disabled)),
        (
            "spec.tls.mode Terminate (the certificate is kept for what ends TLS in front of the VMs, and nothing does)",
            spec.tls.as_ref().is_some_and(|tls| tls.mode == TlsMode::Terminate),
        ),
        ("spec.externalFirewall", spec.external_firewall.is_some()),
        ("spec.flowLogs", spec.flow_logs),
    ];
    let fields: Vec<&str> = written.into_iter().filter(|(_, written)| *written).map(|(field, _)| field).collect();
    Verdict::without_effect(&fields)
}

/// A missing network or VM may still come; what is wrong in itself, or in the way, waits for a person.
fn stalled(plan: &Plan, applied: &Applied) -> Verdict {
    let stalled = applied.stalled();
    if stalled.status == Status::True {
        return stalled;
    }
    let wrong =
        || plan.refused.iter().filter(|refused| matches!(refused.reason, Reason::RuleRefused | Reason::Invalid));
    match wrong().next() {
        Some(first) => Verdict::new(ConditionType::Stalled, Status::True, first.reason, closed(wrong())),
        None => stalled,
    }
}

fn ready(snapshot: &NetworkSnapshot, verdicts: &[Verdict], stalled: &Verdict) -> Verdict {
    let type_ = ConditionType::Ready;
    if let Some(nobody) = homeless(snapshot, type_) {
        return nobody;
    }
    if stalled.status == Status::True {
        return Verdict::bad(type_, stalled.reason, stalled.message.clone());
    }
    let bad = verdicts
        .iter()
        .find(|verdict| verdict.status == Status::False && verdict.type_ != ConditionType::FullyEnforced);
    match bad {
        Some(bad) => Verdict::bad(type_, bad.reason, format!("{:?}: {}", bad.type_, bad.message)),
        None => Verdict::good(type_, "the rules stand as policies"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::applied::{Cause, Fault};
    use crate::cluster::object::{Facts, Observation};
    use crate::network::desired::desired;
    use crate::network::sample::dmz;

    /// The world after everything that is wanted has been made.
    fn made(plan: &Plan) -> Applied {
        let observation = |object: &crate::cluster::object::DesiredObject| Observation {
            reference: object.reference.clone(),
            uid: "2".into(),
            resource_version: "3".into(),
            owner: "TenantNetwork/dmz".into(),
            owner_uid: "1".into(),
            tenant: "acme".into(),
            ours: true,
            digest: object.digest,
            facts: Facts::None,
            deleting: false,
        };
        let observed: BTreeMap<_, _> =
            plan.desired.objects().map(|object| (object.reference.clone(), observation(object))).collect();
        Applied { observed, ..Applied::default() }
    }

    fn after(snapshot: &NetworkSnapshot) -> TenantNetworkStatus {
        let plan = desired(snapshot);
        status(snapshot, &plan, &made(&plan))
    }

    /// `Status/Reason: message` of one condition.
    fn condition(status: &TenantNetworkStatus, type_: &str) -> String {
        let found = status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        format!("{}/{}: {}", found.status, found.reason, found.message)
    }

    fn is(status: &TenantNetworkStatus, expected: &Value) {
        for (type_, start) in expected.as_object().unwrap() {
            let found = condition(status, type_);
            assert!(found.starts_with(start.as_str().unwrap()), "{type_} is {found}");
        }
    }

    #[test]
    fn a_network_whose_rules_stand_is_ready_and_does_not_claim_that_packets_obey() {
        let status = after(&dmz(&json!({"ingress": [{"name": "a", "world": true, "allPorts": true}]})));
        is(
            &status,
            &json!({
                "Ready": "True/AsDeclared", "Stalled": "False", "FullyEnforced": "True", "BackendReady": "True",
                "RulesAccepted": "True", "RulesEnforced": "Unknown/NotMeasured",
            }),
        );
        assert_eq!((status.rules, status.attached_vms), (Some(1), vec!["web-1".to_owned()]));
        assert_eq!(status.objects[0].name, "network-dmz");
        assert_eq!(status.backend.as_deref(), Some("NetworkPolicy"));
    }

    #[test]
    fn types_without_a_backend_do_not_claim_that_their_rules_are_in_a_policy() {
        let rules = json!([{"name": "a", "networks": ["internal"], "allPorts": true}]);
        let status = after(&dmz(&json!({"type": "Layer2", "ingress": rules})));
        is(
            &status,
            &json!({
                "Ready": "False/NotYetSupported", "BackendReady": "False/NotYetSupported",
                "RulesAccepted": "False/NotYetSupported", "RulesEnforced": "Unknown", "Stalled": "False",
            }),
        );
        assert_eq!((status.rules, status.objects.len(), status.backend), (Some(1), 0, None));
    }

    #[test]
    fn without_a_tenant_nothing_is_made_and_no_rule_is_said_to_stand() {
        let mut snapshot = dmz(&json!({}));
        snapshot.tenant = None;
        is(&after(&snapshot), &json!({"Ready": "False/TenantNotFound", "RulesAccepted": "False/TenantNotFound"}));
        assert_eq!(desired(&snapshot).desired.objects().count(), 0);
    }

    #[test]
    fn a_tenant_whose_namespace_is_not_there_yet_is_not_called_missing() {
        let mut snapshot = dmz(&json!({}));
        snapshot.home_ready = false;
        is(&after(&snapshot), &json!({"Ready": "False/Progressing", "RulesAccepted": "False/Progressing"}));
    }

    #[test]
    fn what_can_never_be_stalls_and_what_may_still_come_does_not() {
        let towards = |peer: &str, value: &str| {
            after(&dmz(&json!({"egress": [{"name": "a", (peer): [value], "allPorts": true}]})))
        };
        is(
            &towards("cidrs", "169.254.169.254/32"),
            &json!({"Stalled": "True/RuleRefused", "Ready": "False/RuleRefused"}),
        );
        is(
            &towards("networks", "gone"),
            &json!({"Stalled": "False", "Ready": "False/NetworkNotFound", "RulesAccepted": "False/NetworkNotFound"}),
        );
        is(&towards("vms", "gone"), &json!({"Stalled": "False", "RulesAccepted": "False/VirtualMachineNotFound"}));
    }

    #[test]
    fn fields_without_effect_are_listed_when_they_are_written() {
        let vlan = json!({"id": 120, "physicalNetwork": "physnet1"});
        let issuer = json!({"kind": "ClusterIssuer", "name": "provider"});
        let tls = json!({"mode": "Terminate", "hosts": ["www.acme.example"], "issuerRef": issuer});
        let spec = json!({
            "type": "VLAN", "backend": "OVN", "vlan": vlan, "subnets": [{"cidr": "203.0.113.0/28"}], "flowLogs": true,
            "tls": tls, "dns": {"mode": "None", "searches": ["acme.example"]},
            "externalFirewall": {"owner": "netops", "ref": "FW-1"}, "expose": [{"vm": "web-1", "port": 443}],
        });
        let listed = "False/NotYetEnforced: accepted, without effect in this version: spec.backend, spec.subnets, \
                      spec.vlan, spec.tls.minVersion, spec.tls.mode Terminate (the certificate is kept for what ends TLS \
                      in front of the VMs, and nothing does), spec.externalFirewall, spec.flowLogs";
        assert_eq!(condition(&after(&dmz(&spec)), "FullyEnforced"), listed);
    }

    #[test]
    fn an_object_in_the_way_is_told_and_waits_for_a_person() {
        let snapshot = dmz(&json!({}));
        let plan = desired(&snapshot);
        let reference = plan.desired.objects().next().unwrap().reference.clone();
        let fault = Fault { reference, cause: Cause::Foreign, message: "is not ours".into() };
        let status = status(&snapshot, &plan, &Applied { faults: vec![fault], ..Applied::default() });
        is(
            &status,
            &json!({"Ready": "False/ForeignObject: NetworkPolicy cf-acme/network-dmz", "Stalled": "True/ForeignObject"}),
        );
        assert!(status.objects.is_empty(), "what is not ours is not listed as made");
    }

    #[test]
    fn an_equal_world_gives_an_equal_status_at_any_later_time() {
        let mut snapshot = dmz(&json!({"egress": [{"name": "a", "networks": ["gone"], "allPorts": true}]}));
        let first = after(&snapshot);
        snapshot.network.status = Some(first.clone());
        snapshot.now = k8s_openapi::jiff::Timestamp::from_second(86_400).unwrap();
        assert_eq!(after(&snapshot), first);
    }
}
