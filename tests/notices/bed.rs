//! One plane for all stories, one story at a time: an operator tells of every notice that it finds.

use cloudfarm::operator::clock::Clock;
use cloudfarm::operator::config::Config;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::support::eventually;
use crate::support::faults::Faults;
use crate::support::operator::Operator;
use crate::support::plane::Plane;
use crate::support::world::{self, apply, resource};

pub struct Bed {
    pub plane: &'static Plane,
    pub client: Client,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::const_new(());

pub async fn bed() -> Bed {
    let turn = TURN.lock().await;
    let plane = Plane::shared();
    Bed { plane, client: plane.admin().await, _turn: turn }
}

/// One with a plane of its own, for a story after which every other would have to look at hundreds of tenants.
pub async fn bed_apart(name: &str) -> Bed {
    let turn = TURN.lock().await;
    let plane: &'static Plane = Box::leak(Box::new(Plane::start(name, None)));
    Bed { plane, client: plane.admin().await, _turn: turn }
}

/// The shipped config with this section `mail`.
pub fn config(mail: Option<&Value>) -> Config {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cloudfarm/config.yaml");
    let shipped = std::fs::read_to_string(file).expect("the shipped config");
    let mail = mail.map(|mail| format!("\nmail: {mail}\n")).unwrap_or_default();
    Config::parse(&format!("{shipped}{mail}")).expect("a config")
}

impl Bed {
    pub async fn operator(&self, mail: &Value) -> Operator {
        self.operator_at(Some(mail), &Clock::default()).await
    }

    pub async fn operator_at(&self, mail: Option<&Value>, clock: &Clock) -> Operator {
        Operator::start_with(self.plane, Faults::default(), config(mail), clock.clone()).await
    }

    pub fn notices(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource("cloudfarm.dev", "v1alpha1", "Notice", "notices"))
    }

    /// A tenant with these administrators, once it stands.
    pub async fn tenant(&self, name: &str, people: Value) {
        apply(self.plane, &[world::tenant(name, json!({"administrators": people}))]);
        world::condition(&world::tenants(&self.client), name, "WallsReady", "True").await;
    }

    /// Applies a notice.
    pub fn tell(&self, name: &str, spec: Value) {
        apply(self.plane, &[notice(name, spec)]);
    }

    /// The notice once its status is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let last = std::sync::Mutex::new(Value::Null);
        let story = format!("{name}: {what}");
        let reached = eventually(&story, || async {
            let object = self.notices().get_opt(name).await.ok().flatten()?;
            let value = serde_json::to_value(object).ok()?;
            let status = value["status"].clone();
            if *last.lock().expect("no panic") != status {
                eprintln!("{name}: {status}");
                *last.lock().expect("no panic") = status;
            }
            wanted(&value).then_some(value)
        });
        reached.await
    }

    /// The records of mails about a notice, as their text.
    pub async fn records(&self, tenant: &str, notice: &str) -> Vec<Value> {
        let maps = resource("", "v1", "ConfigMap", "configmaps");
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &format!("cfd-{tenant}"), &maps);
        let list = api.list(&ListParams::default().labels("cloudfarm.dev/record=notices")).await.expect("a list");
        let of_this = list.items.into_iter().map(|map| serde_json::to_value(map).expect("JSON"));
        of_this.filter(|map| map["metadata"]["annotations"]["cloudfarm.dev/notice"] == notice).collect()
    }

    /// Makes the operator look again, now that its clock is another one.
    pub fn look_again(&self, name: &str) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let mark = format!("test/look={}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        self.plane.kubectl(&["annotate", "--overwrite", "notice", name, &mark], None);
    }

    /// Takes notices away, so that the next story begins with none.
    pub fn over(&self) {
        self.plane.kubectl(&["delete", "notices", "--all", "--wait=true"], None);
    }
}

/// A Notice; what is not in `spec` is a Vulnerability of which everybody in `names` is told.
pub fn notice(name: &str, spec: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1",
        "kind": "Notice",
        "metadata": {"name": name},
        "spec": {
            "kind": "Vulnerability",
            "subject": {"ja": format!("脆弱性 {name}"), "en": format!("Vulnerability {name}")},
            "body": {"ja": "更新してください。", "en": "Please update."},
        },
    });
    world::merge(&mut manifest["spec"], spec);
    manifest
}

pub fn person(name: &str, more: Value) -> Value {
    let mut person = json!({"username": name, "email": format!("{name}@customer.example"),
        "role": "PrivilegedAdministrator", "locale": "en"});
    world::merge(&mut person, more);
    person
}

/// Status of a condition.
pub fn said(object: &Value, type_: &str) -> (String, String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|each| each["type"] == type_).unwrap_or_default();
    let word = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (word("status"), word("reason"), word("message"))
}

pub fn is(object: &Value, type_: &str, status: &str) -> bool {
    said(object, type_).0 == status
}

pub fn because(object: &Value, reason: &str) -> bool {
    said(object, "NoticesDelivered").1 == reason
}
