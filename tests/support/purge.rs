//! Purge runs inside the test process, with the token of `cloudfarm-purge`: its rights and no more.
//!
//! Nobody waits 60 days. A contract ends on a day long past, and what keeps it from being erased at once, the cool-off
//! after the first sight of that date and the first run's own mark of the time, is written back by a day by the
//! identities that admission lets write it ([`due`]).

use std::collections::BTreeMap;
use std::time::Duration;

use cloudfarm::api::home;
use cloudfarm::api::retention::{RetentionStatus, RunOutcome};
use cloudfarm::cli::signing_key::{SECRET, SECRET_KEY};
use cloudfarm::evidence::certificate::{Certificate, Signed};
use cloudfarm::evidence::chain::{self, Report};
use cloudfarm::evidence::signing::{PublicKey, SigningKey};
use cloudfarm::install::{EVIDENCE_NAMESPACE, NAMESPACE, OPERATOR_ACCOUNT, PURGE, PURGE_ACCOUNT};
use cloudfarm::operator::clock::Clock;
use cloudfarm::purge::engine::{self, Ended};
use cloudfarm::purge::live::{BUDGET, CERTIFICATE_KEY, CHAIN, Live, PLAN_KEY};
use cloudfarm::purge::look::Asked;
use cloudfarm::purge::plan::Plan;
use cloudfarm::purge::world::Lost;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::client::ClientBuilder;
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::eventually;
use super::faults::Faults;
use super::plane::Plane;
use super::storage::Driver;
use super::storage::tenant::volume_handle;
use super::world;

/// Group of the data-protection officers.
const OFFICERS: &str = "test:officers";

/// A last day of the contract that is long past.
pub const ENDED: &str = "2026-06-30";

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
        let made = MADE.get_or_init(|| async {
            let key = new_key(plane);
            officers(plane);
            per_day(plane, Some("100000"));
            (plane.config_of(OPERATOR_ACCOUNT).await, plane.config_of(PURGE_ACCOUNT).await, key)
        });
        let (operator, purge, key) = made.await.clone();
        let operator = Client::try_from(operator).expect("client");
        Self { plane, admin: plane.admin().await, operator, config: purge, key }
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
    async fn granted(&self, tenant: &str, verb: &str) {
        self.granted_for(tenant, verb, "", "configmaps").await;
    }

    /// Waits until the purge has this right in both of a tenant's namespaces.
    pub async fn granted_for(&self, tenant: &str, verb: &str, group: &str, resource: &str) {
        for namespace in [home::customer_namespace(tenant), home::derived_namespace(tenant)] {
            eventually(&format!("the purge to be allowed to {verb} {resource} in {namespace}"), || async {
                self.may(verb, group, resource, &namespace).await.then_some(())
            })
            .await;
        }
    }
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

/// A tenant without VMs whose contract is over: a claim with data, a ConfigMap, and what is given. The volume's handle.
pub async fn ended_tenant(desk: &Desk, driver: &Driver, name: &str, more: &[Value]) -> String {
    let namespace = home::customer_namespace(name);
    let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    let mut claim = object("PersistentVolumeClaim", "disk");
    claim["spec"] = json!({
        "accessModes": ["ReadWriteMany"], "volumeMode": "Block", "storageClassName": "cf-jp-encrypted",
        "resources": {"requests": {"storage": "1Gi"}},
    });
    let ended = world::tenant(name, json!({"contract": {"endDate": ENDED}}));
    world::apply(desk.plane, &[&[world::namespace(name), ended, claim, object("ConfigMap", "app")], more].concat());
    let handle = volume_handle(&desk.admin, &namespace, "disk").await;
    assert!(driver.holds(&handle));
    handle
}

/// Such a tenant, when its purge is due and has been previewed and approved: the next run erases it.
pub async fn doomed(desk: &Desk, driver: &Driver, name: &str, more: &[Value]) -> (Purger, String) {
    let handle = ended_tenant(desk, driver, name, more).await;
    let purger = due(desk, name).await;
    purger.preview().await;
    (purger, handle)
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

/// Runs of `cloudfarm purge` for one tenant.
#[derive(Clone)]
pub struct Purger {
    pub desk: Desk,
    pub tenant: String,
    pub retention: String,
    pub uid: String,
    /// What the run believes the time is.
    pub clock: Clock,
    /// How long a run waits for others.
    pub patience: Duration,
}

/// What happens next to the data would be erased, had it not been previewed: the contract's end, VMs halted, and the
/// dates written back so far that only a run is missing.
pub async fn due(desk: &Desk, tenant: &str) -> Purger {
    let purger = Purger::of(desk, tenant).await;
    purger.let_time_pass().await;
    purger
}

impl Purger {
    /// Of the Retention that is called like the tenant.
    pub async fn of(desk: &Desk, tenant: &str) -> Self {
        Self::by(desk, tenant, tenant).await
    }

    pub async fn by(desk: &Desk, tenant: &str, retention: &str) -> Self {
        desk.until(retention, "it knows the tenant", |status| status.pinned.is_some()).await;
        let uid = desk.retention(retention).await["metadata"]["uid"].as_str().expect("a uid").to_owned();
        Self {
            desk: desk.clone(),
            tenant: tenant.into(),
            retention: retention.into(),
            uid,
            clock: Clock::default(),
            patience: Duration::from_secs(20),
        }
    }

    /// Everything but the runs, as after 60 days.
    pub async fn let_time_pass(&self) {
        let Self { desk, retention, .. } = self;
        desk.until(retention, "the contract has ended", |status| status.contract_ends_at.is_some()).await;
        self.halted().await;
        desk.granted(&self.tenant, "list").await;
        let ago = |hours: i64| (now() - SignedDuration::from_hours(hours)).to_string();
        eventually(&format!("Retention {retention}: due"), || async {
            let status = desk.status(retention).await;
            // A pass of the operator that was under way may write what it saw before.
            if status.first_seen.as_ref().is_none_or(|seen| seen.at.0 > now() - SignedDuration::from_hours(25)) {
                desk.write_status(true, retention, json!({"firstSeen": {"at": ago(26)}})).await;
            }
            status.purge_not_before.is_some_and(|at| at.0 < now()).then_some(())
        })
        .await;
        desk.write_status(false, retention, json!({"clockMark": ago(24)})).await;
    }

    /// Waits until no VM is meant to run.
    pub async fn halted(&self) {
        let machines = world::machines(&self.desk.admin, &self.tenant);
        eventually(&format!("VMs of {} to be halted", self.tenant), || async {
            let all = machines.list(&ListParams::default()).await.ok()?.items;
            all.iter().all(|machine| machine.data["spec"]["runStrategy"] == "Halted").then_some(())
        })
        .await;
    }

    fn asked(&self) -> Asked {
        Asked { retention: self.retention.clone(), uid: self.uid.clone(), cool_off: SignedDuration::from_hours(24) }
    }

    /// One run.
    pub async fn run(&self) -> Ended {
        self.try_run(&Faults::default()).await.expect("nobody kills it").expect("the API server answers")
    }

    /// One run with faults; `None` when it was killed.
    pub async fn try_run(&self, faults: &Faults) -> Option<Result<Ended, Lost>> {
        let asked = self.asked();
        let client = self.desk.purge_client(faults);
        let world = Live::new(client, asked.clone(), NAMESPACE.into(), self.clock.clone(), self.patience);
        tokio::select! {
            ended = engine::run(&world, &asked) => Some(ended),
            () = faults.crashed.notified() => None,
        }
    }

    /// One run; before each of its writes is sent, counted from 1, something happens.
    pub async fn run_and_before_each(&self, mut act: impl AsyncFnMut(usize)) -> Ended {
        let (faults, mut door) = Faults::door();
        let runs = self.try_run(&faults);
        tokio::pin!(runs);
        loop {
            tokio::select! {
                ended = &mut runs => return ended.expect("nobody kills it").expect("the API server answers"),
                Some((write, go_on)) = door.recv() => {
                    act(write).await;
                    go_on.send(()).ok();
                }
            }
        }
    }

    /// One run; before this write of it is sent, something happens.
    pub async fn run_and_before(&self, at: usize, act: impl AsyncFn()) -> Ended {
        self.run_and_before_each(async |write| {
            if write == at {
                act().await;
            }
        })
        .await
    }

    /// A run that previews; afterwards the operator has approved and the purge has its rights.
    pub async fn preview(&self) {
        let ended = self.run().await;
        assert_eq!((ended.outcome, ended.reason.as_str()), (RunOutcome::Previewed, "Previewed"), "{}", ended.message);
        self.approved().await;
    }

    /// Waits until the operator has approved and given the rights.
    pub async fn approved(&self) {
        self.desk.granted(&self.tenant, "delete").await;
        eventually(&format!("{}: both namespaces approved", self.tenant), || async {
            let mut approved = true;
            for namespace in [home::customer_namespace(&self.tenant), home::derived_namespace(&self.tenant)] {
                let kind = world::resource("", "v1", "Namespace", "namespaces");
                let found =
                    Api::<kube::api::DynamicObject>::all_with(self.desk.admin.clone(), &kind).get_opt(&namespace).await;
                let found = found.ok()??;
                approved &= found.annotations().get("cloudfarm.dev/purge-approved") == Some(&self.uid);
            }
            approved.then_some(())
        })
        .await;
    }

    /// A run that is expected to be refused, or to stop, for this reason; what it said.
    pub async fn refused(&self, reason: &str) -> String {
        let ended = self.run().await;
        let stopped = matches!(ended.outcome, RunOutcome::Refused | RunOutcome::Interrupted | RunOutcome::Waited);
        assert!(stopped && ended.reason == reason, "wanted {reason}: {ended:#?}");
        ended.message
    }

    /// A run that erases everything; the certificate.
    pub async fn purged(&self) -> Certificate {
        let ended = self.run().await;
        assert_eq!(ended.outcome, RunOutcome::Purged, "{ended:#?}");
        self.certificate().await.expect("a certificate").certificate
    }

    pub async fn certificate(&self) -> Option<Signed> {
        let record = self.desk.record(&self.tenant, &self.uid).await;
        record.get(CERTIFICATE_KEY).map(|text| serde_json::from_str(text).expect("a signed certificate"))
    }

    /// The plan as it is stored.
    pub async fn plan(&self) -> Plan {
        let status = self.status().await;
        let text = self.desk.record(&self.tenant, &self.uid).await.remove(PLAN_KEY);
        Plan::stored(text.as_deref(), &status.progress.purge.expect("a mark").plan_hash).expect("the plan")
    }

    pub async fn status(&self) -> RetentionStatus {
        self.desk.status(&self.retention).await
    }
}

/// The bed's one clock for tests.
pub fn now() -> Timestamp {
    Clock::default().now()
}
