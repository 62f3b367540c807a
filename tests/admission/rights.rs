//! What the roles allow, with real tokens: admission refuses what somebody could do, roles what nobody should try.

use std::path::Path;

use cloudfarm::purge::classify::is_noise_kind;
use cloudfarm::purge::plan::KindName;
use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, PURGE, accepted, bed, binding, data, ended, purge_bound, refused, uid};
use crate::support::eventually;
use crate::support::plane::Plane;

/// Every rule of whoever has this kubeconfig, in one namespace.
fn rules(plane: &Plane, kubeconfig: &Path, namespace: &str) -> Vec<Value> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let words = ["create", "--raw", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "-f", "-"];
    let (ok, said) = plane.try_kubectl_with(kubeconfig, &words, Some(&review.to_string()));
    assert!(ok, "{said}");
    let review: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(review["status"]["incomplete"], false, "{said}");
    review["status"]["resourceRules"].as_array().cloned().expect("rules")
}

fn has(rule: &Value, field: &str, word: &str) -> bool {
    rule[field].as_array().is_some_and(|words| words.iter().any(|each| each == word || each == "*"))
}

/// Asks about oneself; nothing comes into being by it.
fn asks_about_oneself(rule: &Value) -> bool {
    rule["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .all(|resource| resource.as_str().is_some_and(|name| name.starts_with("selfsubject")))
}

#[tokio::test]
async fn the_purge_creates_nothing_anywhere_not_even_by_patching_what_is_not_there() {
    let plane = bed().await;
    ended(plane, "rights").await;
    purge_bound(plane, "rights").await;
    let token = plane.kubeconfig_of("cloudfarm-purge", "purge");
    eventually("the purge's roles to be bound", || async {
        rules(plane, &token, "cf-rights")
            .iter()
            .any(|rule| has(rule, "resources", "virtualmachines") && has(rule, "verbs", "delete"))
            .then_some(())
    })
    .await;
    for namespace in ["cf-rights", "cloudfarm-system", "cloudfarm-evidence", "default"] {
        for rule in rules(plane, &token, namespace) {
            let only_its_lease =
                rule["resources"] == json!(["leases"]) && rule["resourceNames"] == json!(["cloudfarm-purge"]);
            assert!(!has(&rule, "verbs", "create") || asks_about_oneself(&rule), "{namespace}: {rule}");
            assert!(!has(&rule, "verbs", "update") || only_its_lease, "{namespace}: {rule}");
            for verb in ["deletecollection", "bind", "escalate", "impersonate"] {
                assert!(!has(&rule, "verbs", verb), "{namespace}: {verb} in {rule}");
            }
            let elsewhere = namespace != "cf-rights" && has(&rule, "verbs", "delete");
            let fenced =
                ["namespaces", "volumesnapshotcontents", "clusternetworkpolicies", "clusteruserdefinednetworks"]
                    .iter()
                    .any(|one| rule["resources"] == json!([one]));
            assert!(!elsewhere || fenced, "{namespace}: {rule}");
        }
    }
    let said = |words: &[&str], stdin: Option<&str>| {
        let (ok, said) = plane.try_kubectl_with(&token, words, stdin);
        assert!(!ok && said.contains("forbidden"), "{words:?}: {said}");
    };
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "cloudfarm-evidence"}}).to_string();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "cloudfarm-purge", "namespace": "cf-rights"}}).to_string();
    said(&["create", "-f", "-"], Some(&map));
    said(&["apply", "--server-side", "-f", "-"], Some(&map));
    said(&["create", "-f", "-"], Some(&lease));
    said(&["create", "-f", "-"], Some(&binding("rights", "cloudfarm-purge-erase", "cloudfarm-purge").to_string()));
    said(&["create", "token", "cloudfarm", "-n", "cloudfarm-system"], None);
    said(
        &[
            "patch",
            "namespace",
            "cf-rights",
            "--type=merge",
            "-p",
            "{\"metadata\":{\"annotations\":{\"cloudfarm.dev/purge-approved\":\"x\"}}}",
        ],
        None,
    );
    said(&["patch", "retention", "rights", "--type=merge", "-p", "{\"spec\":{\"suspend\":true}}"], None);
    said(&["get", "secret", "other", "-n", "cloudfarm-system"], None);
    said(&["get", "secrets", "-A"], None);
    said(&["delete", "retention", "rights"], None);
    said(&["delete", "pv", "any"], None);

    let done = |words: &[&str]| {
        let (ok, said) = plane.try_kubectl_with(&token, words, None);
        assert!(ok, "{words:?}: {said}");
    };
    done(&["patch", "configmap", "chain", "-n", "cloudfarm-evidence", "--type=merge", "-p", "{}"]);
    done(&["get", "configmap", "cloudfarm-purge-budget", "-n", "cloudfarm-system"]);
    done(&["get", "secrets", "-n", "cf-rights"]);
    done(&["get", "retentions"]);
    let mine = plane.kubectl(&["get", "lease", "cloudfarm-purge", "-n", "cloudfarm-system", "-o", "json"], None);
    let (ok, said) = plane.try_kubectl_with(&token, &["replace", "-f", "-"], Some(&mine));
    assert!(ok, "{said}");
}

#[tokio::test]
async fn the_provisioner_deletes_nothing_that_holds_data_and_gives_the_purges_rights_to_the_purge_alone() {
    let plane = bed().await;
    ended(plane, "provisioner").await;
    let all = data(plane, "provisioner");
    let token = plane.kubeconfig_of("cloudfarm", "provisioner");
    for (resource, _) in &all {
        let (ok, said) = plane.try_kubectl_with(&token, &["delete", resource, "kept", "-n", "cf-provisioner"], None);
        assert!(!ok && said.contains("forbidden"), "{resource}: {said}");
    }
    for (resource, name) in [
        ("namespaces", "cf-provisioner"),
        ("tenants", "provisioner"),
        ("retentions", "provisioner"),
        ("pv", "any"),
        ("volumesnapshotcontents", "any"),
    ] {
        let (ok, said) = plane.try_kubectl_with(&token, &["delete", resource, name], None);
        assert!(!ok && said.contains("forbidden"), "{resource}: {said}");
    }
    for rule in ["cf-provisioner", "cloudfarm-system", "cloudfarm-evidence"]
        .iter()
        .flat_map(|namespace| rules(plane, &token, namespace))
    {
        for holds_data in [
            "configmaps",
            "secrets",
            "persistentvolumeclaims",
            "datavolumes",
            "virtualmachinesnapshots",
            "volumesnapshots",
            "namespaces",
            "persistentvolumes",
        ] {
            assert!(!has(&rule, "resources", holds_data) || !has(&rule, "verbs", "delete"), "{rule}");
        }
        assert!(!has(&rule, "verbs", "escalate") && !has(&rule, "verbs", "impersonate"), "{rule}");
    }

    for role in ["cloudfarm-purge-inventory", "cloudfarm-purge-erase"] {
        let words = "create --dry-run=server";
        accepted(plane, OPERATOR, words, Some(binding("provisioner", role, "cloudfarm-purge"))).await;
        refused(
            plane,
            OPERATOR,
            words,
            Some(binding("provisioner", role, "cloudfarm")),
            &["to somebody else than ServiceAccount cloudfarm-system/cloudfarm-purge"],
        )
        .await;
        let mut outside = binding("provisioner", role, "cloudfarm-purge");
        outside["metadata"]["namespace"] = json!("default");
        refused(plane, ADMIN, words, Some(outside.clone()), &["outside of a tenant's namespace"]).await;
        outside["kind"] = json!("ClusterRoleBinding");
        outside["metadata"] = json!({"name": "everywhere"});
        refused(plane, ADMIN, words, Some(outside), &["outside of a tenant's namespace"]).await;
    }
    let words = "create --dry-run=server";
    accepted(plane, OPERATOR, words, Some(binding("provisioner", "cloudfarm-inside", "cloudfarm"))).await;
    let to_the_purge = binding("provisioner", "cloudfarm-inside", "cloudfarm-purge");
    let alone = ["to somebody else than ServiceAccount cloudfarm-system/cloudfarm"];
    refused(plane, OPERATOR, words, Some(to_the_purge), &alone).await;
    let mut outside = binding("provisioner", "cloudfarm-inside", "cloudfarm");
    outside["metadata"]["namespace"] = json!("kube-system");
    refused(plane, ADMIN, words, Some(outside), &["it reads Secrets"]).await;
    let mut everywhere = binding("provisioner", "cloudfarm-inside", "cloudfarm");
    everywhere["kind"] = json!("ClusterRoleBinding");
    everywhere["metadata"] = json!({"name": "everywhere"});
    refused(plane, ADMIN, words, Some(everywhere), &["it reads Secrets"]).await;
    let admin = binding("provisioner", "cluster-admin", "cloudfarm");
    refused(
        plane,
        OPERATOR,
        "create --dry-run=server",
        Some(admin),
        &["attempting to grant RBAC permissions not currently held"],
    )
    .await;
}

fn only_tells_of_others(name: &str) -> bool {
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    is_noise_kind(&KindName { group: group.into(), version: String::new(), kind: String::new(), plural: plural.into() })
}

#[tokio::test]
async fn the_inventory_may_list_every_kind_that_this_cluster_has_in_a_namespace() {
    let plane = bed().await;
    ended(plane, "counted").await;
    purge_bound(plane, "counted").await;
    let token = plane.kubeconfig_of("cloudfarm-purge", "counting");
    let listed = plane.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"], None);
    let unlisted = || {
        let rules = rules(plane, &token, "cf-counted");
        let missing = |name: &&str| {
            let (resource, group) = name.split_once('.').unwrap_or((name, ""));
            !rules.iter().any(|rule| {
                has(rule, "apiGroups", group) && has(rule, "resources", resource) && has(rule, "verbs", "list")
            })
        };
        listed
            .split_whitespace()
            .filter(|name| !only_tells_of_others(name))
            .filter(missing)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    eventually("the role to be aggregated", || async { (unlisted().len() < 5).then_some(()) }).await;
    assert_eq!(unlisted(), Vec::<String>::new());

    // A provider's own kind is added by a label.
    let own = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "test-own", "labels": {"cloudfarm.dev/aggregate-to-purge-inventory": "true"}},
        "rules": [{"apiGroups": ["provider.example"], "resources": ["backups"], "verbs": ["get", "list"]}]});
    accepted(plane, ADMIN, "create", Some(own)).await;
    eventually("the provider's own kind to be listed", || async {
        rules(plane, &token, "cf-counted").iter().any(|rule| has(rule, "resources", "backups")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn people_have_what_their_part_needs() {
    let plane = bed().await;
    ended(plane, "people").await;
    let export = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "export", "namespace": "cf-people"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-tenant-export"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "sato"}]});
    accepted(plane, OPERATOR, "create", Some(export)).await;
    for namespace in ["cloudfarm-system", "cloudfarm-evidence"] {
        let officer = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "test-officer", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cloudfarm-data-protection-officer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "officer"}]});
        accepted(plane, ADMIN, "create", Some(officer)).await;
    }
    let may = [
        ("officer", "hold retentions.cloudfarm.dev"),
        ("officer", "patch retentions"),
        ("officer", "get configmaps -n cloudfarm-evidence"),
        ("officer", "update configmaps/cloudfarm-purge-budget -n cloudfarm-system"),
        ("engineer", "create tenants"),
        ("engineer", "delete tenantnetworks -n cf-people"),
        ("engineer", "create namespaces"),
        ("engineer", "list retentions"),
        ("sato", "create virtualmachineexports -n cf-people"),
        ("sato", "get virtualmachines -n cf-people"),
    ];
    for (who, what) in may {
        accepted(plane, who, &format!("auth can-i {what}"), None).await;
    }
    let must_not = [
        ("officer", "delete retentions"),
        ("officer", "patch retentions --subresource=status"),
        ("officer", "patch tenants"),
        ("officer", "patch configmaps -n cloudfarm-evidence"),
        ("officer", "create configmaps -n cloudfarm-system"),
        ("officer", "delete pvc -n cf-people"),
        ("engineer", "patch retentions"),
        ("engineer", "decide retentions.cloudfarm.dev"),
        ("engineer", "patch namespaces"),
        ("engineer", "delete namespaces"),
        ("engineer", "get secrets -n cf-people"),
        ("engineer", "delete pvc -n cf-people"),
        ("sato", "delete virtualmachines -n cf-people"),
        ("sato", "get secrets -n cf-people"),
        (PURGE, "decide retentions.cloudfarm.dev"),
        (OPERATOR, "hold retentions.cloudfarm.dev"),
    ];
    for (who, what) in must_not {
        refused(plane, who, &format!("auth can-i {what}"), None, &["no"]).await;
    }
    // A right to create by name is a right to apply.
    let approval = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cloudfarm-purge-approval", "namespace": "cloudfarm-system"}, "data": {"a": "b"}});
    accepted(plane, "officer", "apply --server-side --dry-run=server", Some(approval)).await;
    assert!(!uid(plane, "retention people").is_empty());
}

#[tokio::test]
async fn the_operator_writes_with_tenants_and_nowhere_else() {
    let plane = bed().await;
    ended(plane, "reach").await;
    let object = |version: &str, kind: &str, more: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "reaching"}});
        crate::support::world::merge(&mut object, more);
        object
    };
    let size = json!({"spec": {"source": {"blank": {}}, "storage": {"storageClassName": "cf-jp-encrypted", "resources": {"requests": {"storage": "1Gi"}}}}});
    let boot = json!({"spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}, "firmware": {"bootloader": {"efi": {"secureBoot": true}}}}}}}});
    let role = json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-tenant-viewer"}});
    for mut manifest in [
        object("v1", "ResourceQuota", json!({})),
        object("v1", "LimitRange", json!({"spec": {"limits": []}})),
        object("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"podSelector": {}}})),
        object("rbac.authorization.k8s.io/v1", "Role", json!({"rules": []})),
        object("rbac.authorization.k8s.io/v1", "RoleBinding", role),
        object("kubevirt.io/v1", "VirtualMachine", boot),
        object("cdi.kubevirt.io/v1beta1", "DataVolume", size),
    ] {
        manifest["metadata"]["namespace"] = json!("cf-reach");
        accepted(plane, OPERATOR, "create --dry-run=server", Some(manifest.clone())).await;
        for elsewhere in ["default", "kube-system", "cloudfarm-system"] {
            manifest["metadata"]["namespace"] = json!(elsewhere);
            let says = ["the operator writes only in namespaces with the label cloudfarm.dev/tenant"];
            refused(plane, OPERATOR, "create --dry-run=server", Some(manifest.clone()), &says).await;
        }
    }
    let says = ["is not cf-<tenant> or cfd-<tenant> of that tenant"];
    for (namespace, labels) in [
        ("kube-system", json!({"pod-security.kubernetes.io/enforce": "privileged"})),
        ("kube-system", json!({"cloudfarm.dev/tenant": "reach"})),
        ("default", json!({"cloudfarm.dev/tenant": "default"})),
        ("cloudfarm-system", json!({"pod-security.kubernetes.io/enforce": null})),
    ] {
        let patch = Some(json!({"metadata": {"labels": labels}}));
        refused(plane, OPERATOR, &format!("patch namespace {namespace} --dry-run=server"), patch, &says).await;
    }
}

#[tokio::test]
async fn the_provisioner_reads_a_customers_secret_and_changes_only_those_of_its_own_making() {
    let plane = bed().await;
    ended(plane, "guests").await;
    let secret = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "cf-guests"},
               "stringData": {"userdata": "#!/bin/sh"}})
    };
    let inside = binding("guests", "cloudfarm-inside", "cloudfarm");
    crate::support::world::apply(plane, &[inside, secret("theirs"), secret("cloudfarm-guest-web")]);
    let token = plane.kubeconfig_of("cloudfarm", "guests");
    let ask = |words: &[&str], stdin: Option<&str>| plane.try_kubectl_with(&token, words, stdin);
    let patch = "{\"stringData\":{\"userdata\":\"x\"}}";
    crate::support::eventually("the binding to be known", || async {
        ask(&["get", "secret", "theirs", "-n", "cf-guests"], None).0.then_some(())
    })
    .await;
    let new = secret("other").to_string();
    for (words, stdin) in [
        (&["patch", "secret", "theirs", "-n", "cf-guests", "--type=merge", "-p", patch][..], None),
        (&["delete", "secret", "theirs", "-n", "cf-guests"][..], None),
        (&["create", "-f", "-"][..], Some(new.as_str())),
    ] {
        let (ok, said) = ask(words, stdin);
        assert!(!ok && said.contains("is the customer's"), "{words:?}: {said}");
    }
    for words in [&["get", "secrets", "-n", "cf-guests"][..], &["get", "secret", "theirs", "-n", "cfd-guests"][..]] {
        let (ok, said) = ask(words, None);
        assert!(!ok && said.contains("forbidden"), "{words:?}: {said}");
    }
    for words in [
        &["patch", "secret", "cloudfarm-guest-web", "-n", "cf-guests", "--type=merge", "-p", patch][..],
        &["delete", "secret", "cloudfarm-guest-web", "-n", "cf-guests"][..],
        &["create", "-f", "-"][..],
    ] {
        let own = secret("cloudfarm-guest-web").to_string();
        let (ok, said) = ask(words, Some(&own));
        assert!(ok, "{words:?}: {said}");
    }
}
