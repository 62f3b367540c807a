//! What purge runs are started from, and what people, the operator and earlier runs write for them.

use std::collections::BTreeMap;

use cloudfarm::api::home;
use cloudfarm::api::retention::RetentionStatus;
use cloudfarm::cli::signing_key::{SECRET, SECRET_KEY};
use cloudfarm::evidence::chain::{self, Report};
use cloudfarm::evidence::signing::{PublicKey, SigningKey};
use cloudfarm::install::{EVIDENCE_NAMESPACE, NAMESPACE, OPERATOR_ACCOUNT, PURGE, PURGE_ACCOUNT};
use cloudfarm::operator::clock::Clock;
use cloudfarm::purge::live::{BUDGET, CERTIFICATE_KEY, CHAIN};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::client::ClientBuilder;
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::eventually;
use super::faults::Faults;
use super::plane::Plane;
use super::world;

/// Group of the data-protection officers.
const OFFICERS: &str = "test:officers";

/// What every purge run of a plane needs. A client ends with the test whose runtime made it, so each test has its own.
#[derive(Clone)]
pub struct Desk {
    pub plane: &'static Plane,
    pub admin: Client,
    operator: Client,
    config: Config,
    pub key: PublicKey,
}

impl Desk {
    /// The one of this binary's plane: with a key that signs, and without the budget of one day.
    pub async fn shared(plane: &'static Plane) -> Self {
        static MADE: OnceCell<(Config, Config, PublicKey)> = OnceCell::const_new();
        let (operator, purge, key) = MADE.get_or_init(|| made(plane)).await.clone();
        let operator = Client::try_from(operator).expect("client");
        Self { plane, admin: plane.admin().await, operator, config: purge, key }
    }

    /// One of a plane where somebody else has made the key, and on which days are counted as everywhere.
    pub async fn with_key(plane: &'static Plane, key: PublicKey) -> Self {
        let operator = Client::try_from(plane.config_of(OPERATOR_ACCOUNT).await).expect("client");
        Self { plane, admin: plane.admin().await, operator, config: plane.config_of(PURGE_ACCOUNT).await, key }
    }

    /// One for a plane of its own.
    pub async fn new(plane: &'static Plane) -> Self {
        let (operator, config, key) = made(plane).await;
        let operator = Client::try_from(operator).expect("client");
        Self { plane, admin: plane.admin().await, operator, config, key }
    }

    /// The same with new tokens: an account that was deleted and made again takes no old ones.
    pub async fn with_new_tokens(&self) -> Self {
        let operator = Client::try_from(self.plane.config_of(OPERATOR_ACCOUNT).await).expect("client");
        Self { operator, config: self.plane.config_of(PURGE_ACCOUNT).await, ..self.clone() }
    }

    /// A client with the purge's token and these faults.
    pub fn purge_client(&self, faults: &Faults) -> Client {
        ClientBuilder::try_from(self.config.clone()).expect("client").with_layer(faults).build()
    }

    /// A client as one of the data-protection officers.
    pub async fn officer(&self, name: &str) -> Client {
        let mut config = self.plane.config().await;
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups = Some(vec![OFFICERS.to_owned()]);
        Client::try_from(config).expect("client")
    }

    /// An officer changes the spec of a Retention.
    pub async fn decide(&self, officer: &str, retention: &str, spec: Value) -> Result<(), String> {
        let patch = Patch::Merge(json!({"spec": spec}));
        let api = world::retentions(&self.officer(officer).await);
        let answer = api.patch(retention, &PatchParams::default(), &patch).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// An officer changes the spec, and the operator has taken notice.
    pub async fn decided(&self, officer: &str, retention: &str, spec: Value) {
        self.decide(officer, retention, spec).await.expect("decided");
        let generation = self.retention(retention).await["metadata"]["generation"].as_i64();
        self.until(retention, "it sees the decision", |status| status.observed_generation >= generation).await;
    }

    /// The Retention as it is.
    pub async fn retention(&self, name: &str) -> Value {
        let found = world::retentions(&self.admin).get(name).await.expect("the Retention");
        serde_json::to_value(found).expect("JSON")
    }

    pub async fn status(&self, name: &str) -> RetentionStatus {
        let mut retention = self.retention(name).await;
        serde_json::from_value(retention["status"].take()).unwrap_or_default()
    }

    /// Waits until the Retention's status is as wished; returns it.
    pub async fn until(&self, name: &str, what: &str, wish: impl Fn(&RetentionStatus) -> bool) -> RetentionStatus {
        eventually(&format!("Retention {name}: {what}"), || async {
            let mut found = serde_json::to_value(world::retentions(&self.admin).get_opt(name).await.ok()??).ok()?;
            let status: RetentionStatus = serde_json::from_value(found["status"].take()).ok()?;
            wish(&status).then_some(status)
        })
        .await
    }

    /// Writes into a Retention's status as the operator does, or as a purge run.
    pub async fn write_status(&self, as_operator: bool, name: &str, status: Value) {
        let client = if as_operator { self.operator.clone() } else { self.purge_client(&Faults::default()) };
        let patch = Patch::Merge(json!({"status": status}));
        world::retentions(&client).patch_status(name, &PatchParams::default(), &patch).await.expect("a status");
    }

    /// What is kept about a purge.
    pub async fn record(&self, tenant: &str, uid: &str) -> BTreeMap<String, String> {
        let name = home::purge_record(tenant, uid);
        let found = self.evidence().get_opt(&name).await.expect("an answer");
        found.and_then(|found| found.data).unwrap_or_default()
    }

    pub fn evidence(&self) -> Api<ConfigMap> {
        Api::namespaced(self.admin.clone(), EVIDENCE_NAMESPACE)
    }

    /// Every certificate that there is, verified as one unbroken chain up to its head.
    pub async fn verified(&self) -> Report {
        let all = self.evidence().list(&ListParams::default()).await.expect("a list").items;
        let documents: Vec<(String, Vec<u8>)> = all
            .iter()
            .filter_map(|record| {
                Some((record.name_any(), record.data.as_ref()?.get(CERTIFICATE_KEY)?.clone().into_bytes()))
            })
            .collect();
        let report = chain::verify(&documents, Some(&self.key)).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let head =
            all.iter().find(|each| each.name_any() == CHAIN).and_then(|chain| chain.data.clone()).unwrap_or_default();
        let last = report.certificates.last().expect("a certificate");
        assert_eq!(head.get("head"), Some(&last.sha256), "the head is the last one");
        assert_eq!(head.get("length"), Some(&report.certificates.len().to_string()), "none is missing");
        report
    }

    /// May the purge do this in a namespace?
    async fn may(&self, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(PURGE.into()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(verb.into()),
                    group: Some(group.into()),
                    resource: Some(resource.into()),
                    namespace: Some(namespace.into()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = Api::all(self.admin.clone()).create(&PostParams::default(), &review).await;
        answer.is_ok_and(|review| review.status.is_some_and(|status| status.allowed))
    }

    /// Waits until the purge has this right on ConfigMaps, and so on everything of that role.
    pub async fn granted(&self, tenant: &str, verb: &str) {
        self.granted_for(tenant, verb, "", "configmaps").await;
    }

    /// Waits until the purge has this right in both of a tenant's namespaces.
    pub async fn granted_for(&self, tenant: &str, verb: &str, group: &str, resource: &str) {
        for namespace in [home::customer_namespace(tenant), home::derived_namespace(tenant)] {
            self.granted_in(&namespace, verb, group, resource).await;
        }
    }

    /// Waits until the purge has this right in this namespace.
    pub async fn granted_in(&self, namespace: &str, verb: &str, group: &str, resource: &str) {
        eventually(&format!("the purge to be allowed to {verb} {resource} in {namespace}"), || async {
            self.may(verb, group, resource, namespace).await.then_some(())
        })
        .await;
    }
}

/// The operator's and the purge's access, and the key.
async fn made(plane: &Plane) -> (Config, Config, PublicKey) {
    let key = new_key(plane);
    officers(plane);
    per_day(plane, Some("100000"));
    (plane.config_of(OPERATOR_ACCOUNT).await, plane.config_of(PURGE_ACCOUNT).await, key)
}

/// Writes how many purges may begin within a day; `None` leaves it to the usual.
pub fn per_day(plane: &Plane, tenants: Option<&str>) {
    let patch = json!({"data": {"tenantsPerDay": tenants}}).to_string();
    plane.kubectl(&["patch", "configmap", BUDGET, "-n", NAMESPACE, "--type=merge", "-p", &patch], None);
}

fn officers(plane: &Plane) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-officers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-data-protection-officer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": OFFICERS}],
    });
    world::apply(plane, &[binding]);
}

/// The legal hold that an officer of this name places.
pub fn hold(officer: &str) -> Value {
    json!({"legalHold": {"active": true, "reference": "2026-17", "placedBy": officer}})
}

/// Makes the key that signs, in the Secret where purge runs look for it.
pub fn new_key(plane: &Plane) -> PublicKey {
    let pem = SigningKey::generate().expect("a key");
    let key = SigningKey::from_pem(pem.expose().as_bytes()).expect("a key").public_key();
    apply_key(plane, pem.expose());
    key
}

pub fn apply_key(plane: &Plane, pem: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "stringData": {SECRET_KEY: pem},
    });
    world::apply(plane, &[secret]);
}

/// The bed's one clock for tests.
pub fn now() -> Timestamp {
    Clock::default().now()
}
