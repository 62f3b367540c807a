//! `kubectl cloudfarm tenants | show | grants | request | approve | deny | second | revoke | notices` as people use it: the real
//! program as kubectl's plugin, on a real API server, with each person's own rights. No operator runs; what it would write as
//! status, the test writes.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::plane::Plane;
use support::world::{machine, namespace, network, tenant};
use unicode_width::UnicodeWidthStr;

/// Names a reader never sees obeyed: they clear the screen, set its title, turn letters around.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}株式会社";

/// `engineer` and `colleague` are staff, `tanaka` is a privileged administrator of acme, `viewer` may look at acme, `eve` has
/// nothing. Who of a tenant's people is privileged is admission's matter and has its own tests; here roles say it.
fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = Plane::with_nothing_of_ours("people-plugin", None);
        let crds = cloudfarm::api::manifest::all_as_yaml();
        plane.kubectl(&["apply", "--server-side", "--field-manager=test-install", "-f", "-"], Some(&crds));
        plane.our_crds_established();
        let wait =
            ["wait", "--for=condition=Established", "crd/accessgrants.cloudfarm.dev", "crd/notices.cloudfarm.dev"];
        plane.kubectl(&wait, None);
        world(&plane);
        plane
    })
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

fn bound(person: &str, namespace: Option<&str>, role: &str) -> Value {
    let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": {"name": format!("{role}-{person}"), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}],
    })
}

fn world(plane: &Plane) {
    let ours = |resources: &[&str], verbs: &[&str]| json!({"apiGroups": ["cloudfarm.dev", "kubevirt.io"], "resources": resources, "verbs": verbs});
    let look = ["get", "list"];
    let staff = json!([
        ours(&["tenants", "retentions", "tenantnetworks", "virtualmachines", "notices"], &look),
        ours(&["accessgrants"], &["get", "list", "create", "update", "patch"]),
    ]);
    let inside = json!([ours(&["tenantnetworks", "virtualmachines", "accessgrants"], &look)]);
    let answers = json!([ours(&["accessgrants"], &["update", "patch"])]);
    let mut all = vec![role("staff", &staff), role("inside", &inside), role("answers", &answers)];
    all.extend([bound("engineer", None, "staff"), bound("colleague", None, "staff")]);
    all.push(namespace("acme"));
    for (person, role) in [("tanaka", "inside"), ("tanaka", "answers"), ("viewer", "inside")] {
        all.push(bound(person, Some("cf-acme"), role));
    }
    let names = ["web-1", "db"];
    let machines: Vec<Value> = names.iter().map(|name| machine(name, &["front"])).collect();
    all.push(tenant("acme", json!({"displayName": HOSTILE, "virtualMachines": machines})));
    all.push(tenant(
        "a-tenant-of-thirty-letters-xyz",
        json!({"displayName": "非常に長い名前".repeat(9), "contract": {"endDate": "2098-09-30"}}),
    ));
    all.push(network("acme", "front", json!({})));
    all.extend(names.map(|name| {
        json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": name, "namespace": "cf-acme"},
            "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}}})
    }));
    all.push(notice(
        "late",
        &json!({"kind": "Incident", "severity": "Critical", "confirmedAt": "2026-11-01T00:00:00Z"}),
    ));
    all.push(notice("patches", &json!({"kind": "Vulnerability"})));
    let manifests: Vec<String> = all.iter().map(|manifest| format!("---\n{}\n", yaml(manifest))).collect();
    // Not apply: the API server reads an applied object as YAML, and kubectl has written the control characters out by then.
    plane.kubectl(&["create", "-f", "-"], Some(&manifests.concat()));
    status(
        plane,
        "tenant",
        None,
        "acme",
        &json!({
            "phase": "Active", "vms": {"desired": 2, "ready": 1, "withheld": 0, "nonCompliant": 0},
            "capacity": [{"resource": "memory", "contracted": "32Gi", "allocated": "30Gi", "percent": 94}],
            "conditions": [condition("Ready", "False", "NotAllReady"), condition("VirtualMachinesReady", "False", "NotRunning"),
                condition("WallsReady", "True", "AsDeclared")],
        }),
    );
    status(
        plane,
        "notice",
        None,
        "late",
        &json!({
            "counts": {"recipients": 2, "sent": 0, "failed": 2}, "deadline": "2026-11-01T04:00:00Z", "deadlineMet": false,
        }),
    );
}

/// JSON that is YAML, too, which takes no control characters as they are.
fn yaml(value: &Value) -> String {
    value.to_string().replace('\u{9b}', "\\u009b").replace('\u{202e}', "\\u202e")
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": HOSTILE, "lastTransitionTime": "2026-11-01T00:00:00Z"})
}

fn notice(name: &str, more: &Value) -> Value {
    let mut spec = json!({"subject": {"ja": "お知らせ".repeat(30), "en": "Something to tell ".repeat(6)},
        "body": {"ja": "本文", "en": "body"}, "tenants": {"all": true}});
    support::world::merge(&mut spec, more.clone());
    json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Notice", "metadata": {"name": name}, "spec": spec})
}

/// Says what the operator would.
fn status(plane: &Plane, kind: &str, namespace: Option<&str>, name: &str, status: &Value) {
    let patch = yaml(&json!({"status": status}));
    let within = namespace.map(|namespace| vec!["-n", namespace]).unwrap_or_default();
    let words = ["patch", kind, name, "--subresource=status", "--type=merge", "-p", &patch];
    plane.kubectl(&[&words[..], &within].concat(), None);
}

/// A kubeconfig that signs in as somebody, in a namespace.
fn kubeconfig(person: &str, namespace: Option<&str>) -> String {
    let admin = plane().kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut config: Value = serde_json::from_str(&admin).expect("JSON");
    config["users"][0]["user"]["as"] = json!(person);
    config["contexts"][0]["context"]["namespace"] = json!(namespace);
    let file =
        plane().dir.join(format!("{person}-{}-{:?}.kubeconfig", namespace.is_some(), std::thread::current().id()));
    std::fs::write(&file, config.to_string()).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

/// kubectl with the plugin on its PATH, in English, as somebody.
fn command(person: &str, namespace: Option<&str>, words: &[&str]) -> Command {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = plane().dir.join("plugins");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cloudfarm"), folder.join("kubectl-cloudfarm")).expect("a link");
        folder
    });
    let mut command = Command::new(plane().dir.join("bin/kubectl"));
    let path = format!("{}:/usr/bin:/bin", folder.display());
    command.arg("cloudfarm").args(words).env("PATH", path).env("KUBECONFIG", kubeconfig(person, namespace));
    command.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

/// Exit code, standard output, standard error of `kubectl cloudfarm …`; none of them is wide or commands a terminal.
fn cloudfarm(person: &str, words: &[&str]) -> (Option<i32>, String, String) {
    in_namespace(person, None, words)
}

fn in_namespace(person: &str, namespace: Option<&str>, words: &[&str]) -> (Option<i32>, String, String) {
    let output = command(person, namespace, words).stdin(std::process::Stdio::null()).output().expect("kubectl");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    println!("$ kubectl cloudfarm {} # as {person}\n{out}{err}", words.join(" "));
    for said in [&out, &err] {
        assert!(said.chars().all(|letter| letter == '\n' || !letter.is_control() && letter != '\u{202e}'), "{said:?}");
        assert!(!said.contains("TEST-000001"), "the application ID in {said}");
    }
    if !words.contains(&"json") {
        for line in out.lines() {
            assert!(line.width() <= 100, "{} columns: {line}", line.width());
        }
    }
    (output.status.code(), out, err)
}

/// JSON that somebody gets.
fn json_of(person: &str, words: &[&str]) -> Value {
    let (code, said, _) = cloudfarm(person, &[words, &["-o", "json"]].concat());
    assert_eq!(code, Some(0));
    serde_json::from_str(&said).expect("JSON")
}

/// A request of the engineer's: its name.
fn asked(more: &[&str]) -> String {
    let words = ["request", "acme", "--vm", "web-1", "--verb", "Console,Power", "--reason"];
    let reason = format!("{HOSTILE} {}", "障害調査".repeat(20));
    let made = json_of("engineer", &[&words[..], &[reason.as_str()], more].concat());
    assert_eq!((&made["requestedBy"], &made["tenant"]), (&json!("engineer"), &json!("acme")));
    made["name"].as_str().expect("a name").to_owned()
}

fn stored(name: &str) -> Value {
    let found = plane().kubectl(&["get", "accessgrant", name, "-n", "cf-acme", "-o", "json"], None);
    serde_json::from_str(&found).expect("JSON")
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn staff_see_every_tenant_on_one_line_and_one_tenant_on_one_screen() {
    let (code, said, _) = cloudfarm("engineer", &["tenants"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &["NAME", "acme", "1/2", "94%", "1 NotRunning", "a-tenant-of-thirty-letters-xyz", "2098-09-30", "…"],
    );
    let all = json_of("engineer", &["tenants"]);
    let acme = all["tenants"].as_array().expect("rows").iter().find(|row| row["name"] == "acme").expect("acme");
    assert_eq!((&acme["displayName"], &acme["alarms"], &acme["vmsDeclared"]), (&json!(HOSTILE), &json!(1), &json!(2)));

    let (code, said, _) = cloudfarm("engineer", &["show", "acme"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &[
            "Tenant acme",
            "NOT READY",
            "VirtualMachinesReady False: NotRunning",
            "good: WallsReady",
            "u1.medium",
            "root 10Gi",
            "2 on cf-jp-encrypted, 20Gi",
            "front",
            "sato (PrivilegedAdministrator)",
            "Access of the provider's staff",
            "there is none",
        ],
    );
    let one = json_of("engineer", &["show", "acme"]);
    assert_eq!(one["virtualMachines"].as_array().map(Vec::len), Some(2));
    assert_eq!((&one["notSeen"], &one["tenant"]["administrators"][0]["email"]), (&json!([]), &Value::Null));
    let (code, _, why) = cloudfarm("engineer", &["show", "acm"]);
    assert_eq!(code, Some(1));
    contains(&why, &["Tenant acm: does not exist; there are acme, "]);
}

#[test]
fn a_customer_sees_the_own_namespace_and_a_stranger_nothing() {
    let (code, said, why) = cloudfarm("tanaka", &["show", "acme"]);
    assert_eq!((code, why.as_str()), (Some(0), ""));
    contains(&said, &["Tenant acme, as far as you may see it", "web-1", "front", "you may not read: Tenant (contract"]);
    assert!(!said.contains("Bought"), "{said}");
    let (code, _, why) = cloudfarm("tanaka", &["tenants"]);
    assert_eq!(code, Some(4));
    contains(&why, &["the list of Tenants is the provider's. Your own: kubectl cloudfarm show TENANT"]);
    let (code, said, why) = in_namespace("tanaka", Some("cf-acme"), &["tenants"]);
    assert_eq!(code, Some(0));
    contains(&said, &["Tenant acme, as far as you may see it", "web-1"]);
    contains(&why, &["this is what you may see of acme"]);
    assert_eq!(cloudfarm("tanaka", &["grants", "acme"]).0, Some(0));
    assert_eq!(in_namespace("tanaka", Some("cf-acme"), &["grants"]).0, Some(0));

    for words in [
        &["tenants"][..],
        &["show", "acme"],
        &["grants"],
        &["grants", "acme"],
        &["notices"],
        &["approve", "acme", "x", "--yes"],
    ] {
        let (code, said, why) = cloudfarm("eve", words);
        assert_eq!((code, said.as_str()), (Some(4), ""), "{words:?}");
        contains(&why, &["User \"eve\" cannot"]);
    }
    let (code, _, why) =
        cloudfarm("eve", &["request", "acme", "--vm", "db", "--verb", "Console", "--reason", "curious"]);
    assert_eq!(code, Some(4));
    contains(&why, &["nothing was asked for", "User \"eve\" cannot create"]);
}

#[test]
fn a_request_is_made_in_ones_own_name_and_says_what_the_customer_has_to_type() {
    let words =
        ["request", "acme", "--vm", "web-1", "--verb", "console", "--reason", "the disk is full", "--ticket", "T-1"];
    let (code, said, _) = cloudfarm("engineer", &words);
    assert_eq!(code, Some(0));
    let line =
        said.lines().find(|line| line.contains("kubectl cloudfarm approve acme web-1-")).expect("the line to type");
    let name = line.split_whitespace().last().expect("a name");
    let spec = &stored(name)["spec"];
    assert_eq!(
        (&spec["requestedBy"], &spec["verbs"], &spec["ticket"]),
        (&json!("engineer"), &json!(["Console"]), &json!("T-1"))
    );
    contains(&said, &["the disk is full", "use the text console", "1h from the consent on"]);
    let wrong: [(&[&str], &str); 3] = [
        (&["--vm", "webb"], "--vm webb: there is no such VM in cf-acme; there are web-1, db"),
        (&["--from", "2020-01-01T00:00"], "--from 2019-12-31T15:00:00Z is past"),
        (&["--ticket", ""], "--ticket is empty"),
    ];
    for (more, says) in wrong {
        let words = ["request", "acme", "--vm", "web-1", "--verb", "VNC", "--reason", "x"];
        let (code, _, why) = cloudfarm("engineer", &[&words[..], more].concat());
        assert_eq!(code, Some(1), "{more:?}");
        contains(&why, &[says]);
    }
    let (code, _, why) = cloudfarm("engineer", &["request", "acme", "--vm", "db", "--verb", "Root", "--reason", "x"]);
    assert_eq!(code, Some(2));
    contains(&why, &["must be one of GuestInfo, Console, VNC, Power, SnapshotRead, AuditExtract"]);
    let (code, _, why) = cloudfarm("engineer", &["request", "nobody", "--vm", "db", "--verb", "VNC", "--reason", "x"]);
    assert_eq!(code, Some(1));
    contains(&why, &["Tenant nobody: does not exist; there are acme, a-tenant-of-thirty-letters-xyz"]);
}

#[test]
fn consent_is_given_to_what_was_shown_by_another_person_and_once() {
    let name = asked(&["--for", "90m"]);
    let (code, said, _) = cloudfarm("tanaka", &["grants", "acme"]);
    assert_eq!(code, Some(0));
    contains(&said, &[name.as_str(), "Unseen", "Console, Power on web-1", "kubectl cloudfarm approve acme"]);

    let (code, said, why) = cloudfarm("tanaka", &["approve", "acme", &name]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    contains(&why, &["nobody can be asked here, so nothing was changed; give --yes"]);
    let (code, _, why) = cloudfarm("engineer", &["approve", "acme", &name, "--yes"]);
    assert_eq!(code, Some(4));
    contains(&why, &["nothing was changed", "nobody consents to an own request"]);
    let (code, _, why) = cloudfarm("viewer", &["approve", "acme", &name, "--yes"]);
    assert_eq!(code, Some(4));
    contains(&why, &["nothing was changed", "User \"viewer\" cannot patch", "PrivilegedAdministrators of Tenant acme"]);
    assert_eq!(stored(&name)["spec"]["approval"], Value::Null);

    let (code, said, _) = cloudfarm("tanaka", &["approve", "acme", &name, "--yes"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &[
            "engineer of the provider's staff",
            "Power: start, stop and restart",
            "90m from the consent on",
            "approved by tanaka",
        ],
    );
    let approval = &stored(&name)["spec"]["approval"];
    assert_eq!((&approval["by"], &approval["decision"]), (&json!("tanaka"), &json!("Approve")));
    assert!(approval["at"].is_string());
    for word in ["approve", "deny"] {
        let (code, _, why) = cloudfarm("tanaka", &[word, "acme", &name, "--yes"]);
        assert_eq!(code, Some(1));
        contains(&why, &["spec.approval: tanaka has approved it already"]);
    }

    status(
        plane(),
        "accessgrant",
        Some("cf-acme"),
        &name,
        &json!({
            "state": "Active", "approvedAt": "2098-01-01T00:00:00Z", "expiresAt": "2098-01-01T01:30:00Z",
        }),
    );
    let (_, said, _) = cloudfarm("engineer", &["grants", "acme"]);
    contains(&said, &["Active", "2098-01-01 10:30 JST (in "]);
    let (code, said, _) = cloudfarm("tanaka", &["revoke", "acme", &name, "--reason", HOSTILE, "--yes"]);
    assert_eq!(code, Some(0));
    contains(&said, &["is revoked by tanaka"]);
    assert_eq!(stored(&name)["spec"]["revoked"]["by"], "tanaka");
    status(plane(), "accessgrant", Some("cf-acme"), &name, &json!({"state": "Revoked"}));
    let shown =
        |all: &[&str]| cloudfarm("engineer", &[&["grants", "acme"], all].concat()).1.contains(&format!("{name} "));
    assert_eq!((shown(&[]), shown(&["--all"])), (false, true));
    let all = json_of("viewer", &["grants", "acme", "--all"]);
    let mine =
        all["grants"].as_array().expect("grants").iter().find(|grant| grant["name"] == name.as_str()).expect("mine");
    assert_eq!((&mine["state"], &mine["revoked"]["reason"]), (&json!("Revoked"), &json!(HOSTILE)));
    let (code, _, why) = cloudfarm("tanaka", &["approve", "acme", "web", "--yes"]);
    assert_eq!(code, Some(1));
    contains(&why, &["AccessGrant web of tenant acme: does not exist; there "]);
}

#[test]
fn a_no_ends_it_and_the_terms_need_a_second_person_of_the_staff() {
    let name = asked(&[]);
    assert_eq!(cloudfarm("tanaka", &["deny", "acme", &name, "--yes"]).0, Some(0));
    assert_eq!(stored(&name)["spec"]["approval"]["decision"], "Deny");

    let terms = asked(&["--terms", "12.3"]);
    let (code, _, why) = cloudfarm("tanaka", &["approve", "acme", &terms, "--yes"]);
    assert_eq!(code, Some(1));
    contains(&why, &["spec.basis is Terms"]);
    assert_eq!(cloudfarm("engineer", &["second", "acme", &terms, "--yes"]).0, Some(4));
    let after = json_of("colleague", &["second", "acme", &terms, "--reason", "a court asks", "--yes"]);
    assert_eq!((&after["secondApprover"]["by"], &after["clause"]), (&json!("colleague"), &json!("12.3")));
    assert_eq!(cloudfarm("engineer", &["revoke", "acme", &terms, "--yes"]).0, Some(0), "who asked takes it back");
}

/// On a terminal, which `script` plays: what was shown is what is answered, also when somebody writes while it is read.
#[test]
fn a_terminal_is_asked_and_has_colours_and_no_color_takes_them_away() {
    let name = asked(&[]);
    let on_terminal = |words: &[&str], typed: &str, colours: bool| {
        let plain = command("tanaka", Some("cf-acme"), words);
        let quoted: Vec<String> = [plain.get_program()]
            .into_iter()
            .chain(plain.get_args())
            .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
            .collect();
        let mut script = Command::new("script");
        script.args(["-qec", &quoted.join(" "), "/dev/null"]);
        for (variable, value) in plain.get_envs() {
            match value {
                Some(value) => script.env(variable, value),
                None => script.env_remove(variable),
            };
        }
        if !colours {
            script.env("NO_COLOR", "1");
        }
        let (ok, said, _) = support::command::run(&mut script, typed);
        println!("{said}");
        (ok, said)
    };
    let (ok, said) = on_terminal(&["approve", "acme", &name], "no\n", true);
    assert!(
        !ok && said.contains("Let engineer in for 1h as shown? Type yes:") && said.contains("is not yes"),
        "{said}"
    );
    assert_eq!(stored(&name)["spec"]["approval"], Value::Null);
    let (ok, said) = on_terminal(&["approve", "acme", &name], "yes\n", true);
    assert!(ok && said.contains("approved by tanaka"), "{said}");

    let (_, coloured) = on_terminal(&["grants", "--all"], "", true);
    let (_, bare) = on_terminal(&["grants", "--all"], "", false);
    assert!(coloured.contains("\u{1b}[1mTENANT") && !coloured.contains("\u{1b}[2J"), "{coloured:?}");
    assert!(!bare.contains('\u{1b}') && bare.contains("TENANT"), "{bare:?}");
}

#[test]
fn notices_are_read_in_ones_own_language_by_the_provider_and_come_to_customers_by_mail() {
    let (code, said, _) = cloudfarm("engineer", &["notices"]);
    assert_eq!(code, Some(0));
    contains(
        &said,
        &["late", "Incident", "Critical", "Something to tell", "0/2", " min late", "patches", "Vulnerability"],
    );
    let output = command("engineer", None, &["notices"]).env("LC_ALL", "ja_JP.UTF-8").output().expect("kubectl");
    contains(&String::from_utf8_lossy(&output.stdout), &["お知らせ"]);
    let all = json_of("engineer", &["notices", "--all"]);
    assert_eq!(all["notices"].as_array().map(Vec::len), Some(2));
    assert_eq!((&all["notices"][0]["name"], &all["notices"][0]["deadlineMet"]), (&json!("late"), &json!(false)));
    let (code, _, why) = cloudfarm("tanaka", &["notices"]);
    assert_eq!(code, Some(4));
    contains(&why, &["yours came by mail"]);
}

#[test]
fn every_command_says_by_examples_how_it_is_used() {
    for word in ["tenants", "show", "grants", "request", "approve", "deny", "second", "revoke", "notices"] {
        let output = command("eve", None, &[word, "--help"]).output().expect("kubectl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success());
        contains(&said, &["Example", "kubectl cloudfarm ", "Exit codes:"]);
    }
    assert_eq!(cloudfarm("eve", &["request", "acme"]).0, Some(2));
    assert_eq!(cloudfarm("eve", &["tenants", "--context", "nowhere"]).0, Some(3));
}
