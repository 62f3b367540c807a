//! Reports: after a pass over a Tenant or a Retention, what is known of the tenant is judged, and published where that says
//! something else than the report that is there.
//!
//! A tenant that comes into being says something new every moment; a report follows once it has said the same for
//! [`SETTLED`]. Nothing here waits or reads: what is due later is asked for as the pass's next change.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::core::object::HasStatus;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::context::Context;
use super::stores::Guarded;
use crate::api::access_grant::{AccessGrant, AccessGrantStatus};
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::home;
use crate::api::notice::{Notice, NoticeStatus};
use crate::api::retention::{Retention, RetentionStatus};
use crate::api::tenant::{Tenant, TenantStatus};
use crate::api::tenant_network::{TenantNetwork, TenantNetworkStatus};
use crate::cluster::object::{DesiredObject, Owner};
use crate::evidence::judge::{Finding, Known, Object, World, judge, next_change};
use crate::{retention, tenant};

/// How long nothing has changed before a report is written.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// Publishes the customer's Report as of this status, and says so in it. Returns when to look again, if time alone is what
/// is waited for. Once an erasure has begun nothing is made in the tenant's namespaces.
pub async fn of_tenant(
    context: &Context,
    tenant: &Tenant,
    status: &mut TenantStatus,
    lives: bool,
) -> Option<Timestamp> {
    if !context.config.open_reports {
        return None;
    }
    let name = tenant.name_any();
    let retention = context.stores.retention_name(tenant);
    let retention = decoded(context.stores.retentions.get(&ObjectRef::new(&retention)).as_deref())
        .map(|found| found.map(|found| context.statuses.freshest(found)));
    let wanted = wanted(retention.as_ref().ok().and_then(Option::as_ref));
    let mut next = None;
    if lives && wanted {
        let judged = Tenant { status: Some(status.clone()), ..tenant.clone() };
        let about = Object::of(&judged);
        let world = world(context, &name, Ok(Some(judged)), retention, true);
        let findings = judge(&world);
        let report = tenant::desired::report::report(&tenant::desired::owner(tenant), &about, &findings);
        let published = publish(context, &tenant::desired::owner(tenant), &report, &findings, &world).await;
        next = published.next;
        say(
            &mut status.conditions,
            tenant.status.as_ref().map(|status| &status.conditions),
            &published.said,
            context,
            tenant,
        );
    }
    if tenant.status.as_ref() != Some(status) {
        context.triggers.retentions_of(&context.stores, &name);
    }
    next
}

/// The same for the ClusterReport, by which the provider proves what became of the tenant.
pub async fn of_retention(context: &Context, retention: &Retention, status: &mut RetentionStatus) -> Option<Timestamp> {
    if !context.config.open_reports {
        return None;
    }
    let name = &retention.spec.tenant_ref.name;
    let mut next = None;
    if wanted(Some(retention)) {
        let tenant = decoded(context.stores.tenants.get(&ObjectRef::new(name)).as_deref())
            .map(|found| found.map(|found| context.statuses.freshest(found)));
        let judged = Retention { status: Some(status.clone()), ..retention.clone() };
        let about = Object::of(&judged);
        let world = world(context, name, tenant, Ok(Some(judged)), false);
        let findings = judge(&world);
        let owner = retention::desired::owner(retention);
        let report = retention::desired::cluster_report::cluster_report(&owner, &about, &findings);
        let published = publish(context, &owner, &report, &findings, &world).await;
        next = published.next;
        let before = retention.status.as_ref().map(|status| &status.conditions);
        say(&mut status.conditions, before, &published.said, context, retention);
    }
    if retention.status.as_ref() != Some(status) {
        context.triggers.tenant(name);
    }
    next
}

/// What a network says of itself is judged in its tenant's reports.
pub fn of_network(context: &Context, network: &TenantNetwork, status: &TenantNetworkStatus) {
    if context.config.open_reports && network.status.as_ref() != Some(status) {
        judge_again(context, home::of_customer_namespace(&network.namespace().unwrap_or_default()));
    }
}

/// What became of a grant is judged in its tenant's reports.
pub fn of_grant(context: &Context, grant: &AccessGrant, status: &AccessGrantStatus) {
    if context.config.open_reports && grant.status.as_ref() != Some(status) {
        judge_again(context, home::of_customer_namespace(&grant.namespace().unwrap_or_default()));
    }
}

/// What became of a notice is judged in the reports of every tenant that it is about. How many mails are out is not.
pub fn of_notice(context: &Context, notice: &Notice, status: &NoticeStatus) {
    let judged = |status: &NoticeStatus| {
        let said = status.conditions.iter().map(|each| (each.type_.clone(), each.status.clone()));
        (said.collect::<Vec<_>>(), status.first_sent_at.clone(), status.published_at.clone(), status.deadline_met)
    };
    if !context.config.open_reports || notice.status.as_ref().map(judged) == Some(judged(status)) {
        return;
    }
    match notice.spec.tenants.as_ref().filter(|audience| !audience.names.is_empty()) {
        Some(audience) => audience.names.iter().for_each(|tenant| judge_again(context, tenant)),
        None => context.stores.tenants.all().iter().for_each(|tenant| judge_again(context, &tenant.name)),
    }
}

fn judge_again(context: &Context, tenant: &str) {
    context.triggers.tenant(tenant);
    context.triggers.retentions_of(&context.stores, tenant);
}

/// What a pass says about its report, and when to look again.
struct Published {
    said: Verdict,
    next: Option<Timestamp>,
}

async fn publish(
    context: &Context,
    owner: &Owner,
    report: &DesiredObject,
    findings: &[Finding],
    world: &World,
) -> Published {
    let type_ = ConditionType::ReportPublished;
    let later = world.words.as_ref().ok().and_then(|words| next_change(words, world.now));
    let kind = report.reference.kind;
    if !context.cluster.installed(kind) {
        let unlisted = kind.neighbour_crd().is_some_and(|crd| context.neighbours.unlisted(crd));
        let said = if unlisted {
            Verdict::new(
                type_,
                Status::Unknown,
                Reason::NotSynced,
                "OpenReports is there, and its reports cannot be listed",
            )
        } else {
            let said = "OpenReports is not installed: no report is kept; `cloudfarm report` shows the same";
            Verdict::bad(type_, Reason::OpenReportsMissing, said)
        };
        return Published { said, next: later };
    }
    let there = context.cluster.observed.get(&report.reference);
    let current = there.as_ref().is_some_and(|seen| seen.digest == report.digest);
    let changed = findings.iter().filter_map(|finding| finding.since).filter(|since| *since <= world.now).max();
    let due = changed.and_then(|changed| changed.checked_add(SETTLED).ok()).filter(|due| *due > world.now);
    let good = || Verdict::good(type_, format!("{} says what is known of each clause", report.reference));
    if let Some(due) = due.filter(|_| !current) {
        let said = if there.is_some() {
            good()
        } else {
            Verdict::new(type_, Status::Unknown, Reason::Progressing, "the first report follows in some seconds")
        };
        return Published { said, next: Some(due) };
    }
    let applied = context.cluster.bring_alone(owner, report).await;
    match applied.faults.first() {
        None => Published { said: good(), next: later },
        // It is tried again without anybody's doing.
        Some(fault) => Published { said: fault.verdict(type_), next: world.now.checked_add(SETTLED).ok() },
    }
}

/// Behind what the pass itself has said.
fn say<K: kube::Resource>(
    conditions: &mut Vec<Condition>,
    before: Option<&Vec<Condition>>,
    said: &Verdict,
    context: &Context,
    object: &K,
) {
    let before = before.map_or(&[][..], Vec::as_slice);
    conditions.extend(merge(before, std::slice::from_ref(said), object.meta().generation, context.clock.now()));
}

/// Are reports of this tenant asked for? They are, unless its Retention says otherwise.
fn wanted(retention: Option<&Retention>) -> bool {
    retention.and_then(|found| found.spec.evidence.as_ref()).is_none_or(|evidence| evidence.open_reports)
}

fn decoded<K: Clone>(found: Option<&Guarded<K>>) -> Known<Option<&K>> {
    match found.map(|found| &found.0) {
        None => Ok(None),
        Some(Ok(found)) => Ok(Some(found)),
        Some(Err(error)) => Err(format!("it cannot be decoded: {error}")),
    }
}

fn world(
    context: &Context,
    name: &str,
    tenant: Known<Option<Tenant>>,
    retention: Known<Option<Retention>>,
    for_customer: bool,
) -> World {
    // Those that people wrote belong to nobody alone.
    let notices = [context.stores.notices.of_tenant(name), context.stores.notices.of_tenant("")].concat();
    World {
        name: name.to_owned(),
        tenant,
        retention,
        networks: each(context, &context.stores.networks.of_tenant(name)),
        grants: each(context, &context.stores.grants.of_tenant(name)),
        notices: each(context, &notices),
        words: context.stores.words().map(|words| words.to_vec()).ok_or_else(|| "they are not listed yet".to_owned()),
        for_customer,
        now: context.clock.now(),
    }
}

/// All of them by name, as their passes have left them.
fn each<K>(context: &Context, found: &[Arc<Guarded<K>>]) -> Known<Vec<K>>
where
    K: Resource<DynamicType = ()> + HasStatus + Clone + DeserializeOwned,
    K::Status: DeserializeOwned,
{
    let decoded: Known<Vec<Option<&K>>> = found.iter().map(|found| decoded(Some(found))).collect();
    let mut all: Vec<K> = decoded?.into_iter().flatten().map(|found| context.statuses.freshest(found)).collect();
    all.sort_by_key(ResourceExt::name_any);
    Ok(all)
}
