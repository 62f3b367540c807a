//! Where packets start and end: networks with addresses, and somebody who answers in them.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use super::evaluator::Who;
use super::support::node::{Node, enter};

/// What is listened on, in both protocols.
pub const PORTS: [u16; 7] = [53, 123, 443, 5432, 8080, 8089, 8090];

/// One network with at most one address of each family.
pub struct Place {
    /// `cf-acme/web-1`, or what it stands for outside.
    pub name: String,
    pub who: Who,
    pub addresses: Vec<IpAddr>,
    pub network: File,
    servers: Mutex<Vec<JoinHandle<()>>>,
    ended: AtomicBool,
}

impl Place {
    /// Makes networks like those of pods: a routed pair of interfaces, so that rules see every packet. In each of them
    /// every port is answered.
    pub fn make(node: &Node, plans: Vec<(String, Who, Vec<IpAddr>)>) -> Vec<Arc<Self>> {
        let scripts: Vec<String> =
            plans.iter().map(|(_, _, addresses)| plumbing(&short(addresses), addresses)).collect();
        node.command(&["sh", "-euc", &scripts.concat()]);
        plans
            .into_iter()
            .map(|(name, who, addresses)| {
                let network = node.named_network(&short(&addresses));
                let place = Self { who, ..Self::named(&name, network, addresses) };
                place.serve(&PORTS);
                Arc::new(place)
            })
            .collect()
    }

    /// Somebody without walls, who does not answer yet.
    pub fn named(name: &str, network: File, addresses: Vec<IpAddr>) -> Self {
        let (servers, ended) = (Mutex::default(), AtomicBool::new(false));
        Self { name: name.to_owned(), who: Who::Outside, addresses, network, servers, ended }
    }

    /// The node itself.
    pub fn of_the_node(node: &Node, addresses: Vec<IpAddr>) -> Arc<Self> {
        let place = Self::named("node", node.network(), addresses);
        place.serve(&PORTS);
        Arc::new(place)
    }

    /// Namespace and name of the pod.
    pub fn pod(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or_else(|| panic!("{} is no pod", self.name))
    }

    /// The address of this family.
    pub fn address(&self, like: IpAddr) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv4() == like.is_ipv4())
    }

    /// Answers on these ports with the place's name, the port, and who asked.
    pub fn serve(&self, ports: &[u16]) {
        let sockets = enter(&self.network, || {
            let addresses = self.addresses.iter().flat_map(|ip| ports.iter().map(|port| SocketAddr::new(*ip, *port)));
            addresses.map(bound).collect::<Vec<_>>()
        });
        let mut servers = self.servers.lock().expect("no panic while it was held");
        for (listener, socket) in sockets {
            let port = listener.local_addr().expect("an address").port();
            let told = format!("{} {port}", self.name);
            let listener = TcpListener::from_std(listener).expect("a runtime");
            let socket = UdpSocket::from_std(socket).expect("a runtime");
            servers.push(tokio::spawn(answer_connections(listener, told.clone())));
            servers.push(tokio::spawn(answer_datagrams(socket, told)));
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Ends the pod: nobody answers any more, and nobody asks ([`Self::has_ended`]).
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.servers.lock().expect("no panic while it was held").drain(..).for_each(|server| server.abort());
    }
}

/// Name of the network and of its interface on the node: the last part of its first address is its own.
fn short(addresses: &[IpAddr]) -> String {
    let text: String = addresses[0].to_string().chars().filter(char::is_ascii_digit).collect();
    format!("p{text}")
}

fn plumbing(name: &str, addresses: &[IpAddr]) -> String {
    let (mut inside, mut routes) = (String::new(), String::new());
    for address in addresses {
        let (length, gateway, more) =
            if address.is_ipv4() { (32, "169.254.1.1", "") } else { (128, "fe80::1", "nodad") };
        inside.extend([
            format!("address add {address}/{length} dev eth0 {more}\n"),
            format!("route add {gateway} dev eth0\nroute add default via {gateway} dev eth0\n"),
        ]);
        routes.push_str(&["ip route add ", &address.to_string(), " dev ", name, "\n"].concat());
    }
    format!(
        "ip netns add {name}\nip link add {name} type veth peer name eth0 netns {name}\nip link set {name} up\n\
         ip address add 169.254.1.1/32 dev {name}\nip address add fe80::1/64 dev {name} nodad\n\
         ip -n {name} -batch - <<END\nlink set lo up\nlink set eth0 up\n{inside}END\n{routes}"
    )
}

fn bound(address: SocketAddr) -> (std::net::TcpListener, std::net::UdpSocket) {
    let bound = || -> std::io::Result<_> {
        let listener = std::net::TcpListener::bind(address)?;
        let socket = std::net::UdpSocket::bind(address)?;
        listener.set_nonblocking(true)?;
        socket.set_nonblocking(true)?;
        Ok((listener, socket))
    };
    bound().unwrap_or_else(|error| panic!("listening on {address}: {error}"))
}

async fn answer_connections(listener: TcpListener, told: String) {
    loop {
        let Ok((connection, peer)) = listener.accept().await else { continue };
        // The text fits into the socket's buffer, so this does not wait; and who has gone again needs no answer.
        let text = format!("{told} {}", peer.ip());
        connection.into_std().and_then(|mut open| open.write_all(text.as_bytes())).ok();
    }
}

async fn answer_datagrams(socket: UdpSocket, told: String) {
    let mut question = [0; 16];
    loop {
        if let Ok((_, peer)) = socket.recv_from(&mut question).await {
            socket.send_to(format!("{told} {}", peer.ip()).as_bytes(), peer).await.ok();
        }
    }
}
