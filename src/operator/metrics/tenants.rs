//! How the customers fare. The leader alone says it.
//!
//! Counts are over all of them. Series of their own have at most `metrics.perTenant` tenants, those with a problem first,
//! and each has at most 47: 18 of the Tenant, 9 of its Retention, and [`PROBLEMS`].

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::figures::Figures;
use super::retentions;
use super::sight::{Said, Sight, conditions, sights, word};
use crate::api::access_grant::{AccessGrant, GrantState};
use crate::api::quantity::Quantity;
use crate::api::retention::Retention;
use crate::api::tenant::{Tenant, TenantPhase};
use crate::api::tenant_network::TenantNetwork;
use crate::operator::context::Context;
use crate::operator::stores::Guarded;

/// Problems of one tenant that are told one by one.
const PROBLEMS: usize = 20;

/// Everything that is known about the customers when somebody asks.
pub(super) struct Seen {
    pub tenants: Vec<Arc<Guarded<Tenant>>>,
    pub networks: Vec<Arc<Guarded<TenantNetwork>>>,
    pub retentions: Vec<Arc<Guarded<Retention>>>,
    pub grants: Vec<Arc<Guarded<AccessGrant>>>,
    pub now: Timestamp,
    /// Tenants that have series of their own.
    pub most: usize,
}

impl Seen {
    pub(super) fn of(context: &Context) -> Self {
        Self {
            tenants: context.stores.tenants.store.state(),
            networks: context.stores.networks.store.state(),
            retentions: context.stores.retentions.store.state(),
            grants: context.stores.grants.store.state(),
            now: context.clock.now(),
            most: context.config.metrics.per_tenant.into(),
        }
    }
}

pub(super) fn add(figures: &mut Figures, seen: &Seen) {
    counts(figures, seen);
    let mut sights: Vec<(String, Sight)> = sights(seen).into_iter().collect();
    sights.sort_by_cached_key(|(name, sight)| (!sight.wants_attention(), name.clone()));
    figures
        .gauge("tenants_without_series", "Tenants that metrics.perTenant leaves without series of their own")
        .set(&[], number(sights.len().saturating_sub(seen.most)));
    for (name, sight) in sights.iter().take(seen.most) {
        one(figures, name, sight);
        if let Some(retention) = sight.retention {
            retentions::add(figures, name, retention, seen.now);
        }
    }
}

/// Over all objects, so that they need no series per tenant.
fn counts(figures: &mut Figures, seen: &Seen) {
    let phases = seen.tenants.iter().filter_map(|tenant| tenant.0.as_ref().ok()?.status.as_ref()?.phase);
    let mut by_phase: BTreeMap<String, usize> = PHASES.iter().map(|phase| (format!("{phase:?}"), 0)).collect();
    phases.for_each(|phase| *by_phase.entry(format!("{phase:?}")).or_default() += 1);
    for (phase, count) in by_phase {
        figures.gauge("tenants", "Tenants by phase").set(&[("phase", &phase)], number(count));
    }
    retentions::counts(figures, &seen.retentions);
    let states = seen.grants.iter().filter_map(|grant| grant.0.as_ref().ok()?.status.as_ref()?.state);
    figures
        .gauge("grant_active", "AccessGrants of all tenants by which staff may come in now")
        .set(&[], number(states.filter(|state| *state == GrantState::Active).count()));
    let mut conditioned: BTreeMap<(&str, Said), usize> = BTreeMap::new();
    let tenants = seen.tenants.iter().flat_map(|object| conditions(object)).map(|said| ("Tenant", said));
    let networks = seen.networks.iter().flat_map(|object| conditions(object)).map(|said| ("TenantNetwork", said));
    let retentions = seen.retentions.iter().flat_map(|object| conditions(object)).map(|said| ("Retention", said));
    let grants = seen.grants.iter().flat_map(|object| conditions(object)).map(|said| ("AccessGrant", said));
    for said in tenants.chain(networks).chain(retentions).chain(grants) {
        *conditioned.entry(said).or_default() += 1;
    }
    for ((kind, (type_, status, reason)), count) in conditioned {
        let labels = [("kind", kind), ("condition", &type_), ("status", &status), ("reason", &reason)];
        figures.gauge("conditions", "Declarations by condition, status and reason").set(&labels, number(count));
    }
}

const PHASES: [TenantPhase; 9] = [
    TenantPhase::Pending,
    TenantPhase::Provisioning,
    TenantPhase::Active,
    TenantPhase::Suspended,
    TenantPhase::Grace,
    TenantPhase::Held,
    TenantPhase::Purging,
    TenantPhase::Purged,
    TenantPhase::Failed,
];

/// The series of one tenant, but for those of its Retention.
fn one(figures: &mut Figures, name: &str, sight: &Sight) {
    for ((kind, condition, reason), count) in sight.problems.iter().take(PROBLEMS) {
        let labels = [("tenant", name), ("kind", kind), ("condition", condition), ("reason", reason)];
        figures
            .gauge("tenant_problems", "Declarations of a tenant with a condition that is not as promised")
            .set(&labels, number(*count));
    }
    if !sight.declared {
        return;
    }
    let tenant = [("tenant", name)];
    let conditions = sight.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().any(|each| each.type_ == "Ready" && each.status == "True");
    figures.gauge("tenant_ready", "1 while the environment is as declared").set(&tenant, number(usize::from(ready)));
    figures.gauge("tenant_networks", "TenantNetworks of a tenant").set(&tenant, number(sight.networks));
    if let Some(phase) = sight.status().and_then(|status| status.phase) {
        let labels = [("tenant", name), ("phase", &format!("{phase:?}"))];
        figures.gauge("tenant_phase", "1; the phase that a Tenant is in").set(&labels, 1.0);
    }
    if let Some(vms) = sight.status().and_then(|status| status.vms.as_ref()) {
        for (state, count) in [("declared", vms.desired), ("ready", vms.ready), ("withheld", vms.withheld)] {
            figures
                .gauge("tenant_virtual_machines", "VMs of a tenant: declared, as declared, not made")
                .set(&[("tenant", name), ("state", state)], number(usize::try_from(count).unwrap_or_default()));
        }
    }
    capacity(figures, name, sight);
}

/// By what the status says, which goes by what the customer bought: a quota counts launchers' overhead as well, and of a
/// CPU no more than the share that KubeVirt asks for.
fn capacity(figures: &mut Figures, name: &str, sight: &Sight) {
    let rows = sight.status().map(|status| status.capacity.as_slice()).unwrap_or_default();
    for row in rows.iter().take(4) {
        let labels = [("tenant", name), ("resource", &word(&row.resource))];
        if let Some(share) = share(&row.allocated, &row.contracted) {
            figures
                .gauge(
                    "tenant_capacity_allocated_ratio",
                    "Share of a contracted resource that VMs are given that are made, and disks that are there",
                )
                .set(&labels, share);
        }
        if let Some(share) = row.used.as_ref().and_then(|used| share(used, &row.contracted)) {
            figures
                .gauge(
                    "tenant_capacity_used_ratio",
                    "Share of a contracted resource that VMs with an instance and bound volumes have",
                )
                .set(&labels, share);
        }
        let exceeded = usize::from(row.exceeded_since.is_some());
        figures
            .gauge(
                "tenant_capacity_exceeded",
                "1 while more of a contracted resource is taken than spec.capacityAlert allows",
            )
            .set(&labels, number(exceeded));
    }
}

/// Of two quantities, to the thousandth and rounded down.
fn share(much: &str, contracted: &str) -> Option<f64> {
    let nanos = |text: &str| text.parse::<Quantity>().ok().map(Quantity::nanos);
    let contracted = nanos(contracted).filter(|contracted| *contracted > 0)?;
    let thousandths = u32::try_from(nanos(much)? * 1000 / contracted).ok()?;
    Some(f64::from(thousandths) / 1000.0)
}

#[allow(clippy::cast_precision_loss)] // counts of objects are far below 2^52
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube::core::DeserializeGuard;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn guarded<K: kube::Resource + DeserializeOwned>(manifest: Value) -> Arc<Guarded<K>> {
        let read: Result<DeserializeGuard<K>, _> = serde_json::from_value(manifest);
        Arc::new(read.unwrap())
    }

    fn tenant(name: &str, conditions: &Value) -> Arc<Guarded<Tenant>> {
        let rows = ["instances", "memory", "storage", "vcpus"].map(
            |resource| json!({"resource": resource, "contracted": "8", "allocated": "4", "used": "3", "percent": 50}),
        );
        guarded(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
            "spec": {
                "contract": {
                    "applicationId": "SECRET-1", "startDate": "2026-04-01",
                    "capacity": {"vcpus": 8, "memory": "32Gi", "storage": "500Gi", "instances": 4},
                },
                "administrators": [{"username": "sato", "email": "sato@customer.example", "role": "PrivilegedAdministrator"}],
                "residency": {"storageClassNames": ["cf-jp-encrypted"]},
            },
            "status": {
                "phase": "Active", "conditions": conditions,
                "vms": {"desired": 2, "ready": 2, "withheld": 0, "nonCompliant": 0},
                "capacity": rows,
            },
        }))
    }

    fn retention(name: &str, tenant: &str, deadline: &str) -> Arc<Guarded<Retention>> {
        guarded(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention", "metadata": {"name": name},
            "spec": {"tenantRef": {"name": tenant}},
            "status": {
                "phase": "Grace", "contractEndsAt": "2026-09-01T15:00:00Z", "purgeNotBefore": "2026-10-31T15:00:00Z",
                "deadline": deadline, "firstSeen": {"endDate": "2026-09-01", "at": "2026-04-01T00:00:00Z"},
                "lastRunAt": "2026-10-01T18:30:40Z",
                "runs": [{"at": "2026-10-01T18:30:40Z", "outcome": "Refused", "reason": "Stopped", "message": "m"}],
            },
        }))
    }

    fn said(type_: &str, status: &str, reason: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    fn seen(tenants: Vec<Arc<Guarded<Tenant>>>, most: usize) -> Seen {
        let now = "2026-10-02T00:00:00Z".parse().unwrap();
        Seen { tenants, networks: Vec::new(), retentions: Vec::new(), grants: Vec::new(), now, most }
    }

    fn lines(seen: &Seen) -> Vec<String> {
        let mut figures = Figures::default();
        add(&mut figures, seen);
        figures.lines()
    }

    fn has(lines: &[String], line: &str) -> bool {
        lines.iter().any(|each| each == line)
    }

    #[test]
    fn those_with_a_problem_come_first_when_not_all_may_have_series() {
        let well = json!([said("Ready", "True", "AsDeclared")]);
        let unwell = json!([said("Ready", "False", "Refused"), said("WallsReady", "False", "Refused")]);
        let tenants = vec![tenant("apple", &well), tenant("pear", &well), tenant("plum", &unwell)];
        let lines = lines(&seen(tenants, 2));
        assert!(
            has(&lines, "tenant_ready{tenant=plum} 0") && has(&lines, "tenant_ready{tenant=apple} 1"),
            "{lines:#?}"
        );
        assert!(has(&lines, "tenant_problems{tenant=plum,kind=Tenant,condition=WallsReady,reason=Refused} 1"));
        assert!(!lines.iter().any(|line| line.contains("pear")), "{lines:#?}");
        assert!(has(&lines, "tenants_without_series{} 1"));
        assert!(has(&lines, "tenants{phase=Active} 3") && has(&lines, "tenants{phase=Failed} 0"), "all are counted");
        assert!(has(&lines, "conditions{kind=Tenant,condition=Ready,status=True,reason=AsDeclared} 2"));
    }

    #[test]
    fn a_share_is_told_in_thousandths_rounded_down_and_not_at_all_where_nothing_is_contracted() {
        assert_eq!(share("1500m", "2"), Some(0.75));
        assert_eq!(share("29Gi", "32Gi"), Some(0.906));
        assert_eq!(share("3", "2"), Some(1.5), "a contract that shrank below what is there");
        assert_eq!(share("1", "0"), None);
        assert_eq!(share("much", "2"), None);
    }

    /// One row of `status.capacity`.
    fn filled(name: &str, row: &Value) -> Arc<Guarded<Tenant>> {
        let found = tenant(name, &json!([said("Ready", "True", "AsDeclared")]));
        let mut manifest = json!(found.0.as_ref().unwrap());
        manifest["status"]["capacity"] = json!([row]);
        guarded(manifest)
    }

    #[test]
    fn a_full_contract_is_a_reason_for_attention_too() {
        let row = |percent: i64| json!({"resource": "memory", "contracted": "8", "allocated": "1", "percent": percent});
        let lines = lines(&seen(vec![filled("apple", &row(89)), filled("plum", &row(90))], 1));
        assert!(has(&lines, "tenant_ready{tenant=plum} 1"), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("apple")), "{lines:#?}");
    }

    #[test]
    fn shares_are_of_what_the_customer_bought_and_only_the_status_says_that_it_is_too_much() {
        let row = json!({
            "resource": "vcpus", "contracted": "10", "allocated": "9", "used": "8", "percent": 90,
        });
        let mut over = row.clone();
        over["exceededSince"] = json!("2026-10-01T00:00:00Z");
        let lines = lines(&seen(vec![filled("apple", &row), filled("plum", &over)], 9));
        for line in [
            "tenant_capacity_allocated_ratio{tenant=apple,resource=vcpus} 0.9",
            "tenant_capacity_used_ratio{tenant=apple,resource=vcpus} 0.8",
            "tenant_capacity_exceeded{tenant=apple,resource=vcpus} 0",
            "tenant_capacity_exceeded{tenant=plum,resource=vcpus} 1",
        ] {
            assert!(has(&lines, line), "{line}: {lines:#?}");
        }
        let unknown = json!({"resource": "vcpus", "contracted": "10", "allocated": "9", "percent": 90});
        let lines = super::tests::lines(&seen(vec![filled("apple", &unknown)], 9));
        assert!(!lines.iter().any(|line| line.starts_with("tenant_capacity_used_ratio")), "{lines:#?}");
    }

    #[test]
    fn what_cannot_be_decoded_is_a_problem_of_its_tenant_alone() {
        let odd = guarded(
            json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "odd"}, "spec": 7}),
        );
        let lines = lines(&seen(vec![odd, tenant("plum", &json!([]))], 9));
        assert!(has(&lines, "tenant_problems{tenant=odd,kind=Tenant,condition=Ready,reason=Invalid} 1"), "{lines:#?}");
        assert!(has(&lines, "tenant_virtual_machines{tenant=plum,state=ready} 2"));
    }

    #[test]
    fn the_retention_that_is_due_first_speaks_and_no_series_is_said_twice() {
        let mut seen = seen(vec![tenant("plum", &json!([]))], 9);
        seen.retentions = vec![
            retention("plum", "plum", "2026-11-02T15:00:00Z"),
            retention("plum-2", "plum", "2026-11-01T15:00:00Z"),
        ];
        let lines = lines(&seen);
        assert!(has(&lines, "retention_deadline_timestamp_seconds{tenant=plum} 1793545200"), "{lines:#?}");
        assert!(has(&lines, "retention_last_run{tenant=plum,outcome=Refused,reason=Stopped} 1"));
        let series: BTreeSet<&str> =
            lines.iter().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
        assert_eq!(series.len(), lines.len(), "{lines:#?}");
    }

    #[test]
    fn a_run_is_expected_once_the_contract_is_over_at_the_next_time_of_the_schedule() {
        let mut seen = seen(vec![tenant("plum", &json!([]))], 9);
        seen.retentions = vec![retention("plum", "plum", "2026-11-01T15:00:00Z")];
        // The last run ended at 03:30:40 in Japan, so the next is a day later.
        let expected = "retention_run_expected_timestamp_seconds{tenant=plum} 1790965800";
        assert!(has(&lines(&seen), expected), "{:#?}", lines(&seen));
        seen.now = "2026-09-01T14:59:59Z".parse().unwrap();
        assert!(!lines(&seen).iter().any(|line| line.starts_with("retention_run_expected")));
    }

    #[test]
    fn no_tenant_has_more_than_47_series_and_no_label_holds_what_others_wrote() {
        let many: Vec<Value> = (0..32).map(|number| said("Ready", "False", &format!("Reason{number}"))).collect();
        let mut conditions = many;
        conditions.push(said("Ready", "False", "x\n\"} evil"));
        let mut seen = seen(vec![tenant("plum", &json!(conditions))], 9);
        seen.retentions = vec![retention("plum", "plum", "2026-11-01T15:00:00Z")];
        let lines = lines(&seen);
        let of_plum = lines.iter().filter(|line| line.contains("tenant=plum")).count();
        assert_eq!(of_plum, 47, "{lines:#?}");
        let all = lines.concat();
        assert!(!all.contains("evil") && !all.contains("SECRET") && !all.contains("sato"), "{lines:#?}");
        assert!(all.contains("reason=Other"));
    }
}
