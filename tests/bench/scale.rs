//! `make bench`: the numbers of ARCHITECTURE.md, as ratios in one run.
//!
//! The floor is a bare client that sends the same writes by the same method (server-side apply, the same bodies, the
//! same parallelism) with nothing deciding in between. Floor and operator take turns on one control plane; each figure
//! is the median of the runs. The operator is the release binary as a process of its own; calls are counted in the API
//! server's audit log and not in our own metrics.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "../support/mod.rs"]
mod support;

mod change;
mod floor;
mod process;
mod report;

use std::time::{Duration, Instant};

use clap::Parser;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::runtime::watcher::{self, watcher};
use serde_json::json;
use support::audit::Mark;
use support::plane::Plane;
use support::world;

use process::OperatorProcess;
use report::Report;

/// Tenants that are declared at the same time, by a person's script or a GitOps controller.
const DECLARED_AT_ONCE: usize = 16;

#[derive(Parser)]
struct Options {
    /// Numbers of tenants, one scenario each
    #[arg(long, value_delimiter = ',', default_value = "100,1000")]
    tenants: Vec<usize>,
    /// Times that floor and operator take turns
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let options = Options::parse();
    let mut report = Report::default();
    report.render();
    for &tenants in &options.tenants {
        scenario(tenants, options.runs, &mut report).await;
    }
    report.print();
}

/// Onboarding, memory, restart and single changes with so many tenants.
async fn scenario(tenants: usize, runs: usize, report: &mut Report) {
    let plane = Plane::start(&format!("bench-{tenants}"), Some("none"));
    let admin = plane.admin().await;
    let writer = Client::try_from(plane.operator_config().await).expect("client");
    let empty = OperatorProcess::start(&plane).await;
    report.add(tenants, "memory with no tenant [MB]", empty.settled_mb().await);
    empty.stop().await;
    for run in 0..runs {
        eprintln!("{tenants} tenants, run {} of {runs}: the bare client", run + 1);
        report.add(
            tenants,
            "onboarding, bare client [s]",
            floor::onboard(&admin, &writer, &names("f", run, tenants)).await.as_secs_f64(),
        );
        eprintln!("{tenants} tenants, run {} of {runs}: the operator", run + 1);
        operator_run(&plane, &admin, run, tenants, report).await;
    }
    restart(&plane, &admin, tenants, report).await;
}

fn names(letter: &str, run: usize, tenants: usize) -> Vec<String> {
    (0..tenants).map(|number| format!("{letter}{run}-{number}")).collect()
}

async fn operator_run(plane: &Plane, admin: &Client, run: usize, tenants: usize, report: &mut Report) {
    let operator = OperatorProcess::start(plane).await;
    if run == 0 {
        report.add(tenants, "memory with the bare client's tenants [MB]", operator.resident_mb());
    }
    // The bare client writes made-up statuses; the operator puts them right first.
    operator.settled_mb().await;
    let mark = Mark::now(plane);
    let names = names("o", run, tenants);
    report.add(tenants, "onboarding, operator [s]", onboard(admin, &names).await.as_secs_f64());
    let calls = mark.calls(plane).await;
    report.calls(tenants, &calls);
    if run == 0 {
        report.add(tenants, "memory settled [MB]", operator.settled_mb().await);
        report.add(tenants, "memory peak [MB]", operator.peak_mb());
        let idle = Mark::now(plane);
        tokio::time::sleep(Duration::from_secs(5)).await;
        report.add(tenants, "calls in 5 idle seconds", count(idle.calls(plane).await.len()));
        change::compare(plane, admin, &names[0], &operator, report, tenants).await;
    } else {
        operator.stop().await;
    }
}

/// Declares tenants and waits until the last one is ready.
async fn onboard(admin: &Client, names: &[String]) -> Duration {
    let api = world::tenants(admin);
    let began = Instant::now();
    let ready = all_ready(api.clone(), names.iter().cloned().collect());
    let declare = stream::iter(names).for_each_concurrent(DECLARED_AT_ONCE, |name| {
        let api = api.clone();
        async move {
            let tenant: DynamicObject = serde_json::from_value(world::tenant(name, json!({}))).expect("a tenant");
            api.create(&PostParams::default(), &tenant).await.expect("declared");
        }
    });
    let ((), ()) = futures::join!(ready, declare);
    began.elapsed()
}

async fn all_ready(api: Api<DynamicObject>, mut waiting: std::collections::BTreeSet<String>) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    while !waiting.is_empty() {
        let Some(Ok(watcher::Event::Apply(tenant) | watcher::Event::InitApply(tenant))) = events.next().await else {
            continue;
        };
        let conditions = tenant.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True") {
            waiting.remove(tenant.metadata.name.as_deref().unwrap_or_default());
        }
    }
}

/// From the start of the process to ready, against a bare list of the same kinds; and what a restart writes.
async fn restart(plane: &Plane, admin: &Client, tenants: usize, report: &mut Report) {
    for _ in 0..3 {
        report.add(tenants, "bare list of the same kinds [s]", floor::list(admin).await.as_secs_f64());
        let mark = Mark::now(plane);
        let began = Instant::now();
        let operator = OperatorProcess::start(plane).await;
        report.add(tenants, "restart to ready [s]", began.elapsed().as_secs_f64());
        operator.settled_mb().await;
        let calls = mark.calls(plane).await;
        let writes =
            calls.iter().filter(|call| call.writes()).inspect(|call| eprintln!("written at restart: {call:?}")).count();
        report.add(tenants, "writes at restart", count(writes));
        operator.stop().await;
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
