//! What the operations guide tells people to do when something is gone, done as it is written there.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{done, prepared, root, run, usual};
use crate::support::desk::Desk;
use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, tenant};

const INSTALL: [&str; 5] = ["install", "cloudfarm", "charts/cloudfarm", "--wait", "--timeout=120s"];

/// Commands under a heading of the charts' README, as they are printed there, up to a number of blocks.
fn commands(heading: &str, blocks: usize) -> String {
    let text = std::fs::read_to_string(root().join("charts/cloudfarm/README.md")).expect("the guide");
    let (_, whole) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let end = whole.find("\n##").unwrap_or(whole.len());
    let blocks: Vec<&str> = whole[..end]
        .split("```sh\n")
        .skip(1)
        .take(blocks)
        .map(|rest| rest.split("\n```").next().expect("the end of a block"))
        .collect();
    assert!(!blocks.is_empty(), "no commands under {heading}");
    blocks.join("\n")
}

/// In a shell, in this folder, as cluster administrator.
fn shell(plane: &Plane, folder: &Path, script: &str) -> String {
    let path = format!("{}:{}", plane.dir.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let jq = format!("command -v jq >/dev/null || '{}' jq=/usr/bin/jq", root().join("tests/debian.sh").display());
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -euo pipefail; {jq}\n{script}")]).current_dir(folder);
    let (ok, output, complaint) = run(command.env("KUBECONFIG", plane.dir.join("kubeconfig")).env("PATH", path), "");
    assert!(ok, "{script}\n{output}{complaint}");
    output + &complaint
}

async fn vanish(plane: &Plane, name: &str) {
    eventually("the operator to have noted the last word", || async {
        plane.try_kubectl(&["delete", "tenant", name], None).0.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_and_evidence_that_somebody_deleted_are_restored_with_what_was_known() {
    let plane: &'static Plane = Box::leak(Box::new(Plane::with_nothing_of_ours("charts-restore", Some("none"))));
    prepared(plane);
    done(plane, &INSTALL, Some(&usual()));
    let operator = Operator::leading(plane, Faults::default()).await;
    let desk = Desk::new(plane).await;
    apply(plane, &[tenant("stays", json!({})), tenant("left", json!({"contract": {"endDate": "2099-12-31"}}))]);
    for name in ["stays", "left"] {
        condition(&world::tenants(&desk.admin), name, "Ready", "True").await;
    }
    desk.until("left", "it knows the date", |status| status.end_date.is_some() && status.purge_not_before.is_some())
        .await;
    desk.write_status(false, "left", json!({"clockMark": "2026-01-01T00:00:00Z"})).await;
    vanish(plane, "left").await;
    desk.decided("officer", "stays", crate::support::desk::hold("officer")).await;
    let stop = r#"{"data":{"head":"abc","length":"1"}}"#;
    plane.kubectl(&["patch", "configmap", "chain", "-n", "cloudfarm-evidence", "--type=merge", "-p", stop], None);
    operator.stop().await;
    let folder = plane.dir.join("guide");
    std::fs::create_dir_all(&folder).expect("a folder");
    shell(plane, &folder, &commands("### Back up", 1));
    let (status, namespace) =
        (desk.status("left").await, crate::life::json(plane, "namespace cf-stays")["metadata"]["uid"].clone());

    let kinds = ["crd/tenants.cloudfarm.dev", "crd/tenantnetworks.cloudfarm.dev", "crd/retentions.cloudfarm.dev"];
    plane.kubectl(&[&["delete"], &kinds[..]].concat(), None);
    plane.kubectl(&["delete", "namespace", "cloudfarm-evidence", "--wait"], None);
    done(plane, &["upgrade", "cloudfarm-crds", "charts/cloudfarm-crds"], None);
    plane.our_crds_established();
    done(plane, &["upgrade", "cloudfarm", "charts/cloudfarm"], Some(&usual()));
    let said = shell(plane, &folder, &commands("### Restore", 1));

    let restored = desk.status("left").await;
    assert_eq!(serde_json::to_value(&restored).expect("JSON"), serde_json::to_value(&status).expect("JSON"));
    assert!(said.contains("by its author: stays") && said.contains("2026-17"), "the hold is named: {said}");
    let chain = crate::life::json(plane, "configmap chain -n cloudfarm-evidence");
    assert_eq!(chain["data"], json!({"head": "abc", "length": "1"}));
    desk.decide("officer", "stays", crate::support::desk::hold("officer")).await.expect("the hold is placed again");

    let operator = Operator::leading(plane, Faults::default()).await;
    condition(&world::tenants(&desk.admin), "stays", "Ready", "True").await;
    desk.until("stays", "held again", |status| !status.holds.is_empty()).await;
    let after = desk.until("left", "it was looked at", |status| status.observed_generation == Some(1)).await;
    assert_eq!((after.end_date, after.purge_not_before), (status.end_date, status.purge_not_before));
    assert_eq!(crate::life::json(plane, "namespace cf-stays")["metadata"]["uid"], namespace);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_namespace_that_somebody_deleted_is_installed_again_under_the_old_name() {
    let plane = &Plane::with_nothing_of_ours("charts-namespace", Some("none"));
    prepared(plane);
    done(plane, &INSTALL, Some(&usual()));
    let operator = Operator::leading(plane, Faults::default()).await;
    let client = plane.admin().await;
    apply(plane, &[world::namespace("lives"), tenant("lives", json!({}))]);
    condition(&world::tenants(&client), "lives", "Ready", "True").await;
    operator.stop().await;
    let uid = |plane: &Plane| -> Value {
        let wall = crate::life::json(plane, "networkpolicy cloudfarm-default-deny -n cf-lives");
        wall["metadata"]["uid"].clone()
    };
    let wall = uid(plane);
    plane.kubectl(&["delete", "namespace", "cloudfarm-system", "--wait", "--timeout=60s"], None);
    assert_eq!(uid(plane), wall);

    prepared(plane);
    done(plane, &INSTALL, Some(&usual()));
    let operator = Operator::leading(plane, Faults::default()).await;
    apply(plane, &[world::namespace("next"), tenant("next", json!({}))]);
    condition(&world::tenants(&client), "next", "Ready", "True").await;
    assert_eq!(uid(plane), wall);
    operator.stop().await;
}
