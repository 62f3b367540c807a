//! The real world of a purge run: a cluster, with the rights of `cloudfarm-purge`.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::Request as Url;
use kube::core::params::GetParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::certificate::{Chain, Link, link};
use super::inventory::{Place, Unlisted, inventory, unlisted_by_purge};
use super::look::{Asked, Clocks, Look, NamespaceSight, Reserve, records_as_of};
use super::plan::{Inventory, Item, KindName, Way};
use super::rolling::{is_guarded, is_kept_again};
use super::world::{ItemState, Lost, Seen, World};
use crate::api::retention::{EvidenceReference, LogRetention, Progress, Retention};
use crate::api::tenant::Tenant;
use crate::api::{home, jst, labels};
use crate::cli::signing_key::{SECRET, SECRET_KEY};
use crate::cluster::erase::{Eraser, Target};
use crate::cluster::write::{WriteError, classify};
use crate::evidence::certificate::{Certificate, NO_PREVIOUS, Signed};
use crate::evidence::signing::SigningKey;
use crate::evidence::software;
use crate::install::EVIDENCE_NAMESPACE;
use crate::operator::clock::Clock;
use crate::retention::ending::TenantState;
use crate::retention::observe::declaration;

/// ConfigMap with the stop switch and the daily budget.
pub const BUDGET: &str = "cloudfarm-purge-budget";

/// ConfigMap by which a person allows more purges for one day.
pub const APPROVAL: &str = "cloudfarm-purge-approval";

/// ConfigMap with the head of the chain of certificates.
pub const CHAIN: &str = "chain";

/// Where in a record's data the plan and the certificate are.
pub const PLAN_KEY: &str = "plan";
pub const CERTIFICATE_KEY: &str = "certificate.json";

/// Hashes of the latest certificates that the chain's ConfigMap tells, 65 bytes each.
const REMEMBERED: usize = 4096;

/// Purges of other tenants that may begin within 24 hours, when the budget does not say.
const PER_DAY: usize = 5;

/// How long a run waits for a leader of the operator that follows one that has ended: a standby needs a second, a pod
/// that is started anew some more.
const HANDOVER: Duration = Duration::from_secs(30);

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A cluster as a purge run sees it.
pub struct Live {
    client: Client,
    eraser: Eraser,
    asked: Asked,
    /// Namespace of the operator: its lease, the budget, the key.
    namespace: String,
    clock: Clock,
    /// How long this run may wait for others.
    until: Instant,
    pause: Duration,
}

impl Live {
    #[must_use]
    pub fn new(client: Client, asked: Asked, namespace: String, clock: Clock, patience: Duration) -> Self {
        let pause = (patience / 100).clamp(Duration::from_millis(200), Duration::from_secs(15));
        let eraser = Eraser::new(client.clone());
        Self { client, eraser, asked, namespace, clock, until: Instant::now() + patience, pause }
    }

    /// The Retention together with the API server's clock, which stands in its answer.
    pub(super) async fn retention(&self) -> Result<(Retention, Option<Timestamp>), Lost> {
        let request = Url::new(Retention::url_path(&(), None))
            .get(&self.asked.retention, &GetParams::default())
            .map_err(|error| Lost::Refused(error.to_string()))?;
        let request = request.map(kube::client::Body::from);
        let answer = timed(self.client.send(request)).await?;
        let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| k8s_openapi::jiff::fmt::rfc2822::parse(date).ok());
        let status = answer.status();
        let body = timed_body(answer.into_body()).await?;
        if !status.is_success() {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said = said["message"].as_str().unwrap_or(status.as_str()).to_owned();
            return Err(if status.is_client_error() { Lost::Refused(said) } else { Lost::Unanswered(said) });
        }
        let retention = serde_json::from_slice(&body).map_err(|error| Lost::Refused(error.to_string()))?;
        Ok((retention, date.map(|date| date.timestamp())))
    }

    /// One that cannot be decoded is unknown, and not gone.
    pub(super) async fn tenant(&self, name: &str) -> Result<TenantState, Lost> {
        let resource = ApiResource::erase::<Tenant>(&());
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let Some(found) = optional(api.get_opt(name)).await? else { return Ok(TenantState::Vanished) };
        let decoded = serde_json::to_value(found).and_then(serde_json::from_value::<Tenant>);
        Ok(decoded.map_or(TenantState::Unknown, |tenant| TenantState::Present(declaration(&tenant))))
    }

    pub(super) async fn namespaces(&self, tenant: &str) -> Result<BTreeMap<String, NamespaceSight>, Lost> {
        let api = Api::<Namespace>::all(self.client.clone());
        let mut all = BTreeMap::new();
        for name in [home::customer_namespace(tenant), home::derived_namespace(tenant)] {
            if let Some(found) = optional(api.get_opt(&name)).await? {
                let sight = NamespaceSight {
                    uid: found.uid().unwrap_or_default(),
                    held: found.annotations().contains_key(labels::LEGAL_HOLD),
                    approved: found.annotations().get(labels::PURGE_APPROVED).cloned(),
                };
                all.insert(name, sight);
            }
        }
        Ok(all)
    }

    pub(super) async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, Lost> {
        optional(Api::<ConfigMap>::namespaced(self.client.clone(), namespace).get_opt(name)).await
    }

    /// The switch and nothing else decides; where it would be has to be there, and a strange word counts as thrown.
    pub(super) async fn stop(&self) -> Result<bool, String> {
        let found = self.config_map(&self.namespace, BUDGET).await.map_err(|error| error.to_string())?;
        let data = found.ok_or(format!("ConfigMap {BUDGET} is not there"))?.data.unwrap_or_default();
        match data.get("stop").map(String::as_str) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            other => Err(format!("{BUDGET}: stop is {other:?}, neither \"true\" nor \"false\"")),
        }
    }

    pub(super) async fn per_day(&self, now: Timestamp) -> Result<usize, Lost> {
        let number = |map: Option<ConfigMap>, key: &str| -> Option<usize> { map?.data?.get(key)?.parse().ok() };
        let usual = number(self.config_map(&self.namespace, BUDGET).await?, "tenantsPerDay").unwrap_or(PER_DAY);
        let approval = self.config_map(&self.namespace, APPROVAL).await?;
        let data = approval.as_ref().and_then(|approval| approval.data.clone()).unwrap_or_default();
        let today = jst::in_japan(now).chars().take(10).collect::<String>();
        let of_today = data.get("date") == Some(&today) && data.get("approvedBy").is_some_and(|by| !by.is_empty());
        Ok(if of_today { number(approval, "tenantsPerDay").unwrap_or(usual).max(usual) } else { usual })
    }

    async fn signing_key(&self) -> Result<SigningKey, String> {
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let found = optional(api.get_opt(SECRET)).await.map_err(|error| error.to_string())?;
        let data = found.and_then(|secret| secret.data).and_then(|mut data| data.remove(SECRET_KEY));
        let pem = data.ok_or(format!(
            "Secret {}/{SECRET} has no key {SECRET_KEY}; cloudfarm signing-key makes one",
            self.namespace
        ))?;
        SigningKey::from_pem(&pem.0).map_err(|error| format!("Secret {SECRET}, key {SECRET_KEY}: {error}"))
    }

    /// When the operator renewed its lease.
    pub(super) async fn renewed(&self) -> Result<Option<Timestamp>, Lost> {
        Ok(self.lease().await?.and_then(|lease| lease.spec).and_then(|spec| spec.renew_time).map(|time| time.0))
    }

    async fn lease(&self) -> Result<Option<Lease>, Lost> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), &self.namespace);
        optional(leases.get_opt(crate::operator::lease::LEASE)).await
    }

    /// A leader that ends gives its lease back, and until the next one takes it, nobody tells the time.
    async fn between_leaders(&self) -> Result<bool, Lost> {
        let spec = self.lease().await?.map(|lease| lease.spec.unwrap_or_default());
        Ok(spec.is_some_and(|spec| spec.holder_identity.is_none() && spec.renew_time.is_none()))
    }

    /// Purges of other tenants that have begun, by Retention.
    pub(super) async fn begun(&self) -> Result<BTreeMap<String, Timestamp>, Lost> {
        let all = timed(Api::<Retention>::all(self.client.clone()).list(&ListParams::default())).await?;
        let others = all.items.iter().filter(|other| other.uid().as_ref() != Some(&self.asked.uid));
        let begun = others.filter_map(|other| {
            let purge = other.status.as_ref()?.progress.purge.as_ref()?;
            Some((other.name_any(), purge.started_at.0))
        });
        Ok(begun.collect())
    }

    /// Everything in the namespaces of a look that are pinned, and what hangs on it.
    pub(super) async fn inventory_of(&self, look: &Look, unlisted: Unlisted) -> Result<Inventory, Lost> {
        let status = look.retention.status.clone().unwrap_or_default();
        let pinned = status.pinned.unwrap_or_default();
        let is_pinned = |name: &String, sight: &NamespaceSight| pinned.namespace_uids.get(name) == Some(&sight.uid);
        let namespaces = look.namespaces.iter().filter(|(name, sight)| is_pinned(name, sight));
        let namespaces = namespaces.map(|(name, sight)| (name.clone(), sight.uid.clone())).collect();
        let place = Place {
            tenant: &look.retention.spec.tenant_ref.name,
            tenant_uid: &pinned.tenant_uid,
            namespaces: &namespaces,
            log_retention: look.retention.spec.log_retention.clone().unwrap_or_else(LogRetention::standard),
            now: records_as_of(look),
            unlisted,
        };
        inventory(&self.client, &place).await
    }

    pub(super) fn record_name(&self, tenant: &str) -> String {
        home::purge_record(tenant, &self.asked.uid)
    }

    async fn stored(&self) -> Result<(Target, BTreeMap<String, String>), Lost> {
        let (retention, _) = self.retention().await?;
        let name = self.record_name(&retention.spec.tenant_ref.name);
        let found = self.config_map(EVIDENCE_NAMESPACE, &name).await?;
        let found = found.ok_or(Lost::Refused(format!("ConfigMap {EVIDENCE_NAMESPACE}/{name} is not there")))?;
        Ok((target_of(&found), found.data.unwrap_or_default()))
    }

    async fn object(&self, item: &Item) -> Result<Option<DynamicObject>, Lost> {
        let resource = item.kind.api_resource();
        let api: Api<DynamicObject> = match &item.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let found = optional(api.get_opt(&item.name)).await?;
        Ok(found.filter(|found| found.uid().as_ref() == Some(&item.uid)))
    }

    /// A VM is ready when it is meant to be off and its instance is gone.
    async fn instance_is_gone(&self, item: &Item) -> Result<bool, Lost> {
        let kind = KindName {
            group: "kubevirt.io".into(),
            version: "v1".into(),
            kind: "VirtualMachineInstance".into(),
            plural: "virtualmachineinstances".into(),
        };
        let namespace = item.namespace.clone().unwrap_or_default();
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &namespace, &kind.api_resource());
        Ok(optional(api.get_opt(&item.name)).await?.is_none())
    }
}

impl Live {
    async fn see(&self) -> Result<Look, Lost> {
        let (retention, api_server) = self.retention().await?;
        let tenant = retention.spec.tenant_ref.name.clone();
        let (state, namespaces, operator, stop) =
            tokio::join!(self.tenant(&tenant), self.namespaces(&tenant), self.renewed(), self.stop());
        Ok(Look {
            tenant: state?,
            namespaces: namespaces?,
            clocks: Clocks { own: self.clock.now(), api_server, operator: operator? },
            stop,
            retention,
        })
    }
}

impl World for Live {
    async fn look(&self) -> Result<Look, Lost> {
        let give_up = self.until.min(Instant::now() + HANDOVER);
        loop {
            // Boxed once here, as it is part of everything that a run does.
            let look = Box::pin(self.see()).await?;
            let silent = look.clocks.operator.is_none();
            if !silent || Instant::now() >= give_up || !self.between_leaders().await? {
                return Ok(look);
            }
            tokio::time::sleep(self.pause.min(Duration::from_secs(1))).await;
        }
    }

    async fn reserve(&self) -> Result<Reserve, Lost> {
        let begun = self.begun().await?;
        let key = self.signing_key().await.map(drop);
        let record = self.stored().await.map(drop).map_err(|error| error.to_string());
        Ok(Reserve { per_day: self.per_day(self.clock.now()).await?, begun, evidence: key.and(record) })
    }

    async fn inventory(&self) -> Result<Inventory, Lost> {
        let look = Box::pin(self.look()).await?;
        self.inventory_of(&look, unlisted_by_purge).await
    }

    async fn state(&self, item: &Item) -> Result<ItemState, Lost> {
        let Some(object) = self.object(item).await? else { return Ok(ItemState::Gone) };
        let deleting = object.metadata.deletion_timestamp.is_some();
        if !deleting && is_kept_again(item, &object) {
            return Err(Lost::Refused(format!("{item} is wanted again since this run began; the next one looks anew")));
        }
        let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str);
        let ready = match item.kind.plural.as_str() {
            "persistentvolumes" => text("/spec/persistentVolumeReclaimPolicy") == Some("Delete"),
            "volumesnapshotcontents" => text("/spec/deletionPolicy") == Some("Delete"),
            "virtualmachinesnapshots" => text("/spec/deletionPolicy") != Some("Retain"),
            "virtualmachines" => text("/spec/runStrategy") == Some("Halted") && self.instance_is_gone(item).await?,
            _ => true,
        };
        let disposable = object.labels().get(labels::DISPOSABLE).is_some_and(|value| value == "true");
        let ready = ready && (disposable || item.way != Way::Dispose || !is_guarded(&item.kind));
        Ok(ItemState::There(Seen {
            resource_version: object.resource_version().unwrap_or_default(),
            deleting,
            ready,
            blockers: blockers(&object, deleting),
        }))
    }

    async fn prepare(&self, item: &Item, seen: &Seen) -> Result<(), Lost> {
        let fields = match item.kind.plural.as_str() {
            "persistentvolumes" => json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}),
            "volumesnapshotcontents" | "virtualmachinesnapshots" => json!({"spec": {"deletionPolicy": "Delete"}}),
            "virtualmachines" => json!({"spec": {"runStrategy": "Halted"}}),
            _ => json!({}),
        };
        let mut fields = fields;
        if item.way == Way::Dispose && is_guarded(&item.kind) {
            fields["metadata"]["labels"] = json!({labels::DISPOSABLE: "true"});
        }
        if item.namespace.is_none() {
            fields["metadata"]["annotations"] = json!({labels::PURGE_APPROVED: self.asked.uid});
        }
        Ok(self.eraser.prepare(&target(item, seen), &fields).await?)
    }

    async fn delete(&self, item: &Item, seen: &Seen) -> Result<(), Lost> {
        match self.eraser.delete(&target(item, seen)).await {
            Ok(()) => {
                tracing::info!(object = %item, uid = item.uid, "deletion asked for");
                Ok(())
            }
            // Whether it is gone is for the next look to tell.
            Err(WriteError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn record(&self, look: &Look, progress: &Progress) -> Result<(), Lost> {
        Ok(self.eraser.progress(&look.retention, progress).await?)
    }

    async fn plan(&self) -> Result<Option<String>, Lost> {
        Ok(self.stored().await?.1.remove(PLAN_KEY))
    }

    async fn store_plan(&self, text: &str) -> Result<(), Lost> {
        let (target, _) = self.stored().await?;
        Ok(self.eraser.put(&target, &json!({PLAN_KEY: text})).await?)
    }

    async fn certify(&self, certificate: Certificate) -> Result<EvidenceReference, Lost> {
        let refused = |error: &dyn std::fmt::Display| Lost::Refused(error.to_string());
        // The chain before the record: whoever chains meanwhile makes the second write fail, and not the first.
        let chain = self.config_map(EVIDENCE_NAMESPACE, CHAIN).await?;
        let chain = chain.ok_or(Lost::Refused(format!("ConfigMap {EVIDENCE_NAMESPACE}/{CHAIN} is not there")))?;
        let (target, data) = self.stored().await?;
        let word = |key: &str| chain.data.as_ref().and_then(|data| data.get(key)).cloned();
        let known = Chain {
            head: word("head").unwrap_or_else(|| NO_PREVIOUS.into()),
            length: word("length").and_then(|length| length.parse().ok()).unwrap_or_default(),
            recent: word("recent").unwrap_or_default().lines().map(str::to_owned).collect(),
        };
        let stored = data.get(CERTIFICATE_KEY).and_then(|text| serde_json::from_str::<Signed>(text).ok());
        // A run that died after it had signed is not signed for again.
        let signed = match link(&known, stored, certificate) {
            Link::Stands(signed) => *signed,
            Link::Sign(certificate) => {
                let software = software::running().map_err(|error| refused(&error))?;
                let key = self.signing_key().await.map_err(Lost::Refused)?;
                let signed = key.sign(Certificate { software, ..*certificate }).map_err(|error| refused(&error))?;
                let text = signed.to_json().map_err(|error| refused(&error))?;
                self.eraser.put(&target, &json!({CERTIFICATE_KEY: text})).await?;
                signed
            }
        };
        let sha256 = signed.certificate.sha256().map_err(|error| refused(&error))?;
        if !known.has(&sha256) {
            let surplus = (known.recent.len() + 1).saturating_sub(REMEMBERED);
            let recent: Vec<&str> = known.recent.iter().skip(surplus).map(String::as_str).chain([&*sha256]).collect();
            let length = (signed.certificate.sequence + 1).to_string();
            let next = json!({"head": sha256, "length": length, "recent": recent.join("\n")});
            self.eraser.put(&target_of(&chain), &next).await?;
        }
        Ok(EvidenceReference { report: target.name, sha256, signature: signed.signature, key_id: signed.key_id })
    }

    async fn rest(&self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        true
    }
}

fn target(item: &Item, seen: &Seen) -> Target {
    Target {
        resource: item.kind.api_resource(),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
        uid: item.uid.clone(),
        resource_version: seen.resource_version.clone(),
    }
}

fn target_of(config_map: &ConfigMap) -> Target {
    Target {
        resource: ApiResource::erase::<ConfigMap>(&()),
        namespace: config_map.namespace(),
        name: config_map.name_any(),
        uid: config_map.uid().unwrap_or_default(),
        resource_version: config_map.resource_version().unwrap_or_default(),
    }
}

/// What keeps an object that is being deleted, in the API server's own words.
fn blockers(object: &DynamicObject, deleting: bool) -> Vec<String> {
    if !deleting {
        return Vec::new();
    }
    let finalizers = object.finalizers().iter().map(|finalizer| format!("finalizer {finalizer}"));
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let told = conditions.filter(|condition| {
        condition["status"] == "True" && object.types.as_ref().is_some_and(|types| types.kind == "Namespace")
    });
    let told = told.filter_map(|condition| condition["message"].as_str().map(str::to_owned));
    finalizers.chain(told).collect()
}

async fn timed<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Lost> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| classify(error).into()),
        Err(_) => Err(Lost::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

async fn optional<T: DeserializeOwned>(call: impl Future<Output = kube::Result<Option<T>>>) -> Result<Option<T>, Lost> {
    timed(call).await
}

async fn timed_body(body: kube::client::Body) -> Result<Vec<u8>, Lost> {
    match tokio::time::timeout(CALL_TIMEOUT, body.collect_bytes()).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(error)) => Err(Lost::Unanswered(error.to_string())),
        Err(_) => Err(Lost::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}
