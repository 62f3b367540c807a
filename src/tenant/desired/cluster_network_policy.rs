//! The tenant's wall in the Admin tier: asked before every NetworkPolicy, so that none of them can open it.
//!
//! The first rule that matches decides, and `Pass` hands over to NetworkPolicies. The order is therefore part of what is
//! promised: the tenant's own pods; then every other tenant, also one whose pod has the address of something below; then
//! the platform's servers, as far as they lie inside a range that is denied; then what is denied.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::Home;
use crate::api::{home, labels};
use crate::cluster::object::DesiredObject;
use crate::foreign::cluster_network_policy::{ClusterNetworkPolicy, ClusterNetworkPolicySpec, ClusterRule};
use crate::network::reach::with_translated;
use crate::operator::config::{Config, Platform};

/// Most peers of a rule, and most networks of a peer.
const MOST: usize = 25;

/// `cf-<tenant>`: separates both namespaces of the tenant from all other tenants, from instance metadata and from the
/// control plane. Pods that are no tenant's are left to NetworkPolicies, whose default is closed.
pub fn wall(home: &Home) -> DesiredObject {
    DesiredObject::new(&ClusterNetworkPolicy {
        metadata: home.owner.metadata(None, home::wall(&home.owner.tenant)),
        spec: spec(&home.owner.tenant, &home.snapshot.config),
    })
}

fn spec(tenant: &str, config: &Config) -> ClusterNetworkPolicySpec {
    let own = json!({"namespaces": {"matchLabels": {labels::TENANT: tenant}}});
    let tenants = json!({"namespaces": {"matchExpressions": [{"key": labels::TENANT, "operator": "Exists"}]}});
    let from = |name: &str, action: &str, peer: &Value| ClusterRule { from: vec![peer.clone()], ..rule(name, action) };
    let to = |name: &str, action: &str, peer: &Value| ClusterRule { to: vec![peer.clone()], ..rule(name, action) };
    let mut egress = vec![to("own", "Pass", &own), to("other-tenants", "Deny", &tenants)];
    egress.extend(outside(config));
    ClusterNetworkPolicySpec {
        tier: "Admin".into(),
        priority: config.walls.priority.into(),
        ingress: vec![from("own", "Pass", &own), from("other-tenants", "Deny", &tenants)],
        egress,
        subject: own,
    }
}

/// Rules about addresses: what the platform offers within what is denied, then what is denied.
fn outside(config: &Config) -> Vec<ClusterRule> {
    let ranges = &config.cluster;
    let denied = IpNet::aggregate(&with_translated([&ranges.metadata[..], &ranges.control_plane].concat()));
    let mut rules = offered(&config.platform, &denied);
    rules.extend(to_networks("metadata-and-control-plane", "Deny", &denied, &[]));
    rules
}

/// The doors of `network_policy::platform` and `network_policy::cdi_import` that would otherwise be closed here.
fn offered(platform: &Platform, denied: &[IpNet]) -> Vec<ClusterRule> {
    let inside = |networks: Vec<IpNet>| -> Vec<IpNet> {
        let networks = networks.into_iter().filter(|network| denied.iter().any(|range| range.contains(network)));
        IpNet::aggregate(&networks.collect())
    };
    let hosts = |hosts: &[IpAddr]| inside(hosts.iter().copied().map(IpNet::from).collect());
    let offers = [
        ("resolvers", hosts(&platform.resolvers), vec![port("udp", 53), port("tcp", 53)]),
        ("ntp", hosts(&platform.ntp), vec![port("udp", 123)]),
        ("image-mirrors", inside(platform.image_mirrors.clone()), vec![port("tcp", 443)]),
    ];
    offers.iter().flat_map(|(name, networks, ports)| to_networks(name, "Pass", networks, ports)).collect()
}

/// As many rules as these networks need; none for none, since a rule has to have a peer.
fn to_networks(name: &str, action: &str, networks: &[IpNet], protocols: &[Value]) -> Vec<ClusterRule> {
    let peer = |networks: &[IpNet]| json!({"networks": networks.iter().map(ToString::to_string).collect::<Vec<_>>()});
    let peers: Vec<Value> = networks.chunks(MOST).map(peer).collect();
    let numbered = |number: usize| if number == 0 { name.to_owned() } else { format!("{name}-{}", number + 1) };
    let rules = peers.chunks(MOST).enumerate();
    rules
        .map(|(number, peers)| ClusterRule {
            to: peers.to_vec(),
            protocols: protocols.to_vec(),
            ..rule(&numbered(number), action)
        })
        .collect()
}

fn rule(name: &str, action: &str) -> ClusterRule {
    ClusterRule { name: name.to_owned(), action: action.to_owned(), ..ClusterRule::default() }
}

fn port(protocol: &str, number: u16) -> Value {
    json!({(protocol): {"destinationPort": {"number": number}}})
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::render::documentation_config;

    /// The other side of a connection: whose pod it is, if any, and where.
    #[derive(Clone, Debug)]
    struct Other {
        tenant: Option<String>,
        address: IpAddr,
    }

    /// What the wall says about a connection, by the words of the policy API: the first rule that matches decides.
    fn verdict(rules: &[ClusterRule], other: &Other, protocol: &str, port: u16) -> String {
        let matches = |rule: &&ClusterRule| {
            let peers = || rule.from.iter().chain(&rule.to);
            peers().any(|peer| is(peer, other)) && carries(rule, protocol, port)
        };
        rules.iter().find(matches).map_or_else(|| "NetworkPolicies decide".to_owned(), |rule| rule.action.clone())
    }

    fn is(peer: &Value, other: &Other) -> bool {
        let networks = peer["networks"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let inside =
            networks.filter_map(|network| network.parse::<IpNet>().ok()).any(|net| net.contains(&other.address));
        let named = peer["namespaces"]["matchLabels"][labels::TENANT].as_str();
        let any = peer["namespaces"]["matchExpressions"][0]["operator"] == "Exists";
        inside || other.tenant.is_some() && (any || named == other.tenant.as_deref())
    }

    fn carries(rule: &ClusterRule, protocol: &str, port: u16) -> bool {
        let number = |one: &Value| one[protocol]["destinationPort"]["number"] == port;
        rule.protocols.is_empty() || rule.protocols.iter().any(number)
    }

    /// Addresses and networks in few bits, so that they often meet.
    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = (0_u32..32).prop_map(|bits| IpAddr::from(Ipv4Addr::from(0x0a00_0000 | bits)));
        let v6 = (0_u128..32).prop_map(|bits| IpAddr::from(Ipv6Addr::from((0xfd00 << 112) | bits)));
        prop_oneof![v4, v6]
    }

    fn network() -> impl Strategy<Value = IpNet> {
        (address(), 0_u8..4).prop_map(|(address, short)| {
            let length = if address.is_ipv4() { 32 } else { 128 } - short;
            IpNet::new(address, length).unwrap().trunc()
        })
    }

    fn config() -> impl Strategy<Value = Config> {
        let ranges = || prop::collection::vec(network(), 0..6);
        let hosts = || prop::collection::vec(address(), 0..4);
        (ranges(), ranges(), ranges(), hosts(), hosts()).prop_map(|(metadata, control, mirrors, resolvers, ntp)| {
            let mut config = documentation_config().unwrap();
            config.cluster.metadata.extend(metadata);
            config.cluster.control_plane = control;
            config.platform = Platform { resolvers, ntp, image_mirrors: mirrors };
            config
        })
    }

    fn connection() -> impl Strategy<Value = (&'static str, u16)> {
        (
            prop_oneof![Just("tcp"), Just("udp"), Just("sctp")],
            prop_oneof![Just(53_u16), Just(123), Just(443), Just(6443)],
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_wall_passes_another_tenant_wherever_its_pods_are_and_every_wall_leaves_its_own_to_networkpolicies(
            config in config(), own in "[a-z]{1,2}", tenant in "[a-z]{1,2}", address in address(), (protocol, port) in connection(),
        ) {
            let wall = spec(&own, &config);
            let expected = if own == tenant { "Pass" } else { "Deny" };
            let other = Other { tenant: Some(tenant), address };
            prop_assert_eq!(verdict(&wall.egress, &other, protocol, port), expected);
            prop_assert_eq!(verdict(&wall.ingress, &other, protocol, port), expected);
        }

        #[test]
        fn what_is_denied_outside_is_exactly_metadata_and_control_plane_without_the_platforms_own_servers(
            config in config(), address in address(), (protocol, port) in connection(),
        ) {
            let ranges = config.cluster.metadata.iter().chain(&config.cluster.control_plane);
            let denied = ranges.clone().any(|range| range.contains(&address));
            // A mirror is a network: one that is not wholly within what is denied opens nothing of it.
            let denied_whole = |mirror: &IpNet| {
                IpNet::aggregate(&ranges.clone().copied().collect()).iter().any(|range| range.contains(mirror))
            };
            let offered = match (protocol, port) {
                ("udp" | "tcp", 53) => config.platform.resolvers.contains(&address),
                ("udp", 123) => config.platform.ntp.contains(&address),
                ("tcp", 443) => {
                    config.platform.image_mirrors.iter().any(|mirror| mirror.contains(&address) && denied_whole(mirror))
                }
                _ => false,
            };
            let expected = match (denied, offered) {
                (true, true) => "Pass",
                (true, false) => "Deny",
                (false, _) => "NetworkPolicies decide",
            };
            let outside = Other { tenant: None, address };
            prop_assert_eq!(verdict(&spec("plum", &config).egress, &outside, protocol, port), expected);
            prop_assert_eq!(verdict(&spec("plum", &config).ingress, &outside, protocol, port), "NetworkPolicies decide");
        }
    }

    #[test]
    fn metadata_is_denied_in_both_families_and_behind_nat64_also_where_no_config_names_it() {
        let wall = spec("plum", &documentation_config().unwrap());
        for address in ["169.254.169.254", "fe80::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "192.0.2.1"] {
            let outside = Other { tenant: None, address: address.parse().unwrap() };
            for port in [80, 443] {
                assert_eq!(verdict(&wall.egress, &outside, "tcp", port), "Deny", "{address}");
            }
        }
    }

    /// The policy API takes 25 rules, 25 peers in each and 25 networks in each peer.
    #[test]
    fn the_longest_lists_that_a_config_may_hold_fit_into_one_wall() {
        let mut config = documentation_config().unwrap();
        let apart = |number: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 | number << 1));
        let hosts: Vec<IpAddr> = (0..512).map(apart).collect();
        config.cluster.control_plane = hosts.iter().copied().map(IpNet::from).collect();
        config.platform =
            Platform { resolvers: hosts.clone(), ntp: hosts, image_mirrors: config.cluster.control_plane.clone() };
        let wall = spec("plum", &config);
        assert!(wall.egress.len() <= MOST, "{}", wall.egress.len());
        for rule in &wall.egress {
            let short = |list: &[Value]| list.len() <= MOST;
            assert!(
                short(&rule.to) && rule.to.iter().all(|peer| peer["networks"].as_array().is_none_or(|all| short(all)))
            );
        }
        let far = Other { tenant: None, address: apart(511) };
        assert_eq!(verdict(&wall.egress, &far, "tcp", 6443), "Deny");
    }
}
