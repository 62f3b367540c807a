//! Pure: whose a VLAN id is.
//!
//! One Lease per physical network and id, in the operator's own namespace, is the only place where that is decided: the API
//! server lets one of many make it. A Lease is given back when its network is really gone, and nobody else gets the id
//! until the quarantine is over: switches and guests may still know the old one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::attachment::is_attached;
use super::observe::NetworkSnapshot;
use crate::api::jst::plus_days;
use crate::cluster::object::{Facts, Kind, Observation, Reference};

/// What is known about the id that a network asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The id's Lease, if there is one.
    pub lease: Option<Observation>,
    /// Does another network ask for the same id? Whose it is, is told to nobody.
    pub contested: bool,
}

/// Whose the id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// This network's.
    Held,
    /// Nobody's, this network's own from before, or free again after the quarantine: it is taken now.
    Free,
    /// Another network's.
    Taken,
    /// Nobody's before that instant.
    Quarantined(Timestamp),
}

/// Whose the id is; `None` for a network that asks for none.
#[must_use]
pub fn allocation(snapshot: &NetworkSnapshot) -> Option<Allocation> {
    snapshot.network.spec.vlan.as_ref()?;
    let Some(lease) = &snapshot.vlan.lease else { return Some(Allocation::Free) };
    let Facts::Lease { holder, released_at, .. } = &lease.facts else { return Some(Allocation::Taken) };
    // The name and not the uid: there is one network of a name, and what an earlier one had is its own.
    let own = holder.as_deref() == Some(holder_of(snapshot).as_str());
    let released = released_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    Some(match released {
        None if own && Some(&lease.owner_uid) == snapshot.network.metadata.uid.as_ref() => Allocation::Held,
        _ if own => Allocation::Free,
        None => Allocation::Taken,
        Some(at) => {
            let over = plus_days(at, snapshot.config.networks.vlan_quarantine_days.into());
            if snapshot.now >= over { Allocation::Free } else { Allocation::Quarantined(over) }
        }
    })
}

/// `<tenant>/<network>`.
#[must_use]
pub fn holder_of(snapshot: &NetworkSnapshot) -> String {
    format!("{}/{}", snapshot.tenant_name(), snapshot.network.name_any())
}

/// What of a tenant's networks outlasts their declarations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// Uids of all TenantNetworks that are declared, also of those that cannot be decoded.
    pub living: BTreeSet<String>,
    /// Leases of VLAN ids that the tenant's networks have or had.
    pub leases: Vec<Observation>,
    /// Is the whole truth known about VMs and about what they are attached by?
    pub known: bool,
}

impl Lasting {
    /// Which Leases are to be given back: of networks that are declared no more, of which no object is left and to which
    /// no VM is attached.
    pub fn given_back(&self, observed: &BTreeMap<Reference, Observation>) -> impl Iterator<Item = &Observation> {
        let held = self.leases.iter().filter(|lease| matches!(&lease.facts, Facts::Lease { released_at: None, .. }));
        held.filter(move |lease| {
            let network = lease.owner.strip_prefix("TenantNetwork/").unwrap_or_default();
            let left = |object: &Observation| is_attachment(object.reference.kind) && object.owner == lease.owner;
            self.known
                && !self.living.contains(&lease.owner_uid)
                && !observed.values().any(left)
                && !is_attached(observed, network)
        })
    }
}

/// Objects by which VMs are attached.
#[must_use]
pub fn is_attachment(kind: Kind) -> bool {
    matches!(kind, Kind::NetworkAttachmentDefinition | Kind::UserDefinedNetwork | Kind::ClusterUserDefinedNetwork)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::network::sample::{leased, vlan, vm_on};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// What a network finds whose id has this Lease, at that time.
    fn found(holder: Option<&str>, uid: &str, released: Option<&str>, now: &str) -> Allocation {
        let mut snapshot = vlan(&json!({}));
        snapshot.now = at(now);
        snapshot.vlan.lease = Some(leased(holder, uid, released));
        allocation(&snapshot).unwrap()
    }

    const RELEASED: Option<&str> = Some("2026-11-01T00:00:00Z");

    #[test]
    fn an_id_is_its_first_networks_until_it_is_given_back_and_seven_days_longer() {
        assert_eq!(found(Some("acme/dmz"), "1", None, "2026-11-02T00:00:00Z"), Allocation::Held);
        assert_eq!(found(Some("pear/dmz"), "9", None, "2036-11-02T00:00:00Z"), Allocation::Taken);
        let over = at("2026-11-08T00:00:00Z");
        assert_eq!(found(Some("pear/dmz"), "9", RELEASED, "2026-11-07T23:59:59Z"), Allocation::Quarantined(over));
        assert_eq!(found(Some("pear/dmz"), "9", RELEASED, "2026-11-08T00:00:00Z"), Allocation::Free);
    }

    #[test]
    fn a_network_that_is_declared_again_takes_its_id_back_and_a_namesake_after_a_purge_waits() {
        assert_eq!(found(Some("acme/dmz"), "0", RELEASED, "2026-11-02T00:00:00Z"), Allocation::Free);
        assert_eq!(found(Some("acme/dmz"), "0", None, "2026-11-02T00:00:00Z"), Allocation::Free);
        assert!(matches!(found(None, "0", RELEASED, "2026-11-02T00:00:00Z"), Allocation::Quarantined(_)));
    }

    #[test]
    fn a_release_that_nobody_can_read_releases_nothing() {
        assert_eq!(found(Some("pear/dmz"), "9", Some("soon"), "2036-11-02T00:00:00Z"), Allocation::Taken);
    }

    #[test]
    fn an_id_is_given_back_only_when_network_objects_and_vms_are_gone() {
        let back = |lasting: &Lasting, observed: &[&Observation]| {
            let observed = observed.iter().map(|object| (object.reference.clone(), (*object).clone())).collect();
            lasting.given_back(&observed).count()
        };
        let gone = Lasting { leases: vec![leased(Some("acme/dmz"), "1", None)], known: true, ..Lasting::default() };
        let vm = vm_on("web-1", &["dmz"]);
        let reference = Reference { kind: Kind::NetworkAttachmentDefinition, ..vm.reference.clone() };
        let definition = Observation { reference, owner: "TenantNetwork/dmz".into(), facts: Facts::None, ..vm.clone() };
        assert_eq!(back(&gone, &[]), 1);
        assert_eq!(back(&gone, &[&vm]), 0, "a VM is attached");
        assert_eq!(back(&gone, &[&definition]), 0, "what VMs are attached by is there");
        let lives = Lasting { living: BTreeSet::from(["1".to_owned()]), ..gone.clone() };
        assert_eq!(back(&lives, &[]), 0, "it is declared");
        assert_eq!(back(&Lasting { known: false, ..gone.clone() }, &[]), 0, "a list is not whole");
        let released = Lasting { leases: vec![leased(Some("acme/dmz"), "1", RELEASED)], ..gone };
        assert_eq!(back(&released, &[]), 0, "once is enough");
    }

    proptest! {
        /// Whatever a Lease says, of two networks that ask for its id at most one may use it.
        #[test]
        fn no_two_networks_hold_one_id(
            holder in proptest::option::of(0_usize..3), uid in 0_usize..3, released in proptest::option::of(-9_i64..9),
        ) {
            let networks = [("acme", "dmz", "1"), ("acme", "internal", "2"), ("pear", "dmz", "3")];
            let holder = holder.map(|index| format!("{}/{}", networks[index].0, networks[index].1));
            let now = at("2026-11-29T00:00:00Z");
            let released = released.map(|days| plus_days(now, days).to_string());
            let lease = leased(holder.as_deref(), networks[uid].2, released.as_deref());
            let held = networks.iter().filter(|(tenant, name, uid)| {
                let mut snapshot = vlan(&json!({}));
                snapshot.network.metadata.namespace = Some(format!("cf-{tenant}"));
                snapshot.network.metadata.name = Some((*name).to_owned());
                snapshot.network.metadata.uid = Some((*uid).to_owned());
                snapshot.now = now;
                snapshot.vlan.lease = Some(lease.clone());
                allocation(&snapshot) == Some(Allocation::Held)
            });
            prop_assert!(held.count() <= 1);
        }
    }
}
