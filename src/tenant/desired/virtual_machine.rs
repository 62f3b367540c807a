//! A VM with the hardening of CLD.9.5.2 and 5.1.1: every device and default that could weaken it is said explicitly.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Home, disk_name, interface, name_resolution};
use crate::api::labels;
use crate::api::tenant::{Machine, OperatingSystem, Profile, RunStrategy};
use crate::cluster::object::{Claim, DesiredObject, Facts, Observation};
use crate::foreign::virtual_machine::{
    Cpu, Devices, Domain, Features, Firmware, InstanceSpec, Matcher, Memory, Rng, Template, TemplateMetadata, Tpm,
    VirtualMachine, VirtualMachineSpec,
};
use crate::tenant::declared::{DeclaredMachine, DeclaredSize};

/// The VM.
pub fn virtual_machine(home: &Home, machine: &DeclaredMachine) -> DesiredObject {
    let spec = machine.spec;
    let mut metadata = home.owner.metadata(Some(&home.customer), &spec.name);
    metadata.labels.get_or_insert_default().extend(own_labels(home, spec));
    let run_strategy = if home.at_rest() { RunStrategy::Halted } else { spec.run_strategy };
    DesiredObject::new(&VirtualMachine {
        metadata,
        spec: VirtualMachineSpec {
            run_strategy: Some(format!("{run_strategy:?}")),
            instancetype: instancetype(machine),
            preference: spec.preference.clone().map(|name| matcher("VirtualMachineClusterPreference", name)),
            template: Template {
                metadata: TemplateMetadata { labels: template_labels(home, spec) },
                spec: instance(home, machine),
            },
        },
        status: None,
    })
}

/// A VM as it stands, told to stop and nothing else: what may not be brought to its declaration is not left running.
#[must_use]
pub fn halt(seen: &Observation) -> Option<Claim> {
    let running = matches!(seen.facts, Facts::VirtualMachine { halted: false, .. });
    let metadata = json!({"namespace": seen.reference.namespace});
    let fields = json!({"metadata": metadata, "spec": {"runStrategy": format!("{:?}", RunStrategy::Halted)}});
    running.then(|| Claim { on: seen.clone(), fields })
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
        .map(|secret| {
            json!({"sshPublicKey": {
                "source": {"secret": {"secretName": secret}},
                // Never through the guest agent: that would be a door for the provider.
                "propagationMethod": {"noCloud": {}},
            }})
        })
        .collect();
    InstanceSpec {
        eviction_strategy: Some("LiveMigrate".into()),
        termination_grace_period_seconds: Some(180),
        dns_policy: Some("None".into()),
        dns_config: name_resolution::dns_config(home.snapshot, spec),
        affinity: residency(home),
        access_credentials: if keys.is_empty() { Value::Null } else { Value::Array(keys) },
        domain: domain(home, machine),
        networks: Value::Array(interface::networks(home, spec)),
        volumes: volumes(machine),
    }
}

/// Only on nodes whose label says Japan (6.1.3), and in the tenant's zones where it names some.
fn residency(home: &Home) -> Value {
    let residency = &home.snapshot.config.residency;
    let mut places = vec![json!({"key": residency.node_label, "operator": "In", "values": [residency.node_value]})];
    let mut zones = home.snapshot.tenant.spec.residency.zones.clone();
    if !zones.is_empty() {
        zones.sort();
        places.push(json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": zones}));
    }
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": places}],
    }}})
}

fn domain(home: &Home, machine: &DeclaredMachine) -> Domain {
    let (cpu, memory) = match &machine.size {
        DeclaredSize::Instancetype(_) => (None, None),
        DeclaredSize::Inline { vcpus, memory } => {
            (Some(Cpu { cores: *vcpus }), Some(Memory { guest: memory.to_string() }))
        }
    };
    Domain {
        cpu,
        memory,
        firmware: Some(Firmware { bootloader: json!({"efi": {"secureBoot": true, "persistent": true}}) }),
        // KubeVirt refuses secure boot without it.
        features: Some(Features { smm: json!({"enabled": true}) }),
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
    if needs_cloud_init(machine.spec) {
        all.push(json!({"name": "cloudinit", "disk": {"bus": "virtio"}}));
    }
    Value::Array(all)
}

fn volumes(machine: &DeclaredMachine) -> Value {
    let mut all: Vec<Value> = machine
        .disks
        .iter()
        .map(|disk| json!({"name": disk.spec.name, "dataVolume": {"name": disk_name(machine, &disk.spec.name)}}))
        .collect();
    if needs_cloud_init(machine.spec) {
        let source = match &machine.spec.user_data_secret {
            Some(secret) => json!({"secretRef": {"name": secret}}),
            // Keys travel by NoCloud, which needs a volume even when the customer has no data of their own.
            None => json!({"userData": "#cloud-config\n"}),
        };
        all.push(json!({"name": "cloudinit", "cloudInitNoCloud": source}));
    }
    Value::Array(all)
}

fn needs_cloud_init(machine: &Machine) -> bool {
    machine.user_data_secret.is_some() || !machine.ssh_key_secrets.is_empty()
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
