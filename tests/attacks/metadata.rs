//! Namespaces, walls and what is written on them: labels, owners, finalizers.

use serde_json::{Value, json};

use crate::bed::{Attack, FOREIGN, forbidden, refused};
use crate::support::caller::{APPLY, Caller, JSON, JSON_PATCH, MERGE, STRATEGIC};

/// Every way in which somebody can try to change an object's metadata, each at once with every subresource.
async fn strip(attack: &Attack, who: &str, caller: &Caller, path: &str, subresources: &[&str]) {
    let mut whole = attack.live(path).await;
    let kind = whole["kind"].clone();
    whole["metadata"]["labels"] = json!({});
    whole["metadata"]["annotations"] = json!({});
    whole["metadata"]["ownerReferences"] = json!([]);
    let stripped = json!({"metadata": {"labels": null, "annotations": null, "ownerReferences": null}});
    let applied = json!({"apiVersion": whole["apiVersion"], "kind": kind, "metadata": {"name": whole["metadata"]["name"], "labels": {"cloudfarm.dev/tenant": "mine"}}});
    for subresource in subresources {
        let path = format!("{path}{subresource}");
        refused(who, caller, "PUT", &path, JSON, &whole).await;
        refused(who, caller, "PATCH", &path, MERGE, &stripped).await;
        refused(who, caller, "PATCH", &path, STRATEGIC, &stripped).await;
        refused(who, caller, "PATCH", &path, JSON_PATCH, &json!([{"op": "remove", "path": "/metadata/labels"}])).await;
        refused(who, caller, "PATCH", &format!("{path}?fieldManager=x&force=true"), APPLY, &applied).await;
    }
}

#[tokio::test]
async fn s1_cve_2022_46167_nobody_of_a_customer_strips_its_namespace_or_walls_of_labels_and_owners() {
    let attack = Attack::begin().await;
    for (who, caller) in attack.everybody().await {
        strip(&attack, who, &caller, "/api/v1/namespaces/cf-acme", &["", "/status", "/finalize"]).await;
        let walls = "/apis/networking.k8s.io/v1/namespaces/cf-acme/networkpolicies/cloudfarm-default-deny";
        strip(&attack, who, &caller, walls, &[""]).await;
        strip(&attack, who, &caller, "/api/v1/namespaces/cf-acme/resourcequotas/cloudfarm", &["", "/status"]).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s2_cve_2025_55205_cve_2026_30963_cve_2026_55636_no_other_namespace_is_relabelled_by_any_subresource() {
    let attack = Attack::begin().await;
    for (who, caller) in attack.everybody().await {
        for namespace in FOREIGN {
            strip(&attack, who, &caller, &format!("/api/v1/namespaces/{namespace}"), &["", "/status", "/finalize"])
                .await;
        }
    }
    // The operator may write namespaces, and so might whoever stole its token: not these.
    let stolen = attack.account("cloudfarm-system", "cloudfarm").await;
    for namespace in ["kube-system", "default", "cloudfarm-system", "cloudfarm-evidence"] {
        for labels in
            [json!({"cloudfarm.dev/tenant": "acme"}), json!({"pod-security.kubernetes.io/enforce": "privileged"})]
        {
            let path = format!("/api/v1/namespaces/{namespace}");
            forbidden("a stolen operator", &stolen, "PATCH", &path, &json!({"metadata": {"labels": labels}})).await;
        }
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s3_cve_2024_39690_nobody_of_a_customer_makes_or_takes_what_the_operator_will_want() {
    let attack = Attack::begin().await;
    let named = |version: &str, kind: &str, name: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"cloudfarm.dev/tenant": "acme"}}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "cloudfarm-tenant-admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-tenant-admin"}});
    for (who, caller) in attack.everybody().await {
        for name in ["cf-newco", "cfd-newco", "cf-acme-2"] {
            forbidden(who, &caller, "POST", "/api/v1/namespaces", &named("v1", "Namespace", name)).await;
        }
        for namespace in ["cf-acme", "cf-globex", "cfd-acme"] {
            let inside = |group: &str, resource: &str| format!("/{group}/namespaces/{namespace}/{resource}");
            let quota = named("v1", "ResourceQuota", "cloudfarm");
            forbidden(who, &caller, "POST", &inside("api/v1", "resourcequotas"), &quota).await;
            let policy = named("networking.k8s.io/v1", "NetworkPolicy", "network-later");
            forbidden(who, &caller, "POST", &inside("apis/networking.k8s.io/v1", "networkpolicies"), &policy).await;
            forbidden(who, &caller, "POST", &inside("apis/rbac.authorization.k8s.io/v1", "rolebindings"), &role).await;
        }
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s6_s10_nobody_of_a_customer_relaxes_pod_security_quota_limits_or_walls() {
    let attack = Attack::begin().await;
    let open = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open"},
        "spec": {"podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"]}});
    let policies = "/apis/networking.k8s.io/v1/namespaces/cf-acme/networkpolicies";
    let cluster = json!({"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "open"},
        "spec": {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "ingress": [{"name": "all", "action": "Accept", "from": [{"namespaces": {}}]}]}});
    let attachment = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": {"name": "own"},
        "spec": {"config": "{\"type\": \"macvlan\", \"master\": \"eth0\"}"}});
    for (who, caller) in attack.everybody().await {
        let privileged = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
        for path in ["", "/status"] {
            forbidden(who, &caller, "PATCH", &format!("/api/v1/namespaces/cf-acme{path}"), &privileged).await;
        }
        let more = json!({"spec": {"hard": {"requests.cpu": "1000"}}});
        let quota = "/api/v1/namespaces/cf-acme/resourcequotas/cloudfarm";
        forbidden(who, &caller, "PATCH", quota, &more).await;
        forbidden(who, &caller, "PATCH", &format!("{quota}/status"), &json!({"status": {"used": {}}})).await;
        forbidden(who, &caller, "DELETE", quota, &Value::Null).await;
        forbidden(who, &caller, "DELETE", "/api/v1/namespaces/cf-acme/limitranges/cloudfarm", &Value::Null).await;
        forbidden(who, &caller, "POST", policies, &open).await;
        forbidden(who, &caller, "PATCH", &format!("{policies}/network-front"), &json!({"spec": {"ingress": [{}]}}))
            .await;
        forbidden(who, &caller, "DELETE", &format!("{policies}/cloudfarm-default-deny"), &Value::Null).await;
        forbidden(who, &caller, "DELETE", policies, &Value::Null).await;
        let clusters = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies";
        forbidden(who, &caller, "POST", clusters, &cluster).await;
        let attachments = "/apis/k8s.cni.cncf.io/v1/namespaces/cf-acme/network-attachment-definitions";
        forbidden(who, &caller, "POST", attachments, &attachment).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s14_s15_what_a_customer_may_write_gets_no_finalizer_and_no_owner() {
    let attack = Attack::begin().await;
    let sato = attack.person("sato").await;
    let namespace = attack.live("/api/v1/namespaces/cf-acme").await;
    let owner =
        json!([{"apiVersion": "v1", "kind": "Namespace", "name": "cf-acme", "uid": namespace["metadata"]["uid"]}]);
    let gone = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}]);
    let squatting = [
        json!({"finalizers": ["acme.example/stay"]}),
        json!({"ownerReferences": owner}),
        json!({"ownerReferences": gone}),
    ];
    for metadata in squatting {
        let own = "/apis/cloudfarm.dev/v1alpha1/namespaces/cf-acme/tenantnetworks/front";
        let says = forbidden("sato", &sato, "PATCH", own, &json!({"metadata": metadata})).await;
        assert!(says.text.contains("leave it out") || says.text.contains("cannot set"), "{says:?}");
        for (group, resource, kind) in [
            ("snapshot.kubevirt.io/v1beta1", "virtualmachinesnapshots", "VirtualMachineSnapshot"),
            ("export.kubevirt.io/v1beta1", "virtualmachineexports", "VirtualMachineExport"),
        ] {
            let mut object = json!({"apiVersion": group, "kind": kind, "metadata": {"name": "squat"},
                "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}}});
            crate::support::world::merge(&mut object["metadata"], metadata.clone());
            let path = format!("/apis/{group}/namespaces/cf-acme/{resource}");
            forbidden("sato", &sato, "POST", &path, &object).await;
        }
        for path in ["/api/v1/namespaces/cf-acme", "/api/v1/namespaces/cf-globex", "/api/v1/nodes/kwok-1"] {
            forbidden("sato", &sato, "PATCH", path, &json!({"metadata": metadata})).await;
        }
        let machine = "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines/web";
        forbidden("sato", &sato, "PATCH", machine, &json!({"metadata": metadata})).await;
    }
    attack.left_nothing().await;
}
