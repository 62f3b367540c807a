//! In the place of Flux's source-controller, which cannot be built from the module registry: asks Git for the branch of
//! every GitRepository, serves a new revision as an archive, and says so in the status as source-controller does.

use std::path::Path;
use std::time::Duration;

use cloudfarm::operator::clock::Clock;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::git::{GitServer, git};
use crate::support::plane::Plane;
use crate::support::world::resource;

/// How often Git is asked: at once for a person, and no load for a machine.
const PAUSE: Duration = Duration::from_millis(200);

/// Fetches until the process ends.
pub fn start(plane: &'static Plane, server: GitServer) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let client = plane.admin().await;
            loop {
                tokio::time::sleep(PAUSE).await;
                look(&client, &server).await;
            }
        });
    });
}

async fn look(client: &Client, server: &GitServer) {
    let kind = resource("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories");
    let all = Api::<DynamicObject>::all_with(client.clone(), &kind);
    for repository in all.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
        let Some(status) = status(server, &repository) else { continue };
        let namespace = repository.namespace().unwrap_or_default();
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &kind);
        let patch = Patch::Merge(json!({"status": status}));
        // One that is gone meanwhile needs none.
        api.patch_status(&repository.name_any(), &PatchParams::default(), &patch).await.ok();
    }
}

/// The new status, if the branch has moved.
fn status(server: &GitServer, repository: &DynamicObject) -> Option<Value> {
    let (url, branch) = (repository.data["spec"]["url"].as_str()?, repository.data["spec"]["ref"]["branch"].as_str()?);
    let root = server.artifacts();
    let said = git(&root, &["ls-remote", url, &format!("refs/heads/{branch}")]);
    let commit = said.split_whitespace().next()?;
    let revision = format!("{branch}@sha1:{commit}");
    if repository.data["status"]["artifact"]["revision"] == revision.as_str() {
        return None;
    }
    let file = format!("{}-{commit}.tar.gz", repository.name_any());
    archive(&root, url, branch, commit, &file);
    let bytes = std::fs::read(root.join(&file)).expect("the archive");
    let now = Clock::default().now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Some(json!({
        "observedGeneration": repository.metadata.generation,
        "artifact": {
            "url": server.url(&format!("artifacts/{file}")),
            "path": file,
            "revision": revision,
            "digest": format!("sha256:{:x}", Sha256::digest(&bytes)),
            "size": bytes.len(),
            "lastUpdateTime": now,
        },
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": format!("stored artifact for revision '{revision}'"),
            "observedGeneration": repository.metadata.generation, "lastTransitionTime": now,
        }],
    }))
}

fn archive(root: &Path, url: &str, branch: &str, commit: &str, file: &str) {
    let mirror = root.join("mirror.git");
    if !mirror.exists() {
        git(root, &["init", "--quiet", "--bare", &mirror.display().to_string()]);
    }
    git(&mirror, &["fetch", "--quiet", "--depth=1", url, branch]);
    git(&mirror, &["archive", "--format=tar.gz", "--output", &root.join(file).display().to_string(), commit]);
}
