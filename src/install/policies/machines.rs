//! VMs in tenants' namespaces (V2). Customers write none; providers and GitOps could, and so could whoever holds the
//! operator's token. What a VM is made of beside its template, an instance type or a preference, is judged on the
//! instance that KubeVirt makes of it.

use super::{Guard, is_operator, may_for_tenants, quoted};
use crate::api::labels::TENANT;
use crate::install::roles::LAUNCH;

/// Everything that carries the template of a machine, or changes those of others.
const MACHINES: [(&str, &[&str]); 2] = [
    (
        "kubevirt.io",
        &[
            "virtualmachines",
            "virtualmachineinstances",
            "virtualmachineinstancereplicasets",
            "virtualmachineinstancepresets",
        ],
    ),
    ("pool.kubevirt.io", &["virtualmachinepools"]),
];

/// Sources that reach files of the node or of the launcher's container.
const NODE_VOLUMES: [&str; 3] = ["hostDisk", "containerPath", "downwardMetrics"];

/// Ways onto a network that the launcher's own address translation does not stand before.
const OTHER_BINDINGS: [&str; 6] = ["slirp", "sriov", "macvtap", "passt", "passtBinding", "binding"];

/// Annotations by which a network plugin attaches the launcher's pod to something.
const NETWORK_ANNOTATIONS: [&str; 3] = ["k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "k8s.ovn.org/"];

const WHAT: &str =
    "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': '";

/// CEL: the part of `object` that has `metadata` and `spec` of an instance.
fn template_of(object: &str) -> String {
    format!(
        "(request.resource.resource == 'virtualmachineinstances' ? dyn({object}) : request.resource.resource == 'virtualmachinepools' ? dyn({object}).spec.virtualMachineTemplate.?spec.?template.orValue({{}}) : dyn({object}).spec.?template.orValue({{}}))"
    )
}

fn guard(name: &'static str) -> Guard {
    let changed = "oldObject == null || dyn(object).spec != dyn(oldObject).spec || dyn(object).metadata.?annotations != dyn(oldObject).metadata.?annotations";
    Guard::on_all(name, &["CREATE", "UPDATE"], &MACHINES)
        .in_namespaces_with(TENANT)
        // KubeVirt writes instances all the time.
        .when("changed", changed)
        .with("template", template_of("object"))
        .with("annotations", "variables.template.?metadata.?annotations.orValue({})")
        .with("interfaces", "variables.template.?spec.?domain.?devices.?interfaces.orValue([])")
}

/// Nothing of the node, no program beside the launcher, secure boot, or SEV-SNP, which measures what boots and excludes it.
/// For everybody, the operator included. That a VM boots without secure boot is the operator's to say alone: whoever could
/// write the word would have a way around it on any cluster whose KubeVirt does not look. What is there may be started and
/// stopped by everybody who could before.
pub fn template() -> Guard {
    let boots = |object: &str| {
        let domain = format!("{}.?spec.?domain", template_of(object));
        format!("[{domain}.?firmware.orValue({{}}), {domain}.?launchSecurity.orValue({{}})]")
    };
    let nodes = format!("[{}].exists(kind, kind in volume)", quoted(&NODE_VOLUMES));
    guard("cloudfarm-machine-template")
        .with("volumes", "variables.template.?spec.?volumes.orValue([])")
        .with("devices", "variables.template.?spec.?domain.?devices.orValue({})")
        .with("sidecars", "variables.annotations.filter(key, key.startsWith('hooks.kubevirt.io/'))")
        .unless(
            "request.resource.resource != 'virtualmachineinstancepresets'",
            format!("{WHAT} + 'a preset changes every VM that its selector finds; write it into the VM'"),
        )
        .unless(
            format!("!variables.volumes.exists(volume, {nodes})"),
            format!("{WHAT} + 'volume ' + variables.volumes.filter(volume, {nodes}).map(volume, volume.name).join(', ') + ' reaches the node ({}); use a dataVolume'", NODE_VOLUMES.join(", ")),
        )
        .unless(
            "variables.devices.?hostDevices.orValue([]).size() == 0 && variables.devices.?gpus.orValue([]).size() == 0 && !('downwardMetrics' in variables.devices) && !variables.devices.?autoattachVSOCK.orValue(false)",
            format!("{WHAT} + 'domain.devices has hostDevices, gpus, downwardMetrics or autoattachVSOCK, which are doors to the node; leave them out'"),
        )
        .unless(
            "variables.sidecars.size() == 0",
            format!("{WHAT} + 'the annotation ' + variables.sidecars.join(', ') + ' runs a program beside the VM; leave it out'"),
        )
        .with("measured", "variables.template.?spec.?domain.?launchSecurity.?snp.hasValue()")
        .with("boots_as_before", format!("oldObject != null && {} == {}", boots("object"), boots("oldObject")))
        .unless(
            format!("variables.template.?spec.?domain.?firmware.?bootloader.?efi.?secureBoot.orValue(false) == true || variables.measured && ({} || request.resource.resource == 'virtualmachineinstances' && {} || variables.boots_as_before) || request.resource.resource == 'virtualmachineinstancepresets'", is_operator(), may_for_tenants(LAUNCH)),
            format!("{WHAT} + 'domain.firmware.bootloader.efi.secureBoot is not true; ' + (variables.measured ? 'launchSecurity.snp takes its place in VMs of the operator alone: write spec.isolation.confidential: SEVSNP into the Tenant' : 'set it')"),
        )
}

/// Behind the walls: on the pod network by masquerade, on another one by a bridge of the operator's making and by a
/// name in its own namespace. KubeVirt repeats in the instance what the VM says.
pub fn attachment() -> Guard {
    let other = format!("[{}].exists(kind, kind in interface)", quoted(&OTHER_BINDINGS));
    let attaches = format!("[{}].exists(prefix, key.startsWith(prefix))", quoted(&NETWORK_ANNOTATIONS));
    let foreign = "variables.template.?spec.?networks.orValue([]).filter(network, network.?multus.?networkName.orValue('').contains('/'))";
    let before = format!("{}.?spec.?domain.?devices.?interfaces.orValue([])", template_of("oldObject"));
    guard("cloudfarm-machine-attachment")
        .with("ours", format!("{} || {}", is_operator(), may_for_tenants(LAUNCH)))
        .with("before", format!("oldObject == null ? [] : {before}"))
        .with("foreign", foreign)
        .with("attaching", format!("variables.annotations.filter(key, {attaches})"))
        .unless(
            format!("!variables.interfaces.exists(interface, {other})"),
            format!("{WHAT} + 'interface ' + variables.interfaces.filter(interface, {other}).map(interface, interface.name).join(', ') + ' is bound by {}; use masquerade'", OTHER_BINDINGS.join(", ")),
        )
        .unless(
            "variables.ours || variables.interfaces.all(interface, 'masquerade' in interface || variables.before.exists(old, old == interface))",
            format!("{WHAT} + 'interface ' + variables.interfaces.filter(interface, !('masquerade' in interface)).map(interface, interface.name).join(', ') + ' is not bound by masquerade; a bridge is made by the operator alone, for a TenantNetwork of type Layer2 or VLAN'"),
        )
        .unless(
            "variables.foreign.size() == 0",
            format!("{WHAT} + 'network ' + variables.foreign.map(network, network.name).join(', ') + ' is named ' + variables.foreign.map(network, network.multus.networkName).join(', ') + ': a network of another namespace; a tenant\\'s are in its own, so write the name without a namespace'"),
        )
        .unless(
            "variables.ours || variables.attaching.size() == 0",
            format!("{WHAT} + 'the annotation ' + variables.attaching.join(', ') + ' attaches the VM past its TenantNetworks; leave it out'"),
        )
}
