//! Pure: which address ranges of a tenant's networks lie in one another, or where no tenant may be.
//!
//! Who was there first keeps its range: the older network, and of two of the same second the one whose name comes first.

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::observe::NetworkSnapshot;
use super::reach;
use crate::api::tenant_network::{NetworkType, TenantNetwork};

/// What stands between a network and its ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clashes {
    /// The network is not made: each a sentence with both ranges.
    pub against: Vec<String>,
    /// Others are not made because of this network: each a sentence, for information.
    pub before: Vec<String>,
}

/// Another network of the tenant, as far as its siblings care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sibling {
    /// When it was made, where that is known.
    pub since: Option<Timestamp>,
    /// Its ranges, of a type that has ranges of its own.
    pub subnets: Vec<IpNet>,
}

impl Sibling {
    /// From a declared network. A range that cannot be read is its own network's fault and no clash.
    #[must_use]
    pub fn of(network: &TenantNetwork) -> Self {
        let subnets = network.spec.subnets.iter().filter(|_| network.spec.type_ != NetworkType::Pod);
        Self {
            since: since(network),
            subnets: subnets.filter_map(|subnet| reach::network(&subnet.cidr).ok()).collect(),
        }
    }
}

/// When a network was made. Of two of a tenant the one with the smaller of this and its name was there first, and first
/// come keeps whatever both ask for.
#[must_use]
pub fn since(network: &TenantNetwork) -> Option<Timestamp> {
    network.creation_timestamp().map(|time| time.0)
}

/// Everything that is wrong with the ranges of a network, or told to it.
#[must_use]
pub fn clashes(snapshot: &NetworkSnapshot) -> Clashes {
    let own = Sibling::of(&snapshot.network);
    let mut clashes = Clashes::default();
    if snapshot.network.spec.type_ == NetworkType::Pod {
        return clashes;
    }
    let unreadable = snapshot.network.spec.subnets.iter().filter_map(|subnet| reach::network(&subnet.cidr).err());
    clashes.against.extend(unreadable.map(|error| format!("spec.subnets: {error}")));
    let forbidden = snapshot.config.cluster.forbidden();
    for subnet in &own.subnets {
        let inside = forbidden.iter().filter(|range| overlap(subnet, range));
        clashes.against.extend(inside.map(|range| {
            format!("spec.subnets: {subnet} overlaps {range}, which is the cluster's own; choose another range")
        }));
    }
    let name = snapshot.network.name_any();
    for (sibling, theirs) in &snapshot.siblings {
        let pairs = own.subnets.iter().flat_map(|ours| theirs.subnets.iter().map(move |theirs| (ours, theirs)));
        for (ours, range) in pairs.filter(|(ours, theirs)| overlap(ours, theirs)) {
            if (theirs.since, sibling) < (own.since, &name) {
                clashes.against.push(format!(
                    "spec.subnets: {ours} overlaps {range} of TenantNetwork {sibling:?}, which was there first; choose another range"
                ));
            } else {
                clashes
                    .before
                    .push(format!("TenantNetwork {sibling:?} asks for {range}, which overlaps {ours}; it is not made"));
            }
        }
    }
    clashes
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::network::sample::{crowded_net, vlan};

    /// Network `dmz`, made in that second with that range, beside `other`.
    fn beside(own: (i64, &str, IpNet), other: (i64, &str, IpNet)) -> Clashes {
        let mut snapshot = vlan(&json!({"subnets": [{"cidr": own.2.to_string()}]}));
        snapshot.network.metadata.name = Some(own.1.to_owned());
        let at = Timestamp::from_second(own.0).unwrap();
        snapshot.network.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
        let sibling = Sibling { since: Timestamp::from_second(other.0).ok(), subnets: vec![other.2] };
        snapshot.siblings = BTreeMap::from([(other.1.to_owned(), sibling)]);
        clashes(&snapshot)
    }

    #[test]
    fn a_range_of_the_cluster_is_refused_by_name() {
        let clashes = clashes(&vlan(&json!({"subnets": [{"cidr": "10.0.0.0/8"}]})));
        assert!(clashes.against[0].contains("10.0.0.0/8 overlaps 10.96.0.0/16"), "{:?}", clashes.against);
    }

    proptest! {
        #[test]
        fn of_two_networks_that_overlap_exactly_one_is_made_and_both_say_so(
            one in (0_i64..3, crowded_net()), other in (0_i64..3, crowded_net()),
        ) {
            let (dmz, internal) = ((one.0, "dmz", one.1), (other.0, "internal", other.1));
            let (of_dmz, of_internal) = (beside(dmz, internal), beside(internal, dmz));
            let against_sibling = |clashes: &Clashes| clashes.against.iter().filter(|said| said.contains("first")).count();
            let apart = !overlap(&one.1, &other.1);
            prop_assert_eq!(against_sibling(&of_dmz) + against_sibling(&of_internal), usize::from(!apart));
            prop_assert_eq!(against_sibling(&of_dmz), of_internal.before.len());
            prop_assert_eq!(against_sibling(&of_internal), of_dmz.before.len());
        }
    }
}
