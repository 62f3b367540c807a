//! KubeVirt's own settings, told on every Tenant, on a plane of its own: the settings are the whole cluster's.

use serde_json::json;

use super::bed::{printable, says};
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::world::{apply, condition, machine, message, namespace, network, tenant, tenants};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_of_kubevirt_that_is_missing_is_told_with_its_line_and_pod_security_with_kubevirts_words() {
    let plane = Plane::start("platform", None);
    let client = plane.admin().await;
    let running = Operator::start(&plane).await;
    let of = |vms: serde_json::Value| tenant("base", json!({"virtualMachines": vms}));
    apply(&plane, &[namespace("base"), of(json!([])), network("base", "front", json!({}))]);
    let found = condition(&tenants(&client), "base", "PlatformHardened", "Unknown").await;
    assert!(message(&found, "PlatformHardened").contains("no object of kind KubeVirt"), "{found:#}");

    plane.run_kubevirt();
    let found = condition(&tenants(&client), "base", "PlatformHardened", "True").await;
    assert!(message(&found, "PlatformHardened").contains("KubeVirt kubevirt/kubevirt"), "{found:#}");

    let weaken = |patch: serde_json::Value| {
        let patch = json!({"spec": {"configuration": patch}}).to_string();
        plane.kubectl(&["patch", "kubevirt", "kubevirt", "-n", "kubevirt", "--type=merge", "-p", &patch], None);
    };
    weaken(json!({"roleAggregationStrategy": null, "ksmConfiguration": {}}));
    let found = says(&tenants(&client), "base", "PlatformHardened", "roleAggregationStrategy: Manual").await;
    assert!(message(&found, "PlatformHardened").contains("no ksmConfiguration"), "{found:#}");
    condition(&tenants(&client), "base", "Ready", "True").await;
    weaken(json!({"roleAggregationStrategy": "Manual", "ksmConfiguration": null}));
    condition(&tenants(&client), "base", "PlatformHardened", "True").await;

    // Without the runtime's profile Pod Security refuses the launcher.
    weaken(json!({"seccompConfiguration": null}));
    says(&tenants(&client), "base", "PlatformHardened", "runtimeDefaultProfile: true").await;
    apply(&plane, &[of(json!([machine("one", &["front"])]))]);
    let found = says(&tenants(&client), "base", "VirtualMachinesReady", "violates PodSecurity").await;
    assert!(message(&found, "VirtualMachinesReady").starts_with("one: KubeVirt cannot start it: "), "{found:#}");
    let profile = json!({"virtualMachineInstanceProfile": {"customProfile": {"runtimeDefaultProfile": true}}});
    weaken(json!({"seccompConfiguration": profile}));
    printable(&client, "base", "one", "Running").await;
    condition(&tenants(&client), "base", "Ready", "True").await;
    running.stop().await;
}
