//! Two replicas through what happens to them: hand-over, death, a pause, and an API server or etcd that restarts or hangs.
//!
//! Times are printed (`--nocapture`) and never judged. `make drill` lets the API server hang for five minutes.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::process::Command;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;
use support::audit::{Call, Mark, births_and_deaths};
use support::eventually;
use support::plane::Plane;
use support::replica::Replica;
use support::world::{self, apply, condition, tenant};

/// As in `operator/lease.rs`.
const LEASE_DURATION: SignedDuration = SignedDuration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_replicas_works_whatever_happens_to_the_other() {
    let plane = Plane::start("replicas", None);
    let (mut first, mut second) = leader_and_standby(&plane).await;

    let term = wall();
    first.signal("-TERM");
    let write = changed(&plane, &second, 9).await;
    assert!(first.child.wait().expect("it ends").success());
    told("graceful hand-over, SIGTERM to the successor's first write", term, write);

    let mut third = Replica::start(&plane, "third");
    third.warm().await;
    let kill = wall();
    second.signal("-KILL");
    let write = changed(&plane, &third, 10).await;
    second.child.wait().expect("it ends");
    told("killed leader, SIGKILL to the successor's first write", kill, write);
    assert!(third.child.try_wait().expect("a child").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_leader_had_begun_before_a_pause_of_twice_the_lease_takes_effect_after_it_and_it_leads_again() {
    let plane = Plane::start("paused", None);
    let (mut paused, mut successor) = leader_and_standby(&plane).await;
    let from = Mark::now(&plane);

    // In the middle of work: some of these tenants have a part of their objects.
    apply(&plane, &["fig", "date", "lime", "kiwi"].map(|name| tenant(name, json!({}))));
    from.some_write(&plane, &paused.credential).await;
    let stop = wall();
    paused.signal("-STOP");
    let write = changed(&plane, &successor, 11).await;
    told("paused leader, SIGSTOP to the successor's first write", stop, write);
    let tenants = world::tenants(&plane.admin().await);
    for name in ["fig", "date", "lime", "kiwi"] {
        condition(&tenants, name, "Ready", "True").await;
    }
    eventually("twice the lease", || async { (wall().duration_since(stop) > LEASE_DURATION * 2).then_some(()) }).await;
    let resumed = wall();
    paused.signal("-CONT");
    eventually("the paused replica to stand by", || async { paused.said("standing by").then_some(()) }).await;
    paused.warm().await;
    changed(&plane, &successor, 12).await;

    let calls = from.calls(&plane).await;
    // What had been handed over when the process was stopped is still sent. The successor has made all of it meanwhile, so
    // it is refused by what it expects; a status that is written once more is put right, see below.
    let late = by(&calls, &paused).filter(|call| call.writes() && call.received > resumed);
    let effective: Vec<&Call> = late.filter(|call| call.code < 300 && !call.resource.ends_with("/status")).collect();
    assert_eq!(effective, Vec::<&Call>::new(), "written after the pause");
    for name in ["fig", "date", "lime", "kiwi"] {
        condition(&tenants, name, "Ready", "True").await;
    }
    for name in ["fig", "date", "lime", "kiwi"] {
        for (object, count) in births_and_deaths(&calls, name) {
            assert!(count.0 <= 1 && count.1 == 0, "{object} was created and deleted {count:?} times");
        }
    }
    successor.signal("-TERM");
    assert!(successor.child.wait().expect("it ends").success());
    changed(&plane, &paused, 13).await;
    assert!(paused.child.try_wait().expect("a child").is_none(), "the paused process has to be the same one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_or_etcd_that_restarts_or_hangs_is_waited_for_and_no_replica_restarts() {
    let plane = Plane::start("outages", None);
    let mut replicas = ["first", "second"].map(|name| Replica::start(&plane, name));
    for replica in &replicas {
        replica.warm().await;
    }
    plum(&plane).await;
    let from = Mark::now(&plane);

    for (vcpus, server, signal) in
        [(21, "kube-apiserver", "-TERM"), (22, "kube-apiserver", "-KILL"), (23, "etcd", "-KILL")]
    {
        plane.signal(server, signal);
        plane.ended(server).await;
        plane.up_again();
        let back = wall();
        let write = changed_by_any(&plane, &replicas, vcpus).await;
        told(&format!("{server} ended by {signal}, ready again to the first write"), back, write);
    }

    let hang = std::env::var("CLOUDFARM_HANG_SECONDS").map_or(20, |text| text.parse().expect("whole seconds"));
    let began = tokio::time::Instant::now();
    plane.signal("kube-apiserver", "-STOP");
    // Longer than a leader goes on without renewing.
    tokio::time::sleep_until(began + Duration::from_secs(hang)).await;
    plane.signal("kube-apiserver", "-CONT");
    let back = wall();
    let write = changed_by_any(&plane, &replicas, 24).await;
    told(&format!("kube-apiserver hung for {hang} s, going on to the first write"), back, write);

    for replica in &mut replicas {
        assert!(replica.child.try_wait().expect("a child").is_none(), "a replica ended");
        replica.warm().await;
    }
    let deaths: Vec<_> = from.calls(&plane).await.into_iter().filter(Call::deletes).collect();
    assert_eq!(deaths, [], "nothing is deleted because something could not be seen");
}

/// Two replicas, and a tenant that is settled.
async fn leader_and_standby(plane: &Plane) -> (Replica, Replica) {
    let leader = Replica::start(plane, "first");
    leader.leads().await;
    let standby = Replica::start(plane, "second");
    standby.warm().await;
    plum(plane).await;
    (leader, standby)
}

/// A tenant that is there and settled.
async fn plum(plane: &Plane) {
    apply(plane, &[tenant("plum", json!({}))]);
    condition(&world::tenants(&plane.admin().await), "plum", "Ready", "True").await;
}

/// Changes the contract of plum; when the quota that follows from it was written by this replica.
async fn changed(plane: &Plane, by: &Replica, vcpus: i64) -> Timestamp {
    changed_by_any(plane, std::slice::from_ref(by), vcpus).await
}

async fn changed_by_any(plane: &Plane, replicas: &[Replica], vcpus: i64) -> Timestamp {
    let mark = Mark::now(plane);
    let patch = json!({"spec": {"contract": {"capacity": {"vcpus": vcpus}}}}).to_string();
    eventually("the Tenant to be changed", || async {
        plane.try_kubectl(&["patch", "tenant", "plum", "--type=merge", "-p", &patch], None).0.then_some(())
    })
    .await;
    let credentials: Vec<&str> = replicas.iter().map(|replica| replica.credential.as_str()).collect();
    eventually("the quota to follow", || async {
        let calls = mark.calls(plane).await;
        let mut writes = calls.into_iter().filter(|call| call.writes() && call.resource == "resourcequotas");
        writes.find(|call| call.code == 200 && credentials.contains(&call.credential.as_str()))
    })
    .await
    .received
}

fn by<'a>(calls: &'a [Call], replica: &'a Replica) -> impl Iterator<Item = &'a Call> {
    calls.iter().filter(|call| call.credential == replica.credential)
}

fn told(what: &str, from: Timestamp, to: Timestamp) {
    println!("measured: {what}: {:.2} s", to.duration_since(from).as_secs_f64());
}

/// The same clock as the audit log's.
fn wall() -> Timestamp {
    let said = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%NZ"]).output().expect("date").stdout;
    String::from_utf8_lossy(&said).trim().parse().expect("a time")
}
