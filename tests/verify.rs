//! `cloudfarm verify` and `cloudfarm signing-key`: what people see of them, and that openssl alone comes to the same.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cloudfarm::evidence::certificate::{CLAUSE, Certificate, DOMAIN, ErasedObject, NO_PREVIOUS, Signed, Software};
use cloudfarm::evidence::signing::SigningKey;
use serde_json::{Value, json};

/// A folder of one test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("verify-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(program)
        .args(arguments)
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

fn cloudfarm(arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    run(env!("CARGO_BIN_EXE_cloudfarm"), arguments, stdin)
}

/// The Secret that `cloudfarm signing-key` prints, its key, and its public key in PEM.
fn fresh_key() -> (Value, SigningKey, String) {
    let (code, printed, said) = cloudfarm(&["signing-key"], "");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let secret: Value = serde_saphyr::from_str(&printed).expect("valid YAML");
    let pem = secret["stringData"]["ed25519.pem"].as_str().expect("a key");
    let public =
        secret["metadata"]["annotations"]["cloudfarm.dev/public-key"].as_str().expect("a public key").to_owned();
    let key = SigningKey::from_pem(pem.as_bytes()).expect("a key that can be read");
    (secret, key, public)
}

fn chain(key: &SigningKey, length: u64) -> Vec<Signed> {
    let mut previous_sha256 = NO_PREVIOUS.to_owned();
    (0..length)
        .map(|sequence| {
            let certificate = Certificate { sequence, previous_sha256: previous_sha256.clone(), ..certificate() };
            previous_sha256 = certificate.sha256().expect("a hash");
            key.sign(certificate).expect("signed")
        })
        .collect()
}

fn certificate() -> Certificate {
    let object = |name: &str, bytes| ErasedObject {
        kind: "/v1/persistentvolumes".into(),
        namespace: None,
        name: name.into(),
        uid: format!("uid-{name}"),
        bytes,
        method: "DiscardAndDelete".into(),
        gone_at: "2026-11-30T03:40:00+09:00".into(),
    };
    Certificate {
        version: 1,
        tenant: "acme".into(),
        tenant_uid: "t-1".into(),
        retention: "acme".into(),
        retention_uid: "r-1".into(),
        namespace_uids: BTreeMap::from([("cf-acme".into(), "n-1".into())]),
        clause: CLAUSE.into(),
        contract_end_date: "2026-09-30".into(),
        contract_ends_at: "2026-10-01T00:00:00+09:00".into(),
        purge_not_before: "2026-11-30T00:00:00+09:00".into(),
        started_at: "2026-11-30T03:30:00+09:00".into(),
        completed_at: "2026-11-30T03:41:07+09:00".into(),
        holds_checked: 3,
        approvals: vec!["情報保護 <担当>".into()],
        method: "DiscardAndDelete".into(),
        plan_sha256: "a1".repeat(32),
        objects: vec![object("a", Some(1000)), object("b", Some(24)), object("c", None)],
        kept: vec![],
        remaining: 0,
        software: Software { version: "0.1.0".into(), sha256: "b2".repeat(32) },
        previous_sha256: NO_PREVIOUS.into(),
        sequence: 0,
    }
}

fn json(signed: &Signed) -> String {
    signed.to_json().expect("JSON")
}

fn config_map(signed: &Signed) -> Value {
    let name = format!("certificate-{}", signed.certificate.sequence);
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"certificate.json": json(signed)}})
}

#[test]
fn a_fresh_key_is_a_secret_that_says_what_to_publish() {
    let (secret, key, public) = fresh_key();
    assert_eq!((&secret["kind"], &secret["type"]), (&json!("Secret"), &json!("Opaque")));
    let metadata = &secret["metadata"];
    assert_eq!(
        (&metadata["name"], &metadata["namespace"]),
        (&json!("cloudfarm-signing-key"), &json!("cloudfarm-system"))
    );
    assert_eq!(public, key.public_key().to_pem());
    assert_ne!(fresh_key().2, public, "a key was given out twice");
}

#[test]
fn a_good_chain_is_one_line_each_in_the_order_of_the_chain() {
    let folder = Folder::new("good");
    let (_, key, public) = fresh_key();
    let public = folder.file("public.pem", public);
    let chain = chain(&key, 2);
    let (first, second) = (folder.file("0.json", json(&chain[0])), folder.file("1.json", json(&chain[1])));
    let (code, printed, said) = cloudfarm(&["verify", &second, &first, "--public-key", &public], "");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let rest = format!(
        "tenant acme, retention r-1: 3 objects, 1024 bytes, completed 2026-11-30T03:41:07+09:00, key {}",
        key.key_id()
    );
    assert_eq!(printed, format!("0 {rest}\n1 {rest}\n"));

    let (code, _, said) = cloudfarm(&["verify", &second], "");
    assert_eq!(code, Some(0));
    assert!(said.contains("1.json: the certificate before it, number 0, was not given"), "{said}");
    assert!(said.contains("no public key was given to compare with"), "{said}");
}

#[test]
fn what_kubectl_prints_of_config_maps_is_read_as_yaml_and_as_json() {
    let folder = Folder::new("kubectl");
    let (_, key, public) = fresh_key();
    let public = folder.file("public.pem", public);
    let chain = chain(&key, 2);
    let one = config_map(&chain[0]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [config_map(&chain[1]), config_map(&chain[0])]});
    for (object, lines) in [(one, 1), (list, 2)] {
        let yaml = serde_saphyr::to_string(&object).expect("YAML");
        for text in [object.to_string(), serde_json::to_string_pretty(&object).expect("JSON"), yaml] {
            let (code, printed, said) = cloudfarm(&["verify", "-", "--public-key", &public], &text);
            assert_eq!((code, said.as_str(), printed.lines().count()), (Some(0), "", lines), "{text}");
        }
    }
    let (code, _, said) = cloudfarm(&["verify", "-"], "{\"kind\": \"ConfigMap\", \"data\": {}}");
    assert_eq!(code, Some(1));
    assert!(said.contains("-: data[\"certificate.json\"]: is not in this ConfigMap; give"), "{said}");
    let (code, _, said) = cloudfarm(&["verify", "-"], "kind: List\nitems: []\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("-: items: is empty"), "{said}");
}

#[test]
fn every_fault_is_told_with_file_and_field_and_nothing_is_printed_beside() {
    let folder = Folder::new("faults");
    let (_, key, _) = fresh_key();
    let (_, _, public_of_another) = fresh_key();
    let another = folder.file("another.pem", public_of_another);
    let chain = chain(&key, 3);
    let first = folder.file("0.json", json(&chain[0]));
    let changed = folder.file("2.json", json(&chain[2]).replace("acme", "acne"));
    let truncated = folder.file("cut.json", &json(&chain[1])[..700]);
    let (code, printed, said) =
        cloudfarm(&["verify", &first, &changed, &truncated, "nowhere.json", "--public-key", &another], "");
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    for part in [
        "nowhere.json: ",
        "0.json: publicKey: ",
        "2.json: publicKey: ",
        "2.json: signature: ",
        "2.json: previousSHA256: ",
        "cut.json: is not a signed certificate: EOF",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
}

#[test]
fn a_public_key_file_that_holds_none_is_told_and_a_private_key_in_it_is_not_shown() {
    let folder = Folder::new("private");
    let (secret, key, _) = fresh_key();
    let pem = secret["stringData"]["ed25519.pem"].as_str().expect("a key");
    let (certificate, private) = (folder.file("0.json", json(&chain(&key, 1)[0])), folder.file("private.pem", pem));
    let (code, _, said) = cloudfarm(&["verify", &certificate, "--public-key", &private], "");
    assert_eq!(code, Some(1));
    assert!(said.contains("private.pem is not an ed25519 public key in PEM"), "{said}");
    assert!(!said.contains(&pem.lines().nth(1).expect("a body")[22..]), "{said}");
}

#[test]
fn terminal_commands_hidden_in_a_certificate_are_not_carried_out() {
    let (_, key, _) = fresh_key();
    let signed = key.sign(Certificate { tenant: "\u{1b}[2Jacme\n0 forged".into(), ..certificate() }).expect("signed");
    let (code, printed, _) = cloudfarm(&["verify", "-"], &json(&signed));
    assert_eq!((code, printed.lines().count()), (Some(0), 1));
    assert!(printed.contains("\\u{1b}[2Jacme\\n0 forged"), "{printed}");
}

#[test]
fn openssl_alone_finds_the_same_signature_right() {
    if Command::new("openssl").arg("version").output().is_err() {
        return; // the test bed needs it, this test alone does not
    }
    let folder = Folder::new("openssl");
    let private = folder.file("private.pem", run("openssl", &["genpkey", "-algorithm", "ed25519"], "").1);
    let public = folder.file("public.pem", run("openssl", &["pkey", "-pubout", "-in", &private], "").1);
    let key = SigningKey::from_pem(&std::fs::read(&private).expect("a file")).expect("a key");
    let signed = chain(&key, 1).remove(0);
    let certificate = folder.file("0.json", json(&signed));
    let (code, _, said) = cloudfarm(&["verify", &certificate, "--public-key", &public], "");
    assert_eq!((code, said.as_str()), (Some(0), ""));

    // The certificate as it stands in the document, byte for byte.
    let document = json(&signed);
    let start = "{\"certificate\":".len();
    let end = document.find(",\"keyID\":").expect("a key id");
    let message = folder.file("message", format!("{DOMAIN}{}", &document[start..end]));
    let bytes: Vec<u8> = (0..64)
        .map(|place| u8::from_str_radix(&signed.signature[place * 2..place * 2 + 2], 16).expect("two digits"))
        .collect();
    let signature = folder.file("signature", bytes);
    let (code, printed, said) = run(
        "openssl",
        &["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-rawin", "-in", &message, "-sigfile", &signature],
        "",
    );
    assert_eq!(code, Some(0), "{printed}{said}");
}
