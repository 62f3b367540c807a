//! Manifests that nobody wrote: hundreds of random tenants, what they declare against what is rendered for them.
//!
//! The evaluator reads the manifests, cyclonus the rendered policies; neither knows of the other. `CLOUDFARM_SEED=…`
//! makes the same tenants again.

use std::net::IpAddr;
use std::path::PathBuf;

use cloudfarm::operator::config::Config;
use cloudfarm::render;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::evaluator::{Declared, End, Who};
use super::oracle::{Endpoint, Flow, ask};
use super::random::Random;
use super::{forget, root};

/// How many tenants stand beside each other, and how often anew.
const TENANTS: usize = 30;
const WORLDS: usize = 4;

/// Tries from and to each pod.
const TRIES: usize = 24;

const NETWORKS: [&str; 3] = ["dmz", "internal", "data"];
const VMS: [&str; 3] = ["web-1", "app-1", "db-1"];
const PORTS: [u16; 9] = [22, 53, 80, 123, 443, 8080, 8085, 8089, 8090];

/// Hosts outside, and addresses that no tenant may reach: pods, Services, nodes, metadata, and their twins behind NAT64.
const HOSTS: [&str; 22] = [
    "203.0.113.10",
    "203.0.113.70",
    "198.51.100.5",
    "10.20.0.5",
    "192.0.2.53",
    "192.0.2.123",
    "8.8.8.8",
    "10.244.200.1",
    "10.96.0.10",
    "10.99.0.1",
    "169.254.169.254",
    "2001:db8:1::10",
    "2001:db8:1::50",
    "2001:db8:2::5",
    "2001:db8:53::53",
    "2001:db8:53::123",
    "fd12:3456::5",
    "fd00:244::c8:1",
    "fd00:96::a",
    "64:ff9b::cb00:710a",
    "64:ff9b::a60:a",
    "64:ff9b::a9fe:a9fe",
];

/// A way to write manifests that the API server would take.
struct Writer(Random);

impl Writer {
    fn some<'a>(&mut self, all: &[&'a str], most: u64) -> Vec<&'a str> {
        let many = 1 + self.0.below(most);
        let mut some: Vec<&str> = (0..many).map(|_| self.0.one_of(all)).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    /// A network around one of the hosts.
    fn net(&mut self) -> IpNet {
        let host: IpAddr = self.0.one_of(&HOSTS).parse().expect("an address");
        let whole = if host.is_ipv4() { 32 } else { 128 };
        let length = u8::try_from(self.0.within(1, whole + 1)).expect("a length");
        IpNet::new(host, length).expect("a network").trunc()
    }

    /// Holes in these, each around one of the hosts.
    fn holes(&mut self, nets: &[IpNet]) -> Vec<IpNet> {
        let tries = self.0.below(6);
        let holes = (0..tries).map(|_| self.net()).collect::<Vec<_>>();
        holes.into_iter().filter(|hole| nets.iter().any(|net| net.contains(hole))).collect()
    }

    fn peers(&mut self, zone: &str) -> Value {
        match self.0.below(if zone == "DMZ" { 5 } else { 4 }) {
            0 | 1 => {
                let cidrs: Vec<IpNet> = (0..=self.0.below(3)).map(|_| self.net()).collect();
                let holes = self.holes(&cidrs);
                let mut peers = json!({"cidrs": texts(&cidrs)});
                if !holes.is_empty() {
                    peers["except"] = texts(&holes);
                }
                peers
            }
            2 => json!({"networks": self.some(&["dmz", "internal", "data", "gone"], 2)}),
            3 => json!({"vms": self.some(&["web-1", "app-1", "db-1", "gone"], 2)}),
            _ => json!({"world": true}),
        }
    }

    fn ports(&mut self) -> Value {
        if self.0.once_in(3) {
            return json!({"allPorts": true});
        }
        let port = |random: &mut Random| {
            let (one, other) = (random.one_of(&PORTS), random.one_of(&PORTS));
            let protocol = random.one_of(&["TCP", "TCP", "UDP", "SCTP"]);
            let mut port = json!({"protocol": protocol, "port": one.min(other)});
            if random.once_in(2) {
                port["endPort"] = json!(one.max(other));
            }
            port
        };
        let many = 1 + self.0.below(3);
        json!({"ports": (0..many).map(|_| port(&mut self.0)).collect::<Vec<_>>()})
    }

    fn rules(&mut self, zone: &str) -> Value {
        let many = self.0.below(4);
        let rules = (0..many).map(|number| {
            let mut rule = self.peers(zone);
            let ports = self.ports();
            rule.as_object_mut().expect("an object").extend(ports.as_object().expect("an object").clone());
            rule["name"] = json!(format!("rule-{number}"));
            rule
        });
        rules.collect()
    }

    fn network(&mut self, tenant: &str, name: &str) -> Value {
        let zone = self.0.one_of(&["DMZ", "Internal", "Management"]);
        let mut spec = json!({
            "type": "Pod", "zone": zone, "intraNetwork": self.0.one_of(&["Allow", "Deny"]),
            "ingress": self.rules(zone), "egress": self.rules(zone),
        });
        if self.0.once_in(4) {
            spec["dns"] = json!({"mode": "Custom", "nameservers": self.some(&HOSTS, 3)});
        }
        if self.0.once_in(4) {
            spec["ntp"] = json!(self.some(&HOSTS, 3));
        }
        json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "TenantNetwork",
            "metadata": {"name": name, "namespace": format!("cf-{tenant}")}, "spec": spec,
        })
    }

    fn tenant(&mut self, name: &str) -> Vec<Value> {
        let vm = |name: &str, networks: Vec<&str>| {
            json!({
                "name": name, "instancetype": "u1.medium", "image": {"dataSource": "ubuntu"},
                "disks": [{"name": "root", "size": "10Gi"}],
                "networks": networks.iter().map(|network| json!({"name": network})).collect::<Vec<_>>(),
            })
        };
        let vms: Vec<Value> = VMS.iter().map(|name| vm(name, self.some(&NETWORKS, 2))).collect();
        let tenant = json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": {
                "contract": {
                    "applicationId": "TEST-000001", "startDate": "2026-04-01",
                    "capacity": {"vcpus": 8, "memory": "32Gi", "storage": "500Gi", "instances": 4, "snapshots": 4},
                },
                "administrators": [{"username": "sato", "email": "sato@customer.example", "role": "PrivilegedAdministrator"}],
                "residency": {"storageClassNames": ["cf-jp-encrypted"]},
                "virtualMachines": vms,
            },
        });
        let networks: Vec<Value> = NETWORKS.iter().map(|network| self.network(name, network)).collect();
        [vec![tenant], networks].concat()
    }
}

fn texts(nets: &[IpNet]) -> Value {
    nets.iter().map(ToString::to_string).collect()
}

/// Some tenants beside each other: what they declare, and what is made of it.
struct World {
    declared: Declared,
    policies: Vec<Value>,
    endpoints: Vec<Endpoint>,
    flows: Vec<Flow>,
    expected: Vec<bool>,
    /// Places in `flows` where both ends are pods of different tenants.
    across: Vec<usize>,
}

impl World {
    fn make(random: u64, number: usize) -> Self {
        let mut writer = Writer(Random::new(random.wrapping_add(u64::try_from(number).expect("few"))));
        let names: Vec<String> = (0..TENANTS).map(|tenant| format!("t{tenant}")).collect();
        let manifests: Vec<Value> = names.iter().flat_map(|name| writer.tenant(name)).collect();
        let config = root().join("tests/packets/config.yaml");
        let text = std::fs::read_to_string(&config).expect("a config");
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("thousands-{number}.yaml"));
        let documents: Vec<String> = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
        std::fs::write(&file, documents.concat()).expect("a file");
        let rendered = render::render(&[file], Config::load(&config).expect("a config"));
        let objects = rendered.unwrap_or_else(|mistakes| panic!("{mistakes}")).objects;
        let ends = ends(&names, &objects);
        let mut world = Self {
            declared: Declared::read(&manifests, &serde_saphyr::from_str(&text).expect("YAML")),
            policies: objects.into_iter().filter(|object| object["kind"] == "NetworkPolicy").collect(),
            endpoints: ends.iter().map(|(_, endpoint)| endpoint.clone()).collect(),
            flows: Vec::new(),
            expected: Vec::new(),
            across: Vec::new(),
        };
        world.ask_around(&mut writer.0, &ends);
        world
    }

    /// Tries between each pod and others, mostly of its own tenant and outside, either way.
    fn ask_around(&mut self, random: &mut Random, ends: &[(End, Endpoint)]) {
        let tenant = |end: &End| match &end.who {
            Who::Vm { tenant, .. } | Who::Beside(tenant) | Who::Derived(tenant) => tenant.clone(),
            Who::Outside => String::new(),
        };
        for (end, endpoint) in ends.iter().filter(|(end, _)| end.who != Who::Outside) {
            let family = |(other, _): &&(End, Endpoint)| other.ip.is_ipv4() == end.ip.is_ipv4() && other.who != end.who;
            let (near, far): (Vec<_>, Vec<_>) = ends
                .iter()
                .filter(family)
                .partition(|(other, _)| other.who == Who::Outside || tenant(other) == tenant(end));
            for _ in 0..TRIES / 2 {
                let others = if random.once_in(5) { &far } else { &near };
                let (other, name) = random.one_of(others);
                let (protocol, port) = (random.one_of(&["TCP", "TCP", "UDP", "SCTP"]), random.one_of(&PORTS));
                for (from, to, names) in [(end, other, [endpoint, name]), (other, end, [name, endpoint])] {
                    if other.who != Who::Outside && tenant(other) != tenant(end) {
                        self.across.push(self.flows.len());
                    }
                    self.expected.push(self.declared.passes(from, to, protocol, port));
                    let [from, to] = names.map(|endpoint| endpoint.name.clone());
                    self.flows.push(Flow { from, to, port, protocol: protocol.to_owned() });
                }
            }
        }
    }

    /// Flows about which evaluator and cyclonus differ, with these policies.
    fn wrong(&self, policies: &[Value]) -> Vec<String> {
        let judged = ask(policies, &self.endpoints, &self.flows);
        let opinions = self.flows.iter().zip(self.expected.iter().zip(judged));
        let differ = opinions.filter(|(_, (expected, judged))| *expected != judged);
        let word = |open| if open { "open" } else { "closed" };
        differ
            .map(|(flow, (expected, judged))| {
                let Flow { from, to, port, protocol } = flow;
                format!("{from} -> {to} {protocol} {port}: declared {}, cyclonus {}", word(*expected), word(judged))
            })
            .collect()
    }
}

/// Both addresses of every VM, with the labels that its pod will have, of two pods beside them, and the hosts.
fn ends(tenants: &[String], objects: &[Value]) -> Vec<(End, Endpoint)> {
    let find = |kind: &str, namespace: &str, name: &str| {
        let is = |object: &&Value| {
            let metadata = &object["metadata"];
            object["kind"] == kind
                && metadata["name"] == name
                && metadata["namespace"].as_str().unwrap_or("") == namespace
        };
        objects.iter().find(is).unwrap_or_else(|| panic!("{kind} {namespace}/{name} was not rendered"))
    };
    let mut all = Vec::new();
    for (t, tenant) in tenants.iter().enumerate() {
        let home = format!("cf-{tenant}");
        let home_labels = &find("Namespace", "", &home)["metadata"]["labels"];
        let derived = format!("cfd-{tenant}");
        let derived_labels = &find("Namespace", "", &derived)["metadata"]["labels"];
        let none = json!({});
        let labels = |vm: &str| &find("VirtualMachine", &home, vm)["spec"]["template"]["metadata"]["labels"];
        let beside = Who::Beside(tenant.clone());
        let mut pods = vec![("helper", beside, &home, home_labels, &none)];
        // Labels open nothing in the tenant's other namespace.
        pods.push(("reader", Who::Derived(tenant.clone()), &derived, derived_labels, labels(VMS[0])));
        for vm in VMS {
            pods.push((vm, Who::Vm { tenant: tenant.clone(), name: vm.to_owned() }, &home, home_labels, labels(vm)));
        }
        for (p, (name, who, namespace, namespace_labels, labels)) in pods.into_iter().enumerate() {
            for ip in [format!("10.244.{t}.{p}"), format!("fd00:244::{t:x}:{p:x}")] {
                let ip: IpAddr = ip.parse().expect("an address");
                let endpoint = Endpoint::pod(&format!("{tenant}/{name}"), ip, namespace, namespace_labels, labels);
                all.push((End { who: who.clone(), ip }, endpoint));
            }
        }
    }
    let hosts = HOSTS.map(|host| host.parse::<IpAddr>().expect("an address"));
    all.extend(hosts.map(|ip| (End { who: Who::Outside, ip }, Endpoint::outside("host", ip))));
    all
}

fn seed() -> u64 {
    std::env::var("CLOUDFARM_SEED").map_or(0, |seed| seed.parse().expect("CLOUDFARM_SEED is a number"))
}

/// How many flows were asked about in one world, and how many are open; evaluator and cyclonus agree on all of them.
fn right(seed: u64, number: usize) -> (usize, usize) {
    let world = World::make(seed, number);
    let wrong = world.wrong(&world.policies);
    let told: Vec<_> = wrong.iter().take(20).map(String::as_str).collect();
    assert!(wrong.is_empty(), "CLOUDFARM_SEED={seed}, world {number}, {} differ:\n{}", wrong.len(), told.join("\n"));
    let leak = world.across.iter().find(|place| world.expected[**place]);
    assert!(leak.is_none(), "CLOUDFARM_SEED={seed}: two tenants reach each other, by declaration");
    (world.flows.len(), world.expected.iter().filter(|open| **open).count())
}

#[test]
fn hundreds_of_random_tenants_are_open_exactly_where_their_manifests_say() {
    let seed = seed();
    let asked: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..WORLDS).map(|number| scope.spawn(move || right(seed, number))).collect();
        worlds.into_iter().map(|world| world.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let (flows, open) = asked.into_iter().fold((0, 0), |sum, world| (sum.0 + world.0, sum.1 + world.1));
    println!("seed {seed}: {} tenants, {flows} flows, {open} open, 0 differences", TENANTS * WORLDS);
    assert!(open * 40 > flows, "CLOUDFARM_SEED={seed}: only {open} of {flows} flows are open, which tests little");
}

/// A sample that misses a damage would miss a mistake of the builders.
#[test]
fn random_tenants_notice_what_the_tables_notice() {
    let world = World::make(seed(), 0);
    for field in ["except", "endPort", "ports"] {
        let mut policies = world.policies.clone();
        for policy in &mut policies {
            forget(policy, field);
        }
        assert!(!world.wrong(&policies).is_empty(), "nobody notices that {field} is forgotten everywhere");
    }
}
