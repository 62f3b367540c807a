//! The table, and `target/bench/results.json`.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::audit::Call;

/// Figures by scenario and name, in the order of their runs.
#[derive(Default)]
pub struct Report {
    figures: BTreeMap<(usize, String), Vec<f64>>,
}

impl Report {
    /// One figure of one run.
    pub fn add(&mut self, tenants: usize, name: &str, value: f64) {
        self.figures.entry((tenants, name.to_owned())).or_default().push(value);
    }

    /// Median and 99th percentile of a series, in milliseconds.
    pub fn quantiles(&mut self, tenants: usize, name: &str, times: &[Duration]) {
        let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        sorted.sort_by(f64::total_cmp);
        self.add(tenants, &format!("{name}, p50 [ms]"), sorted[sorted.len() / 2]);
        self.add(tenants, &format!("{name}, p99 [ms]"), sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)]);
    }

    /// What the audit log says about one onboarding run.
    pub fn calls(&mut self, tenants: usize, calls: &[Call]) {
        let number = |what: &dyn Fn(&&Call) -> bool| crate::count(calls.iter().filter(|call| what(call)).count());
        let each = crate::count(tenants);
        self.add(tenants, "writes per tenant (10 objects + 2 statuses)", number(&|call| call.writes()) / each);
        self.add(tenants, "GET and LIST while onboarding", number(&|call| call.verb == "get" || call.verb == "list"));
        self.add(tenants, "answers 409 while onboarding", number(&|call| call.code == 409));
        self.add(tenants, "answers 429 while onboarding", number(&|call| call.code == 429));
    }

    /// `cloudfarm render` of one tenant, whole process.
    pub fn render(&mut self) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for _ in 0..20 {
            let began = Instant::now();
            let output = Command::new(root.join("target/release/cloudfarm"))
                .args(["render", "-f"])
                .arg(root.join("examples/quickstart.yaml"))
                .output();
            assert!(output.expect("target/release/cloudfarm: build it first").status.success());
            self.add(1, "render, whole process [ms]", began.elapsed().as_secs_f64() * 1000.0);
        }
    }

    /// Prints the table and writes the raw figures.
    pub fn print(&self) {
        println!("\n{:>8}  {:<58}  {:>10}  runs", "tenants", "figure", "median");
        for ((tenants, name), values) in &self.figures {
            let raw: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
            println!("{tenants:>8}  {name:<58}  {:>10.3}  {}", median(values), raw.join(" "));
        }
        let ratios = [
            (
                "onboarding, operator / bare client (bar 1.25)",
                "onboarding, operator [s]",
                "onboarding, bare client [s]",
            ),
            (
                "one change, p50, operator / bare loop (bar 1.5)",
                "one change, operator, p50 [ms]",
                "one change, bare loop, p50 [ms]",
            ),
            (
                "one change, p99, operator / bare loop (bar 2)",
                "one change, operator, p99 [ms]",
                "one change, bare loop, p99 [ms]",
            ),
            ("restart / bare list (bar 2, at 10,000)", "restart to ready [s]", "bare list of the same kinds [s]"),
        ];
        let mut told = Vec::new();
        for tenants in self.figures.keys().map(|(tenants, _)| *tenants).collect::<std::collections::BTreeSet<_>>() {
            for (ratio, over, under) in ratios {
                let figure = |name: &str| self.figures.get(&(tenants, name.to_owned())).map(|values| median(values));
                if let (Some(over), Some(under)) = (figure(over), figure(under)) {
                    println!("{tenants:>8}  {ratio:<58}  {:>10.2}", over / under);
                    told.push(json!({"tenants": tenants, "ratio": ratio, "value": over / under}));
                }
            }
        }
        let raw: Vec<_> =
            self.figures.iter().map(|((tenants, name), values)| json!({"tenants": tenants, "figure": name, "median": median(values), "runs": values})).collect();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = serde_json::to_string_pretty(&json!({"figures": raw, "ratios": told})).expect("JSON");
        std::fs::write(folder.join("results.json"), text).expect("a file");
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
