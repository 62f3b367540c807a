//! What guests start from, on a real API server: the floor behind the customer's own data, data that is refused, a change
//! of the customer's Secret, and what somebody does to a generated one. Nobody boots here: cloud-init is not asked.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::sync::{Arc, Mutex};

use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};
use support::audit::Mark;
use support::eventually;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, namespace, network, resource, secret, tenant};

/// A word that customers write into their Secrets here, and that may stand nowhere else.
const SECRET_WORD: &str = "hunter2-correct-horse";

fn secrets(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &resource("", "v1", "Secret", "secrets"))
}

fn decoded(text: &str) -> String {
    let (ok, said, complaint) =
        support::command::run(std::process::Command::new("base64").arg("-d"), &text.replace('\n', ""));
    assert!(ok, "{complaint}");
    said
}

/// Every part of a VM's generated Secret, one after the other.
async fn handed(client: &Client, tenant: &str, vm: &str) -> Option<String> {
    let found = secrets(client, tenant).get_opt(&format!("cloudfarm-guest-{vm}")).await.expect("an answer")?;
    let archive = decoded(found.data["data"]["userdata"].as_str()?);
    let parts = archive.split("--cloudfarm-guest-data").filter_map(|part| part.split_once("\n\n"));
    Some(parts.skip(1).map(|(_, text)| decoded(text)).collect::<Vec<_>>().join("\n"))
}

fn with_data(vm: &str, secret: &str) -> Value {
    let mut vm = machine(vm, &["front"]);
    vm["userDataSecret"] = json!(secret);
    vm
}

async fn floor(client: &Client, tenant: &str, says: &str) -> Value {
    let tenants = world::tenants(client);
    eventually(&format!("GuestFloor of {tenant} to say {says:?}"), || async {
        let found = serde_json::to_value(tenants.get(tenant).await.ok()?).ok()?;
        message(&found, "GuestFloor").contains(says).then_some(found)
    })
    .await
}

/// Makes the operator look at a tenant, until the condition holds.
fn nudge(plane: &Plane, tenant: &str, word: &str) {
    plane.kubectl(&["annotate", "tenant", tenant, &format!("test/look={word}"), "--overwrite"], None);
}

/// What the operator writes into its log, from the most talkative level that people are told to use.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panicked")).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One story in order, since each step starts from the end of the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_start_from_the_floor_and_from_what_the_customer_wrote_as_far_as_it_agrees() {
    let log = Log::default();
    let writer = log.clone();
    let level = tracing_subscriber::filter::LevelFilter::DEBUG;
    tracing_subscriber::fmt().with_max_level(level).with_writer(move || writer.clone()).init();
    let plane = Plane::shared();
    let client = &plane.admin().await;
    let operator = Operator::start(plane).await;
    declared_data_is_looked_through(plane, client).await;
    what_was_missing_comes_and_a_second_look_makes_no_call(plane, client).await;
    let operator = a_restart_reads_nothing(plane, client, operator).await;
    let rotated = a_change_arrives_and_drift_is_repaired(plane, client, &operator).await;
    bad_data_leaves_a_vm_with_what_it_had(plane, client, &operator, &rotated).await;
    what_the_customer_wrote_stands_in_secrets_alone(plane, &log);
    a_stranger_is_not_touched(plane, client).await;
    operator.stop().await;
}

async fn declared_data_is_looked_through(plane: &Plane, client: &Client) {
    let named = format!("#cloud-config\ntimezone: Etc/UTC\npassword: {SECRET_WORD}\npackages: [nginx]\n");
    apply(
        plane,
        &[
            namespace("guests"),
            secret("guests", "web-data", &json!({"userdata": named})),
            secret(
                "guests",
                "archive",
                &json!({"userdata": format!("Content-Type: multipart/mixed\n\n{SECRET_WORD}")}),
            ),
            secret("guests", "keyless", &json!({"user-data": "#!/bin/sh"})),
            network("guests", "front", json!({})),
            tenant(
                "guests",
                json!({
                    "contract": {"capacity": {"instances": 6}},
                    "virtualMachines": [
                        with_data("web", "web-data"), machine("plain", &["front"]), with_data("odd", "archive"),
                        with_data("late", "not-yet"), with_data("less", "keyless"),
                    ],
                }),
            ),
        ],
    );

    // Four tell what is wrong, each by VM, field and Secret; two run.
    let found = floor(client, "guests", "does not exist").await;
    let said = message(&found, "GuestFloor");
    for words in [
        "spec.virtualMachines[late].userDataSecret: Secret \"not-yet\" does not exist",
        "spec.virtualMachines[less].userDataSecret: Secret \"keyless\" has no key userdata",
        "spec.virtualMachines[odd].userDataSecret: Secret \"archive\" key userdata is a MIME archive; write one cloud-config",
        "spec.virtualMachines[web].userDataSecret: Secret \"web-data\" sets timezone otherwise than the floor",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let machines = world::machines(client, "guests");
    for vm in ["web", "plain"] {
        eventually(&format!("{vm} to be there"), || async { machines.get_opt(vm).await.ok().flatten() }).await;
    }
    for vm in ["odd", "late", "less"] {
        assert!(machines.get_opt(vm).await.expect("an answer").is_none(), "{vm} was made");
    }
    let web = handed(client, "guests", "web").await.expect("a Secret");
    assert!(web.starts_with(&named), "the customer's own comes first and as it is: {web}");
    let floor = web.rfind("\"timezone\": \"Asia/Tokyo\"").expect("the floor");
    assert!(floor > web.find("Etc/UTC").expect("theirs") && web.contains("qemu-guest-agent"), "{web}");
    assert!(handed(client, "guests", "plain").await.expect("a Secret").contains("Asia/Tokyo"));
}

async fn what_was_missing_comes_and_a_second_look_makes_no_call(plane: &Plane, client: &Client) {
    let machines = world::machines(client, "guests");
    // What was missing comes, and its VM follows.
    apply(plane, &[secret("guests", "not-yet", &json!({"userdata": "#!/bin/sh\necho late\n"}))]);
    eventually("late to follow", || async { machines.get_opt("late").await.ok().flatten() }).await;
    assert!(handed(client, "guests", "late").await.expect("a Secret").contains("echo late"));

    // A second look makes no call.
    let only = json!({"virtualMachines": [with_data("web", "web-data"), machine("plain", &["front"])]});
    let less = tenant("guests", only);
    apply(plane, std::slice::from_ref(&less));
    condition(&world::tenants(client), "guests", "Ready", "True").await;
    eventually("the Secret of late to go with it", || async {
        handed(client, "guests", "late").await.is_none().then_some(())
    })
    .await;
    // Ready once more: the VM that goes is missed for a moment.
    eventually("two VMs to be in use, and nothing missing", || async {
        let status = world::tenants(client).get("guests").await.ok()?.data["status"].take();
        let instances = status["capacity"].as_array()?.iter().find(|row| row["resource"] == "instances")?.clone();
        let ready = status["conditions"].as_array()?.iter().find(|each| each["type"] == "Ready")?.clone();
        (instances["used"] == "2" && ready["status"] == "True").then_some(())
    })
    .await;
    let mark = Mark::now(plane);
    nudge(plane, "guests", "again");
    apply(plane, &[tenant("behind", json!({}))]);
    condition(&world::tenants(client), "behind", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    let about: Vec<_> = calls.iter().filter(|call| call.namespace == "cf-guests" || call.name == "guests").collect();
    assert!(about.is_empty(), "{about:#?}");
}

async fn a_restart_reads_nothing(plane: &Plane, client: &Client, operator: Operator) -> Operator {
    // The VM says from what its data was made.
    operator.stop().await;
    let mark = Mark::now(plane);
    let operator = Operator::start(plane).await;
    apply(plane, &[tenant("after", json!({}))]);
    condition(&world::tenants(client), "after", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    let about: Vec<_> = calls.iter().filter(|call| call.namespace == "cf-guests" || call.name == "guests").collect();
    assert!(about.is_empty(), "{about:#?}");
    floor(client, "guests", "web-data").await;
    operator
}

/// Returns what the customer's Secret holds now.
async fn a_change_arrives_and_drift_is_repaired(plane: &Plane, client: &Client, operator: &Operator) -> String {
    // Noticed once its time has come.
    let rotated = format!("#cloud-config\npassword: {SECRET_WORD}-new\n");
    apply(plane, &[secret("guests", "web-data", &json!({"userdata": rotated}))]);
    // And somebody empties another one, and deletes a third.
    plane.kubectl(&["delete", "secret", "cloudfarm-guest-plain", "-n", "cf-guests"], None);
    operator.clock.set_ahead(3600);
    nudge(plane, "guests", "rotated");
    eventually("the change to arrive", || async {
        handed(client, "guests", "web").await.filter(|text| text.starts_with(&rotated))
    })
    .await;
    eventually("what was deleted to be there again", || async { handed(client, "guests", "plain").await }).await;
    let good = condition(&world::tenants(client), "guests", "GuestFloor", "True").await;
    assert!(message(&good, "GuestFloor").contains("Asia/Tokyo"));
    let drifted = json!({"data": {"userdata": "bm90aGluZw=="}}).to_string();
    plane.kubectl(&["patch", "secret", "cloudfarm-guest-web", "-n", "cf-guests", "--type=merge", "-p", &drifted], None);
    operator.clock.set_ahead(7200);
    nudge(plane, "guests", "drifted");
    eventually("the drift to be repaired", || async {
        handed(client, "guests", "web").await.filter(|text| text.starts_with(&rotated))
    })
    .await;
    rotated
}

async fn bad_data_leaves_a_vm_with_what_it_had(plane: &Plane, client: &Client, operator: &Operator, rotated: &str) {
    let machines = world::machines(client, "guests");
    apply(plane, &[secret("guests", "web-data", &json!({"userdata": "#include\nhttps://example.invalid/\n"}))]);
    operator.clock.set_ahead(10_800);
    nudge(plane, "guests", "bad");
    let found = floor(client, "guests", "the VM keeps what it had").await;
    assert!(handed(client, "guests", "web").await.expect("a Secret").starts_with(rotated));
    assert!(machines.get_opt("web").await.expect("an answer").is_some());
    assert!(message(&found, "ClockSynchronized").contains("no guest is asked"));
}

fn what_the_customer_wrote_stands_in_secrets_alone(plane: &Plane, log: &Log) {
    for kind in ["tenants", "virtualmachines -n cf-guests", "events -A", "datavolumes -n cf-guests"] {
        let words: Vec<&str> = ["get", "-o", "yaml"].into_iter().chain(kind.split(' ')).collect();
        assert!(!plane.kubectl(&words, None).contains(SECRET_WORD), "{kind}");
    }
    // The audit log has the bodies of statuses, and none of Secrets.
    let audit = std::fs::read_to_string(plane.dir.join("audit.log")).expect("the audit log");
    assert!(audit.contains("the VM keeps what it had"), "it has what the operator says of its Tenant");
    assert!(!audit.contains(SECRET_WORD), "the audit log");
    let log = log.text();
    assert!(log.contains("leading: every declaration is looked at once"), "the operator's log is here: {log}");
    assert!(!log.contains(SECRET_WORD), "the operator's log");
}

async fn a_stranger_is_not_touched(plane: &Plane, client: &Client) {
    let machines = world::machines(client, "guests");
    // It hurts only the VM of its name.
    apply(plane, &[secret("guests", "cloudfarm-guest-new", &json!({"userdata": "mine"}))]);
    apply(
        plane,
        &[tenant(
            "guests",
            json!({"virtualMachines": [machine("plain", &["front"]), machine("new", &["front"]), machine("next", &["front"])]}),
        )],
    );
    eventually("next to be there", || async { machines.get_opt("next").await.ok().flatten() }).await;
    floor(client, "guests", "cloudfarm-guest-new exists and was not made by cloudfarm").await;
    assert!(machines.get_opt("new").await.expect("an answer").is_none());
    eventually("web's Secret to go with it", || async {
        handed(client, "guests", "web").await.is_none().then_some(())
    })
    .await;
}
