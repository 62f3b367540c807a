//! `PlatformHardened`: is KubeVirt set up so that what its defaults open stays closed? Whoever runs the cluster decides it;
//! here it is only told, on each Tenant, since each Tenant depends on it.

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::foreign::kubevirt::{Configuration, Platform};

/// Feature gates that are doors to the node, or programs beside the VM.
const DANGEROUS: [&str; 7] = ["Root", "HostDisk", "Sidecar", "Plugins", "HostDevices", "VSOCK", "DownwardMetrics"];

/// The gate without which KubeVirt does not heed `roleAggregationStrategy`.
const OPT_OUT: &str = "OptOutRoleAggregation";

/// `classes` are those that the provider lets tenants' data lie in; none means any.
pub(super) fn verdict(platform: &Platform, classes: &[String]) -> Verdict {
    let type_ = ConditionType::PlatformHardened;
    let unknown = |reason, message: &str| Verdict::new(type_, Status::Unknown, reason, message);
    match platform {
        Platform::NotInstalled => unknown(
            Reason::KubeVirtMissing,
            "KubeVirt is not installed in this cluster; nothing of it can be looked at",
        ),
        Platform::NotConfigured => unknown(
            Reason::KubeVirtMissing,
            "there is no object of kind KubeVirt in this cluster, so nobody knows how it is set up",
        ),
        Platform::Unreadable(why) => unknown(Reason::Invalid, why),
        Platform::Configured(name, configuration) => {
            let gaps = gaps(configuration, classes);
            if gaps.is_empty() {
                return Verdict::good(type_, format!("KubeVirt {name} has every setting that tenants depend on"));
            }
            let message = format!("KubeVirt {name}, spec.configuration wants: {}", gaps.join("; "));
            Verdict::bad(type_, Reason::PlatformNotHardened, message)
        }
    }
}

/// The line to set for each setting that is missing or unsafe. Short, since all of them have to fit one message.
fn gaps(now: &Configuration, classes: &[String]) -> Vec<String> {
    let set = |holds: bool, line: &str| (!holds).then(|| line.to_owned());
    let is = |found: &Option<String>, wanted: &[&str]| found.as_deref().is_some_and(|found| wanted.contains(&found));
    let options = &now.virtual_machine_options;
    let seccomp = &now.seccomp_configuration.virtual_machine_instance_profile.custom_profile;
    let gates = &now.developer_configuration;
    let opened: Vec<&str> =
        DANGEROUS.into_iter().filter(|gate| gates.feature_gates.iter().any(|open| open == gate)).collect();
    let class = now.vm_state_storage_class.as_ref();
    let class_is_allowed = class.is_some_and(|class| classes.is_empty() || classes.contains(class));
    [
        set(is(&now.role_aggregation_strategy, &["Manual"]), "roleAggregationStrategy: Manual"),
        set(
            !gates.disabled_feature_gates.iter().any(|gate| gate == OPT_OUT),
            "developerConfiguration.disabledFeatureGates without OptOutRoleAggregation",
        ),
        set(options.disable_serial_console_log.is_some(), "virtualMachineOptions.disableSerialConsoleLog: {}"),
        set(options.disable_free_page_reporting.is_some(), "virtualMachineOptions.disableFreePageReporting: {}"),
        set(
            seccomp.runtime_default_profile || seccomp.localhost_profile.is_some(),
            "seccompConfiguration.virtualMachineInstanceProfile.customProfile.runtimeDefaultProfile: true",
        ),
        set(
            is(&now.tls_configuration.min_tls_version, &["VersionTLS12", "VersionTLS13"]),
            "tlsConfiguration.minTLSVersion: VersionTLS12",
        ),
        set(is(&now.eviction_strategy, &["LiveMigrate"]), "evictionStrategy: LiveMigrate"),
        set(
            now.network.permit_bridge_interface_on_pod_network == Some(false),
            "network.permitBridgeInterfaceOnPodNetwork: false",
        ),
        set(
            now.instancetype.reference_policy.as_ref().is_none_or(|policy| policy == "reference"),
            "instancetype.referencePolicy: reference",
        ),
        (!class_is_allowed).then(|| match classes.first() {
            Some(first) => format!("vmStateStorageClass: {first}"),
            None => "vmStateStorageClass: an encrypted class in Japan".to_owned(),
        }),
        (!opened.is_empty()).then(|| format!("developerConfiguration.featureGates without {}", opened.join(", "))),
        set(now.ksm_configuration.is_none(), "no ksmConfiguration"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hardened() -> Value {
        json!({
            "roleAggregationStrategy": "Manual",
            "virtualMachineOptions": {"disableSerialConsoleLog": {}, "disableFreePageReporting": {}},
            "seccompConfiguration": {"virtualMachineInstanceProfile": {"customProfile": {"runtimeDefaultProfile": true}}},
            "tlsConfiguration": {"minTLSVersion": "VersionTLS12"},
            "evictionStrategy": "LiveMigrate",
            "network": {"permitBridgeInterfaceOnPodNetwork": false},
            "instancetype": {"referencePolicy": "reference"},
            "vmStateStorageClass": "cf-jp-encrypted",
            "developerConfiguration": {"featureGates": ["Snapshot"]},
        })
    }

    fn told(configuration: &Value) -> Verdict {
        let configuration = serde_json::from_value(configuration.clone()).unwrap();
        let platform = Platform::Configured("kubevirt/kubevirt".into(), Box::new(configuration));
        verdict(&platform, &["cf-jp-encrypted".to_owned()])
    }

    #[test]
    fn a_hardened_platform_is_true_and_each_setting_by_itself_makes_it_false_with_the_line_to_set() {
        assert_eq!(told(&hardened()).status, Status::True, "{:?}", told(&hardened()));
        let cases = [
            ("/roleAggregationStrategy", json!("AggregateToDefault"), "roleAggregationStrategy: Manual"),
            ("/developerConfiguration/disabledFeatureGates", json!([OPT_OUT]), "without OptOutRoleAggregation"),
            ("/virtualMachineOptions/disableSerialConsoleLog", Value::Null, "disableSerialConsoleLog: {}"),
            ("/virtualMachineOptions/disableFreePageReporting", Value::Null, "disableFreePageReporting: {}"),
            ("/seccompConfiguration", json!({}), "customProfile.runtimeDefaultProfile: true"),
            ("/tlsConfiguration/minTLSVersion", json!("VersionTLS11"), "minTLSVersion: VersionTLS12"),
            ("/evictionStrategy", json!("None"), "evictionStrategy: LiveMigrate"),
            ("/network", json!({}), "permitBridgeInterfaceOnPodNetwork: false"),
            ("/instancetype/referencePolicy", json!("expand"), "referencePolicy: reference"),
            ("/vmStateStorageClass", json!("elsewhere"), "vmStateStorageClass: cf-jp-encrypted"),
            ("/developerConfiguration/featureGates", json!(["HostDisk", "Root"]), "without Root, HostDisk"),
            ("/ksmConfiguration", json!({}), "no ksmConfiguration"),
        ];
        for (field, value, line) in cases {
            let mut configuration = hardened();
            let (parent, key) = field.rsplit_once('/').unwrap();
            configuration.pointer_mut(parent).unwrap()[key] = value;
            let verdict = told(&configuration);
            assert_eq!((verdict.status, verdict.reason), (Status::False, Reason::PlatformNotHardened), "{field}");
            assert!(
                verdict.message.ends_with(&format!("wants: {line}")) || verdict.message.ends_with(line),
                "{verdict:?}"
            );
            assert_eq!(verdict.message.matches(';').count(), 0, "one gap is one line: {}", verdict.message);
        }
    }

    #[test]
    fn what_is_as_good_or_better_is_taken_and_what_only_looks_so_is_not() {
        let with = |field: &str, value: Value| {
            let mut configuration = hardened();
            *configuration.pointer_mut(field).unwrap() = value;
            told(&configuration).status
        };
        let profile = "/seccompConfiguration/virtualMachineInstanceProfile/customProfile";
        assert_eq!(with(profile, json!({"localhostProfile": "kubevirt/kubevirt.json"})), Status::True);
        assert_eq!(with(profile, json!({"runtimeDefaultProfile": false})), Status::False);
        assert_eq!(with("/tlsConfiguration/minTLSVersion", json!("VersionTLS13")), Status::True);
        assert_eq!(with("/instancetype", json!({})), Status::True, "KubeVirt's default");
        assert_eq!(with("/instancetype/referencePolicy", json!("expandAll")), Status::False);
        // Any class, where the provider names none; but one.
        let any = |configuration: &Value| {
            let configuration = serde_json::from_value(configuration.clone()).unwrap();
            verdict(&Platform::Configured("kubevirt/kubevirt".into(), Box::new(configuration)), &[])
        };
        assert_eq!(any(&hardened()).status, Status::True);
        let mut without = hardened();
        without["vmStateStorageClass"] = Value::Null;
        assert!(any(&without).message.ends_with("vmStateStorageClass: an encrypted class in Japan"));
    }

    #[test]
    fn what_kubevirt_leaves_to_its_defaults_is_told_whole_in_one_message() {
        let verdict = told(&json!({"ksmConfiguration": {}, "developerConfiguration": {"featureGates": DANGEROUS}}));
        assert!(
            verdict.message.contains("ksm") && verdict.message.chars().count() <= 1024,
            "{}",
            verdict.message.len()
        );
        assert_eq!(verdict.message.matches(';').count(), 9, "{}", verdict.message);
    }

    #[test]
    fn a_platform_that_nobody_can_look_at_is_unknown_and_never_taken_for_hardened() {
        for platform in [Platform::NotInstalled, Platform::NotConfigured, Platform::Unreadable("why".into())] {
            assert_eq!(verdict(&platform, &[]).status, Status::Unknown, "{platform:?}");
        }
    }
}
