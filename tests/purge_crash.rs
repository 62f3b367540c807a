//! Purge runs that break at every write, and what the next runs make of it.
//!
//! A *creeping* story breaks each run at the write after the one that the run before it broke at: every write of the
//! purge is broken, one after the other, until a run comes to the end. A *single* story breaks one run at one write and
//! lets the next go. Whatever broke: the tenant is gone and proven gone by one certificate in an unbroken chain, no
//! object was deleted twice, and none before the mark that no hold can pass (I6, I11). The witness is the audit log.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::collections::BTreeMap;

use cloudfarm::api::retention::{PurgeState, RunOutcome};
use futures::StreamExt as _;
use futures::stream;
use support::audit::{Call, Mark};
use support::desk::Desk;
use support::eventually;
use support::faults::{Break, Faults};
use support::operator::Operator;
use support::plane::Plane;
use support::purge::{Purger, doomed, due, ended_tenant};
use support::storage::Driver;
use support::whole::objects;
use tokio::sync::Mutex;

/// Longest that the runs of a story may take: on a busy machine many of them only find that the operator is not ready.
const STORY: std::time::Duration = std::time::Duration::from_mins(15);

/// Stories that run at once: they mostly wait for namespaces to go, and with more of them the API server is slower than
/// a run waits for it.
const AT_ONCE: usize = 6;

/// One operator a plane: tests that kill it wait for those that need it.
static TURN: Mutex<()> = Mutex::const_new(());

async fn bed() -> (Desk, &'static Driver, Operator) {
    let plane = Plane::shared();
    let operator = Operator::leading(plane, Faults::default()).await;
    (Desk::shared(plane).await, Driver::shared(plane), operator)
}

/// How often each object of a tenant was deleted, and what came before the mark.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trail {
    deleted: BTreeMap<String, usize>,
    before_the_mark: Vec<String>,
    certificates: usize,
}

fn trail(calls: &[Call], purger: &Purger) -> Trail {
    let tenant = &purger.tenant;
    let homes = [format!("cf-{tenant}"), format!("cfd-{tenant}")];
    let record = cloudfarm::api::home::purge_record(tenant, &purger.uid);
    let mut trail = Trail::default();
    let mut marked = false;
    for call in calls.iter().filter(|call| call.code < 300) {
        let own = homes.contains(&call.namespace) || homes.contains(&call.name);
        let what = format!("{} {}/{}", call.resource, call.namespace, call.name).replace(tenant, "<tenant>");
        marked |= call.resource == "retentions/status"
            && call.name == purger.retention
            && call.body["status"]["purge"].is_object();
        if own && call.verb == "delete" {
            *trail.deleted.entry(what.clone()).or_default() += 1;
        }
        if own && call.writes() && !marked {
            trail.before_the_mark.push(what);
        }
        trail.certificates += usize::from(call.name == record && call.writes());
    }
    trail
}

/// What every story has to end in.
async fn erased(desk: &Desk, driver: &Driver, purger: &Purger, handle: &str, clean: &Trail, mark: &Mark, what: &str) {
    assert_eq!(objects(&desk.admin, &purger.tenant).await, BTreeMap::new(), "{what}");
    assert!(!driver.holds(handle) && !driver.leaked().contains(handle), "{what}");
    let status = purger.status().await;
    assert_eq!(status.progress.purge.as_ref().map(|purge| purge.state), Some(PurgeState::Purged), "{what}");
    let evidence = status.progress.evidence.expect("evidence");
    let signed = purger.certificate().await.expect("a certificate");
    assert_eq!(signed.certificate.sha256().expect("JSON"), evidence.sha256, "{what}");
    let trail = trail(&mark.purge_calls(desk.plane).await, purger);
    assert_eq!(trail.before_the_mark, [""; 0], "{what}");
    for (object, times) in &trail.deleted {
        assert_eq!((*times, clean.deleted.get(object)), (1, Some(&1)), "{what}: {object}");
    }
}

/// One run after the other until it is over: each is broken at the write that `at` says by its number and by whether
/// the purge has begun. Returns how many it took.
async fn runs(purger: &Purger, what: &str, at: impl Fn(usize, bool) -> Option<(usize, Break)>) -> usize {
    let mut begun = false;
    let deadline = tokio::time::Instant::now() + STORY;
    let mut number = 0;
    while tokio::time::Instant::now() < deadline {
        number += 1;
        let faults = at(number, begun).map_or_else(Faults::default, |(write, how)| Faults::at(write, how));
        // The operator gives and takes rights meanwhile; what a run could not do, the next one does.
        if let Some(Ok(ended)) = purger.try_run(&faults).await
            && (ended.outcome == RunOutcome::Purged || ended.reason == "Purged")
        {
            return number;
        }
        let purge = purger.status().await.progress.purge;
        begun = purge.is_some();
        if purge.is_some_and(|purge| purge.state == PurgeState::Purged) {
            return number;
        }
    }
    panic!("{what}: it is not over after {number} runs: {:#?}", purger.status().await.progress);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_write_of_a_purge_breaks_in_whatever_way_the_end_is_the_same_and_nothing_goes_twice() {
    let _turn = TURN.lock().await;
    let (desk, driver, operator) = bed().await;
    let mark = Mark::now(desk.plane);
    let (purger, handle) = doomed(&desk, driver, "clean", &[]).await;
    let faults = Faults::default();
    let ended = purger.try_run(&faults).await.expect("nobody kills it").expect("an answer");
    assert_eq!(ended.outcome, RunOutcome::Purged, "{ended:?}");
    let writes = faults.writes();
    let clean = trail(&mark.purge_calls(desk.plane).await, &purger);
    assert!(writes > 12 && clean.deleted.len() > 4, "{writes} writes, {clean:#?}");
    erased(&desk, driver, &purger, &handle, &clean, &mark, "the clean run").await;

    let ways = [
        ("before", Break::CrashBefore),
        ("after", Break::CrashAfter),
        ("lost", Break::LostAnswer),
        ("silence", Break::Silence),
        ("a409", Break::Answer(409)),
        ("a410", Break::Answer(410)),
        ("a429", Break::Answer(429)),
        ("a500", Break::Answer(500)),
        ("a503", Break::Answer(503)),
    ];
    let creeping = ways.map(|(name, how)| (format!("creep-{name}"), how, None));
    // At the point of no return and at the proof each kind of answer alone, too; a kill at every write, before it or after it.
    let alone = [2, writes - 2, writes - 1];
    let kinds = [Break::LostAnswer, Break::Silence, Break::Answer(409), Break::Answer(503)];
    let single = ways.into_iter().flat_map(|(name, how)| {
        let at = (1..=writes).filter(move |at| {
            how.kills() && (at % 2 == usize::from(how.commits()) || alone.contains(at))
                || kinds.contains(&how) && alone.contains(at)
        });
        at.map(move |at| (format!("{name}-{at}"), how, Some(at)))
    });
    let hang = [2, 3, writes - 1].map(|at| (format!("hang-{at}"), Break::Hang, Some(at)));
    let stories: Vec<_> = creeping.into_iter().chain(single).chain(hang).collect();
    let told = stories.len();
    stream::iter(stories)
        .map(|(name, how, single)| {
            let (desk, clean) = (&desk, &clean);
            async move {
                let what = format!("{name}: {how:?} at {single:?} of {writes} writes");
                let mark = Mark::now(desk.plane);
                let (purger, handle) = doomed(desk, driver, &name, &[]).await;
                // A write that took effect is progress by one; before another, one must be let through. Up to the mark every
                // run begins anew.
                let creep = if how.commits() { 1 } else { 2 };
                runs(&purger, &what, |run, begun| match single {
                    Some(at) => (run == 1).then_some((at, how)),
                    None => Some((if begun { creep } else { run }, how)),
                })
                .await;
                erased(desk, driver, &purger, &handle, clean, &mark, &what).await;
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
    // One certificate each, in one chain, whoever died between signing and chaining.
    let report = desk.verified().await;
    println!("{writes} writes of a purge, {told} stories, {} certificates", report.certificates.len());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_at_once_over_the_same_tenant_delete_nothing_twice_and_certify_once() {
    let _turn = TURN.lock().await;
    let (desk, driver, operator) = bed().await;
    for round in 0..3 {
        let name = format!("twice-{round}");
        let mark = Mark::now(desk.plane);
        let (purger, handle) = doomed(&desk, driver, &name, &[]).await;
        let unbroken = Faults::default();
        let (one, other) = tokio::join!(purger.try_run(&unbroken), purger.try_run(&unbroken));
        let what = format!("{one:?} and {other:?}");
        runs(&purger, &what, |_, _| None).await;
        let trail = trail(&mark.purge_calls(desk.plane).await, &purger);
        erased(&desk, driver, &purger, &handle, &trail, &mark, &what).await;
        desk.verified().await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_at_each_of_its_writes_around_a_purge_changes_nothing_about_its_end() {
    let _turn = TURN.lock().await;
    let (desk, driver, operator) = bed().await;
    let plane = desk.plane;
    let mark = Mark::now(plane);
    let (purger, handle) = doomed(&desk, driver, "calm", &[]).await;
    purger.purged().await;
    let clean = trail(&mark.purge_calls(plane).await, &purger);
    operator.stop().await;
    drop(handle);
    for (name, how) in
        [("op-before", Break::CrashBefore), ("op-after", Break::CrashAfter), ("op-lost", Break::LostAnswer)]
    {
        let (told, mut over) = tokio::sync::oneshot::channel();
        // Every operator lets one write through, or commits one, and dies; the next one goes on.
        let dying = async {
            let mut broken = 0;
            loop {
                let operator =
                    Operator::leading(plane, Faults::at(if how == Break::CrashBefore { 2 } else { 1 }, how)).await;
                let patience = std::time::Duration::from_secs(3);
                tokio::select! {
                    () = operator.faults.crashed.notified() => broken += 1,
                    () = tokio::time::sleep(patience), if how == Break::LostAnswer => broken += operator.faults.writes().min(1),
                    _ = &mut over => return (broken, operator),
                }
                operator.kill().await;
            }
        };
        let story = async {
            let mark = Mark::now(plane);
            let handle = ended_tenant(&desk, driver, name, &[]).await;
            let purger = due(&desk, name).await;
            purger.preview().await;
            let runs = runs(&purger, name, |_, _| None).await;
            erased(&desk, driver, &purger, &handle, &clean, &mark, name).await;
            told.send(()).ok();
            runs
        };
        let ((broken, operator), runs) = tokio::join!(dying, story);
        println!("{name}: {broken} operators broke, {runs} runs");
        assert!(broken > 8 || how == Break::LostAnswer && broken > 0, "{name}: only {broken} broke");
        operator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_dies_between_the_chain_and_its_last_word_is_not_certified_twice_whoever_came_between() {
    let _turn = TURN.lock().await;
    let (desk, driver, operator) = bed().await;
    // Known from the certificate, the chain and the last word: the last three writes of a run.
    let (probe, _) = doomed(&desk, driver, "probe", &[]).await;
    let faults = Faults::default();
    probe.try_run(&faults).await.expect("nobody kills it").expect("an answer");
    let ways = [Break::CrashBefore, Break::CrashAfter, Break::LostAnswer].into_iter().enumerate();
    let stories =
        ways.flat_map(|(number, how)| (0..3).map(move |back| (format!("between-{number}-{back}"), how, back)));
    let (desk, writes) = (&desk, faults.writes());
    stream::iter(stories)
        .map(|(name, how, back)| async move {
            let (after, at) = (format!("{name}-after"), writes - back);
            let ((dies, _), (comes, _)) =
                tokio::join!(doomed(desk, driver, &name, &[]), doomed(desk, driver, &after, &[]));
            dies.try_run(&Faults::at(at, how)).await;
            runs(&comes, &after, |_, _| None).await;
            runs(&dies, &name, |_, _| None).await;
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
    desk.verified().await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_down_lets_no_purge_go_on() {
    let _turn = TURN.lock().await;
    let (desk, driver, operator) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "down", &[]).await;
    operator.kill().await;
    // A minute later.
    let stale = (support::desk::now() - k8s_openapi::jiff::SignedDuration::from_secs(120))
        .strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        .to_string();
    let patch = serde_json::json!({"spec": {"renewTime": stale}}).to_string();
    desk.plane.kubectl(&["patch", "lease", "cloudfarm", "-n", "cloudfarm-system", "--type=merge", "-p", &patch], None);
    let said = purger.refused("ClockInDoubt").await;
    assert!(said.contains("the operator's lease") && driver.holds(&handle), "{said}");
    desk.plane.kubectl(&["delete", "lease", "cloudfarm", "-n", "cloudfarm-system"], None);
    assert!(purger.refused("ClockInDoubt").await.contains("the operator's lease does not tell it"));
    let operator = Operator::leading(desk.plane, Faults::default()).await;
    eventually("a leader", || async {
        let held = ["get", "lease", "cloudfarm", "-n", "cloudfarm-system", "-o", "jsonpath={.spec.holderIdentity}"];
        let (there, holder) = desk.plane.try_kubectl(&held, None);
        (there && !holder.is_empty()).then_some(())
    })
    .await;
    operator.stop().await;
    // Nobody holds the lease now. A run asks until somebody does, and then goes on as if nothing had been.
    let mark = Mark::now(desk.plane);
    let next = async {
        eventually("the run to look again", || async {
            let calls = mark.purge_calls(desk.plane).await;
            let looks = calls.iter().filter(|call| (&*call.verb, &*call.resource) == ("get", "tenants")).count();
            (looks > 1).then_some(())
        })
        .await;
        Operator::leading(desk.plane, Faults::default()).await
    };
    let faults = Faults::default();
    let (ended, operator) = tokio::join!(purger.try_run(&faults), next);
    let ended = ended.expect("nobody kills it").expect("an answer");
    assert_ne!(ended.outcome, RunOutcome::Refused, "{ended:?}");
    runs(&purger, "down", |_, _| None).await;
    operator.stop().await;
}
