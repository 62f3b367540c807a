//! What an API server serves, by its own account: every resource and subresource of every version.

use futures::future::join_all;
use kube::Client;

/// One resource or subresource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    pub group: String,
    pub version: String,
    /// `pods`, or `pods/exec`.
    pub resource: String,
    pub namespaced: bool,
    /// Sorted.
    pub verbs: Vec<String>,
}

impl Served {
    /// Path of the group and version.
    pub fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    pub fn may(&self, verb: &str) -> bool {
        self.verbs.iter().any(|each| each == verb)
    }
}

/// Everything, sorted.
pub async fn served(client: &Client) -> Vec<Served> {
    let groups = client.list_api_groups().await.expect("groups").groups;
    let versions: Vec<String> =
        groups.iter().flat_map(|group| group.versions.iter().map(|version| version.group_version.clone())).collect();
    let lists = join_all(versions.iter().map(|version| client.list_api_group_resources(version)));
    let mut all = vec![client.list_core_api_resources("v1").await.expect("resources")];
    all.extend(lists.await.into_iter().map(|list| list.expect("resources")));
    let mut found: Vec<Served> = all
        .into_iter()
        .flat_map(|list| {
            let (group, version) = list
                .group_version
                .split_once('/')
                .map_or((String::new(), list.group_version.clone()), |(group, version)| {
                    (group.to_owned(), version.to_owned())
                });
            list.resources.into_iter().map(move |resource| {
                let mut verbs = resource.verbs;
                verbs.sort();
                Served {
                    group: group.clone(),
                    version: version.clone(),
                    resource: resource.name,
                    namespaced: resource.namespaced,
                    verbs,
                }
            })
        })
        .collect();
    found.sort();
    found
}
