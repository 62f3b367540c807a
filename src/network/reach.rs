//! CIDRs: what a rule may reach once everything that no tenant may reach is taken out.
//!
//! Guarantees: no block that comes out of here contains an address of a forbidden range; every exception lies strictly
//! inside its block, as the API demands; no block is `::/0`, which one enforcer splits so that its exceptions are lost
//! (`2000::/3`, all of today's global addresses, takes its place).

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
    match network {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err(NoBlock::Mapped(network)),
        _ => Ok(network),
    }
}

/// What of `cidr` may be reached: without `except` and without `forbidden`.
///
/// # Errors
/// Nothing of it may be reached.
pub fn block(cidr: IpNet, except: &[IpNet], forbidden: &[IpNet]) -> Result<Block, NoBlock> {
    let cidr = global(cidr).ok_or(NoBlock::Nothing(cidr))?;
    if let Some(range) = forbidden.iter().find(|range| range.contains(&cidr)) {
        return Err(NoBlock::Forbidden(cidr, *range));
    }
    if except.iter().any(|range| range.contains(&cidr)) {
        return Err(NoBlock::Nothing(cidr));
    }
    let inside = |range: &&IpNet| cidr.contains(*range);
    let holes: Vec<IpNet> = except.iter().chain(forbidden).filter(inside).copied().collect();
    let except = IpNet::aggregate(&holes);
    if except.iter().any(|hole| hole.contains(&cidr)) {
        return Err(NoBlock::Nothing(cidr));
    }
    let mut except = except;
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
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

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

    fn any_net() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<u32>(), 1_u8..=32)
            .prop_map(|(bits, len)| IpNet::new(Ipv4Addr::from(bits).into(), len).unwrap().trunc());
        let v6 = (any::<u128>(), 1_u8..=128)
            .prop_map(|(bits, len)| IpNet::new(Ipv6Addr::from(bits).into(), len).unwrap().trunc());
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn no_block_admits_an_address_of_a_forbidden_or_excepted_range(
            cidr in any_net(),
            except in prop::collection::vec(any_net(), 0..6),
            forbidden in prop::collection::vec(any_net(), 0..6),
            bits in any::<u128>(),
        ) {
            let Ok(block) = block(cidr, &except, &forbidden) else { return Ok(()) };
            prop_assert!(block.except.iter().all(|hole| block.cidr.contains(hole) && block.cidr != *hole));
            for range in except.iter().chain(&forbidden) {
                let address = inside(range, bits);
                let admitted = block.cidr.contains(&address) && !block.except.iter().any(|hole| hole.contains(&address));
                prop_assert!(!admitted, "{address} of {range} is admitted by {block:?}");
            }
        }
    }

    /// An address of the range, chosen by `bits`.
    fn inside(range: &IpNet, bits: u128) -> IpAddr {
        match range {
            IpNet::V4(v4) => {
                let host = u32::try_from(bits & u128::from(u32::MAX)).unwrap() & u32::from(v4.hostmask());
                Ipv4Addr::from(u32::from(v4.network()) | host).into()
            }
            IpNet::V6(v6) => Ipv6Addr::from(u128::from(v6.network()) | bits & u128::from(v6.hostmask())).into(),
        }
    }
}
