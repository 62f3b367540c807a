//! Objects that are older than the test.
//!
//! No API lets anybody choose when an object was made, so the object is written into etcd anew as it is, made earlier. The
//! API server reads JSON there for every kind.

use std::io::Write as _;
use std::process::{Command, Stdio};

use k8s_openapi::ByteString;
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use super::desk::now;
use super::plane::Plane;

/// Makes `kind` (`configmaps` or `datavolumes.cdi.kubevirt.io`) `name` so many days old.
pub fn make_older(plane: &Plane, kind: &str, namespace: &str, name: &str, days: i64) {
    let text = plane.kubectl(&["get", kind, "-n", namespace, name, "-o", "json"], None);
    let mut object: Value = serde_json::from_str(&text).expect("JSON");
    let made = now() - SignedDuration::from_hours(24 * days);
    object["metadata"]["creationTimestamp"] = json!(made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    object["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
    let key = match kind.split_once('.') {
        Some((plural, group)) => format!("/registry/{group}/{plural}/{namespace}/{name}"),
        None => format!("/registry/{kind}/{namespace}/{name}"),
    };
    let bytes = |text: String| ByteString(text.into_bytes());
    put(plane, &json!({"key": bytes(key), "value": bytes(object.to_string())}));
}

fn put(plane: &Plane, entry: &Value) {
    let port = std::fs::read_to_string(plane.dir.join("port")).expect("the plane's first port, which is etcd's");
    let url = format!("http://127.0.0.1:{}/v3/kv/put", port.trim());
    let mut curl = Command::new("curl")
        .args(["--silent", "--fail-with-body", "--data-binary", "@-", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("curl runs");
    curl.stdin.take().expect("a pipe").write_all(entry.to_string().as_bytes()).expect("written");
    assert!(curl.wait().expect("curl ends").success(), "etcd took it");
}
