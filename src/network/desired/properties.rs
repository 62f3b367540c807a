//! What holds for the policy of every network, whatever its rules and the forbidden ranges are.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::desired;
use crate::network::observe::NetworkSnapshot;
use crate::network::sample::{crowded_net, dmz};

fn names(all: &'static [&'static str]) -> impl Strategy<Value = Value> {
    subsequence(all, 1..=all.len()).prop_map(|names| json!(names))
}

/// Who, in the way of one of the four kinds of peer.
fn peers() -> impl Strategy<Value = Value> {
    let nets = |size| prop::collection::vec(crowded_net().prop_map(|net| net.to_string()), size);
    prop_oneof![
        (nets(1..5), nets(0..4)).prop_map(|(cidrs, except)| json!({"cidrs": cidrs, "except": except})),
        names(&["dmz", "internal", "gone"]).prop_map(|networks| json!({"networks": networks})),
        names(&["web-1", "db-1", "gone"]).prop_map(|vms| json!({"vms": vms})),
        Just(json!({"world": true})),
    ]
}

/// Which ports; sometimes none, which the API server refuses and the builder must not read as all.
fn ports() -> impl Strategy<Value = Value> {
    let port = (select(vec!["TCP", "UDP", "SCTP"]), 1_u16..2000, prop::option::of(1_u16..4000))
        .prop_map(|(protocol, port, end)| json!({"protocol": protocol, "port": port, "endPort": end}));
    prop_oneof![
        1 => Just(json!({"allPorts": true})),
        4 => prop::collection::vec(port, 0..4).prop_map(|ports| json!({"ports": ports})),
    ]
}

fn rules(most: usize) -> impl Strategy<Value = Vec<Value>> {
    let rule = (peers(), ports()).prop_map(|(mut rule, ports)| {
        rule.as_object_mut().unwrap().extend(ports.as_object().unwrap().clone());
        rule
    });
    prop::collection::vec(rule, 0..=most).prop_map(|rules| named(rules, "rule"))
}

fn named(mut rules: Vec<Value>, prefix: &str) -> Vec<Value> {
    for (index, rule) in rules.iter_mut().enumerate() {
        rule["name"] = json!(format!("{prefix}-{index}"));
    }
    rules
}

fn snapshot(ingress: &[Value], egress: &[Value], forbidden: &[IpNet]) -> NetworkSnapshot {
    let mut snapshot = dmz(&json!({"ingress": ingress, "egress": egress}));
    let mut config = (*snapshot.config).clone();
    config.cluster.pods = forbidden.to_vec();
    snapshot.config = Arc::new(config);
    snapshot
}

fn policy(snapshot: &NetworkSnapshot) -> Value {
    desired(snapshot).desired.objects().next().unwrap().body["spec"].clone()
}

/// Somebody who may stand on the other side of a door.
#[derive(Debug)]
enum Somebody {
    At(IpAddr),
    OnNetwork(&'static str),
    Vm(&'static str),
}

fn somebody() -> impl Strategy<Value = Somebody> {
    prop_oneof![
        3 => crowded_net().prop_map(|net| Somebody::At(net.network())),
        1 => select(vec!["dmz", "internal", "gone"]).prop_map(Somebody::OnNetwork),
        1 => select(vec!["web-1", "db-1", "gone"]).prop_map(Somebody::Vm),
    ]
}

/// Does a policy open this port to somebody?
fn opens(policy: &Value, direction: &str, somebody: &Somebody, protocol: &str, port: u64) -> bool {
    let names = |peer: &Value| match somebody {
        Somebody::At(ip) => {
            let holds = |net: &Value| net.as_str().unwrap().parse::<IpNet>().unwrap().contains(ip);
            let block = &peer["ipBlock"];
            block.is_object() && holds(&block["cidr"]) && !block["except"].as_array().into_iter().flatten().any(holds)
        }
        Somebody::OnNetwork(name) => {
            peer["podSelector"]["matchLabels"][format!("network.cloudfarm.dev/{name}")] == "true"
        }
        Somebody::Vm(name) => peer["podSelector"]["matchLabels"]["cloudfarm.dev/vm"] == *name,
    };
    let peers =
        |rule: &Value| ["from", "to"].iter().any(|field| rule[field].as_array().into_iter().flatten().any(names));
    let rules = policy[direction].as_array().into_iter().flatten();
    rules.into_iter().any(|rule| peers(rule) && (rule["ports"].is_null() || lists(&rule["ports"], protocol, port)))
}

/// Does a rule, as it is written, allow it?
fn allows(rule: &Value, somebody: &Somebody, protocol: &str, port: u64) -> bool {
    let holds = |field: &str, what: &dyn Fn(&str) -> bool| {
        rule[field].as_array().into_iter().flatten().any(|item| what(item.as_str().unwrap()))
    };
    let names = match somebody {
        Somebody::At(ip) => {
            let inside = |net: &str| net.parse::<IpNet>().unwrap().contains(ip);
            rule["world"] == json!(true) || holds("cidrs", &inside) && !holds("except", &inside)
        }
        Somebody::OnNetwork(name) => holds("networks", &|network| network == *name),
        Somebody::Vm(name) => holds("vms", &|vm| vm == *name),
    };
    names && (rule["allPorts"] == json!(true) || lists(&rule["ports"], protocol, port))
}

fn lists(ports: &Value, protocol: &str, port: u64) -> bool {
    ports.as_array().into_iter().flatten().any(|listed| {
        let first = listed["port"].as_u64().unwrap();
        listed["protocol"] == protocol && (first..=listed["endPort"].as_u64().unwrap_or(first)).contains(&port)
    })
}

/// Every rule of a policy with the name of its list of peers.
fn openings(policy: &Value) -> Vec<(&'static str, Value)> {
    let of = |direction: &str, peers| {
        policy[direction].as_array().into_iter().flatten().map(move |rule| (peers, rule.clone())).collect::<Vec<_>>()
    };
    [of("ingress", "from"), of("egress", "to")].concat()
}

fn blocks(policy: &Value) -> Vec<(IpNet, Vec<IpNet>)> {
    let net = |value: &Value| value.as_str().unwrap().parse::<IpNet>().unwrap();
    openings(policy)
        .iter()
        .flat_map(|(peers, rule)| rule[peers].as_array().unwrap().clone())
        .filter(|peer| peer["ipBlock"].is_object())
        .map(|peer| {
            let except = peer["ipBlock"]["except"].as_array().into_iter().flatten().map(net).collect();
            (net(&peer["ipBlock"]["cidr"]), except)
        })
        .collect()
}

/// The same rules in the opposite order, with the opposite order in each list, under other names.
fn turned_round(rules: &[Value]) -> Vec<Value> {
    let mut rules: Vec<Value> = rules.iter().rev().cloned().collect();
    for list in rules.iter_mut().flat_map(|rule| rule.as_object_mut().unwrap().values_mut()) {
        if let Value::Array(items) = list {
            items.reverse();
        }
    }
    named(rules, "other")
}

proptest! {
    #[test]
    fn no_policy_admits_an_address_of_a_forbidden_range(
        ingress in rules(6), egress in rules(6), forbidden in prop::collection::vec(crowded_net(), 0..6),
    ) {
        let snapshot = snapshot(&ingress, &egress, &forbidden);
        for (cidr, except) in blocks(&policy(&snapshot)) {
            for range in snapshot.config.cluster.forbidden() {
                // Two networks lie in one another or apart, so the first address of the smaller one tells.
                for address in [range.network(), cidr.network()] {
                    let admitted = cidr.contains(&address) && !except.iter().any(|hole| hole.contains(&address));
                    prop_assert!(!(admitted && range.contains(&address)), "{address} of {range} by {cidr} {except:?}");
                }
            }
        }
    }

    #[test]
    fn every_list_says_something_and_every_exception_lies_strictly_inside(
        ingress in rules(6), egress in rules(6), forbidden in prop::collection::vec(crowded_net(), 0..6),
    ) {
        let policy = policy(&snapshot(&ingress, &egress, &forbidden));
        for (peers, rule) in openings(&policy) {
            prop_assert!(rule[peers].as_array().is_some_and(|peers| !peers.is_empty()), "{rule} is open to everybody");
            prop_assert!(rule["ports"].as_array().is_none_or(|ports| !ports.is_empty()), "{rule} is open on every port");
            for peer in rule[peers].as_array().unwrap() {
                let kinds: Vec<&String> = peer.as_object().unwrap().keys().collect();
                prop_assert!(kinds == ["ipBlock"] || kinds == ["podSelector"], "{peer} leaves the namespace");
                prop_assert!(peer["podSelector"] != json!({}), "{peer} is every pod");
            }
        }
        for (cidr, except) in blocks(&policy) {
            prop_assert!(except.iter().all(|hole| cidr.contains(hole) && cidr != *hole), "{cidr} {except:?}");
            prop_assert!(matches!(cidr, IpNet::V4(_)) || cidr.prefix_len() >= 3, "{cidr} cannot be split");
        }
    }

    #[test]
    fn no_policy_is_wider_than_its_manifest(
        ingress in rules(5), egress in rules(5), forbidden in prop::collection::vec(crowded_net(), 0..3),
        somebody in somebody(), protocol in select(vec!["TCP", "UDP", "SCTP"]), port in 1_u64..2500,
    ) {
        let policy = policy(&snapshot(&ingress, &egress, &forbidden));
        for (direction, written) in [("ingress", &ingress), ("egress", &egress)] {
            let allowed = written.iter().any(|rule| allows(rule, &somebody, protocol, port));
            let opened = opens(&policy, direction, &somebody, protocol, port);
            prop_assert!(!opened || allowed, "{direction}: {somebody:?} {protocol} {port} by {policy}");
        }
    }

    #[test]
    fn taking_a_rule_away_opens_nothing(
        ingress in rules(6), egress in rules(6), forbidden in prop::collection::vec(crowded_net(), 0..4),
        which in any::<prop::sample::Index>(),
    ) {
        let all = openings(&policy(&snapshot(&ingress, &egress, &forbidden)));
        let without = |rules: &[Value], place: usize| {
            rules.iter().enumerate().filter(|(index, _)| *index != place).map(|(_, rule)| rule.clone()).collect::<Vec<_>>()
        };
        let place = which.index(ingress.len() + egress.len() + 1);
        let fewer = (without(&ingress, place), without(&egress, place.wrapping_sub(ingress.len())));
        for opening in openings(&policy(&snapshot(&fewer.0, &fewer.1, &forbidden))) {
            prop_assert!(all.contains(&opening), "{opening:?} is not in {all:?}");
        }
    }

    #[test]
    fn a_policy_selects_its_own_network_in_its_own_namespace_and_nobody_else(ingress in rules(4), egress in rules(4)) {
        let plan = desired(&snapshot(&ingress, &egress, &[]));
        let bodies: Vec<Value> = plan.desired.objects().map(|object| object.body.clone()).collect();
        prop_assert_eq!(bodies.len(), 1);
        prop_assert_eq!(&bodies[0]["metadata"]["namespace"], "cf-acme");
        let own = json!({"matchLabels": {"network.cloudfarm.dev/dmz": "true"}});
        prop_assert_eq!(&bodies[0]["spec"]["podSelector"], &own);
    }

    #[test]
    fn every_port_is_opened_by_words_only(ingress in rules(6)) {
        let policy = policy(&snapshot(&ingress, &[], &[]));
        let all = openings(&policy).iter().any(|(_, rule)| rule["ports"].is_null());
        prop_assert!(!all || ingress.iter().any(|rule| rule["allPorts"] == json!(true)), "{policy}");
    }

    #[test]
    fn no_address_is_opened_that_no_rule_names(ingress in rules(4), egress in rules(4)) {
        let written: BTreeSet<IpNet> = ingress.iter().chain(&egress).flat_map(|rule| {
            let world = (rule["world"] == json!(true)).then_some(["0.0.0.0/0", "::/0"]).into_iter().flatten();
            let cidrs = rule["cidrs"].as_array().into_iter().flatten().filter_map(Value::as_str);
            world.chain(cidrs).map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>()
        }).collect();
        for (cidr, _) in blocks(&policy(&snapshot(&ingress, &egress, &[]))) {
            prop_assert!(written.iter().any(|net| net.contains(&cidr)), "{cidr} is in no rule");
        }
    }

    #[test]
    fn neither_order_nor_names_are_in_the_policy(
        ingress in rules(6), egress in rules(6), forbidden in prop::collection::vec(crowded_net(), 0..4),
    ) {
        let one = policy(&snapshot(&ingress, &egress, &forbidden));
        let other = policy(&snapshot(&turned_round(&ingress), &turned_round(&egress), &forbidden));
        prop_assert_eq!(one, other);
    }
}

#[test]
fn a_hundred_different_rules_are_a_hundred_doors_in_one_policy() {
    let rule =
        |n: u32| json!({"name": format!("r-{n}"), "cidrs": [format!("10.0.{n}.0/24")], "ports": [{"port": n + 1}]});
    let rules: Vec<Value> = (0..100).map(rule).collect();
    let policy = policy(&snapshot(&rules, &rules, &[]));
    assert_eq!(openings(&policy).len(), 200);
}
