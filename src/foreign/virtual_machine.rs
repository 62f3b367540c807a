//! KubeVirt's `VirtualMachine` (kubevirt.io/v1, KubeVirt 1.9).

use std::collections::BTreeMap;

use kube::{CustomResource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::restored::restored;
use crate::api::condition::Reason;
use crate::api::labels::{self, GUEST_DATA, NETWORK_PREFIX};
use crate::cluster::object::{Attached, Facts, Kind, Managed, Trouble};

/// The run strategy of a VM that is off.
pub const HALTED: &str = "Halted";

/// KubeVirt's reason when an instance or its pod could not be made.
const FAILED_CREATE: &str = "FailedCreate";

/// What KubeVirt prints of a VM whose instance ends.
const GOING_OFF: [&str; 3] = ["Stopped", "Stopping", "Terminating"];

/// Printable statuses out of which a VM does not come by waiting for what KubeVirt does anyway.
const IN_TROUBLE: [&str; 7] = [
    "ErrorUnschedulable",
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrorPvcNotFound",
    "DataVolumeError",
    "CrashLoopBackOff",
    "Unknown",
];

/// Characters of KubeVirt's words that are kept: a Tenant has up to a hundred VMs and a message 1,024.
const MOST_SAID: usize = 400;

/// The fields we set.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kubevirt.io",
    version = "v1",
    kind = "VirtualMachine",
    namespaced,
    status = "VirtualMachineStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instancetype: Option<Matcher>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<Matcher>,
    #[serde(default)]
    pub template: Template,
}

/// An instance type or preference by kind and name.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub name: String,
}

/// The VMI the VM makes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Template {
    #[serde(default)]
    pub metadata: TemplateMetadata,
    #[serde(default)]
    pub spec: InstanceSpec,
}

/// Labels that reach the launcher pod, where network policies select them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct TemplateMetadata {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The machine. Deep parts that nobody but the builder looks at are plain JSON.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eviction_strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub dns_config: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub affinity: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub tolerations: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub access_credentials: Value,
    #[serde(default)]
    pub domain: Domain,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub networks: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub volumes: Value,
}

/// The virtual hardware.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub clock: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub launch_security: Value,
    #[serde(default)]
    pub devices: Devices,
}

/// CPU count, when there is no instance type, and whole CPUs.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// KubeVirt takes none beside an instance type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<i64>,
    /// Each virtual CPU has one of the node's, which nobody else uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedicated_cpu_placement: Option<bool>,
}

/// Guest memory, when there is no instance type.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    #[serde(default)]
    pub guest: String,
}

/// Boot loader.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Firmware {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub bootloader: Value,
}

/// CPU features; secure boot is refused without SMM.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Features {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub smm: Value,
}

/// Devices, each said explicitly so that no default of KubeVirt decides.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_graphics_device: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_serial_console: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_serial_console: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_mem_balloon: Option<bool>,
    #[serde(default, rename = "autoattachVSOCK", skip_serializing_if = "Option::is_none")]
    pub autoattach_vsock: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoattach_pod_interface: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_hotplug: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rng: Option<Rng>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub disks: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub interfaces: Value,
}

/// A random number source; presence is all.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Rng {}

/// A TPM; persistent keeps its state in a volume.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Tpm {
    #[serde(default)]
    pub persistent: bool,
}

/// The fields we read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineStatus {
    #[serde(default)]
    pub ready: bool,
    #[serde(default)]
    pub printable_status: Option<String>,
    #[serde(default)]
    pub conditions: Vec<Value>,
    /// There is an instance of it.
    #[serde(default)]
    pub created: bool,
    /// The restore that is under way.
    #[serde(default)]
    pub restore_in_progress: Option<String>,
    /// Run strategy that KubeVirt has acted by.
    #[serde(default)]
    pub run_strategy: Option<String>,
    /// Generation from which that instance was started.
    #[serde(default)]
    pub observed_generation: Option<i64>,
}

impl Managed for VirtualMachine {
    const KIND: Kind = Kind::VirtualMachine;
    fn owned(&self) -> Value {
        json!({"spec": self.spec})
    }
    fn facts(&self) -> Facts {
        let status = self.status.clone().unwrap_or_default();
        Facts::VirtualMachine {
            ready: status.ready,
            printable_status: status.printable_status.clone().unwrap_or_default(),
            halted: self.spec.run_strategy.as_deref() == Some(HALTED),
            idle: idle(self, &status),
            live: status.created,
            stopped: stopped(self),
            trouble: trouble(&status),
            networks: attached(self),
            guest: self.annotations().get(GUEST_DATA).cloned(),
            restored: restored(self),
        }
    }
}

/// The run strategy that the VM was declared with, if it is off in spite of that.
fn stopped(vm: &VirtualMachine) -> Option<String> {
    let declared = vm.annotations().get(labels::RUN_STRATEGY).filter(|declared| *declared != HALTED);
    declared.filter(|_| vm.spec.run_strategy.as_deref() == Some(HALTED)).cloned()
}

/// The run strategy under which KubeVirt starts the VM only when it is told to; `None` for one that runs, or that is started
/// anyway. To be started on failure means to be started at first, too.
fn idle(vm: &VirtualMachine, status: &VirtualMachineStatus) -> Option<String> {
    let strategy = vm.spec.run_strategy.as_ref()?;
    let printable = status.printable_status.as_deref().unwrap_or_default();
    let off = !status.created || GOING_OFF.contains(&printable);
    let idle = match strategy.as_str() {
        HALTED => true,
        "Manual" => off,
        "RerunOnFailure" => off && status.run_strategy.as_ref() == Some(strategy),
        _ => false,
    };
    idle.then(|| strategy.clone())
}

/// What stands in the VM's way, in KubeVirt's words; `None` while it runs as declared or is on its way.
fn trouble(status: &VirtualMachineStatus) -> Option<Trouble> {
    let found =
        |type_: &str, bad: &str| status.conditions.iter().find(|each| each["type"] == type_ && each["status"] == bad);
    if let Some(outdated) = found("RestartRequired", "True") {
        return Some(Trouble::of(
            Reason::RestartRequired,
            "it runs from an earlier declaration until it is restarted",
            outdated,
        ));
    }
    if status.ready {
        return None;
    }
    if let Some(failed) = found("Failure", "True").or_else(|| found("Synchronized", "False")) {
        let why = failed["reason"].as_str().unwrap_or_default();
        return Some(if why == FAILED_CREATE {
            Trouble::of(Reason::StartRefused, "KubeVirt cannot start it", failed)
        } else {
            Trouble::of(Reason::NotRunning, &format!("KubeVirt says {why}"), failed)
        });
    }
    if let Some(homeless) = found("PodScheduled", "False") {
        return Some(Trouble::of(Reason::Unschedulable, "no node takes it", homeless));
    }
    let printable = status.printable_status.as_deref().unwrap_or_default();
    IN_TROUBLE.contains(&printable).then(|| {
        let words = format!("KubeVirt says {printable}");
        Trouble::of(Reason::NotRunning, &words, found("Ready", "False").unwrap_or(&Value::Null))
    })
}

impl Trouble {
    fn of(reason: Reason, words: &str, condition: &Value) -> Self {
        let said: String = condition["message"].as_str().unwrap_or_default().chars().take(MOST_SAID).collect();
        let message = if said.is_empty() { words.to_owned() } else { format!("{words}: {said}") };
        Self { reason, message }
    }
}

// An interface is part of the instance: what a changed declaration no longer names goes with the next start.
fn attached(vm: &VirtualMachine) -> Attached {
    let labels = vm.spec.template.metadata.labels.keys();
    let status = vm.status.clone().unwrap_or_default();
    Attached {
        to: labels.filter_map(|label| label.strip_prefix(NETWORK_PREFIX)).map(str::to_owned).collect(),
        outdated: status.created && status.observed_generation.is_some_and(|from| Some(from) != vm.metadata.generation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_kubevirt_does_not_start_by_itself() {
        let idle = |strategy: &str, status: Value| {
            let spec = json!({"runStrategy": strategy});
            let vm = json!({"metadata": {"name": "vm"}, "spec": spec, "status": status});
            match serde_json::from_value::<VirtualMachine>(vm).unwrap().facts() {
                Facts::VirtualMachine { idle, .. } => idle,
                other => panic!("{other:?}"),
            }
        };
        let acted = json!({"runStrategy": "RerunOnFailure"});
        let stopping = json!({"created": true, "printableStatus": "Stopping"});
        let cases = [
            ("Halted", json!({}), true),
            ("Halted", json!({"created": true}), true),
            ("Manual", json!({}), true),
            ("Manual", stopping, true),
            ("Manual", json!({"created": true, "printableStatus": "Running"}), false),
            ("RerunOnFailure", acted, true),
            ("RerunOnFailure", json!({}), false),
            ("RerunOnFailure", json!({"created": true, "runStrategy": "RerunOnFailure"}), false),
            ("Always", json!({}), false),
        ];
        for (strategy, status, stays) in cases {
            assert_eq!(idle(strategy, status.clone()), stays.then(|| strategy.to_owned()), "{strategy}: {status}");
        }
    }

    fn facts(manifest: Value) -> (Option<String>, Option<Trouble>) {
        let vm: VirtualMachine = serde_json::from_value(manifest).unwrap();
        match vm.facts() {
            Facts::VirtualMachine { stopped, trouble, .. } => (stopped, trouble),
            other => panic!("{other:?}"),
        }
    }

    fn with_status(status: &Value) -> Option<Trouble> {
        facts(json!({"metadata": {"name": "vm"}, "spec": {"runStrategy": "Always"}, "status": status})).1
    }

    #[test]
    fn a_vm_is_stopped_by_hand_only_when_it_is_off_in_spite_of_its_declaration() {
        let vm = |declared: Option<&str>, now: &str| {
            let annotations = declared.map(|declared| json!({labels::RUN_STRATEGY: declared}));
            facts(json!({"metadata": {"name": "vm", "annotations": annotations}, "spec": {"runStrategy": now}})).0
        };
        assert_eq!(vm(Some("Always"), "Halted"), Some("Always".into()));
        assert_eq!(vm(Some("Always"), "Always"), None);
        assert_eq!(vm(Some("Halted"), "Halted"), None, "that is the declaration");
        assert_eq!(vm(None, "Halted"), None, "nobody knows what was declared");
    }

    #[test]
    fn what_kubevirt_says_about_a_vm_that_does_not_run_is_kept_in_its_words() {
        let refused = json!({"printableStatus": "Starting", "conditions": [
            {"type": "Ready", "status": "False"},
            {"type": "Synchronized", "status": "False", "reason": "FailedCreate", "message": "exceeded quota: tight"},
        ]});
        let told = with_status(&refused).unwrap();
        assert_eq!(
            (told.reason, told.message.as_str()),
            (Reason::StartRefused, "KubeVirt cannot start it: exceeded quota: tight")
        );
        let waiting = json!({"conditions": [
            {"type": "Synchronized", "status": "False", "reason": "BackendStorageNotReady", "message": "PVC pending"},
        ]});
        let told = with_status(&waiting).unwrap();
        let words = "KubeVirt says BackendStorageNotReady: PVC pending";
        assert_eq!((told.reason, told.message.as_str()), (Reason::NotRunning, words), "nobody refused it");
        let homeless = json!({"printableStatus": "ErrorUnschedulable", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"},
        ]});
        let told = with_status(&homeless).unwrap();
        assert_eq!(
            (told.reason, told.message.as_str()),
            (Reason::Unschedulable, "no node takes it: 0/3 nodes are available")
        );
        let broken = with_status(&json!({"printableStatus": "ErrorPvcNotFound"})).unwrap();
        assert_eq!((broken.reason, broken.message.as_str()), (Reason::NotRunning, "KubeVirt says ErrorPvcNotFound"));
        assert_eq!(with_status(&json!({"printableStatus": "Starting"})), None, "it is on its way");
    }

    #[test]
    fn a_running_vm_has_no_trouble_but_that_it_runs_from_an_earlier_declaration() {
        let old = json!({"type": "Synchronized", "status": "False", "message": "an old one"});
        assert_eq!(with_status(&json!({"ready": true, "printableStatus": "Running", "conditions": [old]})), None);
        let restart =
            json!({"type": "RestartRequired", "status": "True", "message": "a non-live-updatable field was changed"});
        let told = with_status(&json!({"ready": true, "printableStatus": "Running", "conditions": [restart]})).unwrap();
        assert_eq!(told.reason, Reason::RestartRequired);
        assert!(told.message.contains("non-live-updatable"), "{told:?}");
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        let long = json!([{"type": "Failure", "status": "True", "message": "か".repeat(2000)}]);
        let told = with_status(&json!({"conditions": long})).unwrap();
        assert_eq!(told.message.chars().filter(|each| *each == 'か').count(), MOST_SAID);
    }
}
