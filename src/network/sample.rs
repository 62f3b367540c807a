//! Networks made for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::observe::{NetworkSnapshot, TenantFact};
use crate::api::tenant_network::TenantNetwork;
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
        siblings: BTreeSet::from(["internal".to_owned()]),
        taken: BTreeMap::new(),
        erasing: false,
        cert_manager: true,
        observed: BTreeMap::new(),
        probe: None,
        now: Timestamp::UNIX_EPOCH,
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
