//! The matrix while something happens: what is closed before and after stays closed on the way.

use std::sync::Arc;
use std::time::Instant;

use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::bed::Bed;
use super::cells::{Cell, cells};
use super::evaluator::{Declared, Who};
use super::matrix::{agree, all, as_declared, settled};
use super::places::Place;
use super::sampling::{Sampled, Sampler};
use super::support::{eventually, world};

/// The cells that are closed by each of these declarations.
fn closed(cells: Vec<Cell>, by: &[&Declared]) -> Vec<Cell> {
    cells.into_iter().filter(|cell| !by.iter().any(|declared| cell.expected(declared))).collect()
}

/// Samples every closed flow of the matrix while something happens.
async fn while_(bed: &Bed, act: impl AsyncFnOnce()) -> Sampled {
    let declared = bed.declared();
    let sampler = Sampler::start(bed, closed(all(bed), &[&declared])).await;
    act().await;
    sampler.end(&declared)
}

/// Nothing passed by us. Single packets may pass by the enforcer, whose way of writing its rules is not atomic; a policy of
/// ours that is too wide for a moment would let pass whole classes of flows.
pub fn nothing_passed(what: &str, sampled: &Sampled) {
    sampled.tell(what);
    let Sampled { tries, ours, enforcers } = sampled;
    assert!(ours.is_empty(), "{what}: {ours:?}");
    assert!(enforcers.len() * 1000 <= *tries, "{what}: too many to be the enforcer's: {enforcers:?}");
}

/// The declared networks with one of them changed.
fn with(bed: &Bed, network: &str, change: &Value) -> (Declared, Value) {
    let mut manifests = bed.manifests.clone();
    let place = |each: &&mut Value| {
        let metadata = &each["metadata"];
        format!(
            "{}/{}",
            metadata["namespace"].as_str().unwrap_or_default(),
            metadata["name"].as_str().unwrap_or_default()
        ) == network
    };
    let changed = manifests.iter_mut().find(place).expect("a declared network");
    world::merge(&mut changed["spec"], change.clone());
    let changed = changed.clone();
    (Declared::read(&manifests, &super::bed::config()), changed)
}

#[test]
fn nothing_that_stays_closed_opens_while_a_rule_is_edited() {
    super::in_turn(async |bed: &Bed| {
        let wider = json!({"ingress": [{"name": "partner", "cidrs": ["198.51.100.0/24", "2001:db8:2::/64"], "allPorts": true}]});
        let (after, changed) = with(bed, "cf-acme/data", &wider);
        let (before, original) = with(bed, "cf-acme/data", &json!({}));
        let sampler = Sampler::start(bed, closed(all(bed), &[&before, &after])).await;
        world::apply(&bed.node.plane, &[changed]);
        let opened: Vec<Cell> =
            all(bed).into_iter().filter(|cell| cell.expected(&after) && !cell.expected(&before)).collect();
        assert!(!opened.is_empty());
        eventually("the new rule to be in force", || async { agree(&opened, true).then_some(()) }).await;
        world::apply(&bed.node.plane, &[original]);
        eventually("the rule to be gone", || async { agree(&opened, false).then_some(()) }).await;
        nothing_passed("a rule made and taken back", &sampler.end(&before));
        settled(bed).await;
    });
}

#[test]
fn nothing_opens_while_the_operator_is_killed_and_another_one_starts() {
    super::in_turn(async |bed: &Bed| {
        let sampled = while_(bed, async || {
            let mut operator = bed.operator.lock().await;
            operator.as_ref().expect("an operator").signal("-KILL");
            drop(operator.take());
            *operator = Some(bed.new_operator().await);
        })
        .await;
        nothing_passed("the operator killed, and the next one started", &sampled);
    });
}

#[test]
fn a_wall_that_somebody_deletes_is_made_again_and_what_passed_meanwhile_is_counted() {
    super::in_turn(async |bed: &Bed| {
        let plane = &bed.node.plane;
        let uid = || {
            let get =
                ["get", "networkpolicy", "cloudfarm-default-deny", "-n", "cf-globex", "-o", "jsonpath={.metadata.uid}"];
            let (found, uid) = plane.try_kubectl(&get, None);
            found.then_some(uid)
        };
        let first = uid().expect("a wall");
        let sampled = while_(bed, async || {
            plane.kubectl(&["delete", "networkpolicy", "cloudfarm-default-deny", "-n", "cf-globex"], None);
            let deleted = Instant::now();
            eventually("the wall to be made again", || async { uid().filter(|uid| *uid != first) }).await;
            println!("wall deleted by hand -> seen again: {:.0?}", deleted.elapsed());
            settled(bed).await;
        })
        .await;
        sampled.tell("a wall deleted by hand");
        // VMs are selected by the policies of their networks besides; the wall alone stands around every other pod.
        let beyond: Vec<&String> = sampled.ours.iter().filter(|cell| !cell.contains("cf-globex/helper")).collect();
        assert!(beyond.is_empty(), "{beyond:?}");
    });
}

#[test]
fn a_deleted_network_leaves_its_vms_closed() {
    super::in_turn(async |bed: &Bed| {
        let plane = &bed.node.plane;
        let sampled = while_(bed, async || {
            plane.kubectl(&["delete", "tenantnetwork", "dmz", "-n", "cf-initech"], None);
            let of_vm: Vec<Cell> = all(bed).into_iter().filter(|cell| cell.from.name == "cf-initech/web-1").collect();
            let declared = bed.declared();
            let lost: Vec<Cell> = of_vm
                .into_iter()
                .filter(|cell| cell.expected(&declared) && !["resolver", "clock"].contains(&cell.to.name.as_str()))
                .collect();
            assert!(!lost.is_empty());
            eventually("the network's doors to close", || async { agree(&lost, false).then_some(()) }).await;
        })
        .await;
        nothing_passed("a network deleted under its VMs", &sampled);
        world::apply(plane, &bed.manifests);
        settled(bed).await;
    });
}

/// When an object was made, by the order in which the API server took all of them; it must not have been written again.
async fn made(api: Api<DynamicObject>, name: &str) -> u64 {
    let metadata = api.get(name).await.expect("an object").metadata;
    let writers = metadata.managed_fields.unwrap_or_default().len();
    assert_eq!((metadata.generation, writers), (Some(1), 1), "{name} was written again: its version tells less");
    metadata.resource_version.and_then(|version| version.parse().ok()).expect("a version")
}

#[test]
fn a_new_tenant_has_its_walls_before_its_first_vm_and_no_packet_passes_without_one() {
    super::in_turn(async |bed: &Bed| {
        let newcomer = [
            world::namespace("newcomer"),
            world::tenant("newcomer", json!({"virtualMachines": [world::machine("web-1", &["inner"])]})),
            world::network("newcomer", "inner", json!({})),
        ];
        let mut manifests = bed.manifests.clone();
        manifests.extend(newcomer.clone());
        let declared = Declared::read(&manifests, &super::bed::config());
        let who = Who::Vm { tenant: "newcomer".into(), name: "web-1".into() };
        let place = bed.network_for("cf-newcomer/web-1", who);
        world::apply(&bed.node.plane, &newcomer);
        bed.standing("newcomer", 1).await;
        let policies = world::resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies");
        let policies = Api::namespaced_with(bed.admin.clone(), "cf-newcomer", &policies);
        let wall = made(policies, "cloudfarm-default-deny").await;
        let machine = made(world::machines(&bed.admin, "newcomer"), "web-1").await;
        assert!(wall < machine, "the VM was made before its wall");

        let mut places: Vec<&Arc<Place>> = bed.places.values().collect();
        places.push(&place);
        let of_it = |cell: &Cell| cell.from.name == place.name || cell.to.name == place.name;
        let cells: Vec<Cell> = cells(&places).into_iter().filter(of_it).collect();
        let shut = closed(cells.clone(), &[&declared]);
        let labels = bed.labels_of("newcomer", "web-1").await;
        bed.create(&place, &labels).await;
        let mut sampler = Sampler::start(bed, shut).await;
        // Before its address is published it is a pod to nobody, and nobody would have it reached.
        sampler.forget();
        bed.publish(&place).await;
        let published = Instant::now();
        eventually("the enforcer to know the new pod", || async { as_declared(&cells, &declared).then_some(()) }).await;
        println!("address of a new pod published -> enforced in both families: {:.0?}", published.elapsed());
        let seen = sampler.end(&declared);
        seen.tell("a new tenant's VM");
        assert!(seen.ours.is_empty(), "{:?}", seen.ours);
    });
}

/// A policy without its exceptions, and with peers of every namespace.
fn damaged(policy: &Value) -> Value {
    let mut policy = policy.clone();
    let rules = policy["spec"]["ingress"].as_array_mut().expect("rules");
    for peer in rules.iter_mut().flat_map(|rule| rule["from"].as_array_mut().expect("peers")) {
        if let Some(block) = peer["ipBlock"].as_object_mut() {
            block.remove("except");
        } else {
            peer["namespaceSelector"] = json!({});
        }
    }
    policy
}

/// What the matrix is worth: without an operator somebody takes a wall away, forgets exceptions, and widens a selector.
#[test]
fn every_damage_shows_in_the_matrix_and_the_next_operator_mends_it() {
    super::in_turn(async |bed: &Bed| {
        let plane = &bed.node.plane;
        let mut operator = bed.operator.lock().await;
        operator.as_ref().expect("an operator").signal("-KILL");
        drop(operator.take());
        let policy = damaged(&bed.node.object("networkpolicy", "cf-acme", "network-internal"));
        plane.kubectl(&["replace", "-f", "-"], Some(&policy.to_string()));
        plane.kubectl(&["delete", "networkpolicy", "cloudfarm-default-deny", "-n", "cf-acme"], None);

        let opened = [
            ("excepted floor", "cf-acme/app-1", 5432),
            ("nobodys/impostor", "cf-acme/app-1", 8080),
            ("nobodys/impostor", "cf-acme/helper", 443),
        ];
        let is_opened = |cell: &Cell| {
            let flow = (cell.from.name.as_str(), cell.to.name.as_str(), cell.port);
            cell.protocol == "TCP" && opened.contains(&flow)
        };
        let cells: Vec<Cell> = all(bed).into_iter().filter(is_opened).collect();
        assert_eq!(cells.len(), 6, "three flows in two families");
        assert!(!cells.iter().any(|cell| cell.expected(&bed.declared())));
        eventually("the damage to be open", || async { agree(&cells, true).then_some(()) }).await;
        *operator = Some(bed.new_operator().await);
        settled(bed).await;
    });
}
