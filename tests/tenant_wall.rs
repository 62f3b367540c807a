//! The tenant's wall in the Admin tier, as an object on a real API server. Nothing here enforces it: what its rules mean is
//! judged beside the builder.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::audit::Mark;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, tenant};
use support::{eventually, operator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_outlives_the_last_vm_and_the_tenant_is_mended_and_belongs_to_whoever_declares_it_again() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    let (tenants, walls) = (world::tenants(&client), world::walls(&client));
    let bundle = |vms: Value| {
        [
            world::namespace("walled"),
            tenant("walled", json!({"virtualMachines": vms})),
            network("walled", "front", json!({})),
        ]
    };
    apply(plane, &bundle(json!([machine("one", &["front"])])));
    let ready = condition(&tenants, "walled", "Ready", "True").await;
    assert!(message(&ready, "WallsReady").contains("ClusterNetworkPolicy that no other rule opens"), "{ready:#}");
    let wall = walls.get("cf-walled").await.expect("a wall");
    assert_eq!((&wall.data["spec"]["tier"], &wall.data["spec"]["priority"]), (&json!("Admin"), &json!(100)));
    assert!(wall.owner_references().is_empty(), "nothing takes it along");

    // The last VM goes, and then the declaration.
    apply(plane, &bundle(json!([])));
    eventually("the VM to go", || async {
        world::machines(&client, "walled").get_opt("one").await.ok()?.is_none().then_some(())
    })
    .await;
    condition(&tenants, "walled", "Ready", "True").await;
    plane.kubectl(&["annotate", "tenant", "walled", "cloudfarm.dev/allow-orphan=true"], None);
    plane.kubectl(&["delete", "tenant", "walled", "--cascade=foreground", "--timeout=60s"], None);
    condition(&world::retentions(&client), "walled", "Stalled", "True").await;
    let left = walls.get("cf-walled").await.expect("the wall stands");
    assert_eq!((left.uid(), left.metadata.deletion_timestamp), (wall.uid(), None));

    apply(plane, &bundle(json!([])));
    condition(&tenants, "walled", "Ready", "True").await;
    assert_eq!(walls.get("cf-walled").await.expect("a wall").uid(), wall.uid(), "the same wall");
    walls.delete("cf-walled", &DeleteParams::default()).await.expect("deleted by hand");
    eventually("the wall to be made anew", || async { walls.get_opt("cf-walled").await.ok()? }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_somebody_else_wrote_under_the_walls_name_is_not_touched_and_a_person_is_asked() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    let theirs = json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "cf-taken", "labels": {"team": "network"}},
        "spec": {"tier": "Baseline", "priority": 7, "subject": {"namespaces": {}}},
    });
    apply(plane, &[theirs, world::namespace("taken")]);
    let walls = world::walls(&client);
    let before = walls.get("cf-taken").await.expect("theirs");
    apply(
        plane,
        &[
            tenant("taken", json!({"virtualMachines": [machine("one", &["front"])]})),
            network("taken", "front", json!({})),
        ],
    );
    let stuck = condition(&world::tenants(&client), "taken", "Stalled", "True").await;
    for type_ in ["Stalled", "WallsReady", "Ready"] {
        assert!(message(&stuck, type_).contains("ClusterNetworkPolicy cf-taken exists and was not made"), "{stuck:#}");
    }
    assert_eq!(walls.get("cf-taken").await.expect("theirs"), before);
    assert!(
        world::machines(&client, "taken").get_opt("one").await.expect("an answer").is_none(),
        "no VM without walls"
    );
    walls.delete("cf-taken", &DeleteParams::default()).await.expect("deleted");
    condition(&world::tenants(&client), "taken", "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_gets_the_policy_api_late_gets_the_walls_then_and_nothing_is_concluded_when_it_goes() {
    let plane = Plane::start("late-walls", Some("none"));
    let client = plane.admin().await;
    let running = Operator::start(&plane).await;
    apply(&plane, &[tenant("early", json!({}))]);
    let tenants = world::tenants(&client);
    let ready = condition(&tenants, "early", "Ready", "True").await;
    assert!(message(&ready, "WallsReady").contains("this cluster has no ClusterNetworkPolicy"), "{ready:#}");

    plane.install("networkpolicy");
    let walls = world::walls(&client);
    eventually("the wall to follow", || async { walls.get_opt("cf-early").await.ok()? }).await;
    let says = async |words: &str| {
        eventually(&format!("WallsReady to say {words:?}"), || async {
            let found = serde_json::to_value(tenants.get("early").await.ok()?).ok()?;
            message(&found, "WallsReady").contains(words).then_some(())
        })
        .await;
    };
    says("that no other rule opens").await;

    let mark = Mark::now(&plane);
    plane.kubectl(&["delete", "crd", "clusternetworkpolicies.policy.networking.k8s.io", "--timeout=60s"], None);
    says("this cluster has no ClusterNetworkPolicy").await;
    condition(&tenants, "early", "Ready", "True").await;
    let deletes: Vec<_> = mark.calls(&plane).await.into_iter().filter(|call| call.verb == "delete").collect();
    assert!(deletes.is_empty(), "{deletes:#?}");
    running.stop().await;
}
