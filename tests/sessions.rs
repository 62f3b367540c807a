//! `cloudfarm sessions` beside a real API server: by its log file, and posted to by its webhook. KubeVirt's virt-api is a
//! stand-in (`sessions/virt_api.rs`), since the real one opens no console without a hypervisor; between it and the person
//! are the API server's own proxy, authorization and audit. The operator does not run: what it would write of a grant is
//! written in its name.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "sessions/bed.rs"]
mod bed;
#[path = "sessions/virt_api.rs"]
mod virt_api;
#[path = "sessions/watcher.rs"]
mod watcher;

use std::path::{Path, PathBuf};

use bed::{Bed, Person};
use serde_json::{Value, json};
use support::eventually;
use support::plane::Plane;
use watcher::Watcher;

/// A record's entries: who (and in whose name), what, and whether it is over.
fn entries(record: &Value) -> Vec<(String, String, bool)> {
    let data = record["data"].as_object().cloned().unwrap_or_default();
    let entry = |text: &Value| -> Value { serde_json::from_str(text.as_str().expect("text")).expect("JSON") };
    let word = |entry: &Value, field: &str| entry[field].as_str().expect("a word").to_owned();
    let who = |entry: &Value| match entry["inTheNameOf"].as_str() {
        Some(other) => format!("{} as {other}", word(entry, "user")),
        None => word(entry, "user"),
    };
    let all = data.values().map(entry);
    all.map(|entry| (who(&entry), word(&entry, "action"), entry["endedAt"].is_string())).collect()
}

const CONSOLE: &str = "get virtualmachineinstances/console";
const VNC: &str = "get virtualmachineinstances/vnc";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_with_a_stand_in_for_virt_api_are_on_the_grant_that_was_open_and_others_on_record_over_a_kill() {
    let bed = Bed::new(Plane::shared()).await;
    bed.tenant("acme");
    let [suzuki, sato, tanaka] = ["suzuki", "sato", "tanaka"].map(|name| Person::new(bed.plane, name));
    bed.staff("suzuki");
    bed.customer("acme", "sato");
    bed.grant("acme", "visit", &["plum"], &["Console"]);
    let log = bed.plane.dir.join("audit.log");
    let watcher = Watcher::of_file(bed.plane, "file-1", &log);

    // One that is open is seen while it is open.
    let door = suzuki.enters("acme", "plum", "console", "").await;
    assert_eq!(door.code, 101);
    let open = bed.sessions("acme", "visit", 1).await;
    assert!(open[0]["endedAt"].is_null() && open[0]["user"] == "suzuki" && open[0]["vm"] == "plum", "{open:?}");
    assert_eq!(open[0]["action"], CONSOLE);

    // Killed; meanwhile it ends, and others come.
    drop(watcher);
    drop(door);
    let id = open[0]["auditId"].as_str().expect("an id");
    assert_eq!(suzuki.enters("acme", "plum", "console", id).await.code, 101, "the same audit id once more");
    assert_eq!(suzuki.enters("acme", "plum", "vnc", "").await.code, 101, "what the grant does not say");
    assert_eq!(sato.enters("acme", "plum", "console", "").await.code, 101, "the customer's own");
    assert_eq!(tanaka.enters("acme", "plum", "console", "").await.code, 403, "nobody let in");
    assert_eq!(suzuki.asks("acme", "plum", "guestosinfo").await, 200);
    bed.in_anothers_name("acme", "plum", "console", "sato");
    assert_eq!(suzuki.asks("acme", "nowhere", "guestosinfo").await, 404);

    let watcher = Watcher::of_file(bed.plane, "file-2", &log);
    let sessions = eventually("both sessions to be over", || async {
        let sessions = bed.sessions("acme", "visit", 2).await;
        sessions.iter().all(|session| session["endedAt"].is_string()).then_some(sessions)
    })
    .await;
    assert!(sessions.iter().all(|session| session["auditId"] == id && session["user"] == "suzuki"), "{sessions:?}");
    let expected = [
        ("admin as sato", CONSOLE, true),
        ("suzuki", "get virtualmachineinstances/guestosinfo", true),
        ("suzuki", VNC, true),
    ]
    .map(|(who, what, over)| (who.to_owned(), what.to_owned(), over));
    let record = bed.record("acme", 3).await;
    let mut found = entries(&record);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(bed.events("acme"), 3);
    let page = watcher.page_with("cloudfarm_sessions_unapproved_total 3").await;
    for name in ["suzuki", "sato", "acme", "plum"] {
        assert!(!page.contains(name), "{name} in the metrics");
    }

    // Read all over again: nothing twice, and nothing written.
    drop(watcher);
    let before = bed.written("acme", "visit");
    let again = Watcher::of_file(bed.plane, "file-3", &log);
    // A VM that is off: the person gets virt-api's refusal, through a connection of which the API server says 101.
    assert_eq!(suzuki.enters("acme", "off", "vnc", "").await.code, 409);
    let record = bed.record("acme", 4).await;
    assert_eq!(record["data"].as_object().map(serde_json::Map::len), Some(4));
    let page = again.page_with("cloudfarm_sessions_unapproved_total 1").await;
    assert!(page.contains("cloudfarm_sessions_granted_total 0") && page.contains("cloudfarm_sessions_working 1"));
    let after = bed.written("acme", "visit");
    assert_eq!(before.0, after.0, "the grant is as it was");
    assert_eq!(bed.events("acme"), 4);
    for line in again.log().lines().filter(|line| line.contains("access without")) {
        assert!(!line.contains("suzuki"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posted_events_of_a_stand_in_for_virt_api_come_to_the_same_and_those_of_a_killed_one_come_again() {
    let plane: &'static Plane = Box::leak(Box::new(Plane::start("posted", Some("none"))));
    let port = watcher::free_port();
    posts_to(plane, port).await;
    let bed = Bed::new(plane).await;
    bed.tenant("acme");
    let suzuki = Person::new(plane, "suzuki");
    bed.staff("suzuki");
    bed.grant("acme", "visit", &["plum"], &["Console"]);
    let watcher = Watcher::of_posts(plane, "posts-1", port);
    watcher.listens().await;
    drop(suzuki.enters("acme", "plum", "console", "").await);
    let sessions = bed.sessions("acme", "visit", 1).await;
    assert!(sessions[0]["endedAt"].is_string(), "{sessions:?}");

    // Nobody without an API server's certificate is heard.
    let pki = plane.dir.join("pki");
    assert!(!posted(port, &pki, None), "a stranger was heard");
    assert!(posted(port, &pki, Some("kubelet-client")), "the API server's certificate was not");

    drop(watcher);
    drop(suzuki.enters("acme", "plum", "vnc", "").await);
    let _watcher = Watcher::of_posts(plane, "posts-2", port);
    let record = bed.record("acme", 1).await;
    assert_eq!(entries(&record), [("suzuki".to_owned(), VNC.to_owned(), true)]);
    assert_eq!(bed.sessions("acme", "visit", 1).await.len(), 1);
    assert_eq!(bed.events("acme"), 1);
}

/// Has the plane's API server post its events to this port of this machine.
async fn posts_to(plane: &Plane, port: u16) {
    let pki = plane.dir.join("pki");
    let file = |name: &str| pki.join(name).display().to_string();
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("https://127.0.0.1:{port}/audit"), "certificate-authority": file("ca.crt")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "users": [{"name": "c", "user": {"client-certificate": file("kubelet-client.crt"), "client-key": file("kubelet-client.key")}}]});
    std::fs::write(plane.dir.join("audit-webhook.kubeconfig"), kubeconfig.to_string()).expect("a file");
    plane.signal("kube-apiserver", "-TERM");
    plane.ended("kube-apiserver").await;
    plane.up_again();
    plane.our_crds_established();
}

/// An empty batch, with this certificate or none: whether it was taken.
fn posted(port: u16, pki: &Path, certificate: Option<&str>) -> bool {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sf", "--cacert"]).arg(pki.join("ca.crt")).args(["-d", r#"{"items": []}"#]);
    if let Some(name) = certificate {
        let file = |ending: &str| -> PathBuf { pki.join(format!("{name}.{ending}")) };
        curl.arg("--cert").arg(file("crt")).arg("--key").arg(file("key"));
    }
    let url = format!("https://127.0.0.1:{port}/audit");
    curl.arg(url).output().expect("curl").status.success()
}

#[test]
fn the_test_beds_own_audit_policy_has_the_rules_that_a_provider_is_told_to_set() {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
        serde_saphyr::from_str(&text).expect("YAML")
    };
    let (example, bed) = (read("examples/audit-policy.yaml"), read("tests/controlplane/conf/audit-policy.yaml"));
    let rules = example["rules"].as_array().expect("rules");
    assert!(example["omitStages"].is_null() && bed["omitStages"].is_null(), "RequestReceived is a console's begin");
    assert_eq!(bed["rules"][0], rules[0]);
    assert!(rules.iter().all(|rule| rule["level"] == "Metadata"), "never a body");
    // What the others ask for the bed logs as well, by rules that fit more.
    let last = &bed["rules"].as_array().expect("rules")[bed["rules"].as_array().map_or(0, Vec::len) - 1];
    assert_eq!(last, &json!({"level": "Metadata", "omitStages": ["RequestReceived"]}));
}

#[test]
fn a_missing_source_or_half_a_tls_set_up_is_told_at_once() {
    let run = |arguments: &[&str]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
        let output = program.arg("sessions").args(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("--audit-log"), "{said}");
    let (code, said) = run(&["--listen", "127.0.0.1:0", "--tls-key", "none.key"]);
    assert!(code == Some(2) && said.contains("--client-ca"), "{said}");
    let tls = ["--tls-certificate", "none.crt", "--tls-key", "none.key", "--client-ca", "none.ca"];
    let (code, said) = run(&[&["--listen", "127.0.0.1:0"], &tls[..]].concat());
    assert!(code == Some(1) && said.contains("none.ca"), "{said}");
}
