//! The image gate (14.1.1) from a Tenant to its VM on a real API server, with the real clamscan and a signature of ours: no
//! network brings ClamAV's own. No node runs the Job's pod: the test runs its command as a process with the pod's token.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use cloudfarm::images::result::Finding;
use cloudfarm::images::scan::Scanner;
use cloudfarm::operator::clock::Clock;
use cloudfarm::operator::config::{Config, Images};
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};
use support::faults::Faults;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, tenant};
use support::{audit, command, eventually};

/// The test file of the anti-virus industry, in two parts: who scans this checkout finds none.
fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC", "AR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// A folder with one signature of a body, as a provider adds its own; and the scanner, installed once.
fn signatures(work: &Path) -> PathBuf {
    let (ok, _, said) = command::run(&mut Command::new(command::root().join("tests/images/packages.sh")), "");
    assert!(ok, "{said}");
    let folder = work.join("signatures");
    std::fs::create_dir_all(&folder).expect("a folder");
    let body = eicar().bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    std::fs::write(folder.join("own.ndb"), format!("Test.Eicar.Body:0:*:{body}\n")).expect("a file");
    folder
}

fn work(name: &str) -> PathBuf {
    let folder = command::root().join(format!("target/test-images/{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("scratch")).expect("a folder");
    folder
}

/// A file of so many mebibytes of nothing, with the body at this place.
fn image(file: &Path, mebibytes: u64, body_at: Option<u64>) {
    use std::io::{Seek as _, SeekFrom, Write as _};
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let mut disk = std::fs::File::create(file).expect("a file");
    disk.set_len(mebibytes << 20).expect("a size");
    if let Some(place) = body_at {
        disk.seek(SeekFrom::Start(place)).expect("a place");
        disk.write_all(eicar().as_bytes()).expect("a body");
    }
}

#[test]
fn clamscan_finds_a_body_wherever_it_lies_and_what_it_cannot_read_is_not_clean() {
    let work = work("scanner");
    let mut scanner = Scanner::new("clamscan".into(), signatures(&work), work.join("scratch"));
    scanner.piece = 4 << 20;
    assert!(scanner.version().expect("a version").starts_with("ClamAV "));
    let disk = work.join("image/disk.img");
    image(&disk, 9, None);
    assert_eq!(scanner.scan(&work.join("image")), Finding::Clean);
    // At the front, over the border of two pieces, in the last of them.
    for place in [0, (4 << 20) - 30, (9 << 20) - 100] {
        image(&disk, 9, Some(place));
        for path in [work.join("image"), disk.clone()] {
            let found = scanner.scan(&path);
            assert!(
                matches!(&found, Finding::Infected(name) if name.contains("Test.Eicar.Body")),
                "{place}: {found:?}"
            );
        }
    }
    assert_eq!(std::fs::read_dir(work.join("scratch")).expect("the folder").count(), 0, "pieces are left");
    let blind = Scanner::new("clamscan".into(), work.join("nothing"), work.join("scratch"));
    assert!(matches!(blind.scan(&disk), Finding::Failed(why) if why.contains("exit code 2")));
    std::fs::remove_dir_all(&work).expect("it goes");
}

#[test]
fn nothing_is_recorded_of_a_file_that_has_not_the_checksum() {
    let work = work("checksum");
    image(&work.join("disk.img"), 1, None);
    let scan = |path: &str| {
        let mut scan = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
        let path = format!("--path={}", work.join(path).display());
        let (ok, _, said) = command::run(scan.args(["scan", &format!("--image-digest={}", digest('d')), &path]), "");
        assert!(!ok && said.contains("nothing was recorded"), "{said}");
        said
    };
    assert!(scan("disk.img").contains(&format!("is not {}", digest('d'))));
    assert!(scan("scratch").contains("is no file"));
    std::fs::remove_dir_all(&work).expect("it goes");
}

fn config() -> Config {
    let scanner_image = "registry.invalid/clamav".to_owned();
    let images = Images { scanner_image, signatures_claim: None, max_signature_age_hours: 72 };
    Config { images: Some(images), ..support::operator::config() }
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn name_of(digest: &str, origin: &str) -> String {
    digest.parse::<cloudfarm::images::identity::Digest>().expect("a digest").name(origin)
}

/// Name of the scan of [`registry`]'s image.
fn scan_of(letter: char) -> String {
    name_of(&format!("image:{}", digest(letter)), &format!("docker://registry.invalid/fedora@{}", digest(letter)))
}

/// A Tenant with one VM from this image.
fn bundle(name: &str, image: &Value) -> Vec<Value> {
    let mut vm = machine("one", &["front"]);
    vm["image"] = image.clone();
    vec![world::namespace(name), tenant(name, json!({"virtualMachines": [vm]})), network(name, "front", json!({}))]
}

fn registry(letter: char) -> Value {
    json!({"registry": {"url": format!("docker://registry.invalid/fedora@{}", digest(letter))}})
}

fn get(plane: &Plane, words: &str) -> Option<Value> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let (ok, said) = plane.try_kubectl(&[&["get", "-o", "json"], &words[..]].concat(), None);
    ok.then(|| serde_json::from_str(&said).expect("JSON"))
}

/// The pod that the Job controller makes of a Job.
async fn pod_of(plane: &Plane, namespace: &str, job: &str) -> Value {
    eventually(&format!("the pod of Job {namespace}/{job}"), || async {
        let all = get(plane, &format!("pods -n {namespace} -l batch.kubernetes.io/job-name={job}"))?;
        all["items"].get(0).cloned()
    })
    .await
}

/// Runs what the pod's container runs, with the token that the pod has; the image lies elsewhere.
fn run(plane: &Plane, pod: &Value, work: &Path, change: impl Fn(String) -> String) -> (bool, String) {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str).expect(path).to_owned();
    let (namespace, account) = (text("/metadata/namespace"), text("/spec/serviceAccountName"));
    let (name, uid) = (text("/metadata/name"), text("/metadata/uid"));
    let bound = [
        "--bound-object-kind=Pod".to_owned(),
        format!("--bound-object-name={name}"),
        format!("--bound-object-uid={uid}"),
    ];
    let mut words = vec!["create", "token", &account, "-n", &namespace];
    words.extend(bound.iter().map(String::as_str));
    let token = plane.kubectl(&words, None);
    let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut kubeconfig: Value = serde_json::from_str(&admin).expect("JSON");
    kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
    let file = work.join("kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).expect("a file");
    let arguments = pod["spec"]["containers"][0]["args"].as_array().cloned().expect("arguments");
    let here = |argument: &Value| {
        let text = argument.as_str().expect("a word").to_owned();
        let text = match text.split_once('=') {
            Some(("--path", _)) => format!("--path={}", work.join("image").display()),
            Some(("--signatures", _)) => format!("--signatures={}", work.join("signatures").display()),
            Some(("--scratch", _)) => format!("--scratch={}", work.join("scratch").display()),
            _ => text,
        };
        change(text)
    };
    let arguments: Vec<String> = arguments.iter().map(here).collect();
    let mut scan = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
    let (ok, said, complaint) = command::run(scan.args(arguments).env("KUBECONFIG", &file), "");
    (ok, said + &complaint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_tenant_to_its_vm_by_a_scan_and_an_infected_image_only_by_an_exception_and_until_it_ends() {
    let work = work("story");
    signatures(&work);
    let plane = Plane::start("images", None);
    let golden = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cf-golden"}});
    apply(&plane, &[golden]);
    apply(&plane, &cloudfarm::install::by_config(&config()));
    let client = plane.admin().await;
    let clock = Clock::default();
    let running = Operator::start_with(&plane, Faults::default(), config(), clock.clone()).await;
    let (tenants, vm) = (world::tenants(&client), |tenant: &str| world::machines(&client, tenant));

    // An image that nobody has looked at: no VM and no disk, but a scan.
    apply(&plane, &bundle("clean", &registry('a')));
    let told = |tenant: &'static str, type_: &'static str, words: &'static str| {
        let tenants = tenants.clone();
        async move {
            eventually(&format!("{tenant}: {type_} to say {words}"), || async {
                let told = serde_json::to_value(tenants.get(tenant).await.ok()?).ok()?;
                message(&told, type_).contains(words).then_some(told)
            })
            .await
        }
    };
    told("clean", "ImagesScanned", "spec.virtualMachines[one].image").await;
    told("clean", "VirtualMachinesReady", "one: not started: spec.virtualMachines[one].image").await;
    let pod = pod_of(&plane, "cloudfarm-images", &scan_of('a')).await;
    assert!(vm("clean").get_opt("one").await.expect("an answer").is_none());
    let reference = pod["spec"]["volumes"]
        .as_array()
        .expect("volumes")
        .iter()
        .find_map(|volume| volume["image"]["reference"].as_str());
    assert_eq!(reference, Some(format!("registry.invalid/fedora@{}", digest('a')).as_str()));

    // The scan says nothing of another image, whatever it is made to do.
    image(&work.join("image/disk.img"), 3, None);
    let (ok, said) = run(&plane, &pod, &work, |argument| argument.replace(&digest('a'), &digest('b')));
    assert!(!ok && said.contains("is not the result of the pod"), "{said}");
    let (ok, said) = run(&plane, &pod, &work, |argument| argument);
    assert!(ok && said.contains("Clean"), "{said}");
    condition(&tenants, "clean", "ImagesScanned", "True").await;
    eventually("the VM", || async { vm("clean").get_opt("one").await.ok().flatten() }).await;
    condition(&tenants, "clean", "Ready", "True").await;
    // A second look at an unchanged world makes no call; it was made when a later declaration, which queues behind, is done.
    condition(&world::retentions(&client), "clean", "Ready", "True").await;
    let mark = audit::Mark::now(&plane);
    plane.kubectl(&["annotate", "tenant", "clean", "test/look=again"], None);
    apply(&plane, &bundle("second", &registry('a')));
    condition(&tenants, "second", "Ready", "True").await;
    let calls = mark.calls(&plane).await;
    assert!(!calls.iter().any(|call| call.resource == "jobs"), "the scan is everybody's: {calls:#?}");
    let again: Vec<_> =
        calls.iter().filter(|call| call.name == "clean" || call.namespace.ends_with("-clean")).collect();
    assert!(again.is_empty(), "{again:#?}");

    // An infected one, in a claim: scanned where it lies.
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "ubuntu-7", "namespace": "cf-golden"},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "resources": {"requests": {"storage": "1Gi"}}}});
    let source = json!({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource", "metadata": {"name": "ubuntu", "namespace": "cf-golden"},
        "spec": {"source": {"pvc": {"name": "ubuntu-7", "namespace": "cf-golden"}}}});
    apply(&plane, &[claim, source]);
    // CDI's CRD has no status of its own; what CDI would say is written by the test.
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}).to_string();
    plane.kubectl(&["patch", "datasource", "ubuntu", "-n", "cf-golden", "--type=merge", "-p", &ready], None);
    let uid = get(&plane, "pvc ubuntu-7 -n cf-golden").expect("the claim")["metadata"]["uid"]
        .as_str()
        .expect("a uid")
        .to_owned();
    let infected = format!("claim:{uid}");
    apply(&plane, &bundle("infected", &json!({"dataSource": "ubuntu"})));
    let pod = pod_of(&plane, "cf-golden", &name_of(&infected, "")).await;
    assert_eq!(pod["spec"]["containers"][0]["volumeDevices"][0]["devicePath"], "/image");
    image(&work.join("image/disk.img"), 3, Some(1 << 20));
    let (ok, said) = run(&plane, &pod, &work, |argument| argument);
    assert!(ok && said.contains("Infected"), "{said}");
    told("infected", "VirtualMachinesReady", "Test.Eicar.Body").await;
    assert!(vm("infected").get_opt("one").await.expect("an answer").is_none());

    // An exception by name; and what it opened is closed again at its end, for whoever is not there yet.
    let until = clock.now().checked_add(SignedDuration::from_hours(24)).expect("an instant");
    let by = plane.kubectl(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"], None);
    let exception = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "ubuntu", "namespace": "cloudfarm-images", "labels": {"cloudfarm.dev/image-record": "exception"}},
        "data": {"digest": infected, "reason": "ticket 7", "by": by.trim(), "until": until.to_string()}});
    apply(&plane, &[exception]);
    eventually("the VM by exception", || async { vm("infected").get_opt("one").await.ok().flatten() }).await;
    let told_of_it = told("infected", "ImagesScanned", "by exception").await;
    let said = message(&told_of_it, "ImagesScanned");
    assert!([by.trim(), &until.to_string(), "ticket 7"].iter().all(|word| said.contains(word)), "{said}");
    clock.set_ahead(25 * 3600);
    apply(&plane, &bundle("late", &json!({"dataSource": "ubuntu"})));
    told("late", "VirtualMachinesReady", "Test.Eicar.Body").await;

    // A Job that is somebody else's stands where a scan is to be made, and no watch of ours shows it.
    let stranger = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": scan_of('c'), "namespace": "cloudfarm-images"},
        "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "x", "image": "registry.invalid/x"}]}}}});
    plane.kubectl(&["create", "-f", "-"], Some(&stranger.to_string()));
    apply(&plane, &bundle("barred", &registry('c')));
    told("barred", "ImagesScanned", "that is no scan (label cloudfarm.dev/image-scan=true is missing); delete it")
        .await;
    assert!(vm("late").get_opt("one").await.expect("an answer").is_none());
    let runs = vm("infected").get("one").await.expect("it is there");
    assert_eq!(runs.data["spec"]["runStrategy"], "Always", "what runs is left running");
    running.stop().await;
    std::fs::remove_dir_all(&work).expect("it goes");
}
