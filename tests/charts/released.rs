//! Upgrades from what was released before.
//!
//! `released/` holds every released chart as it was packed, with values of that time: `<chart>-<version>.tgz` and
//! `values-<version>.yaml`. The commit that raises the version in `Cargo.toml` first runs `tests/charts/pack.sh
//! tests/charts/released` for the version that it leaves and adds the values, and `tests/charts/stored.sh
//! tests/charts/released/objects-<version>.yaml` for `tests/upgrade.rs`; what lies there is never changed again. Values of
//! before have to do after an upgrade, or `CHANGELOG.md` says what to write instead and the file says it, too.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{done, on, root, run, usual};
use crate::support::faults::Faults;
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, retention, tenant};

/// Version, and the values that people gave.
fn releases() -> BTreeMap<String, Value> {
    let folder = root().join("tests/charts/released");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("released charts") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(version) = name.strip_prefix("values-").and_then(|name| name.strip_suffix(".yaml")) {
            let text = std::fs::read_to_string(folder.join(&name)).expect("values");
            all.insert(version.to_owned(), serde_saphyr::from_str(&text).expect("YAML"));
            for chart in ["cloudfarm", "cloudfarm-crds"] {
                assert!(folder.join(format!("{chart}-{version}.tgz")).exists(), "{chart} {version} was not packed");
            }
        }
    }
    assert!(!all.is_empty(), "{} holds no released chart", folder.display());
    all
}

#[test]
fn a_chart_is_packed_to_the_same_bytes_by_everybody() {
    let folder = root().join(format!("target/test-helm/packed-{}", std::process::id()));
    let pack = |name: &str| {
        let to = folder.join(name);
        let (ok, output, complaint) = run(Command::new(root().join("tests/charts/pack.sh")).arg(&to), "");
        assert!(ok, "{output}{complaint}");
        let version = env!("CARGO_PKG_VERSION");
        ["cloudfarm", "cloudfarm-crds"]
            .map(|chart| std::fs::read(to.join(format!("{chart}-{version}.tgz"))).expect("a chart"))
    };
    let (first, second) = (pack("first"), pack("second"));
    std::fs::remove_dir_all(&folder).ok();
    assert!(first == second && first.iter().all(|bytes| bytes.len() > 1000));
}

/// Everything of one kind: uid by name.
fn uids(plane: &Plane, kind: &str) -> BTreeMap<String, String> {
    let text = plane.kubectl(&["get", kind, "-A", "-o", "json"], None);
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = all["items"].as_array().expect("items");
    items.iter().map(|object| (word(&object["metadata"]["name"]), word(&object["metadata"]["uid"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_chart_is_upgraded_and_rolled_back_with_its_tenants() {
    for (version, values) in releases() {
        let plane = &Plane::with_nothing_of_ours(&format!("charts-from-{version}"), Some("none"));
        let packed = |chart: &str| format!("tests/charts/released/{chart}-{version}.tgz");
        plane.kubectl(&["create", "namespace", "cloudfarm-system"], None);
        done(plane, &["install", "cloudfarm-crds", &packed("cloudfarm-crds")], None);
        plane.our_crds_established();
        done(plane, &["install", "cloudfarm", &packed("cloudfarm"), "--wait", "--timeout=120s"], Some(&values));
        let client = plane.admin().await;
        // The program of then cannot be had, and today's waits, unready and aloud, until it has today's rights.
        apply(plane, &[world::namespace("old"), tenant("old", json!({})), retention("old", "old", json!({}))]);
        let kinds = ["crds", "tenants", "retentions", "namespaces", "clusterroles", "validatingadmissionpolicies"];
        let before = kinds.map(|kind| uids(plane, kind));

        // The kinds first, then the program; the values are those that people had.
        let upgrade = |words: &[&str], values: Option<&Value>| {
            done(plane, &[&["upgrade"], words, &["--wait", "--timeout=120s"]].concat(), values)
        };
        upgrade(&["cloudfarm-crds", "charts/cloudfarm-crds"], None);
        upgrade(&["cloudfarm", "charts/cloudfarm"], Some(&values));
        for (kind, before) in kinds.iter().zip(&before) {
            assert!(!before.is_empty(), "from {version}: there were no {kind}");
            let after = uids(plane, kind);
            let lost: Vec<_> = before.iter().filter(|(name, uid)| after.get(*name) != Some(*uid)).collect();
            assert!(lost.is_empty(), "from {version}: {kind} are gone or were made anew: {lost:?}");
        }
        let operator = Operator::leading(plane, Faults::default()).await;
        apply(plane, &[world::namespace("new"), tenant("new", json!({}))]);
        for name in ["old", "new"] {
            condition(&world::tenants(&client), name, "Ready", "True").await;
        }
        operator.stop().await;

        done(plane, &["rollback", "cloudfarm", "1", "--wait", "--timeout=120s"], None);
        upgrade(&["cloudfarm", "charts/cloudfarm"], Some(&usual()));
        let history = on(plane, &["history", "cloudfarm", "--namespace", "cloudfarm-system"], None).expect("a history");
        assert_eq!(history.lines().filter(|line| line.contains("failed")).count(), 0, "{history}");
    }
}
