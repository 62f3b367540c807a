//! Operators that are not there when an hour comes, and clocks that go wrong.

use std::time::{Duration, Instant};

use cloudfarm::operator::clock::Clock;
use serde_json::json;

use crate::bed::{bindings, grants, instant, now, opened, shut, staff, state, there};
use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::{Operator, config};
use crate::support::plane::Plane;
use crate::support::world::message;

async fn started(plane: &Plane, ahead: i64) -> Operator {
    let clock = Clock::default();
    clock.set_ahead(ahead);
    Operator::start_with(plane, Faults::default(), config(), clock).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_whose_hour_passed_while_the_operator_was_dead_is_gone_within_a_minute_of_its_return() {
    let plane = Plane::start("grants-clocks", None);
    let client = plane.admin().await;
    staff(&plane);
    let operator = started(&plane, 0).await;
    there(&plane, &client, "plum").await;
    opened(&plane, &client, "plum", "one", json!({"duration": "1h"})).await;
    opened(&plane, &client, "plum", "left", json!({"duration": "8h"})).await;
    let kept = opened(&plane, &client, "plum", "kept", json!({"duration": "8h"})).await;
    operator.kill().await;
    // What stands without its grant, which somebody has deleted while nobody looked: not even the garbage collector.
    plane.kubectl(&["delete", "accessgrant", "left", "-n", "cf-plum", "--cascade=orphan", "--wait=false"], None);
    assert!(!shut(&client, "plum", "one").await, "nobody is there to close it");

    let began = Instant::now();
    let operator = started(&plane, 2 * 3600).await;
    eventually("both to be shut", || async {
        (shut(&client, "plum", "one").await && shut(&client, "plum", "left").await).then_some(())
    })
    .await;
    println!("closed {} ms after the operator was started", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_mins(1));
    state(&client, "plum", "one", "Expired").await;
    assert!(bindings(&client, "plum").get_opt("grant-kept").await.expect("an answer").is_some());

    // Set back under a running operator: its time goes on, and nothing that was granted becomes longer.
    operator.clock.set_ahead(0);
    let again = opened(&plane, &client, "plum", "again", json!({"duration": "1h"})).await;
    let ends = instant(&again["status"]["expiresAt"]).duration_since(now());
    assert!(ends.as_secs() > 2 * 3600, "by the time that the operator has seen pass: {ends:#}");
    let now_kept = serde_json::to_value(grants(&client, "plum").get("kept").await.expect("a grant")).expect("JSON");
    assert_eq!(now_kept["status"]["expiresAt"], kept["status"]["expiresAt"]);

    // Another one whose clock is behind what stands in the status: the door is shut until the clock is right.
    operator.kill().await;
    let operator = started(&plane, 0).await;
    eventually("again to be shut", || async { shut(&client, "plum", "again").await.then_some(()) }).await;
    let doubted = eventually("it to say why", || async {
        let grant = serde_json::to_value(grants(&client, "plum").get("again").await.ok()?).ok()?;
        message(&grant, "Ready").contains("the operator's clock is behind").then_some(grant)
    })
    .await;
    assert_eq!(doubted["status"]["state"], "Active", "{doubted:#}");
    assert_eq!(doubted["status"]["expiresAt"], again["status"]["expiresAt"]);
    operator.stop().await;
}
