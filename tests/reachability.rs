//! Who reaches whom: the rendered policies judged by cyclonus, against tables that people wrote from the manifests.
//!
//! `golden/network/<case>/input.yaml` is what a person declares, `reachability.yaml` beside it what they may expect.
//! The builders, the judge and the tables know nothing of each other. What a table does not list is closed.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "packets/evaluator.rs"]
mod evaluator;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "simulator/random.rs"]
mod random;
#[path = "reachability/thousands.rs"]
mod thousands;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cloudfarm::render;
use oracle::{Endpoint, Flow, ask};
use serde::Deserialize;
use serde_json::{Value, json};

/// Names the network that a MultiNetworkPolicy is about.
const POLICY_FOR: &str = "k8s.v1.cni.cncf.io/policy-for";

/// A `reachability.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// `cf-acme/vlan`: the table is about that network, and its MultiNetworkPolicies are judged, which have the bodies of
    /// NetworkPolicies. Without it the table is about the pod network.
    #[serde(default)]
    network: Option<String>,
    /// Every VM of the input and its addresses, separated by commas.
    vms: BTreeMap<String, String>,
    /// Pods that are no VMs, in any namespace; no manifest says their labels, so they are written here.
    #[serde(default)]
    pods: BTreeMap<String, Pod>,
    /// Addresses that are no pod of a tenant.
    outside: BTreeMap<String, String>,
    /// `TCP 22, UDP 53`: what is tried on every pair.
    probes: String,
    /// `web-1, app-1 -> resolver: UDP 53, TCP 53`; `all` stands for every probe.
    open: BTreeMap<String, String>,
}

/// A pod that is no VM.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pod {
    namespace: String,
    ip: IpAddr,
    labels: Value,
}

struct Case {
    name: String,
    policies: Vec<Value>,
    endpoints: Vec<Endpoint>,
    flows: Vec<Flow>,
    /// Whether the table says that a flow passes, in the order of the flows.
    expected: Vec<bool>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<Case> {
    let folder = root().join("tests/golden/network");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the cases").map(|entry| entry.expect("a case").path()).collect();
    folders.sort();
    assert!(folders.len() >= 8, "only {} cases were found", folders.len());
    folders.iter().map(|folder| Case::read(folder)).collect()
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let config = render::documentation_config().expect("a config");
        let rendered = render::render(&[folder.join("input.yaml")], config);
        let objects = rendered.unwrap_or_else(|mistakes| panic!("{name}: {mistakes}")).objects;
        let text = std::fs::read_to_string(folder.join("reachability.yaml")).expect("a table");
        let table: Table = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let endpoints = endpoints(&name, &table, &objects);
        let (flows, expected) = flows(&name, &table, &endpoints).into_iter().unzip();
        let policies = objects.into_iter().filter_map(|object| judged(object, table.network.as_deref())).collect();
        Self { name, policies, endpoints, flows, expected }
    }

    /// What cyclonus says that differs from the table, a sentence for each flow.
    fn wrong(&self, policies: &[Value]) -> Vec<String> {
        let answers = ask(policies, &self.endpoints, &self.flows);
        let answered = self.flows.iter().zip(&self.expected).zip(answers);
        answered
            .filter(|((_, expected), open)| *expected != open)
            .map(|((flow, _), open)| {
                let (is, should) = if open { ("open", "closed") } else { ("closed", "open") };
                format!(
                    "{}: {} -> {} on {} {} is {is}, the table says {should}",
                    self.name, flow.from, flow.to, flow.protocol, flow.port
                )
            })
            .collect()
    }
}

/// The policy as a NetworkPolicy, if it is one on that network.
fn judged(mut policy: Value, network: Option<&str>) -> Option<Value> {
    let kind = if network.is_some() { "MultiNetworkPolicy" } else { "NetworkPolicy" };
    if policy["kind"] != kind || network != policy["metadata"]["annotations"][POLICY_FOR].as_str() {
        return None;
    }
    policy["apiVersion"] = json!("networking.k8s.io/v1");
    policy["kind"] = json!("NetworkPolicy");
    Some(policy)
}

/// The VMs with the labels that their pods carry, the other pods, and the addresses outside.
fn endpoints(case: &str, table: &Table, objects: &[Value]) -> Vec<Endpoint> {
    let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let namespaces: BTreeMap<String, &Value> =
        of_kind("Namespace").map(|namespace| (name(namespace), &namespace["metadata"]["labels"])).collect();
    let machines: BTreeMap<String, &Value> =
        of_kind("VirtualMachine").map(|machine| (name(machine), machine)).collect();
    let declared: BTreeSet<&String> = machines.keys().collect();
    assert_eq!(declared, table.vms.keys().collect(), "{case}: the table's vms are not those that are rendered");

    let pod = |name: &str, ip: IpAddr, namespace: &str, labels: &Value| {
        let none = json!({});
        Endpoint::pod(name, ip, namespace, namespaces.get(namespace).copied().unwrap_or(&none), labels)
    };
    let vm = |(name, ip): (String, IpAddr)| {
        let machine = machines[&name];
        let namespace = machine["metadata"]["namespace"].as_str().expect("a namespace");
        pod(&name, ip, namespace, &machine["spec"]["template"]["metadata"]["labels"])
    };
    let other = table.pods.iter().map(|(name, other)| pod(name, other.ip, &other.namespace, &other.labels));
    let outside = |(name, ip): (String, IpAddr)| Endpoint::outside(&name, ip);
    addresses(&table.vms).map(vm).chain(other).chain(addresses(&table.outside).map(outside)).collect()
}

fn addresses(named: &BTreeMap<String, String>) -> impl Iterator<Item = (String, IpAddr)> {
    named.iter().flat_map(|(name, addresses)| {
        list(addresses).map(move |address| (name.clone(), address.parse().expect("an IP address")))
    })
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// Every probe on every pair of endpoints of one family, one of them a pod at least, and whether the table opens it.
fn flows(case: &str, table: &Table, endpoints: &[Endpoint]) -> Vec<(Flow, bool)> {
    let mut open = open(case, table);
    let mut flows = Vec::new();
    let pairs = endpoints.iter().flat_map(|from| endpoints.iter().map(move |to| (from, to)));
    let short = |endpoint: &Endpoint| endpoint.name.split(' ').next().unwrap_or_default().to_owned();
    for (from, to) in pairs.filter(|(from, to)| {
        short(from) != short(to)
            && from.ip.is_ipv4() == to.ip.is_ipv4()
            && !(from.namespace.is_null() && to.namespace.is_null())
    }) {
        for probe in list(&table.probes) {
            let (protocol, port) = probe.split_once(' ').expect("a protocol and a port");
            let flow = Flow {
                from: from.name.clone(),
                to: to.name.clone(),
                port: port.parse().expect("a port"),
                protocol: protocol.to_owned(),
            };
            let listed = open.get_mut(&(short(from), short(to), probe.to_owned()));
            flows.push((flow, listed.map(|used| *used = true).is_some()));
        }
    }
    let unused: Vec<_> = open.into_iter().filter(|(_, used)| !used).map(|(flow, _)| flow).collect();
    assert!(unused.is_empty(), "{case}: listed as open and never tried: {unused:?}");
    flows
}

/// The listed flows, and whether one of them has been tried yet.
fn open(case: &str, table: &Table) -> BTreeMap<(String, String, String), bool> {
    let mut open = BTreeMap::new();
    for (who, what) in &table.open {
        let (from, to) = who.split_once(" -> ").unwrap_or_else(|| panic!("{case}: {who:?} has no arrow"));
        let what = if what == "all" { &table.probes } else { what };
        for (from, to) in list(from).flat_map(|from| list(to).map(move |to| (from, to))) {
            for probe in list(what) {
                open.insert((from.to_owned(), to.to_owned(), probe.to_owned()), false);
            }
        }
    }
    open
}

#[test]
fn every_case_is_open_where_its_table_says_and_closed_everywhere_else() {
    let cases = cases();
    let wrong: Vec<String> = cases.iter().flat_map(|case| case.wrong(&case.policies)).collect();
    assert!(wrong.is_empty(), "{} flows differ:\n{}", wrong.len(), wrong.join("\n"));
    let flows: usize = cases.iter().map(|case| case.flows.len()).sum();
    println!("{flows} flows in {} cases", cases.len());
}

/// Otherwise a judge that answers "closed" to everything would pass for a wall.
#[test]
fn without_policies_everything_is_open() {
    for case in cases() {
        assert!(ask(&[], &case.endpoints, &case.flows).into_iter().all(|open| open), "{}", case.name);
    }
}

/// A change of one policy for the worse.
type Damage = fn(&mut Value);

/// A table that cannot tell damaged policies from sound ones proves nothing.
#[test]
fn every_damage_to_the_policies_is_noticed_by_the_tables() {
    let kinds: [(&str, Damage); 4] = [
        ("the policies are gone", |policy| *policy = Value::Null),
        ("exceptions are forgotten", |policy| forget(policy, "except")),
        ("ranges end where they begin", |policy| forget(policy, "endPort")),
        ("ports are forgotten", |policy| forget(policy, "ports")),
    ];
    let cases = cases();
    for (what, damage) in kinds {
        let touched: Vec<_> = cases.iter().filter_map(|case| Some((case, damaged(case, damage)?))).collect();
        assert!(!touched.is_empty(), "no case where {what}");
        for (case, policies) in touched {
            assert!(!case.wrong(&policies).is_empty(), "{}: {what}, and the table does not notice", case.name);
        }
    }
    let noticed =
        |case: &Case| damaged(case, every_namespace).is_some_and(|policies| !case.wrong(&policies).is_empty());
    assert!(cases.iter().any(noticed), "peers of every namespace are let in, and no table notices");
}

/// One thing at a time, so that no wall is believed to be tested because another stands beside it.
#[test]
fn each_kind_of_policy_and_each_exception_is_missed_by_some_table() {
    let mut missed: BTreeMap<String, bool> = BTreeMap::new();
    for case in cases() {
        for (what, policies) in without_one(&case.policies) {
            let noticed = missed.entry(what).or_default();
            *noticed = *noticed || !case.wrong(&policies).is_empty();
        }
    }
    let unmissed: Vec<_> = missed.iter().filter(|(_, noticed)| !**noticed).map(|(what, _)| what).collect();
    assert!(missed.len() > 10 && unmissed.is_empty(), "can be taken away and no table notices: {unmissed:#?}");
}

/// The policies without one of them, and without one exception of one of them, each with the name of what is gone.
fn without_one(policies: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let mut fewer = policies.to_vec();
        fewer.remove(index);
        all.push((kind(policy), fewer));
        for (direction, list, place, hole) in exceptions(policy) {
            let mut wider = policies.to_vec();
            let holes = wider[index].pointer_mut(&list).and_then(Value::as_array_mut).expect("exceptions");
            holes.remove(place);
            all.push((format!("{direction}, except {hole}"), wider));
        }
    }
    all
}

/// What a policy is for, whoever's it is: `cfd: cloudfarm-default-deny`, `cf: network`.
fn kind(policy: &Value) -> String {
    let part = |field: &str| policy["metadata"][field].as_str().unwrap_or_default();
    let name = match policy["metadata"]["annotations"][POLICY_FOR].is_string() {
        true => "network of its own",
        false if part("name").starts_with("network-") => "network",
        false => part("name"),
    };
    format!("{}: {name}", part("namespace").split('-').next().unwrap_or_default())
}

/// Direction, list, place in the list and network of every exception.
fn exceptions(policy: &Value) -> Vec<(&'static str, String, usize, String)> {
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default().into_iter().enumerate();
    let mut found = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (r, rule) in items(&policy["spec"][direction]) {
            for (p, peer) in items(&rule[peers]) {
                for (place, hole) in items(&peer["ipBlock"]["except"]) {
                    let list = format!("/spec/{direction}/{r}/{peers}/{p}/ipBlock/except");
                    found.push((direction, list, place, hole.as_str().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    found
}

/// The case's policies with the damage done to those of its networks, if that changes one of them.
fn damaged(case: &Case, damage: Damage) -> Option<Vec<Value>> {
    let mut policies = case.policies.clone();
    let of_network =
        |policy: &&mut Value| policy["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("network-"));
    policies.iter_mut().filter(of_network).for_each(damage);
    (policies != case.policies).then(|| policies.into_iter().filter(|policy| !policy.is_null()).collect())
}

/// Removes a field wherever it is.
fn forget(value: &mut Value, field: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(field);
            fields.values_mut().for_each(|inner| forget(inner, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| forget(inner, field)),
        _ => {}
    }
}

/// Peers are looked for in every namespace instead of the policy's own.
fn every_namespace(policy: &mut Value) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = policy["spec"].get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten();
        let peers = rules.filter_map(|rule| rule[peers].as_array_mut()).flatten();
        for peer in peers.filter(|peer| peer["podSelector"].is_object()) {
            peer["namespaceSelector"] = json!({});
        }
    }
}
