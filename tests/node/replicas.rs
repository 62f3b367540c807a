//! Replicas that are killed, deleted and misconfigured.

use serde_json::{Value, json};

use super::figures::{now, seconds, tell};
use super::in_turn;
use super::installation::{Installation, NAMESPACE, name};
use super::support::eventually;
use super::support::world::{self, condition, tenant};

fn restarts(pod: &Value) -> u64 {
    pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default()
}

/// Makes a tenant and waits for its walls: somebody leads, and sees.
async fn serves(installation: &Installation, name: &str) {
    world::apply(installation.plane, &[tenant(name, json!({}))]);
    condition(&world::tenants(&installation.plane.admin().await), name, "Ready", "True").await;
}

#[test]
fn a_killed_leader_is_started_again_and_goes_on() {
    in_turn(async |installation: &Installation| {
        installation.both_ready().await;
        let leader = installation.leader().await;
        let before = restarts(&installation.node.object("pod", NAMESPACE, &leader));
        let killed = now();
        installation.node.kill(NAMESPACE, &leader);
        serves(installation, "after-a-kill").await;
        let took = now().duration_since(killed);
        tell("leader killed -> a new tenant is Ready", &seconds(took));
        eventually("kubelet to start it again", || {
            let pod = installation.node.object("pod", NAMESPACE, &leader);
            async move { (restarts(&pod) > before).then_some(()) }
        })
        .await;
        installation.both_ready().await;
    });
}

#[test]
fn a_leader_that_stands_still_is_followed_by_the_standby_and_comes_back_as_one() {
    in_turn(async |installation: &Installation| {
        installation.both_ready().await;
        let leader = installation.leader().await;
        let stopped = now();
        installation.node.freeze(NAMESPACE, &leader);
        eventually("the standby to lead", || async { (installation.leader().await != leader).then_some(()) }).await;
        tell("leader frozen -> the standby leads", &seconds(now().duration_since(stopped)));
        serves(installation, "after-a-freeze").await;
        installation.node.thaw(NAMESPACE, &leader);
        installation.both_ready().await;
        assert_ne!(installation.leader().await, leader);
    });
}

#[test]
fn a_deleted_leader_hands_over_and_ends_by_itself_before_its_time_is_up() {
    in_turn(async |installation: &Installation| {
        installation.both_ready().await;
        let leader = installation.leader().await;
        let follow = std::process::Command::new(installation.plane.dir.join("bin/kubectl"))
            .args(["logs", "--follow", &leader, "-n", NAMESPACE])
            .env("KUBECONFIG", installation.plane.dir.join("kubeconfig"))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("kubectl");
        let asked = now();
        installation.plane.kubectl(&["delete", "pod", &leader, "-n", NAMESPACE, "--wait=false"], None);
        eventually("another to lead", || async { (installation.leader().await != leader).then_some(()) }).await;
        tell("leader deleted -> another leads", &seconds(now().duration_since(asked)));
        eventually("the pod to be gone", || async {
            (!installation.pods().iter().any(|pod| name(pod) == leader)).then_some(())
        })
        .await;
        let took = now().duration_since(asked);
        tell("leader deleted -> its pod is gone", &seconds(took));
        assert!(took.as_secs() < 25, "it was killed when its 30 s were up: {took:?}");
        let said = String::from_utf8_lossy(&follow.wait_with_output().expect("the log").stdout).into_owned();
        assert!(said.contains("stopping: ") && said.contains("released leadership lease"), "{said}");
        serves(installation, "after-a-drain").await;
        installation.both_ready().await;
    });
}

#[test]
fn a_deleted_standby_does_not_wait_for_a_lease_that_it_never_had() {
    in_turn(async |installation: &Installation| {
        let leader = installation.leader().await;
        let two = installation.both_ready().await;
        let standby = two.iter().find(|pod| **pod != leader).expect("a standby").clone();
        let asked = now();
        installation.plane.kubectl(&["delete", "pod", &standby, "-n", NAMESPACE], None);
        let took = now().duration_since(asked);
        tell("standby deleted -> its pod is gone", &seconds(took));
        assert!(took.as_secs() < 15, "{took:?}");
        installation.both_ready().await;
        assert_eq!(installation.leader().await, leader);
    });
}

#[test]
fn a_wrong_config_is_told_by_the_new_pod_and_the_old_ones_go_on() {
    in_turn(async |installation: &Installation| {
        let before = installation.both_ready().await;
        let wrong = installation.values(&json!({"config": {"cluster": {"services": ["10.96.0.1/16"]}}}));
        installation.helm_says(&["upgrade", "cloudfarm", "charts/cloudfarm", "-n", NAMESPACE, "-f", &wrong]);
        let told = eventually("the new pod to say what is wrong", || {
            let pods = installation.pods();
            let new = pods.into_iter().find(|pod| !before.contains(&name(pod)));
            let told = new.and_then(|pod| {
                let state = &pod["status"]["containerStatuses"][0];
                let ended = [&state["lastState"]["terminated"], &state["state"]["terminated"]];
                let message = ended.into_iter().find_map(|ended| Some(ended["message"].as_str()?.to_owned()))?;
                Some((name(&pod), message))
            });
            async move { told }
        })
        .await;
        let names_it = |said: &str| said.contains("cluster.services") && said.contains("10.96.0.0/16");
        assert!(names_it(&told.1), "{}", told.1);
        // Kubelet starts it again and again: a log that has just begun is empty.
        eventually("the pod's log to say so too", || {
            let log = installation.plane.kubectl(&["logs", &told.0, "-n", NAMESPACE], None);
            async move { names_it(&log).then_some(()) }
        })
        .await;
        assert_eq!(installation.ready(), before, "the old ones go on");
        serves(installation, "meanwhile").await;

        installation.helm_says(&["rollback", "cloudfarm", "-n", NAMESPACE]);
        eventually("the wrong pod to be gone", || {
            let left = installation.pods().len();
            async move { (left == 2).then_some(()) }
        })
        .await;
        installation.both_ready().await;
    });
}
