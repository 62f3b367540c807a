//! Networks made for tests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::backend::Installed;
use super::observe::{NetworkSnapshot, TenantFact, lease_of};
use super::subnets::Sibling;
use super::vlan::Sight;
use crate::api::tenant_network::TenantNetwork;
use crate::cluster::object::{Attached, DesiredObject, Digest, Facts, Kind, Observation, Reference};
use crate::foreign::restored::Restored;
use crate::install::NAMESPACE;
use crate::operator::config::Config;

/// Network `dmz` of tenant acme, which has `internal` beside it and the VMs web-1 (dmz) and db-1 (internal).
pub fn dmz(spec: &Value) -> NetworkSnapshot {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "TenantNetwork",
        "metadata": {"name": "dmz", "namespace": "cf-acme", "uid": "1", "generation": 1},
        "spec": {"type": "Pod", "zone": "DMZ"},
    });
    for (field, value) in spec.as_object().unwrap() {
        manifest["spec"][field] = value.clone();
    }
    let vms = [("web-1", "dmz"), ("db-1", "internal")];
    NetworkSnapshot {
        network: network(manifest),
        tenant: Some(TenantFact {
            vms: vms.into_iter().map(|(vm, network)| (vm.to_owned(), vec![network.to_owned()])).collect(),
        }),
        home_ready: true,
        config: Arc::new(config()),
        siblings: BTreeMap::from([("internal".to_owned(), Sibling::default())]),
        taken: BTreeMap::new(),
        erasing: false,
        installed: Installed::EVERYTHING,
        vlan: Sight::default(),
        observed: BTreeMap::new(),
        probe: None,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// The same as a VLAN of id 120, in a cluster that has every backend. Nobody has the id yet.
pub fn vlan(spec: &Value) -> NetworkSnapshot {
    let mut whole = json!({"type": "VLAN", "vlan": {"id": 120, "physicalNetwork": "physnet1"}});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    dmz(&whole)
}

/// The same, and the id is the network's own.
pub fn held(spec: &Value) -> NetworkSnapshot {
    let mut snapshot = vlan(spec);
    snapshot.vlan.lease = lease_of(&snapshot.network).map(|_| leased(Some("acme/dmz"), "1", None));
    snapshot
}

/// An object of network `dmz` as a watch shows it once it stands as wanted.
pub fn as_wanted(object: &DesiredObject, facts: Facts) -> Observation {
    Observation {
        reference: object.reference.clone(),
        uid: "2".into(),
        resource_version: "3".into(),
        owner: "TenantNetwork/dmz".into(),
        owner_uid: "1".into(),
        tenant: "acme".into(),
        ours: true,
        digest: object.digest,
        facts,
        deleting: false,
    }
}

/// The Lease of id 120, as that holder's network of that uid has or had it.
pub fn leased(holder: Option<&str>, uid: &str, released_at: Option<&str>) -> Observation {
    let (tenant, network) = holder.unwrap_or("acme/dmz").split_once('/').unwrap();
    Observation {
        reference: Reference { kind: Kind::Lease, namespace: Some(NAMESPACE.into()), name: "vlan-physnet1-120".into() },
        uid: "l".into(),
        resource_version: "5".into(),
        owner: format!("TenantNetwork/{network}"),
        owner_uid: uid.into(),
        tenant: tenant.into(),
        ours: true,
        digest: Digest::of(&Value::Null),
        facts: Facts::Lease {
            holder: holder.map(str::to_owned),
            taken_at: None,
            released_at: released_at.map(str::to_owned),
        },
        deleting: false,
    }
}

/// A VM of tenant acme that is attached to those networks.
pub fn vm_on(vm: &str, networks: &[&str]) -> Observation {
    let to = networks.iter().map(|&network| network.to_owned()).collect();
    Observation {
        reference: Reference { kind: Kind::VirtualMachine, namespace: Some("cf-acme".into()), name: vm.into() },
        owner: "Tenant/acme".into(),
        owner_uid: "t".into(),
        facts: Facts::VirtualMachine {
            ready: true,
            printable_status: "Running".into(),
            halted: false,
            idle: None,
            live: true,
            stopped: None,
            trouble: None,
            networks: Attached { to, outdated: false },
            guest: None,
            restored: Restored::default(),
        },
        ..leased(Some("acme/dmz"), "t", None)
    }
}

fn network(manifest: Value) -> TenantNetwork {
    serde_json::from_value(manifest).unwrap()
}

/// Pods 10.244.0.0/16, services 10.96.0.0/16, control plane 192.0.2.0/28, and their IPv6 twins.
fn config() -> Config {
    Config::parse(
        "
platform: {resolvers: [192.0.2.53], ntp: [192.0.2.123]}
cluster: {pods: [10.244.0.0/16, 2001:db8:244::/56], services: [10.96.0.0/16, 'fd00:96::/112'], controlPlane: [192.0.2.0/28]}
purge: {image: registry.invalid/cloudfarm}
networks: {multiNetworkPolicy: Enforced, bridges: {physnet1: br-physnet1}}
",
    )
    .unwrap()
}

/// CIDRs that often lie in one another, since their addresses differ in few bits.
pub fn crowded_net() -> impl Strategy<Value = IpNet> {
    let v4 = (0_u32..16, 1_u8..=12)
        .prop_map(|(bits, length)| IpNet::new(Ipv4Addr::from(bits << 20).into(), length).unwrap().trunc());
    let v6 = (0_u128..64, 1_u8..=12)
        .prop_map(|(bits, length)| IpNet::new(Ipv6Addr::from(bits << 116).into(), length).unwrap().trunc());
    prop_oneof![v4, v6]
}
