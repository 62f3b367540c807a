//! `cloudfarm render`: what people and pipelines see of it, good input and bad.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::io::Write as _;
use std::process::{Command, Stdio};

fn render(arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
        .arg("render")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn quickstart() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.yaml")).expect("the example")
}

#[test]
fn a_file_a_folder_and_standard_input_render_and_the_same_input_gives_the_same_text() {
    let (code, from_file, _) = render(&["-f", "examples/quickstart.yaml"], "");
    assert_eq!(code, Some(0));
    let (code, from_stdin, _) = render(&["-f", "-"], &quickstart());
    assert_eq!((code, &from_stdin), (Some(0), &from_file));
    let (code, folder, said) = render(&["-f", "examples/acme"], "");
    assert_eq!(code, Some(0), "{said}");
    for object in [
        "name: cloudfarm-default-deny",
        "name: network-dmz",
        "kind: VirtualMachine",
        "kind: DataVolume",
        "kind: Retention",
    ] {
        assert!(folder.contains(object), "{object} is missing");
    }
    let documents = serde_saphyr::from_multiple::<serde_json::Value>(&folder).expect("valid YAML");
    assert!(
        documents.iter().all(|document| document["apiVersion"].is_string() && document["metadata"]["name"].is_string())
    );
}

#[test]
fn wrong_input_is_told_with_file_object_field_and_value() {
    let cases = [
        ("an unknown field", "suspendet: true", "spec", "suspendet"),
        ("a wrong type", "suspended: \"no\"", "spec.suspended", "\"no\" is not of type \"boolean\""),
        ("a word that is none", "isolation: {level: Total}", "spec.isolation.level", "\"Total\" is not one of"),
        (
            "a date that does not exist",
            "retentionName: a\n  contract: {applicationId: QS-000001, startDate: \"2026-02-30\", capacity: {vcpus: 4, memory: 16Gi, storage: 200Gi, instances: 2}}",
            "spec.contract.startDate",
            "2026-02-30",
        ),
        (
            "an end before the start",
            "contract: {applicationId: QS-000001, startDate: \"2026-04-01\", endDate: \"2026-03-31\", capacity: {vcpus: 4, memory: 16Gi, storage: 200Gi, instances: 2}}",
            "spec.contract",
            "cannot lie before startDate",
        ),
        (
            "a negative quantity",
            "contract: {applicationId: QS-000001, startDate: \"2026-04-01\", capacity: {vcpus: 4, memory: \"-1\", storage: 200Gi, instances: 2}}",
            "spec.contract.capacity.memory",
            "must be a quantity above 0",
        ),
    ];
    let good = quickstart();
    for (case, line, field, message) in cases {
        let without_contract = if line.contains("contract:") {
            let (before, rest) = good.split_once("  contract:\n").expect("a contract");
            let (_, after) = rest.split_once("  administrators:").expect("administrators");
            format!("{before}  administrators:{after}")
        } else {
            good.clone()
        };
        let wrong = without_contract.replace(
            "kind: Tenant\nmetadata: {name: quickstart}\nspec:\n",
            &format!("kind: Tenant\nmetadata: {{name: quickstart}}\nspec:\n  {line}\n"),
        );
        let (code, printed, said) = render(&["-f", "-"], &wrong);
        assert_eq!(code, Some(1), "{case}: {said}");
        assert!(printed.is_empty(), "{case}: something was printed beside the error");
        for part in ["-: Tenant quickstart", field, message] {
            assert!(said.contains(part), "{case}: {part:?} is missing in {said}");
        }
    }
}

#[test]
fn a_vm_that_is_not_made_and_a_rule_that_stays_closed_are_remarked() {
    let more = quickstart()
        .replace("networks: [{name: front}]", "networks: [{name: nowhere}]")
        .replace("world: true", "cidrs: [10.96.0.0/24]");
    let (code, _, said) = render(&["-f", "-"], &more);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("VM web is not made: TenantNetwork \"nowhere\" does not exist"), "{said}");
    assert!(said.contains("ingress https stays closed: 10.96.0.0/24 lies inside 10.96.0.0/16"), "{said}");
}

#[test]
fn what_is_no_yaml_or_no_object_is_told_with_its_file() {
    let (code, _, said) = render(&["-f", "-"], "kind: [");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("cloudfarm: -: "), "{said}");
    let (code, _, said) = render(&["-f", "does-not-exist.yaml"], "");
    assert_eq!(code, Some(1));
    assert!(said.contains("does-not-exist.yaml"), "{said}");
    let (code, _, said) =
        render(&["-f", "-"], "apiVersion: cloudfarm.dev/v1alpha1\nkind: Tennant\nmetadata: {name: x}\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("has no such kind; it has Tenant, TenantNetwork, Retention, AccessGrant"), "{said}");
}

#[test]
fn a_quantity_nobody_can_count_to_is_a_mistake_and_no_crash() {
    let (code, printed, said) = render(&["-f", "-"], &quickstart().replace("memory: 16Gi", "memory: \"1e99\""));
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("spec.contract.capacity.memory: \"1e99\" is not a quantity"), "{said}");
}
