//! Pure: whom the checks about rights are about.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleBinding};
use kube::ResourceExt;

use super::rights::Access;

const EVERYBODY: &str = "system:authenticated";

/// Somebody who can act as the tenant.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Somebody whom the API server can be asked about.
    SignedIn { name: String, user: String, groups: Vec<String> },
    /// Whoever will be bound to this role: nobody is yet, so its rules are read.
    Role { name: String, rules: Vec<PolicyRule> },
}

/// Whom the bindings of a tenant's namespace name, and who of them is the platform's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    pub subjects: Vec<Subject>,
    pub set_aside: Vec<String>,
}

impl Subject {
    /// What anybody may do who can sign in, the tenant's people among them.
    #[must_use]
    pub fn everybody() -> Self {
        signed_in("everybody who can sign in", "cloudfarm:check:nobody", &[])
    }

    /// For reasons.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::SignedIn { name, .. } | Self::Role { name, .. } => name,
        }
    }

    /// Does a binding name this subject?
    fn is_named_by(&self, binding: &RoleBinding) -> bool {
        let Self::SignedIn { user, groups, .. } = self else { return false };
        binding.subjects.iter().flatten().any(|subject| match subject.kind.as_str() {
            "User" => subject.name == *user,
            "Group" => groups.contains(&subject.name),
            _ => *user == account(subject.namespace.as_deref().unwrap_or_default(), &subject.name),
        })
    }
}

/// Everybody whom RoleBindings of the tenant's own namespaces name. Service accounts of other namespaces belong to the
/// platform; they are set aside, by name.
#[must_use]
pub fn bound(bindings: &[RoleBinding], namespaces: &[String]) -> Bound {
    let (mut names, mut bound) = (BTreeSet::new(), Bound::default());
    for binding in bindings {
        for subject in binding.subjects.iter().flatten() {
            let namespace = subject.namespace.as_deref().unwrap_or_default();
            let name = format!("{} {}", subject.kind, subject.name);
            match subject.kind.as_str() {
                "User" if names.insert(name.clone()) => {
                    bound.subjects.push(signed_in(&subject.name, &subject.name, &[]));
                }
                "Group" if names.insert(name.clone()) => {
                    bound.subjects.push(signed_in(
                        &format!("group {}", subject.name),
                        "cloudfarm:check:member",
                        &[&subject.name],
                    ));
                }
                "ServiceAccount" if names.insert(format!("{name} {namespace}")) => {
                    let user = account(namespace, &subject.name);
                    if namespaces.iter().any(|own| own == namespace) {
                        let group = format!("system:serviceaccounts:{namespace}");
                        bound.subjects.push(signed_in(&user, &user, &["system:serviceaccounts", &group]));
                    } else {
                        bound.set_aside.push(format!("{user} by RoleBinding {}", binding.name_any()));
                    }
                }
                _ => {}
            }
        }
    }
    bound
}

/// Whoever will be bound to these roles.
#[must_use]
pub fn of_roles(roles: Vec<ClusterRole>) -> Vec<Subject> {
    let subject = |role: ClusterRole| Subject::Role {
        name: format!("whoever is bound to {}", role.name_any()),
        rules: role.rules.unwrap_or_default(),
    };
    roles.into_iter().map(subject).collect()
}

/// Namespaces, other than the tenant's own, in which a binding names one of the tenant's people.
#[must_use]
pub fn bound_elsewhere(subjects: &[Subject], bindings: &[RoleBinding], own: &[String]) -> BTreeSet<String> {
    let names_one = |binding: &&RoleBinding| subjects.iter().any(|subject| subject.is_named_by(binding));
    let elsewhere = bindings.iter().filter(names_one).filter_map(RoleBinding::namespace);
    elsewhere.filter(|namespace| !own.contains(namespace)).collect()
}

/// Would a RoleBinding of these rules in this namespace allow it? It gives nothing elsewhere, and nothing cluster-wide.
#[must_use]
pub fn allows(rules: &[PolicyRule], namespace: &str, access: &Access) -> bool {
    let resource = access.resource_and_subresource();
    let any_of = format!("*/{}", access.subresource);
    let holds = |words: &Option<Vec<String>>, sought: &[&str]| {
        words.iter().flatten().any(|word| word == "*" || sought.contains(&word.as_str()))
    };
    access.namespace.as_deref() == Some(namespace)
        && rules.iter().any(|rule| {
            holds(&rule.api_groups, &[&access.group])
                && holds(&rule.resources, &[&resource, &any_of])
                && holds(&Some(rule.verbs.clone()), &[&access.verb])
                && rule.resource_names.as_ref().is_none_or(|names| {
                    names.is_empty() || access.name.as_ref().is_some_and(|name| names.contains(name))
                })
        })
}

fn signed_in(name: &str, user: &str, groups: &[&str]) -> Subject {
    let groups = groups.iter().copied().chain([EVERYBODY]).map(str::to_owned).collect();
    Subject::SignedIn { name: name.to_owned(), user: user.to_owned(), groups }
}

fn account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn binding(namespace: &str, subjects: &Value) -> RoleBinding {
        let binding = json!({
            "metadata": {"name": "b", "namespace": namespace}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        });
        serde_json::from_value(binding).unwrap()
    }

    fn access(verb: &str, resource: &str, name: Option<&str>) -> Access {
        let access = Access { namespace: Some("cf-acme".into()), ..Access::on(verb, "", resource) };
        Access { name: name.map(str::to_owned), ..access }
    }

    #[test]
    fn each_person_is_asked_about_once_and_the_platforms_accounts_are_named_and_set_aside() {
        let subjects = json!([
            {"kind": "User", "name": "sato"}, {"kind": "Group", "name": "acme-staff"},
            {"kind": "ServiceAccount", "name": "robot", "namespace": "cf-acme"},
            {"kind": "ServiceAccount", "name": "cloudfarm-purge", "namespace": "cloudfarm-system"},
        ]);
        let twice = [binding("cf-acme", &subjects), binding("cf-acme", &subjects)];
        let bound = bound(&twice, &["cf-acme".to_owned()]);
        let names: Vec<&str> = bound.subjects.iter().map(Subject::name).collect();
        assert_eq!(names, ["sato", "group acme-staff", "system:serviceaccount:cf-acme:robot"]);
        assert_eq!(bound.set_aside, ["system:serviceaccount:cloudfarm-system:cloudfarm-purge by RoleBinding b"]);
    }

    #[test]
    fn a_person_is_found_in_another_namespace_by_name_by_group_and_as_everybody() {
        let own = ["cf-acme".to_owned()];
        let people = bound(&[binding("cf-acme", &json!([{"kind": "User", "name": "sato"}]))], &own).subjects;
        for (subject, found) in [
            (json!({"kind": "User", "name": "sato"}), true),
            (json!({"kind": "Group", "name": "system:authenticated"}), true),
            (json!({"kind": "User", "name": "ito"}), false),
            (json!({"kind": "ServiceAccount", "name": "sato", "namespace": "cf-beta"}), false),
        ] {
            let elsewhere = bound_elsewhere(&people, &[binding("cf-beta", &json!([subject]))], &own);
            assert_eq!(elsewhere.contains("cf-beta"), found, "{subject}");
        }
        let at_home = binding("cf-acme", &json!([{"kind": "User", "name": "sato"}]));
        assert!(bound_elsewhere(&people, &[at_home], &own).is_empty());
    }

    #[test]
    fn rules_are_read_as_the_api_server_reads_them() {
        let rules = |rule: Value| vec![serde_json::from_value::<PolicyRule>(rule).unwrap()];
        let pods = rules(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}));
        assert!(allows(&pods, "cf-acme", &access("get", "pods", None)));
        assert!(!allows(&pods, "cf-acme", &access("create", "pods", None)));
        assert!(!allows(&pods, "cf-acme", &Access::on("get", "", "pods")), "a RoleBinding gives nothing cluster-wide");
        assert!(!allows(&pods, "cf-beta", &access("get", "pods", None)), "nor in another namespace");
        let log = Access { subresource: "log".into(), ..access("get", "pods", None) };
        assert!(!allows(&pods, "cf-acme", &log));
        assert!(allows(&rules(json!({"apiGroups": ["*"], "resources": ["*/log"], "verbs": ["*"]})), "cf-acme", &log));
        let named = rules(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}));
        assert!(allows(&named, "cf-acme", &access("get", "pods", Some("a"))));
        assert!(
            !allows(&named, "cf-acme", &access("get", "pods", Some("b")))
                && !allows(&named, "cf-acme", &access("get", "pods", None))
        );
    }
}
