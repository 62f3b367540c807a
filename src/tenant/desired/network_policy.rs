//! The walls of a tenant's namespaces: everything closed, then the few doors the platform needs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Home, name_resolution};
use crate::api::labels;
use crate::cluster::object::DesiredObject;
use crate::foreign::kubevirt::Platform;
use crate::tenant::declared::Declared;

/// Nothing in, nothing out, for every pod of the namespace.
pub fn default_deny(home: &Home, namespace: &str) -> DesiredObject {
    policy(home, namespace, "cloudfarm-default-deny", LabelSelector::default(), &["Ingress", "Egress"], Vec::new())
}

/// DNS and time. The resolver is the provider's, not the cluster's: that one knows other tenants' services. VMs whose
/// networks have no name resolution get the time alone.
pub fn platform(home: &Home, declared: &Declared) -> Vec<DesiredObject> {
    let platform = &home.snapshot.config.platform;
    let resolvers = egress(&platform.resolvers, &[("UDP", 53), ("TCP", 53)]);
    let clocks = egress(&platform.ntp, &[("UDP", 123)]);
    let opened = |name: &str, selector: LabelSelector, doors: &[&Option<NetworkPolicyEgressRule>]| {
        let doors: Vec<_> = doors.iter().copied().flatten().cloned().collect();
        (!doors.is_empty()).then(|| policy(home, &home.customer, name, selector, &["Egress"], doors))
    };
    let mut machines = declared.machines.iter();
    let policies = if machines.any(|machine| name_resolution::is_without(home.snapshot, machine.spec)) {
        [
            opened("cloudfarm-platform", without_resolvers("DoesNotExist"), &[&resolvers, &clocks]),
            opened("cloudfarm-ntp", without_resolvers("Exists"), &[&clocks]),
        ]
    } else {
        [opened("cloudfarm-platform", LabelSelector::default(), &[&resolvers, &clocks]), None]
    };
    policies.into_iter().flatten().collect()
}

fn without_resolvers(operator: &str) -> LabelSelector {
    let marked =
        LabelSelectorRequirement { key: labels::NO_RESOLVERS.to_owned(), operator: operator.to_owned(), values: None };
    LabelSelector { match_expressions: Some(vec![marked]), ..LabelSelector::default() }
}

/// CDI's importer pods may fetch images; without this an import hangs behind the default-deny.
pub fn cdi_import(home: &Home) -> Option<DesiredObject> {
    let mirrors = peers(home.snapshot.config.platform.image_mirrors.iter().copied());
    let importers = LabelSelector {
        match_labels: Some(BTreeMap::from([("app".to_owned(), "containerized-data-importer".to_owned())])),
        ..LabelSelector::default()
    };
    (!mirrors.is_empty()).then(|| {
        let door = NetworkPolicyEgressRule { to: Some(mirrors), ports: Some(ports(&[("TCP", 443)])) };
        policy(home, &home.customer, "cloudfarm-cdi-import", importers, &["Egress"], vec![door])
    })
}

/// Where KubeVirt's export server may be asked for the disks of a contract that is over: by its proxy alone, which is in the
/// namespace of the KubeVirt object.
pub fn hand_back(home: &Home) -> Option<DesiredObject> {
    let selector = |key: &str, operator: &str, values: Option<Vec<String>>| LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values,
        }]),
        ..LabelSelector::default()
    };
    let namespace = match &*home.snapshot.platform {
        Platform::Configured(place, _) => place.split_once('/').map(|(namespace, _)| namespace),
        _ => None,
    };
    let namespace = namespace.unwrap_or("kubevirt");
    let kubevirt = selector("kubernetes.io/metadata.name", "In", Some(vec![namespace.to_owned()]));
    let door = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer { namespace_selector: Some(kubevirt), ..NetworkPolicyPeer::default() }]),
        ports: Some(ports(&[("TCP", 8443)])),
    };
    home.ended.then(|| {
        DesiredObject::new(&NetworkPolicy {
            metadata: home.owner.metadata(Some(&home.customer), "cloudfarm-hand-back"),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(selector("kubevirt.io.virt-export-service", "Exists", None)),
                policy_types: Some(vec!["Ingress".to_owned()]),
                ingress: Some(vec![door]),
                egress: None,
            }),
        })
    })
}

/// A door to these hosts; `None` without hosts, since a rule without peers would be open to everybody.
fn egress(hosts: &[IpAddr], to_ports: &[(&str, i32)]) -> Option<NetworkPolicyEgressRule> {
    let to = peers(hosts.iter().map(|host| IpNet::from(*host)));
    (!to.is_empty()).then(|| NetworkPolicyEgressRule { to: Some(to), ports: Some(ports(to_ports)) })
}

fn peers(networks: impl Iterator<Item = IpNet>) -> Vec<NetworkPolicyPeer> {
    let mut networks: Vec<IpNet> = networks.collect();
    networks.sort();
    networks.dedup();
    networks
        .into_iter()
        .map(|network| NetworkPolicyPeer {
            ip_block: Some(IPBlock { cidr: network.to_string(), except: None }),
            ..NetworkPolicyPeer::default()
        })
        .collect()
}

fn ports(ports: &[(&str, i32)]) -> Vec<NetworkPolicyPort> {
    ports
        .iter()
        .map(|(protocol, port)| NetworkPolicyPort {
            protocol: Some((*protocol).to_owned()),
            port: Some(IntOrString::Int(*port)),
            end_port: None,
        })
        .collect()
}

fn policy(
    home: &Home,
    namespace: &str,
    name: &str,
    pod_selector: LabelSelector,
    types: &[&str],
    egress: Vec<NetworkPolicyEgressRule>,
) -> DesiredObject {
    DesiredObject::new(&NetworkPolicy {
        metadata: home.owner.metadata(Some(namespace), name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pod_selector),
            policy_types: Some(types.iter().map(|&kind| kind.to_owned()).collect()),
            egress: (!egress.is_empty()).then_some(egress),
            ingress: None,
        }),
    })
}
