//! What NetworkPolicy cannot do, measured: ARCHITECTURE.md, "What NetworkPolicy cannot do", says what closes each.
//!
//! These tests hold what is written there to the truth. One that fails may be good news: then the text is wrong.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::Bed;
use super::cells::{Cell, judge};
use super::evaluator::Who;
use super::matrix::agree;
use super::places::{PORTS, Place};
use super::probing::Answer;
use super::support::node::{Node, enter};
use super::support::{eventually, world};

/// Every try from one place to another, in both protocols and families.
fn between(from: &Arc<Place>, to: &Arc<Place>, ports: &[u16]) -> Vec<Cell> {
    let mut all = Vec::new();
    for source in &from.addresses {
        for protocol in ["TCP", "UDP"] {
            all.extend(ports.iter().filter_map(|port| Cell::between(from, *source, to, protocol, *port)));
        }
    }
    all
}

fn open(cells: &[Cell]) -> usize {
    super::cells::observe(cells).iter().filter(|answer| matches!(answer, Answer::Open(_))).count()
}

#[test]
fn a_hole_of_networkpolicy_the_node_itself_reaches_every_vm_behind_its_wall() {
    super::in_turn(async |bed: &Bed| {
        let vms = bed.places.values().filter(|place| matches!(place.who, Who::Vm { .. }));
        let cells: Vec<Cell> = vms.flat_map(|vm| between(&bed.places["node"], vm, &PORTS)).collect();
        let open = open(&cells);
        println!("node -> VMs: {open} of {} open", cells.len());
        assert_eq!(open, cells.len());
    });
}

#[test]
fn a_hole_of_the_enforcer_a_vm_that_may_reach_nothing_reaches_the_range_of_node_ports_on_its_node() {
    super::in_turn(async |bed: &Bed| {
        let (vm, node) = (&bed.places["cf-acme/db-1"], &bed.places["node"]);
        let ports = [29_999, 30_000, 32_767, 32_768];
        node.serve(&ports);
        let reached: Vec<Vec<usize>> = ["TCP", "UDP"]
            .iter()
            .map(|protocol| {
                ports
                    .iter()
                    .map(|port| {
                        let cells = between(vm, node, &[*port]);
                        open(&cells.into_iter().filter(|cell| cell.protocol == *protocol).collect::<Vec<_>>())
                    })
                    .collect()
            })
            .collect();
        println!("closed VM -> node, ports {ports:?}: open {reached:?} of 2 families, TCP and UDP");
        assert_eq!(reached, [[0, 2, 2, 0], [0, 2, 2, 0]]);
    });
}

/// A connection that goes on: each word is sent back.
fn echo(server: &Place, port: u16) {
    let listener =
        enter(&server.network, || TcpListener::bind(SocketAddr::new(server.addresses[0], port)).expect("a port"));
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept()?;
        let mut word = [0; 4];
        while connection.read_exact(&mut word).is_ok() {
            connection.write_all(&word)?;
        }
        Ok::<(), std::io::Error>(())
    });
}

fn is_echoed(connection: &mut TcpStream, word: [u8; 4]) -> bool {
    let mut back = [0; 4];
    connection.write_all(&word).and_then(|()| connection.read_exact(&mut back)).is_ok() && back == word
}

#[test]
fn a_hole_of_networkpolicy_a_connection_that_is_open_survives_the_rule_that_let_it_in() {
    super::in_turn(async |bed: &Bed| {
        let (web, app) = (&bed.places["cf-acme/web-1"], &bed.places["cf-acme/app-1"]);
        echo(app, 8085);
        let address = SocketAddr::new(app.addresses[0], 8085);
        let mut connection = enter(&web.network, || TcpStream::connect(address).expect("open by a rule"));
        connection.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        assert!(is_echoed(&mut connection, *b"open"));

        let rules = json!([{"op": "remove", "path": "/spec/ingress/0"}]).to_string();
        let patch = ["patch", "tenantnetwork", "internal", "-n", "cf-acme", "--type=json", "-p", &rules];
        bed.node.plane.kubectl(&patch, None);
        let fresh = between(web, app, &[8080]);
        eventually("the rule to be gone", || async { agree(&fresh, false).then_some(()) }).await;
        let survived = (0..10).filter(|_| is_echoed(&mut connection, *b"shut")).count();
        println!("an open connection after its rule is gone: {survived} of 10 words answered, new ones refused");
        world::apply(&bed.node.plane, &bed.manifests);
        super::matrix::settled(bed).await;
        assert_eq!(survived, 10);
    });
}

/// Strict reverse-path filtering on the node, or none.
fn reverse_path_filter(node: &Node, value: u8) {
    node.command(&[
        "sh",
        "-euc",
        &format!("for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {value} > $each; done"),
    ]);
}

/// Adds or deletes addresses that are somebody else's.
fn hold(thief: &Place, verb: &str, stolen: &[IpAddr]) {
    for address in stolen {
        let mut ip = std::process::Command::new("ip");
        ip.args(["address", verb, &format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }), "dev", "lo"]);
        assert!(enter(&thief.network, || ip.status()).expect("it starts").success(), "ip address {verb} {address}");
    }
}

/// Does a datagram arrive that a thief sends with somebody else's address?
fn arrives(thief: &Place, stolen: IpAddr, victim: &Place, port: u16) -> bool {
    let to = SocketAddr::new(victim.address(stolen).expect("an address"), port);
    let inbox = enter(&victim.network, || UdpSocket::bind(to).expect("a port"));
    inbox.set_read_timeout(Some(Duration::from_millis(700))).expect("a timeout");
    enter(&thief.network, || {
        let socket = UdpSocket::bind(SocketAddr::new(stolen, 0)).expect("the stolen address");
        socket.send_to(b"trust me", to).expect("sent");
    });
    let mut text = [0; 16];
    inbox.recv_from(&mut text).is_ok_and(|(_, from)| from.ip() == stolen)
}

#[test]
fn a_hole_of_networkpolicy_a_stolen_address_is_believed_unless_the_node_filters_reverse_paths() {
    super::in_turn(async |bed: &Bed| {
        let [thief, member, victim] =
            ["cf-initech/web-1", "cf-globex/app-1", "cf-globex/web-1"].map(|name| &bed.places[name]);
        assert!(agree(&between(thief, victim, &[8089]), false), "the thief's own address is refused");
        hold(thief, "add", &member.addresses);
        let [four, six] = [member.addresses[0], member.addresses[1]];
        let strict = arrives(thief, four, victim, 6661);
        let strict_six = arrives(thief, six, victim, 6662);
        reverse_path_filter(&bed.node, 0);
        let loose = arrives(thief, four, victim, 6663);
        reverse_path_filter(&bed.node, 1);
        hold(thief, "del", &member.addresses);
        println!("stolen source: IPv4 rp_filter=1 {strict}, rp_filter=0 {loose}; IPv6 (has no rp_filter) {strict_six}");
        assert_eq!((strict, loose, strict_six), (false, true, true));
    });
}

#[test]
fn a_hole_of_the_enforcer_a_whole_ipv6_world_with_exceptions_has_none_and_2000_3_keeps_them() {
    super::in_turn(async |bed: &Bed| {
        let home = "whole-world";
        world::apply(&bed.node.plane, &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}})]);
        let policy = |world: &str| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "world", "namespace": home},
                "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [
                    {"ipBlock": {"cidr": world, "except": if world == "::/0" { json!(["fc00::/7"]) } else { Value::Null }}},
                ]}]},
            })
        };
        let pod = bed.pod(home, "pod", Who::Outside, &json!({})).await;
        let six = |cell: &Cell| cell.target.is_ipv6();
        let impostor = &bed.places["nobodys/impostor"];
        let cells: Vec<Cell> = between(&pod, impostor, &[8080]).into_iter().filter(six).collect();
        let outside: Vec<Cell> = between(&pod, &bed.places["office"], &[8080]).into_iter().filter(six).collect();

        world::apply(&bed.node.plane, &[policy("2000::/3")]);
        eventually("2000::/3 to be enforced", || async {
            (agree(&cells, false) && agree(&outside, true)).then_some(())
        })
        .await;
        world::apply(&bed.node.plane, &[policy("::/0")]);
        assert_eq!(judge(bed, &cells), [false, false], "by the API's words pods are excepted");
        eventually("the exception to be lost", || async { agree(&cells, true).then_some(()) }).await;
        bed.node.plane.kubectl(&["delete", "namespace", home, "--wait=false"], None);
        super::ends::stop_when_told(bed, &pod).await;
    });
}
