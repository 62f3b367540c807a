//! What the operator itself has reason to tell.

use cloudfarm::notice::event;
use cloudfarm::operator::clock::Clock;
use k8s_openapi::jiff::ToSpan as _;
use serde_json::{Value, json};

use crate::bed::{bed, is, person};
use crate::mailpit::Mailpit;
use crate::support::eventually;
use crate::support::world::{self, apply, condition, machine, network};

/// A tenant with so many VMs of one CPU each, and a contract for so many.
fn full(name: &str, vms: usize, vcpus: i64) -> Value {
    let machines: Vec<Value> = (0..vms).map(|number| machine(&format!("vm-{number}"), &["front"])).collect();
    let capacity = json!({"vcpus": vcpus, "memory": "400Gi", "storage": "1Ti", "instances": 64});
    let people = [person("sato", json!({})), person("abe", json!({"role": "Administrator", "notify": ["Incident"]}))];
    world::tenant(
        name,
        json!({"contract": {"capacity": capacity}, "virtualMachines": machines, "administrators": people}),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_fills_up_is_told_once_for_each_crossing_and_again_a_day_later() {
    let bed = bed().await;
    let mailpit = Mailpit::start("capacity", true).await;
    let clock = Clock::default();
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    apply(bed.plane, &[world::namespace("grain"), full("grain", 9, 10), network("grain", "front", json!({}))]);
    condition(&world::tenants(&bed.client), "grain", "CapacityWithinThreshold", "True").await;
    // The opening notice, and nothing of capacity.
    mailpit.until("grain", 1).await;
    let mails = |words: &str| mailpit.about(words).into_iter().filter(|mail| mail.raw.contains("grain")).count();
    let capacity = |count: usize| {
        let mailpit = &mailpit;
        async move {
            eventually(&format!("{count} mails of capacity"), || async {
                let found = mailpit.about("grain").into_iter().filter(|mail| mail.subject.ends_with("in use"));
                Some(found.collect::<Vec<_>>()).filter(|found| found.len() >= count)
            })
            .await
        }
    };
    apply(bed.plane, &[full("grain", 10, 10)]);
    condition(&world::tenants(&bed.client), "grain", "CapacityWithinThreshold", "False").await;
    let first = capacity(1).await;
    assert_eq!((first.len(), first[0].to.as_str()), (1, "sato@customer.example"), "who wants to know: {first:#?}");
    // Re-armed, and over again: another crossing.
    apply(bed.plane, &[full("grain", 10, 20)]);
    condition(&world::tenants(&bed.client), "grain", "CapacityWithinThreshold", "True").await;
    apply(bed.plane, &[full("grain", 10, 11)]);
    assert_eq!(capacity(2).await.len(), 2);
    // A restart tells nothing again; a day does.
    operator.stop().await;
    clock.set_ahead(86_500);
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    assert_eq!(capacity(3).await.len(), 3);
    assert!(mails("grain") >= 4);
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_privileged_administrator_is_told_how_to_sign_in_once_also_who_comes_later() {
    let bed = bed().await;
    let mailpit = Mailpit::start("opening", true).await;
    let operator = bed.operator(&mailpit.config()).await;
    let viewer = person("kato", json!({"role": "Viewer"}));
    bed.tenant("olive", json!([person("sato-o", json!({})), viewer])).await;
    eventually("sato is told", || async { (mailpit.about("sato-o").len() == 1).then_some(()) }).await;
    bed.tenant("olive", json!([person("sato-o", json!({})), viewer, person("ueda-o", json!({}))])).await;
    eventually("ueda is told", || async { (mailpit.about("ueda-o").len() == 1).then_some(()) }).await;
    // Somebody takes the notice away: it comes back and tells nobody twice.
    operator.stop().await;
    bed.over();
    let operator = bed.operator(&mailpit.config()).await;
    let name = eventually("it is there again", || async {
        let all = bed.notices().list(&kube::api::ListParams::default()).await.ok()?;
        all.items.into_iter().filter_map(|each| each.metadata.name).find(|name| name.starts_with("opening-olive-"))
    })
    .await;
    bed.until(&name, "settled", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!((mailpit.about("sato-o").len(), mailpit.about("ueda-o").len()), (1, 1));
    assert!(mailpit.heads().iter().all(|(to, ..)| !to.starts_with("kato")));
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_who_ask_to_enter_and_an_erasure_that_comes_are_told_by_the_operator_alone() {
    let bed = bed().await;
    let mailpit = Mailpit::start("events", true).await;
    let clock = Clock::default();
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    // Its contract ended 31 days ago, so that the erasure is less than 30 days away: a notice lives for 30 days, and its
    // birth is by the API server's clock, which stands.
    let today = clock.now().in_tz("Asia/Tokyo").expect("a zone").date();
    let ended = today.checked_sub(31.days()).expect("a date").to_string();
    let people = json!([person("sato", json!({"notify": ["Retention"]}))]);
    apply(bed.plane, &[world::tenant("raisin", json!({"administrators": people, "contract": {"endDate": ended}}))]);
    condition(&world::tenants(&bed.client), "raisin", "WallsReady", "True").await;

    let grant = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": "visit", "namespace": "cf-raisin", "uid": "5f2b2c38-0000-4000-8000-000000000000",
            "creationTimestamp": clock.now().to_string()},
        "spec": {"requestedBy": "suzuki", "reason": "disk is slow", "verbs": ["Console"], "vms": ["web"]},
        "status": {"state": "Requested"},
    });
    let grant = serde_json::from_value(grant).expect("a grant");
    let made = serde_json::to_value(event::access(&grant, "raisin", clock.now()).expect("news")).expect("JSON");
    // A person cannot make it, not even a cluster's administrator.
    let (ok, text) = bed.plane.try_kubectl(&["create", "-f", "-"], Some(&made.to_string()));
    assert!(!ok && text.contains("made by the operator alone"), "{text}");
    let as_operator = ["create", "-f", "-", "--as", cloudfarm::install::OPERATOR];
    bed.plane.kubectl(&as_operator, Some(&made.to_string()));
    let mails = mailpit.until("suzuki", 1).await;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "sato@customer.example"), "whatever notify says");

    for (days, words) in [(0, "t30"), (16, "t14"), (29, "t1")] {
        clock.set_ahead(days * 86_400);
        bed.plane.kubectl(&["annotate", "--overwrite", "retention", "raisin", &format!("test/look={days}")], None);
        let name = eventually(words, || async {
            let all = bed.notices().list(&kube::api::ListParams::default()).await.ok()?;
            let names = all.items.into_iter().filter_map(|each| each.metadata.name);
            names.into_iter().find(|name| name.starts_with("retention-raisin-") && name.ends_with(words))
        })
        .await;
        bed.until(&name, "told", |it| is(it, "NoticesDelivered", "True")).await;
    }
    operator.stop().await;
    bed.over();
}
