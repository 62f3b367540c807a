//! A door opens by consent, leads where it was asked for and no further, and closes by the clock, by a word, or when the
//! consent counts no longer.

use std::sync::OnceLock;

use cloudfarm::cluster::object::Kind;
use kube::Client;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::bed::{
    ask, bindings, customer, grants, instant, may, now, on, opened, request, roles, shut, staff, state, there, write,
    written,
};
use crate::support::plane::Plane;
use crate::support::world::{apply, message};
use crate::support::{eventually, operator};

async fn bed() -> (&'static Plane, Client) {
    static STAFF: OnceLock<()> = OnceLock::new();
    let plane = Plane::shared();
    STAFF.get_or_init(|| staff(plane));
    operator::shared(plane);
    (plane, plane.admin().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_opens_exactly_what_was_asked_for_and_the_clock_closes_it_to_the_second() {
    let (plane, client) = bed().await;
    there(plane, &client, "plum").await;
    ask(plane, &request("plum", "disk", json!({"duration": "1m"}))).await;
    let asked = state(&client, "plum", "disk", "Requested").await;
    assert!(message(&asked, "AccessGrantActive").contains("kubectl patch accessgrant disk -n cf-plum"), "{asked:#}");
    assert!(shut(&client, "plum", "disk").await, "no door before consent");
    written(plane, "sato", "plum", "disk", &json!({"approval": {"by": "sato"}}));
    let console = on("plum", "web", "get", "virtualmachineinstances/console");
    eventually("tanaka to come in", || async { may(&client, "tanaka", &console).await.then_some(()) }).await;
    let open = state(&client, "plum", "disk", "Active").await;
    let expires = instant(&open["status"]["expiresAt"]);
    assert_eq!(expires.duration_since(instant(&open["status"]["approvedAt"])).as_secs(), 60, "{open:#}");
    assert!(may(&client, "tanaka", &on("plum", "web", "update", "virtualmachines/restart")).await);
    for (who, beyond) in [
        ("tanaka", on("plum", "db", "get", "virtualmachineinstances/console")),
        ("tanaka", on("plum", "web", "get", "virtualmachineinstances/vnc")),
        ("tanaka", on("plum", "web", "get", "virtualmachineinstances/userlist")),
        ("tanaka", on("pear", "web", "get", "virtualmachineinstances/console")),
        (
            "tanaka",
            json!({"group": "kubevirt.io", "resource": "virtualmachines", "verb": "get", "namespace": "cf-plum", "name": "web"}),
        ),
        ("tanaka", json!({"group": "", "resource": "secrets", "verb": "get", "namespace": "cf-plum", "name": "x"})),
        ("ito", console.clone()),
        ("suzuki", console.clone()),
    ] {
        assert!(!may(&client, who, &beyond).await, "{who}: {beyond}");
    }
    reads_back_as_it_was_applied(&client, "plum", "disk").await;
    let before = bindings(&client, "plum").get("grant-disk").await.expect("a door").metadata.resource_version;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let after = bindings(&client, "plum").get("grant-disk").await.expect("a door").metadata.resource_version;
    assert_eq!(before, after, "an unchanged world costs no write");

    while now() < expires {
        let left = expires.duration_since(now());
        let there = bindings(&client, "plum").get_opt("grant-disk").await.expect("an answer").is_some();
        assert!(there || left.as_secs() == 0, "closed {left:#} too early");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    eventually("the door to be shut", || async { shut(&client, "plum", "disk").await.then_some(()) }).await;
    let late = now().duration_since(expires);
    println!("closed {late:#} after its hour");
    assert!(late.as_secs() < 60, "closed {late:#} after its hour, and not even by the sweep");
    eventually("tanaka to be out", || async { (!may(&client, "tanaka", &console).await).then_some(()) }).await;
    let over = state(&client, "plum", "disk", "Expired").await;
    assert!(over["status"]["roleBinding"].is_null() && over["status"]["endedAt"].is_string(), "{over:#}");
    assert!(message(&over, "AccessGrantActive").contains("the time that was granted was over at"), "{over:#}");
}

/// Each part of a door has the fingerprint under which the operator looks for it.
async fn reads_back_as_it_was_applied(client: &Client, tenant: &str, name: &str) {
    use cloudfarm::access::desired::desired;
    use cloudfarm::access::observe::{GrantSnapshot, TenantSight};
    let grant = serde_json::to_value(grants(client, tenant).get(name).await.expect("a grant")).expect("JSON");
    let found: Value =
        serde_json::to_value(crate::support::world::tenants(client).get(tenant).await.expect("a tenant"))
            .expect("JSON");
    let at = now();
    let customer = cloudfarm::access::observe::customer(&serde_json::from_value(found).expect("a Tenant"), false, at);
    let snapshot = GrantSnapshot {
        grant: serde_json::from_value(grant).expect("an AccessGrant"),
        tenant: TenantSight::Present(customer),
        doors: Vec::new(),
        observed: std::collections::BTreeMap::new(),
        now: at,
    };
    let plan = desired(&snapshot);
    assert_eq!(plan.desired.objects().count(), 3, "{plan:?}");
    for wanted in plan.desired.objects() {
        let kind = wanted.reference.kind;
        let api = if kind == Kind::Role { roles(client, tenant) } else { bindings(client, tenant) };
        let live =
            serde_json::to_value(api.get(&wanted.reference.name).await.expect("a part of the door")).expect("JSON");
        let digest = kind.observe(live.clone()).expect("readable").digest;
        assert!(digest == wanted.digest, "{}\nwanted {:#}\nlive {live:#}", wanted.reference, wanted.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_closes_it_at_once_and_of_two_doors_the_other_stays() {
    let (plane, client) = bed().await;
    there(plane, &client, "pear").await;
    opened(plane, &client, "pear", "one", json!({})).await;
    opened(plane, &client, "pear", "two", json!({"verbs": ["VNC"], "vms": ["web", "db", "gone"]})).await;
    let two = grants(&client, "pear").get("two").await.expect("a grant");
    let two = serde_json::to_value(two).expect("JSON");
    assert!(message(&two, "Ready").contains("declares no VM gone"), "{two:#}");
    let role = roles(&client, "pear").get("grant-two").await.expect("a role");
    assert_eq!(role.data["rules"][0]["resourceNames"], json!(["db", "web"]));

    let began = std::time::Instant::now();
    written(plane, "tanaka", "pear", "one", &json!({"revoked": {"by": "tanaka"}}));
    eventually("one to be shut", || async { shut(&client, "pear", "one").await.then_some(()) }).await;
    println!("closed {} ms after the word", began.elapsed().as_millis());
    state(&client, "pear", "one", "Revoked").await;
    let screen = on("pear", "db", "get", "virtualmachineinstances/vnc/screenshot");
    assert!(may(&client, "tanaka", &screen).await, "the other door stays");
    assert!(bindings(&client, "pear").get_opt("doors-two").await.expect("an answer").is_some());
    // An end is for ever, and everybody's no is believed.
    let (ok, said) = write(plane, "tanaka", "pear", "one", &json!({"revoked": null}));
    assert!(!ok && said.contains("stay as they were written"), "{said}");

    grants(&client, "pear").delete("two", &DeleteParams::default()).await.expect("deleted");
    eventually("two to be shut", || async { shut(&client, "pear", "two").await.then_some(()) }).await;

    ask(plane, &request("pear", "three", json!({}))).await;
    written(plane, "kato", "pear", "three", &json!({"approval": {"by": "kato", "decision": "Deny"}}));
    state(&client, "pear", "three", "Denied").await;
    assert!(shut(&client, "pear", "three").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_is_shut_when_who_consented_is_disabled_and_when_the_tenant_is_suspended() {
    let (plane, client) = bed().await;
    there(plane, &client, "fig").await;
    opened(plane, &client, "fig", "disk", json!({})).await;
    let mut disabled = customer("fig", json!({}));
    disabled["spec"]["administrators"][0]["disabled"] = json!(true);
    apply(plane, &[disabled]);
    let over = state(&client, "fig", "disk", "Revoked").await;
    assert!(shut(&client, "fig", "disk").await);
    assert!(message(&over, "AccessGrantActive").contains("no enabled PrivilegedAdministrator"), "{over:#}");
    apply(plane, &[customer("fig", json!({}))]);

    let asked = json!({"group": "cloudfarm.dev", "resource": "accessgrants", "verb": "patch", "namespace": "cf-fig"});
    eventually("sato to have a say again", || async { may(&client, "sato", &asked).await.then_some(()) }).await;
    opened(plane, &client, "fig", "again", json!({})).await;
    apply(plane, &[customer("fig", json!({"suspended": true}))]);
    let over = state(&client, "fig", "again", "Revoked").await;
    assert!(shut(&client, "fig", "again").await);
    assert!(message(&over, "AccessGrantActive").contains("suspended"), "{over:#}");
    assert_eq!(state(&client, "fig", "disk", "Revoked").await["status"]["state"], "Revoked", "an end is for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_need_a_second_person_of_the_staff_and_a_beginning_that_lies_ahead_opens_nothing() {
    let (plane, client) = bed().await;
    there(plane, &client, "lime").await;
    let terms = json!({"basis": "Terms", "clause": "12.3", "vms": [], "verbs": ["AuditExtract"]});
    ask(plane, &request("lime", "court", terms)).await;
    let asked = state(&client, "lime", "court", "Requested").await;
    assert!(message(&asked, "AccessGrantActive").contains("a second person of the staff has to look"), "{asked:#}");
    let (ok, said) = write(plane, "tanaka", "lime", "court", &json!({"secondApprover": {"by": "tanaka"}}));
    assert!(!ok, "{said}");
    written(plane, "suzuki", "lime", "court", &json!({"secondApprover": {"by": "suzuki"}}));
    state(&client, "lime", "court", "Active").await;
    let role =
        eventually("the role", || async { roles(&client, "lime").get_opt("grant-court").await.ok().flatten() }).await;
    assert_eq!(role.data["rules"].as_array().map(Vec::len), Some(1), "{:#}", role.data);

    let later = json!({"notBefore": "2099-01-01T00:00:00Z", "duration": "1h"});
    ask(plane, &request("lime", "later", later)).await;
    written(plane, "sato", "lime", "later", &json!({"approval": {"by": "sato"}}));
    let approved = state(&client, "lime", "later", "Approved").await;
    eventually("it to say when", || async {
        let grant = serde_json::to_value(grants(&client, "lime").get("later").await.ok()?).ok()?;
        message(&grant, "AccessGrantActive").contains("the door opens at 2099-01-01T00:00:00Z").then_some(())
    })
    .await;
    assert_eq!(approved["status"]["expiresAt"], "2099-01-01T01:00:00Z");
    assert!(shut(&client, "lime", "later").await);
}
