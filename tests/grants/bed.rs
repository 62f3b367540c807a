//! Tenants, people and their words, for these tests.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, condition, machine, merge, network, resource, tenant};

const RBAC: &str = "rbac.authorization.k8s.io";

/// tanaka and ito are staff, suzuki leads them. sato and kato answer for customers, by their Tenants.
pub fn staff(plane: &Plane) {
    let bind = |role: &str, who: &str| {
        json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": format!("test-{who}")},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": who}]})
    };
    let roles = [("cloudfarm-staff", "tanaka"), ("cloudfarm-staff", "ito"), ("cloudfarm-staff-lead", "suzuki")];
    apply(plane, &roles.map(|(role, who)| bind(role, who)));
}

/// What a customer with two VMs and two privileged administrators declares.
pub fn customer(name: &str, more: Value) -> Value {
    let person = |who: &str| json!({"username": who, "email": format!("{who}@customer.example"), "role": "PrivilegedAdministrator"});
    let mut spec = json!({
        "administrators": [person("sato"), person("kato")],
        "virtualMachines": [machine("web", &["front"]), machine("db", &["front"])],
    });
    merge(&mut spec, more);
    tenant(name, spec)
}

/// Such a customer, once it is there.
pub async fn there(plane: &Plane, client: &Client, name: &str) {
    apply(plane, &[world::namespace(name), customer(name, json!({})), network(name, "front", json!({}))]);
    condition(&world::tenants(client), name, "NamespacesReady", "True").await;
    let asked = json!({"group": "cloudfarm.dev", "resource": "accessgrants", "verb": "patch", "namespace": format!("cf-{name}")});
    eventually("the customer to have a say", || async { may(client, "sato", &asked).await.then_some(()) }).await;
}

pub fn grants(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("cloudfarm.dev", "v1alpha1", "AccessGrant", "accessgrants");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

pub fn bindings(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &resource(RBAC, "v1", "RoleBinding", "rolebindings"))
}

pub fn roles(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &resource(RBAC, "v1", "Role", "roles"))
}

/// A request of tanaka's for the console of web.
pub fn request(tenant: &str, name: &str, more: Value) -> Value {
    let mut grant = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "namespace": format!("cf-{tenant}")},
        "spec": {"requestedBy": "tanaka", "reason": "the disk is slow", "verbs": ["Console", "Power"], "vms": ["web"]}});
    merge(&mut grant["spec"], more);
    grant
}

/// kubectl as somebody.
pub fn as_person(plane: &Plane, who: &str, words: &[&str], stdin: Option<&str>) -> (bool, String) {
    let words: Vec<&str> = words.iter().copied().chain(["--as", who]).collect();
    plane.try_kubectl(&words, stdin)
}

/// tanaka asks; admission may hear of a new namespace a moment later.
pub async fn ask(plane: &Plane, manifest: &Value) {
    eventually("a request to be taken", || async {
        let (ok, said) = as_person(plane, "tanaka", &["create", "-f", "-"], Some(&manifest.to_string()));
        if !ok {
            eprintln!("{said}");
        }
        ok.then_some(())
    })
    .await;
}

/// Somebody writes fields of a grant's spec.
pub fn write(plane: &Plane, who: &str, tenant: &str, name: &str, spec: &Value) -> (bool, String) {
    let (namespace, patch) = (format!("cf-{tenant}"), json!({"spec": spec}).to_string());
    as_person(plane, who, &["patch", "accessgrant", name, "-n", &namespace, "--type=merge", "-p", &patch], None)
}

/// The same, and it is taken.
pub fn written(plane: &Plane, who: &str, tenant: &str, name: &str, spec: &Value) {
    let (ok, said) = write(plane, who, tenant, name, spec);
    assert!(ok, "{who}: {spec}: {said}");
}

/// The grant once it is in this state.
pub async fn state(client: &Client, tenant: &str, name: &str, wanted: &str) -> Value {
    let api = grants(client, tenant);
    let last = std::sync::Mutex::new(Value::Null);
    let story = format!("{tenant}/{name} to be {wanted}");
    let reached = eventually(&story, || async {
        let grant = serde_json::to_value(api.get_opt(name).await.ok().flatten()?).ok()?;
        let mut last = last.lock().expect("no panic while it was held");
        if *last != grant["status"]["state"] {
            println!("{tenant}/{name}: {}", grant["status"]);
            *last = grant["status"]["state"].clone();
        }
        (grant["status"]["state"] == wanted).then_some(grant)
    });
    reached.await
}

/// tanaka asks, sato consents, the door stands open.
pub async fn opened(plane: &Plane, client: &Client, tenant: &str, name: &str, more: Value) -> Value {
    ask(plane, &request(tenant, name, more)).await;
    state(client, tenant, name, "Requested").await;
    written(plane, "sato", tenant, name, &json!({"approval": {"by": "sato"}}));
    eventually("the door to stand open", || async {
        let grant = serde_json::to_value(grants(client, tenant).get(name).await.ok()?).ok()?;
        (grant["status"]["roleBinding"] == format!("grant-{name}")).then_some(grant)
    })
    .await
}

/// Is nothing of this grant's door left?
pub async fn shut(client: &Client, tenant: &str, name: &str) -> bool {
    let labelled = ListParams::default().labels(&format!("cloudfarm.dev/grant={name}"));
    let mut left = Vec::new();
    for api in [bindings(client, tenant), roles(client, tenant)] {
        left.extend(api.list(&labelled).await.expect("a list").items);
    }
    left.is_empty()
}

/// May this person do this? As the API server's authorizer says.
pub async fn may(client: &Client, who: &str, what: &Value) -> bool {
    let attributes: ResourceAttributes = serde_json::from_value(what.clone()).expect("attributes");
    let spec = SubjectAccessReviewSpec {
        user: Some(who.to_owned()),
        groups: Some(vec!["system:authenticated".into()]),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.expect("an answer");
    answer.status.expect("a status").allowed
}

/// A subresource of a VM.
pub fn on(tenant: &str, vm: &str, verb: &str, resource: &str) -> Value {
    let (resource, subresource) = resource.split_once('/').expect("a subresource");
    json!({"group": "subresources.kubevirt.io", "resource": resource, "subresource": subresource, "verb": verb,
        "namespace": format!("cf-{tenant}"), "name": vm})
}

pub fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_default().parse().unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[allow(clippy::disallowed_methods)]
pub fn now() -> Timestamp {
    Timestamp::now()
}
