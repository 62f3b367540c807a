//! The table of `guarded.rs` against what the API server serves, and each of its rows as real requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::bed::bed;
use crate::guarded::{self, ADMIN, Judged, KEEPER, Kind, LAUNCHER, STRANGER, Verdict};
use crate::support::caller::{Answer, Caller, JSON, MERGE};
use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::served::served;
use crate::support::world::{apply, merge};

const CHANGING: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// Where nobody is a tenant.
const NOBODYS: &str = "coverage-nobodys";

#[tokio::test]
async fn every_verb_on_every_subresource_of_a_guarded_kind_is_in_the_table() {
    let plane = bed().await;
    let named: BTreeSet<(String, String)> = cloudfarm::install::manifests()
        .iter()
        .filter(|object| object["kind"] == "ValidatingAdmissionPolicy")
        .flat_map(|policy| policy["spec"]["matchConstraints"]["resourceRules"].as_array().cloned().expect("rules"))
        .flat_map(|rule| {
            let group = rule["apiGroups"][0].as_str().expect("a group").to_owned();
            let resources = rule["resources"].as_array().cloned().expect("resources");
            resources.into_iter().map(move |resource| {
                let resource = resource.as_str().expect("a resource").split('/').next().expect("a name");
                (group.clone(), resource.to_owned())
            })
        })
        .collect();
    let mut there: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for each in served(&plane.admin().await).await {
        let (resource, subresource) = each.resource.split_once('/').unwrap_or((&each.resource, ""));
        let kind = (each.group.clone(), resource.to_owned());
        if named.contains(&kind) {
            let verbs = each.verbs.iter().filter(|verb| CHANGING.contains(&verb.as_str()));
            there.entry(kind).or_default().extend(verbs.map(|verb| format!("{subresource}: {verb}")));
        }
    }
    let mut table: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for kind in guarded::all() {
        let verbs = table.entry((kind.group.to_owned(), kind.resource.to_owned())).or_default();
        for (subresource, words, _) in &kind.rows {
            verbs.extend(words.split(' ').map(|verb| format!("{subresource}: {verb}")));
        }
    }
    assert_eq!(table, there, "left: the table of guarded.rs; right: what is served");
}

#[test]
fn what_the_table_leaves_to_another_test_is_a_test() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission");
    let tests: String = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"))
        .collect();
    for kind in guarded::all() {
        for (_, _, verdict) in &kind.rows {
            match verdict {
                Verdict::By(name) => {
                    assert!(tests.contains(&format!("async fn {name}(")), "{}: there is no test {name}", kind.resource);
                }
                Verdict::Open(why) => assert!(why.contains(' '), "{}: left open without a reason", kind.resource),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn every_row_refuses_what_is_wrong_with_its_reason_and_lets_through_what_is_right() {
    let plane = bed().await;
    let desk = Desk::open(plane).await;
    for kind in guarded::all().iter().filter(|kind| !kind.object.is_null()) {
        desk.put_there(kind).await;
        for (subresource, verbs, verdict) in &kind.rows {
            for verb in verbs.split(' ') {
                match verdict {
                    Verdict::Judged(judged) => desk.judged(kind, subresource, verb, judged).await,
                    Verdict::Closed(says) => desk.closed(kind, subresource, verb, says).await,
                    Verdict::Blind => desk.blind(kind, subresource, verb).await,
                    Verdict::By(_) | Verdict::Open(_) => {}
                }
            }
        }
    }
}

/// Those who ask.
struct Desk {
    callers: BTreeMap<&'static str, Caller>,
}

impl Desk {
    async fn open(plane: &Plane) -> Self {
        let role = |name: &str, rules: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
        let bound = |role: &str, user: &str| {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("coverage-{role}-{user}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]})
        };
        let verbs = ["get", "list", "create", "update", "patch", "delete", "deletecollection"];
        let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]);
        apply(
            plane,
            &[
                role("coverage-everything", everything),
                bound("coverage-everything", STRANGER),
                bound("coverage-everything", KEEPER),
                bound("coverage-everything", LAUNCHER),
                bound("cloudfarm-platform", KEEPER),
                bound("cloudfarm-launcher", LAUNCHER),
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cf-guarded"}}),
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NOBODYS}}),
                // It was there before the namespace was a tenant's.
                json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstancePreset",
                    "metadata": {"name": "kept", "namespace": "cf-guarded"}, "spec": {"selector": {}}}),
                crate::support::world::namespace("guarded"),
            ],
        );
        let mut callers = BTreeMap::from([(ADMIN, Caller::admin(plane).await)]);
        for name in [STRANGER, KEEPER, LAUNCHER] {
            callers.insert(name, Caller::user(plane, name).await);
        }
        Self { callers }
    }

    fn caller(&self, name: &str) -> &Caller {
        self.callers.get(name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// The object, in the tenant's namespace and in nobody's.
    async fn put_there(&self, kind: &Kind) {
        let places: &[&str] = if kind.namespaced { &["cf-guarded", NOBODYS] } else { &[""] };
        if kind.resource == "bindings" {
            return;
        }
        for place in places {
            let path = collection(kind, place);
            if !self.caller(ADMIN).get(&format!("{path}/{}", name(kind))).await.refused() {
                continue;
            }
            eventually(&format!("{} to be there", kind.resource), || async {
                let answer = self.caller(ADMIN).create(&path, &object(kind, name(kind))).await;
                (!answer.refused() || answer.code == 409).then_some(())
            })
            .await;
        }
    }

    async fn judged(&self, kind: &Kind, subresource: &str, verb: &str, judged: &Judged) {
        let what = format!("{verb} {} {subresource}", kind.resource);
        let refused = self.ask(kind, "cf-guarded", subresource, verb, judged.who, &judged.wrong).await;
        assert!(refused.refused() && refused.text.contains(judged.says), "{what} was to be refused: {refused:?}");
        let passed = self.ask(kind, "cf-guarded", subresource, verb, judged.passes_for, &judged.right).await;
        assert!(!passed.refused(), "{what} was to pass: {passed:?}");
        if kind.namespaced {
            let elsewhere = self.ask(kind, NOBODYS, subresource, verb, judged.who, &judged.wrong).await;
            assert!(!elsewhere.refused(), "{what} was to pass where nobody is a tenant: {elsewhere:?}");
        }
    }

    async fn closed(&self, kind: &Kind, subresource: &str, verb: &str, says: &str) {
        let what = format!("{verb} {} {subresource}", kind.resource);
        for who in [ADMIN, LAUNCHER, KEEPER] {
            let answer = self.ask(kind, "cf-guarded", subresource, verb, who, &json!({})).await;
            assert!(answer.refused() && answer.text.contains(says), "{what} by {who:?}: {answer:?}");
        }
        let elsewhere = self.ask(kind, NOBODYS, subresource, verb, ADMIN, &json!({})).await;
        assert!(!elsewhere.text.contains("cloudfarm-"), "{what} where nobody is a tenant: {elsewhere:?}");
    }

    /// Sent in earnest: the object's spec and metadata are as before.
    async fn blind(&self, kind: &Kind, subresource: &str, verb: &str) {
        let place = if kind.namespaced { "cf-guarded" } else { "" };
        let own = format!("{}/{}", collection(kind, place), name(kind));
        let before = self.live(&own).await;
        let mut wrong = before.clone();
        merge(
            &mut wrong,
            json!({"metadata": {"labels": {"cloudfarm.dev/disposable": "true"}, "annotations": {"hooks.kubevirt.io/hookSidecars": "[]"}, "finalizers": ["a.example/b"]}, "spec": {"paused": true, "template": {"metadata": {"annotations": {"hooks.kubevirt.io/hookSidecars": "[]"}}}}}),
        );
        let path = format!("{own}/{subresource}");
        match verb {
            "update" if subresource == "scale" => {
                let mut scale = self.live(&path).await;
                merge(&mut scale, json!({"metadata": {"labels": wrong["metadata"]["labels"]}}));
                self.caller(ADMIN).update(&path, &scale).await
            }
            "update" => self.caller(ADMIN).update(&path, &wrong).await,
            "patch" => {
                let parts = ["labels", "annotations", "finalizers"];
                let metadata: serde_json::Map<String, Value> =
                    parts.iter().map(|part| ((*part).to_owned(), wrong["metadata"][*part].clone())).collect();
                self.caller(ADMIN).patch(&path, &json!({"metadata": metadata, "spec": wrong["spec"]})).await
            }
            other => panic!("{other} of a subresource"),
        };
        let after = self.live(&own).await;
        for part in ["labels", "annotations", "finalizers", "ownerReferences"] {
            assert_eq!(after["metadata"][part], before["metadata"][part], "{verb} {path}: metadata.{part}");
        }
        assert_eq!(after["spec"], before["spec"], "{verb} {path}: spec");
    }

    async fn live(&self, path: &str) -> Value {
        let answer = self.caller(ADMIN).get(path).await;
        serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{path}: {error}: {answer:?}"))
    }

    /// A dry run; asked again while somebody else's write comes between.
    async fn ask(&self, kind: &Kind, place: &str, sub: &str, verb: &str, who: &str, change: &Value) -> Answer {
        eventually("an answer without a conflict", || async {
            let answer = self.ask_once(kind, place, sub, verb, who, change).await;
            (answer.code != 409 || !answer.text.contains("has been modified")).then_some(answer)
        })
        .await
    }

    async fn ask_once(&self, kind: &Kind, place: &str, sub: &str, verb: &str, who: &str, change: &Value) -> Answer {
        let place = if kind.namespaced { place } else { "" };
        let (all, caller) = (collection(kind, place), self.caller(who));
        let own = format!("{all}/{}", name(kind));
        let path = if sub.is_empty() { own.clone() } else { format!("{own}/{sub}") };
        // A connection cannot be tried.
        let path = if ["exec", "attach", "portforward", "proxy"].contains(&sub) { path } else { dry(&path) };
        match verb {
            "create" if sub.is_empty() && kind.resource != "bindings" => {
                let mut new = object(kind, "new");
                merge(&mut new, change.clone());
                caller.create(&dry(&all), &new).await
            }
            "create" if kind.resource == "bindings" => caller.create(&dry(&all), change).await,
            "create" => caller.create(&path, change).await,
            "update" if sub == "proxy" => caller.update(&path, &Value::Null).await,
            "update" => {
                let mut whole = self.live(&own).await;
                merge(&mut whole, change.clone());
                if sub == "ephemeralcontainers" {
                    whole["spec"]["ephemeralContainers"] = json!([{"name": "door", "image": "none.invalid/d"}]);
                }
                caller.update(&path, &whole).await
            }
            "patch" if sub == "ephemeralcontainers" => {
                let door = json!({"spec": {"ephemeralContainers": [{"name": "door", "image": "none.invalid/d"}]}});
                caller.patch(&path, &door).await
            }
            "patch" => caller.send("PATCH", &path, MERGE, change).await,
            "delete" => caller.send("DELETE", &path, JSON, &Value::Null).await,
            "deletecollection" => caller.send("DELETE", &dry(&all), JSON, &Value::Null).await,
            other => panic!("unknown verb {other}"),
        }
    }
}

fn dry(path: &str) -> String {
    format!("{path}?dryRun=All")
}

fn collection(kind: &Kind, namespace: &str) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    format!("{root}/{}{place}/{}", kind.version, kind.resource)
}

fn name(kind: &Kind) -> &str {
    kind.object["metadata"]["name"].as_str().unwrap_or("kept")
}

fn object(kind: &Kind, name: &str) -> Value {
    let group = if kind.group.is_empty() { String::new() } else { format!("{}/", kind.group) };
    let mut object = json!({"apiVersion": format!("{group}{}", kind.version)});
    merge(&mut object, kind.object.clone());
    object["metadata"]["name"] = json!(name);
    object
}
