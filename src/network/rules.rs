//! From written rules to doors that cannot be open by accident.
//!
//! In a NetworkPolicy an empty list of peers or ports means "all". A [`Door`] therefore always has at least one peer,
//! and says in its type whether ports are listed or all are meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::observe::NetworkSnapshot;
use super::reach::{self, Block};
use crate::api::condition::Reason;
use crate::api::tenant_network::{DnsMode, IntraNetwork, NetworkRule, Protocol};

/// One opening in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// Never empty.
    pub peers: BTreeSet<Peer>,
    pub ports: Ports,
}

/// Who stands on the other side. All but blocks are in the tenant's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Block(Block),
    Network(String),
    Vm(String),
}

/// Which ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ports {
    /// Written out as `allPorts: true`.
    All,
    /// Never empty.
    Listed(BTreeSet<PortRange>),
}

/// A port, or a range up to and including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    pub protocol: Protocol,
    pub port: u16,
    pub end: Option<u16>,
}

/// A rule, or a peer of one, that is left out. Leaving out closes; it never opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `ingress https`, `egress to-app`, `dns`.
    pub rule: String,
    pub reason: Reason,
    pub message: String,
}

/// All doors of a network.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    pub ingress: BTreeSet<Door>,
    pub egress: BTreeSet<Door>,
    pub refused: Vec<Refused>,
}

/// Every door the network's spec opens. Sets, so that no order in a list matters.
#[must_use]
pub fn doors(snapshot: &NetworkSnapshot) -> Doors {
    let spec = &snapshot.network.spec;
    let mut doors = Doors::default();
    for rule in &spec.ingress {
        let door = door(snapshot, "ingress", rule, &mut doors.refused);
        doors.ingress.extend(door);
    }
    for rule in &spec.egress {
        let door = door(snapshot, "egress", rule, &mut doors.refused);
        doors.egress.extend(door);
    }
    if spec.intra_network == IntraNetwork::Allow {
        let own = Peer::Network(snapshot.network.metadata.name.clone().unwrap_or_default());
        let door = Door { peers: BTreeSet::from([own]), ports: Ports::All };
        doors.ingress.insert(door.clone());
        doors.egress.insert(door);
    }
    if let Some(dns) = spec.dns.as_ref().filter(|dns| dns.mode == DnsMode::Custom) {
        let door =
            hosts(snapshot, "dns", &dns.nameservers, &[(Protocol::Udp, 53), (Protocol::Tcp, 53)], &mut doors.refused);
        doors.egress.extend(door);
    }
    let door = hosts(snapshot, "ntp", &spec.ntp, &[(Protocol::Udp, 123)], &mut doors.refused);
    doors.egress.extend(door);
    doors
}

fn door(snapshot: &NetworkSnapshot, direction: &str, rule: &NetworkRule, refused: &mut Vec<Refused>) -> Option<Door> {
    let name = format!("{direction} {}", rule.name);
    let mut refuse = |reason, message: String| refused.push(Refused { rule: name.clone(), reason, message });
    let ports = match ports(rule) {
        Ok(ports) => ports,
        Err(message) => {
            refuse(Reason::Invalid, message);
            return None;
        }
    };
    let mut peers = BTreeSet::new();
    let forbidden = snapshot.config.cluster.forbidden();
    match except(rule) {
        Ok(except) => {
            for cidr in &rule.cidrs {
                match reach::network(cidr).and_then(|cidr| reach::block(cidr, &except, &forbidden)) {
                    Ok(block) => drop(peers.insert(Peer::Block(block))),
                    Err(error) => refuse(Reason::RuleRefused, error.to_string()),
                }
            }
        }
        Err(error) => refuse(Reason::RuleRefused, format!("except: {error}; the whole rule stays closed")),
    }
    if rule.world {
        peers.extend(reach::world(&forbidden).into_iter().map(Peer::Block));
    }
    let own = snapshot.network.metadata.name.as_deref();
    for network in &rule.networks {
        if snapshot.siblings.contains(network) || own == Some(network) {
            peers.insert(Peer::Network(network.clone()));
        } else {
            refuse(Reason::NetworkNotFound, format!("TenantNetwork {network:?} does not exist in this namespace"));
        }
    }
    peers.extend(rule.vms.iter().cloned().map(Peer::Vm));
    (!peers.is_empty()).then_some(Door { peers, ports })
}

fn except(rule: &NetworkRule) -> Result<Vec<IpNet>, reach::NoBlock> {
    rule.except.iter().map(|except| reach::network(except)).collect()
}

fn ports(rule: &NetworkRule) -> Result<Ports, String> {
    match (rule.all_ports, rule.ports.is_empty()) {
        (true, true) => return Ok(Ports::All),
        (false, false) => {}
        _ => return Err("needs ports, or allPorts: true written out, and not both".into()),
    }
    let mut listed = BTreeSet::new();
    for written in &rule.ports {
        let number = |port: i64| u16::try_from(port).ok().filter(|port| *port > 0);
        let port = number(written.port).ok_or(format!("port {} is not between 1 and 65535", written.port))?;
        let end = match written.end_port {
            None => None,
            Some(end) => {
                let end = number(end).filter(|end| *end >= port);
                Some(end.ok_or(format!("endPort of port {port} must lie between it and 65535"))?)
            }
        };
        // A range of one is a port; so the same thing is always said in the same way.
        listed.insert(PortRange { protocol: written.protocol, port, end: end.filter(|end| *end > port) });
    }
    Ok(Ports::Listed(listed))
}

/// A door to single hosts, for services such as DNS.
fn hosts(
    snapshot: &NetworkSnapshot,
    what: &str,
    addresses: &[String],
    to: &[(Protocol, u16)],
    refused: &mut Vec<Refused>,
) -> Option<Door> {
    let forbidden = snapshot.config.cluster.forbidden();
    let mut peers = BTreeSet::new();
    for address in addresses {
        let host = address.parse::<IpAddr>().map_err(|_| reach::NoBlock::Unparsable(address.clone()));
        match host.map(IpNet::from).and_then(|host| reach::block(host, &[], &forbidden)) {
            Ok(block) => drop(peers.insert(Peer::Block(block))),
            Err(error) => {
                refused.push(Refused { rule: what.into(), reason: Reason::RuleRefused, message: error.to_string() });
            }
        }
    }
    let listed = to.iter().map(|&(protocol, port)| PortRange { protocol, port, end: None }).collect();
    (!peers.is_empty()).then_some(Door { peers, ports: Ports::Listed(listed) })
}
