//! Every write around a grant broken: the process dies before it or after it, or the answer is lost. The end is the same,
//! and at no instant does a door stand whose end is not written.

use cloudfarm::operator::clock::Clock;
use kube::Client;
use serde_json::{Value, json};

use crate::bed::{ask, bindings, grants, request, roles, shut, staff, state, there, written};
use crate::support::eventually;
use crate::support::faults::{Break, Faults};
use crate::support::operator::{Operator, config};
use crate::support::plane::Plane;

/// Asked for, consented to and revoked; returns how many writes that took.
async fn story(plane: &Plane, client: &Client, name: &str, faults: Faults) -> usize {
    let mut operator = Operator::start_with(plane, faults.clone(), config(), Clock::default()).await;
    let life = async {
        ask(plane, &request("plum", name, json!({}))).await;
        state(client, "plum", name, "Requested").await;
        written(plane, "sato", "plum", name, &json!({"approval": {"by": "sato"}}));
        eventually("the door to stand open, said and done", || async {
            let grant = stands_only_with_its_end_written(client, name).await?;
            (grant["status"]["state"] == "Active" && grant["status"]["roleBinding"].is_string()).then_some(())
        })
        .await;
        written(plane, "sato", "plum", name, &json!({"revoked": {"by": "sato"}}));
        state(client, "plum", name, "Revoked").await;
        eventually("the door to be shut", || async { shut(client, "plum", name).await.then_some(()) }).await;
    };
    tokio::pin!(life);
    tokio::select! {
        () = &mut life => {}
        () = faults.crashed.notified() => {
            operator.kill().await;
            operator = Operator::start(plane).await;
            life.await;
        }
    }
    operator.rest(std::time::Duration::from_millis(500)).await;
    operator.stop().await;
    faults.writes()
}

/// The grant, after a look at the door beside it: the door first, so that its end was written before.
async fn stands_only_with_its_end_written(client: &Client, name: &str) -> Option<Value> {
    let door = format!("grant-{name}");
    let binding = bindings(client, "plum").get_opt(&door).await.ok()?;
    let role = roles(client, "plum").get_opt(&door).await.ok()?;
    let grant = serde_json::to_value(grants(client, "plum").get(name).await.ok()?).ok()?;
    for part in [binding, role].into_iter().flatten() {
        let hour =
            part.metadata.annotations.as_ref().and_then(|all| all.get("cloudfarm.dev/expires")).expect("its hour");
        assert_eq!(grant["status"]["expiresAt"], json!(hour), "{grant:#}");
    }
    Some(grant)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_write_of_a_grant_breaks_no_door_stands_without_its_end_and_none_is_left_open() {
    let plane = Plane::start("grants-crashes", None);
    let client = plane.admin().await;
    staff(&plane);
    let operator = Operator::start(&plane).await;
    there(&plane, &client, "plum").await;
    operator.rest(std::time::Duration::from_secs(1)).await;
    operator.stop().await;
    let writes = story(&plane, &client, "clean", Faults::default()).await;
    // Requested, Approved, three objects, Active, three deletes, Revoked.
    assert!(writes >= 10, "{writes} writes in the clean run");
    for write in 1..=writes {
        // To die after one write and before the next is nearly the same.
        let dies = if write % 2 == 1 { ("b", Break::CrashBefore) } else { ("a", Break::CrashAfter) };
        for (letter, how) in [dies, ("l", Break::LostAnswer)] {
            println!("write {write}: {how:?}");
            story(&plane, &client, &format!("{letter}{write}"), Faults::at(write, how)).await;
        }
    }
}
