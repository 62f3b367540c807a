//! Programs that tests call as people do: the pinned tools, and helm among them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

/// Where the checkout is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of a pinned module under `tests/controlplane/tools`; built by the first that asks.
pub fn tool(module: &'static str, name: &str) -> PathBuf {
    static BUILT: OnceLock<Mutex<BTreeMap<&str, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().expect("no panic");
    let folder = built.entry(module).or_insert_with(|| {
        let (ok, folder, complaint) = run(Command::new(root().join("tests/controlplane/build.sh")).arg(module), "");
        assert!(ok, "{complaint}");
        folder.trim().into()
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
    let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.success(), said(output.stdout), said(output.stderr))
}

/// helm in the checkout's root, with nothing of the person who runs the tests.
pub fn helm(words: &[&str], values: Option<&Value>, kubeconfig: &Path) -> (bool, String, String) {
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
