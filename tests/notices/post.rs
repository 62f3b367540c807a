//! When the mail server refuses, drops, is slow or loses its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudfarm::operator::clock::Clock;
use serde_json::json;

use crate::bed::{because, bed, is, person, said};
use crate::mailpit::{Mail, Mailpit};
use crate::proxy::{Answer, Proxy};
use crate::support::eventually;

/// How often each mail arrived, by its name.
fn copies(mails: &[Mail]) -> BTreeMap<String, usize> {
    mails.iter().fold(BTreeMap::new(), |mut copies, mail| {
        *copies.entry(mail.message_id.clone()).or_default() += 1;
        copies
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_seen() {
    let bed = bed().await;
    let mailpit = Mailpit::start("refuses", false).await;
    mailpit.chaos("Recipient", 451, 100);
    let operator = bed.operator(&mailpit.config()).await;
    bed.tenant("apple", json!([person("sato", json!({}))])).await;
    bed.tell("grey", json!({"tenants": {"names": ["apple"]}}));
    eventually("it was tried twice", || async {
        let records = bed.records("apple", "grey").await;
        records.iter().any(|record| record.to_string().contains(r#"\"attempts\":2"#)).then_some(())
    })
    .await;
    assert_eq!(mailpit.count(), 0);
    mailpit.chaos("Recipient", 451, 0);
    bed.until("grey", "told at last", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(mailpit.about("grey").len(), 1);

    mailpit.chaos("Recipient", 550, 100);
    bed.tell("bounce", json!({"tenants": {"names": ["apple"]}}));
    let failed = bed.until("bounce", "failed", |it| because(it, "DeliveryFailed")).await;
    assert_eq!(failed["status"]["counts"], json!({"recipients": 1, "sent": 0, "failed": 1}));
    assert!(said(&failed, "NoticesDelivered").2.contains("apple") && is(&failed, "Stalled", "True"), "{failed:#}");
    mailpit.chaos("Recipient", 550, 0);
    // The right address is another recipient.
    bed.tenant("apple", json!([person("sato", json!({"email": "sato2@customer.example"}))])).await;
    bed.until("bounce", "told", |it| is(it, "NoticesDelivered", "True")).await;
    let told = mailpit.until("bounce", 1).await;
    assert_eq!((told.len(), told[0].to.as_str()), (1, "sato2@customer.example"));
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_costs_one_more_copy_of_the_same_mail() {
    let bed = bed().await;
    let mailpit = Mailpit::start("lost", true).await;
    let proxy = Proxy::before(mailpit.smtp, Answer::Lost(1));
    let operator = bed.operator(&Mailpit::plain(mailpit.smtp)).await;
    bed.tenant("fig", json!([person("sato", json!({})), person("abe", json!({"role": "Administrator"}))])).await;
    mailpit.until("fig", 1).await;
    operator.rest(Duration::from_secs(1)).await;
    operator.stop().await;
    let operator = bed.operator(&Mailpit::plain(proxy.port)).await;
    bed.tell("lost", json!({"tenants": {"names": ["fig"]}}));
    bed.until("lost", "told", |it| is(it, "NoticesDelivered", "True")).await;
    let copies = copies(&mailpit.about("Vulnerability lost"));
    let mut counts: Vec<usize> = copies.values().copied().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2], "{copies:?}");
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_before_the_answer_leaves_one_more_copy_and_no_more() {
    let bed = bed().await;
    let mailpit = Mailpit::start("killed", true).await;
    let first = bed.operator(&mailpit.config()).await;
    bed.tenant("plow", json!([person("sato", json!({}))])).await;
    mailpit.until("plow", 1).await;
    first.rest(Duration::from_secs(1)).await;
    first.stop().await;
    let proxy = Proxy::before(mailpit.smtp, Answer::Held);
    let dying = bed.operator(&Mailpit::plain(proxy.port)).await;
    bed.tell("torn", json!({"tenants": {"names": ["plow"]}}));
    proxy.swallowed.notified().await;
    dying.kill().await;
    assert_eq!(mailpit.about("torn").len(), 1);
    let clock = Clock::default();
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    bed.until("torn", "told", |it| is(it, "NoticesDelivered", "True")).await;
    let copies = copies(&mailpit.about("torn"));
    assert_eq!(copies.values().copied().collect::<Vec<_>>(), [2], "one name, two copies: {copies:?}");
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_is_waited_for_and_one_that_is_away_is_said() {
    let bed = bed().await;
    let mailpit = Mailpit::start("slow", true).await;
    let proxy = Proxy::before(mailpit.smtp, Answer::Late(Duration::from_secs(2)));
    let operator = bed.operator(&Mailpit::plain(proxy.port)).await;
    bed.tenant("date", json!([person("sato", json!({}))])).await;
    bed.tell("slow", json!({"tenants": {"names": ["date"]}}));
    bed.until("slow", "told", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(mailpit.about("Vulnerability slow").len(), 1);
    operator.stop().await;
    // Nobody listens on the port of a proxy that is gone.
    let port = proxy.port;
    drop(proxy);
    let operator = bed.operator(&Mailpit::plain(port)).await;
    bed.tell("away", json!({"tenants": {"names": ["date"]}}));
    let away = bed.until("away", "said", |it| because(it, "MailUnavailable")).await;
    assert!(said(&away, "NoticesDelivered").2.contains("cannot be reached"), "{away:#}");
    let records = bed.records("date", "away").await;
    assert!(
        records[0].to_string().contains(r#"\"attempts\":0"#),
        "a server that is away is nobody's try: {records:#?}"
    );
    operator.stop().await;
    bed.over();
}
