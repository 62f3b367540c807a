//! Crash proof: every write of every story is broken in every way, and the end is always the same.
//!
//! For each story the clean run tells how many writes there are and what stands at the end. Then each write is broken
//! in two ways: its answer is lost; or the process dies, before it or after it by turns (to die after one and before the
//! next is nearly the same), and a new one starts. Afterwards the world must be the clean run's world, object
//! for object, and no object may have been created or deleted more often than in the clean run (I11).
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use cloudfarm::operator::clock::Clock;
use kube::Client;
use serde_json::{Value, json};
use support::audit::{Mark, births_and_deaths};
use support::faults::{Break, Faults};
use support::operator::{Operator, config};
use support::plane::Plane;
use support::world::{self, apply, condition, end_state, machine, network, tenant};

/// What is there before, what a person then applies, and how to tell that it is done.
struct Story {
    before: fn(&str) -> Vec<Value>,
    change: fn(&str) -> Vec<Value>,
    /// Name of a VM that must be gone at the end.
    gone: Option<&'static str>,
}

mod whatever_write_breaks_in_whatever_way_the_end_is_that_of_the_clean_run_when {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_tenant_with_two_networks_and_two_vms_is_created() {
        let story = Story { before: |_| Vec::new(), change: whole, gone: None };
        proven("created", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_contracted_capacity_grows() {
        let story = Story {
            before: whole,
            change: |name| vec![two_machines(name, json!({"contract": {"capacity": {"vcpus": 12, "memory": "64Gi"}}}))],
            gone: None,
        };
        proven("grown", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rule_is_renamed_and_another_port_is_opened() {
        let story = Story { before: whole, change: |name| vec![front(name, "web", 8443)], gone: None };
        proven("edited", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_vm_is_removed() {
        let story = Story {
            before: whole,
            change: |name| vec![tenant(name, json!({"virtualMachines": [machine("one", &["front"])]}))],
            gone: Some("two"),
        };
        proven("removed", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_vm_is_exposed_and_a_certificate_asked_for() {
        let story = Story { before: whole, change: |name| vec![outside(name)], gone: None };
        proven("exposed", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_vm_is_exposed_no_longer() {
        let story = Story {
            before: |name| whole(name).into_iter().chain([outside(name)]).collect(),
            change: |name| vec![front(name, "https", 443)],
            gone: None,
        };
        proven("hidden", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_contract_gets_its_end_date() {
        let story = Story {
            before: whole,
            change: |name| vec![two_machines(name, json!({"contract": {"endDate": "2099-06-30"}}))],
            gone: None,
        };
        proven("ended", &story).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_network_takes_a_vlan_id_and_is_made_by_ovn_kubernetes() {
        let story = Story {
            before: whole,
            change: |name| {
                // A physical network of its own, so that no run finds the id of another taken.
                let vlan = json!({"id": 120, "physicalNetwork": name});
                vec![network(name, "outside", json!({"type": "VLAN", "vlan": vlan}))]
            },
            gone: None,
        };
        proven("tagged", &story).await;
    }
}

fn whole(name: &str) -> Vec<Value> {
    vec![
        world::namespace(name),
        two_machines(name, json!({})),
        front(name, "https", 443),
        network(name, "back", json!({"intraNetwork": "Allow"})),
    ]
}

fn two_machines(name: &str, more: Value) -> Value {
    let machines = json!({"virtualMachines": [machine("one", &["front"]), machine("two", &["front", "back"])]});
    let mut manifest = tenant(name, machines);
    world::merge(&mut manifest["spec"], more);
    manifest
}

fn front(name: &str, rule: &str, port: u16) -> Value {
    network(
        name,
        "front",
        json!({"ingress": [{"name": rule, "cidrs": ["198.51.100.0/24"], "ports": [{"port": port}]}]}),
    )
}

fn outside(name: &str) -> Value {
    let mut front = front(name, "https", 443);
    let issuer = json!({"kind": "ClusterIssuer", "name": "provider"});
    front["spec"]["expose"] = json!([{"vm": "one", "port": 443}]);
    front["spec"]["tls"] = json!({"mode": "Terminate", "hosts": ["www.acme.example"], "issuerRef": issuer});
    front
}

/// Without a write for so long, an operator is done.
const REST: std::time::Duration = std::time::Duration::from_millis(500);

/// Stories at once: each has a control plane of its own, and more of them than cores only wait for each other.
static TURNS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// Tenant of the run in which nothing breaks.
const CLEAN: &str = "story-clean";

/// Breaks every write of a story in every way, on a plane of its own: operators look at every tenant that there is.
async fn proven(name: &str, story: &Story) {
    let _turn = TURNS.acquire().await.expect("never closed");
    let plane = Plane::start(&format!("crash-{name}"), None);
    plane.install("ovn");
    let client = plane.admin().await;
    prepare(&plane, &client, story, &[CLEAN.into()]).await;
    let clean = run(&plane, &client, story, CLEAN, None, None).await;
    assert!(clean.writes > 0, "the clean run writes nothing");

    let faults: Vec<_> = (1..=clean.writes)
        .flat_map(|write| {
            let dies = if write % 2 == 1 { ("b", Break::CrashBefore) } else { ("a", Break::CrashAfter) };
            [dies, ("l", Break::LostAnswer)].map(|(letter, how)| (format!("story-{letter}{write}"), write, how))
        })
        .collect();
    let tenants: Vec<String> = faults.iter().map(|(tenant, ..)| tenant.clone()).collect();
    prepare(&plane, &client, story, &tenants).await;
    for (tenant, write, how) in faults {
        let broken = run(&plane, &client, story, &tenant, Some((write, how)), Some(&clean.state)).await;
        let what = format!("write {write} of {} breaks by {how:?}", clean.writes);
        pretty_equal(&broken.state, &clean.state, &what);
        no_more_often(&broken.births_and_deaths, &clean.births_and_deaths, &what);
    }
    println!("{} writes, each broken in 2 ways", clean.writes);
}

/// Makes what a story begins with, for so many tenants at once.
async fn prepare(plane: &Plane, client: &Client, story: &Story, tenants: &[String]) {
    let before: Vec<Value> = tenants.iter().flat_map(|name| (story.before)(name)).collect();
    if before.is_empty() {
        return;
    }
    let operator = Operator::start(plane).await;
    apply(plane, &before);
    for name in tenants {
        settled(client, name, &(story.before)(name), None).await;
    }
    // Else the first run is the one that writes its last words.
    operator.rest(REST).await;
    operator.stop().await;
}

type State = std::collections::BTreeMap<String, Value>;

struct Run {
    writes: usize,
    state: State,
    births_and_deaths: std::collections::BTreeMap<String, (usize, usize)>,
}

async fn run(
    plane: &Plane,
    client: &Client,
    story: &Story,
    name: &str,
    fault: Option<(usize, Break)>,
    wanted: Option<&State>,
) -> Run {
    let mark = Mark::now(plane);
    let change = (story.change)(name);
    let faults = fault.map_or_else(Faults::default, |(write, how)| Faults::at(write, how));
    let mut operator = Operator::start_with(plane, faults.clone(), config(), Clock::default()).await;
    apply(plane, &change);
    let everything: Vec<Value> = (story.before)(name).into_iter().chain(change).collect();
    // The future runs on after a crash: whoever waits does not know that the process was another one.
    let rest = async {
        settled(client, name, &everything, story.gone).await;
        come_to_rest(client, name, wanted).await
    };
    tokio::pin!(rest);
    let state = tokio::select! {
        state = &mut rest => state,
        () = faults.crashed.notified() => {
            operator.kill().await;
            operator = Operator::start(plane).await;
            rest.await
        }
    };
    operator.rest(REST).await;
    operator.stop().await;
    Run {
        writes: faults.writes(),
        state,
        births_and_deaths: births_and_deaths(&own(mark.calls(plane).await, name), name),
    }
}

/// The world once it is as wanted, or, without a wish, once it no longer changes; after two minutes as it is then.
async fn come_to_rest(client: &Client, name: &str, wanted: Option<&State>) -> State {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(2);
    let mut last = end_state(client, name).await;
    loop {
        let done = if let Some(wanted) = wanted {
            last == *wanted
        } else {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            end_state(client, name).await == last
        };
        if done || tokio::time::Instant::now() > deadline {
            return last;
        }
        // Each look is thirty requests, which the operator has to wait behind.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        last = end_state(client, name).await;
    }
}

/// Calls about this tenant; an operator that restarts may look at others, too, and must not write there.
fn own(calls: Vec<support::audit::Call>, name: &str) -> Vec<support::audit::Call> {
    let strangers: Vec<_> = calls.iter().filter(|call| call.writes() && !mentions(call, name)).collect();
    assert!(strangers.is_empty(), "{name}: other tenants were written to: {strangers:?}");
    calls
}

fn mentions(call: &support::audit::Call, name: &str) -> bool {
    let homes = [
        format!("cf-{name}"),
        format!("cfd-{name}"),
        format!("cf-purge-{name}"),
        format!("cf-{name}.outside"),
        format!("vlan-{name}-120"),
        name.to_owned(),
    ];
    homes.contains(&call.namespace) || homes.contains(&call.name)
}

/// Waits until everything that was declared says that it is done.
async fn settled(client: &Client, name: &str, declared: &[Value], gone: Option<&str>) {
    condition(&world::tenants(client), name, "Ready", "True").await;
    let networks = declared.iter().filter(|manifest| manifest["kind"] == "TenantNetwork");
    // What is declared anew counts in its last words alone.
    let last: std::collections::BTreeMap<&str, &Value> =
        networks.map(|manifest| (manifest["metadata"]["name"].as_str().unwrap_or_default(), manifest)).collect();
    for (network, manifest) in last {
        // Nobody gives addresses or certificates here.
        let done = if manifest["spec"]["expose"].is_array() { "RulesAccepted" } else { "Ready" };
        condition(&world::networks(client, name), network, done, "True").await;
    }
    let retention = condition(&world::retentions(client), name, "Ready", "True").await;
    let ends = declared.iter().any(|manifest| manifest["spec"]["contract"]["endDate"].is_string());
    if ends && retention["status"]["contractEndsAt"].is_null() {
        support::eventually("the Retention to see the end date", || async {
            let retention = world::retentions(client).get(name).await.ok()?;
            let value = serde_json::to_value(retention).ok()?;
            value["status"]["contractEndsAt"].is_string().then_some(())
        })
        .await;
    }
    if let Some(vm) = gone {
        support::eventually("the VM to be gone", || async {
            world::machines(client, name).get_opt(vm).await.ok()?.is_none().then_some(())
        })
        .await;
    }
}

/// The audit log may lack the birth of an object whose request died with the process, never a second birth or a death.
fn no_more_often(
    found: &std::collections::BTreeMap<String, (usize, usize)>,
    clean: &std::collections::BTreeMap<String, (usize, usize)>,
    what: &str,
) {
    for (object, (births, deaths)) in found {
        let (most_births, most_deaths) = clean.get(object).copied().unwrap_or_default();
        assert!(*births <= most_births, "{what}: {object} was created {births} times");
        assert!(*deaths <= most_deaths, "{what}: {object} was deleted {deaths} times");
    }
}

fn pretty_equal(
    found: &std::collections::BTreeMap<String, Value>,
    wanted: &std::collections::BTreeMap<String, Value>,
    what: &str,
) {
    for key in found.keys().chain(wanted.keys()) {
        let (found, wanted) = (found.get(key), wanted.get(key));
        assert!(found == wanted, "{what}\n{key} differs\nfound:  {found:#?}\nwanted: {wanted:#?}");
    }
}
