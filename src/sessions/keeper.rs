//! Judges sessions by what the API server knows at that moment, and writes them down.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep, timeout};

use super::desk::Desk;
use super::event::{SETTLED, Sighting};
use super::judge::{Known, Platform, Verdict};
use super::metrics::Figures;
use super::record::Unapproved;
use super::tail::{Found, Log};
use super::{NAME, record};
use crate::api::access_grant::{AccessGrant, Session};
use crate::api::tenant::Tenant;
use crate::api::{home, jst};
use crate::cluster::sessions::Ledger;
use crate::cluster::write::{WriteError, classify};
use crate::operator::clock::Clock;

/// No look may take longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at the log.
const BETWEEN: Duration = Duration::from_secs(1);

/// After something could not be read or written.
const LATER: Duration = Duration::from_secs(5);

/// For so long the customer's people are known without asking. Who is taken off the Tenant meanwhile gets in nowhere.
const WELL_KNOWN: Duration = Duration::from_mins(1);

/// Of so many tenants.
const MOST_TENANTS: usize = 10_000;

/// Writes sessions down.
pub struct Keeper {
    client: Client,
    ledger: Ledger,
    platform: Platform,
    clock: Clock,
    /// What `/metrics` says.
    pub figures: Arc<Figures>,
    people: Mutex<HashMap<String, (Instant, BTreeSet<String>)>>,
}

impl Keeper {
    #[must_use]
    pub fn new(client: Client, platform: Platform, clock: Clock, figures: Arc<Figures>) -> Self {
        let ledger = Ledger::new(client.clone());
        Self { client, ledger, platform, clock, figures, people: Mutex::default() }
    }

    /// The clock that sessions are judged by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Follows a log, until the task is dropped.
    pub async fn follow(&self, path: PathBuf) {
        let (mut log, mut desk) = (Log::new(path.clone()), Desk::new(SETTLED));
        loop {
            let room = desk.room();
            // Reading is a file's business, and may take its time.
            let read = tokio::task::spawn_blocking(move || {
                let found = log.read(room);
                (log, found)
            });
            let Ok((read_on, found)) = read.await else {
                tracing::error!("reading the log broke off; beginning it again");
                log = Log::new(path.clone());
                sleep(LATER).await;
                continue;
            };
            log = read_on;
            let (legible, found) = match found {
                Ok(found) => (true, found),
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "the audit log cannot be read");
                    (false, Found::default())
                }
            };
            self.figures.read(found.lines, found.malformed);
            found.sightings.into_iter().for_each(|sighting| desk.see(sighting));
            let again = self.settle(desk.due(self.clock.now())).await;
            let written = again.is_empty();
            desk.put_back(again);
            self.figures.working(legible && written);
            match (legible && written, found.more && room > 0) {
                (false, _) => sleep(LATER).await,
                (true, true) => {}
                (true, false) => sleep(BETWEEN).await,
            }
        }
    }

    /// Judges and writes; gives back what could not be written.
    pub async fn settle(&self, sightings: Vec<Sighting>) -> Vec<Sighting> {
        let mut areas: BTreeMap<String, Vec<Sighting>> = BTreeMap::new();
        for sighting in sightings {
            if !sighting.let_in() {
                self.figures.refused.inc();
            } else if !self.platform.at_work(&sighting) && !self.is_known(&sighting) {
                areas.entry(sighting.namespace.clone()).or_default().push(sighting);
            }
        }
        let mut again = Vec::new();
        for (namespace, sightings) in areas {
            if let Err(error) = self.settle_in(&namespace, &sightings).await {
                self.figures.failures.inc();
                tracing::warn!(namespace, %error, sessions = sightings.len(), "sessions could not be written down yet");
                again.extend(sightings);
            }
        }
        again
    }

    fn is_known(&self, sighting: &Sighting) -> bool {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = people.get(&sighting.namespace).filter(|(since, _)| since.elapsed() < WELL_KNOWN);
        sighting.in_the_name_of.is_none() && fresh.is_some_and(|(_, names)| names.contains(&sighting.key.person))
    }

    async fn settle_in(&self, namespace: &str, sightings: &[Sighting]) -> Result<(), WriteError> {
        let tenant = home::of_customer_namespace(namespace);
        let known = self.look(tenant, namespace).await?;
        let (mut granted, mut unapproved): (BTreeMap<usize, Vec<Session>>, Vec<Unapproved>) = Default::default();
        for sighting in sightings {
            match known.judge(sighting) {
                Verdict::Customers => {}
                Verdict::Granted(grant) => granted.entry(grant).or_default().push(record::session(sighting)),
                Verdict::Unapproved => unapproved.push(Unapproved::of(sighting)),
            }
        }
        for (grant, sessions) in granted {
            self.on_grant(&known.grants[grant], &sessions).await?;
        }
        self.without_grant(tenant, known.tenant.as_ref(), &unapproved).await
    }

    /// The Tenant and its grants, as they are now.
    async fn look(&self, tenant: &str, namespace: &str) -> Result<Known, WriteError> {
        let tenants: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::erase::<Tenant>(&()));
        let found = answered(tenants.get_opt(tenant)).await?;
        let grants = ApiResource::erase::<AccessGrant>(&());
        let grants: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &grants);
        let grants = answered(grants.list(&ListParams::default())).await?;
        // One that cannot be read is no reason to take its people for strangers.
        let known = Known {
            tenant: found
                .map(DynamicObject::try_parse)
                .transpose()
                .map_err(|error| WriteError::Unanswered(format!("Tenant {tenant}: {error}")))?,
            // One that cannot be read lets nobody in.
            grants: grants.into_iter().filter_map(|grant| grant.try_parse().ok()).collect(),
        };
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= MOST_TENANTS {
            people.clear();
        }
        people.insert(namespace.to_owned(), (Instant::now(), known.people().map(str::to_owned).collect()));
        Ok(known)
    }

    async fn on_grant(&self, grant: &AccessGrant, sessions: &[Session]) -> Result<(), WriteError> {
        let written = grant.status.as_ref().map_or(&[][..], |status| &status.sessions);
        let Some(joined) = record::joined(written, sessions) else { return Ok(()) };
        self.ledger.sessions(grant, &joined).await?;
        self.figures.granted.inc_by(joined.len().saturating_sub(written.len()) as u64);
        Ok(())
    }

    /// Records what nobody consented to, and says so aloud: first the Event, whose name is the session's, then the record
    /// that keeps it from being told again.
    async fn without_grant(
        &self,
        tenant: &str,
        of: Option<&Tenant>,
        sessions: &[Unapproved],
    ) -> Result<(), WriteError> {
        let mut days: BTreeMap<String, Vec<Unapproved>> = BTreeMap::new();
        for session in sessions {
            days.entry(record::name(&session.session)).or_default().push(session.clone());
        }
        for (name, sessions) in days {
            self.figures.unapproved_at(&sessions);
            match self.in_record(tenant, of, &name, &sessions).await {
                // Nobody's area, or one that is being erased: there is no place for a record, and there will be none.
                Err(WriteError::Refused(error) | WriteError::NotFound(error)) if of.is_none() => {
                    self.figures.unrecorded.inc_by(sessions.len() as u64);
                    tracing::error!(
                        tenant,
                        error,
                        sessions = sessions.len(),
                        "no Tenant, and no place for a record of an unapproved access"
                    );
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn in_record(
        &self,
        tenant: &str,
        of: Option<&Tenant>,
        name: &str,
        sessions: &[Unapproved],
    ) -> Result<(), WriteError> {
        let namespace = home::derived_namespace(tenant);
        let records: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let found = answered(records.get_opt(name)).await?;
        let there = found.is_some();
        let written = found.and_then(|record| record.data).unwrap_or_default();
        let additions = record::additions(&written, sessions);
        if additions.data.is_empty() {
            return Ok(());
        }
        for Unapproved { session, .. } in &additions.fresh {
            tracing::warn!(
                tenant,
                vm = session.vm,
                action = session.action,
                audit_id = session.audit_id,
                "access without an AccessGrant"
            );
            self.tell(tenant, of, name, session).await;
        }
        if there {
            self.ledger.add(&namespace, name, &additions.data).await?;
        } else {
            self.ledger.begin(tenant, &namespace, name, &additions.data).await?;
        }
        self.figures.unapproved.inc_by(additions.fresh.len() as u64);
        Ok(())
    }

    /// Who it was is in the record, which the customer's people cannot read, and in no Event.
    async fn tell(&self, tenant: &str, of: Option<&Tenant>, record: &str, session: &Session) {
        let Some(of) = of else { return };
        let began = session.began_at.as_ref().map(|at| jst::in_japan(at.0)).unwrap_or_default();
        let vm = if session.vm.is_empty() { String::new() } else { format!(" of VM {}", session.vm) };
        let note = format!(
            "somebody without an AccessGrant used {}{vm} at {began}; who it was says ConfigMap {}/{record}",
            session.action,
            home::derived_namespace(tenant),
        );
        let uid: String = of.uid().unwrap_or_default().chars().take(8).collect();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{tenant}.{uid}.access-{}", &record::key(session)[..16])),
                namespace: Some("default".into()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(self.clock.now())),
            type_: Some("Warning".into()),
            reason: Some("AccessWithoutGrant".into()),
            note: Some(note.chars().take(1000).collect()),
            action: Some("Watch".into()),
            regarding: Some(ObjectReference {
                api_version: Some("cloudfarm.dev/v1alpha1".into()),
                kind: Some("Tenant".into()),
                name: Some(tenant.into()),
                uid: of.uid(),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(NAME.into()),
            reporting_instance: Some(NAME.into()),
            ..Event::default()
        };
        if let Err(error) = self.ledger.tell(&event).await {
            tracing::warn!(tenant, %error, "event not recorded");
        }
    }
}

async fn answered<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    match timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(classify),
        Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
