//! Pods, VMs and disks: into the shell of a VM, onto the node, at the data of another customer.

use serde_json::{Value, json};

use crate::bed::{Attack, forbidden};
use crate::support::world::merge;

#[tokio::test]
async fn s8_cve_2026_7374_cve_2025_64435_nobody_of_a_customer_makes_enters_or_changes_a_pod() {
    let attack = Attack::begin().await;
    let pod = |more: Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own"}, "spec": {"containers": [{"name": "c", "image": "none.invalid/c"}]}});
        merge(&mut pod["spec"], more);
        pod
    };
    let pods = "/api/v1/namespaces/cf-acme/pods";
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "door", "image": "none.invalid/d"}]}});
    for (who, caller) in attack.everybody().await {
        for more in [
            json!({}),
            json!({"hostNetwork": true}),
            json!({"hostPID": true}),
            json!({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}),
            json!({"serviceAccountName": "cloudfarm"}),
        ] {
            forbidden(who, &caller, "POST", pods, &pod(more)).await;
        }
        for door in ["exec?command=sh", "attach", "portforward", "proxy/"] {
            for method in ["GET", "POST"] {
                forbidden(who, &caller, method, &format!("{pods}/virt-launcher-web/{door}"), &Value::Null).await;
            }
        }
        forbidden(who, &caller, "PATCH", &format!("{pods}/virt-launcher-web/ephemeralcontainers"), &debug).await;
        let label = json!({"metadata": {"labels": {"cloudfarm.dev/vm": "other"}}});
        for path in ["", "/status"] {
            forbidden(who, &caller, "PATCH", &format!("{pods}/virt-launcher-web{path}"), &label).await;
        }
        for path in ["/api/v1/nodes/kwok-1/proxy/exec", "/api/v1/namespaces/cf-acme/services/any/proxy/"] {
            forbidden(who, &caller, "GET", path, &Value::Null).await;
        }
        for workload in ["deployments", "daemonsets", "statefulsets", "replicasets"] {
            let path = format!("/apis/apps/v1/namespaces/cf-acme/{workload}");
            forbidden(who, &caller, "POST", &path, &json!({})).await;
        }
        forbidden(who, &caller, "POST", "/apis/batch/v1/namespaces/cf-acme/jobs", &json!({})).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn s9_cve_2025_64433_cve_2025_64437_cve_2025_64324_no_vm_or_disk_of_a_customers_own_making() {
    let attack = Attack::begin().await;
    let machine = |spec: Value| {
        json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "own"},
        "spec": {"runStrategy": "Always", "template": {"spec": spec}}})
    };
    let domain = json!({"devices": {}});
    let specs = [
        json!({"domain": domain, "volumes": [{"name": "v", "hostDisk": {"path": "/etc/shadow", "type": "Disk"}}]}),
        json!({"domain": {"devices": {"hostDevices": [{"name": "d", "deviceName": "x/y"}]}}}),
        json!({"domain": domain, "volumes": [{"name": "v", "cloudInitNoCloud": {"secretRef": {"name": "of-globex"}}}]}),
        json!({"domain": domain, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "web-root"}}]}),
    ];
    let clone = json!({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": {"name": "own"},
        "spec": {"source": {"pvc": {"namespace": "cf-globex", "name": "web-root"}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}});
    let by_name = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "own"},
        "spec": {"volumeName": "pvc-of-globex", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let restore = json!({"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineRestore", "metadata": {"name": "own"},
        "spec": {"target": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}, "virtualMachineSnapshotName": "of-globex"}});
    for (who, caller) in attack.everybody().await {
        for namespace in ["cf-acme", "cf-globex"] {
            let at = |group: &str, resource: &str| format!("/{group}/namespaces/{namespace}/{resource}");
            for spec in &specs {
                let manifest = machine(spec.clone());
                forbidden(who, &caller, "POST", &at("apis/kubevirt.io/v1", "virtualmachines"), &manifest).await;
                let change = json!({"spec": manifest["spec"]});
                forbidden(who, &caller, "PATCH", &at("apis/kubevirt.io/v1", "virtualmachines/web"), &change).await;
            }
            forbidden(who, &caller, "POST", &at("apis/cdi.kubevirt.io/v1beta1", "datavolumes"), &clone).await;
            forbidden(who, &caller, "POST", &at("api/v1", "persistentvolumeclaims"), &by_name).await;
            forbidden(
                who,
                &caller,
                "POST",
                &at("apis/snapshot.kubevirt.io/v1beta1", "virtualmachinerestores"),
                &restore,
            )
            .await;
            forbidden(who, &caller, "GET", &at("api/v1", "secrets"), &Value::Null).await;
        }
        forbidden(who, &caller, "GET", "/api/v1/persistentvolumes", &Value::Null).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn cve_2026_6383_the_deep_subresources_of_a_vm_are_not_opened_by_the_right_to_the_shallow_ones() {
    let attack = Attack::begin().await;
    let asked = |subresource: &str, verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {
        "group": "subresources.kubevirt.io", "resource": "virtualmachineinstances", "subresource": subresource, "verb": verb, "namespace": "cf-acme", "name": "web"}}})
    };
    let sato = attack.person("sato").await;
    let may = |subresource: &'static str, verb: &'static str| {
        let (sato, review) = (sato.clone(), asked(subresource, verb));
        async move {
            let answer = sato.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await;
            let answer: Value = serde_json::from_str(&answer.text).expect("JSON");
            answer["status"]["allowed"] == true
        }
    };
    assert!(may("vnc", "get").await && may("console", "get").await, "what the role is for");
    for deep in
        ["vnc/screenshot", "evacuate/cancel", "sev/setupsession", "usbredir", "vsock", "guestosinfo", "filesystemlist"]
    {
        for verb in ["get", "create", "update"] {
            assert!(!may(deep, verb).await, "sato may {verb} {deep}");
        }
        let path = format!("/apis/subresources.kubevirt.io/v1/namespaces/cf-acme/virtualmachineinstances/web/{deep}");
        forbidden("sato", &sato, "PUT", &path, &Value::Null).await;
    }
    attack.left_nothing().await;
}

#[tokio::test]
async fn a_provider_that_may_write_vms_puts_none_on_the_node_or_past_the_walls() {
    let attack = Attack::begin().await;
    let live = attack.live("/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines/web").await;
    let volume = |source: &str, value: Value| json!({"volumes": [{"name": "v", source: value}]});
    let device = |name: &str, value: Value| json!({"domain": {"devices": {name: value}}});
    let interface = |binding: &str| json!({"domain": {"devices": {"interfaces": [{"name": "pod", binding: {}}]}}});
    let cases = [
        (volume("hostDisk", json!({"path": "/x", "type": "Disk"})), "reaches the node"),
        (volume("containerPath", json!({"path": "/x"})), "reaches the node"),
        (volume("downwardMetrics", json!({})), "reaches the node"),
        (device("hostDevices", json!([{"name": "d", "deviceName": "x/y"}])), "doors to the node"),
        (device("gpus", json!([{"name": "d", "deviceName": "x/y"}])), "doors to the node"),
        (device("autoattachVSOCK", json!(true)), "doors to the node"),
        (json!({"domain": {"firmware": {"bootloader": {"efi": {"secureBoot": false}}}}}), "secureBoot is not true"),
        (json!({"domain": {"firmware": null}}), "secureBoot is not true"),
        // SEV-SNP measures what boots; nothing else takes secure boot's place.
        (json!({"domain": {"firmware": null, "launchSecurity": {"sev": {}}}}), "secureBoot is not true"),
        (
            json!({"domain": {"firmware": null, "launchSecurity": {"snp": {}}}}),
            "launchSecurity.snp takes its place in VMs of the operator alone",
        ),
        (
            json!({"domain": {"firmware": {"bootloader": {"efi": {"secureBoot": false}}}, "launchSecurity": {"snp": {}}}}),
            "launchSecurity.snp takes its place in VMs of the operator alone",
        ),
        (json!({"domain": {"firmware": null, "launchSecurity": {"snp": null}}}), "secureBoot is not true; set it"),
        (interface("sriov"), "is bound by slirp, sriov"),
        (interface("slirp"), "is bound by slirp, sriov"),
        (
            json!({"networks": [{"name": "pod", "multus": {"networkName": "cf-globex/dmz"}}]}),
            "a network of another namespace",
        ),
    ];
    let machines = "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachines";
    for (change, says) in cases {
        let template = json!({"spec": {"template": {"spec": change}}});
        let answer = forbidden("an administrator", &attack.admin, "PATCH", &format!("{machines}/web"), &template).await;
        assert!(answer.text.contains(says), "{answer:?}");
        let mut own = json!({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": "own"}, "spec": live["spec"]});
        merge(&mut own, template);
        let answer = forbidden("an administrator", &attack.admin, "POST", machines, &own).await;
        assert!(answer.text.contains(says), "{answer:?}");
    }
    for annotation in ["hooks.kubevirt.io/hookSidecars", "hooks.kubevirt.io/other"] {
        let change = json!({"spec": {"template": {"metadata": {"annotations": {annotation: "[]"}}}}});
        let answer = forbidden("an administrator", &attack.admin, "PATCH", &format!("{machines}/web"), &change).await;
        assert!(answer.text.contains("runs a program beside the VM"), "{answer:?}");
    }
    let preset = json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstancePreset", "metadata": {"name": "all"}, "spec": {"selector": {}}});
    let presets = "/apis/kubevirt.io/v1/namespaces/cf-acme/virtualmachineinstancepresets";
    let answer = attack.admin.create(presets, &preset).await;
    assert!(answer.code == 404 || answer.text.contains("a preset changes every VM"), "{answer:?}");
    attack.left_nothing().await;
}
