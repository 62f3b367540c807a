//! Tries at breaking consent, also by who may do everything in the cluster, and also where admission does not stand.

use cloudfarm::operator::clock::Clock;
use serde_json::{Value, json};

use crate::bed::{ask, bindings, grants, may, now, on, opened, request, shut, staff, state, there, write, written};
use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::{Operator, config};
use crate::support::plane::Plane;
use crate::support::world::message;

const MASTERS: [&str; 2] = ["--as-group", "system:masters"];

/// kubectl as somebody who may do everything.
fn almighty(plane: &Plane, who: &str, words: &[&str], stdin: Option<&str>) -> (bool, String) {
    let words: Vec<&str> = words.iter().copied().chain(["--as", who]).chain(MASTERS).collect();
    plane.try_kubectl(&words, stdin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_consents_for_the_customer_and_nobody_makes_or_keeps_a_door_by_hand() {
    let plane = Plane::start("grants-attacks", None);
    let client = plane.admin().await;
    staff(&plane);
    let operator = Operator::start_with(&plane, Faults::default(), config(), Clock::default()).await;
    there(&plane, &client, "plum").await;

    // An own request, and an answer by somebody of the staff who has every verb there is.
    ask(&plane, &request("plum", "own", json!({}))).await;
    state(&client, "plum", "own", "Requested").await;
    let patch = |by: &str| json!({"spec": {"approval": {"by": by}}}).to_string();
    let words = |text: &str| -> Vec<String> {
        ["patch", "accessgrant", "own", "-n", "cf-plum", "--type=merge", "-p", text].map(str::to_owned).into()
    };
    let try_as = |who: &str, text: &str| {
        let words = words(text);
        almighty(&plane, who, &words.iter().map(String::as_str).collect::<Vec<_>>(), None)
    };
    let (ok, said) = try_as("tanaka", &patch("tanaka"));
    assert!(!ok && said.contains("nobody consents to an own request"), "{said}");
    let (ok, said) = try_as("tanaka", &patch("sato"));
    assert!(!ok && said.contains("everybody signs for himself"), "{said}");
    let (ok, said) = try_as("ito", &patch("ito"));
    assert!(ok, "{said}");
    let stuck = eventually("the answer not to count", || async {
        let grant = serde_json::to_value(grants(&client, "plum").get("own").await.ok()?).ok()?;
        message(&grant, "AccessGrantActive").contains("no enabled PrivilegedAdministrator").then_some(grant)
    })
    .await;
    assert_eq!(stuck["status"]["state"], "Requested", "{stuck:#}");
    assert!(shut(&client, "plum", "own").await);

    // What was read stays what was read.
    let open = opened(&plane, &client, "plum", "disk", json!({"duration": "2h"})).await;
    for wider in [json!({"duration": "8h"}), json!({"verbs": ["Console", "VNC"]}), json!({"vms": ["web", "db"]})] {
        let (ok, said) = write(&plane, "tanaka", "plum", "disk", &wider);
        assert!(!ok && said.contains("a request cannot be changed once it is made"), "{said}");
    }
    let longer = json!({"status": {"expiresAt": "2099-01-01T00:00:00Z"}}).to_string();
    let status =
        ["patch", "accessgrant", "disk", "-n", "cf-plum", "--subresource=status", "--type=merge", "-p", &longer];
    let (ok, said) = almighty(&plane, "tanaka", &status, None);
    assert!(!ok && said.contains("its status is written by the operator alone"), "{said}");

    // A door is taken neither out of sight nor out of reach, and none is made beside it.
    for hidden in [
        json!({"metadata": {"labels": {"cloudfarm.dev/grant": null}}}),
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}),
        json!({"metadata": {"ownerReferences": null}}),
        json!({"metadata": {"annotations": {"cloudfarm.dev/expires": "2099-01-01T00:00:00Z"}}}),
    ] {
        let text = hidden.to_string();
        let words = ["patch", "rolebinding", "grant-disk", "-n", "cf-plum", "--type=merge", "-p", &text];
        let (ok, said) = almighty(&plane, "tanaka", &words, None);
        assert!(!ok && said.contains("are written by the operator alone"), "{said}");
    }
    let live = serde_json::to_value(bindings(&client, "plum").get("grant-disk").await.expect("a door")).expect("JSON");
    let mut copy = live.clone();
    copy["metadata"] = json!({"name": "grant-kept", "namespace": "cf-plum", "labels": live["metadata"]["labels"],
        "annotations": live["metadata"]["annotations"]});
    let (ok, said) = almighty(&plane, "tanaka", &["create", "-f", "-"], Some(&copy.to_string()));
    assert!(!ok && said.contains("ask by an AccessGrant"), "{said}");

    // The request brought back from a copy, with its answer in it.
    let mut old = serde_json::to_value(grants(&client, "plum").get("disk").await.expect("a grant")).expect("JSON");
    let kept = old["metadata"]["name"].clone();
    old["metadata"] = json!({"name": "copied", "namespace": "cf-plum"});
    let (ok, said) = almighty(&plane, "tanaka", &["create", "-f", "-"], Some(&old.to_string()));
    assert!(!ok && said.contains("are answers to a request that others have read"), "{kept}: {said}");

    without_admission(&plane, &client, &copy, &old).await;
    written(&plane, "sato", "plum", "disk", &json!({"revoked": {"by": "sato"}}));
    eventually("the door to be shut", || async { shut(&client, "plum", "disk").await.then_some(()) }).await;
    assert!(open["status"]["expiresAt"].is_string());
    let console = on("plum", "web", "get", "virtualmachineinstances/console");
    eventually("tanaka to be out", || async { (!may(&client, "tanaka", &console).await).then_some(()) }).await;
    operator.stop().await;
}

/// Somebody has taken the policies away: the operator alone is left.
async fn without_admission(plane: &Plane, client: &kube::Client, copy: &Value, old: &Value) {
    let policies =
        ["cloudfarm-grant-doors", "cloudfarm-entrances", "cloudfarm-grant-request", "cloudfarm-grant-status"];
    for policy in policies {
        plane.kubectl(&["delete", "validatingadmissionpolicybinding", policy], None);
    }
    // A second binding to the same Role, kept by hand.
    eventually("the policies to be gone", || async {
        let (ok, _) = almighty(plane, "tanaka", &["create", "-f", "-"], Some(&copy.to_string()));
        ok.then_some(())
    })
    .await;
    eventually("what was made by hand to be gone", || async {
        bindings(client, "plum").get_opt("grant-kept").await.ok()?.is_none().then_some(())
    })
    .await;
    // One that names no grant, one whose hour has passed, one without an hour.
    let labelled = |name: &str, grant: &str, expires: Value| {
        let mut stray = copy.clone();
        stray["metadata"] = json!({"name": name, "namespace": "cf-plum", "labels": {"cloudfarm.dev/grant": grant},
            "annotations": {"cloudfarm.dev/expires": expires}});
        stray
    };
    for stray in [
        labelled("stray-a", "nobodys", json!("2099-01-01T00:00:00Z")),
        labelled("stray-b", "disk", json!("2020-01-01T00:00:00Z")),
        labelled("stray-c", "disk", json!("soon")),
    ] {
        let name = stray["metadata"]["name"].as_str().expect("a name").to_owned();
        let (ok, said) = almighty(plane, "tanaka", &["create", "-f", "-"], Some(&stray.to_string()));
        assert!(ok, "{said}");
        eventually(&format!("{name} to be gone"), || async {
            bindings(client, "plum").get_opt(&name).await.ok()?.is_none().then_some(())
        })
        .await;
    }
    // The copy of an answered request: nobody has read it.
    eventually("the copy to be taken", || async {
        almighty(plane, "tanaka", &["create", "-f", "-"], Some(&old.to_string())).0.then_some(())
    })
    .await;
    eventually("the copy not to count", || async {
        let grant = serde_json::to_value(grants(client, "plum").get("copied").await.ok()?).ok()?;
        message(&grant, "AccessGrantActive").contains("written together with the request").then_some(())
    })
    .await;
    // Nor does an old status make it young again: its time ran out when it ran out.
    let past = now().checked_sub(k8s_openapi::jiff::SignedDuration::from_hours(3)).expect("an instant");
    let expired = now().checked_sub(k8s_openapi::jiff::SignedDuration::from_hours(1)).expect("an instant");
    let state = json!({"state": "Active", "approvedAt": past.strftime("%FT%TZ").to_string(),
        "expiresAt": expired.strftime("%FT%TZ").to_string()});
    let status = json!({"spec": {}, "status": state}).to_string();
    let words =
        ["patch", "accessgrant", "copied", "-n", "cf-plum", "--subresource=status", "--type=merge", "-p", &status];
    eventually("the old status to be taken", || async { almighty(plane, "tanaka", &words, None).0.then_some(()) })
        .await;
    let over = eventually("the copy to be over", || async {
        let grant = serde_json::to_value(grants(client, "plum").get("copied").await.ok()?).ok()?;
        ["Expired", "Revoked"].iter().any(|state| grant["status"]["state"] == *state).then_some(grant)
    })
    .await;
    assert!(shut(client, "plum", "copied").await, "{over:#}");
}
