//! What an API server serves, by its own account: every resource and subresource of every version.

use std::iter;

use futures::future::join_all;
use kube::Client;

use super::eventually;

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

/// Everything, sorted. A version that comes or goes while it is asked for (a neighbour test's CRD on a shared plane) is
/// named by one answer and unknown to the next: the whole is asked again until its answers fit together.
pub async fn served(client: &Client) -> Vec<Served> {
    let all = eventually("an account of what is served that fits together", || async {
        let groups = client.list_api_groups().await.expect("groups").groups;
        let versions: Vec<String> = groups
            .iter()
            .flat_map(|group| group.versions.iter().map(|version| version.group_version.clone()))
            .collect();
        let lists = join_all(versions.iter().map(|version| client.list_api_group_resources(version))).await;
        let core = client.list_core_api_resources("v1").await.expect("resources");
        let known = lists.into_iter().map(|list| match list {
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            list => Some(list.expect("resources")),
        });
        iter::once(Some(core)).chain(known).collect::<Option<Vec<_>>>()
    })
    .await;
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
