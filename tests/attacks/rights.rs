//! Rights: taking some, forging what only others write, deciding what only officers decide.

use serde_json::{Value, json};

use crate::bed::{Attack, forbidden};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

#[tokio::test]
async fn s5_cve_2023_46254_a_namesake_in_another_namespace_is_somebody_else() {
    let attack = Attack::begin().await;
    let namesake = attack.account("cf-globex", "sato").await;
    let machines = "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines";
    assert_eq!(attack.person("sato").await.get(machines).await.code, 200, "the person of this name may");
    forbidden("the account cf-globex/sato", &namesake, "GET", machines, &Value::Null).await;
    let own = attack.account("cf-acme", "sato").await;
    forbidden("the account cf-acme/sato", &own, "GET", machines, &Value::Null).await;
    for foreign in ["virtualmachines", "virtualmachineinstances"] {
        let path = format!("/apis/kubevirt.io/v1/namespaces/cf-globex/{foreign}");
        forbidden("sato", &attack.person("sato").await, "GET", &path, &Value::Null).await;
        let path = format!("/apis/kubevirt.io/v1/{foreign}");
        forbidden("sato", &attack.person("sato").await, "GET", &path, &Value::Null).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s7_nobody_of_a_customer_gives_itself_a_role_a_token_or_a_certificate() {
    let attack = Attack::begin().await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "all"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let subjects = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "sato"}]);
    let binding = |kind: &str, to: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "mine"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": to}, "subjects": subjects})
    };
    let request = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "mine"},
        "spec": {"request": "", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}});
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    for (who, caller) in attack.everybody().await {
        forbidden(who, &caller, "POST", &format!("{RBAC}/namespaces/cf-acme/roles"), &role).await;
        for to in ["admin", "edit", "cluster-admin", "cloudfarm-tenant-admin", "cloudfarm-purge-erase"] {
            let inside = format!("{RBAC}/namespaces/cf-acme/rolebindings");
            forbidden(who, &caller, "POST", &inside, &binding("RoleBinding", to)).await;
            forbidden(who, &caller, "POST", &format!("{RBAC}/clusterrolebindings"), &binding("ClusterRoleBinding", to))
                .await;
        }
        let own = format!("{RBAC}/namespaces/cf-acme/rolebindings/cloudfarm-tenant-viewer");
        forbidden(who, &caller, "PATCH", &own, &json!({"subjects": subjects})).await;
        for (namespace, account) in
            [("cf-acme", "default"), ("cloudfarm-system", "cloudfarm"), ("cloudfarm-system", "cloudfarm-purge")]
        {
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
            forbidden(who, &caller, "POST", &path, &token).await;
        }
        let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        forbidden(who, &caller, "POST", requests, &request).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s13_nobody_of_a_customer_forges_what_the_operator_or_a_purge_says() {
    let attack = Attack::begin().await;
    let ready = json!({"status": {"phase": "Purged", "conditions": [{"type": "Ready", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let ours = "/apis/cloudfarm.dev/v1alpha1";
    for (who, caller) in attack.everybody().await {
        for path in ["tenants/acme/status", "retentions/acme/status", "namespaces/cf-acme/tenantnetworks/front/status"]
        {
            forbidden(who, &caller, "PATCH", &format!("{ours}/{path}"), &ready).await;
            forbidden(who, &caller, "PUT", &format!("{ours}/{path}"), &ready).await;
        }
        let machine = "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines/web/status";
        forbidden(who, &caller, "PATCH", machine, &json!({"status": {"printableStatus": "Running"}})).await;
        for mark in ["cloudfarm.dev/purge-approved", "cloudfarm.dev/legal-hold"] {
            let patch = json!({"metadata": {"annotations": {mark: "x"}}});
            forbidden(who, &caller, "PATCH", "/api/v1/namespaces/cf-acme", &patch).await;
        }
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s18_holds_dates_and_grace_are_decided_by_none_of_these() {
    let attack = Attack::begin().await;
    let decisions = [
        json!({"spec": {"legalHold": null}}),
        json!({"spec": {"legalHold": {"active": true, "reference": "1", "placedBy": "sato"}}}),
        json!({"spec": {"graceDays": 1}}),
        json!({"spec": {"endDate": "2026-01-31", "requestedBy": "sato"}}),
        json!({"spec": {"earlyErasure": {"requestedBy": "sato"}}}),
        json!({"spec": {"suspend": true}}),
    ];
    let ours = "/apis/cloudfarm.dev/v1alpha1";
    let mut all = attack.everybody().await;
    all.push(("a stolen purge", attack.account("cloudfarm-system", "cloudfarm-purge").await));
    all.push(("a stolen operator", attack.account("cloudfarm-system", "cloudfarm").await));
    for (who, caller) in all {
        for decision in &decisions {
            // What changes nothing is nobody's decision, and the operator may send it.
            if who == "a stolen operator"
                && decision["spec"]["legalHold"].is_null()
                && decision["spec"].get("legalHold").is_some()
            {
                continue;
            }
            let answer = forbidden_or_invalid(who, &caller, &format!("{ours}/retentions/acme"), decision).await;
            assert!(answer, "{who}: {decision}");
        }
        let dated = json!({"spec": {"contract": {"endDate": "2026-01-31"}}});
        forbidden(who, &caller, "PATCH", &format!("{ours}/tenants/acme"), &dated).await;
        forbidden(who, &caller, "DELETE", &format!("{ours}/tenants/acme"), &Value::Null).await;
        forbidden(who, &caller, "DELETE", &format!("{ours}/retentions/acme"), &Value::Null).await;
    }
    attack.left_nothing().await;
}

/// The schema is asked before policies are, and may refuse first.
async fn forbidden_or_invalid(
    who: &str,
    caller: &crate::support::caller::Caller,
    path: &str,
    decision: &Value,
) -> bool {
    let merge = crate::support::caller::MERGE;
    [403, 422].contains(&crate::bed::refused(who, caller, "PATCH", path, merge, decision).await.code)
}
