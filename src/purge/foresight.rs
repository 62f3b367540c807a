//! What a purge would do now, as a person may see it: the same look, the same inventory and the same gate as a purge
//! run, without any write and with the person's own rights.
//!
//! A purge run that may not read something refuses. A person has fewer rights; what may not be read is taken from what
//! the operator has written on the Retention, and told. The clock is the API server's, not that of the
//! person's machine, and the signing key is not looked at.

use k8s_openapi::jiff::Timestamp;

use super::gate::{self, Refusal};
use super::live::{BUDGET, Live};
use super::look::{Asked, Clocks, Look, NamespaceSight, Reserve};
use super::plan::{Inventory, KindName, Way};
use super::world::Lost;
use crate::api::home;
use crate::api::retention::{PurgeState, Retention, RetentionPhase, RetentionStatus};
use crate::install::EVIDENCE_NAMESPACE;
use crate::retention::ending::{Dates, Declaration, TenantState, held};
use crate::retention::schedule::Schedule;

/// How the inventory's doubts begin that are about a right which this person has not.
const MAY_NOT_LIST: &str = "you may not list ";

/// What a purge would do.
#[derive(Clone, Debug)]
pub struct Foresight {
    pub look: Look,
    /// Its doubts would stop a purge run, too.
    pub inventory: Inventory,
    /// What this person may not read and a purge run may, with what stands in for it here.
    pub unseen: Vec<String>,
    /// Kinds that this person may not list and a purge run may: the inventory is not whole.
    pub unlisted: Vec<String>,
    pub answer: Answer,
    /// The dates that follow from the contract's end, if it has one.
    pub dates: Option<Dates>,
    /// The first scheduled run that may erase, as far as dates decide.
    pub run: Option<Timestamp>,
}

/// Would a run that starts now erase?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It would begin.
    Begins,
    /// A purge has begun, and it would go on.
    GoesOn,
    /// It is done.
    Done,
    /// Nothing that this person may read speaks against it.
    Perhaps,
    Not(Refusal),
}

/// Looks, counts and asks.
///
/// # Errors
/// The Retention cannot be read, or the API server does not answer.
pub async fn foresee(live: &Live, asked: &Asked, now: Timestamp) -> Result<Foresight, Lost> {
    let mut unseen = Vec::new();
    let look = Box::pin(look(live, now, &mut unseen)).await?;
    let reserve = reserve(live, &look, &mut unseen).await?;
    let mut inventory = live.inventory_of(&look, unlisted_by_a_person).await?;
    let unlisted = inventory.doubts.iter().filter_map(|doubt| doubt.strip_prefix(MAY_NOT_LIST));
    let unlisted: Vec<String> = unlisted.map(str::to_owned).collect();
    inventory.doubts.retain(|doubt| !doubt.starts_with(MAY_NOT_LIST));
    if !unlisted.is_empty() {
        unseen.push(without_what_may_be_kept(&mut inventory, &look.retention.spec.tenant_ref.name));
    }
    let whole = unseen.is_empty() && unlisted.is_empty();
    let dates = gate::ended(asked, &look, look.clocks.own).ok();
    Ok(Foresight {
        answer: answer(asked, &look, &reserve, &inventory, whole),
        run: dates.as_ref().and_then(|dates| first_run(&look, dates)),
        inventory,
        unseen,
        unlisted,
        dates,
        look,
    })
}

impl Foresight {
    /// Is every kind counted that a purge run would count?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unlisted.is_empty()
    }

    /// Is what is there just what the last preview showed? `None` when nobody can say: there is no preview, or this
    /// inventory is not whole.
    #[must_use]
    pub fn is_as_previewed(&self) -> Option<bool> {
        let preview = self.look.retention.status.as_ref()?.progress.inventory.as_ref()?;
        self.is_whole().then(|| preview.hash == self.inventory.hash())
    }
}

fn answer(asked: &Asked, look: &Look, reserve: &Reserve, inventory: &Inventory, whole: bool) -> Answer {
    let purge = look.retention.status.as_ref().and_then(|status| status.progress.purge.as_ref());
    let (answer, reasons) = match purge.map(|purge| purge.state) {
        Some(PurgeState::Purged) => return Answer::Done,
        Some(_) => (Answer::GoesOn, gate::always(asked, look).and_then(|_| gate::approved(asked, look))),
        None if whole => {
            (Answer::Begins, gate::begin(asked, look, reserve).and_then(|_| gate::as_previewed(look, inventory)))
        }
        None => (Answer::Perhaps, gate::begin(asked, look, reserve).map(drop)),
    };
    reasons.err().map_or(answer, Answer::Not)
}

fn first_run(look: &Look, dates: &Dates) -> Option<Timestamp> {
    let schedule = look.retention.spec.schedule.parse::<Schedule>().ok()?;
    schedule.next(dates.not_before.max(look.clocks.own))
}

/// What was read, or what stands in for it when it may not be read.
fn seen<T>(
    read: Result<T, Lost>,
    unseen: &mut Vec<String>,
    told: &str,
    instead: impl FnOnce() -> T,
) -> Result<T, Lost> {
    match read {
        Err(Lost::Refused(said)) => {
            unseen.push(format!("{told} ({said})"));
            Ok(instead())
        }
        read => read,
    }
}

async fn look(live: &Live, now: Timestamp, unseen: &mut Vec<String>) -> Result<Look, Lost> {
    let (retention, api_server) = live.retention().await?;
    let now = api_server.unwrap_or(now);
    let name = retention.spec.tenant_ref.name.clone();
    let status = retention.status.clone().unwrap_or_default();
    let (tenant, namespaces, operator, budget) = tokio::join!(
        live.tenant(&name),
        live.namespaces(&name),
        live.renewed(),
        live.config_map(crate::install::NAMESPACE, BUDGET)
    );
    let told = format!("you may not get tenants.cloudfarm.dev {name}: its end date is the one that the operator saw");
    let tenant = seen(tenant, unseen, &told, || as_the_operator_saw(&retention, &status))?;
    let told = format!("you may not get namespaces cf-{name} and cfd-{name}: their uids are those that are pinned");
    let namespaces = seen(namespaces, unseen, &told, || pinned(&retention, &status))?;
    let told = "you may not get leases.coordination.k8s.io cloudfarm in cloudfarm-system: the clocks are not compared";
    let operator = seen(operator, unseen, told, || Some(now))?;
    let told = format!("you may not get configmaps {BUDGET}: whether every purge is stopped is not known");
    let stop = match seen(budget.map(|_| None), unseen, &told, || Some(Ok(false)))? {
        Some(unknown) => unknown,
        None => live.stop().await,
    };
    let clocks = Clocks { own: now, api_server: Some(now), operator };
    Ok(Look { retention, tenant, namespaces, clocks, stop })
}

async fn reserve(live: &Live, look: &Look, unseen: &mut Vec<String>) -> Result<Reserve, Lost> {
    let per_day = live.per_day(look.clocks.own).await;
    let per_day = seen(per_day, unseen, "you may not read how many purges may begin in a day", || usize::MAX)?;
    let begun = seen(live.begun().await, unseen, "you may not list retentions.cloudfarm.dev", Default::default)?;
    let name = live.record_name(&look.retention.spec.tenant_ref.name);
    let record = live.config_map(EVIDENCE_NAMESPACE, &name).await.map(|found| match found {
        Some(_) => Ok(()),
        None => Err(format!("ConfigMap {EVIDENCE_NAMESPACE}/{name} is not there")),
    });
    let told = format!("you may not get configmaps {name} in {EVIDENCE_NAMESPACE}");
    Ok(Reserve { per_day, begun, evidence: seen(record, unseen, &told, || Ok(()))? })
}

/// As a person is told it.
fn unlisted_by_a_person(kind: &KindName, _: &str) -> String {
    format!("{MAY_NOT_LIST}{kind}")
}

/// A record that was not seen keeps the derived namespace; what goes only with that one is not promised to go.
fn without_what_may_be_kept(inventory: &mut Inventory, tenant: &str) -> String {
    let derived = home::derived_namespace(tenant);
    inventory.items.retain(|item| {
        let inside = item.namespace.as_ref() == Some(&derived) && item.way == Way::WithNamespace;
        !inside && (item.kind.plural != "namespaces" || item.name != derived)
    });
    format!("whether {derived} keeps records is not known: it is not counted, nor what goes with it")
}

/// The Tenant as the operator's words on the Retention show it.
fn as_the_operator_saw(retention: &Retention, status: &RetentionStatus) -> TenantState {
    let Some(pinned) = &status.pinned else { return TenantState::Vanished };
    let decided = status.end_date.is_none() && status.contract_ends_at.is_some();
    match status.phase {
        None | Some(RetentionPhase::Failed) => TenantState::Unknown,
        Some(RetentionPhase::Orphaned) => TenantState::Vanished,
        _ if decided => TenantState::Vanished,
        _ => {
            let wish = retention.spec.early_erasure.as_ref().filter(|_| status.early_erasure_seen_at.is_some());
            TenantState::Present(Declaration {
                uid: pinned.tenant_uid.clone(),
                end_date: status.end_date.clone(),
                privileged: wish.map(|wish| wish.approved_by.clone()).into_iter().collect(),
            })
        }
    }
}

/// The namespaces as they are pinned; a hold on them that is not this Retention's own is told by the condition.
fn pinned(retention: &Retention, status: &RetentionStatus) -> std::collections::BTreeMap<String, NamespaceSight> {
    let told = |type_: &str| status.conditions.iter().any(|each| each.type_ == type_ && each.status == "True");
    let by_hand = told("HoldActive") && !held(retention);
    let uids = status.pinned.clone().unwrap_or_default().namespace_uids;
    let approved = retention.metadata.uid.clone();
    let customer = home::customer_namespace(&retention.spec.tenant_ref.name);
    let sight = |(name, uid): (String, String)| {
        let held = by_hand && name == customer;
        (name, NamespaceSight { uid, held, approved: approved.clone() })
    };
    uids.into_iter().map(sight).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen_by_operator(status: &serde_json::Value) -> TenantState {
        let retention: Retention = serde_json::from_value(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention", "metadata": {"name": "plum"},
            "spec": {"tenantRef": {"name": "plum"}}, "status": status,
        }))
        .unwrap();
        as_the_operator_saw(&retention, &retention.status.clone().unwrap_or_default())
    }

    #[test]
    fn a_tenant_that_may_not_be_read_is_what_the_operator_wrote_and_never_more_certain_than_that() {
        let pinned = json!({"tenantUID": "t-uid"});
        let alive = seen_by_operator(&json!({"pinned": pinned, "phase": "Grace", "endDate": "2026-09-30"}));
        assert!(
            matches!(alive, TenantState::Present(Declaration { end_date: Some(date), .. }) if date == "2026-09-30")
        );
        let running = seen_by_operator(&json!({"pinned": pinned, "phase": "Idle"}));
        assert!(matches!(running, TenantState::Present(Declaration { end_date: None, .. })));
        let decided = json!({"pinned": pinned, "phase": "Grace", "contractEndsAt": "2026-09-30T15:00:00Z"});
        assert_eq!(seen_by_operator(&decided), TenantState::Vanished);
        assert_eq!(seen_by_operator(&json!({"pinned": pinned, "phase": "Orphaned"})), TenantState::Vanished);
        assert_eq!(seen_by_operator(&json!({"pinned": pinned, "phase": "Failed"})), TenantState::Unknown);
        assert_eq!(seen_by_operator(&json!({})), TenantState::Vanished);
    }
}
