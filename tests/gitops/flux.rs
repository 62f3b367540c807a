//! Flux's kustomize-controller on a plane, with a Git server beside it.

use std::process::Command;
use std::sync::OnceLock;

use cloudfarm::operator::clock::Clock;
use kube::Client;
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use super::fetcher;
use super::git::{GitServer, Repository};
use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::world::{merge, resource};

/// Where Flux lives.
pub const HOME: &str = "flux-system";

/// A plane that is given its tenants from Git.
#[derive(Clone)]
pub struct Flux {
    pub plane: &'static Plane,
    pub client: Client,
    server: GitServer,
}

impl Flux {
    /// The one that the tests of this binary share.
    pub async fn shared() -> Self {
        static SERVER: OnceLock<GitServer> = OnceLock::new();
        let plane = Plane::shared();
        let server = SERVER.get_or_init(|| start(plane)).clone();
        Self { plane, client: plane.admin().await, server }
    }

    /// One on a plane of its own.
    pub async fn on(plane: &'static Plane) -> Self {
        Self { plane, client: plane.admin().await, server: start(plane) }
    }

    /// A repository that Flux does not know yet.
    pub fn hosted(&self, name: &str) -> Repository {
        self.server.repository(name)
    }

    /// A repository that Flux knows under this name.
    pub fn repository(&self, name: &str) -> Repository {
        let repository = self.hosted(name);
        self.apply(&json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"name": name, "namespace": HOME},
            "spec": {"url": repository.url, "ref": {"branch": "main"}, "interval": "1m"},
        }));
        repository
    }

    /// A Kustomization of the root of the repository of the same name; `more` is merged into its spec.
    pub fn kustomization(&self, name: &str, more: Value) {
        let mut manifest = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name, "namespace": HOME},
            "spec": {
                "sourceRef": {"kind": "GitRepository", "name": name}, "path": "./", "prune": true, "wait": true,
                "interval": "10m", "retryInterval": "2s", "timeout": "20s",
            },
        });
        merge(&mut manifest["spec"], more);
        self.apply(&manifest);
    }

    /// A repository and a Kustomization with these manifests; returns when they are pushed.
    pub fn declared(&self, name: &str, manifests: &[Value]) -> (Repository, String) {
        let repository = self.repository(name);
        self.kustomization(name, json!({}));
        let revision = pushed(&repository, manifests);
        (repository, revision)
    }

    /// Applies one manifest as whoever set Flux up.
    pub fn apply(&self, manifest: &Value) {
        let set_up = ["apply", "--server-side", "--field-manager=set-up", "-f", "-"];
        self.plane.kubectl(&set_up, Some(&manifest.to_string()));
    }

    pub fn kustomizations(&self) -> Api<DynamicObject> {
        let kind = resource("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations");
        Api::namespaced_with(self.client.clone(), HOME, &kind)
    }

    /// The Kustomization as it is.
    pub async fn get(&self, name: &str) -> Option<Value> {
        serde_json::to_value(self.kustomizations().get_opt(name).await.ok()??).ok()
    }

    /// Waits until this revision is applied and healthy.
    pub async fn ready(&self, name: &str, revision: &str) -> Value {
        let told = Told { flux: self, name };
        let found = eventually(&format!("Kustomization {name}: Ready at {revision}"), || async {
            let found = self.get(name).await?;
            let applied = found["status"]["lastAppliedRevision"] == revision;
            (applied && condition(&found, "Ready")["status"] == "True").then_some(found)
        })
        .await;
        std::mem::forget(told);
        found
    }

    /// Waits until the Kustomization is not Ready, for a reason, and says this; returns the whole message.
    pub async fn fails(&self, name: &str, reason: &str, part: &str) -> String {
        let told = Told { flux: self, name };
        let found = eventually(&format!("Kustomization {name}: {reason}: {part}"), || async {
            let ready = condition(&self.get(name).await?, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            let is = ready["status"] == "False" && ready["reason"] == reason && message.contains(part);
            is.then(|| message.to_owned())
        })
        .await;
        std::mem::forget(told);
        found
    }

    /// Asks for a look now, as `flux reconcile` does, and waits until it is over.
    pub async fn reconcile(&self, name: &str) {
        let at = Clock::default().now().to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={at}");
        self.plane.kubectl(&["annotate", "--overwrite", "kustomization", name, "-n", HOME, &annotation], None);
        let told = Told { flux: self, name };
        eventually(&format!("Kustomization {name} is looked at"), || async {
            let found = self.get(name).await?;
            (found["status"]["lastHandledReconcileAt"] == at.as_str()).then_some(())
        })
        .await;
        std::mem::forget(told);
    }
}

/// Writes one file for each manifest and pushes.
pub fn pushed(repository: &Repository, manifests: &[Value]) -> String {
    for manifest in manifests {
        repository.write(&file(manifest), &format!("{manifest:#}\n"));
    }
    repository.push("Declare")
}

/// The file in which a manifest lies; JSON is YAML.
pub fn file(manifest: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    format!("{}-{}.yaml", text(&manifest["kind"]), text(&manifest["metadata"]["name"]))
}

/// A condition of an object.
pub fn condition(object: &Value, type_: &str) -> Value {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
}

fn start(plane: &'static Plane) -> GitServer {
    plane.install("flux");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/gitops.sh");
    let output = Command::new(script).arg(&plane.dir).output().expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = GitServer::start(plane.dir.join("git"));
    fetcher::start(plane, server.clone());
    server
}

/// Prints how the Kustomization stands when a wait ends in a panic.
struct Told<'a> {
    flux: &'a Flux,
    name: &'a str,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let asked = ["get", "kustomization", self.name, "-n", HOME, "-o", "jsonpath={.status}"];
            eprintln!("last status: {}", self.flux.plane.try_kubectl(&asked, None).1);
        }
    }
}
