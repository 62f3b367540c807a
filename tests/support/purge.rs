//! Purge runs inside the test process, with the token of `cloudfarm-purge`: its rights and no more.
//!
//! Nobody waits 60 days. A contract ends on a day long past, and what keeps it from being erased at once, the cool-off
//! after the first sight of that date and the first run's own mark of the time, is written back by a day by the
//! identities that admission lets write it ([`due`]).

use std::time::Duration;

use cloudfarm::api::home;
use cloudfarm::api::retention::{RetentionStatus, RunOutcome};
use cloudfarm::evidence::certificate::{Certificate, Signed};
use cloudfarm::install::NAMESPACE;
use cloudfarm::operator::clock::Clock;
use cloudfarm::purge::engine::{self, Ended};
use cloudfarm::purge::live::{CERTIFICATE_KEY, Live, PLAN_KEY};
use cloudfarm::purge::look::Asked;
use cloudfarm::purge::plan::Plan;
use cloudfarm::purge::world::Lost;
use k8s_openapi::jiff::SignedDuration;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::desk::{Desk, now};
use super::eventually;
use super::faults::Faults;
use super::storage::Driver;
use super::storage::tenant::volume_handle;
use super::world;

/// A last day of the contract that is long past.
pub const ENDED: &str = "2026-06-30";

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
            patience: Duration::from_mins(1),
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

    /// Waits until no VM is meant to run; where there is no KubeVirt, there is none.
    pub async fn halted(&self) {
        let machines = world::machines(&self.desk.admin, &self.tenant);
        eventually(&format!("VMs of {} to be halted", self.tenant), || async {
            let all = match machines.list(&ListParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Some(()),
                all => all.ok()?.items,
            };
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
            ended = Box::pin(engine::run(&world, &asked)) => Some(ended),
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
        let ran = || async {
            match self.try_run(&Faults::default()).await.expect("nobody kills it") {
                Ok(ended) => Some(Some(ended)),
                // A busy API server: the next run asks again, as the CronJob's does, unless this one's word has come through.
                Err(_) => self.status().await.progress.inventory.map(|_| None),
            }
        };
        if let Some(ended) = super::eventually("a preview", ran).await {
            let said = (ended.outcome, ended.reason.as_str());
            assert_eq!(said, (RunOutcome::Previewed, "Previewed"), "{}", ended.message);
        }
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
