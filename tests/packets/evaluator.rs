//! Who may reach whom, read from what people declare and from nothing else.
//!
//! Written from the promises of the tenancy (closed unless a rule says otherwise, and both ends have to agree), without
//! the operator's code and without NetworkPolicies: this is the opinion that builders and packets are held against.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::Value;

/// One end of a flow.
#[derive(Clone, Debug)]
pub struct End {
    pub who: Who,
    pub ip: IpAddr,
}

/// Whose end it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Vm {
        tenant: String,
        name: String,
    },
    /// A pod beside the VMs of a tenant.
    Beside(String),
    /// A pod in the namespace of what the provider derives from a tenant.
    Derived(String),
    /// Anybody without walls: outside of the cluster, or a pod of nobody.
    Outside,
}

/// Everything that was declared: tenants, their networks, and the platform.
#[derive(Default)]
pub struct Declared {
    /// For each tenant its VMs, for each of these its networks.
    vms: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    networks: BTreeMap<(String, String), Value>,
    resolvers: Vec<IpAddr>,
    ntp: Vec<IpAddr>,
    forbidden: Vec<IpNet>,
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Declared {
    /// Of these Tenants and TenantNetworks, on a platform with this config.
    pub fn read(manifests: &[Value], config: &Value) -> Self {
        let mut declared = Self {
            resolvers: parsed(&config["platform"]["resolvers"]),
            ntp: parsed(&config["platform"]["ntp"]),
            ..Self::default()
        };
        for ranges in ["pods", "services", "controlPlane", "metadata"] {
            declared.forbidden.extend(parsed::<IpNet>(&config["cluster"][ranges]));
        }
        // Link-local addresses are metadata, whatever the config says.
        declared
            .forbidden
            .extend(["169.254.0.0/16", "fe80::/10"].map(|range| range.parse::<IpNet>().expect("a range")));
        for manifest in manifests {
            declared.add(manifest);
        }
        declared
    }

    fn add(&mut self, manifest: &Value) {
        let name = text(&manifest["metadata"]["name"]);
        match text(&manifest["kind"]).as_str() {
            "Tenant" => {
                let networks = |vm: &Value| items(&vm["networks"]).map(|network| text(&network["name"])).collect();
                let vms = items(&manifest["spec"]["virtualMachines"]).map(|vm| (text(&vm["name"]), networks(vm)));
                self.vms.insert(name, vms.collect());
            }
            "TenantNetwork" => {
                let namespace = text(&manifest["metadata"]["namespace"]);
                let tenant = namespace.trim_start_matches("cf-").to_owned();
                self.networks.insert((tenant, name), manifest["spec"].clone());
            }
            _ => {}
        }
    }

    /// May a packet pass? Both ends have to agree.
    pub fn passes(&self, from: &End, to: &End, protocol: &str, port: u16) -> bool {
        self.lets_out(from, to, protocol, port) && self.lets_in(from, to, protocol, port)
    }

    /// Does the end where it starts agree?
    pub fn lets_out(&self, from: &End, to: &End, protocol: &str, port: u16) -> bool {
        let dns = port == 53 && ["TCP", "UDP"].contains(&protocol);
        let time = port == 123 && protocol == "UDP";
        let platform = dns && self.resolvers.contains(&to.ip) || time && self.ntp.contains(&to.ip);
        match &from.who {
            Who::Outside => true,
            Who::Derived(_) => false,
            Who::Beside(_) => platform,
            Who::Vm { tenant, .. } => {
                let own = |network: &Value| {
                    let resolver = network["dns"]["mode"] == "Custom" && named(&network["dns"]["nameservers"], to.ip);
                    self.reachable(to.ip) && (dns && resolver || time && named(&network["ntp"], to.ip))
                };
                let networks: Vec<_> = self.networks_of(&from.who).collect();
                platform
                    || networks.iter().any(|(_, network)| own(network))
                    || self.a_rule_opens(tenant, &networks, Way::Out, to, protocol, port)
            }
        }
    }

    /// Does the end where it arrives agree?
    pub fn lets_in(&self, from: &End, to: &End, protocol: &str, port: u16) -> bool {
        match &to.who {
            Who::Outside => true,
            Who::Beside(_) | Who::Derived(_) => false,
            Who::Vm { tenant, .. } => {
                let networks: Vec<_> = self.networks_of(&to.who).collect();
                self.a_rule_opens(tenant, &networks, Way::In, from, protocol, port)
            }
        }
    }

    fn networks_of(&self, who: &Who) -> impl Iterator<Item = (&str, &Value)> {
        let (tenant, vm) = match who {
            Who::Vm { tenant, name } => (tenant.clone(), self.vms.get(tenant).and_then(|vms| vms.get(name))),
            _ => (String::new(), None),
        };
        vm.into_iter().flatten().filter_map(move |name| {
            let spec = self.networks.get(&(tenant.clone(), name.clone()))?;
            Some((name.as_str(), spec))
        })
    }

    fn a_rule_opens(
        &self,
        tenant: &str,
        networks: &[(&str, &Value)],
        way: Way,
        peer: &End,
        protocol: &str,
        port: u16,
    ) -> bool {
        networks.iter().any(|(name, network)| {
            let field = match way {
                Way::In => "ingress",
                Way::Out => "egress",
            };
            let together = network["intraNetwork"] == "Allow" && self.on_network(tenant, name, &peer.who);
            let open = |rule: &Value| {
                opens_port(rule, protocol, port) && self.names(tenant, rule, network["zone"] == "DMZ", peer)
            };
            together || items(&network[field]).any(open)
        })
    }

    /// Does a rule name this peer?
    fn names(&self, tenant: &str, rule: &Value, in_dmz: bool, peer: &End) -> bool {
        let lies_in = |list: &Value| parsed::<IpNet>(list).iter().any(|net| means(net, peer.ip));
        let by_address = lies_in(&rule["cidrs"]) && !lies_in(&rule["except"]);
        let world = rule["world"] == true && in_dmz && meant_by_the_world(peer.ip);
        let by_network = items(&rule["networks"]).any(|network| self.on_network(tenant, &text(network), &peer.who));
        let by_vm = items(&rule["vms"]).any(|vm| peer.who == Who::Vm { tenant: tenant.into(), name: text(vm) });
        self.reachable(peer.ip) && (by_address || world) || by_network || by_vm
    }

    /// Is it a VM of this tenant on this network?
    fn on_network(&self, tenant: &str, network: &str, who: &Who) -> bool {
        let of_tenant = matches!(who, Who::Vm { tenant: of, .. } if of == tenant);
        of_tenant && self.networks_of(who).any(|(name, _)| name == network)
    }

    /// The cluster is reached by no address, neither directly nor by its twin behind NAT64.
    fn reachable(&self, ip: IpAddr) -> bool {
        !self.forbidden.iter().any(|range| range.contains(&ip) || range.contains(&translated(ip)))
    }
}

/// The IPv4 address that NAT64 makes of one under the well-known prefix (RFC 6052); any other as it is.
fn translated(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(six) if six.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(six.to_bits() & 0xffff_ffff).unwrap_or_default()))
        }
        ip => ip,
    }
}

/// In IPv6 "everybody" is who has a global address.
fn meant_by_the_world(ip: IpAddr) -> bool {
    ip.is_ipv4() || matches!(ip, IpAddr::V6(six) if six.segments()[0] >> 13 == 1)
}

/// A network wider than all global addresses means no more than these.
fn means(net: &IpNet, ip: IpAddr) -> bool {
    net.contains(&ip) && (net.prefix_len() >= 3 || meant_by_the_world(ip))
}

fn opens_port(rule: &Value, protocol: &str, port: u16) -> bool {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let listed = |each: &Value| {
        let last = if each["endPort"].is_null() { number(&each["port"]) } else { number(&each["endPort"]) };
        each["protocol"].as_str().unwrap_or("TCP") == protocol
            && (number(&each["port"])..=last).contains(&u64::from(port))
    };
    rule["allPorts"] == true || items(&rule["ports"]).any(listed)
}

fn named(list: &Value, ip: IpAddr) -> bool {
    parsed::<IpAddr>(list).contains(&ip)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parsed<T: std::str::FromStr>(list: &Value) -> Vec<T> {
    items(list)
        .map(|item| text(item).parse().unwrap_or_else(|_| panic!("{item} in a manifest or the config")))
        .collect()
}
