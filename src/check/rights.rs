//! Pure: what the tenant's people are asked about, and what the answers mean.

use std::fmt;

use super::scene::Scene;
use super::{Outcome, Verdict};

/// One request that somebody might make.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    pub verb: String,
    pub group: String,
    pub resource: String,
    /// Empty for the resource itself.
    pub subresource: String,
    /// `None` for cluster-scoped resources.
    pub namespace: Option<String>,
    pub name: Option<String>,
}

/// A set of requests that are asked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    ClusterScoped,
    OtherTenants,
    Placed,
    Quotas,
    Roles,
    Policies,
    /// Pods, and whatever makes pods.
    Workloads,
    Claims,
    Counted(Countable),
}

/// What a quota may count, and what a tenant creates to be counted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Countable {
    Claims,
    Services,
    Pods,
    Secrets,
    ConfigMaps,
}

/// A resource of the cluster, as discovery tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

/// What is asked about: discovered, or listed.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// `cf-<tenant>`.
    pub customer: String,
    pub resources: Vec<Resource>,
    /// Namespaces of other tenants.
    pub others: Vec<String>,
    /// What the platform made for the tenant: group, resource and name, in the tenant's namespace unless it is cluster-scoped.
    pub placed: Vec<Access>,
}

/// The answers about one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Who may do what.
    pub granted: Vec<(String, Access)>,
    /// How many answers there are.
    pub asked: usize,
    /// Why not everything could be asked.
    pub unseen: Option<String>,
}

/// Store nothing and tell only about whoever asks; everybody who can sign in may ask them.
const ABOUT_ONESELF: [&str; 3] = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];

const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// Whatever starts a pod in the end, or changes one that runs.
const WORKLOADS: [(&str, &str); 9] = [
    ("", "pods"),
    ("", "pods/ephemeralcontainers"),
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
];

impl Topic {
    pub const ALL: [Self; 13] = [
        Self::ClusterScoped,
        Self::OtherTenants,
        Self::Placed,
        Self::Quotas,
        Self::Roles,
        Self::Policies,
        Self::Workloads,
        Self::Claims,
        Self::Counted(Countable::Claims),
        Self::Counted(Countable::Services),
        Self::Counted(Countable::Pods),
        Self::Counted(Countable::Secrets),
        Self::Counted(Countable::ConfigMaps),
    ];

    /// Every request of this topic.
    #[must_use]
    pub fn accesses(self, ground: &Ground) -> Vec<Access> {
        let here = |accesses: Vec<Access>| in_namespace(&ground.customer, accesses);
        match self {
            Self::ClusterScoped => every(ground, false),
            Self::OtherTenants => {
                ground.others.iter().flat_map(|other| in_namespace(other, every(ground, true))).collect()
            }
            Self::Placed => ground
                .placed
                .iter()
                .flat_map(|object| {
                    ["update", "patch", "delete"].map(|verb| Access { verb: verb.into(), ..object.clone() })
                })
                .collect(),
            Self::Quotas => here(writes("", &["resourcequotas", "resourcequotas/status"])),
            Self::Roles => here(writes("rbac.authorization.k8s.io", &["roles", "rolebindings"])),
            Self::Policies => here(writes("networking.k8s.io", &["networkpolicies"])),
            Self::Workloads => {
                here(WORKLOADS.iter().flat_map(|(group, resource)| writes(group, &[resource])).collect())
            }
            Self::Claims => {
                here([writes("", &["persistentvolumeclaims"]), writes("cdi.kubevirt.io", &["datavolumes"])].concat())
            }
            Self::Counted(countable) => here(vec![Access::on("create", "", countable.resource())]),
        }
    }
}

impl Countable {
    fn resource(self) -> &'static str {
        match self {
            Self::Claims => "persistentvolumeclaims",
            Self::Services => "services",
            Self::Pods => "pods",
            Self::Secrets => "secrets",
            Self::ConfigMaps => "configmaps",
        }
    }
}

impl Access {
    /// A request on a resource, or a `resource/subresource`, without namespace.
    #[must_use]
    pub fn on(verb: &str, group: &str, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            ..Self::default()
        }
    }

    /// As a role writes it.
    #[must_use]
    pub fn resource_and_subresource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource_and_subresource())?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        self.namespace.iter().try_for_each(|namespace| write!(f, " in {namespace}"))
    }
}

impl Rights {
    /// Nothing could be asked.
    #[must_use]
    pub fn unseen(why: impl Into<String>) -> Self {
        Self { unseen: Some(why.into()), ..Self::default() }
    }

    /// Nobody may; or who may, or why that is not known.
    pub(super) fn nobody(&self, what: &str) -> Verdict {
        match (&self.granted[..], &self.unseen) {
            ([], Some(why)) => Verdict::unknown(why.clone()),
            ([], None) if self.asked == 0 => Verdict::unknown(format!("there was nothing to ask: {what}")),
            ([], None) => Verdict::pass(format!("none of {} requests is allowed: {what}", self.asked)),
            _ => Verdict::fail(self.told()),
        }
    }

    /// `sato may get pods in cf-beta; and 12 more`.
    pub(super) fn told(&self) -> String {
        let told = self.granted.iter().take(3).map(|(who, access)| format!("{who} may {access}"));
        let more = self.granted.len().saturating_sub(3);
        let more = (more > 0).then(|| format!("and {more} more"));
        told.chain(more).collect::<Vec<_>>().join("; ")
    }
}

pub(super) fn cluster_scoped(scene: &Scene) -> Verdict {
    scene.rights(Topic::ClusterScoped).nobody("cluster-scoped resources, but for reviews of oneself")
}

pub(super) fn other_tenants(scene: &Scene) -> Verdict {
    scene.rights(Topic::OtherTenants).nobody("namespaces of other tenants")
}

pub(super) fn placed(scene: &Scene) -> Verdict {
    scene.rights(Topic::Placed).nobody("what the platform made here, each by its name")
}

pub(super) fn quotas(scene: &Scene) -> Verdict {
    scene.rights(Topic::Quotas).nobody("quotas")
}

pub(super) fn own_roles(scene: &Scene) -> Verdict {
    on_purpose(
        &scene.rights(Topic::Roles),
        "roles are part of the wall: people get theirs by spec.administrators of the Tenant",
    )
}

pub(super) fn own_policies(scene: &Scene) -> Verdict {
    on_purpose(
        &scene.rights(Topic::Policies),
        "policies are the wall: people change rules in a TenantNetwork, which cannot open it",
    )
}

/// The benchmark passes when somebody may; here that would be a hole.
fn on_purpose(rights: &Rights, why: &str) -> Verdict {
    let verdict = rights.nobody(why);
    match verdict.outcome {
        Outcome::Pass => Verdict::new(Outcome::FailOnPurpose, format!("nobody may, {why}")),
        Outcome::Fail => {
            Verdict::fail(format!("the benchmark wants it, and here it opens the wall: {}", verdict.reason))
        }
        _ => verdict,
    }
}

fn every(ground: &Ground, namespaced: bool) -> Vec<Access> {
    let asked = |resource: &&Resource| {
        resource.namespaced == namespaced && !ABOUT_ONESELF.contains(&resource.resource.as_str())
    };
    let accesses = |resource: &Resource| {
        let on = |verb: &String| Access {
            subresource: resource.subresource.clone(),
            ..Access::on(verb, &resource.group, &resource.resource)
        };
        resource.verbs.iter().map(on).collect::<Vec<_>>()
    };
    ground.resources.iter().filter(asked).flat_map(accesses).collect()
}

fn writes(group: &str, resources: &[&str]) -> Vec<Access> {
    resources.iter().flat_map(|resource| WRITES.map(|verb| Access::on(verb, group, resource))).collect()
}

fn in_namespace(namespace: &str, accesses: Vec<Access>) -> Vec<Access> {
    accesses.into_iter().map(|access| Access { namespace: Some(namespace.to_owned()), ..access }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted() -> Rights {
        let access = Access { namespace: Some("cf-beta".into()), ..Access::on("get", "", "pods/log") };
        Rights { granted: vec![("sato".into(), access)], asked: 9, unseen: None }
    }

    #[test]
    fn a_right_that_was_found_counts_even_when_not_everything_could_be_asked() {
        let rights = Rights { unseen: Some("forbidden".into()), ..granted() };
        assert_eq!(rights.nobody(""), Verdict::fail("sato may get pods/log in cf-beta"));
    }

    #[test]
    fn what_was_not_asked_is_never_a_pass() {
        assert_eq!(Rights::unseen("forbidden").nobody("x").outcome, Outcome::Unknown);
        assert_eq!(Rights::default().nobody("x").outcome, Outcome::Unknown);
    }

    #[test]
    fn a_tenant_that_can_write_its_wall_does_not_fail_on_purpose_but_fails() {
        assert_eq!(on_purpose(&granted(), "").outcome, Outcome::Fail);
        assert_eq!(on_purpose(&Rights { asked: 3, ..Rights::default() }, "").outcome, Outcome::FailOnPurpose);
        assert_eq!(on_purpose(&Rights::unseen("forbidden"), "").outcome, Outcome::Unknown);
    }

    #[test]
    fn everything_discovered_is_asked_about_in_its_scope_and_every_namespace_of_others() {
        let resource = |resource: &str, namespaced| Resource {
            group: String::new(),
            resource: resource.into(),
            subresource: String::new(),
            namespaced,
            verbs: vec!["get".into(), "list".into()],
        };
        let ground = Ground {
            resources: vec![resource("nodes", false), resource("selfsubjectreviews", false), resource("pods", true)],
            others: vec!["cf-a".into(), "cf-b".into()],
            ..Ground::default()
        };
        let told = |topic: Topic| topic.accesses(&ground).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(Topic::ClusterScoped), ["get nodes", "list nodes"]);
        let others = ["get pods in cf-a", "list pods in cf-a", "get pods in cf-b", "list pods in cf-b"];
        assert_eq!(told(Topic::OtherTenants), others);
    }
}
