//! From written rules to doors that cannot be open by accident.
//!
//! In a NetworkPolicy an empty list of peers or ports means "all". A [`Door`] therefore cannot be made without a peer,
//! and says in its type whether ports are listed or all are meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::non_empty::NonEmpty;
use super::observe::NetworkSnapshot;
use super::reach::{self, Block};
use crate::api::condition::Reason;
use crate::api::tenant_network::{DnsMode, IntraNetwork, NetworkRule, NetworkType, Protocol};

/// One opening in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    pub peers: NonEmpty<Peer>,
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
    Listed(NonEmpty<PortRange>),
}

/// A port, or a range up to and including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    pub protocol: Protocol,
    pub port: u16,
    pub end: Option<u16>,
}

impl Ports {
    /// Is this port among them?
    #[must_use]
    pub fn hold(&self, protocol: Protocol, port: i64) -> bool {
        match self {
            Self::All => true,
            Self::Listed(listed) => listed.iter().any(|range| range.holds(protocol, port)),
        }
    }
}

impl PortRange {
    fn holds(self, protocol: Protocol, port: i64) -> bool {
        self.protocol == protocol && (i64::from(self.port)..=i64::from(self.end.unwrap_or(self.port))).contains(&port)
    }
}

/// A rule, or a peer of one, that is left out. Leaving out closes; it never opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `ingress https`, `egress to-app`, `dns`, `expose web-1`.
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
    let forbidden = reach::with_translated(snapshot.config.cluster.forbidden());
    let mut doors = Doors::default();
    for rule in &spec.ingress {
        let door = door(snapshot, &forbidden, "ingress", rule, &mut doors.refused);
        doors.ingress.extend(door);
    }
    for rule in &spec.egress {
        let door = door(snapshot, &forbidden, "egress", rule, &mut doors.refused);
        doors.egress.extend(door);
    }
    let nowhere = nowhere(snapshot).filter(|_| spec.intra_network == IntraNetwork::Allow);
    if let Some(message) = nowhere {
        let rule = "intraNetwork".to_owned();
        doors.refused.push(Refused { rule, reason: Reason::SubnetsMissing, message: message.into() });
    } else if spec.intra_network == IntraNetwork::Allow {
        let own = Peer::Network(snapshot.network.metadata.name.clone().unwrap_or_default());
        let door = NonEmpty::of([own]).map(|peers| Door { peers, ports: Ports::All });
        doors.ingress.extend(door.clone());
        doors.egress.extend(door);
    }
    if let Some(dns) = spec.dns.as_ref().filter(|dns| dns.mode == DnsMode::Custom) {
        let door =
            hosts(&forbidden, "dns", &dns.nameservers, &[(Protocol::Udp, 53), (Protocol::Tcp, 53)], &mut doors.refused);
        doors.egress.extend(door);
    }
    let door = hosts(&forbidden, "ntp", &spec.ntp, &[(Protocol::Udp, 123)], &mut doors.refused);
    doors.egress.extend(door);
    doors
}

fn door(
    snapshot: &NetworkSnapshot,
    forbidden: &[IpNet],
    direction: &str,
    rule: &NetworkRule,
    refused: &mut Vec<Refused>,
) -> Option<Door> {
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
    match except(rule) {
        Ok(except) => {
            for cidr in &rule.cidrs {
                match reach::network(cidr).and_then(|cidr| reach::block(cidr, &except, forbidden)) {
                    Ok(block) => drop(peers.insert(Peer::Block(block))),
                    Err(error) => refuse(Reason::RuleRefused, error.to_string()),
                }
            }
        }
        Err(error) => refuse(Reason::RuleRefused, format!("except: {error}; the whole rule stays closed")),
    }
    if rule.world {
        peers.extend(reach::world(forbidden).into_iter().map(Peer::Block));
    }
    let own = snapshot.network.metadata.name.as_deref();
    for network in &rule.networks {
        if let Some(message) = nowhere(snapshot) {
            refuse(Reason::SubnetsMissing, format!("TenantNetwork {network:?}: {message}"));
        } else if snapshot.siblings.contains_key(network) || own == Some(network) {
            peers.insert(Peer::Network(network.clone()));
        } else {
            refuse(Reason::NetworkNotFound, format!("TenantNetwork {network:?} does not exist in this namespace"));
        }
    }
    for vm in &rule.vms {
        if let Some(message) = nowhere(snapshot) {
            refuse(Reason::SubnetsMissing, format!("VM {vm:?}: {message}"));
        } else if snapshot.tenant.as_ref().is_none_or(|tenant| tenant.vms.contains_key(vm)) {
            peers.insert(Peer::Vm(vm.clone()));
        } else {
            refuse(Reason::VirtualMachineNotFound, format!("the Tenant declares no VM {vm:?}"));
        }
    }
    NonEmpty::of(peers).map(|peers| Door { peers, ports })
}

/// On a network of its own a VM is found by the address that the network gave it. Without ranges it gives none, and an
/// enforcer would take the peer for nobody.
fn nowhere(snapshot: &NetworkSnapshot) -> Option<&'static str> {
    let spec = &snapshot.network.spec;
    (spec.type_ != NetworkType::Pod && spec.subnets.is_empty())
        .then_some("VMs are told apart by address here; write spec.subnets, or name cidrs instead")
}

fn except(rule: &NetworkRule) -> Result<Vec<IpNet>, reach::NoBlock> {
    rule.except.iter().map(|except| reach::network(except)).collect()
}

fn ports(rule: &NetworkRule) -> Result<Ports, String> {
    if rule.all_ports && rule.ports.is_empty() {
        return Ok(Ports::All);
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
    match NonEmpty::of(listed) {
        Some(listed) if !rule.all_ports => Ok(Ports::Listed(listed)),
        _ => Err("needs ports, or allPorts: true written out, and not both".into()),
    }
}

/// A door to single hosts, for services such as DNS.
fn hosts(
    forbidden: &[IpNet],
    what: &str,
    addresses: &[String],
    to: &[(Protocol, u16)],
    refused: &mut Vec<Refused>,
) -> Option<Door> {
    let mut peers = BTreeSet::new();
    for address in addresses {
        let host = address.parse::<IpAddr>().map_err(|_| reach::NoBlock::Unparsable(address.clone()));
        match host.map(IpNet::from).and_then(|host| reach::block(host, &[], forbidden)) {
            Ok(block) => drop(peers.insert(Peer::Block(block))),
            Err(error) => {
                refused.push(Refused { rule: what.into(), reason: Reason::RuleRefused, message: error.to_string() });
            }
        }
    }
    let listed = to.iter().map(|&(protocol, port)| PortRange { protocol, port, end: None });
    Some(Door { peers: NonEmpty::of(peers)?, ports: Ports::Listed(NonEmpty::of(listed)?) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::network::sample::dmz;

    /// What is said about the rules of a network with this spec, and how many doors are open in and out.
    fn said(spec: &Value) -> (String, usize, usize) {
        let doors = doors(&dmz(spec));
        let refused: Vec<String> =
            doors.refused.iter().map(|refused| format!("{}: {}", refused.rule, refused.message)).collect();
        (refused.join("; "), doors.ingress.len(), doors.egress.len())
    }

    #[test]
    fn a_network_that_does_not_exist_is_left_out_and_said() {
        let rule = |networks: Value| json!({"egress": [{"name": "a", "networks": networks, "allPorts": true}]});
        let missing = "egress a: TenantNetwork \"gone\" does not exist in this namespace".to_owned();
        assert_eq!(said(&rule(json!(["gone"]))), (missing.clone(), 0, 0));
        assert_eq!(said(&rule(json!(["gone", "internal"]))), (missing, 0, 1));
    }

    #[test]
    fn a_vm_that_the_tenant_does_not_declare_is_left_out_and_said() {
        let spec = json!({"ingress": [{"name": "a", "vms": ["db-1", "wbe-1"], "allPorts": true}]});
        assert_eq!(said(&spec), ("ingress a: the Tenant declares no VM \"wbe-1\"".to_owned(), 1, 0));
    }

    #[test]
    fn one_refused_range_leaves_the_other_peers_of_its_rule() {
        let cidrs = json!(["10.96.0.10/32", "198.51.100.0/24"]);
        let (message, _, egress) = said(&json!({"egress": [{"name": "a", "cidrs": cidrs, "allPorts": true}]}));
        assert_eq!(message, "egress a: 10.96.0.10/32 lies inside 10.96.0.0/16, which no tenant may reach");
        assert_eq!(egress, 1);
    }

    #[test]
    fn a_rule_that_does_not_say_which_ports_opens_none() {
        let peers = json!({"name": "a", "networks": ["internal"]});
        for more in [json!({}), json!({"ports": []}), json!({"allPorts": true, "ports": [{"port": 22}]})] {
            let mut rule = peers.clone();
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let message = "ingress a: needs ports, or allPorts: true written out, and not both".to_owned();
            assert_eq!(said(&json!({"ingress": [rule]})), (message, 0, 0));
        }
    }

    #[test]
    fn an_exception_that_cannot_be_read_closes_its_whole_rule() {
        let rule = json!({"name": "a", "cidrs": ["198.51.100.0/24"], "except": ["198.51.100.1/26"], "allPorts": true});
        let (message, ingress, _) = said(&json!({"ingress": [rule]}));
        assert!(message.contains("198.51.100.1/26 has host bits; write 198.51.100.0/26"), "{message}");
        assert_eq!(ingress, 0);
    }

    #[test]
    fn a_resolver_inside_a_forbidden_range_is_refused() {
        for address in ["10.96.0.10", "::ffff:10.96.0.10", "169.254.169.254", "nowhere"] {
            let (message, _, egress) = said(&json!({"dns": {"mode": "Custom", "nameservers": [address]}}));
            assert!(message.starts_with("dns: ") && message.contains(address), "{message}");
            assert_eq!(egress, 0);
        }
    }
}
