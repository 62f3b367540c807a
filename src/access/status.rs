//! Pure: what an AccessGrant says about itself after a pass.
//!
//! Persons are told by the field that names them, never by name: conditions become Events, and user names are often mail
//! addresses (I9).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use serde_json::Value;

use super::desired::Plan;
use super::door;
use super::observe::GrantSnapshot;
use crate::api::access_grant::{AccessGrantStatus, GrantState};
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::cluster::applied::Applied;
use crate::operator::context::Conditions;

impl Conditions for AccessGrantStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Without what the audit log tells: whoever writes that must not find it overwritten by what a pass saw before.
    fn own(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Self { sessions: Vec::new(), ..self.clone() })
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &GrantSnapshot, plan: &Plan, applied: &Applied) -> AccessGrantStatus {
    let previous = snapshot.grant.status.clone().unwrap_or_default();
    let generation = snapshot.grant.metadata.generation;
    let judged = &plan.judged;
    let (ready, active) = verdicts(snapshot, plan, applied);
    let stalled = stalled(plan, applied);
    let mut conditions = merge(&previous.conditions, &[ready, stalled, active], generation, snapshot.now);
    if previous.state.is_some_and(GrantState::over) {
        keep_how_it_ended(&previous.conditions, &mut conditions);
    }
    AccessGrantStatus {
        observed_generation: generation,
        state: Some(judged.state),
        approved_at: judged.approved_at.map(Time),
        expires_at: judged.expires_at.map(Time),
        ended_at: judged.ended_at.map(Time),
        role_binding: stands(snapshot, plan, applied).then(|| door::name(&snapshot.grant.name_any())),
        sessions: previous.sessions,
        conditions,
    }
}

/// Is the door there? One that could not be closed is.
fn stands(snapshot: &GrantSnapshot, plan: &Plan, applied: &Applied) -> bool {
    let namespace = snapshot.grant.namespace().unwrap_or_default();
    let [binding, ..] = door::references(&namespace, &snapshot.grant.name_any());
    let left_open = plan.close.iter().any(|door| door.reference == binding)
        && applied.faults.iter().any(|fault| fault.reference == binding);
    applied.observed.contains_key(&binding) || left_open
}

/// Ready, and AccessGrantActive.
fn verdicts(snapshot: &GrantSnapshot, plan: &Plan, applied: &Applied) -> (Verdict, Verdict) {
    let (ready, active) = (ConditionType::Ready, ConditionType::AccessGrantActive);
    let judged = &plan.judged;
    let said = |type_: ConditionType| Verdict::bad(type_, judged.reason, &judged.message);
    if let Some(fault) = applied.faults.first() {
        let open = stands(snapshot, plan, applied);
        let status = if open { Status::True } else { Status::False };
        return (fault.verdict(ready), Verdict { status, ..fault.verdict(active) });
    }
    if judged.state.over() {
        return (Verdict::good(ready, "it is over, and no door of it is open"), said(active));
    }
    if !judged.open {
        return (said(ready), said(active));
    }
    if plan.leads_nowhere {
        let nothing = |type_| {
            let message = format!(
                "there is no door: none of spec.vms is declared by the Tenant ({}); correct the names in another AccessGrant",
                plan.unknown.join(", ")
            );
            Verdict::bad(type_, Reason::NothingToOpen, message)
        };
        return (nothing(ready), nothing(active));
    }
    let (name, namespace) = (snapshot.grant.name_any(), snapshot.grant.namespace().unwrap_or_default());
    let verbs: Vec<String> = snapshot.grant.spec.verbs.iter().map(|verb| format!("{verb:?}")).collect();
    let open = Verdict::new(
        active,
        Status::True,
        Reason::Open,
        format!(
            "{}: who is named in spec.requestedBy may use {}; to close it now: kubectl patch accessgrant {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"revoked\":{{\"by\":\"<own user name>\"}}}}}}'",
            judged.message,
            verbs.join(", ")
        ),
    );
    let ready = if plan.unknown.is_empty() {
        Verdict::good(ready, "the door stands open as it was consented to")
    } else {
        let missing = plan.unknown.join(", ");
        let message = format!("the Tenant declares no VM {missing}: the door leads to the others of spec.vms");
        Verdict::bad(ready, Reason::VirtualMachineNotFound, message)
    };
    (ready, open)
}

/// Does a person have to act besides answering?
fn stalled(plan: &Plan, applied: &Applied) -> Verdict {
    let judged = &plan.judged;
    let acts = [Reason::ApprovalNotCounted, Reason::Invalid, Reason::ClockInDoubt, Reason::TenantNotFound];
    if applied.faults.is_empty() && !judged.state.over() && acts.contains(&judged.reason) {
        return Verdict::new(ConditionType::Stalled, Status::True, judged.reason, &judged.message);
    }
    applied.stalled()
}

/// Why it ended was said when it ended, and is not found out anew.
fn keep_how_it_ended(previous: &[Condition], conditions: &mut [Condition]) {
    let type_ = ConditionType::AccessGrantActive.as_str();
    let told = previous.iter().find(|condition| condition.type_ == type_ && condition.status == "False");
    if let (Some(told), Some(now)) = (told, conditions.iter_mut().find(|condition| condition.type_ == type_))
        && now.status == "False"
    {
        *now = told.clone();
    }
}
