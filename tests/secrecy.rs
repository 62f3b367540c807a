//! What nobody may read anywhere (I9): application IDs, passwords, what guests start from, mail addresses, keys. They are
//! planted where people put them, the operator works with them at debug level, and then everything that can be read of the
//! system is searched.
//!
//! Where they may stand: in Secrets' data, and in the Tenant's own spec what is written there by hand (the addresses of its
//! people, and an application ID of those who do not use a Secret for it). The API server's audit log is the cluster's own.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::command::{root, run};
use support::plane::Plane;
use support::replica::Replica;
use support::world::{self, apply, condition, machine, network, secret, tenant};

const INLINE: &str = "PLANTEDINLINE-0001";
const HIDDEN: &str = "PLANTEDHIDDEN-0002";
const PLANTED: [&str; 9] = [
    INLINE,
    HIDDEN,
    "planted wrong id",
    "planted-smtp-password",
    "planted-guest-password",
    "planted-include.example",
    "planted-mail@customer.example",
    "planted-login-password",
    "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed",
];

/// What is there to be found, and where it was.
#[derive(Default)]
struct Search(Vec<String>);

impl Search {
    /// Looks for everything that was planted, as it is and as a Secret would show it.
    fn through(&mut self, place: &str, text: &str) {
        for (number, planted) in PLANTED.iter().enumerate() {
            let encoded = STANDARD.encode(planted);
            if text.contains(planted) || text.contains(encoded.trim_end_matches('=')) {
                self.0.push(format!("{place}: planted {number}"));
            }
        }
    }
}

/// One customer whose people have that mail address and whose VM starts from that Secret.
fn customer(name: &str, application: &Value) -> Value {
    let mut vm = machine("web", &["front"]);
    vm["userDataSecret"] = json!("start");
    let person = |name: &str| json!({"username": name, "email": "planted-mail@customer.example", "role": "PrivilegedAdministrator"});
    let mut contract = application.clone();
    contract["endDate"] = json!("2099-12-31");
    let mut manifest = tenant(
        name,
        json!({
            "administrators": [person("sato"), person("ito")],
            "authentication": {"mode": "Local", "local": {"passwordSecretRef": {"name": "login", "key": "password"}}},
            "virtualMachines": [vm],
        }),
    );
    world::merge(&mut manifest["spec"]["contract"], contract);
    manifest
}

fn from_a_secret() -> Value {
    json!({"applicationId": null, "applicationIdFrom": {"name": "application", "key": "id"}})
}

/// Everything that the API server lists, each object for itself; what may stand where it is has been taken out.
fn objects(plane: &Plane) -> Vec<(String, String)> {
    let kinds = plane.kubectl(&["api-resources", "--verbs=list", "-o", "name"], None);
    let mut found = Vec::new();
    for kind in kinds.split_whitespace() {
        let (listed, text) = plane.try_kubectl(&["get", kind, "-A", "-o", "json", "--show-managed-fields"], None);
        assert!(listed || text.contains("MethodNotAllowed"), "{kind}: {text}");
        let Ok(list) = serde_json::from_str::<Value>(&text) else { continue };
        for mut object in list["items"].as_array().cloned().unwrap_or_default() {
            let name = format!("{kind} {}/{}", object["metadata"]["namespace"], object["metadata"]["name"]);
            if kind == "secrets" {
                object["data"] = Value::Null;
            }
            if kind == "tenants.cloudfarm.dev" {
                object["spec"]["contract"]["applicationId"] = Value::Null;
                for person in object["spec"]["administrators"].as_array_mut().into_iter().flatten() {
                    person["email"] = Value::Null;
                }
            }
            found.push((name, object.to_string()));
        }
    }
    found
}

fn program(plane: &Plane, words: &[&str], stdin: &str) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
    command.args(words).env("KUBECONFIG", plane.dir.join("kubeconfig")).env("RUST_LOG", "debug");
    run(&mut command, stdin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_planted_can_be_read_anywhere_but_where_it_was_put() {
    let plane = Plane::start("secrecy", None);
    let client = plane.admin().await;
    let key = plane.dir.join("application-id.key");
    std::fs::write(&key, format!("{}\n", PLANTED[8])).expect("a key");
    let shipped = std::fs::read_to_string(root().join("charts/cloudfarm/config.yaml")).expect("the shipped config");
    let config = plane.dir.join("config.yaml");
    std::fs::write(&config, format!("{shipped}\napplicationId: {{keyFile: {}}}\n", key.display())).expect("a config");
    let operator = Replica::start_logging(&plane, "talkative", &config, "debug");
    operator.leads().await;

    let names = ["inline", "hidden", "refused"];
    apply(&plane, &names.map(world::namespace));
    let guest = "#cloud-config\nwrite_files: [{path: /etc/app, content: planted-guest-password}]\n";
    let include = "#include\nhttps://planted-include.example/\n";
    let mut secrets = vec![
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "smtp", "namespace": "cloudfarm-system"},
               "stringData": {"password": "planted-smtp-password"}}),
        secret("hidden", "application", &json!({"id": format!("{HIDDEN}\n")})),
        secret("refused", "application", &json!({"id": "planted wrong id"})),
    ];
    for (name, data) in [("inline", guest), ("hidden", guest), ("refused", include)] {
        secrets.push(secret(name, "start", &json!({"userdata": data})));
        secrets.push(secret(name, "login", &json!({"password": "planted-login-password"})));
    }
    apply(&plane, &secrets);
    let written = json!({"applicationId": INLINE});
    let tenants =
        [customer("inline", &written), customer("hidden", &from_a_secret()), customer("refused", &from_a_secret())];
    apply(&plane, &tenants);
    apply(&plane, &names.map(|name| network(name, "front", json!({}))));
    let api = world::tenants(&client);
    let mut hashes = Vec::new();
    for (name, id) in [("inline", INLINE), ("hidden", HIDDEN)] {
        condition(&api, name, "GuestFloor", "True").await;
        let found = condition(&api, name, "ApplicationIdHashed", "True").await;
        let key = key.to_str().expect("a path");
        let (said, hash, complaint) = program(&plane, &["application-id", "--key", key], &format!("{id}\n"));
        assert!(said, "{complaint}");
        assert_eq!(found["status"]["applicationIdHash"], hash.trim(), "{name}");
        let selector = format!("status.applicationIdHash={}", hash.trim());
        let by_hash = plane.kubectl(&["get", "tenants", "--field-selector", &selector, "-o", "name"], None);
        assert_eq!(by_hash.trim(), format!("tenant.cloudfarm.dev/{name}"));
        hashes.push(hash);
    }
    assert_ne!(hashes[0], hashes[1]);
    condition(&api, "refused", "ApplicationIdHashed", "False").await;
    condition(&api, "refused", "GuestFloor", "False").await;

    let mut search = Search::default();
    // The search finds what it looks for, where it may stand.
    search.through("control", &plane.kubectl(&["get", "tenants", "-o", "json"], None));
    search.through("control", &plane.kubectl(&["get", "secrets", "-A", "-o", "json"], None));
    assert!(search.0.len() >= 5, "the search itself is blind: {:?}", search.0);
    search.0.clear();

    let log = operator.log();
    assert!(log.contains("\"DEBUG\"") && log.contains("hidden"), "the operator logs at debug level");
    search.through("the operator's log", &log);
    search.through("/metrics", &operator.get("/metrics").await.1);
    let objects = objects(&plane);
    assert!(objects.iter().any(|(name, _)| name.starts_with("events")), "Events are among what is searched");
    for (name, text) in &objects {
        search.through(name, text);
    }
    let manifests = tenants.map(|tenant| format!("---\n{tenant}\n")).concat();
    for (words, stdin) in [
        (&["render", "-f", "-"][..], manifests.as_str()),
        (&["check", "inline"], ""),
        (&["check", "hidden", "-o", "json"], ""),
        (&["authentication"], ""),
        // A slip is no reason to repeat it.
        (&["application-id", "--key", key.to_str().expect("a path")], "planted wrong id"),
    ] {
        let (_, output, complaint) = program(&plane, words, stdin);
        assert!(!output.is_empty() || !complaint.is_empty(), "{words:?} says nothing");
        search.through(&format!("cloudfarm {}", words[0]), &(output + &complaint));
    }
    assert!(search.0.is_empty(), "{}", search.0.join("\n"));
}
