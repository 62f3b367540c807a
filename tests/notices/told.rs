//! Who is told, how often, and what it looks like.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::bed::{because, bed, is, notice, person, said};
use crate::mailpit::Mailpit;
use crate::support::audit::Mark;
use crate::support::world::{self, apply};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_once_by_starttls_and_login_who_comes_later_too_and_another_text_is_told_again() {
    let bed = bed().await;
    let mailpit = Mailpit::start("told", false).await;
    let operator = bed.operator(&mailpit.config()).await;
    let people = json!([
        person("sato", json!({"locale": "ja", "notify": ["Capacity"]})),
        person("abe", json!({"role": "Administrator"})),
        person("kato", json!({"role": "Administrator", "notify": ["Capacity"]})),
        person("ito", json!({"disabled": true})),
    ]);
    bed.tenant("plum", people.clone()).await;
    bed.tell("openssl", json!({"tenants": {"names": ["plum"]}, "severity": "High"}));
    let told = bed.until("openssl", "all are told", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(told["status"]["counts"], json!({"recipients": 2, "sent": 2, "failed": 0}), "{told:#}");

    // Each once, in their language, and readable by any mail program.
    let mails = mailpit.until("openssl", 2).await;
    let to: BTreeSet<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!((mails.len(), to), (2, BTreeSet::from(["sato@customer.example", "abe@customer.example"])));
    let sato = mails.iter().find(|mail| mail.to.starts_with("sato")).expect("a mail");
    assert!(sato.subject.contains("脆弱性"), "{}", sato.subject);
    for mail in &mails {
        assert!(mail.raw.is_ascii(), "encoded by RFC 2047 and MIME");
        for header in ["Auto-Submitted: auto-generated", "Reply-To: desk@provider.example", "multipart/alternative"] {
            assert!(mail.raw.contains(header), "{header}: {}", mail.raw);
        }
        assert!(!mail.raw.contains("List-") && mail.message_id.ends_with("@provider.example"), "{}", mail.raw);
    }
    // The record knows them as hashes.
    let records = bed.records("plum", "openssl").await;
    assert_eq!(records.len(), 1, "{records:#?}");
    let text = records[0].to_string();
    assert!(!text.contains("customer.example") && !text.contains("sato"), "{text}");
    assert!(mails.iter().all(|mail| text.contains(&mail.message_id)), "{text}");

    // Another leader has nothing to do and asks nothing.
    operator.rest(Duration::from_secs(2)).await;
    operator.stop().await;
    let mark = Mark::now(bed.plane);
    let operator = bed.operator(&mailpit.config()).await;
    bed.tenant("pear", json!([person("mori", json!({}))])).await;
    let calls = mark.calls(bed.plane).await;
    let about: Vec<_> = calls.iter().filter(|call| call.name.contains("openssl")).collect();
    assert!(about.is_empty(), "{about:#?}");
    assert_eq!(mailpit.about("openssl").len(), 2);

    // Who comes new is told; who is disabled by now gets nothing of the text that follows.
    let mut later = people.as_array().cloned().expect("a list");
    later.push(person("endo", json!({})));
    later[1]["disabled"] = json!(true);
    apply(bed.plane, &[world::tenant("plum", json!({"administrators": later}))]);
    let mails = mailpit.until("openssl", 3).await;
    assert_eq!(mails[2].to, "endo@customer.example");
    bed.tell(
        "openssl",
        json!({"tenants": {"names": ["plum"]}, "severity": "High", "body": {"en": "It is over.", "ja": "終了"}}),
    );
    let mails = mailpit.until("openssl", 5).await;
    bed.until("openssl", "all are told again", |it| {
        is(it, "NoticesDelivered", "True") && it["status"]["observedGeneration"] == it["metadata"]["generation"]
    })
    .await;
    assert_eq!(mailpit.about("openssl").len(), 5);
    let follow_up: BTreeSet<&str> = mails[3..].iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(follow_up, BTreeSet::from(["sato@customer.example", "endo@customer.example"]));
    let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.message_id.as_str()).collect();
    assert_eq!(ids.len(), 5, "each mail has a name of its own");
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_told_in_time_is_in_time_for_ever_and_one_told_late_is_late_for_ever() {
    let bed = bed().await;
    let mailpit = Mailpit::start("incident", true).await;
    let clock = cloudfarm::operator::clock::Clock::default();
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    bed.tenant("peach", json!([person("sato", json!({"notify": []}))])).await;
    let now = clock.now();
    let incident = |name: &str| {
        bed.tell(name, json!({"kind": "Incident", "tenants": {"names": ["peach"]}, "confirmedAt": now.to_string()}));
    };
    incident("power");
    let met = bed.until("power", "in time", |it| is(it, "IncidentDeadlineMet", "True")).await;
    assert_eq!(met["status"]["deadlineMet"], true);

    // The mail server is away for five hours.
    mailpit.chaos("Recipient", 451, 100);
    incident("fire");
    let waiting = bed.until("fire", "tried", |it| because(it, "Progressing")).await;
    assert_eq!(said(&waiting, "IncidentDeadlineMet").1, "DeadlineRunning");
    clock.set_ahead(5 * 3600);
    bed.look_again("fire");
    bed.until("fire", "late", |it| is(it, "IncidentDeadlineMet", "False")).await;
    mailpit.chaos("Recipient", 451, 0);
    clock.set_ahead(6 * 3600);
    bed.look_again("fire");
    let late = bed.until("fire", "told", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(
        (&late["status"]["deadlineMet"], said(&late, "IncidentDeadlineMet").1.as_str()),
        (&json!(false), "DeadlineMissed")
    );

    // Nobody writes it anew, and the operator does not, either, when its status is lost.
    let (ok, text) = bed.plane.try_kubectl(
        &[
            "patch",
            "notice",
            "fire",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"deadlineMet":true}}"#,
        ],
        None,
    );
    assert!(!ok && text.contains("status is written by the operator alone"), "{text}");
    operator.stop().await;
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    bed.tell("fire", json!({"kind": "Incident", "tenants": {"names": ["peach"]}, "confirmedAt": now.to_string(), "body": {"en": "More."}}));
    let after = bed.until("fire", "the follow-up is told", |it| {
        is(it, "NoticesDelivered", "True") && it["status"]["observedGeneration"] == it["metadata"]["generation"]
    });
    assert_eq!(after.await["status"]["deadlineMet"], false);
    let power = bed.until("power", "it is there", |_| true).await;
    assert_eq!(power["status"]["deadlineMet"], true);
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintenance_is_announced_before_its_window_or_says_that_it_was_not() {
    let bed = bed().await;
    let mailpit = Mailpit::start("window", true).await;
    let clock = cloudfarm::operator::clock::Clock::default();
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    bed.tenant("quince", json!([person("sato", json!({}))])).await;
    let at = |hours: i64| {
        let span = k8s_openapi::jiff::SignedDuration::from_hours(hours);
        clock.now().checked_add(span).expect("an instant").to_string()
    };
    let window = |from: i64, to: i64| json!({"kind": "Maintenance", "web": false, "tenants": {"names": ["quince"]}, "window": {"start": at(from), "end": at(to)}});
    bed.tell("tonight", window(10, 12));
    let announced = bed.until("tonight", "announced", |it| is(it, "AnnouncedInTime", "True")).await;
    assert_eq!(announced["status"]["phase"], "Announced");
    bed.tell("already", window(-1, 2));
    let late = bed.until("already", "late", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(
        (said(&late, "AnnouncedInTime").1.as_str(), &late["status"]["phase"]),
        ("AnnouncedLate", &json!("InWindow"))
    );
    for (hours, phase) in [(11, "InWindow"), (13, "Done")] {
        clock.set_ahead(hours * 3600);
        bed.look_again("tonight");
        bed.until("tonight", phase, |it| it["status"]["phase"] == phase).await;
    }
    assert_eq!(mailpit.about("tonight").len(), 1);
    // Published, it counts from then.
    let mut published = notice("page", window(30, 31));
    published["spec"]["web"] = json!(true);
    apply(bed.plane, &[published]);
    bed.until("page", "published", |it| it["status"]["publishedAt"].is_string()).await;
    operator.stop().await;
    bed.over();
}
