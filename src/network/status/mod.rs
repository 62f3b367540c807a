//! Pure: what a TenantNetwork says about itself after a pass.

mod backend;
mod consistent;
mod outside;
mod peering;
mod rules;
mod subnets;
mod vlan;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::backend::{Filter, Means};
use super::desired::Plan;
use super::observe::NetworkSnapshot;
use super::probe;
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
    let consistent = consistent::consistent(snapshot, plan, applied);
    let mut verdicts = vec![backend::backend(plan)];
    verdicts.extend(subnets::subnets(snapshot, plan));
    verdicts.extend(vlan::allocated(snapshot, plan, applied));
    verdicts.extend([
        rules::accepted(snapshot, plan, applied),
        enforced(snapshot, plan),
        peering::denied(plan, applied),
        not_yet_enforced(snapshot, plan),
        consistent.clone(),
    ]);
    verdicts.extend(outside::exposed(snapshot, plan, applied));
    verdicts.extend(outside::tls(snapshot, plan, applied));
    let stalled = stalled(plan, applied);
    verdicts.push(ready(snapshot, plan, &verdicts, &stalled));
    verdicts.push(stalled);
    let previous = snapshot.network.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let attached = |networks: &Vec<String>| networks.contains(&name);
    let tenant = snapshot.tenant.clone().unwrap_or_default();
    TenantNetworkStatus {
        observed_generation: snapshot.network.metadata.generation,
        backend: plan.choice.means.as_ref().ok().map(|means| vlan::written(means.backend())),
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
        addresses: outside::addresses(plan, applied),
        attached_vms: tenant.vms.into_iter().filter(|(_, networks)| attached(networks)).map(|(vm, _)| vm).collect(),
        vlan_lease: vlan::lease(snapshot, plan),
        consistent: Some(consistent.status == Status::True),
        rules: i64::try_from(spec.ingress.len() + spec.egress.len()).ok(),
        probe: probe::told(snapshot, carried(plan)),
        conditions: merge(previous, &verdicts, snapshot.network.metadata.generation, snapshot.now),
    }
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

/// Does a NetworkPolicy carry the rules? Of other policies no probe tells.
fn carried(plan: &Plan) -> bool {
    plan.desired.objects().any(|object| object.reference.kind == Kind::NetworkPolicy)
}

/// Policies are objects until packets have been measured.
fn enforced(snapshot: &NetworkSnapshot, plan: &Plan) -> Verdict {
    let type_ = ConditionType::RulesEnforced;
    match &plan.choice.filter {
        Filter::Nobody(message) => Verdict::bad(type_, Reason::RulesNotEnforceable, message),
        Filter::External(firewall) => {
            let message = format!(
                "{} keeps packets to the rules, by {}; whether it does is not measured here",
                firewall.owner, firewall.reference
            );
            Verdict::new(type_, Status::Unknown, Reason::ExternalFirewall, message)
        }
        Filter::Policies if plan.desired.objects().any(|object| object.reference.kind == Kind::MultiNetworkPolicy) => {
            let message = "whether MultiNetworkPolicies are obeyed is not measured: the probe sends packets on the cluster's own network alone";
            Verdict::new(type_, Status::Unknown, Reason::NotMeasured, message)
        }
        Filter::Policies => probe::enforced(snapshot, carried(plan)),
    }
}

/// What is written in the spec and has no effect in this version.
fn not_yet_enforced(snapshot: &NetworkSnapshot, plan: &Plan) -> Verdict {
    let spec = &snapshot.network.spec;
    let pod = spec.type_ == NetworkType::Pod;
    let bridged = matches!(plan.choice.means, Ok(Means::Bridge(_)));
    let layer2 = matches!(plan.choice.means, Ok(Means::OvnLayer2));
    let ovn = matches!(plan.choice.means, Ok(Means::OvnLocalnet));
    let written = [
        ("spec.backend", pod && !matches!(spec.backend, Backend::Auto | Backend::NetworkPolicy)),
        ("spec.subnets", pod && !spec.subnets.is_empty()),
        ("spec.subnets[].gateway", layer2 && spec.subnets.iter().any(|subnet| subnet.gateway.is_some())),
        ("spec.subnets[].reserved", layer2 && spec.subnets.iter().any(|subnet| !subnet.reserved.is_empty())),
        ("spec.vlan.macSpoofCheck false", ovn && spec.vlan.as_ref().is_some_and(|vlan| !vlan.mac_spoof_check)),
        ("spec.tls.minVersion", spec.tls.as_ref().is_some_and(|tls| tls.mode != TlsMode::Disabled)),
        (
            "spec.tls.mode Terminate (the certificate is kept for what ends TLS in front of the VMs, and nothing does)",
            spec.tls.as_ref().is_some_and(|tls| tls.mode == TlsMode::Terminate),
        ),
        ("spec.externalFirewall", !bridged && spec.external_firewall.is_some()),
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
    if let Some(first) = wrong().next() {
        return Verdict::new(ConditionType::Stalled, Status::True, first.reason, rules::closed(wrong()));
    }
    match &plan.choice.means {
        Err(obstacle) if obstacle.reason == Reason::Invalid => {
            Verdict::new(ConditionType::Stalled, Status::True, obstacle.reason, &obstacle.message)
        }
        _ => stalled,
    }
}

fn ready(snapshot: &NetworkSnapshot, plan: &Plan, verdicts: &[Verdict], stalled: &Verdict) -> Verdict {
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
        None if matches!(plan.choice.filter, Filter::External(_)) => {
            Verdict::good(type_, "the network stands; the rules are the external firewall's")
        }
        None => Verdict::good(type_, "the rules stand as policies"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::applied::{Cause, Fault};
    use crate::cluster::object::Facts;
    use crate::network::backend::Installed;
    use crate::network::desired::desired;
    use crate::network::sample::{as_wanted, dmz, held, leased, vlan};

    /// The world after everything that is wanted has been made.
    fn made(plan: &Plan) -> Applied {
        let observed: BTreeMap<_, _> =
            plan.desired.objects().map(|object| (object.reference.clone(), as_wanted(object, Facts::None))).collect();
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
    fn a_network_of_its_own_says_by_what_it_is_made_and_who_filters() {
        let firewall = json!({"owner": "netops", "ref": "FW-1"});
        let rules = json!([{"name": "a", "cidrs": ["198.51.100.0/24"], "allPorts": true}]);
        let ovn = after(&held(&json!({"ingress": rules})));
        is(
            &ovn,
            &json!({
                "Ready": "True", "BackendReady": "True", "VLANAllocated": "True", "RulesAccepted": "True",
                "RulesEnforced": "Unknown/NotMeasured", "PeeringDenied": "True", "Consistent": "True",
            }),
        );
        assert_eq!(ovn.backend.as_deref(), Some("OVN"));
        assert_eq!(ovn.vlan_lease.as_deref(), Some("vlan-physnet1-120"));
        let bridge = after(&held(&json!({"ingress": rules, "backend": "LinuxBridge", "externalFirewall": firewall})));
        is(
            &bridge,
            &json!({
                "Ready": "True", "RulesAccepted": "Unknown/ExternalFirewall",
                "RulesEnforced": "Unknown/ExternalFirewall: netops keeps packets to the rules, by FW-1",
            }),
        );
    }

    #[test]
    fn what_cannot_be_made_says_what_is_missing_and_claims_no_rule() {
        let mut snapshot = held(&json!({"ingress": [{"name": "a", "world": true, "allPorts": true}]}));
        snapshot.installed = Installed::default();
        let status = after(&snapshot);
        is(
            &status,
            &json!({
                "Ready": "False/BackendMissing", "BackendReady": "False/BackendMissing",
                "RulesAccepted": "False/BackendMissing", "RulesEnforced": "False/RulesNotEnforceable", "Stalled": "False",
            }),
        );
        assert_eq!((status.rules, status.objects.len(), status.backend), (Some(1), 0, None));
    }

    #[test]
    fn whoever_holds_a_vlan_id_stays_ready_and_whoever_wants_it_learns_no_name() {
        let mut holder = held(&json!({}));
        holder.vlan.contested = true;
        is(&after(&holder), &json!({"Ready": "True", "VLANAllocated": "True/VLANTaken"}));
        let mut other = vlan(&json!({}));
        other.vlan.lease = Some(leased(Some("pear/outside"), "9", None));
        let status = after(&other);
        is(&status, &json!({"Ready": "False/VLANTaken", "VLANAllocated": "False/VLANTaken"}));
        let said = serde_json::to_string(&status).unwrap();
        assert!(!said.contains("pear") && !said.contains("outside"), "{said}");
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
        let listed = "False/NotYetEnforced: accepted, without effect in this version: spec.tls.minVersion, \
                      spec.tls.mode Terminate (the certificate is kept for what ends TLS in front of the VMs, and \
                      nothing does), spec.externalFirewall, spec.flowLogs";
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
