//! ValidatingAdmissionPolicies: what CRD rules cannot say, since it is about deleting, about who asks, or about another
//! object. No webhooks: these cannot be down. Each policy is one function.
//!
//! They hold for everybody, cluster administrators included, and they fail closed. A policy that asks the Retentions is
//! judged once for each Retention there is: it stands only where requests are rare, or behind a label selector, which
//! is looked at before.

mod bindings;
mod data;
mod exports;
mod grants;
mod guests;
mod images;
mod machines;
mod namespaces;
mod nodes;
mod notices;
mod pods;
mod program;
mod purge;
mod reach;
mod restores;
mod retentions;
mod sessions;
mod storage;
mod tenants;
mod velero;
mod walls;

use serde_json::{Value, json};

use super::{OPERATOR, PURGE, kept};
use crate::api::labels::{FIELD_MANAGER, MANAGED_BY, OWNED_PREFIXES, TENANT};

/// Controllers of Kubernetes that delete what belongs to something that is gone. They act as one user where the
/// controller manager runs without credentials for each controller.
const CONTROLLERS: [&str; 3] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// Every policy with its binding.
pub fn policies() -> Vec<Value> {
    let guards = [
        data::deletion(),
        data::ownership(),
        data::backup(),
        data::disposable(),
        data::disposable_by_purge(),
        machines::template(),
        machines::attachment(),
        namespaces::claim(),
        namespaces::authority(),
        namespaces::deletion(),
        namespaces::marks(),
        namespaces::approval(),
        namespaces::hold_release(),
        nodes::labels(),
        notices::kinds(),
        notices::confirmation(),
        notices::status(),
        notices::records(),
        restores::restore(),
        retentions::deletion(),
        retentions::by_operator(),
        retentions::holds(),
        retentions::approvals(),
        retentions::decisions(),
        retentions::status(),
        purge::volumes(),
        purge::snapshot_contents(),
        purge::snapshot_content_deletion(),
        purge::wall_deletion(),
        bindings::purge_roles(),
        bindings::inside(),
        bindings::doors(),
        bindings::records(),
        exports::export(),
        grants::request(),
        grants::answers(),
        grants::status(),
        grants::doors(),
        grants::entrances(),
        guests::secrets(),
        images::results(),
        images::exceptions(),
        pods::entry(),
        pods::creation(),
        pods::change(),
        program::cron_jobs(),
        program::jobs(),
        program::pods(),
        tenants::deletion(),
        tenants::last_word(),
        tenants::end_date(),
        reach::namespaces(),
        reach::objects(),
        reach::walls(),
        reach::customers(),
        sessions::records(),
        sessions::kept(),
        sessions::on_grants(),
        storage::classes(),
        storage::sources(),
        velero::schedules(),
        walls::of_tenants(),
        walls::of_the_platform(),
    ];
    guards.into_iter().flat_map(Guard::rendered).collect()
}

/// One policy, and the binding that puts it in force for the whole cluster.
#[derive(Debug)]
struct Guard {
    name: &'static str,
    matches: Value,
    conditions: Vec<Value>,
    variables: Vec<Value>,
    rules: Vec<Value>,
    params: Option<Params>,
}

/// What a policy is judged with beside the request.
#[derive(Debug)]
enum Params {
    EveryRetention,
    ConfigMap { namespace: &'static str, name: &'static str },
}

impl Guard {
    /// Judges these operations on these resources of one group.
    fn on(name: &'static str, operations: &[&str], group: &str, resources: &[&str]) -> Self {
        Self::on_all(name, operations, &[(group, resources)])
    }

    /// Judges these operations on resources of several groups.
    fn on_all(name: &'static str, operations: &[&str], resources: &[(&str, &[&str])]) -> Self {
        let rules: Vec<Value> = resources
            .iter()
            .map(|(group, resources)| {
                json!({"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources})
            })
            .collect();
        Self {
            name,
            matches: json!({"resourceRules": rules}),
            conditions: Vec::new(),
            variables: Vec::new(),
            rules: Vec::new(),
            params: None,
        }
    }

    /// Judges these, too, by the same rules.
    fn and(mut self, operation: &str, group: &str, resources: &[&str]) -> Self {
        if let Some(rules) = self.matches["resourceRules"].as_array_mut() {
            rules.push(
                json!({"apiGroups": [group], "apiVersions": ["*"], "operations": [operation], "resources": resources}),
            );
        }
        self
    }

    /// Only in namespaces that carry this label.
    fn in_namespaces_with(mut self, label: &str) -> Self {
        self.matches["namespaceSelector"] = exists(label);
        self
    }

    /// Only in this namespace.
    fn in_namespace(mut self, name: &str) -> Self {
        self.matches["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
        self
    }

    /// Only for objects that carry this label before or after.
    fn for_objects_with(mut self, label: &str) -> Self {
        self.matches["objectSelector"] = exists(label);
        self
    }

    /// Only when this is so.
    fn when(mut self, name: &str, expression: impl Into<String>) -> Self {
        self.conditions.push(json!({"name": name, "expression": expression.into()}));
        self
    }

    /// `variables.<name>` in what follows.
    fn with(mut self, name: &str, expression: impl Into<String>) -> Self {
        self.variables.push(json!({"name": name, "expression": expression.into()}));
        self
    }

    /// Refuses unless the expression holds, with this message: a CEL expression, too.
    fn unless(mut self, expression: impl Into<String>, message: impl Into<String>) -> Self {
        self.rules
            .push(json!({"expression": expression.into(), "messageExpression": message.into(), "reason": "Forbidden"}));
        self
    }

    /// Judges once for every Retention, as `params`: all of them have to agree. Where there is none at all it judges
    /// nothing: the API server would otherwise refuse the request of everybody, before it looks at any condition.
    fn every_retention(mut self) -> Self {
        self.params = Some(Params::EveryRetention);
        self
    }

    /// Judges with this ConfigMap as `params`. Without it every request that these operations and resources match is
    /// refused, before any condition is looked at.
    fn asking(mut self, namespace: &'static str, name: &'static str) -> Self {
        self.params = Some(Params::ConfigMap { namespace, name });
        self
    }

    fn rendered(self) -> [Value; 2] {
        let mut spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": self.matches,
            "validations": self.rules,
        });
        if !self.conditions.is_empty() {
            spec["matchConditions"] = self.conditions.into();
        }
        if !self.variables.is_empty() {
            spec["variables"] = self.variables.into();
        }
        let mut binding = json!({"policyName": self.name, "validationActions": ["Deny", "Audit"]});
        match self.params {
            None => {}
            Some(Params::EveryRetention) => {
                spec["paramKind"] = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention"});
                binding["paramRef"] = json!({"selector": {}, "parameterNotFoundAction": "Allow"});
            }
            Some(Params::ConfigMap { namespace, name }) => {
                spec["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"});
                binding["paramRef"] = json!({"namespace": namespace, "name": name, "parameterNotFoundAction": "Deny"});
            }
        }
        let object = |kind: &str, spec: Value| {
            kept(json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": self.name},
                "spec": spec,
            }))
        };
        [object("ValidatingAdmissionPolicy", spec), object("ValidatingAdmissionPolicyBinding", binding)]
    }
}

fn exists(label: &str) -> Value {
    json!({"matchExpressions": [{"key": label, "operator": "Exists"}]})
}

/// CEL: who asks is this service account of ours.
fn is(account: &str) -> String {
    format!("request.userInfo.username == '{account}'")
}

/// CEL: who asks is the operator.
fn is_operator() -> String {
    is(OPERATOR)
}

/// CEL: who asks is the purge.
fn is_purge() -> String {
    is(PURGE)
}

/// CEL: who asks has this verb on Retentions: one of those that only people are given.
fn may(verb: &str) -> String {
    format!("authorizer.group('cloudfarm.dev').resource('retentions').check('{verb}').allowed()")
}

/// CEL: who asks has this verb on Tenants: one that exists for admission alone, see [`super::roles`]. Clusters say by
/// RBAC who their platform is; a cluster administrator has every verb.
fn may_for_tenants(verb: &str) -> String {
    format!("authorizer.group('cloudfarm.dev').resource('tenants').check('{verb}').allowed()")
}

/// CEL: who asks is one of Kubernetes' own controllers that clear away.
fn is_controller() -> String {
    format!("request.userInfo.username in [{}]", quoted(&CONTROLLERS))
}

/// CEL: who asks is Kubernetes' garbage collector, by either of its names.
fn is_garbage_collector() -> String {
    format!("request.userInfo.username in [{}]", quoted(&CONTROLLERS[1..]))
}

/// CEL: names of the entries of a map of `object` that begin with one of these and are not as they were.
fn changed_keys(map: &str, prefixes: &[&str]) -> String {
    let (new, old) =
        (format!("object.metadata.?{map}.orValue({{}})"), format!("oldObject.metadata.?{map}.orValue({{}})"));
    let guarded = format!("[{}].exists(prefix, key.startsWith(prefix))", quoted(prefixes));
    format!(
        "({new}.filter(key, {guarded} && !(key in {old} && {old}[key] == {new}[key])) + {old}.filter(key, {guarded} && !(key in {new})))"
    )
}

/// Keys by which others decide about an object of ours, among them every one that we own.
fn keys_with_authority(others: &[&'static str]) -> Vec<&'static str> {
    OWNED_PREFIXES.into_iter().chain(others.iter().copied()).collect()
}

/// CEL: words of a list.
fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

/// CEL: this annotation of `object`, as an optional.
fn annotation(object: &str, key: &str) -> String {
    format!("{object}.metadata.?annotations[?'{key}']")
}

/// CEL: this label of `object`, as an optional.
fn label(object: &str, key: &str) -> String {
    format!("{object}.metadata.?labels[?'{key}']")
}

/// What we make for a tenant outside of namespaces: its wall, and networks beside it.
const WALLS: [(&str, &[&str]); 2] =
    [("policy.networking.k8s.io", &["clusternetworkpolicies"]), ("k8s.ovn.org", &["clusteruserdefinednetworks"])];

/// CEL: this one of [`WALLS`] is ours, and named after the tenant whose label it carries.
fn made_for_its_tenant(object: &str) -> String {
    let ours = format!("{}.orValue('') == '{FIELD_MANAGER}'", label(object, MANAGED_BY));
    let wall = format!("'cf-' + {}.orValue('')", label(object, TENANT));
    format!(
        "{ours} && (request.resource.resource == 'clusternetworkpolicies' ? {object}.metadata.name == {wall} : {object}.metadata.name.startsWith({wall} + '.'))"
    )
}

/// CEL: the delete names the uid of what it means (I7), so that a namesake made meanwhile is not hit.
fn by_uid() -> &'static str {
    "request.?options.?preconditions.?uid.orValue('') == oldObject.metadata.uid"
}

/// CEL: the Retention in `params` has a legal hold.
fn held() -> &'static str {
    "params.spec.?legalHold.?active.orValue(false)"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_fails_closed_denies_and_says_why() {
        let all = policies();
        assert_eq!(all.len() % 2, 0);
        for pair in all.chunks(2) {
            let (policy, binding) = (&pair[0], &pair[1]);
            let name = policy["metadata"]["name"].as_str().unwrap_or_default();
            assert!(name.starts_with("cloudfarm-"), "{name}");
            assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{name}");
            assert_eq!(binding["spec"]["policyName"], name);
            assert_eq!(binding["spec"]["validationActions"], json!(["Deny", "Audit"]), "{name}");
            let asks = policy["spec"]["paramKind"].is_object();
            assert_eq!(asks, binding["spec"]["paramRef"].is_object(), "{name}: params asked for and bound");
            let rules = policy["spec"]["validations"].as_array().cloned().unwrap_or_default();
            assert!(!rules.is_empty(), "{name}");
            for rule in rules {
                assert!(rule["messageExpression"].as_str().is_some_and(|message| message.len() > 40), "{name}: {rule}");
            }
        }
    }
}
