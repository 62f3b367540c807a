//! Two customers of a running operator, those who attack, and the proof that nothing has changed.

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::caller::{Answer, Caller, JSON};
use crate::support::plane::Plane;
use crate::support::served::{Served, served};
use crate::support::world::{self, apply, condition, machine, network, tenant};
use crate::support::{eventually, operator};

/// Of customer `acme`, by role: PrivilegedAdministrator, User, Viewer.
pub const PEOPLE: [&str; 3] = ["sato", "ito", "abe"];
/// What another customer and the platform have.
pub const FOREIGN: [&str; 4] = ["cf-globex", "kube-system", "default", "cloudfarm-system"];

/// One attack at a time, so that what changed is its doing.
static TURN: Mutex<()> = Mutex::const_new(());

pub struct Attack {
    pub plane: &'static Plane,
    pub admin: Caller,
    client: Client,
    before: BTreeMap<String, Value>,
    _turn: MutexGuard<'static, ()>,
}

impl Attack {
    /// When nothing moves any more.
    pub async fn begin() -> Self {
        static READY: OnceCell<()> = OnceCell::const_new();
        let turn = TURN.lock().await;
        let plane = Plane::shared();
        READY.get_or_init(|| customers(plane)).await;
        let (client, admin) = (plane.admin().await, Caller::admin(plane).await);
        let before = eventually("the world to be at rest", || async {
            let first = world(&client, &admin).await;
            (first == world(&client, &admin).await).then_some(first)
        })
        .await;
        Self { plane, admin, client, before, _turn: turn }
    }

    /// A person of `acme`.
    pub async fn person(&self, name: &str) -> Caller {
        Caller::user(self.plane, name).await
    }

    /// Whoever has the token of this service account.
    pub async fn account(&self, namespace: &str, name: &str) -> Caller {
        let words = ["create", "token", name, "-n", namespace, "--duration=24h"];
        Caller::with_token(self.plane, self.plane.kubectl(&words, None).trim()).await
    }

    /// Everybody of `acme`: its people and the account that its pods would have.
    pub async fn everybody(&self) -> Vec<(&'static str, Caller)> {
        let mut all = vec![("the default account", self.account("cf-acme", "default").await)];
        for name in PEOPLE {
            all.push((name, self.person(name).await));
        }
        all
    }

    /// The object as it is.
    pub async fn live(&self, path: &str) -> Value {
        let answer = self.admin.get(path).await;
        serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{path}: {error}: {answer:?}"))
    }

    /// Nothing came of it.
    pub async fn left_nothing(self) {
        self.left_only(&[]).await;
    }

    /// Nothing came of it but for what the attacker may write, by the beginning of `resource namespace/name`.
    pub async fn left_only(self, own: &[&str]) {
        let after = world(&self.client, &self.admin).await;
        let changed: Vec<String> = self
            .before
            .keys()
            .chain(after.keys())
            .filter(|key| self.before.get(*key) != after.get(*key))
            .filter(|key| !own.iter().any(|own| key.starts_with(own)))
            .map(|key| format!("{key}:\n  was {}\n  is  {}", shown(self.before.get(key)), shown(after.get(key))))
            .collect();
        assert!(changed.is_empty(), "the attack left its mark:\n{}", changed.join("\n"));
    }
}

fn shown(object: Option<&Value>) -> String {
    object.map_or_else(|| "not there".to_owned(), Value::to_string)
}

/// One request, which has to be refused: by rights (403), as a forgery (401) or as nonsense (400, 422), and never by
/// accident.
pub async fn refused(who: &str, caller: &Caller, method: &str, path: &str, content: &str, body: &Value) -> Answer {
    let answer = caller.send(method, path, content, body).await;
    assert!([400, 401, 403, 405, 422].contains(&answer.code), "{who}: {method} {path} {body}\nwas answered {answer:?}");
    answer
}

/// A request that is refused since the right is missing, or by a policy.
pub async fn forbidden(who: &str, caller: &Caller, method: &str, path: &str, body: &Value) -> Answer {
    let content = if method == "PATCH" { crate::support::caller::MERGE } else { JSON };
    let answer = refused(who, caller, method, path, content, body).await;
    assert_eq!(answer.code, 403, "{who}: {method} {path} {body}\nwas answered {answer:?}");
    answer
}

/// The customers `acme` and `globex`, each with a VM on a network.
async fn customers(plane: &'static Plane) {
    operator::shared(plane);
    let person =
        |name: &str, role: &str| json!({"username": name, "email": format!("{name}@customer.example"), "role": role});
    let of = |name: &str, people: Value| {
        [
            world::namespace(name),
            tenant(name, json!({"administrators": people, "virtualMachines": [machine("web", &["front"])]})),
            network(name, "front", json!({})),
        ]
    };
    let acme = json!([person("sato", "PrivilegedAdministrator"), person("ito", "User"), person("abe", "Viewer")]);
    let globex = json!([person("ueda", "PrivilegedAdministrator")]);
    apply(plane, &[of("acme", acme), of("globex", globex)].concat());
    let client = plane.admin().await;
    for name in ["acme", "globex"] {
        condition(&world::tenants(&client), name, "Ready", "True").await;
        // A namesake of somebody at acme, in another customer's namespace.
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sato", "namespace": format!("cf-{name}")}});
        apply(plane, &[account]);
    }
}

/// Every object there is, without what changes when nobody does anything: versions, heartbeats, what only tells of others.
async fn world(client: &Client, admin: &Caller) -> BTreeMap<String, Value> {
    let mut kinds: BTreeMap<(String, String), Served> = BTreeMap::new();
    for kind in served(client).await.into_iter().filter(|kind| kind.may("list")) {
        if !["events", "leases", "componentstatuses", "customresourcedefinitions"].contains(&kind.resource.as_str()) {
            kinds.entry((kind.group.clone(), kind.resource.clone())).or_insert(kind);
        }
    }
    let lists = kinds.values().map(|kind| async move {
        let answer = admin.get(&format!("{}/{}", kind.root(), kind.resource)).await;
        assert_eq!(answer.code, 200, "{kind:?}: {}", answer.text);
        (kind, serde_json::from_str::<Value>(&answer.text).expect("JSON"))
    });
    let mut world = BTreeMap::new();
    for (kind, mut list) in join_all(lists).await {
        for object in list["items"].as_array_mut().expect("items") {
            let metadata = object["metadata"].as_object_mut().expect("metadata");
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let key = format!("{} {}/{}", kind.resource, text("namespace"), text("name"));
            if kind.resource == "nodes" {
                object.as_object_mut().expect("an object").remove("status");
            }
            world.insert(key, object.take());
        }
    }
    // Definitions are big: their uid and generation tell.
    let definitions = ApiResource::erase::<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    >(&());
    let definitions = Api::<DynamicObject>::all_with(client.clone(), &definitions);
    for definition in definitions.list_metadata(&ListParams::default()).await.expect("a list") {
        let metadata = definition.metadata;
        let key = format!("customresourcedefinitions {}", metadata.name.unwrap_or_default());
        world.insert(key, json!({"uid": metadata.uid, "generation": metadata.generation, "labels": metadata.labels}));
    }
    world
}
