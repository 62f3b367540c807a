//! What stops every purge of a cluster, and the clocks. No other test runs meanwhile.

use cloudfarm::api::retention::{PurgeState, RunOutcome};
use cloudfarm::cli::signing_key::SECRET;
use cloudfarm::install::NAMESPACE;
use cloudfarm::purge::live::BUDGET;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::support::desk::per_day;
use super::support::purge::{ENDED, Purger, doomed, due, ended_tenant};
use super::{Desk, bed, bed_alone, mails, work};

async fn set(desk: &Desk, data: Value) {
    let api = Api::<ConfigMap>::namespaced(desk.admin.clone(), NAMESPACE);
    api.patch(BUDGET, &PatchParams::default(), &Patch::Merge(json!({"data": data}))).await.expect("patched");
}

/// Takes an object away, asks, and makes it anew as it was.
async fn without<K>(api: Api<K>, name: &str, ask: impl AsyncFnOnce())
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let mut object = api.get(name).await.expect("it is there");
    api.delete(name, &DeleteParams::default()).await.expect("deleted");
    ask().await;
    object.meta_mut().resource_version = None;
    object.meta_mut().uid = None;
    api.create(&PostParams::default(), &object).await.expect("made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_switch_a_strange_word_in_it_its_absence_and_a_missing_key_stop_every_purge() {
    let (desk, driver, _turn) = bed_alone().await;
    let (purger, handle) = doomed(&desk, driver, "stopped", &[]).await;
    let there = work(&desk, "stopped").await;
    for (word, said) in [("true", "every purge is stopped"), ("yes", "counts as thrown"), ("True", "counts as thrown")]
    {
        set(&desk, json!({"stop": word})).await;
        assert!(purger.refused("Stopped").await.contains(said));
    }
    set(&desk, json!({"stop": "false"})).await;
    without(Api::<ConfigMap>::namespaced(desk.admin.clone(), NAMESPACE), BUDGET, async || {
        assert!(purger.refused("Stopped").await.contains("is not there"));
    })
    .await;
    without(Api::<Secret>::namespaced(desk.admin.clone(), NAMESPACE), SECRET, async || {
        assert!(purger.refused("NoEvidence").await.contains("cloudfarm signing-key makes one"));
    })
    .await;
    assert_eq!(work(&desk, "stopped").await, there);
    assert!(driver.holds(&handle) && purger.status().await.progress.purge.is_none());
    // Thrown after the mark, it holds up the very next delete.
    let ended = purger.run_and_before(2, async || set(&desk, json!({"stop": "true"})).await).await;
    assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Interrupted, "Stopped"), "{ended:?}");
    assert_eq!(work(&desk, "stopped").await, there);
    set(&desk, json!({"stop": null})).await;
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_purges_begin_in_a_day_than_the_budget_says_and_one_that_has_begun_goes_on() {
    let (desk, driver, _turn) = bed_alone().await;
    let begun = begun(&desk).await;
    let (first, _) = doomed(&desk, driver, "budget-first", &[]).await;
    let (second, handle) = doomed(&desk, driver, "budget-second", &[]).await;
    per_day(desk.plane, Some(&(begun + 1).to_string()));
    let stopped = first.run_and_before(3, async || set(&desk, json!({"stop": "true"})).await).await;
    assert_eq!(stopped.reason, "Stopped", "{stopped:?}");
    set(&desk, json!({"stop": null})).await;
    let said = second.refused("OverBudget").await;
    assert!(said.contains("cloudfarm-purge-approval") && driver.holds(&handle), "{said}");
    first.purged().await;
    second.refused("OverBudget").await;
    // What a person allows for today, and for today only.
    let today = cloudfarm::api::jst::in_japan(super::support::desk::now())[..10].to_owned();
    let approval = |date: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cloudfarm-purge-approval", "namespace": NAMESPACE},
            "data": {"date": date, "approvedBy": "dpo-one", "tenantsPerDay": "100000"},
        })
    };
    super::support::world::apply(desk.plane, &[approval("2026-01-01")]);
    second.refused("OverBudget").await;
    super::support::world::apply(desk.plane, &[approval(&today)]);
    second.purged().await;
    desk.plane.kubectl(&["delete", "configmap", "cloudfarm-purge-approval", "-n", NAMESPACE], None);
    per_day(desk.plane, Some("100000"));
}

/// Purges that began so far.
async fn begun(desk: &Desk) -> usize {
    let all =
        super::support::world::retentions(&desk.admin).list(&kube::api::ListParams::default()).await.expect("a list");
    all.items.iter().filter(|each| each.data["status"]["purge"].is_object() && !each.name_any().is_empty()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_an_hour_off_deletes_nothing_and_is_not_remembered() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "clock", &[]).await;
    for off in [3600, -3600] {
        purger.clock.set_ahead(off);
        let said = purger.refused("ClockInDoubt").await;
        assert!(said.contains("they may be 60 s apart"), "{said}");
    }
    // Ahead by 60 days, as after a battery ran empty, it is the same.
    purger.clock.set_ahead(60 * 86400);
    purger.refused("ClockInDoubt").await;
    purger.clock.set_ahead(0);
    desk.until("clock", "the operator says so", |status| {
        status.conditions.iter().any(|each| each.type_ == "ClockTrusted" && each.status == "False")
    })
    .await;
    assert!(driver.holds(&handle) && purger.status().await.progress.purge.is_none());
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_after_days_without_runs_only_writes_the_time_down() {
    let (desk, driver, _turn) = bed().await;
    let (purger, handle) = doomed(&desk, driver, "slept", &[]).await;
    let long_ago = super::support::desk::now() - k8s_openapi::jiff::SignedDuration::from_hours(24 * 5);
    desk.write_status(false, "slept", json!({"clockMark": long_ago.to_string()})).await;
    assert!(purger.refused("RunsMissing").await.contains("scheduled ones are missing") && driver.holds(&handle));
    assert!(purger.refused("RunsMissing").await.contains("an hour after that") && driver.holds(&handle));
    let a_day_ago = super::support::desk::now() - k8s_openapi::jiff::SignedDuration::from_hours(24);
    let mut runs = serde_json::to_value(&purger.status().await.progress.runs).expect("JSON");
    for run in runs.as_array_mut().expect("a list") {
        run["at"] = json!(a_day_ago.to_string());
    }
    desk.write_status(false, "slept", json!({"clockMark": a_day_ago.to_string(), "runs": runs})).await;
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_previews_and_never_erases() {
    let (desk, driver, _turn) = bed().await;
    let handle = ended_tenant(&desk, driver, "dry", &[]).await;
    Purger::of(&desk, "dry").await;
    desk.decided("dpo-one", "dry", json!({"mode": "DryRun"})).await;
    let purger = due(&desk, "dry").await;
    assert_eq!(purger.run().await.outcome, RunOutcome::Previewed);
    for _ in 0..2 {
        purger.refused("DryRun").await;
    }
    assert!(driver.holds(&handle) && purger.status().await.progress.purge.is_none());
    let marks = desk.plane.kubectl(&["get", "namespace", "cf-dry", "-o", "jsonpath={.metadata.annotations}"], None);
    assert!(!marks.contains("purge-approved"), "the operator approves nothing: {marks}");
    desk.decided("dpo-one", "dry", json!({"mode": "Enforce"})).await;
    purger.approved().await;
    purger.purged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_people_as_asked_for_have_to_approve_each_for_himself_and_none_before_the_date_was_seen() {
    let (desk, driver, _turn) = bed().await;
    let handle = ended_tenant(&desk, driver, "approvals", &[]).await;
    Purger::of(&desk, "approvals").await;
    let by = |name: &str, at: &str| json!({"by": name, "at": at});
    desk.decided("dpo-one", "approvals", json!({"requiredApprovals": 2})).await;
    let purger = due(&desk, "approvals").await;
    let said = desk.decide("dpo-one", "approvals", json!({"approvals": [by("dpo-two", "2026-11-24T00:00:00Z")]})).await;
    assert!(said.expect_err("for somebody else").contains("everybody approves for himself"));
    let now = super::support::desk::now().to_string();
    desk.decided("dpo-one", "approvals", json!({"approvals": [by("dpo-one", &now)]})).await;
    assert_eq!(purger.run().await.outcome, RunOutcome::Previewed);
    assert!(purger.refused("ApprovalMissing").await.contains("approved so far: dpo-one"));
    let long_ago = "2026-08-01T00:00:00Z";
    desk.decided("dpo-two", "approvals", json!({"approvals": [by("dpo-one", &now), by("dpo-two", long_ago)]})).await;
    purger.refused("ApprovalMissing").await;
    desk.decided("dpo-two", "approvals", json!({"approvals": [by("dpo-one", &now), by("dpo-two", &now)]})).await;
    purger.approved().await;
    assert!(driver.holds(&handle));
    let certificate = purger.purged().await;
    assert_eq!(certificate.approvals, ["dpo-one", "dpo-two"]);
    assert_eq!((certificate.contract_end_date.as_str(), certificate.remaining), (ENDED, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_whose_period_runs_stay_with_exactly_their_namespace() {
    let (desk, driver, _turn) = bed().await;
    let record = |name: &str, labels: Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "cfd-records", "labels": labels},
        })
    };
    let of = |class: &str| json!({"cloudfarm.dev/record": class});
    let handle = ended_tenant(&desk, driver, "records", &[]).await;
    super::support::eventually("the derived namespace", || async {
        desk.plane.try_kubectl(&["get", "namespace", "cfd-records"], None).0.then_some(())
    })
    .await;
    let all = [record("access-log", of("access")), record("report", json!({}))];
    super::support::world::apply(desk.plane, &all);
    mails(desk.plane, &record("notices", of("notices")));
    let purger = due(&desk, "records").await;
    purger.preview().await;
    let before = super::objects(&desk.admin, "records").await;
    let certificate = purger.purged().await;
    assert!(!driver.holds(&handle));
    let left = super::objects(&desk.admin, "records").await;
    let kept: Vec<&String> =
        left.keys().filter(|key| key.starts_with("ConfigMap") && !key.contains("kube-root-ca.crt")).collect();
    assert_eq!(kept, ["ConfigMap cfd-records/access-log", "ConfigMap cfd-records/notices"]);
    // The wall in the Admin tier is around both namespaces, and one of them stands.
    let stays = |key: &String| key.contains("cfd-records") || key == "ClusterNetworkPolicy /cf-records";
    assert!(left.keys().all(stays), "{left:?}");
    for (key, identity) in left.iter().filter(|(key, _)| key.starts_with("ConfigMap") || key.contains("NetworkPolicy"))
    {
        assert_eq!(before.get(key), Some(identity), "{key} was touched");
    }
    let classes: Vec<(&str, u64)> = certificate.kept.iter().map(|kept| (kept.class.as_str(), kept.count)).collect();
    assert_eq!(classes, [("access", 1), ("notices", 1)]);
    assert!(certificate.objects.iter().any(|object| object.name == "report"));
    assert_eq!(purger.status().await.progress.purge.map(|purge| purge.state), Some(PurgeState::Purged));
    // What may still be erased there is records, once their period is over.
    super::support::eventually("the purge's rights to be narrowed", || async {
        let left = desk.plane.kubectl(&["get", "rolebindings", "-n", "cfd-records", "-o", "name"], None);
        (left.contains("cloudfarm-purge-records") && !left.contains("cloudfarm-purge-erase")).then_some(())
    })
    .await;
}
