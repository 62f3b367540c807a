//! `cloudfarm check` on a real API server: what a tenant that the operator made is told, and that every check fails once
//! the thing it is about is broken.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::eventually;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, network, tenant};

/// Tenants that are broken, each in its own way, and two that are left alone.
const TENANTS: [&str; 16] = [
    "whole", "next", "label", "bare", "quota", "edits", "roles", "raises", "nodes", "visits", "keeps", "open", "leaks",
    "stray", "empty", "seen",
];

/// A plane with the tenants that an operator has made, which has ended then: it would mend what is broken.
fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = Plane::start("check", None);
        std::thread::scope(|scope| {
            let made = scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().expect("runtime");
                runtime.block_on(made(&plane));
            });
            made.join().expect("the tenants are made");
        });
        plane
    })
}

async fn made(plane: &Plane) {
    let operator = Operator::start(plane).await;
    let class = |name: &str, policy: &str| {
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": "kwok.x-k8s.io/volume", "reclaimPolicy": policy,
        })
    };
    let auditor = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-auditor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "auditor"}],
    });
    apply(plane, &[class("retaining", "Retain"), auditor]);
    for name in TENANTS {
        let class = if name == "keeps" { "retaining" } else { "cf-jp-encrypted" };
        let person = json!({
            "username": format!("sato-{name}"), "email": "sato@customer.example", "role": "PrivilegedAdministrator",
        });
        apply(
            plane,
            &[
                world::namespace(name),
                tenant(name, json!({"administrators": [person], "residency": {"storageClassNames": [class]}})),
                network(name, "dmz", json!({})),
            ],
        );
    }
    let client = plane.admin().await;
    for name in TENANTS {
        condition(&world::tenants(&client), name, "WallsReady", "True").await;
        condition(&world::tenants(&client), name, "QuotaEnforced", "True").await;
        condition(&world::networks(&client, name), "dmz", "Ready", "True").await;
        let account = || async {
            plane.try_kubectl(&["get", "sa", "default", "-n", &format!("cf-{name}")], None).0.then_some(())
        };
        eventually("the namespace's service account", account).await;
    }
    operator.stop().await;
    // Our own policy refuses a stranger's pod before anything else does; here what stands behind it is to be seen.
    plane.kubectl(&["delete", "validatingadmissionpolicybinding", "cloudfarm-pod-creation"], None);
    // Where nobody is bound yet.
    plane.kubectl(&["delete", "rolebindings", "--all", "-n", "cf-empty"], None);
}

/// A kubeconfig that signs in as somebody.
fn kubeconfig(person: &str) -> PathBuf {
    let plane = plane();
    let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut config: Value = serde_json::from_str(&admin).expect("JSON");
    config["users"][0]["user"]["as"] = json!(person);
    let file = plane.dir.join(format!("{person}-{:?}.kubeconfig", std::thread::current().id()));
    std::fs::write(&file, config.to_string()).expect("a file");
    file
}

/// `cloudfarm check …` as somebody: exit code, standard output, standard error.
fn check(person: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
    let output =
        program.arg("check").args(words).arg("--kubeconfig").arg(kubeconfig(person)).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    // Shown with --nocapture, and when a test fails.
    println!("$ cloudfarm check {} # as {person}\n{said}{complaint}", words.join(" "));
    (output.status.code(), said, complaint)
}

/// Every id with its outcome, and the exit code.
fn outcomes(person: &str, tenant: &str) -> (BTreeMap<String, String>, Option<i32>) {
    let (code, said, _) = check(person, &[tenant, "-o", "json"]);
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let rows = answer["checks"].as_array().expect("checks");
    (rows.iter().map(|row| (word(&row["id"]), word(&row["outcome"]))).collect(), code)
}

/// What a tenant is told that nobody has broken, while no probe has measured its network.
fn expected() -> BTreeMap<String, String> {
    let outcome = |id: &str| match id {
        "MTB-PL2-BC-OPS-3" | "MTB-PL2-BC-OPS-4" => "FailOnPurpose",
        "MTB-1201" => "Unknown",
        _ => "Pass",
    };
    cloudfarm::check::CHECKS.iter().map(|check| (check.id.to_owned(), outcome(check.id).to_owned())).collect()
}

/// Writes the condition as the operator does after a measurement.
fn measured(tenant: &str, status: &str) {
    let condition = json!({
        "type": "RulesEnforced", "status": status, "reason": "Measured", "message": "by a test",
        "lastTransitionTime": "2026-11-29T00:00:00Z",
    });
    let patch = json!({"status": {"conditions": [condition]}}).to_string();
    let namespace = format!("cf-{tenant}");
    plane().kubectl(
        &["patch", "tnet", "dmz", "-n", &namespace, "--subresource=status", "--type=merge", "-p", &patch],
        None,
    );
}

fn role(tenant: &str, group: &str, resource: &str, verb: &str) -> [Value; 2] {
    let metadata = json!({"name": "test", "namespace": format!("cf-{tenant}")});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}],
    });
    [role, binding(tenant, tenant, "Role", "test")]
}

/// Binds the tenant's person in the namespace of a tenant, perhaps another one's.
fn binding(tenant: &str, namespace: &str, kind: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "test", "namespace": format!("cf-{namespace}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": format!("sato-{tenant}")}],
    })
}

/// Breaks one thing of the tenant that is called like the sabotage.
fn sabotage(tenant: &str) {
    let (plane, namespace) = (plane(), format!("cf-{tenant}"));
    match tenant {
        "label" => {
            plane.kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce-"], None);
        }
        "quota" => drop(plane.kubectl(&["delete", "resourcequota", "cloudfarm", "-n", &namespace], None)),
        "edits" => apply(plane, &[binding(tenant, tenant, "ClusterRole", "edit")]),
        "bare" => {
            plane.kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce-"], None);
            apply(plane, &[binding(tenant, tenant, "ClusterRole", "edit")]);
        }
        "roles" => apply(plane, &role(tenant, "rbac.authorization.k8s.io", "roles", "create")),
        "raises" => apply(plane, &role(tenant, "", "resourcequotas", "patch")),
        "nodes" => {
            let metadata = json!({"name": "test-nodes"});
            let cluster_role = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata,
                "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
            });
            let mut bound = binding(tenant, tenant, "ClusterRole", "test-nodes");
            (bound["kind"], bound["metadata"]) = (json!("ClusterRoleBinding"), metadata);
            apply(plane, &[cluster_role, bound]);
        }
        "visits" => apply(plane, &[binding(tenant, "next", "ClusterRole", "view")]),
        "keeps" => {} // its class keeps what is released
        "open" => drop(plane.kubectl(&["delete", "networkpolicy", "cloudfarm-default-deny", "-n", &namespace], None)),
        "leaks" => measured(tenant, "False"),
        "stray" => {
            let claim = json!({"namespace": namespace, "name": "gone", "uid": "8a4b0d2e-0000-4000-8000-000000000000"});
            let volume = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "test-stray"},
                "spec": {
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
                    "persistentVolumeReclaimPolicy": "Delete", "claimRef": claim,
                    "csi": {"driver": "test.invalid", "volumeHandle": "1"},
                },
            });
            apply(plane, &[volume]);
        }
        other => panic!("nobody says how to break {other}"),
    }
}

/// Which checks turn to a failure by which sabotage.
const BREAKS: [(&str, &[&str]); 12] = [
    ("label", &["CPI-3", "CPI-5", "HI-1a", "HI-3", "HI-4", "HI-5"]),
    ("quota", &["FNS-1", "FNS-2", "HI-1b"]),
    ("edits", &["CPI-2", "FNS-2", "DI-1", "OPS-4", "MTB-1200"]),
    (
        "bare",
        &[
            "CPI-2", "CPI-3", "CPI-4", "CPI-5", "CPI-6", "FNS-2", "HI-1a", "HI-3", "HI-4", "HI-5", "DI-1", "OPS-4",
            "MTB-1198", "MTB-1200",
        ],
    ),
    ("roles", &["OPS-3"]),
    ("raises", &["TI-1", "CPI-2"]),
    ("nodes", &["CPI-1"]),
    ("visits", &["TI-2"]),
    ("keeps", &["MTB-1199"]),
    ("open", &["MTB-1201"]),
    ("leaks", &["MTB-1201"]),
    ("stray", &["MTB-1200"]),
];

#[test]
fn a_tenant_that_the_operator_made_fails_nothing_but_what_fails_on_purpose() {
    assert_eq!(outcomes("auditor", "whole"), (expected(), Some(5)), "the network is not measured");
    let (_, told, complaint) = check("auditor", &["whole"]);
    assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
    assert!(told.ends_with("19 pass, 0 fail, 2 fail on purpose, 1 unknown\n"), "{told}");
    assert!(told.contains("ClusterNetworkPolicy cf-whole stands"), "{told}");
    assert!(complaint.contains("not known: MTB-1201"), "{complaint}");
}

#[test]
fn a_tenant_whose_network_was_measured_passes() {
    measured("seen", "True");
    let mut all = expected();
    all.insert("MTB-1201".into(), "Pass".into());
    assert_eq!(outcomes("auditor", "seen"), (all, Some(0)));
}

#[test]
fn where_nobody_is_bound_yet_the_tenant_roles_are_judged() {
    assert_eq!(outcomes("auditor", "empty"), (expected(), Some(5)));
}

#[test]
fn every_check_fails_once_what_it_is_about_is_broken_and_no_other_does() {
    let mut failed = BTreeSet::new();
    for (tenant, broken) in BREAKS {
        sabotage(tenant);
        let mut all = expected();
        for (id, outcome) in &mut all {
            if broken.iter().any(|end| id.ends_with(end)) {
                *outcome = "Fail".into();
                failed.insert(id.clone());
            }
        }
        assert_eq!(outcomes("auditor", tenant), (all, Some(4)), "{tenant}");
    }
    let never: Vec<&str> =
        cloudfarm::check::CHECKS.iter().map(|check| check.id).filter(|id| !failed.contains(*id)).collect();
    assert!(never.is_empty(), "no sabotage makes these fail: {never:?}");
}

#[test]
fn what_one_may_not_see_is_unknown_and_never_a_pass() {
    let (outcomes, code) = outcomes("eve", "whole");
    assert!(outcomes.values().all(|outcome| outcome == "Unknown"), "{outcomes:?}");
    assert_eq!(code, Some(5));
}

#[test]
fn a_tenant_that_does_not_exist_is_a_mistake_and_no_answer() {
    let (code, said, complaint) = check("auditor", &["nobody"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complaint.contains("Tenant nobody: does not exist"), "{complaint}");
}

#[tokio::test]
async fn nothing_is_stored() {
    // A person of its own, so that the audit log tells its requests from others'.
    let mut binding = binding("next", "next", "ClusterRole", "cluster-admin");
    (binding["kind"], binding["metadata"]) = (json!("ClusterRoleBinding"), json!({"name": "test-careful"}));
    binding["subjects"][0]["name"] = json!("careful");
    apply(plane(), &[binding]);
    let before = world::end_state(&plane().admin().await, "whole").await;
    assert_eq!(check("careful", &["whole"]).0, Some(5));
    let requests = || async {
        let log = std::fs::read_to_string(plane().dir.join("audit.log")).ok()?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<Value> = lines.filter(|line| line["impersonatedUser"]["username"] == "careful").collect();
        let ended =
            found.iter().any(|line| line["requestURI"].as_str().is_some_and(|uri| uri.contains("storageclasses")));
        ended.then_some(found)
    };
    let mut tried = 0;
    for request in eventually("the requests in the audit log", requests).await {
        let uri = request["requestURI"].as_str().expect("a URI");
        match request["verb"].as_str().expect("a verb") {
            "get" | "list" => {}
            "create" if uri.contains("reviews") => {}
            "create" if uri.contains("dryRun=All") => tried += 1,
            verb => panic!("{verb} {uri}"),
        }
    }
    assert!(tried >= 12, "only {tried} objects were tried");
    assert_eq!(world::end_state(&plane().admin().await, "whole").await, before);
    let left = plane().kubectl(&["get", "pods,services", "-n", "cf-whole", "-o", "name"], None);
    assert_eq!(left, "");
}
