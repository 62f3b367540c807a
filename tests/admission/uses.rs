//! People's rights, each of them made use of as such a person. `tests/least_rights.rs` finds them in the audit log.

use futures::future::join_all;
use http::{Method, Request, header};
use kube::discovery::{Discovery, Scope};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::bed::{ADMIN, accepted, bed, ended};
use crate::support::eventually;

const TENANT: &str = "asked";

/// Verbs that admission policies ask for, and no request has.
const ASKED_BY_ADMISSION: [&str; 7] = ["hold", "release", "approve", "decide", "enroll", "maintain", "launch"];

/// A role for people, as it is shipped.
struct PeoplesRole {
    kind: String,
    name: String,
    /// Where the role lies, or where the operator binds it.
    namespace: Option<String>,
    rules: Vec<Value>,
}

/// One use of one right.
struct Use {
    who: String,
    verb: String,
    group: String,
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
}

fn peoples_roles() -> Vec<PeoplesRole> {
    let of = |object: &Value| {
        let name = object["metadata"]["name"].as_str()?.to_owned();
        let for_people = ["cloudfarm-tenant-", "cloudfarm-provider-engineer", "cloudfarm-data-protection-officer"];
        if !object["rules"].is_array() || !for_people.iter().any(|start| name.starts_with(start)) {
            return None;
        }
        let bound_by_operator = name.starts_with("cloudfarm-tenant-").then(|| format!("cf-{TENANT}"));
        Some(PeoplesRole {
            kind: object["kind"].as_str()?.to_owned(),
            namespace: object["metadata"]["namespace"].as_str().map(str::to_owned).or(bound_by_operator),
            rules: object["rules"].as_array()?.clone(),
            name,
        })
    };
    cloudfarm::install::manifests().iter().filter_map(of).collect()
}

impl PeoplesRole {
    /// Somebody who has this role and nothing else.
    fn person(&self) -> String {
        format!("test-{}-{}", self.name, self.kind.to_lowercase()) + self.namespace.as_deref().unwrap_or_default()
    }

    fn binding(&self) -> Value {
        let kind = if self.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": self.person().to_lowercase(), "namespace": self.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": self.kind, "name": self.name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self.person()}]})
    }

    fn uses(&self) -> Vec<Use> {
        let words = |rule: &Value, field: &str| -> Vec<String> {
            let words = rule[field].as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let mut uses = Vec::new();
        for rule in &self.rules {
            let mut names: Vec<_> = words(rule, "resourceNames").into_iter().map(Some).collect();
            if names.is_empty() {
                names.push(None);
            }
            for (group, resource) in words(rule, "apiGroups")
                .iter()
                .flat_map(|group| words(rule, "resources").into_iter().map(move |it| (group.clone(), it)))
            {
                for verb in words(rule, "verbs").into_iter().filter(|verb| !ASKED_BY_ADMISSION.contains(&verb.as_str()))
                {
                    uses.extend(names.iter().map(|name| Use {
                        who: self.person(),
                        verb: verb.clone(),
                        group: group.clone(),
                        resource: resource.clone(),
                        namespace: self.namespace.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
        uses
    }
}

impl Use {
    /// The request, which changes nothing.
    fn request(&self, served: &Discovery) -> Request<Vec<u8>> {
        let (plural, subresource) =
            self.resource.split_once('/').map_or((&*self.resource, None), |(one, two)| (one, Some(two)));
        let found = served.groups().find(|group| group.name() == self.group).and_then(|group| {
            group.resources_by_stability().into_iter().find(|(resource, _)| resource.plural == plural)
        });
        // What nobody serves here is asked for all the same: the API server says who may before it says what there is.
        let version = found.as_ref().map_or("v1", |(resource, _)| &resource.version);
        let cluster_wide = found.as_ref().is_some_and(|(_, capabilities)| capabilities.scope == Scope::Cluster);
        let root =
            if self.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{}/{version}", self.group) };
        let namespace = self.namespace.clone().unwrap_or_else(|| format!("cf-{TENANT}"));
        let place = if cluster_wide { root } else { format!("{root}/namespaces/{namespace}") };
        let name = self.name.as_deref().unwrap_or("asked");
        let end = subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        let object = format!("{place}/{plural}/{name}{end}");
        let (method, uri, kind) = match (self.verb.as_str(), &self.name) {
            ("get", _) => (Method::GET, object, ""),
            ("list", _) => (Method::GET, format!("{place}/{plural}?limit=1"), ""),
            ("watch", _) => (Method::GET, format!("{place}/{plural}?watch=true&timeoutSeconds=1"), ""),
            // Of a plain create the API server does not know the name in time.
            ("create", Some(_)) => {
                (Method::PATCH, format!("{object}?dryRun=All&fieldManager=test"), "application/apply-patch+yaml")
            }
            ("create", None) => (Method::POST, format!("{place}/{plural}?dryRun=All"), "application/json"),
            ("update", _) => (Method::PUT, format!("{object}?dryRun=All"), "application/json"),
            ("patch", _) => (Method::PATCH, format!("{object}?dryRun=All"), "application/merge-patch+json"),
            ("delete", _) => (Method::DELETE, format!("{object}?dryRun=All"), "application/json"),
            (other, _) => panic!("{other}: no request has this verb"),
        };
        let body = match kind {
            "" => Vec::new(),
            "application/apply-patch+yaml" => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).to_string().into_bytes()
            }
            _ => b"{}".to_vec(),
        };
        let request = Request::builder().method(method).uri(uri);
        let request = if kind.is_empty() { request } else { request.header(header::CONTENT_TYPE, kind) };
        request.body(body).expect("a request")
    }

    /// Nothing, or what the API server says against it. That there is no such object, or that the body will not do, is
    /// said after the right was looked at.
    async fn refusal(&self, config: &Config, served: &Discovery) -> Option<String> {
        let mut config = config.clone();
        config.auth_info.impersonate = Some(self.who.clone());
        let client = Client::try_from(config).expect("a client");
        let request = self.request(served);
        let asked = format!("{} as {}: {} {}", self.verb, self.who, request.method(), request.uri());
        match client.request_text(request).await {
            Err(kube::Error::Api(status)) if status.code == 403 && status.message.contains(" cannot ") => {
                Some(format!("{asked}: {}", status.message))
            }
            Err(kube::Error::Api(_)) | Ok(_) => None,
            Err(error) => Some(format!("{asked}: {error}")),
        }
    }
}

#[tokio::test]
async fn each_right_that_people_are_given_lets_them_through() {
    let plane = bed().await;
    ended(plane, TENANT).await;
    let roles = peoples_roles();
    assert!(roles.len() >= 8, "{} roles", roles.len());
    for role in &roles {
        accepted(plane, ADMIN, "create", Some(role.binding())).await;
    }
    let config = plane.config().await;
    let served = Discovery::new(plane.admin().await).run().await.expect("discovery");
    let uses: Vec<Use> = roles.iter().flat_map(PeoplesRole::uses).collect();
    eventually("the bindings to be known", || async {
        let refusals: Vec<_> = join_all(uses.iter().map(|each| each.refusal(&config, &served))).await;
        let refused: Vec<String> = refusals.into_iter().flatten().collect();
        if !refused.is_empty() {
            eprintln!("{}", refused.join("\n"));
        }
        refused.is_empty().then_some(())
    })
    .await;
}
