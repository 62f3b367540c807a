//! Wrong input, and parts that are missing: said in words, and never a crash.

use cloudfarm::operator::clock::Clock;
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bed::{because, bed, is, notice, person, said};
use crate::mailpit::Mailpit;
use crate::support::world;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_told_says_why_and_what_would_help() {
    let bed = bed().await;
    let mailpit = Mailpit::start("wrong", false).await;
    let clock = Clock::default();
    // Without a mail server.
    let operator = bed.operator_at(None, &clock).await;
    bed.tenant("cherry", json!([person("sato", json!({}))])).await;
    bed.tell("unsent", json!({"tenants": {"names": ["cherry"]}}));
    let unsent = bed.until("unsent", "said", |it| because(it, "MailNotConfigured")).await;
    assert!(is(&unsent, "Stalled", "True") && is(&unsent, "Ready", "False"), "{unsent:#}");
    operator.stop().await;

    // Without its password, and with it again.
    let password = mailpit.folder.join("password");
    std::fs::remove_file(&password).expect("it was there");
    let operator = bed.operator_at(Some(&mailpit.config()), &clock).await;
    let missing = bed.until("unsent", "said", |it| because(it, "MailFileMissing")).await;
    assert!(said(&missing, "NoticesDelivered").2.contains("mail.passwordFile"), "{missing:#}");
    std::fs::write(&password, "wrong").expect("a file");
    let refused = bed.until("unsent", "said", |it| because(it, "MailUnavailable")).await;
    assert!(said(&refused, "NoticesDelivered").2.contains("535"), "{refused:#}");
    std::fs::write(&password, "s3cret").expect("a file");
    bed.until("unsent", "told", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(mailpit.about("unsent").len(), 1);

    // About nobody.
    for (name, tenants, reason) in [
        ("nobody", json!({}), "Nobody"),
        ("selected", json!({"selector": {"tier": "none"}}), "Nobody"),
        ("unknown", json!({"names": ["cherry", "no-such-tenant"]}), "TenantNotFound"),
    ] {
        bed.tell(name, json!({"tenants": tenants}));
        let said_so = bed.until(name, reason, |it| because(it, reason)).await;
        assert!(is(&said_so, "Stalled", "True"), "{said_so:#}");
    }
    // Of two names the one that exists is told.
    mailpit.until("Vulnerability unknown", 1).await;
    bed.tell("no-text", json!({"tenants": {"names": ["cherry"]}, "body": null, "bodyRef": {"name": "long"}}));
    bed.until("no-text", "said", |it| because(it, "BodyMissing")).await;
    let text = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "long", "namespace": "cloudfarm-system"},
        "data": {"ja": "長い本文", "en": "A text that is very long"}});
    world::apply(bed.plane, &[text]);
    bed.look_again("no-text");
    bed.until("no-text", "told", |it| is(it, "NoticesDelivered", "True")).await;
    assert_eq!(mailpit.about("A text that is very long").len(), 1);
    operator.stop().await;
    bed.over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_deceive_is_refused_at_the_door() {
    let bed = bed().await;
    let refused = |manifest: &Value, words: &str| {
        let (ok, text) = bed.plane.try_kubectl(&["apply", "--server-side", "-f", "-"], Some(&manifest.to_string()));
        assert!(!ok && text.contains(words), "{words}: {text}");
    };
    let now = Clock::default().now();
    let ahead = |minutes: i64| now.checked_add(SignedDuration::from_mins(minutes)).expect("an instant").to_string();
    let incident =
        |at: String| notice("early", json!({"kind": "Incident", "tenants": {"all": true}, "confirmedAt": at}));
    refused(&incident(ahead(10)), "is to come");
    refused(&notice(&"n".repeat(101), json!({})), "at most 100 characters");
    refused(&notice("x", json!({"subject": {"en": "a\r\nBcc: x@y.example"}})), "subject");
    refused(&notice("x", json!({"kind": "Capacity", "web": false})), "made by the operator alone");
    let mut forged = notice("x", json!({}));
    forged["metadata"]["annotations"] = json!({"cloudfarm.dev/event": "{\"opening\":{}}"});
    refused(&forged, "is written by the operator alone");
    let with = |more: Value| world::tenant("lime", json!({"administrators": [person("sato", more)]}));
    refused(&with(json!({"email": "sato@customer.example\nBcc: x@y.example"})), "email");
    refused(&with(json!({"email": "sato@customer.example\r\nDATA"})), "email");
    refused(&with(json!({"locale": "fr"})), "locale");
    refused(&with(json!({"username": "n".repeat(300)})), "username");

    bed.plane.kubectl(&["apply", "--server-side", "-f", "-"], Some(&incident(ahead(-5)).to_string()));
    refused(&incident(ahead(-4)), "confirmedAt cannot be changed");
    bed.over();
}
