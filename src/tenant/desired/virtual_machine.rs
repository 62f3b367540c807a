//! A VM with the hardening of CLD.9.5.2 and 5.1.1: every device and default that could weaken it is said explicitly.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::boot::{self, Boot};
use super::{Home, interface, machine_reference, name_resolution, placement, restored, secret_reference};
use crate::api::labels;
use crate::api::tenant::{Confidential, Machine, OperatingSystem, Profile, RunStrategy};
use crate::cluster::object::{Claim, DesiredObject, Facts, Observation};
use crate::foreign::virtual_machine::{
    Cpu, Devices, Domain, HALTED, InstanceSpec, Matcher, Memory, Rng, Template, TemplateMetadata, Tpm, VirtualMachine,
    VirtualMachineSpec,
};
use crate::tenant::declared::{DeclaredMachine, DeclaredSize};
use crate::tenant::guest::Guest;

/// The VM.
pub fn virtual_machine(home: &Home, machine: &DeclaredMachine) -> DesiredObject {
    let spec = machine.spec;
    let mut metadata = home.owner.metadata(Some(&home.customer), &spec.name);
    metadata.labels.get_or_insert_default().extend(own_labels(home, spec));
    let (declared, run_strategy) = run_strategies(home, spec);
    let record = home.snapshot.guests.by_vm.get(&spec.name).and_then(Guest::record);
    let record = record.map(|record| (labels::GUEST_DATA.to_owned(), record.text()));
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(labels::RUN_STRATEGY.to_owned(), declared);
    annotations.extend(record);
    DesiredObject::new(&VirtualMachine {
        metadata,
        spec: VirtualMachineSpec {
            run_strategy: Some(run_strategy),
            instancetype: instancetype(machine),
            preference: spec.preference.clone().map(|name| matcher("VirtualMachineClusterPreference", name)),
            template: Template {
                metadata: TemplateMetadata { labels: template_labels(home, spec) },
                spec: instance(home, machine),
            },
        },
        status: None,
    })
    .after(secret_reference(home, &spec.name))
    // What a customer or a restore did to it stands in it: a stop, a start, another disk.
    .decided_by(home.snapshot.observed.get(&machine_reference(home, &spec.name)))
}

/// What the declaration asks for, and what the VM gets. KubeVirt stops a VM by making it Halted: whoever may do that in
/// the tenant has the last word until the declaration changes, or a stop would be undone at once.
fn run_strategies(home: &Home, machine: &Machine) -> (String, String) {
    let declared = format!("{:?}", if home.at_rest() { RunStrategy::Halted } else { machine.run_strategy });
    let by_hand = home.snapshot.observed.get(&machine_reference(home, &machine.name)).and_then(|vm| match &vm.facts {
        Facts::VirtualMachine { stopped, .. } => stopped.as_ref(),
        _ => None,
    });
    let run_strategy = if by_hand == Some(&declared) { HALTED.to_owned() } else { declared.clone() };
    (declared, run_strategy)
}

/// A VM as it stands, told to stop and nothing else: what may not be brought to its declaration is not left running. Off
/// as declared, not stopped by hand: the declaration starts it again.
#[must_use]
pub fn halt(seen: &Observation) -> Option<Claim> {
    let running = matches!(seen.facts, Facts::VirtualMachine { halted: false, .. });
    let metadata = json!({"namespace": seen.reference.namespace, "annotations": {labels::RUN_STRATEGY: HALTED}});
    running.then(|| Claim { on: seen.clone(), fields: json!({"metadata": metadata, "spec": {"runStrategy": HALTED}}) })
}

fn own_labels(home: &Home, machine: &Machine) -> BTreeMap<String, String> {
    let mut own = BTreeMap::from([(labels::DATA_CLASS.to_owned(), labels::DATA_CLASS_CUSTOMER.to_owned())]);
    let default = home.snapshot.tenant.spec.classification.as_ref().and_then(|levels| levels.default.as_ref());
    if let Some(level) = machine.classification.as_ref().or(default) {
        own.insert(labels::CLASSIFICATION.to_owned(), level.clone());
    }
    own
}

/// Labels of the launcher pod: network policies select them.
fn template_labels(home: &Home, machine: &Machine) -> BTreeMap<String, String> {
    let mut all = own_labels(home, machine);
    all.insert(labels::TENANT.to_owned(), home.owner.tenant.clone());
    all.insert(labels::VM.to_owned(), machine.name.clone());
    if name_resolution::is_without(home.snapshot, machine) {
        all.insert(labels::NO_RESOLVERS.to_owned(), "true".to_owned());
    }
    for network in &machine.networks {
        all.insert(format!("{}{}", labels::NETWORK_PREFIX, network.name), "true".to_owned());
    }
    all
}

fn instance(home: &Home, machine: &DeclaredMachine) -> InstanceSpec {
    let spec = machine.spec;
    let keys: Vec<Value> = spec
        .ssh_key_secrets
        .iter()
        // KubeVirt hands keys to cloud-init alone.
        .filter(|_| spec.os == OperatingSystem::Linux)
        .map(|secret| {
            json!({"sshPublicKey": {
                "source": {"secret": {"secretName": secret}},
                // Never through the guest agent: that would be a door for the provider.
                "propagationMethod": {"noCloud": {}},
            }})
        })
        .collect();
    InstanceSpec {
        eviction_strategy: Some(boot::boot(confidential(home)).eviction_strategy.into()),
        termination_grace_period_seconds: Some(180),
        dns_policy: Some("None".into()),
        dns_config: name_resolution::dns_config(home.snapshot, spec),
        affinity: placement::affinity(home),
        tolerations: placement::tolerations(home),
        access_credentials: if keys.is_empty() { Value::Null } else { Value::Array(keys) },
        domain: domain(home, machine),
        networks: Value::Array(interface::networks(home, spec)),
        volumes: volumes(home, machine),
    }
}

fn confidential(home: &Home) -> Confidential {
    home.snapshot.tenant.spec.isolation.as_ref().map_or(Confidential::None, |isolation| isolation.confidential)
}

fn domain(home: &Home, machine: &DeclaredMachine) -> Domain {
    let dedicated_cpu_placement = placement::dedicated_cpu(home, machine).then_some(true);
    let (cpu, memory) = match &machine.size {
        DeclaredSize::Instancetype(_) => {
            (dedicated_cpu_placement.map(|_| Cpu { cores: None, dedicated_cpu_placement }), None)
        }
        DeclaredSize::Inline { vcpus, memory } => {
            (Some(Cpu { cores: Some(*vcpus), dedicated_cpu_placement }), Some(Memory { guest: memory.to_string() }))
        }
    };
    let Boot { firmware, features, launch_security, .. } = boot::boot(confidential(home));
    Domain {
        cpu,
        memory,
        firmware: Some(firmware),
        features,
        launch_security,
        clock: clock(machine.spec.os),
        reboot_policy: Some("Reboot".into()),
        devices: devices(home, machine),
    }
}

/// The hardware clock. Windows keeps local time in it; a Linux guest would run nine hours ahead with that.
fn clock(os: OperatingSystem) -> Value {
    let timer = json!({"hpet": {"present": false}, "pit": {"tickPolicy": "delay"}, "rtc": {"tickPolicy": "catchup"}});
    match os {
        OperatingSystem::Linux => json!({"utc": {}, "timer": timer}),
        OperatingSystem::Windows => json!({"timezone": "Asia/Tokyo", "timer": timer}),
    }
}

fn devices(home: &Home, machine: &DeclaredMachine) -> Devices {
    let profile = machine.spec.hardening.as_ref().map_or(Profile::Strict, |hardening| hardening.profile);
    let strict = profile == Profile::Strict;
    Devices {
        autoattach_graphics_device: Some(false),
        autoattach_serial_console: Some(!strict),
        // Guest output in the provider's logs would mix customer data with derived data (8.1.1).
        log_serial_console: Some(false),
        autoattach_mem_balloon: Some(false),
        autoattach_vsock: Some(false),
        autoattach_pod_interface: Some(false),
        disable_hotplug: Some(strict),
        rng: Some(Rng {}),
        tpm: Some(Tpm { persistent: true }),
        disks: disks(home, machine),
        interfaces: Value::Array(interface::interfaces(home, machine.spec)),
    }
}

fn disks(home: &Home, machine: &DeclaredMachine) -> Value {
    let mut all: Vec<Value> = machine
        .disks
        .iter()
        .map(|disk| {
            let serial = format!("{}-{}", home.owner.tenant, disk.spec.name);
            json!({"name": disk.spec.name, "disk": {"bus": "virtio"}, "serial": serial})
        })
        .collect();
    all.push(match machine.spec.os {
        OperatingSystem::Linux => json!({"name": "cloudinit", "disk": {"bus": "virtio"}}),
        OperatingSystem::Windows => json!({"name": "sysprep", "cdrom": {"bus": "sata"}}),
    });
    Value::Array(all)
}

fn volumes(home: &Home, machine: &DeclaredMachine) -> Value {
    let mut all: Vec<Value> =
        machine.disks.iter().map(|disk| restored::volume(home, machine, &disk.spec.name)).collect();
    let secret = secret_reference(home, &machine.spec.name).name;
    all.push(match machine.spec.os {
        OperatingSystem::Linux => json!({"name": "cloudinit", "cloudInitNoCloud": {"secretRef": {"name": secret}}}),
        OperatingSystem::Windows => json!({"name": "sysprep", "sysprep": {"secret": {"name": secret}}}),
    });
    Value::Array(all)
}

fn instancetype(machine: &DeclaredMachine) -> Option<Matcher> {
    match &machine.size {
        DeclaredSize::Instancetype(name) => Some(matcher("VirtualMachineClusterInstancetype", name.clone())),
        DeclaredSize::Inline { .. } => None,
    }
}

fn matcher(kind: &str, name: String) -> Matcher {
    Matcher { kind: kind.into(), name }
}
