//! Who may say that an image is clean, and who may except one.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, accepted, bed, refused};
use crate::support::world::{apply, merge};

const SCAN: &str = "system:serviceaccount:cloudfarm-images:cloudfarm-scan";
const SCAN_OF_CLAIMS: &str = "system:serviceaccount:cf-golden:cloudfarm-scan";
const DRY: &str = "create --dry-run=server -n cloudfarm-images";

fn digest() -> String {
    format!("sha256:{}", "c".repeat(64))
}

fn config_map(name: &str, kind: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "cloudfarm-images", "labels": {"cloudfarm.dev/image-record": kind}},
        "data": data})
}

/// So many seconds from now, as it is written.
#[allow(clippy::disallowed_methods)]
fn in_seconds(seconds: i64) -> String {
    let then = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    Timestamp::from_second(then.as_second()).expect("an instant").to_string()
}

fn exception(by: &str) -> Value {
    config_map(
        "x",
        "exception",
        &json!({"digest": digest(), "reason": "false alarm, ticket 7", "by": by, "until": in_seconds(89 * 86400)}),
    )
}

/// People who may write ConfigMaps there.
fn people() -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "test-people", "namespace": "cloudfarm-images"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": (["sato", "ito"].map(|name| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name})))})
}

#[tokio::test]
async fn an_exception_is_dated_and_signed_by_who_writes_it_and_is_never_changed() {
    let plane = bed().await;
    apply(plane, &[people()]);
    accepted(plane, "sato", DRY, Some(exception("sato"))).await;
    refused(plane, "ito", DRY, Some(exception("sato")), &["by is sato", "who writes it: ito"]).await;
    let with = |key: &str, value: Value| {
        let mut changed = exception("sato");
        merge(&mut changed["data"], json!({key: value}));
        changed
    };
    let cases = [
        ("until", json!(in_seconds(91 * 86400)), "at most 90 days"),
        ("until", json!(in_seconds(-60)), "to come"),
        ("until", json!("tomorrow"), "until is tomorrow"),
        ("until", Value::Null, "has to be an instant"),
        ("reason", json!(" "), "reason is empty"),
        ("digest", json!("latest"), "digest is latest"),
        ("digest", json!(format!("image:{}", "c".repeat(64))), "digest is image:"),
    ];
    for (key, value, says) in cases {
        refused(plane, "sato", DRY, Some(with(key, value)), &[says]).await;
    }
    accepted(plane, "sato", DRY, Some(with("digest", json!(format!("image:{}", digest()))))).await;
    let mut in_the_way = exception("sato");
    in_the_way["metadata"]["name"] = json!(format!("scan-{}", "3".repeat(40)));
    refused(plane, "sato", DRY, Some(in_the_way), &["call the exception otherwise"]).await;

    let mut kept = exception("sato");
    kept["metadata"]["name"] = json!("kept");
    accepted(plane, "sato", "create -n cloudfarm-images", Some(kept)).await;
    let words = "patch configmap kept -n cloudfarm-images --dry-run=server";
    let later = json!({"data": {"until": in_seconds(85 * 86400)}});
    for who in ["sato", "ito", ADMIN] {
        refused(plane, who, words, Some(later.clone()), &["an exception is not changed"]).await;
    }
    refused(plane, "ito", words, Some(json!({"data": {"by": "ito"}})), &["an exception is not changed"]).await;
    let unlabelled = json!({"metadata": {"labels": {"cloudfarm.dev/image-record": null}}});
    refused(plane, "sato", words, Some(unlabelled), &["an exception is not changed"]).await;
    accepted(plane, "sato", words, Some(json!({"metadata": {"annotations": {"note": "x"}}}))).await;
    // Nothing becomes one on the way: a result that is relabelled, with somebody's name in it.
    apply(plane, &[config_map("becomes", "result", &json!({"by": "sato"}))]);
    let words = "patch configmap becomes -n cloudfarm-images --dry-run=server";
    let relabelled =
        json!({"metadata": {"labels": {"cloudfarm.dev/image-record": "exception"}}, "data": {"digest": digest()}});
    refused(plane, "ito", words, Some(relabelled), &["nothing becomes one"]).await;
}

#[tokio::test]
async fn a_scan_writes_the_result_of_its_own_image_and_nothing_else() {
    let plane = bed().await;
    let own = format!("scan-{}", "1".repeat(40));
    let ask = |who: &'static str, pod: Option<String>, object: Value| async move {
        let mut words =
            vec!["create".to_owned(), "--dry-run=server".into(), "-f".into(), "-".into(), "--as".into(), who.into()];
        words.extend(pod.map(|pod| format!("--as-user-extra=authentication.kubernetes.io/pod-name={pod}")));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        plane.try_kubectl(&words, Some(&object.to_string()))
    };
    let result = |name: &str| config_map(name, "result", &json!({"result": "Clean"}));
    let (ok, said) = ask(SCAN, Some(format!("{own}-x7k2p")), result(&own)).await;
    assert!(ok, "{said}");
    let other = format!("scan-{}", "2".repeat(40));
    let odd = config_map(&own, "clean", &json!({}));
    let cases = [
        (Some(format!("{own}-x7k2p")), result(&other), "is not the result of the pod"),
        (Some(format!("{own}-x7k2p-x7k2p")), result(&own), "is not the result of the pod"),
        (None, result(&own), "is not the result of the pod"),
        (Some(format!("{own}-x7k2p")), odd, "a scan writes results and nothing else"),
    ];
    for (pod, object, says) in cases {
        let (ok, said) = ask(SCAN, pod.clone(), object).await;
        assert!(!ok && said.contains(says), "{pod:?}: {said}");
    }
    // Not by a change either, and not from the namespace of the provider's images.
    let elsewhere = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "test-scan-of-claims", "namespace": "cloudfarm-images"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cloudfarm-scan"},
        "subjects": [{"kind": "ServiceAccount", "name": "cloudfarm-scan", "namespace": "cf-golden"}]});
    apply(plane, &[elsewhere, result(&other)]);
    for account in [SCAN, SCAN_OF_CLAIMS] {
        let pod = format!("--as-user-extra=authentication.kubernetes.io/pod-name={own}-x7k2p");
        let apply =
            ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", "--as", account, &pod];
        let (ok, said) = plane.try_kubectl(&apply, Some(&result(&other).to_string()));
        assert!(!ok && said.contains("is not the result of the pod"), "{account}: {said}");
    }
    // The operator writes no result by itself; but it orders the Jobs that do, so its token is worth as much.
    let (ok, said) = ask(OPERATOR, None, result(&own)).await;
    assert!(!ok && said.contains("cannot create resource"), "{said}");
}
