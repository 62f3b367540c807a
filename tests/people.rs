//! `cloudfarm retention` as the data-protection officer uses it: on a real API server, with people's own rights.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use support::operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, network, tenant};

/// A plane with an operator, three officers and somebody who is none: `dpo-a` may also look at everything, `dpo-b` and
/// `dpo-c` have what the role gives them, `eve` has nothing.
fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = Plane::start("people", None);
        let officer = "cloudfarm-data-protection-officer";
        let people = json!(["dpo-a", "dpo-b", "dpo-c"].map(|name| json!({"kind": "User", "name": name})));
        let bind = |kind: &str, namespace: Option<&str>, role: (&str, &str), subjects: &Value| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": format!("test-{}", role.1), "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1},
                "subjects": subjects,
            })
        };
        let looks = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "looks"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}],
        });
        apply(
            &plane,
            &[
                looks,
                bind("ClusterRoleBinding", None, ("ClusterRole", officer), &people),
                bind("RoleBinding", Some("cloudfarm-system"), ("Role", officer), &people),
                bind("RoleBinding", Some("cloudfarm-evidence"), ("Role", officer), &people),
                bind("ClusterRoleBinding", None, ("ClusterRole", "looks"), &json!([{"kind": "User", "name": "dpo-a"}])),
            ],
        );
        plane
    });
    let plane = PLANE.get().expect("it was just started");
    operator::shared(plane);
    plane
}

/// The operator of this plane leads without a lease; its clock is the one that a purge would miss.
fn renew_the_lease() {
    #[allow(clippy::disallowed_methods)]
    let renewed = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "cloudfarm", "namespace": "cloudfarm-system"}, "spec": {"renewTime": renewed},
    });
    apply(plane(), &[lease]);
}

/// A kubeconfig that signs in as somebody.
fn kubeconfig(plane: &Plane, person: &str) -> String {
    let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut config: Value = serde_json::from_str(&admin).expect("JSON");
    config["users"][0]["user"]["as"] = json!(person);
    let file = plane.dir.join(format!("{person}-{:?}.kubeconfig", std::thread::current().id()));
    std::fs::write(&file, config.to_string()).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

/// `cloudfarm retention …` as somebody: exit code, standard output, standard error.
fn retention(person: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    typing(person, arguments, "")
}

fn typing(person: &str, arguments: &[&str], typed: &str) -> (Option<i32>, String, String) {
    let file = kubeconfig(plane(), person);
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
        .arg("retention")
        .args(arguments)
        .args(["--kubeconfig", &file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).ok();
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // Shown with --nocapture, and when a test fails.
    println!("$ cloudfarm retention {} # as {person}", arguments.join(" "));
    println!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A tenant whose contract has this end date, as soon as its Retention knows.
async fn leaving(name: &str, end_date: &str, more: Value) {
    let mut spec = json!({"contract": {"endDate": end_date}});
    world::merge(&mut spec, more);
    apply(plane(), &[tenant(name, spec)]);
    condition(&world::retentions(&plane().admin().await), name, "Scheduled", "True").await;
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn a_hold_is_placed_in_ones_own_name_and_released_by_somebody_else() {
    leaving("plum", "2098-09-30", json!({})).await;
    let (code, said, _) = retention("dpo-a", &["hold", "plum", "--reference", "2026-17"]);
    assert_eq!(code, Some(0));
    contains(&said, &["Retention plum of tenant plum: legal hold \"2026-17\" placed by dpo-a", "Next "]);
    let client = plane().admin().await;
    let stored = world::retentions(&client).get("plum").await.expect("a Retention");
    let hold = &stored.data["spec"]["legalHold"];
    assert_eq!((&hold["placedBy"], &hold["visibility"]), (&json!("dpo-a"), &json!("Provider")));
    assert!(hold["placedAt"].is_string(), "{hold}");
    let managers = stored.metadata.managed_fields.unwrap_or_default();
    assert!(managers.iter().any(|entry| entry.manager.as_deref() == Some("kubectl-cloudfarm")));

    let (code, said, why) = retention("dpo-b", &["hold", "plum", "--reference", "2026-18"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    contains(&why, &["spec.legalHold is active already, \"2026-17\", placed by dpo-a"]);
    let (code, said, why) = retention("dpo-a", &["release", "plum"]);
    assert_eq!((code, said.as_str()), (Some(4), ""));
    contains(&why, &["nothing was changed", "was placed by dpo-a, so somebody else has to release it"]);
    let (code, said, _) = retention("dpo-b", &["status", "plum"]);
    assert_eq!(code, Some(0));
    contains(&said, &["ACTIVE: \"2026-17\", placed by dpo-a at 20", "visible to Provider", "you may not get them"]);

    let (code, said, _) = retention("dpo-b", &["release", "plum"]);
    assert_eq!(code, Some(0));
    contains(&said, &["legal hold \"2026-17\", placed by dpo-a, is released by dpo-b", "Next "]);
    let (code, _, why) = retention("dpo-b", &["release", "plum"]);
    assert_eq!(code, Some(1));
    contains(&why, &["spec.legalHold is not active: nothing to release"]);
}

#[tokio::test]
async fn an_approval_is_given_for_what_was_shown_by_typing_the_name_and_never_for_an_own_request() {
    leaving("pear", "2026-03-31", json!({"contract": {"startDate": "2025-04-01"}})).await;
    let asked = json!({"spec": {"requiredApprovals": 2, "requestedBy": "dpo-c"}}).to_string();
    plane().kubectl(&["patch", "retention", "pear", "--type=merge", "-p", &asked, "--as", "dpo-c"], None);

    let (code, _, why) = retention("dpo-c", &["approve", "pear", "--confirm", "pear"]);
    assert_eq!(code, Some(4));
    contains(&why, &["nobody approves an own request"]);
    let (code, said, why) = typing("dpo-a", &["approve", "pear"], "peach\n");
    assert_eq!(code, Some(1));
    contains(&said, &["Contract", "last day 2026-03-31", "Not before", "resourcequotas"]);
    contains(&why, &["\"peach\" is not the tenant's name, pear: nothing was approved"]);

    let (code, said, _) = typing("dpo-a", &["approve", "pear"], "pear\n");
    assert_eq!(code, Some(0));
    contains(&said, &["approved by dpo-a; 1 approval of 2 that are needed", "Next "]);
    let (code, said, _) = retention("dpo-b", &["approve", "pear", "--confirm", "pear"]);
    assert_eq!(code, Some(0));
    contains(&said, &["approved by dpo-b; 2 approvals of 2 that are needed", "You may not list", " secrets, "]);
    let (_, said, _) = retention("dpo-a", &["status", "pear"]);
    contains(&said, &["2 of 2 dpo-a, dpo-b"]);

    apply(plane(), &[tenant("fig", json!({}))]);
    condition(&world::retentions(&plane().admin().await), "fig", "Ready", "True").await;
    let (code, _, why) = retention("dpo-a", &["approve", "fig", "--confirm", "fig"]);
    assert_eq!(code, Some(1));
    contains(&why, &["there is no end date to approve"]);
}

/// Writes down what a plan showed, as a purge run does.
async fn preview(name: &str, plan: &Value) {
    use kube::api::{Patch, PatchParams};
    let mut config = plane().config().await;
    config.auth_info.impersonate = Some("system:serviceaccount:cloudfarm-system:cloudfarm-purge".into());
    let purge = kube::Client::try_from(config).expect("a client");
    let dates = &plan["dates"];
    let inventory = json!({
        "hash": plan["hash"], "objects": plan["objects"], "bytes": plan["bytes"], "counts": {"namespaces": 2},
        "at": plan["at"], "notBefore": dates["notBefore"],
    });
    let body = json!({"status": {"inventory": inventory}});
    let api = world::retentions(&purge);
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&body)).await.expect("a preview");
}

#[tokio::test]
async fn a_plan_shows_every_object_by_step_and_says_why_it_would_not_go_now() {
    let machines = json!({"contract": {"startDate": "2025-04-01"}, "virtualMachines": [machine("web", &["front"])]});
    apply(plane(), &[world::namespace("apple")]);
    leaving("apple", "2026-03-31", machines).await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "attic", "namespace": "cf-apple"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "cf-jp-encrypted",
            "resources": {"requests": {"storage": "5Gi"}}},
    });
    let record = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "visits", "namespace": "cfd-apple", "labels": {"cloudfarm.dev/record": "access"}},
    });
    apply(plane(), &[network("apple", "front", json!({})), claim, record]);
    let client = plane().admin().await;
    condition(&world::networks(&client, "apple"), "front", "Ready", "True").await;

    renew_the_lease();
    let (code, said, _) = retention("dpo-a", &["plan", "apple"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &[
            "Retention apple of tenant apple: ",
            "6 Disks: ",
            "persistentvolumeclaims",
            "cf-apple/attic",
            "5368709120",
            "9 Networks: ",
            "tenantnetworks.cloudfarm.dev",
            "10 Namespaces: ",
            "namespaces",
            "1 record of access, until ",
            "no run has previewed this purge yet",
            "last day 2026-03-31",
            "nothing would be erased: NotDue: nothing may be deleted before ",
        ],
    );
    assert!(!said.contains("Not seen") && !said.contains("Not listed"), "{said}");

    let (code, said, _) = retention("dpo-a", &["plan", "apple", "-o", "json"]);
    assert_eq!(code, Some(0));
    let plan: Value = serde_json::from_str(&said).expect("JSON");
    let uid = world::networks(&client, "apple").get("front").await.expect("a network").metadata.uid.expect("a uid");
    let steps = plan["steps"].as_array().expect("steps");
    let items = || steps.iter().flat_map(|step| step["items"].as_array().expect("items"));
    assert!(items().any(|item| item["uid"] == uid.as_str() && item["name"] == "front"), "{plan:#}");
    assert_eq!(json!(items().count()), plan["objects"]);
    assert!(plan["bytes"].as_u64().is_some_and(|bytes| bytes >= 5_368_709_120), "{}", plan["bytes"]);
    assert_eq!((&plan["now"]["erases"], &plan["now"]["reason"]), (&json!(false), &json!("NotDue")));
    assert_eq!((&plan["notSeen"], &plan["hash"].as_str().map(str::len)), (&json!([]), &Some(64)));
    assert_eq!((&plan["notListed"], &plan["doubts"]), (&json!([]), &json!([])));
    assert!(plan["dates"]["notBefore"].as_str().is_some_and(|at| at.ends_with("+09:00")), "{plan:#}");

    preview("apple", &plan).await;
    let (_, said, _) = retention("dpo-a", &["plan", "apple"]);
    contains(&said, &[", the same as the last preview, of 20"]);
    let late = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "cf-apple"},
    });
    apply(plane(), &[late]);
    let (_, said, _) = retention("dpo-a", &["plan", "apple"]);
    contains(&said, &[", NOT the same as the last preview, of 20"]);

    let (code, said, _) = retention("dpo-b", &["plan", "apple"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &[
            "you may not get tenants.cloudfarm.dev apple",
            "AT LEAST 1 object, ",
            "whether cfd-apple keeps records is not known",
            "you may not list persistentvolumeclaims\n",
            "you may not list virtualmachines.kubevirt.io\n",
            "you may not list persistentvolumes\n",
            "ClusterRole view, bound in these two",
            "not to be compared with the last preview",
            "the purge run, which sees everything, counted 2 namespaces",
            "NotDue",
        ],
    );
}

#[tokio::test]
async fn a_wrong_name_and_a_missing_right_are_told_with_what_would_be_right() {
    leaving("orange", "2098-09-30", json!({})).await;
    let (code, said, why) = retention("dpo-a", &["status", "orang"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    contains(&why, &["Retention orang: does not exist; there ", "orange"]);
    for command in [&["plan", "orange"][..], &["hold", "orange", "--reference", "x"], &["status"]] {
        let (code, said, why) = retention("eve", command);
        assert_eq!((code, said.as_str()), (Some(4), ""), "{command:?}");
        contains(&why, &["User \"eve\" cannot", "ask for ClusterRole cloudfarm-data-protection-officer"]);
    }
    let (code, _, why) = retention("dpo-a", &["status", "orange", "--context", "nowhere"]);
    assert_eq!(code, Some(3));
    contains(&why, &["kubeconfig: ", "nowhere"]);
    assert_eq!(retention("dpo-a", &["hold", "orange"]).0, Some(2), "a hold without a reference");
}

#[tokio::test]
async fn status_says_what_happens_next_and_lists_the_most_urgent_first_also_as_a_kubectl_plugin() {
    leaving("late", "2098-12-31", json!({})).await;
    leaving("early", "2097-12-31", json!({})).await;
    let (code, said, _) = retention("dpo-a", &["status", "late"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &[
            "Phase       Idle: the contract runs",
            "Next        at 2099-01-01T00:00:00+09:00 VMs are halted and logins closed; data is kept until",
            "Deadline    2099-03-03T00:00:00+09:00 (in ",
            "Hold        none in spec.legalHold",
            "on namespaces: cf-late: none; cfd-late: none",
        ],
    );
    let folder = plane().dir.join("plugins");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cloudfarm"), folder.join("kubectl-cloudfarm")).expect("a link");
    let output = Command::new(plane().dir.join("bin/kubectl"))
        .args(["cloudfarm", "retention", "status"])
        .env("PATH", &folder)
        .env("KUBECONFIG", kubeconfig(plane(), "dpo-a"))
        .output()
        .expect("kubectl");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("$ kubectl cloudfarm retention status\n{said}");
    let place = |name: &str| said.lines().position(|line| line.starts_with(name));
    assert!(place("NAME") == Some(0) && place("early ") < place("late ") && place("early ").is_some(), "{said}");
}
