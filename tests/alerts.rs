//! Alert rules, runbook and dashboards as files: well formed, tested on both sides, and nobody is left without advice.
//! What they say about real figures is held by `figures.rs`. No cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::prometheus::{alerts, dashboards, promtool, rules};

/// The files that promtool plays.
fn plays() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts");
    let all = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    all.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_rules_are_well_formed_and_do_what_is_played_to_them() {
    let (well, said) = promtool(&["check", "rules", &alerts().to_string_lossy()], None);
    assert!(well, "{said}");
    for play in plays() {
        let (well, said) = promtool(&["test", "rules", &play.to_string_lossy()], None);
        assert!(well, "{said}");
    }
}

#[test]
fn every_alert_is_seen_firing_and_seen_quiet() {
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for play in plays() {
        let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(play).expect("a file")).expect("YAML");
        let cases = file["tests"].as_array().expect("tests").iter();
        for check in cases.flat_map(|case| case["promql_expr_test"].as_array().expect("checks")) {
            let fires = !check["exp_samples"].as_array().expect("samples").is_empty();
            if let Some(alert) = text(&check["expr"]).strip_prefix("ALERTS{alertname=\"") {
                seen.entry(alert.split('"').next().unwrap_or_default().to_owned()).or_default().insert(fires);
            }
        }
    }
    let wanted = rules().iter().map(|rule| (text(&rule["alert"]).to_owned(), BTreeSet::from([true, false]))).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn every_alert_says_what_it_means_and_has_its_section_in_the_runbook_and_no_section_is_without_an_alert() {
    let runbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cloudfarm/RUNBOOK.md");
    let runbook = std::fs::read_to_string(runbook).expect("RUNBOOK.md");
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let rules = rules();
    let alerts: Vec<&str> = rules.iter().map(|rule| text(&rule["alert"])).collect();
    assert_eq!(sections, alerts, "the same, in the same order");
    for rule in &rules {
        let (alert, annotations) = (text(&rule["alert"]), &rule["annotations"]);
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"])), "{alert}: severity");
        assert!(text(&annotations["summary"]).len() > 20, "{alert}: summary");
        assert!(text(&annotations["description"]).len() > 60, "{alert}: description");
        assert_eq!(text(&annotations["runbook_url"]), format!("RUNBOOK.md#{}", alert.to_lowercase()));
    }
    for section in runbook.split("\n## ").skip(1) {
        for part in ["**For the customer:**", "**Look", "**Do", "**Escalate:**"] {
            assert!(section.contains(part), "{part} is missing in: {section}");
        }
    }
}

#[test]
fn the_panels_of_each_dashboard_lie_side_by_side_and_say_what_they_show() {
    let dashboards = dashboards();
    assert_eq!(dashboards.keys().collect::<Vec<_>>(), ["overview.json", "tenant.json"]);
    for (file, dashboard) in dashboards {
        let mut taken: BTreeMap<(i64, i64), &str> = BTreeMap::new();
        let panels = dashboard["panels"].as_array().expect("panels");
        let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
        assert_eq!(ids.len(), panels.len(), "{file}: an id is used twice");
        for panel in panels {
            let at = |key: &str| panel["gridPos"][key].as_i64().expect("a number");
            assert!(at("x") + at("w") <= 24, "{file}: {} is too wide", panel["title"]);
            for place in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                let other = taken.insert(place, text(&panel["title"]));
                assert!(other.is_none(), "{file}: {} lies on {other:?}", panel["title"]);
            }
            assert!(panel["type"] == "row" || !panel["targets"].as_array().expect("targets").is_empty(), "{panel}");
        }
    }
}
