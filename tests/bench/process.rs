//! The release binary as a process of its own.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::eventually;
use crate::support::plane::Plane;

pub struct OperatorProcess {
    child: Child,
}

impl OperatorProcess {
    /// Starts it with the token of its service account and waits until it is ready.
    pub async fn start(plane: &Plane) -> Self {
        let kubeconfig = plane.operator_kubeconfig("bench");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let log = std::fs::File::create(plane.dir.join("operator.log")).expect("log");
        let child = Command::new(root.join("target/release/cloudfarm"))
            .args(["--log-format", "json", "run", "--listen", "127.0.0.1:0", "--identity", "bench"])
            .arg("--config")
            .arg(root.join("charts/cloudfarm/config.yaml"))
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("target/release/cloudfarm: build it first");
        let process = Self { child };
        let log = plane.dir.join("operator.log");
        eventually("the operator to lead", || async {
            let said = std::fs::read_to_string(&log).ok()?;
            said.contains("every declaration is looked at once").then_some(())
        })
        .await;
        process
    }

    /// Resident memory now, in MB of 1,000,000 bytes.
    pub fn resident_mb(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most it ever had.
    pub fn peak_mb(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// Resident memory once it has stopped computing.
    pub async fn settled_mb(&self) -> f64 {
        let mut last = self.cpu_ticks();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.cpu_ticks();
            if now - last <= 2 {
                return self.resident_mb();
            }
            last = now;
        }
    }

    /// Asks it to stop, and waits until it holds the lease no longer.
    pub async fn terminate(&self) {
        Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        let stat = format!("/proc/{}/stat", self.child.id());
        eventually("the operator to end", || async {
            std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z")).then_some(())
        })
        .await;
    }

    /// Stops it well.
    pub async fn stop(mut self) {
        self.terminate().await;
        tokio::task::spawn_blocking(move || self.child.wait()).await.expect("joined").expect("it ends");
    }

    fn status(&self, field: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = text.lines().find(|line| line.starts_with(field)).expect("a line");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
        kib * 1024.0 / 1e6
    }

    fn cpu_ticks(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = text.rsplit(')').next().expect("fields").split_whitespace().collect();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
    }
}
