//! `TenantNetwork`: one network of a tenant and its rules. Namespaced in `cf-<tenant>`, so that the customer's own
//! administrator may edit rules with a plain Role, and nobody can name another tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;

/// What is declared for one network.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "cloudfarm.dev",
    version = "v1alpha1",
    kind = "TenantNetwork",
    namespaced,
    category = "cloudfarm",
    shortname = "tnet",
    status = "TenantNetworkStatus",
    derive = "PartialEq",
    doc = "One network of a tenant and its rules. Without a rule nothing passes. Deleting it leaves its VMs behind the default-deny.",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Zone","type":"string","jsonPath":".spec.zone"}"#,
    printcolumn = r#"{"name":"VLAN","type":"integer","jsonPath":".spec.vlan.id"}"#,
    printcolumn = r#"{"name":"CIDR","type":"string","jsonPath":".spec.subnets[0].cidr"}"#,
    printcolumn = r#"{"name":"Rules","type":"integer","jsonPath":".status.rules"}"#,
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type=='RulesEnforced')].status"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    selectable = ".spec.type",
    selectable = ".spec.zone",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')")
        .message("metadata.name must be 1 to 40 of a-z, 0-9 and -, begin with a letter and end with a letter or digit: the label network.cloudfarm.dev/<name> is made from it")
)]
#[x_kube(validation = Rule::new("self.type == oldSelf.type").message("spec.type cannot be changed: make another TenantNetwork and move the VMs"))]
#[x_kube(validation = Rule::new("(self.type == 'VLAN') == has(self.vlan)").message("spec.vlan is needed for type VLAN and for no other"))]
#[x_kube(validation = Rule::new("has(self.vlan) == has(oldSelf.vlan) && (!has(self.vlan) || self.vlan == oldSelf.vlan)").message("spec.vlan cannot be changed: make another TenantNetwork and move the VMs"))]
#[x_kube(validation = Rule::new("self.zone == 'DMZ' || !has(self.ingress) || self.ingress.all(r, !has(r.world) || !r.world)").message("spec.ingress: world is allowed in zone DMZ only; name the cidrs that may come in"))]
#[x_kube(validation = Rule::new("self.zone == 'DMZ' || !has(self.egress) || self.egress.all(r, !has(r.world) || !r.world)").message("spec.egress: world is allowed in zone DMZ only; name the cidrs that may be reached"))]
#[x_kube(validation = Rule::new("self.backend != 'LinuxBridge' || has(self.externalFirewall)").message("spec.externalFirewall is needed for backend LinuxBridge: a bridge filters nothing itself"))]
#[serde(rename_all = "camelCase")]
pub struct TenantNetworkSpec {
    /// Pod: the cluster's own network with policies. Layer2 and VLAN: a network of its own.
    #[serde(rename = "type")]
    pub type_: NetworkType,
    /// Where the network stands towards the world.
    #[serde(default)]
    pub zone: Zone,
    /// What makes the network; Auto takes what the cluster has.
    #[serde(default)]
    pub backend: Backend,
    /// Address ranges, one per family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub subnets: Vec<Subnet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Vlan>,
    /// Networks of different tenants are never joined.
    #[serde(default)]
    pub peering: Peering,
    /// May VMs of this network reach each other without a rule?
    #[serde(default)]
    pub intra_network: IntraNetwork,
    /// What may come in; at most 100 rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub ingress: Vec<NetworkRule>,
    /// What may go out; at most 100 rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub egress: Vec<NetworkRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// NTP servers of this network beside the platform's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 2, max = 45)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(a, isIP(a))").message("spec.ntp must hold IP addresses"))]
    pub ntp: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.mode == 'Disabled' || (has(self.hosts) && size(self.hosts) > 0)").message("tls.hosts is needed unless tls.mode is Disabled"))]
    #[x_kube(validation = Rule::new("self.mode != 'Terminate' || has(self.issuerRef)").message("tls.issuerRef is needed for tls.mode Terminate: name an Issuer of this namespace or a ClusterIssuer"))]
    pub tls: Option<Tls>,
    /// Ports that get an address of their own outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub expose: Vec<Expose>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_firewall: Option<ExternalFirewall>,
    #[serde(default)]
    pub flow_logs: bool,
}

/// How a network is made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkType {
    #[default]
    Pod,
    Layer2,
    #[serde(rename = "VLAN")]
    Vlan,
}

/// Where a network stands towards the world.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    #[serde(rename = "DMZ")]
    Dmz,
    #[default]
    Internal,
    Management,
}

/// What makes a network.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    #[default]
    Auto,
    NetworkPolicy,
    #[serde(rename = "OVN")]
    Ovn,
    LinuxBridge,
}

/// Between tenants.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peering {
    #[default]
    Deny,
}

/// Inside one network.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntraNetwork {
    Allow,
    #[default]
    Deny,
}

/// One address range.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("isCIDR(self.cidr) && cidr(self.cidr).masked() == cidr(self.cidr)").message("subnets[].cidr must be a network without host bits, such as 10.20.0.0/24"))]
#[x_kube(validation = Rule::new("!has(self.gateway) || !isCIDR(self.cidr) || isIP(self.gateway) && cidr(self.cidr).containsIP(self.gateway)").message("subnets[].gateway must be an address inside its cidr"))]
#[x_kube(validation = Rule::new("!has(self.reserved) || !isCIDR(self.cidr) || self.reserved.all(r, isIP(r) ? cidr(self.cidr).containsIP(r) : isCIDR(r) && cidr(self.cidr).containsCIDR(r))").message("subnets[].reserved must hold addresses or networks inside its cidr, such as 10.20.0.10 or 10.20.0.128/25"))]
pub struct Subnet {
    #[schemars(length(min = 4, max = 43))]
    pub cidr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    pub gateway: Option<String>,
    /// Addresses and networks given to nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 45)), extend("x-kubernetes-list-type" = "set"))]
    pub reserved: Vec<String>,
}

/// A VLAN of the provider's network.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Vlan {
    #[schemars(range(min = 1, max = 4094))]
    pub id: i64,
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub physical_network: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1280, max = 9216))]
    pub mtu: Option<i64>,
    #[serde(default = "yes")]
    pub mac_spoof_check: bool,
}

fn yes() -> bool {
    true
}

/// One rule. Who: exactly one of cidrs, networks, vms and world. What: ports, or all of them, written out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("(has(self.cidrs) ? 1 : 0) + (has(self.networks) ? 1 : 0) + (has(self.vms) ? 1 : 0) + (has(self.world) && self.world ? 1 : 0) == 1").message("a rule needs exactly one of cidrs, networks, vms and world: true"))]
#[x_kube(validation = Rule::new("(has(self.ports) && size(self.ports) > 0) != (has(self.allPorts) && self.allPorts)").message("a rule needs ports, or allPorts: true written out, and not both"))]
#[x_kube(validation = Rule::new("!has(self.except) || has(self.cidrs)").message("except belongs to cidrs"))]
#[x_kube(validation = Rule::new("!has(self.except) || !has(self.cidrs) || self.except.all(e, !isCIDR(e) || self.cidrs.exists(c, isCIDR(c) && cidr(c).containsCIDR(e)))").message("every except must lie inside one of the rule's cidrs"))]
#[serde(rename_all = "camelCase")]
pub struct NetworkRule {
    /// Name for people; it is not part of any policy, so renaming changes nothing.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 4, max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c) && cidr(c).masked() == cidr(c))").message("cidrs must be networks without host bits and not IPv4-mapped, such as 198.51.100.0/29 or 2001:db8::/64"))]
    #[x_kube(validation = Rule::new("self.all(c, !isCIDR(c) || cidr(c).prefixLength() > 0)").message("cidrs cannot be the whole world: write world: true in a network of zone DMZ"))]
    pub cidrs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 4, max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c) && cidr(c).masked() == cidr(c))").message("except must hold networks without host bits and not IPv4-mapped, such as 198.51.100.0/29"))]
    pub except: Vec<String>,
    /// Other TenantNetworks of this tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub networks: Vec<String>,
    /// VMs of this tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub vms: Vec<String>,
    /// Everybody outside the cluster; zone DMZ only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub world: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub ports: Vec<RulePort>,
    /// Every port of every protocol.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_ports: bool,
}

/// A port or a range of ports.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.endPort) || self.endPort >= self.port").message("endPort must not be below port"))]
#[serde(rename_all = "camelCase")]
pub struct RulePort {
    #[serde(default)]
    pub protocol: Protocol,
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// Last port of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i64>,
}

/// Transport protocol.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// Name resolution of a network.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("(self.mode == 'Custom') == (has(self.nameservers) && size(self.nameservers) > 0)").message("dns.nameservers is needed for mode Custom and for no other"))]
pub struct Dns {
    #[serde(default)]
    pub mode: DnsMode,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(min = 2, max = 45)))]
    #[x_kube(validation = Rule::new("self.all(a, isIP(a))").message("dns.nameservers must be IP addresses"))]
    pub nameservers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6), inner(length(min = 1, max = 253)))]
    #[x_kube(validation = Rule::new("self.all(s, s.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))").message("dns.searches must be domain names such as acme.example, in lower case"))]
    pub searches: Vec<String>,
}

/// Who resolves names.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsMode {
    /// The provider's resolvers in Japan, not the cluster's DNS.
    #[default]
    Platform,
    Custom,
    None,
}

/// Encryption of exposed ports (10.1.1, 18.1.5).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    #[serde(default)]
    pub mode: TlsMode,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(validation = Rule::new("self.all(h, h.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+$'))").message("tls.hosts must be host names such as www.acme.example or *.acme.example, in lower case"))]
    pub hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
    #[serde(default)]
    pub min_version: TlsVersion,
}

/// Where TLS ends.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    #[default]
    Disabled,
    Terminate,
    Passthrough,
}

/// Oldest TLS that is spoken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

/// A cert-manager issuer; never one with a namespace of its own.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerRef {
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self in ['Issuer', 'ClusterIssuer']").message("tls.issuerRef.kind must be Issuer or ClusterIssuer"))]
    pub kind: String,
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A port that gets an address outside.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Expose {
    #[schemars(length(min = 1, max = 40))]
    pub vm: String,
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new("isIP(self)").message("expose[].address must be an IP address such as 203.0.113.7"))]
    pub address: Option<String>,
}

/// Who filters in front of a bridge.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ExternalFirewall {
    #[schemars(length(min = 1, max = 253))]
    pub owner: String,
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 253))]
    pub reference: String,
}

/// What the operator saw and did. Never written by people.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantNetworkStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What makes the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub backend: Option<String>,
    /// Objects made for this network, with a fingerprint of what was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub objects: Vec<MadeObject>,
    /// Addresses outside, as load balancers have given them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub addresses: Vec<OutsideAddress>,
    /// VMs of the Tenant that name this network.
    #[serde(default, rename = "attachedVMs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub attached_vms: Vec<String>,
    /// The Lease that keeps the VLAN id for this network, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub vlan_lease: Option<String>,
    /// Is everything in the cluster as this network wants it?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent: Option<bool>,
    /// Rules that are written, both directions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<i64>,
    /// What the probe last measured of the network plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// One measurement of the network plugin, by packets between the probe's own pods under policies like a tenant's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Probe {
    /// When this result was first seen.
    pub at: Time,
    /// Flows that were open, as they should be.
    #[schemars(range(min = 0))]
    pub allowed: i64,
    /// Flows that were closed, as they should be.
    #[schemars(range(min = 0))]
    pub denied: i64,
    /// The first flows that were otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 512)))]
    pub unexpected: Vec<String>,
}

/// Where a VM is reached from outside.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct OutsideAddress {
    #[schemars(length(max = 63))]
    pub vm: String,
    /// An IP address, or a host name where the load balancer has names.
    #[schemars(length(max = 253))]
    pub address: String,
}

/// One object made for a network.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct MadeObject {
    #[schemars(length(max = 63))]
    pub kind: String,
    #[schemars(length(max = 253))]
    pub name: String,
    #[schemars(length(max = 64))]
    pub hash: String,
}
