//! `cloudfarm sessions` as the process that providers run, with the rights of its own service account.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::eventually;
use crate::support::plane::Plane;

/// A running one; dropping it kills it.
pub struct Watcher {
    child: Child,
    log: PathBuf,
    pid: PathBuf,
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

impl Watcher {
    pub fn of_file(plane: &Plane, name: &str, log: &Path) -> Self {
        Self::start(plane, name, &["--audit-log", &log.display().to_string()])
    }

    pub fn of_posts(plane: &Plane, name: &str, port: u16) -> Self {
        let file = |name: &str| plane.dir.join("pki").join(name).display().to_string();
        let (listen, certificate, key) = (format!("127.0.0.1:{port}"), file("kubelet.crt"), file("kubelet.key"));
        let ca = file("ca.crt");
        let tls = ["--tls-certificate", &certificate, "--tls-key", &key, "--client-ca", &ca];
        Self::start(plane, name, &[&["--listen", &listen], &tls[..]].concat())
    }

    fn start(plane: &Plane, name: &str, arguments: &[&str]) -> Self {
        let (account, namespace) = (cloudfarm::sessions::NAME, cloudfarm::sessions::NAMESPACE);
        let token = plane.kubectl(&["create", "token", account, "-n", namespace, "--duration=24h"], None);
        let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
        let mut kubeconfig: Value = serde_json::from_str(&admin).expect("JSON");
        kubeconfig["users"][0]["user"] = serde_json::json!({"token": token.trim()});
        let file = plane.dir.join(format!("{name}.kubeconfig"));
        std::fs::write(&file, kubeconfig.to_string()).expect("a file");
        let log = plane.dir.join(format!("{name}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
            .args(["--log-format", "json", "sessions", "--metrics-listen", "127.0.0.1:0"])
            .args(arguments)
            .env("KUBECONFIG", file)
            .stderr(std::fs::File::create(&log).expect("a log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        // By this file the plane stops it with its servers, should the test die before it does.
        let pid = plane.dir.join("pid").join(format!("sessions@{name}"));
        std::fs::write(&pid, child.id().to_string()).expect("a process id");
        Self { child, log, pid }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it takes events.
    pub async fn listens(&self) {
        eventually("it to listen", || async { self.log().contains("taking audit events").then_some(()) }).await;
    }

    /// Its figures, once they say this.
    pub async fn page_with(&self, line: &str) -> String {
        let address = eventually("its figures", || async {
            let log = self.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let told = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("/metrics"));
            lines.filter(told).find_map(|line| line["address"].as_str().map(str::to_owned))
        })
        .await;
        let last = std::sync::Mutex::new(String::new());
        eventually(&format!("its figures to say {line}"), || async {
            let output = Command::new("curl").args(["-s", &format!("http://{address}/metrics")]).output();
            let page = String::from_utf8_lossy(&output.expect("curl").stdout).into_owned();
            if page.lines().any(|each| each == line) {
                return Some(page);
            }
            let mut last = last.lock().expect("no panic");
            if *last != page {
                eprintln!("{page}");
                *last = page;
            }
            None
        })
        .await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.pid).ok();
    }
}
