//! The process that a CronJob's pod is: its words, its exit codes, its turn.

use std::process::Command;

use cloudfarm::cli::exit;
use cloudfarm::install::{NAMESPACE, PURGE_ACCOUNT, PURGE_LEASE};
use serde_json::json;

use super::support::purge::{Purger, doomed};
use super::{bed, work};

/// What it said, and how it ended.
async fn purge(purger: &Purger, uid: &str, patience: &str) -> (Option<i32>, String) {
    let kubeconfig = purger.desk.plane.kubeconfig_of(PURGE_ACCOUNT, &purger.tenant);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
    command.args(["purge", "--retention", &purger.retention, "--uid", uid, "--patience", patience]);
    command.args(["--identity", &purger.tenant]).env("KUBECONFIG", kubeconfig);
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_waits_for_its_turn_refuses_a_namesake_and_erases() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "process", &[]).await;
    let there = work(&desk, "process").await;
    let now = super::support::desk::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let held = |holder: Option<&str>| {
        let lease =
            json!({"spec": {"holderIdentity": holder, "renewTime": now, "leaseDurationSeconds": 3600}}).to_string();
        desk.plane.kubectl(&["patch", "lease", PURGE_LEASE, "-n", NAMESPACE, "--type=merge", "-p", &lease], None);
    };
    held(Some("another"));
    let (code, said) = purge(&purger, &purger.uid, "3").await;
    assert_eq!(code, Some(i32::from(exit::REFUSED)), "{said}");
    assert!(said.contains("nothing was deleted: another purge has the turn"), "{said}");
    held(None);

    let (code, said) = purge(&purger, "00000000-0000-0000-0000-000000000000", "60").await;
    assert_eq!(code, Some(i32::from(exit::REFUSED)), "{said}");
    assert!(said.contains("a namesake is not purged"), "{said}");
    assert_eq!(work(&desk, "process").await, there);

    let (code, said) = purge(&purger, &purger.uid, "60").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Retention process: Purged: ") && said.contains("looked for again and certified"), "{said}");
    assert!(!driver.holds(&handle) && work(&desk, "process").await.is_empty());
    let holder = desk
        .plane
        .kubectl(&["get", "lease", PURGE_LEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}"], None);
    assert_eq!(holder, "", "the turn is given back");
}
