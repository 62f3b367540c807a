//! Who can get in: staff by AccessGrants, the customer's people by their roles.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::verdict::{Object, Verdict};
use super::{World, not_known, said};
use crate::api::access_grant::{AccessGrant, Basis, Decision, GrantState};
use crate::api::condition::ConditionType;
use crate::api::jst::in_japan;
use crate::api::tenant::{Role, Tenant};
use crate::notice::event;

/// 5.1.1-2: is it known who could enter now?
pub fn insiders(world: &World) -> Verdict {
    let grants = match &world.grants {
        Ok(grants) => grants,
        Err(why) => return not_known("the AccessGrants", why),
    };
    let unseen: Vec<&AccessGrant> = grants.iter().filter(|grant| state(grant).is_none()).collect();
    if let Some(first) = unseen.first() {
        let said = format!("nobody has looked at {} AccessGrants yet, the first is {}", unseen.len(), first.name_any());
        return Verdict::unknown("NotObserved", said).on(*first).looked(json!({"unseen": unseen.len()}));
    }
    let open = grants.iter().filter(|grant| state(grant) == Some(GrantState::Active)).count();
    let verdicts = grants.iter().map(|grant| Verdict::pass("").on(grant).since(last_change(grant)).looked(seen(grant)));
    let looked = Verdict::pass("").looked(json!({"grants": grants.len()}));
    let all = Verdict::all(&std::iter::once(looked).chain(verdicts).collect::<Vec<_>>());
    Verdict {
        message: format!("who of the staff can enter is known: {open} of {} grants are open", grants.len()),
        ..all
    }
    .measured(format!("{open} open, {} asked for", grants.len()))
}

/// 5.1.1-4: is every door that is or was open one that somebody consented to, and closed when it should be?
pub fn staff(world: &World) -> Verdict {
    let grants = match &world.grants {
        Ok(grants) => grants,
        Err(why) => return not_known("the AccessGrants", why),
    };
    let judged = grants.iter().map(|grant| of_grant(grant, world.now));
    let none = Verdict::pass("staff have asked for no access").looked(json!({"grants": grants.len()}));
    let all = Verdict::all(&std::iter::once(none).chain(judged).collect::<Vec<_>>());
    let count = |wanted: GrantState| grants.iter().filter(|grant| state(grant) == Some(wanted)).count();
    let sessions: usize =
        grants.iter().filter_map(|grant| grant.status.as_ref()).map(|status| status.sessions.len()).sum();
    all.measured(format!(
        "{} asked for, {} open, {} refused, {sessions} sessions",
        grants.len(),
        count(GrantState::Active),
        count(GrantState::Denied),
    ))
    .limit("consent before, at most 8h")
}

fn of_grant(grant: &AccessGrant, now: Timestamp) -> Verdict {
    let name = grant.name_any();
    let spec = &grant.spec;
    let verdict = match (state(grant), grant.status.as_ref()) {
        (Some(GrantState::Requested | GrantState::Denied), _) => Verdict::pass("no door was opened without consent"),
        (Some(state), Some(status)) => {
            let consent = match spec.basis {
                Basis::Consent => spec
                    .approval
                    .as_ref()
                    .is_some_and(|answer| answer.decision == Decision::Approve && answer.by != spec.requested_by),
                Basis::Terms => {
                    spec.clause.is_some()
                        && spec.second_approver.as_ref().is_some_and(|second| second.by != spec.requested_by)
                }
            };
            // One that was taken back before anybody agreed to it was never a door.
            let entered = status.approved_at.is_some() || status.role_binding.is_some() || !status.sessions.is_empty();
            let late = status.expires_at.as_ref().is_none_or(|expires| expires.0 <= now);
            match state {
                _ if entered && (!consent || status.approved_at.is_none()) => Verdict::fail(
                    "WithoutConsent",
                    format!("AccessGrant {name} is {state:?} and nobody who may has consented"),
                ),
                GrantState::Active if !consent => Verdict::fail(
                    "WithoutConsent",
                    format!("AccessGrant {name} is open and nobody who may has consented"),
                ),
                GrantState::Active if late => {
                    Verdict::fail("OpenTooLong", format!("the door of AccessGrant {name} is open beyond its end"))
                }
                state if state.over() && status.role_binding.is_some() => Verdict::fail(
                    "OpenTooLong",
                    format!("AccessGrant {name} is over and its RoleBinding is still named"),
                ),
                _ => Verdict::pass("no door was opened without consent"),
            }
        }
        _ => Verdict::unknown("NotObserved", format!("nobody has looked at AccessGrant {name} yet")),
    };
    verdict.on(grant).since(last_change(grant)).looked(seen(grant))
}

fn state(grant: &AccessGrant) -> Option<GrantState> {
    grant.status.as_ref()?.state
}

fn last_change(grant: &AccessGrant) -> Option<Timestamp> {
    let status = grant.status.as_ref()?;
    let times = [&status.ended_at, &status.approved_at].into_iter().flatten().map(|time| time.0);
    times.max().or_else(|| grant.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// Not the reason, which is between the customer and the staff.
fn seen(grant: &AccessGrant) -> serde_json::Value {
    let status = grant.status.clone().unwrap_or_default();
    json!({
        "object": Object::of(grant), "basis": grant.spec.basis, "clause": grant.spec.clause,
        "requestedBy": grant.spec.requested_by, "approval": grant.spec.approval, "secondApprover": grant.spec.second_approver,
        "state": status.state, "approvedAt": status.approved_at, "expiresAt": status.expires_at, "endedAt": status.ended_at,
        "roleBinding": status.role_binding, "sessions": status.sessions.len(),
    })
}

/// 5.1.1-5, 9.2.4: how people sign in is the API server's, which nothing here can see.
pub fn sign_in(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let Some(authentication) = &tenant.spec.authentication else {
        let said = "spec.authentication is not written: how its people sign in is not known";
        return Verdict::unknown("NotDeclared", said).on(tenant).looked(json!({"authentication": null}));
    };
    let said = format!(
        "declared: {:?}, second factor {}; whether the API server asks for it has been measured by nobody",
        authentication.mode,
        if authentication.require_mfa { "required" } else { "not required" }
    );
    let seen = json!({
        "mode": authentication.mode, "requireMFA": authentication.require_mfa,
        "issuer": authentication.oidc.as_ref().map(|oidc| &oidc.issuer),
    });
    Verdict::unknown("NotMeasured", said).on(tenant).measured(format!("{:?}", authentication.mode)).looked(seen)
}

fn people(tenant: &Tenant) -> (usize, usize, usize) {
    let all = &tenant.spec.administrators;
    let enabled = all.iter().filter(|person| !person.disabled);
    let privileged = enabled.clone().filter(|person| person.role == Role::PrivilegedAdministrator).count();
    (all.len(), enabled.count(), privileged)
}

/// Whoever may not be told from the report: how many, never who.
fn counted(verdict: Verdict, tenant: &Tenant) -> Verdict {
    let (all, enabled, privileged) = people(tenant);
    verdict
        .measured(format!("{enabled} people enabled, {privileged} of them privileged, {} disabled", all - enabled))
        .on(tenant)
        .since(tenant.metadata.creation_timestamp.as_ref().map(|time| time.0))
        .looked(json!({"object": Object::of(tenant), "people": all, "enabled": enabled, "privileged": privileged}))
}

/// 5.1.1-7: can the customer manage its own accounts?
pub fn accounts(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let verdict = if people(tenant).2 == 0 {
        Verdict::fail(
            "NobodyPrivileged",
            "nobody of the customer can manage accounts: no privileged administrator is enabled",
        )
    } else {
        Verdict::pass("the customer has a privileged administrator, who manages its accounts")
    };
    counted(verdict, tenant).limit("at least 1 privileged")
}

/// 9.2.1: are the people who are written those who have a role?
pub fn registration(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let namespaces = said(tenant, &[ConditionType::NamespacesReady]);
    let roles = tenant.status.as_ref().and_then(|status| status.conditions.iter().find(|each| each.type_ == "Ready"));
    let bound = match roles {
        Some(ready) if ready.message.contains("RoleBinding") && ready.status != "True" => {
            Verdict::fail(&ready.reason, format!("a role binding is not as declared: {}", ready.message))
        }
        Some(_) => Verdict::pass("whoever is written is bound to a role, and whoever is disabled is not"),
        None => Verdict::unknown("NotSaid", "the Tenant says nothing yet"),
    };
    Verdict::all(&std::iter::once(counted(bound, tenant)).chain(namespaces).collect::<Vec<_>>())
}

/// 9.2.2, 9.2.3: is the application ID where only who registered can see it? It is never looked at.
pub fn application_id(world: &World, id: &str) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let contract = &tenant.spec.contract;
    let (verdict, kept) = match (&contract.application_id, &contract.application_id_from) {
        (None, Some(_)) if id == "9.2.3" => {
            (Verdict::pass("the application ID is in a Secret and in no other object of ours"), "secret")
        }
        (None, Some(_)) => {
            let said = "the application ID is in a Secret; that it opens the console has been measured by nobody";
            (Verdict::unknown("NotMeasured", said), "secret")
        }
        (Some(_), _) => {
            let said = "the application ID stands in the Tenant's spec, where whoever reads Tenants sees it: use contract.applicationIdFrom";
            (Verdict::warn("InPlainSight", said), "spec")
        }
        (None, None) => (Verdict::unknown("NotDeclared", "no application ID is declared"), "nowhere"),
    };
    let since = tenant.metadata.creation_timestamp.as_ref().map(|time| time.0);
    verdict.on(tenant).since(since).measured(format!("kept in: {kept}")).looked(json!({"applicationID": kept}))
}

/// 9.4.1: has every privileged administrator been told how to get in?
pub fn opening(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    // The operator makes it for each contract, where a mail server is configured.
    let name = event::opening(tenant).name_any();
    let opening = match &world.notices {
        Ok(notices) => notices.iter().find(|notice| notice.name_any() == name),
        Err(why) => return not_known("the Notices", why),
    };
    let told = opening
        .and_then(|notice| notice.status.as_ref())
        .and_then(|status| status.conditions.iter().find(|condition| condition.type_ == "NoticesDelivered"));
    let told = match told {
        None => {
            Verdict::unknown("NotSaid", "nobody says whether the opening notice reached the privileged administrators")
        }
        Some(told) => {
            let message = format!("NoticesDelivered: {}", told.message);
            let verdict = match told.status.as_str() {
                "True" => Verdict::pass(message),
                "False" => Verdict::fail(&told.reason, message),
                _ => Verdict::unknown(&told.reason, message),
            };
            verdict
                .since(Some(told.last_transition_time.0))
                .looked(json!({"condition": told.type_, "status": told.status,
                "message": told.message, "since": in_japan(told.last_transition_time.0)}))
        }
    };
    Verdict::all(&[accounts(world), told])
}
