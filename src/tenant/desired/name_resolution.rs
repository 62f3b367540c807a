//! Which resolvers a VM is told, by the networks that it is attached to.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::api::tenant::Machine;
use crate::api::tenant_network::{Dns, DnsMode};
use crate::network::reach;
use crate::tenant::observe::TenantSnapshot;

/// Kubernetes refuses a pod with more.
const MOST_NAMESERVERS: usize = 3;

/// Resolvers of old look at no more.
const MOST_SEARCHES: usize = 6;

/// A pod without the cluster's DNS has to name a resolver, and KubeVirt tells a guest a public one when the pod has none:
/// the guest's own loopback, where nothing answers unless the customer runs something there.
const NOBODY: &str = "127.0.0.1";

/// The launcher pod's `dnsConfig`, which KubeVirt tells the guest by DHCP.
#[must_use]
pub fn dns_config(snapshot: &TenantSnapshot, machine: &Machine) -> Value {
    let (mut nameservers, mut searches) = wished(snapshot, machine);
    nameservers.truncate(MOST_NAMESERVERS);
    searches.truncate(MOST_SEARCHES);
    if nameservers.is_empty() {
        nameservers.push(NOBODY.to_owned());
    }
    let mut config = json!({"nameservers": nameservers});
    if !searches.is_empty() {
        config["searches"] = json!(searches);
    }
    config
}

/// What the VM's networks wish and a guest cannot be told, in words.
#[must_use]
pub fn surplus(snapshot: &TenantSnapshot, machine: &Machine) -> Vec<String> {
    let (nameservers, searches) = wished(snapshot, machine);
    let lists =
        [("nameservers", nameservers.len(), MOST_NAMESERVERS), ("search domains", searches.len(), MOST_SEARCHES)];
    let too_long = lists.into_iter().filter(|(_, length, most)| length > most);
    let words = |(what, length, most)| {
        format!(
            "spec.virtualMachines[{}].networks (together {length} {what}; a guest is told the first {most})",
            machine.name
        )
    };
    too_long.map(words).collect()
}

/// Does every network of the VM say that it has no name resolution?
#[must_use]
pub fn is_without(snapshot: &TenantSnapshot, machine: &Machine) -> bool {
    let mut modes = machine.networks.iter().map(|network| snapshot.dns.get(&network.name).map(|dns| dns.mode));
    modes.all(|mode| mode == Some(DnsMode::None))
}

/// Nameservers and search domains, each once: those of the customer's own before the platform's, networks by name.
fn wished(snapshot: &TenantSnapshot, machine: &Machine) -> (Vec<String>, Vec<String>) {
    let platform = Dns::default();
    let mut networks: Vec<(&String, &Dns)> = machine
        .networks
        .iter()
        .map(|network| (&network.name, snapshot.dns.get(&network.name).unwrap_or(&platform)))
        .collect();
    networks.sort_by_key(|(name, dns)| (dns.mode == DnsMode::Platform, *name));
    let (mut nameservers, mut searches) = (Vec::new(), Vec::new());
    for (_, dns) in networks {
        let theirs = match dns.mode {
            DnsMode::Platform => snapshot.config.platform.resolvers.iter().map(ToString::to_string).collect(),
            DnsMode::Custom => reachable(snapshot, &dns.nameservers),
            DnsMode::None => Vec::new(),
        };
        add(&mut nameservers, theirs);
        add(&mut searches, dns.searches.clone());
    }
    (nameservers, searches)
}

/// Without those for which the network opens no door.
fn reachable(snapshot: &TenantSnapshot, nameservers: &[String]) -> Vec<String> {
    let forbidden = reach::with_translated(snapshot.config.cluster.forbidden());
    let open = |host: &IpAddr| reach::block((*host).into(), &[], &forbidden).is_ok();
    nameservers.iter().filter_map(|host| host.parse().ok()).filter(open).map(|host| host.to_string()).collect()
}

fn add(list: &mut Vec<String>, more: Vec<String>) {
    for each in more {
        if !list.contains(&each) {
            list.push(each);
        }
    }
}
