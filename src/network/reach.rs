//! CIDRs: what a rule may reach once everything that no tenant may reach is taken out.
//!
//! Guarantees: no block that comes out of here contains an address of a forbidden or excepted range; every exception
//! lies strictly inside its block, as the API demands; no block is `::/0`, which one enforcer splits so that its
//! exceptions are lost (`2000::/3`, all of today's global addresses, takes its place).

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};

/// A block with exceptions, as a NetworkPolicy's `ipBlock`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub cidr: IpNet,
    /// Sorted, disjoint, strictly inside.
    pub except: Vec<IpNet>,
}

/// A CIDR that a rule cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBlock {
    #[error("{0:?} is not a network such as 198.51.100.0/29 or 2001:db8::/64")]
    Unparsable(String),
    #[error("{0} has host bits; write {1}")]
    HostBits(IpNet, IpNet),
    #[error("{0} is an IPv4 network in IPv6 clothes; write it as IPv4")]
    Mapped(IpNet),
    #[error("{0} lies inside {1}, which no tenant may reach")]
    Forbidden(IpNet, IpNet),
    #[error("nothing of {0} is left without its exceptions")]
    Nothing(IpNet),
}

/// Parses a network strictly.
///
/// # Errors
/// Not a network, host bits, or IPv4-mapped.
pub fn network(text: &str) -> Result<IpNet, NoBlock> {
    let network: IpNet = text.parse().map_err(|_| NoBlock::Unparsable(text.to_owned()))?;
    if network.trunc() != network {
        return Err(NoBlock::HostBits(network, network.trunc()));
    }
    if mapped(network) { Err(NoBlock::Mapped(network)) } else { Ok(network) }
}

/// Enforcers disagree on whether such a network means IPv4, IPv6 or nothing.
fn mapped(network: IpNet) -> bool {
    matches!(network, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some())
}

/// The ranges, and of each IPv4 range its twin behind NAT64 (RFC 6052): where a gateway with the well-known prefix
/// stands, `64:ff9b::a9fe:a9fe` is 169.254.169.254.
#[must_use]
pub fn with_translated(mut ranges: Vec<IpNet>) -> Vec<IpNet> {
    let twins: Vec<IpNet> = ranges.iter().filter_map(translated).collect();
    ranges.extend(twins);
    ranges
}

fn translated(range: &IpNet) -> Option<IpNet> {
    let IpNet::V4(range) = range else { return None };
    let bits = u128::from(range.addr().to_bits());
    let address = Ipv6Addr::from_bits((0x0064_ff9b << 96) | bits);
    Ipv6Net::new(address, 96 + range.prefix_len()).ok().map(IpNet::V6)
}

/// What of `cidr` may be reached: without `except` and without `forbidden`, whichever of them is the wider.
///
/// # Errors
/// Nothing of it may be reached, or it is IPv4-mapped.
pub fn block(cidr: IpNet, except: &[IpNet], forbidden: &[IpNet]) -> Result<Block, NoBlock> {
    if mapped(cidr) {
        return Err(NoBlock::Mapped(cidr));
    }
    let cidr = global(cidr).ok_or(NoBlock::Nothing(cidr))?;
    if let Some(range) = forbidden.iter().find(|range| range.contains(&cidr)) {
        return Err(NoBlock::Forbidden(cidr, *range));
    }
    let overlaps = |hole: &&IpNet| cidr.contains(*hole) || hole.contains(&cidr);
    let holes: Vec<IpNet> = except.iter().chain(forbidden).filter(overlaps).copied().collect();
    let mut except = IpNet::aggregate(&holes);
    if except.iter().any(|hole| hole.contains(&cidr)) {
        return Err(NoBlock::Nothing(cidr));
    }
    except.sort();
    Ok(Block { cidr, except })
}

/// Everybody outside, in both families.
#[must_use]
pub fn world(forbidden: &[IpNet]) -> Vec<Block> {
    let whole = ["0.0.0.0/0", "::/0"].iter().filter_map(|family| family.parse().ok());
    whole.filter_map(|family| block(family, &[], forbidden).ok()).collect()
}

/// IPv6 blocks wider than /3 shrink to the global addresses in them.
fn global(cidr: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = cidr else { return Some(cidr) };
    if v6.prefix_len() >= 3 {
        return Some(cidr);
    }
    let unicast: Ipv6Net = "2000::/3".parse().ok()?;
    v6.contains(&unicast).then_some(IpNet::V6(unicast))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::super::sample::crowded_net;
    use super::*;

    fn net(text: &str) -> IpNet {
        network(text).unwrap()
    }

    #[test]
    fn a_network_is_refused_by_value_with_what_would_be_right() {
        let cases = [
            ("10.0.0.1/24", "write 10.0.0.0/24"),
            ("::ffff:10.0.0.0/120", "write it as IPv4"),
            ("10.0.0.0", "such as 198.51.100.0/29"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("１0.0.0.0/8", "is not a network"),
        ];
        for (wrong, right) in cases {
            let said = network(wrong).unwrap_err().to_string();
            assert!(said.contains(right), "{wrong}: {said}");
        }
    }

    #[test]
    fn the_world_has_no_unsplittable_ipv6_block_and_no_forbidden_range() {
        let forbidden = [net("10.244.0.0/16"), net("169.254.0.0/16"), net("fd00:10::/48"), net("2001:db8:a::/48")];
        let world = world(&forbidden);
        assert_eq!(world[0].cidr, net("0.0.0.0/0"));
        assert_eq!(world[0].except, [net("10.244.0.0/16"), net("169.254.0.0/16")]);
        assert_eq!(world[1].cidr, net("2000::/3"));
        assert_eq!(world[1].except, [net("2001:db8:a::/48")]);
    }

    #[test]
    fn a_block_inside_a_forbidden_range_is_refused_and_names_it() {
        let error = block(net("10.96.0.0/24"), &[], &[net("10.96.0.0/16")]).unwrap_err();
        assert!(error.to_string().contains("10.96.0.0/24 lies inside 10.96.0.0/16"));
    }

    #[test]
    fn an_exception_wider_than_a_block_leaves_nothing_of_it() {
        let error = block(net("10.1.2.0/24"), &[net("10.1.0.0/16")], &[]).unwrap_err();
        assert!(error.to_string().contains("nothing of 10.1.2.0/24 is left"));
    }

    #[test]
    fn two_exceptions_that_fill_a_block_leave_nothing_of_it() {
        let halves = [net("10.0.0.0/9"), net("10.128.0.0/9")];
        assert_eq!(block(net("10.0.0.0/8"), &halves, &[]), Err(NoBlock::Nothing(net("10.0.0.0/8"))));
    }

    #[test]
    fn a_single_host_in_ipv6_clothes_is_refused_like_a_network() {
        let host = IpNet::from("::ffff:10.96.0.10".parse::<IpAddr>().unwrap());
        assert_eq!(block(host, &[], &[]), Err(NoBlock::Mapped(host)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_block_admits_an_address_of_a_forbidden_or_excepted_range(
            cidr in crowded_net(),
            except in prop::collection::vec(crowded_net(), 0..6),
            forbidden in prop::collection::vec(crowded_net(), 0..6),
        ) {
            let Ok(block) = block(cidr, &except, &forbidden) else { return Ok(()) };
            prop_assert!(block.except.iter().all(|hole| block.cidr.contains(hole) && block.cidr != *hole));
            for range in except.iter().chain(&forbidden) {
                // Two networks lie in one another or apart, so the smaller one's first address is in both or neither.
                for address in [range.network(), block.cidr.network()] {
                    let closed = block.except.iter().any(|hole| hole.contains(&address));
                    let admitted = block.cidr.contains(&address) && !closed;
                    prop_assert!(!(admitted && range.contains(&address)), "{address} of {range}: {block:?}");
                }
            }
        }

        #[test]
        fn nothing_is_closed_that_no_range_asks_for(
            cidr in crowded_net(),
            except in prop::collection::vec(crowded_net(), 0..6),
            forbidden in prop::collection::vec(crowded_net(), 0..6),
        ) {
            let Ok(block) = block(cidr, &except, &forbidden) else { return Ok(()) };
            for hole in &block.except {
                let asked = |address| except.iter().chain(&forbidden).any(|range: &IpNet| range.contains(&address));
                prop_assert!(asked(hole.network()) && asked(hole.broadcast()), "{hole} of {block:?}");
            }
        }
    }
}
