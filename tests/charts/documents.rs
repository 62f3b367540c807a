//! What is written about the charts is what they are.

use std::process::Command;

use serde_json::Value;

use crate::helm::{root, run, tool};

const HOW: &str = "run `make generate` and commit";

#[test]
fn the_table_of_values_is_that_of_the_values() {
    let words = ["--chart-search-root", "charts/cloudfarm", "--template-files", "README.md.gotmpl"];
    let mut command = Command::new(tool("helm-docs", "helm-docs"));
    let (ok, output, complaint) = run(command.args(words).arg("--dry-run").current_dir(root()), "");
    assert!(ok, "{complaint}");
    let written = std::fs::read_to_string(root().join("charts/cloudfarm/README.md")).unwrap_or_default();
    assert!(output.trim_end() == written.trim_end(), "charts/cloudfarm/README.md is stale: {HOW}");
    let (_, table) = written.split_once("|-----|").expect("the table of values");
    let rows: Vec<&str> = table.lines().skip(1).filter(|row| row.starts_with("| ")).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        assert!(!row.trim_end().ends_with("|  |"), "a value without a comment: {row}");
    }
}

#[test]
fn charts_and_program_have_one_version() {
    for chart in ["cloudfarm", "cloudfarm-crds"] {
        let file = format!("charts/{chart}/Chart.yaml");
        let text = std::fs::read_to_string(root().join(&file)).expect("a chart");
        let chart: Value = serde_saphyr::from_str(&text).expect("YAML");
        for field in ["version", "appVersion"] {
            assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{file}: {field}");
        }
    }
}
