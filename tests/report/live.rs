//! On a real API server: the operator keeps both reports, writes them only for a reason, and they outlive the Tenant.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use cloudfarm::operator::clock::Clock;
use cloudfarm::operator::config::Config;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::forms::checked;
use crate::support::audit::Mark;
use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::{self, Operator};
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, network, tenant};

fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| Plane::start("report", None))
}

async fn reporting(plane: &Plane) -> Operator {
    let config = Config { open_reports: true, ..operator::config() };
    Operator::start_with(plane, Faults::default(), config, Clock::default()).await
}

fn kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("openreports.io", "v1alpha1", kind), plural)
}

fn reports(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind("Report", "reports"))
}

fn cluster_reports(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &kind("ClusterReport", "clusterreports"))
}

fn result(report: &DynamicObject, clause: &str) -> Value {
    let results = report.data["results"].as_array().expect("results");
    results.iter().find(|row| row["rule"] == clause).cloned().unwrap_or_default()
}

/// A kubeconfig of somebody with ClusterRole cloudfarm-auditor, and its Role where certificates are, and nothing else.
fn auditor(plane: &Plane) -> String {
    let bound = |kind: &str, namespace: Option<&str>, role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": "test-auditor", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": "cloudfarm-auditor"},
            "subjects": [{"kind": "User", "name": "auditor"}],
        })
    };
    let bindings =
        [bound("ClusterRoleBinding", None, "ClusterRole"), bound("RoleBinding", Some("cloudfarm-evidence"), "Role")];
    apply(plane, &bindings);
    let admin = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
    let mut kubeconfig: Value = serde_json::from_str(&admin).expect("JSON");
    kubeconfig["users"][0]["user"]["as"] = json!("auditor");
    let file = plane.dir.join("auditor.kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).expect("written");
    file.to_str().expect("UTF-8").to_owned()
}

fn cloudfarm(kubeconfig: &str, words: &[&str]) -> (bool, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
    let output = command.args(words).args(["--kubeconfig", kubeconfig]).output().expect("it starts");
    (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_reports_appear_rest_are_mended_and_outlive_the_tenant_and_people_read_the_same() {
    let plane = plane();
    let client = plane.admin().await;
    let operator = reporting(plane).await;
    let declared = [world::namespace("proven"), tenant("proven", json!({})), network("proven", "front", json!({}))];
    apply(plane, &declared);
    condition(&world::tenants(&client), "proven", "ReportPublished", "True").await;
    condition(&world::retentions(&client), "proven", "ReportPublished", "True").await;
    let (own, whole) = (reports(&client, "proven"), cluster_reports(&client));
    let report = own.get("cloudfarm").await.expect("the customer's report");
    assert_eq!(report.labels()["cloudfarm.dev/data-class"], "derived");
    let about = whole.get("cloudfarm-proven").await.expect("the provider's report");
    assert!(about.owner_references().is_empty(), "nothing takes it along");
    assert_eq!(about.data["scope"]["kind"], "Retention");
    for report in [&report, &about] {
        assert_eq!(report.data["results"].as_array().map(Vec::len), Some(48));
        assert_eq!(result(report, "8.1.1")["result"], "pass", "{report:#?}");
        assert_eq!(result(report, "7.2.2")["result"], "skip");
        assert_eq!(result(report, "13.1.3")["result"], "error", "no probe has run");
        let bytes = serde_json::to_vec(&report.data).expect("JSON").len();
        assert!(bytes < 25_000, "{bytes} bytes");
    }

    // Nothing is written while nothing changes.
    operator.rest(Duration::from_secs(13)).await;
    let mark = Mark::now(plane);
    plane.kubectl(&["annotate", "tenant", "proven", "test/look=again"], None);
    plane.kubectl(&["annotate", "retention", "proven", "test/look=again"], None);
    operator.rest(Duration::from_secs(3)).await;
    let calls = mark.calls(plane).await;
    assert!(!calls.iter().any(|call| call.resource.contains("reports")), "{calls:#?}");

    // What somebody deletes or edits is made again.
    let settled = own.get("cloudfarm").await.expect("a report");
    plane.kubectl(&["delete", "reports.openreports.io", "cloudfarm", "-n", "cf-proven"], None);
    let edit = r#"{"summary":{"pass":48},"results":[]}"#;
    plane.kubectl(&["patch", "clusterreports.openreports.io", "cloudfarm-proven", "--type=merge", "-p", edit], None);
    let again = eventually("the report to be made anew", || async { own.get_opt("cloudfarm").await.ok()? }).await;
    assert_ne!(again.uid(), settled.uid());
    assert_eq!(again.data["results"], settled.data["results"], "the same is said of the same");
    eventually("the edit to be undone", || async {
        let found = whole.get_opt("cloudfarm-proven").await.ok()??;
        (found.data["results"].as_array().map(Vec::len) == Some(48)).then_some(())
    })
    .await;

    // A statement that is signed is shown by both, and is no pass.
    let (statement, key) = (plane.dir.join("statement.txt"), plane.dir.join("attest.pem"));
    std::fs::write(&statement, "All of the staff were trained in October.").expect("written");
    let made = cloudfarm::evidence::signing::SigningKey::generate().expect("a key");
    std::fs::write(&key, made.expose()).expect("written");
    let attest = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
        .args(["evidence", "attest", "--clause", "7.2.2", "--statement"])
        .args([statement.as_path(), std::path::Path::new("--key"), key.as_path()])
        .output()
        .expect("it starts");
    assert!(attest.status.success(), "{}", String::from_utf8_lossy(&attest.stderr));
    plane.kubectl(&["apply", "-f", "-"], Some(&String::from_utf8_lossy(&attest.stdout)));
    eventually("the statement to be shown", || async {
        let found = own.get_opt("cloudfarm").await.ok()??;
        let row = result(&found, "7.2.2");
        (row["result"] == "skip" && row["properties"]["reason"] == "Attested").then_some(())
    })
    .await;

    // An auditor reads the same, and packs it.
    let auditor = auditor(plane);
    let (seen, listed) = plane.try_kubectl_with(std::path::Path::new(&auditor), &["get", "clusterreports"], None);
    assert!(seen && listed.contains("cloudfarm-proven"), "{listed}");
    let (ok, json, said) = cloudfarm(&auditor, &["report", "proven", "--format", "json"]);
    assert!(ok, "{said}");
    let read: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(read["findings"].as_array().map(Vec::len), Some(48));
    let of = |clause: &str| read["findings"].as_array()?.iter().find(|each| each["clause"] == clause).cloned();
    assert_eq!(of("7.2.2").expect("there")["reason"], "Attested");
    assert_eq!(of("5.1.1-4").expect("there")["result"], "pass", "no AccessGrant was asked for");
    let file = plane.dir.join("pack.zip");
    let (ok, _, said) = cloudfarm(&auditor, &["evidence", "pack", "proven", "-o", file.to_str().expect("UTF-8")]);
    assert!(ok, "{said}");
    checked(&std::fs::read(&file).expect("an archive"), "live");

    // The Tenant goes, and what is known of it stays.
    plane.kubectl(&["annotate", "tenant", "proven", "cloudfarm.dev/allow-orphan=true"], None);
    plane.kubectl(&["delete", "tenant", "proven", "--timeout=60s"], None);
    let left = eventually("the report to tell that the Tenant is gone", || async {
        let found = whole.get_opt("cloudfarm-proven").await.ok()??;
        (result(&found, "8.1.1")["properties"]["reason"] == "TenantNotFound").then_some(found)
    })
    .await;
    assert_eq!(left.uid(), about.uid(), "the same report");
    operator.stop().await;
}
