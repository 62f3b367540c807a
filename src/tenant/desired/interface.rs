//! A VM's interfaces: one into the cluster's own network if it names any of type Pod, and one into each network of its own.

use serde_json::{Value, json};

use super::Home;
use crate::api::tenant::{Attachment, Machine};
use crate::tenant::observe::NetworkFact;

/// Name of the one pod interface, however many TenantNetworks of type Pod the VM is attached to.
const POD_NETWORK: &str = "pod";

/// What the interfaces are plugged into.
pub fn networks(home: &Home, machine: &Machine) -> Vec<Value> {
    let pod = on_pod_network(home, machine).next().map(|_| json!({"name": POD_NETWORK, "pod": {}}));
    let own = of_their_own(home, machine);
    // Without a namespace in front the definition is looked for in the VM's own.
    let own =
        own.map(|(attachment, definition)| json!({"name": name(attachment), "multus": {"networkName": definition}}));
    pod.into_iter().chain(own).collect()
}

/// The interfaces, the pod's first.
pub fn interfaces(home: &Home, machine: &Machine) -> Vec<Value> {
    let mac = on_pod_network(home, machine).find_map(|attachment| attachment.mac.as_ref());
    let pod = on_pod_network(home, machine).next().map(|_| pod_interface(home, mac));
    let own = of_their_own(home, machine).map(|(attachment, _)| {
        let interface = json!({"name": name(attachment), "bridge": {}});
        with_mac(interface, attachment.mac.as_ref())
    });
    pod.into_iter().chain(own).collect()
}

/// Without a list of ports masquerade forwards all of them: the filter is the NetworkPolicy, which also sees ranges and
/// other protocols; two filters that have to agree would drift apart.
fn pod_interface(home: &Home, mac: Option<&String>) -> Value {
    let ntp: Vec<String> = home.snapshot.config.platform.ntp.iter().map(ToString::to_string).collect();
    let mut interface = json!({"name": POD_NETWORK, "masquerade": {}});
    if !ntp.is_empty() {
        interface["dhcpOptions"] = json!({"ntpServers": ntp});
    }
    with_mac(interface, mac)
}

fn with_mac(mut interface: Value, mac: Option<&String>) -> Value {
    if let Some(mac) = mac {
        interface["macAddress"] = json!(mac);
    }
    interface
}

/// Those of its attachments that share the pod's own interface.
fn on_pod_network<'a>(home: &'a Home, machine: &'a Machine) -> impl Iterator<Item = &'a Attachment> {
    let own = |attachment: &&Attachment| {
        matches!(home.snapshot.networks.get(&attachment.name), Some(NetworkFact::OfItsOwn(_)))
    };
    machine.networks.iter().filter(move |attachment| !own(attachment))
}

/// By name: no object depends on the order in which people write lists.
fn of_their_own<'a>(home: &'a Home, machine: &'a Machine) -> impl Iterator<Item = (&'a Attachment, &'a str)> {
    let mut attachments: Vec<&Attachment> = machine.networks.iter().collect();
    attachments.sort_by(|one, other| one.name.cmp(&other.name));
    attachments.into_iter().filter_map(|attachment| match home.snapshot.networks.get(&attachment.name) {
        Some(NetworkFact::OfItsOwn(Ok(found))) => Some((attachment, found.definition.as_str())),
        _ => None,
    })
}

fn name(attachment: &Attachment) -> String {
    format!("net-{}", attachment.name)
}
