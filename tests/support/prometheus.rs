//! Prometheus and promtool: those of the machine, or Debian's unpacked into the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::eventually;

/// The alert rules that the chart carries.
pub fn alerts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cloudfarm/alerts.yaml")
}

/// The rules themselves, in order.
pub fn rules() -> Vec<Value> {
    let text = std::fs::read_to_string(alerts()).expect("alerts.yaml");
    let file: Value = serde_saphyr::from_str(&text).expect("YAML");
    let groups = file["groups"].as_array().expect("groups").iter();
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The dashboards that the chart carries, by file name.
pub fn dashboards() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cloudfarm/dashboards");
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("JSON"))
    };
    files.map(read).collect()
}

/// Title and query of every target of a dashboard.
pub fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let of = |panel: &Value| -> Vec<(String, String)> {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let text = |target: &Value| target["expr"].as_str().expect("a query").to_owned();
        targets.iter().map(|target| (title.clone(), text(target))).collect()
    };
    panels.flat_map(of).collect()
}

/// One of the two programs.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts/prometheus.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output().expect("the script starts");
        assert!(output.status.success(), "tests/alerts/prometheus.sh failed");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    });
    folder.join(name)
}

/// promtool; whether it was content, and what it said.
pub fn promtool(arguments: &[&str], stdin: Option<&Path>) -> (bool, String) {
    let mut command = Command::new(program("promtool"));
    command.args(arguments);
    if let Some(file) = stdin {
        command.stdin(std::fs::File::open(file).expect("a file"));
    }
    let output = command.output().expect("promtool");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// A Prometheus on loopback that asks one address every second and plays the alert rules.
pub struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    pub fn start(dir: &Path, target: &str) -> Self {
        // A port that was free a moment ago; whoever takes it meanwhile fails the test, which is seen.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        let config = serde_json::json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [alerts()],
            "scrape_configs": [{"job_name": "cloudfarm", "static_configs": [{"targets": [target]}]}],
        });
        let file = dir.join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).expect("a file");
        let log = std::fs::File::create(dir.join("prometheus.log")).expect("a log");
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        Self { child, address }
    }

    fn get(&self, path: &str, query: Option<&str>) -> Option<Value> {
        let mut command = Command::new("curl");
        command.args(["-s", "-G", &format!("http://{}{path}", self.address)]);
        if let Some(query) = query {
            command.arg("--data-urlencode").arg(format!("query={query}"));
        }
        serde_json::from_slice(&command.output().expect("curl").stdout).ok()
    }

    /// What a query returns now; a query that cannot be answered fails the test.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let answer = self.get("/api/v1/query", Some(query)).expect("Prometheus answers");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a query returns something.
    pub async fn until(&self, query: &str) {
        eventually(&format!("Prometheus to answer {query}"), || async {
            let answer = self.get("/api/v1/query", Some(query))?;
            answer["data"]["result"].as_array().filter(|found| !found.is_empty()).map(|_| ())
        })
        .await;
    }

    /// How each rule does: `ok`, or what is wrong with it.
    pub fn health(&self) -> BTreeMap<String, String> {
        let answer = self.get("/api/v1/rules", None).expect("Prometheus answers");
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        rules.map(|rule| (text(&rule["name"]), text(&rule["health"]) + &text(&rule["lastError"]))).collect()
    }

    /// Names of alerts that fire or are about to.
    pub fn alarmed(&self) -> BTreeSet<String> {
        self.query("ALERTS").iter().map(|alert| text(&alert["metric"]["alertname"])).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
