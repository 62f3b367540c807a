//! Stolen tokens, and none at all.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bed::{Attack, forbidden};
use crate::support::caller::{Caller, JSON};

/// `verb group/resource [names]` of a rule, one for each.
fn cells(rule: &Value) -> BTreeSet<String> {
    let words = |field: &str| -> Vec<String> {
        let listed = rule[field].as_array().into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut names = words("resourceNames");
    names.sort();
    let mut all = BTreeSet::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            all.extend(words("verbs").iter().map(|verb| format!("{verb} {group}/{resource} {names:?}")));
        }
    }
    all
}

/// What the installation gives an account in a namespace: what is bound everywhere, and in that one.
fn granted(account: &str, namespace: &str) -> BTreeSet<String> {
    let manifests = cloudfarm::install::manifests();
    let bound = |kind: &str, place: Option<&str>| -> Vec<String> {
        let bindings = manifests.iter().filter(|object| {
            object["kind"] == kind && place.is_none_or(|place| object["metadata"]["namespace"] == place)
        });
        bindings
            .filter(|binding| {
                binding["subjects"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == account))
            })
            .map(|binding| binding["roleRef"]["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let rules_of = |kind: &str, names: Vec<String>, place: Option<&str>| -> Vec<Value> {
        let roles = manifests.iter().filter(|object| {
            object["kind"] == kind
                && place.is_none_or(|place| object["metadata"]["namespace"] == place)
                && names.iter().any(|name| object["metadata"]["name"] == name.as_str())
        });
        roles.flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default()).collect()
    };
    let everywhere = rules_of("ClusterRole", bound("ClusterRoleBinding", None), None);
    let here = rules_of("Role", bound("RoleBinding", Some(namespace)), Some(namespace));
    // In tenants' namespaces the operator has bound to itself what it needs where there are VMs (D61), and for records (D95).
    let own = match (account, namespace) {
        ("cloudfarm", "cf-acme") => vec!["cloudfarm-inside".to_owned()],
        ("cloudfarm", "cfd-acme") => vec!["cloudfarm-records".to_owned()],
        _ => Vec::new(),
    };
    let inside = rules_of("ClusterRole", own, None);
    everywhere.iter().chain(&here).chain(&inside).flat_map(cells).collect()
}

/// What every service account may: ask about itself, and look which authorities the cluster trusts.
const EVERYBODYS: [&str; 2] = ["/selfsubject", "certificates.k8s.io/clustertrustbundles"];

/// What the API server says that this token may do in a namespace, without [`EVERYBODYS`].
async fn held(caller: &Caller, namespace: &str) -> BTreeSet<String> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let answer = caller.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await;
    let review: Value = serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!(review["status"]["incomplete"], false, "{review}");
    let rules = review["status"]["resourceRules"].as_array().expect("rules");
    rules.iter().flat_map(cells).filter(|cell| !EVERYBODYS.iter().any(|each| cell.contains(each))).collect()
}

#[tokio::test]
async fn s20_each_stolen_token_holds_exactly_the_rights_of_the_installations_table_and_a_pods_token_none() {
    let attack = Attack::begin().await;
    for account in ["cloudfarm", "cloudfarm-purge"] {
        let stolen = attack.account("cloudfarm-system", account).await;
        for namespace in ["cloudfarm-system", "cloudfarm-evidence", "cf-acme", "cfd-acme", "kube-system", "default"] {
            assert_eq!(held(&stolen, namespace).await, granted(account, namespace), "{account} in {namespace}");
        }
    }
    for (namespace, account) in [("cf-acme", "default"), ("cfd-acme", "default"), ("cloudfarm-system", "default")] {
        let stolen = attack.account(namespace, account).await;
        for place in [namespace, "cf-globex", "kube-system"] {
            assert_eq!(held(&stolen, place).await, BTreeSet::new(), "{namespace}/{account} in {place}");
        }
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s20_cve_2026_22872_cve_2026_65835_a_stolen_operator_reaches_no_data_no_pod_and_nothing_but_tenants() {
    let attack = Attack::begin().await;
    let stolen = attack.account("cloudfarm-system", "cloudfarm").await;
    let who = "a stolen operator";
    let object = |version: &str, kind: &str, more: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "own"}});
        crate::support::world::merge(&mut object, more);
        object
    };
    for path in [
        "/api/v1/namespaces/cf-acme",
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/cf-acme/persistentvolumeclaims",
        "/apis/cdi.kubevirt.io/v1beta1/namespaces/cf-acme/datavolumes/web-root",
        "/apis/cloudfarm.dev/v1alpha1/tenants/acme",
        "/apis/cloudfarm.dev/v1alpha1/retentions/acme",
        "/api/v1/persistentvolumes",
        "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines",
        "/apis/networking.k8s.io/v1/namespaces/kube-system/networkpolicies",
    ] {
        forbidden(who, &stolen, "DELETE", path, &Value::Null).await;
    }
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/cf-acme/secrets",
        "/api/v1/namespaces/cloudfarm-system/secrets/cloudfarm-signing-key",
        "/api/v1/pods",
        "/api/v1/nodes/kwok-1/proxy/pods",
    ] {
        forbidden(who, &stolen, "GET", path, &Value::Null).await;
    }
    let to = |kind: &str, name: &str| {
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "cloudfarm", "namespace": "cloudfarm-system"}]})
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let open = json!({"spec": {"podSelector": {}, "ingress": [{}]}});
    let halted = json!({"spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}}});
    let all = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    for (path, manifest) in [
        (
            format!("/apis/{rbac}/clusterrolebindings"),
            object(rbac, "ClusterRoleBinding", to("ClusterRole", "cluster-admin")),
        ),
        (format!("/apis/{rbac}/clusterroles"), object(rbac, "ClusterRole", all)),
        (
            format!("/apis/{rbac}/namespaces/cf-acme/rolebindings"),
            object(rbac, "RoleBinding", to("ClusterRole", "admin")),
        ),
        (
            format!("/apis/{rbac}/namespaces/cf-acme/rolebindings"),
            object(rbac, "RoleBinding", to("ClusterRole", "cloudfarm-purge-erase")),
        ),
        (
            format!("/apis/{rbac}/namespaces/cf-acme/rolebindings"),
            object(rbac, "RoleBinding", to("ClusterRole", "cloudfarm-doors")),
        ),
        (
            format!("/apis/{rbac}/namespaces/kube-system/rolebindings"),
            object(rbac, "RoleBinding", to("ClusterRole", "cloudfarm-tenant-admin")),
        ),
        (
            "/api/v1/namespaces/cf-acme/pods".into(),
            object("v1", "Pod", json!({"spec": {"containers": [{"name": "c", "image": "i"}]}})),
        ),
        (
            "/api/v1/namespaces/cloudfarm-system/pods".into(),
            object("v1", "Pod", json!({"spec": {"containers": [{"name": "c", "image": "i"}]}})),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/kube-system/networkpolicies".into(),
            object("networking.k8s.io/v1", "NetworkPolicy", open),
        ),
        (
            "/apis/kubevirt.io/v1/namespaces/default/virtualmachines".into(),
            object("kubevirt.io/v1", "VirtualMachine", halted.clone()),
        ),
        (
            "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines".into(),
            object("kubevirt.io/v1", "VirtualMachine", halted),
        ),
        (
            "/api/v1/namespaces/cloudfarm-system/serviceaccounts/cloudfarm-purge/token".into(),
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}),
        ),
        (
            "/api/v1/namespaces".into(),
            object("v1", "Namespace", json!({"metadata": {"labels": {"cloudfarm.dev/tenant": "own"}}})),
        ),
    ] {
        forbidden(who, &stolen, "POST", &path, &manifest).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s20_a_stolen_operator_changes_neither_what_guards_it_nor_who_a_tenant_is() {
    let attack = Attack::begin().await;
    let stolen = attack.account("cloudfarm-system", "cloudfarm").await;
    let who = "a stolen operator";
    for (path, change) in [
        ("/api/v1/namespaces/cloudfarm-system/configmaps/cloudfarm-purge-program", json!({"data": {"image": "own"}})),
        ("/api/v1/namespaces/cloudfarm-system/configmaps/cloudfarm-storage", json!({"data": {"classes": ""}})),
        (
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/cloudfarm-pod-entry",
            json!({"spec": {"failurePolicy": "Ignore"}}),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tenants.cloudfarm.dev",
            json!({"spec": {"scope": "Namespaced"}}),
        ),
        ("/apis/cloudfarm.dev/v1alpha1/tenants/acme", json!({"spec": {"administrators": []}})),
        (
            "/api/v1/namespaces/cf-acme",
            json!({"metadata": {"annotations": {"cloudfarm.dev/purge-approved": "11111111-1111-1111-1111-111111111111"}}}),
        ),
        ("/api/v1/namespaces/cf-acme", json!({"metadata": {"labels": {"cloudfarm.dev/tenant": "globex"}}})),
    ] {
        forbidden(who, &stolen, "PATCH", path, &change).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s20_a_stolen_purge_deletes_nothing_that_nobody_approved_and_makes_nothing() {
    let attack = Attack::begin().await;
    let stolen = attack.account("cloudfarm-system", "cloudfarm-purge").await;
    let who = "a stolen purge";
    for path in [
        "/api/v1/namespaces/cf-acme",
        "/api/v1/namespaces/cf-globex",
        "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines/web",
        "/apis/cdi.kubevirt.io/v1beta1/namespaces/cf-acme/datavolumes/web-root",
        "/apis/cloudfarm.dev/v1alpha1/retentions/acme",
        "/apis/cloudfarm.dev/v1alpha1/tenants/acme",
        "/api/v1/persistentvolumes/any",
        "/api/v1/namespaces/cloudfarm-evidence/configmaps/chain",
    ] {
        forbidden(who, &stolen, "DELETE", path, &Value::Null).await;
    }
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/cf-acme/secrets",
        "/api/v1/namespaces/cloudfarm-system/secrets",
        "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines",
    ] {
        forbidden(who, &stolen, "GET", path, &Value::Null).await;
    }
    for path in [
        "/api/v1/namespaces",
        "/api/v1/namespaces/cf-acme/pods",
        "/api/v1/namespaces/cloudfarm-evidence/configmaps",
        "/apis/batch/v1/namespaces/cloudfarm-system/jobs",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/cf-acme/rolebindings",
    ] {
        forbidden(who, &stolen, "POST", path, &json!({})).await;
    }
    let approved = json!({"metadata": {"annotations": {"cloudfarm.dev/purge-approved": "x"}}});
    forbidden(who, &stolen, "PATCH", "/api/v1/namespaces/cf-acme", &approved).await;
    let due = json!({"status": {"purgeNotBefore": "2026-01-01T00:00:00Z"}});
    forbidden(who, &stolen, "PATCH", "/apis/cloudfarm.dev/v1alpha1/retentions/acme/status", &due).await;
    attack.left_nothing().await;
}

#[tokio::test]
async fn s19_cve_2022_23652_cve_2023_48312_without_a_credential_or_with_a_forged_one_nothing_answers() {
    let attack = Attack::begin().await;
    let token = attack.plane.kubectl(&["create", "token", "cloudfarm", "-n", "cloudfarm-system"], None);
    let (head, signature) = token.trim().rsplit_once('.').expect("a signed token");
    let reversed: String = signature.chars().rev().collect();
    let unsigned = format!("{head}.");
    let resigned = format!("{head}.{reversed}");
    let paths = [
        "/api/v1/namespaces/cf-acme",
        "/api/v1/namespaces/cf-acme/status",
        "/apis/cloudfarm.dev/v1alpha1/tenants",
        "/apis/kubevirt.io/v1/virtualmachines",
        "/metrics",
        "/logs/",
        "/debug/pprof/",
    ];
    for token in ["", " ", "x", "null", &unsigned, &resigned] {
        let forged = Caller::with_token(attack.plane, token).await;
        for path in paths {
            let answer = forged.send("GET", path, JSON, &Value::Null).await;
            assert!([401, 403].contains(&answer.code), "{token:?}: {path}: {answer:?}");
        }
        let made = forged.create("/apis/cloudfarm.dev/v1alpha1/tenants", &json!({})).await;
        assert!([401, 403].contains(&made.code), "{token:?}: {made:?}");
    }
    attack.left_nothing().await;
}
