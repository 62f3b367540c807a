//! Address ranges as OVN-Kubernetes wants them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::api::tenant_network::TenantNetworkSpec;

/// The ranges, in the order in which they are written.
pub fn subnets(spec: &TenantNetworkSpec) -> Vec<&str> {
    spec.subnets.iter().map(|subnet| subnet.cidr.as_str()).collect()
}

/// What is given to no VM: gateways and what is reserved, each once, sorted.
pub fn excluded(spec: &TenantNetworkSpec) -> Vec<String> {
    let written = spec.subnets.iter().flat_map(|subnet| subnet.gateway.iter().chain(&subnet.reserved));
    let mut ranges: Vec<IpNet> = written.filter_map(|range| network(range)).collect();
    ranges.sort();
    ranges.dedup();
    ranges.iter().map(ToString::to_string).collect()
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An address is kept for its VM over restarts and migrations; without ranges nothing gives any.
pub fn ipam(spec: &TenantNetworkSpec) -> Value {
    if spec.subnets.is_empty() { json!({"mode": "Disabled"}) } else { json!({"lifecycle": "Persistent"}) }
}
