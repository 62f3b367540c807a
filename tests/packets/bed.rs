//! The bed: a control plane, the operator, a policy controller, and pods that the test plays.
//!
//! Everything lives in the network of a bare node (`tests/node/`). Pods stand where the launcher pods of VMs would, with
//! the labels that the operator wrote into the VirtualMachine; not one of these is written here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::evaluator::{Declared, Who};
use super::places::Place;
use super::support::node::{ADDRESS, Node};
use super::support::replica::Replica;
use super::support::{eventually, world};
use super::tenants;

/// The operator's config here, from the root of the checkout.
pub const CONFIG: &str = "tests/packets/config.yaml";

/// Where Services of type NodePort may listen on the node.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// The node's address of the other family.
pub const ADDRESS_6: &str = "fd00:99::1";

pub struct Bed {
    pub node: Node,
    pub runtime: tokio::runtime::Runtime,
    pub admin: Client,
    /// The running operator; tests kill it and start another.
    pub operator: Mutex<Option<Replica>>,
    /// Everybody in the matrix, by name.
    pub places: BTreeMap<String, Arc<Place>>,
    /// The API server by each of its addresses, with the port.
    pub api_servers: Vec<(Arc<Place>, u16)>,
    /// Where a Service leads to acme's web-1: its own address, and a port of the node.
    pub exposed: Vec<SocketAddr>,
    /// What was declared and stays so between tests.
    pub manifests: Vec<Value>,
    /// Number of the next pod.
    next: AtomicU8,
}

impl Bed {
    /// The one of this test binary, with the tenants of `tenants.rs` on it and before any policy is enforced.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Bed> = OnceLock::new();
        SHARED.get_or_init(|| {
            let node = Node::bare("packets");
            let runtime = node.within(|| {
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
            });
            let admin = node.within(|| runtime.block_on(node.plane.admin()));
            let mut bed = Self {
                node,
                runtime,
                admin,
                operator: Mutex::default(),
                places: BTreeMap::new(),
                api_servers: Vec::new(),
                exposed: Vec::new(),
                manifests: tenants::manifests(),
                next: AtomicU8::new(10),
            };
            let places = bed.within(async |bed| bed.furnish().await);
            bed.places = places.into_iter().map(|place| (place.name.clone(), place)).collect();
            bed.api_servers = bed.within(async |bed| bed.api_servers());
            bed.exposed = bed.within(async |bed| bed.expose(&bed.places["cf-acme/web-1"]));
            bed
        })
    }

    /// Does something in the node's network.
    pub fn within<'a, T: Send>(&'a self, act: impl AsyncFnOnce(&'a Self) -> T + Send) -> T {
        self.node.within(|| self.runtime.block_on(act(self)))
    }

    async fn furnish(&self) -> Vec<Arc<Place>> {
        let plane = &self.node.plane;
        plane.install_our_crds();
        plane.install_our_manifests();
        *self.operator.lock().await = Some(self.new_operator().await);
        world::apply(plane, &self.manifests);
        let mut places = outside(&self.node);
        for tenant in tenants::NAMES {
            self.standing(tenant, 3).await;
            places.extend(self.pods_of(tenant).await);
            let home = format!("cf-{tenant}");
            places.push(self.pod(&home, "helper", Who::Beside(tenant.into()), &json!({})).await);
        }
        let labels = self.labels_of("acme", "web-1").await;
        places.push(self.pod("cfd-acme", "reader", Who::Derived("acme".into()), &labels).await);
        world::apply(plane, &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nobodys"}})]);
        places.push(self.pod("nobodys", "impostor", Who::Outside, &labels).await);
        places
    }

    fn api_servers(&self) -> Vec<(Arc<Place>, u16)> {
        let slice = self.node.object("endpointslice", "default", "kubernetes");
        let port = slice["ports"][0]["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        // kube-router opens these to every pod (`holes.rs`); the walls of the API server would not be seen.
        assert!(!NODE_PORTS.contains(&port), "the API server listens on a node port: {port}");
        let place = |name: &str, address: &str| {
            Arc::new(Place::named(name, self.node.network(), vec![address.parse().expect("an address")]))
        };
        vec![(place("API server", ADDRESS), port), (place("Service kubernetes", "10.96.0.1"), 443)]
    }

    /// Makes a Service that leads to a pod, in a namespace of nobody's: a tenant's quota lets none in.
    fn expose(&self, place: &Place) -> Vec<SocketAddr> {
        let port = json!({"name": "https", "port": 443, "protocol": "TCP"});
        let mut outer = port.clone();
        outer["nodePort"] = json!(30_443);
        let labels = json!({"kubernetes.io/service-name": "web"});
        world::apply(
            &self.node.plane,
            &[
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "nobodys"},
                "spec": {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [outer]}}),
                json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": "web", "namespace": "nobodys", "labels": labels}, "ports": [port],
                "endpoints": [{"addresses": [place.addresses[0]], "nodeName": "node", "conditions": {"ready": true}}]}),
            ],
        );
        let service = self.node.object("service", "nobodys", "web");
        let own = service["spec"]["clusterIP"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
        vec![SocketAddr::new(own, 443), SocketAddr::new(ADDRESS.parse().expect("an address"), 30_443)]
    }

    /// Starts an operator, which leads when this returns.
    pub async fn new_operator(&self) -> Replica {
        let identity = format!("operator-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let operator = Replica::start_with(&self.node.plane, &identity, CONFIG);
        operator.leads().await;
        operator
    }

    /// Waits until the tenant has as many VMs, and every network its policy.
    pub async fn standing(&self, tenant: &str, vms: usize) {
        let machines = world::machines(&self.admin, tenant);
        eventually(&format!("{vms} VMs of {tenant}"), || async {
            (machines.list(&ListParams::default()).await.ok()?.items.len() == vms).then_some(())
        })
        .await;
        for network in world::networks(&self.admin, tenant).list(&ListParams::default()).await.expect("a list") {
            let name = network.metadata.name.expect("a name");
            world::condition(&world::networks(&self.admin, tenant), &name, "Ready", "True").await;
        }
    }

    /// A pod for each VM of the tenant.
    pub async fn pods_of(&self, tenant: &str) -> Vec<Arc<Place>> {
        let mut places = Vec::new();
        for machine in world::machines(&self.admin, tenant).list(&ListParams::default()).await.expect("a list") {
            let name = machine.metadata.name.expect("a name");
            let labels = self.labels_of(tenant, &name).await;
            let who = Who::Vm { tenant: tenant.into(), name: name.clone() };
            places.push(self.pod(&format!("cf-{tenant}"), &name, who, &labels).await);
        }
        places
    }

    /// The labels that KubeVirt would put on the launcher pod of a VM.
    pub async fn labels_of(&self, tenant: &str, vm: &str) -> Value {
        let machine = world::machines(&self.admin, tenant).get(vm).await.expect("a VM");
        let labels = machine.data["spec"]["template"]["metadata"]["labels"].clone();
        assert!(labels.is_object(), "{tenant}/{vm} has no labels");
        labels
    }

    /// A pod that runs, as a kubelet would say it, and answers in a network of its own.
    pub async fn pod(&self, namespace: &str, name: &str, who: Who, labels: &Value) -> Arc<Place> {
        let place = self.network_for(&format!("{namespace}/{name}"), who);
        self.create(&place, labels).await;
        self.publish(&place).await;
        place
    }

    /// The network of a pod that the API server does not know yet.
    pub fn network_for(&self, name: &str, who: Who) -> Arc<Place> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let addresses: Vec<IpAddr> = vec![
            Ipv4Addr::new(10, 244, 9, number).into(),
            Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number.into()).into(),
        ];
        Place::make(&self.node, vec![(name.to_owned(), who, addresses)]).remove(0)
    }

    /// Makes the Pod object of a place, which has no address yet.
    pub async fn create(&self, place: &Place, labels: &Value) {
        let (namespace, name) = place.pod();
        let pod = serde_json::from_value(pod(name, labels)).expect("a pod");
        let pods = self.api_of_pods(namespace);
        eventually(&format!("{namespace} to take pod {name}"), || async {
            match pods.create(&PostParams::default(), &pod).await {
                // The namespace's service account is made by somebody else, a moment later.
                Err(kube::Error::Api(status)) if status.message.contains("service account") => None,
                made => Some(made.unwrap_or_else(|error| panic!("pod {namespace}/{name}: {error}"))),
            }
        })
        .await;
    }

    /// Says that a pod runs, and where.
    pub async fn publish(&self, place: &Place) {
        let ips: Vec<Value> = place.addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let status = json!({"status": {
            "phase": "Running", "podIP": place.addresses[0], "podIPs": ips,
            "hostIP": ADDRESS, "hostIPs": [{"ip": ADDRESS}, {"ip": ADDRESS_6}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        let (namespace, name) = place.pod();
        let pods = self.api_of_pods(namespace);
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.expect("a status");
    }

    pub fn api_of_pods(&self, namespace: &str) -> Api<kube::api::DynamicObject> {
        Api::namespaced_with(self.admin.clone(), namespace, &world::resource("", "v1", "Pod", "pods"))
    }

    /// What tests begin with: an operator, and what was declared.
    pub async fn put_in_order(&self) {
        let mut operator = self.operator.lock().await;
        if operator.is_none() {
            *operator = Some(self.new_operator().await);
        }
        world::apply(&self.node.plane, &self.manifests);
    }

    /// Lets NetworkPolicies be enforced from now on.
    pub fn enforce(&self) {
        std::fs::write(self.node.plane.dir.join("enforce"), "").expect("a file");
    }

    /// What was declared, as the evaluator reads it.
    pub fn declared(&self) -> Declared {
        Declared::read(&self.manifests, &config())
    }

    /// Every object of a kind in the API server.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        let text = self.node.plane.kubectl(&["get", kind, "--all-namespaces", "-o", "json"], None);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

/// The operator's config as it is written.
pub fn config() -> Value {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIG);
    serde_saphyr::from_str(&std::fs::read_to_string(file).expect("the config")).expect("YAML")
}

/// Hosts that are no pods, and the node.
fn outside(node: &Node) -> Vec<Arc<Place>> {
    let hosts = [
        ("office", ["203.0.113.10", "2001:db8:1::10"]),
        ("excepted floor", ["203.0.113.70", "2001:db8:1::50"]),
        ("customer", ["198.51.100.5", "2001:db8:2::5"]),
        ("private partner", ["10.20.0.5", "fd12:3456::5"]),
        ("metadata", ["169.254.169.254", "fd00:ec2::254"]),
        ("resolver", ["192.0.2.53", "2001:db8:53::53"]),
        ("clock", ["192.0.2.123", "2001:db8:53::123"]),
    ];
    let parsed = |addresses: [&str; 2]| addresses.iter().map(|ip| ip.parse().expect("an address")).collect();
    let plans = hosts.into_iter().map(|(name, ips)| (name.to_owned(), Who::Outside, parsed(ips))).collect();
    let mut places = Place::make(node, plans);
    places.push(Place::of_the_node(node, parsed([ADDRESS, ADDRESS_6])));
    places
}

/// What `restricted` and a contract's quota let in.
fn pod(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {
        "nodeName": "node", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 107, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "compute", "image": "registry.invalid/launcher",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
        }],
    }})
}
