//! One VLAN id, one network, over all tenants.

use serde_json::{Value, json};

use super::bed::{bed, leases, released, released_at, says, there, vlan};
use crate::support::audit::Mark;
use crate::support::eventually;
use crate::support::world::{apply, message, namespace, networks, tenant};

const TENANTS: usize = 5;

fn name(number: usize) -> String {
    format!("race{number}")
}

/// `Status/Reason` of VLANAllocated, per tenant.
async fn allocated(client: &kube::Client) -> Vec<String> {
    let mut said = Vec::new();
    for number in 0..TENANTS {
        let found = networks(client, &name(number)).get_opt("outside").await.expect("an answer");
        let value = serde_json::to_value(found).expect("JSON");
        let conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let of = conditions.into_iter().find(|condition| condition["type"] == "VLANAllocated").unwrap_or(Value::Null);
        said.push(format!(
            "{}/{}",
            of["status"].as_str().unwrap_or_default(),
            of["reason"].as_str().unwrap_or_default()
        ));
    }
    said
}

async fn until(client: &kube::Client, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    eventually(what, || async {
        let said = allocated(client).await;
        wanted(&said).then_some(said)
    })
    .await
}

#[tokio::test]
async fn of_many_networks_that_ask_for_one_id_one_gets_it_and_another_only_after_release_and_quarantine() {
    let (plane, client) = bed().await;
    let homes = (0..TENANTS).flat_map(|number| [namespace(&name(number)), tenant(&name(number), json!({}))]);
    apply(plane, &homes.collect::<Vec<_>>());
    let mark = Mark::now(plane);
    let all: Vec<Value> = (0..TENANTS).map(|number| vlan(&name(number), "outside", 400, json!({}))).collect();
    apply(plane, &all);
    let one_has_it = |said: &[String]| {
        said.iter().filter(|said| said.starts_with("True/")).count() == 1
            && said.iter().filter(|said| *said == "False/VLANTaken").count() == TENANTS - 1
    };
    let said = until(&client, "one of them to have the id, and the others to say so", one_has_it).await;
    let winner = said.iter().position(|said| said.starts_with("True/")).expect("a winner");
    let holder = says(&networks(&client, &name(winner)), "outside", "VLANAllocated", "another network").await;
    assert!(!message(&holder, "VLANAllocated").contains("race"), "{holder:#}");
    let lease = there(&leases(&client), "vlan-physnet1-400").await;
    assert_eq!(lease.data["spec"]["holderIdentity"], format!("{}/outside", name(winner)));

    // Many may ask; the API server has let one of them write, and nobody over it.
    let calls = mark.calls(plane).await;
    let written = calls.iter().filter(|call| call.name == "vlan-physnet1-400" && call.writes() && call.code < 300);
    assert_eq!(written.count(), 1, "{calls:#?}");

    // It is given back and quarantined: nobody has it.
    plane.kubectl(&["delete", "tenantnetwork", "outside", "-n", &format!("cf-{}", name(winner))], None);
    released(&client, "vlan-physnet1-400").await;
    until(&client, "the others to wait out the quarantine", |said| {
        said.iter().filter(|said| *said == "False/VLANQuarantined").count() == TENANTS - 1
    })
    .await;

    // Eight days later exactly one of the others has it, by the same Lease.
    let then = "cloudfarm.dev/released-at=2026-01-01T00:00:00Z";
    plane.kubectl(&["annotate", "lease", "vlan-physnet1-400", "-n", "cloudfarm-system", "--overwrite", then], None);
    let said = until(&client, "one of the others to have it", |said| {
        said.iter().filter(|said| said.starts_with("True/")).count() == 1
            && said.iter().filter(|said| *said == "False/VLANTaken").count() == TENANTS - 2
    })
    .await;
    let next = said.iter().position(|said| said.starts_with("True/")).expect("a winner");
    let after = there(&leases(&client), "vlan-physnet1-400").await;
    assert_ne!(next, winner);
    assert_eq!(after.metadata.uid, lease.metadata.uid);
    assert_eq!(after.data["spec"]["holderIdentity"], format!("{}/outside", name(next)));
}

#[tokio::test]
async fn a_network_that_is_declared_again_has_its_id_back_at_once() {
    let (plane, client) = bed().await;
    let outside = || vlan("back", "outside", 401, json!({}));
    apply(plane, &[namespace("back"), tenant("back", json!({})), outside()]);
    says(&networks(&client, "back"), "outside", "VLANAllocated", "is this network's").await;
    plane.kubectl(&["delete", "tenantnetwork", "outside", "-n", "cf-back"], None);
    released(&client, "vlan-physnet1-401").await;
    apply(plane, &[outside()]);
    says(&networks(&client, "back"), "outside", "VLANAllocated", "is this network's").await;
    let lease = there(&leases(&client), "vlan-physnet1-401").await;
    assert_eq!(released_at(&lease), None);
}
