//! The operator as the process that people run: its flags, its end, its successor.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::process::Command;

use serde_json::json;
use support::eventually;
use support::plane::Plane;
use support::replica::Replica;
use support::world::{self, apply, condition, tenant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_when_the_leader_stops_and_a_killed_one_is_followed_by_the_next() {
    let plane = Plane::shared();
    let client = plane.admin().await;
    let mut leader = Replica::start(plane, "first");
    leader.leads().await;
    let standby = Replica::start(plane, "second");
    eventually("the standby to have warm caches", || async { (standby.get("/readyz").await.0 == 200).then_some(()) })
        .await;
    assert!(!standby.said("every declaration is looked at once"), "two leaders");
    assert_eq!(leader.get("/readyz").await.0, 200);
    assert_eq!(leader.get("/healthz").await.0, 200);

    apply(plane, &[tenant("handed-over", json!({}))]);
    condition(&world::tenants(&client), "handed-over", "Ready", "True").await;
    let metrics = leader.get("/metrics").await.1;
    for figure in [
        "cloudfarm_leader 1",
        "cloudfarm_writes_total{verb=\"create\",kind=\"Namespace\",outcome=\"done\"} 2",
        "cloudfarm_tenant_ready{tenant=\"handed-over\"} 1",
        "cloudfarm_observed_objects",
    ] {
        assert!(metrics.contains(figure), "{figure} is missing in\n{metrics}");
    }
    for secret in ["TEST-000001", "sato"] {
        assert!(!metrics.contains(secret), "{secret} in the metrics");
    }
    let of_the_standby = standby.get("/metrics").await.1;
    assert!(
        of_the_standby.contains("cloudfarm_leader 0") && !of_the_standby.contains("handed-over"),
        "{of_the_standby}"
    );

    leader.signal("-TERM");
    let code = leader.child.wait().expect("it ends");
    assert!(code.success(), "{code}");
    standby.leads().await;
    apply(plane, &[tenant("followed", json!({}))]);
    condition(&world::tenants(&client), "followed", "Ready", "True").await;

    standby.signal("-KILL");
    let next = Replica::start(plane, "third");
    plane.kubectl(&["delete", "networkpolicy", "cloudfarm-default-deny", "-n", "cf-followed"], None);
    next.leads().await;
    eventually("what was deleted meanwhile to be repaired", || async {
        plane
            .try_kubectl(&["get", "networkpolicy", "cloudfarm-default-deny", "-n", "cf-followed"], None)
            .0
            .then_some(())
    })
    .await;
}

#[test]
fn a_missing_or_wrong_config_is_an_error_at_start_that_names_every_fault() {
    let run = |config: &std::path::Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
            .args(["run", "--config"])
            .arg(config)
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(std::path::Path::new("no-such-file.yaml"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no-such-file.yaml") && said.contains("cannot be read"), "{said}");

    let file = std::env::temp_dir().join(format!("cloudfarm-config-{}.yaml", std::process::id()));
    let wrong = "platform: {resolvers: [nowhere], ntp: []}\ncluster: {pods: [], services: [10.96.0.1/16], controlPlane: []}\npurge: {image: x}\n";
    std::fs::write(&file, wrong).expect("a file");
    let (code, said) = run(&file);
    std::fs::remove_file(&file).ok();
    assert_eq!(code, Some(1));
    for fault in ["platform.resolvers: \"nowhere\"", "cluster.pods: is empty", "write 10.96.0.0/16"] {
        assert!(said.contains(fault), "{fault} is missing in {said}");
    }
}
