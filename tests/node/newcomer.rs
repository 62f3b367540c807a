//! What stands there after `helm install`, and what becomes of a first tenant.

use std::path::Path;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::figures::{mebibytes, now, seconds, tell};
use super::image::profile;
use super::installation::{Installation, NAMESPACE, name};
use super::support::eventually;
use super::support::world::{self, condition, message, tenant};

/// A line of `/proc/PID/status`.
fn status_of(process: &Path, field: &str) -> String {
    let text = std::fs::read_to_string(process.join("status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

/// When the operator first wrote anything, by the API server's word.
fn first_write(installation: &Installation) -> Option<Timestamp> {
    let log = std::fs::read_to_string(installation.plane.dir.join("audit.log")).expect("an audit log");
    let calls = log.lines().filter(|line| line.contains(cloudfarm::install::OPERATOR));
    let writes = calls.filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|call| {
        let verb = call["verb"].as_str().unwrap_or_default();
        call["user"]["username"] == cloudfarm::install::OPERATOR && ["create", "update", "patch"].contains(&verb)
    });
    writes.filter_map(|call| call["requestReceivedTimestamp"].as_str()?.parse().ok()).min()
}

#[test]
fn helm_install_brings_up_two_replicas_that_kubelet_confines_as_the_restricted_level_says() {
    super::in_turn(async |installation: &Installation| {
        let node = installation.node;
        let leader = installation.leader().await;
        for pod in installation.both_ready().await {
            let process = node.process_of(NAMESPACE, &pod);
            for (field, value) in
                [("Uid", "65532"), ("CapEff", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")]
            {
                assert_eq!(status_of(&process, field), value, "{field} of {pod}");
            }
            let mounts = std::fs::read_to_string(process.join("mountinfo")).expect("its mounts");
            let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
            assert!(root.split(' ').nth(5).is_some_and(|options| options.starts_with("ro")), "{root}");
            let who = if pod == leader { "leader" } else { "standby" };
            tell(&format!("memory of the {who} ({} build)", profile()), &mebibytes(node.memory(NAMESPACE, &pod)));
        }
        let first = eventually("a write in the audit log", async || first_write(installation)).await;
        let oldest = installation.pods().iter().map(|pod| node.age(NAMESPACE, &name(pod))).max().expect("a pod");
        tell("container start -> first write (its lease)", &seconds(oldest - now().duration_since(first)));
    });
}

#[test]
fn a_first_tenant_gets_its_walls_and_says_what_this_cluster_lacks() {
    super::in_turn(async |installation: &Installation| {
        let plane = installation.plane;
        let client = plane.admin().await;
        let began = now();
        world::apply(plane, &[tenant("first", json!({}))]);
        condition(&world::tenants(&client), "first", "Ready", "True").await;
        tell("kubectl apply of a tenant -> Ready", &seconds(now().duration_since(began)));
        for (kind, object) in [("networkpolicy", "cloudfarm-default-deny"), ("resourcequota", "cloudfarm")] {
            installation.node.object(kind, "cf-first", object);
        }

        plane.kubectl(&["apply", "--server-side", "-f", "examples/quickstart.yaml"], None);
        let quickstart = condition(&world::tenants(&client), "quickstart", "Ready", "False").await;
        assert!(message(&quickstart, "Ready").contains("KubeVirt"), "{:#}", quickstart["status"]);
        let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
        assert!(installation.pods().iter().all(|pod| restarts(pod).is_some()));
        assert_eq!(installation.both_ready().await.len(), 2);
    });
}
