//! The operator as a process of its own, one of several replicas.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::audit::CREDENTIAL;
use super::eventually;
use super::plane::Plane;

/// `cloudfarm run` with the rights of its service account.
pub struct Replica {
    pub child: Child,
    log: PathBuf,
    /// By this file the plane stops it with its servers, should the test die before it does.
    pid: PathBuf,
    /// The token's, as in [`super::audit::Call`].
    pub credential: String,
}

impl Replica {
    /// Starts one with a token of its own, by which the audit log tells it from others.
    pub fn start(plane: &Plane, identity: &str) -> Self {
        Self::start_with(plane, identity, "charts/cloudfarm/config.yaml")
    }

    /// The same with another config, a file of the checkout.
    pub fn start_with(plane: &Plane, identity: &str, config: &str) -> Self {
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info,kube_client=warn".into());
        Self::start_logging(plane, identity, std::path::Path::new(config), &filter)
    }

    /// The same with another log level, as in `RUST_LOG`.
    pub fn start_logging(plane: &Plane, identity: &str, config: &std::path::Path, filter: &str) -> Self {
        let file = plane.operator_kubeconfig(identity);
        let (_, whoami) = plane.try_kubectl_with(&file, &["auth", "whoami", "-o", "json"], None);
        let whoami: Value = serde_json::from_str(&whoami).expect("who it is");
        let credential = whoami["status"]["userInfo"]["extra"][CREDENTIAL][0].as_str().expect("a token's").to_owned();
        let log = plane.dir.join(format!("{identity}.log"));
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
            .args(["--log-format", "json", "run", "--listen", "127.0.0.1:0", "--identity", identity, "--config"])
            .arg(root.join(config))
            .env("KUBECONFIG", file)
            .env("RUST_LOG", filter)
            .stderr(std::fs::File::create(&log).expect("a log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let pid = plane.dir.join("pid").join(format!("operator@{identity}"));
        std::fs::write(&pid, child.id().to_string()).expect("a process id");
        Self { child, log, pid, credential }
    }

    /// Log lines; each must be JSON.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// All that it has logged, as it stands.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Has it logged this?
    pub fn said(&self, what: &str) -> bool {
        self.lines().iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(what)))
    }

    /// Waits until it leads.
    pub async fn leads(&self) {
        eventually("the operator to lead", || async { self.said("every declaration is looked at once").then_some(()) })
            .await;
    }

    /// Waits until it has listed everything, whether it leads or stands by.
    pub async fn warm(&self) {
        eventually("warm caches", || async { (self.get("/readyz").await.0 == 200).then_some(()) }).await;
    }

    /// Where it serves.
    pub async fn address(&self) -> String {
        eventually("the server to listen", || async {
            self.lines().iter().find_map(|line| line["address"].as_str().map(str::to_owned))
        })
        .await
    }

    /// An answer of its server: code and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let address = self.address().await;
        let output = Command::new("curl")
            .args(["-s", "-w", "\n%{http_code}", &format!("http://{address}{path}")])
            .output()
            .expect("curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, code) = text.rsplit_once('\n').expect("a code");
        (code.parse().expect("a number"), body.to_owned())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.pid).ok();
    }
}
