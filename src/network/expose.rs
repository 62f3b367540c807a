//! Ports of VMs that get an address outside: which of those that are declared can have one.
//!
//! One VM has one address a network, whatever number of its ports are exposed; an address belongs to one VM, since
//! what keeps the true source of a connection (and with it the rules that name CIDRs) cannot be shared by two.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::observe::NetworkSnapshot;
use super::reach;
use super::rules::{Door, Refused};
use super::subnets::since;
use crate::api::condition::Reason;
use crate::api::tenant_network::{Expose, NetworkType, Protocol, TenantNetwork};

/// What one VM shows outside through one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    pub vm: String,
    /// The address that is asked for; whichever the platform gives when there is none.
    pub address: Option<IpAddr>,
    pub ports: BTreeSet<(Protocol, u16)>,
}

/// Addresses that networks of a tenant ask for, each with who asks first: `VM web-1 of TenantNetwork dmz`.
pub type Taken = BTreeMap<IpAddr, String>;

/// What the siblings that were there before this network have taken. First come keeps it.
#[must_use]
pub fn taken<'a>(network: &TenantNetwork, siblings: impl Iterator<Item = &'a TenantNetwork>) -> Taken {
    let mut before: Vec<&TenantNetwork> = siblings.filter(|sibling| age(sibling) < age(network)).collect();
    before.sort_by_key(|sibling| age(sibling));
    let mut taken = Taken::new();
    for sibling in before {
        for expose in &sibling.spec.expose {
            if let Some(Ok(address)) = expose.address.as_ref().map(|address| address.parse()) {
                let who = format!("VM {} of TenantNetwork {}", expose.vm, sibling.name_any());
                taken.entry(address).or_insert(who);
            }
        }
    }
    taken
}

fn age(network: &TenantNetwork) -> (Option<Timestamp>, String) {
    (since(network), network.name_any())
}

/// What each VM shows, and what cannot be shown.
#[must_use]
pub fn exposed(snapshot: &NetworkSnapshot, ingress: &BTreeSet<Door>) -> (Vec<Exposed>, Vec<Refused>) {
    let forbidden = reach::with_translated(snapshot.config.cluster.forbidden());
    let mut taken = snapshot.taken.clone();
    let mut shown: BTreeMap<String, Exposed> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut entries: Vec<&Expose> = snapshot.network.spec.expose.iter().collect();
    // No outcome depends on the order in which people write a list.
    entries.sort_by_key(|entry| (&entry.vm, entry.protocol, entry.port, &entry.address));
    for entry in entries {
        let outcome = possible(snapshot, entry, ingress)
            .and_then(|port| Ok((port, address(snapshot, entry, &forbidden, &mut taken, &shown)?)));
        match outcome {
            Ok((port, address)) => {
                let of_vm = shown.entry(entry.vm.clone()).or_default();
                of_vm.vm.clone_from(&entry.vm);
                of_vm.address = of_vm.address.or(address);
                of_vm.ports.insert((entry.protocol, port));
            }
            Err((reason, message)) => {
                refused.push(Refused { rule: format!("{RULE}{}", entry.vm), reason, message });
            }
        }
    }
    (shown.into_values().collect(), refused)
}

/// How the name of such a rule begins in what is refused.
pub const RULE: &str = "expose ";

type Obstacle = (Reason, String);

/// The port, if a load balancer can bring packets to it.
fn possible(snapshot: &NetworkSnapshot, entry: &Expose, ingress: &BTreeSet<Door>) -> Result<u16, Obstacle> {
    let type_ = snapshot.network.spec.type_;
    if type_ != NetworkType::Pod {
        let message = format!(
            "no load balancer reaches a network of type {type_:?}: expose the port through a network of type Pod"
        );
        return Err((Reason::Invalid, message));
    }
    let (vm, own) = (&entry.vm, snapshot.network.name_any());
    if let Some(tenant) = &snapshot.tenant {
        let Some(networks) = tenant.vms.get(vm) else {
            return Err((Reason::VirtualMachineNotFound, format!("the Tenant declares no VM {vm:?}")));
        };
        if !networks.contains(&own) {
            let message = format!(
                "VM {vm} is not attached to this network: name {own:?} in spec.virtualMachines[{vm}].networks of the Tenant"
            );
            return Err((Reason::VirtualMachineNotFound, message));
        }
    }
    let port = u16::try_from(entry.port).ok().filter(|port| *port > 0);
    let port = port.ok_or((Reason::Invalid, format!("port {} is not between 1 and 65535", entry.port)))?;
    // An exposed port that no rule lets anybody reach is a mistake in one of the two.
    if !ingress.iter().any(|door| door.ports.hold(entry.protocol, entry.port)) {
        let port = format!("{:?} {port}", entry.protocol).to_uppercase();
        let message = format!("no ingress rule opens {port}: write one, or leave the port out");
        return Err((Reason::Invalid, message));
    }
    Ok(port)
}

/// The address that is asked for, if it may be.
fn address(
    snapshot: &NetworkSnapshot,
    entry: &Expose,
    forbidden: &[IpNet],
    taken: &mut Taken,
    shown: &BTreeMap<String, Exposed>,
) -> Result<Option<IpAddr>, Obstacle> {
    let Some(text) = &entry.address else { return Ok(None) };
    let invalid = |message: String| (Reason::Invalid, message);
    let address: IpAddr =
        text.parse().map_err(|_| invalid(format!("address {text:?} is not an IP address such as 203.0.113.7")))?;
    reach::block(address.into(), &[], forbidden).map_err(|error| (Reason::RuleRefused, format!("address: {error}")))?;
    let other = shown.get(&entry.vm).and_then(|shown| shown.address).filter(|other| *other != address);
    if let Some(other) = other {
        return Err(invalid(format!(
            "address {address}: the VM already asks for {other}, and has one address in a network; write the same one, or leave it out"
        )));
    }
    let own = format!("VM {} of TenantNetwork {}", entry.vm, snapshot.network.name_any());
    let holder = taken.entry(address).or_insert_with(|| own.clone());
    if *holder != own {
        let message = format!("address {address} is {holder}'s already: ask for another one, or leave it out");
        return Err(invalid(message));
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::network::rules::doors;
    use crate::network::sample::dmz;

    fn of(snapshot: &NetworkSnapshot) -> (Vec<Exposed>, String) {
        let (shown, refused) = exposed(snapshot, &doors(snapshot).ingress);
        let refused: Vec<String> =
            refused.iter().map(|refused| format!("{}: {}", refused.rule, refused.message)).collect();
        (shown, refused.join("; "))
    }

    /// A DMZ open on 8000 to 8010 with this list; the VM web-1 is attached to it, db-1 is not.
    fn open(expose: &Value) -> NetworkSnapshot {
        dmz(&json!({
            "ingress": [{"name": "web", "world": true, "ports": [{"port": 8000, "endPort": 8010}]}],
            "expose": expose,
        }))
    }

    #[test]
    fn an_exposed_port_needs_an_ingress_rule_that_opens_it() {
        let exposed = |port: u16| of(&open(&json!([{"vm": "web-1", "port": port}]))).1;
        assert_eq!(exposed(8010), "");
        assert_eq!(exposed(8011), "expose web-1: no ingress rule opens TCP 8011: write one, or leave the port out");
    }

    #[test]
    fn ports_of_a_vm_share_one_address_in_whatever_order_they_are_written() {
        let mut list = json!([{"vm": "web-1", "port": 8001, "address": "203.0.113.7"}, {"vm": "web-1", "port": 8000}]);
        let (shown, refused) = of(&open(&list));
        let expected = Exposed {
            vm: "web-1".into(),
            address: "203.0.113.7".parse().ok(),
            ports: BTreeSet::from([(Protocol::Tcp, 8000), (Protocol::Tcp, 8001)]),
        };
        assert_eq!((shown.as_slice(), refused.as_str()), (&[expected][..], ""));
        list.as_array_mut().unwrap().reverse();
        assert_eq!(of(&open(&list)).0, shown);
    }

    #[test]
    fn what_nobody_could_reach_or_nobody_may_have_is_refused_with_what_would_be_right() {
        let cases = [
            (json!({"vm": "gone", "port": 8000}), "the Tenant declares no VM \"gone\""),
            (json!({"vm": "db-1", "port": 8000}), "name \"dmz\" in spec.virtualMachines[db-1].networks of the Tenant"),
            (json!({"vm": "web-1", "port": 8000, "address": "nowhere"}), "is not an IP address such as 203.0.113.7"),
            (json!({"vm": "web-1", "port": 8000, "address": "10.96.0.1"}), "10.96.0.1/32 lies inside 10.96.0.0/16"),
            (json!({"vm": "web-1", "port": 8000, "address": "169.254.169.254"}), "which no tenant may reach"),
        ];
        for (entry, right) in cases {
            let (shown, refused) = of(&open(&json!([entry])));
            assert!(shown.is_empty() && refused.contains(right), "{entry}: {refused}");
        }
        let mut layer2 = open(&json!([{"vm": "web-1", "port": 8000}]));
        layer2.network.spec.type_ = NetworkType::Layer2;
        assert!(of(&layer2).1.contains("expose the port through a network of type Pod"), "{:?}", of(&layer2));
    }

    #[test]
    fn a_second_address_of_a_vm_is_refused_and_the_first_is_kept() {
        let (shown, refused) = of(&open(&json!([
            {"vm": "web-1", "port": 8001, "address": "203.0.113.8"},
            {"vm": "web-1", "port": 8000, "address": "203.0.113.7"},
        ])));
        assert_eq!(shown[0].address, "203.0.113.7".parse().ok());
        assert_eq!(shown[0].ports, BTreeSet::from([(Protocol::Tcp, 8000)]));
        assert!(refused.contains("address 203.0.113.8: the VM already asks for 203.0.113.7"), "{refused}");
    }

    #[test]
    fn an_address_stays_with_the_network_that_was_there_first() {
        let entry = json!([{"vm": "web-1", "port": 8000, "address": "203.0.113.7"}]);
        let at = |second: i64, name: &str| {
            let mut network = open(&entry).network;
            network.metadata.name = Some(name.to_owned());
            let time = Timestamp::from_second(second).unwrap();
            network.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
            network
        };
        let (old, young) = (at(1, "dmz"), at(2, "a-later-one"));
        let mut snapshot = open(&entry);
        snapshot.taken = taken(&old, [&young].into_iter());
        assert_eq!(of(&snapshot).1, "");
        snapshot.taken = taken(&at(3, "dmz"), [&young].into_iter());
        let said = "address 203.0.113.7 is VM web-1 of TenantNetwork a-later-one's already";
        assert!(of(&snapshot).1.contains(said), "{}", of(&snapshot).1);
    }
}
