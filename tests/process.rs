//! The operator as the process that people run: its flags, its end, its successor.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::eventually;
use support::plane::Plane;
use support::world::{self, apply, condition, tenant};

/// `cloudfarm run` with the rights of its service account.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(plane: &Plane, identity: &str) -> Self {
        let file = plane.operator_kubeconfig(identity);
        let log = plane.dir.join(format!("{identity}.log"));
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
            .args(["--log-format", "json", "run", "--listen", "127.0.0.1:0", "--identity", identity, "--config"])
            .arg(root.join("charts/cloudfarm/config.yaml"))
            .env("KUBECONFIG", file)
            .stderr(std::fs::File::create(&log).expect("a log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        Self { child, log }
    }

    /// Log lines; each must be JSON.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    fn said(&self, what: &str) -> bool {
        self.lines().iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(what)))
    }

    async fn leads(&self) {
        eventually("the operator to lead", || async { self.said("every declaration is looked at once").then_some(()) })
            .await;
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let address = eventually("the server to listen", || async {
            self.lines().iter().find_map(|line| line["address"].as_str().map(str::to_owned))
        })
        .await;
        let output = Command::new("curl")
            .args(["-s", "-w", "\n%{http_code}", &format!("http://{address}{path}")])
            .output()
            .expect("curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n').expect("a code");
        (code.parse().expect("a number"), body.to_owned())
    }

    fn signal(&self, signal: &str) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_when_the_leader_stops_and_a_killed_one_is_followed_by_the_next() {
    let plane = Plane::shared();
    let client = plane.admin().await;
    let mut leader = Process::start(plane, "first");
    leader.leads().await;
    let standby = Process::start(plane, "second");
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
        "cloudfarm_api_calls_total{verb=\"create\",kind=\"Namespace\",ok=\"true\"} 2",
        "cloudfarm_observed_objects",
    ] {
        assert!(metrics.contains(figure), "{figure} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("handed-over"), "a customer's name in the metrics");

    leader.signal("-TERM");
    let code = leader.child.wait().expect("it ends");
    assert!(code.success(), "{code}");
    standby.leads().await;
    apply(plane, &[tenant("followed", json!({}))]);
    condition(&world::tenants(&client), "followed", "Ready", "True").await;

    standby.signal("-KILL");
    let next = Process::start(plane, "third");
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
