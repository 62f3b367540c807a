//! helm and its neighbours as people call them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::plane::Plane;
use crate::support::world::merge;

/// Where the checkout is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of a pinned module under `tests/controlplane/tools`; built by the first that asks.
pub fn tool(module: &'static str, name: &str) -> PathBuf {
    static BUILT: OnceLock<std::sync::Mutex<std::collections::BTreeMap<&str, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(std::sync::Mutex::default).lock().expect("no panic");
    let folder = built.entry(module).or_insert_with(|| {
        let output = Command::new(root().join("tests/controlplane/build.sh")).arg(module).output().expect("build.sh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a path").trim().into()
    });
    folder.join(name)
}

/// Runs a program: whether it succeeded, its output, and what it complained about.
pub fn run(command: &mut Command, stdin: &str) -> (bool, String, String) {
    use std::io::Write as _;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer").ok();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), said(output.stdout), said(output.stderr))
}

/// helm in the checkout's root, with nothing of the person who runs the tests.
fn helm(words: &[&str], values: Option<&Value>, kubeconfig: &Path) -> (bool, String, String) {
    let own = root().join("target/test-helm");
    let mut command = Command::new(tool("charts", "helm"));
    command.args(words).current_dir(root()).env("KUBECONFIG", kubeconfig);
    for (variable, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
    {
        command.env(variable, own.join(folder));
    }
    if values.is_some() {
        command.args(["--values", "-"]);
    }
    run(&mut command, &values.map(Value::to_string).unwrap_or_default())
}

/// helm without a cluster: output, or what it complained about.
pub fn alone(words: &[&str], values: Option<&Value>) -> Result<String, String> {
    let (ok, output, complaint) = helm(words, values, Path::new("/nonexistent"));
    if ok { Ok(output) } else { Err(output + &complaint) }
}

/// helm on a plane: what it said, or what it complained about.
pub fn on(plane: &Plane, words: &[&str], values: Option<&Value>) -> Result<String, String> {
    let (ok, output, complaint) = helm(words, values, &plane.dir.join("kubeconfig"));
    if ok { Ok(output + &complaint) } else { Err(output + &complaint) }
}

/// helm on a plane, in the operator's namespace; has to succeed.
pub fn done(plane: &Plane, words: &[&str], values: Option<&Value>) -> String {
    let words = [words, &["--namespace", "cloudfarm-system"]].concat();
    on(plane, &words, values).unwrap_or_else(|complaint| panic!("helm {}: {complaint}", words.join(" ")))
}

/// helm on a plane, in the operator's namespace; has to be refused with each of these words.
pub fn refused(plane: &Plane, words: &[&str], values: Option<&Value>, says: &[&str]) {
    let words = [words, &["--namespace", "cloudfarm-system"]].concat();
    let complaint = on(plane, &words, values).expect_err(&words.join(" "));
    for say in says {
        assert!(complaint.contains(say), "helm {}: {say:?} is missing in: {complaint}", words.join(" "));
    }
}

/// The operator's namespace, and the chart of the kinds in it.
pub fn prepared(plane: &Plane) {
    plane.kubectl(&["create", "namespace", "cloudfarm-system"], None);
    plane.kubectl(&["label", "namespace", "cloudfarm-system", "pod-security.kubernetes.io/enforce=restricted"], None);
    done(plane, &["upgrade", "--install", "cloudfarm-crds", "charts/cloudfarm-crds"], None);
    plane.our_crds_established();
}

/// `tests/charts/values/<name>.yaml` over the shipped config.
pub fn values(name: &str) -> Value {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let mut values = json!({"config": read("charts/cloudfarm/config.yaml")});
    // The purge runs what the operator runs, unless somebody wants it otherwise.
    values["config"]["purge"].as_object_mut().expect("purge").remove("image");
    merge(&mut values, read(&format!("tests/charts/values/{name}.yaml")));
    values
}

/// What people install who need nothing special.
pub fn usual() -> Value {
    values("default")
}
