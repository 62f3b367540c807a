//! What a real operator publishes about customers in many states, read by a real Prometheus: every query of every panel
//! and every alert speaks about series that exist.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cloudfarm::operator::clock::Clock;
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};
use support::desk::{Desk, hold};
use support::eventually;
use support::plane::Plane;
use support::prometheus::{Prometheus, dashboards, promtool, queries, rules};
use support::purge::{ENDED, Purger};
use support::replica::Replica;
use support::world::{self, apply, condition, machine, network, tenant};

/// Label names by series.
type Series = BTreeMap<String, BTreeSet<String>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_and_every_alert_speaks_about_figures_that_a_running_operator_publishes() {
    let plane = Plane::shared();
    let replica = Replica::start(plane, "figures");
    replica.leads().await;
    customers(plane).await;
    let page = settled_page(&replica).await;
    let file = plane.dir.join("metrics.txt");
    std::fs::write(&file, &page).expect("a file");
    let (well, said) = promtool(&["check", "metrics"], Some(&file));
    assert!(well && said.is_empty(), "promtool check metrics: {said}");
    for secret in ["TEST-000001", "sato", "customer.example", "2026-17"] {
        assert!(!page.contains(secret), "{secret} in the metrics");
    }
    // The session log is a process of its own, with a page of its own.
    let series = series(&(page + &cloudfarm::sessions::metrics::Figures::default().text()));
    for rule in rules() {
        exists(&series, rule["expr"].as_str().expect("a query"));
    }

    let prometheus = Prometheus::start(&plane.dir, &replica.address().await);
    prometheus.until("count_over_time(cloudfarm_leader[1m]) >= 5").await;
    for (file, dashboard) in dashboards() {
        for (title, query) in queries(&dashboard) {
            exists(&series, &query);
            let answers = |tenant: &str| !prometheus.query(&query.replace("$tenant", tenant)).is_empty();
            let shown = ["full", "walled", "ended"].into_iter().any(answers);
            assert!(shown, "{file}: {title} shows nothing: {query}");
        }
    }
    let health = prometheus.health();
    assert!(health.len() == rules().len() && health.values().all(|health| health == "ok"), "{health:#?}");
    let mut alarmed = prometheus.alarmed();
    // The wall of somebody else is tried again and again; whether two tries have been seen yet is chance.
    alarmed.remove("CloudfarmPassesFailing");
    let expected = [
        "CloudfarmCapacity",
        "CloudfarmHeldPastDeadline",
        "CloudfarmNetworkNotReady",
        "CloudfarmPurgeRunMissing",
        "CloudfarmPurgeStopped",
        "CloudfarmRetentionOrphaned",
        "CloudfarmRetentionOverdue",
        "CloudfarmTenantNotReady",
        "CloudfarmWallsMissing",
    ];
    assert_eq!(alarmed, expected.map(str::to_owned).into());
}

/// One that is full, one whose wall is somebody else's, one whose contract is over, one that is held, one that is late, and
/// one that nobody declares any more.
async fn customers(plane: &'static Plane) {
    let client = plane.admin().await;
    let desk = Desk::shared(plane).await;
    let one = json!({"virtualMachines": [machine("web", &["front"])], "contract": {"capacity": {"instances": 1}}});
    let ended = json!({"contract": {"endDate": ENDED}});
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "cloudfarm-default-deny", "namespace": "cf-walled"}, "spec": {"podSelector": {}},
    });
    apply(plane, &[world::namespace("full"), tenant("full", one), network("full", "front", json!({}))]);
    apply(plane, &[network("full", "later", json!({"type": "Layer2"}))]);
    apply(plane, &[world::namespace("walled"), foreign, tenant("walled", json!({}))]);
    apply(plane, &["ended", "held", "late"].map(|name| tenant(name, ended.clone())));
    apply(plane, &[tenant("orphan", json!({}))]);
    let tenants = world::tenants(&client);
    condition(&tenants, "full", "Ready", "True").await;
    condition(&world::networks(&client, "full"), "later", "Ready", "False").await;
    condition(&tenants, "walled", "WallsReady", "False").await;
    condition(&tenants, "orphan", "Ready", "True").await;

    plane.kubectl(&["annotate", "tenant", "orphan", "cloudfarm.dev/allow-orphan=true"], None);
    plane.kubectl(&["delete", "tenant", "orphan"], None);
    desk.decided("officer", "held", hold("officer")).await;
    for name in ["held", "late"] {
        long_ago(&desk, name).await;
    }
    stopped_run(&desk, "ended").await;
}

/// The end date was first seen so long ago that the deadline has passed.
async fn long_ago(desk: &Desk, name: &str) {
    let ago = Clock::default().now() - SignedDuration::from_hours(100);
    eventually(&format!("the deadline of {name} to be past"), || async {
        let status = desk.status(name).await;
        if status.first_seen.as_ref().is_some_and(|seen| seen.at.0 > ago) {
            desk.write_status(true, name, json!({"firstSeen": {"at": ago.to_string()}})).await;
        }
        status.deadline.is_some_and(|at| at.0 < Clock::default().now()).then_some(())
    })
    .await;
}

/// A purge run that meets with the stop switch.
async fn stopped_run(desk: &Desk, name: &str) {
    let stop = |word: Value| {
        let patch = json!({"data": {"stop": word}}).to_string();
        let budget = cloudfarm::purge::live::BUDGET;
        desk.plane.kubectl(
            &["patch", "configmap", budget, "-n", cloudfarm::install::NAMESPACE, "--type=merge", "-p", &patch],
            None,
        );
    };
    stop(json!("true"));
    desk.granted(name, "list").await;
    Purger::of(desk, name).await.refused("Stopped").await;
    stop(Value::Null);
}

/// The page, once it says of everybody what has happened.
async fn settled_page(replica: &Replica) -> String {
    let said = [
        "cloudfarm_tenant_ready{tenant=\"full\"} 1",
        "cloudfarm_tenant_capacity_used_ratio{tenant=\"full\",resource=\"instances\"} 1",
        "cloudfarm_tenant_problems{tenant=\"full\",kind=\"TenantNetwork\",condition=\"Ready\",reason=\"BackendMissing\"} 1",
        "cloudfarm_tenant_problems{tenant=\"walled\",kind=\"Tenant\",condition=\"WallsReady\",reason=\"ForeignObject\"} 1",
        "cloudfarm_retention_last_run{tenant=\"ended\",outcome=\"Refused\",reason=\"Stopped\"} 1",
        "cloudfarm_retention_run_expected_timestamp_seconds{tenant=\"ended\"}",
        "cloudfarm_retention_phase{tenant=\"held\",phase=\"Held\"} 1",
        "cloudfarm_retention_phase{tenant=\"late\",phase=\"Overdue\"} 1",
        "cloudfarm_retention_phase{tenant=\"orphan\",phase=\"Orphaned\"} 1",
        "cloudfarm_watch_synced{kind=\"VirtualMachine\"} 1",
        "cloudfarm_watch_last_request_timestamp_seconds{kind=\"NetworkPolicy\"}",
        "cloudfarm_api_requests_total{verb=\"watch\",resource=\"tenants\",code=\"2xx\"}",
        "cloudfarm_build_info{version=\"",
        "cloudfarm_tenants_without_series 0",
        "cloudfarm_queue_declarations{controller=\"tenant\"} 0",
        "cloudfarm_queue_declarations{controller=\"network\"} 0",
        "cloudfarm_queue_declarations{controller=\"retention\"} 0",
    ];
    let last = std::sync::Mutex::new(Vec::new());
    eventually("the page to say what has happened", || async {
        let page = replica.get("/metrics").await.1;
        let missing: Vec<&str> = said.iter().copied().filter(|line| !page.contains(line)).collect();
        if *last.lock().expect("no panic") != missing {
            eprintln!("still missing: {missing:#?}");
            last.lock().expect("no panic").clone_from(&missing);
        }
        missing.is_empty().then_some(page)
    })
    .await
}

fn series(page: &str) -> Series {
    let mut series = Series::new();
    for line in page.lines() {
        if !line.starts_with('#') {
            let (name, labels) =
                line.split_once('{').unwrap_or_else(|| (line.split(' ').next().unwrap_or_default(), ""));
            let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
            let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            series.entry(name.to_owned()).or_default().extend(names);
        }
    }
    series
}

/// Every series that a query names is published, with the labels that the query asks for.
fn exists(series: &Series, query: &str) {
    let mut known: BTreeSet<&str> = BTreeSet::from(["instance"]);
    for (at, _) in query.match_indices("cloudfarm_") {
        let rest = &query[at..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let labels = series.get(&rest[..end]).unwrap_or_else(|| panic!("nobody publishes {} of {query}", &rest[..end]));
        known.extend(labels.iter().map(String::as_str));
        let matchers =
            rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let label = matcher.trim().split(['=', '!']).next().unwrap_or_default();
            assert!(labels.contains(label), "{} has no label {label}: {query}", &rest[..end]);
        }
    }
    for (at, by) in ["by (", "on (", "group_left ("].iter().flat_map(|by| query.match_indices(by)) {
        let inside = query[at + by.len()..].split(')').next().unwrap_or_default();
        for label in inside.split(',').map(str::trim) {
            assert!(
                known.contains(label) || query.contains("watch_errors"),
                "no series has the label {label}: {query}"
            );
        }
    }
}
