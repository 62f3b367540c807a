//! Pure: what a TenantNetwork says about itself after a pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::desired::Plan;
use super::observe::NetworkSnapshot;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::tenant_network::{Backend, DnsMode, MadeObject, NetworkType, TenantNetworkStatus};
use crate::cluster::applied::{Applied, Cause};
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
    let mut verdicts = vec![backend(snapshot), rules(plan, applied), enforced(), not_yet_enforced(snapshot)];
    let stalled = stalled(applied);
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
        attached_vms: tenant.vms.into_iter().filter(|(_, networks)| attached(networks)).map(|(vm, _)| vm).collect(),
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

fn rules(plan: &Plan, applied: &Applied) -> Verdict {
    let type_ = ConditionType::RulesAccepted;
    if let Some(first) = plan.refused.first() {
        let all: Vec<String> =
            plan.refused.iter().map(|refused| format!("{}: {}", refused.rule, refused.message)).collect();
        return Verdict::bad(type_, first.reason, format!("stays closed: {}", all.join("; ")));
    }
    match applied.faults.first() {
        Some(fault) => Verdict::bad(type_, reason(fault.cause), format!("{}: {}", fault.reference, fault.message)),
        None => Verdict::good(type_, "every rule is in a policy"),
    }
}

/// Policies are objects until packets have been measured.
fn enforced() -> Verdict {
    let message = "the policies stand; whether the network plugin obeys them is not measured by this version";
    Verdict::new(ConditionType::RulesEnforced, Status::Unknown, Reason::NotMeasured, message)
}

/// What is written in the spec and has no effect in this version.
fn not_yet_enforced(snapshot: &NetworkSnapshot) -> Verdict {
    let spec = &snapshot.network.spec;
    let written = [
        ("spec.backend", !matches!(spec.backend, Backend::Auto | Backend::NetworkPolicy)),
        ("spec.subnets", !spec.subnets.is_empty() && spec.type_ == NetworkType::Pod),
        ("spec.dns.mode None", spec.dns.as_ref().is_some_and(|dns| dns.mode == DnsMode::None)),
        ("spec.dns.searches", spec.dns.as_ref().is_some_and(|dns| !dns.searches.is_empty())),
        ("spec.tls", spec.tls.is_some()),
        ("spec.expose", !spec.expose.is_empty()),
        ("spec.externalFirewall", spec.external_firewall.is_some()),
        ("spec.flowLogs", spec.flow_logs),
    ];
    let fields: Vec<&str> = written.into_iter().filter(|(_, written)| *written).map(|(field, _)| field).collect();
    if fields.is_empty() {
        Verdict::good(ConditionType::FullyEnforced, "every field that is written has its effect")
    } else {
        let message = format!("accepted, without effect in this version: {}", fields.join(", "));
        Verdict::bad(ConditionType::FullyEnforced, Reason::NotYetEnforced, message)
    }
}

fn stalled(applied: &Applied) -> Verdict {
    let stuck = applied.faults.iter().find(|fault| matches!(fault.cause, Cause::Foreign | Cause::Refused));
    match stuck {
        Some(fault) => {
            let message = format!("{}: {}", fault.reference, fault.message);
            Verdict::new(ConditionType::Stalled, Status::True, reason(fault.cause), message)
        }
        None => Verdict::new(ConditionType::Stalled, Status::False, Reason::AsDeclared, "nothing waits for a person"),
    }
}

fn ready(snapshot: &NetworkSnapshot, verdicts: &[Verdict], stalled: &Verdict) -> Verdict {
    let type_ = ConditionType::Ready;
    if snapshot.tenant.is_none() || !snapshot.home_ready {
        let namespace = snapshot.network.namespace().unwrap_or_default();
        let message = format!("no Tenant stands behind namespace {namespace:?}; nothing is made until one is declared");
        return Verdict::bad(type_, Reason::TenantNotFound, message);
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

fn reason(cause: Cause) -> Reason {
    match cause {
        Cause::Foreign => Reason::ForeignObject,
        Cause::Refused => Reason::Refused,
        Cause::Unanswered => Reason::ApiError,
        Cause::Waiting => Reason::Progressing,
    }
}
