//! Cyclonus, which nobody here wrote, as a judge of NetworkPolicies as they are written.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::{Value, json};

/// A pod, or an address outside of the cluster when it has no namespace.
#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Name and address, so that each address of a pod is an endpoint.
    pub name: String,
    pub ip: IpAddr,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub namespace: Value,
    pub namespace_labels: Value,
    pub labels: Value,
}

/// A try from one endpoint to another.
#[derive(Serialize)]
pub struct Flow {
    pub from: String,
    pub to: String,
    pub port: u16,
    pub protocol: String,
}

impl Endpoint {
    /// A pod with these labels.
    pub fn pod(name: &str, ip: IpAddr, namespace: &str, namespace_labels: &Value, labels: &Value) -> Self {
        Self {
            name: format!("{name} ({ip})"),
            ip,
            namespace: namespace.into(),
            namespace_labels: namespace_labels.clone(),
            labels: labels.clone(),
        }
    }

    /// An address that is no pod.
    pub fn outside(name: &str, ip: IpAddr) -> Self {
        let none = json!({});
        Self {
            name: format!("{name} ({ip})"),
            ip,
            namespace: Value::Null,
            namespace_labels: none.clone(),
            labels: none,
        }
    }
}

/// Asks about every flow at once: does it pass?
pub fn ask(policies: &[Value], endpoints: &[Endpoint], flows: &[Flow]) -> Vec<bool> {
    static ORACLE: OnceLock<PathBuf> = OnceLock::new();
    let mut oracle = Command::new(ORACLE.get_or_init(built))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let question = json!({"policies": policies, "endpoints": endpoints, "flows": flows});
    oracle.stdin.take().expect("a pipe").write_all(question.to_string().as_bytes()).expect("asked");
    let output = oracle.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the oracle gave no answer");
    let answers: Vec<bool> = serde_json::from_slice(&output.stdout).expect("a list of answers");
    assert_eq!(answers.len(), flows.len());
    answers
}

/// Builds the oracle once; what is built and about how long it takes goes to standard error.
fn built() -> PathBuf {
    let build = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/build.sh"))
        .arg("oracle")
        .stderr(Stdio::inherit())
        .output()
        .expect("build.sh starts");
    assert!(build.status.success(), "the oracle could not be built");
    PathBuf::from(String::from_utf8_lossy(&build.stdout).trim()).join("oracle")
}
