//! One plane for all stories, one story at a time: nodes and classes are everybody's, and so is the operator's clock.

use cloudfarm::operator::clock::Clock;
use kube::{Api, Client, api::DynamicObject};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::faults::Faults;
use crate::support::operator::{Operator, config};
use crate::support::plane::Plane;
use crate::support::{eventually, world};

pub struct Bed {
    pub plane: Place,
    pub client: Client,
    _turn: Option<MutexGuard<'static, ()>>,
}

/// The plane of all, or one of its own.
pub enum Place {
    Shared(&'static Plane),
    Own(Box<Plane>),
}

impl std::ops::Deref for Place {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        match self {
            Self::Shared(plane) => plane,
            Self::Own(plane) => plane,
        }
    }
}

pub async fn bed() -> Bed {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let plane = Plane::shared();
    Bed { plane: Place::Shared(plane), client: plane.admin().await, _turn: Some(turn) }
}

pub async fn bed_of_its_own(name: &str) -> Bed {
    let plane = Plane::start(name, None);
    Bed { client: plane.admin().await, plane: Place::Own(Box::new(plane)), _turn: None }
}

impl Bed {
    pub async fn operator(&self) -> Operator {
        Operator::start(&self.plane).await
    }

    pub async fn operator_at(&self, clock: &Clock) -> Operator {
        Operator::start_with(&self.plane, Faults::default(), config(), clock.clone()).await
    }

    pub fn tenants(&self) -> Api<DynamicObject> {
        world::tenants(&self.client)
    }

    /// The Tenant once it is as `wanted` says.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{name}: {what}"), || async {
            let object = self.tenants().get_opt(name).await.ok().flatten()?;
            let value = serde_json::to_value(object).ok()?;
            wanted(&value).then_some(value)
        })
        .await
    }

    /// Makes the operator look again.
    pub fn look_again(&self, tenant: &str) {
        let mark = format!("test/look={}", uuid());
        self.plane.kubectl(&["annotate", "--overwrite", "tenant", tenant, &mark], None);
    }

    /// Events about a tenant with this reason: their names, sorted.
    pub fn events(&self, tenant: &str, reason: &str) -> Vec<String> {
        let text = self.plane.kubectl(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"], None);
        let all: Value = serde_json::from_str(&text).expect("JSON");
        let of = |event: &&Value| event["regarding"]["name"] == tenant && event["reason"] == reason;
        let events = all["items"].as_array().expect("a list").iter().filter(of);
        let mut names: Vec<String> =
            events.map(|event| event["metadata"]["name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names
    }
}

/// Another word each time.
fn uuid() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Status of a condition, whatever generation it is about.
pub fn said(tenant: &Value, type_: &str) -> String {
    let conditions = tenant["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|each| each["type"] == type_);
    found.map_or_else(String::new, |each| each["status"].as_str().unwrap_or_default().to_owned())
}
