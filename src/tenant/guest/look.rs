//! Reads what no watch shows: the customer's Secret and the one that was made from it, when it is their time.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::book::{self, Book, Entry, Failure, SOON};
use super::{Found, Guest, KEY, Record, Refusal, Sealed, merged, secret_name, unreadable};
use crate::api::condition::Reason;
use crate::api::home;
use crate::api::tenant::{Machine, Tenant};
use crate::cluster::Cluster;
use crate::cluster::object::{Facts, Kind, Observation, Reference};
use crate::cluster::write::WriteError;
use crate::install::INSIDE;
use crate::operator::config::Config;
use crate::operator::context::Context;

/// What a pass knows of a tenant's guests.
#[derive(Clone, Debug, Default)]
pub struct Guests {
    /// By VM, for every one that is declared.
    pub by_vm: BTreeMap<String, Guest>,
    /// VMs that are no longer declared and whose Secret could not be looked for: they are kept until it can.
    pub in_doubt: BTreeSet<String>,
    /// When Secrets are looked at again.
    pub next: Option<Timestamp>,
}

/// One tenant's VMs, and what is known of them.
struct Place<'a> {
    cluster: &'a Cluster,
    config: &'a Config,
    namespace: String,
    observed: &'a BTreeMap<Reference, Observation>,
    now: Timestamp,
    /// The API server left a reading unanswered in this pass: nothing else is read in it.
    silent: bool,
}

/// Looks at what is due. No call at all if nothing is.
pub async fn look(context: &Context, tenant: &Tenant, observed: &BTreeMap<Reference, Observation>) -> Guests {
    let name = tenant.name_any();
    let mut place = Place {
        cluster: &context.cluster,
        config: &context.config,
        namespace: home::customer_namespace(&name),
        observed,
        now: context.clock.now(),
        silent: false,
    };
    let before = context.guests.of_tenant(&name);
    let said = said_refused(tenant);
    let mut guests = Guests::default();
    let mut entries = BTreeMap::new();
    for machine in &tenant.spec.virtual_machines {
        let known = before.get(&machine.name);
        let (guest, entry) = place.guest(machine, known, said).await;
        guests.by_vm.insert(machine.name.clone(), guest);
        entries.insert(machine.name.clone(), entry);
    }
    guests.next = entries.values().map(|entry| entry.next).min();
    guests.in_doubt = place.look_for_left(tenant).await;
    if !guests.in_doubt.is_empty() {
        let soon = later(place.now, SOON);
        guests.next = Some(guests.next.map_or(soon, |next| next.min(soon)));
    }
    context.guests.keep(&name, entries);
    guests
}

/// What was looked at for these VMs has not arrived in their Secrets: they are looked at again in the first pass from then
/// on.
pub fn again(book: &Book, tenant: &str, vms: &BTreeSet<&String>, from: Timestamp) {
    let mut entries = book.of_tenant(tenant);
    for (_, entry) in entries.iter_mut().filter(|(vm, _)| vms.contains(vm)) {
        entry.next = from;
    }
    book.keep(tenant, entries);
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(now)
}

/// What the status said last, before this process came: user data that was refused is read again at once.
fn said_refused(tenant: &Tenant) -> bool {
    let conditions = tenant.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    let refused = [Reason::UserDataRefused.as_str(), Reason::UserDataMissing.as_str()];
    conditions.iter().any(|condition| refused.contains(&condition.reason))
}

impl Place<'_> {
    fn reference(&self, kind: Kind, name: String) -> Reference {
        Reference { kind, namespace: Some(self.namespace.clone()), name }
    }

    fn period(&self) -> SignedDuration {
        SignedDuration::from_mins(self.config.guests.reread_minutes.into())
    }

    async fn guest(&mut self, machine: &Machine, known: Option<&Entry>, said_refused: bool) -> (Guest, Entry) {
        let (now, period) = (self.now, self.period());
        let observed = self.observed;
        let vm = observed.get(&self.reference(Kind::VirtualMachine, machine.name.clone()));
        // What another system started from starts this one with nothing.
        let earlier = vm.and_then(record).filter(|record| record.os == machine.os);
        let current = earlier.clone().filter(|record| record.is_of(machine, self.config));
        // What is written down is about one Secret: another one that is named now is read at once.
        let known = known.filter(|entry| entry.secret == machine.user_data_secret);
        let entry = |next, refusal| Entry { secret: machine.user_data_secret.clone(), next, refusal, failures: 0 };
        let refused = |refusal: Refusal, next| {
            (Guest::Refused { earlier: earlier.clone(), refusal: refusal.clone() }, entry(next, Some(refusal)))
        };
        if let Some(refusal) = unreadable(machine) {
            // It is about the name or the system and not about the Secret, which nobody read.
            let (guest, entry) = refused(refusal, later(now, period));
            return (guest, Entry { secret: None, ..entry });
        }
        let written = known.cloned().or_else(|| {
            let first = if said_refused { now } else { book::first(now, period, &vm?.uid) };
            current.as_ref().map(|_| entry(first, None))
        });
        if let Some(written) = written.filter(|written| written.next > now) {
            match (&written.refusal, &current) {
                (Some(refusal), _) => {
                    return (Guest::Refused { earlier: earlier.clone(), refusal: refusal.clone() }, written);
                }
                (None, Some(record)) => return (Guest::Known(record.clone()), written),
                (None, None) => {}
            }
        }
        match self.looked(machine, earlier.is_some()).await {
            Ok(Ok((record, data))) => (Guest::Looked { record, data }, entry(later(now, period), None)),
            Ok(Err(refusal)) => refused(refusal, later(now, SOON)),
            Err((failure, refusal)) => {
                let failures = known.map_or(0, |entry| entry.failures);
                let next = later(now, book::wait(failure, failures, period));
                let said = known.and_then(|entry| entry.refusal.clone());
                // Nobody who has what is declared loses it, or is told of it, because nobody answers.
                let (guest, refusal) = match (current.clone(), said) {
                    (Some(record), None) => (Guest::Known(record), None),
                    (Some(_), Some(said)) => {
                        (Guest::Refused { earlier: earlier.clone(), refusal: said.clone() }, Some(said))
                    }
                    (None, _) => (Guest::Refused { earlier: earlier.clone(), refusal: refusal.clone() }, Some(refusal)),
                };
                (guest, Entry { failures: failures.saturating_add(1), ..entry(next, refusal) })
            }
        }
    }

    /// What its Secret has to hold, by what the customer's holds now.
    async fn looked(
        &mut self,
        machine: &Machine,
        made: bool,
    ) -> Result<Result<(Record, Sealed), Refusal>, (Failure, Refusal)> {
        let found = match &machine.user_data_secret {
            None => None,
            Some(name) => Some(self.read(machine, name).await?),
        };
        match merged(machine, self.config, found.as_ref()) {
            Ok(looked) => self.look_at_generated(machine, made).await.map(|()| Ok(looked)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The customer's Secret.
    async fn read(&mut self, machine: &Machine, name: &str) -> Result<Found, (Failure, Refusal)> {
        let binding = self.reference(Kind::RoleBinding, INSIDE.to_owned());
        let field = format!("spec.virtualMachines[{}].userDataSecret: Secret {name:?}", machine.name);
        if !self.observed.contains_key(&binding) {
            let message = format!("{field} is read once the operator may, by {binding}");
            return Err((Failure::Forbidden, Refusal { reason: Reason::Progressing, message }));
        }
        if self.silent {
            return Err(unasked(&field));
        }
        match self.cluster.writer.secret(&self.namespace, name, KEY).await {
            Ok(data) => Ok(Found::Secret(data)),
            Err(WriteError::NotFound(_)) => Ok(Found::Nothing),
            Err(error) => Err(self.failed(&field, &error)),
        }
    }

    fn failed(&mut self, what: &str, error: &WriteError) -> (Failure, Refusal) {
        let failure = match error {
            WriteError::Refused(_) => Failure::Forbidden,
            _ => Failure::Unanswered,
        };
        self.silent |= matches!(error, WriteError::Unanswered(_));
        let message = format!("{what} could not be read, and is tried again: {error}");
        (failure, Refusal { reason: Reason::ApiError, message })
    }

    /// The Secret that was made earlier, so that what somebody did to it is seen. One that has not been made by what the VM
    /// says is not asked for: making it tells.
    async fn look_at_generated(&mut self, machine: &Machine, made: bool) -> Result<(), (Failure, Refusal)> {
        let reference = self.reference(Kind::Secret, secret_name(&machine.name));
        if made && self.silent {
            return Err(unasked(&reference.to_string()));
        }
        let seen =
            if made { self.cluster.writer.read(&reference).await } else { Err(WriteError::NotFound(String::new())) };
        match seen {
            Ok(seen) => drop(self.cluster.observed.see(seen)),
            Err(WriteError::NotFound(_)) => {
                if let Some(stale) = self.cluster.observed.get(&reference) {
                    self.cluster.observed.forget(&stale);
                }
            }
            Err(error) => return Err(self.failed(&reference.to_string(), &error)),
        }
        Ok(())
    }

    /// Secrets of VMs that are there and no longer declared: after a restart only the VM tells that there is one.
    async fn look_for_left(&mut self, tenant: &Tenant) -> BTreeSet<String> {
        let declared = |vm: &str| tenant.spec.virtual_machines.iter().any(|machine| machine.name == vm);
        let observed = self.observed;
        let left = observed.values().filter(|object| {
            object.reference.kind == Kind::VirtualMachine
                && object.ours
                && !object.deleting
                && record(object).is_some()
                && !declared(&object.reference.name)
        });
        let mut in_doubt = BTreeSet::new();
        for vm in left {
            let reference = self.reference(Kind::Secret, secret_name(&vm.reference.name));
            let seen = if self.silent { None } else { Some(self.cluster.writer.read(&reference).await) };
            match seen {
                Some(Ok(seen)) => drop(self.cluster.observed.see(seen)),
                Some(Err(WriteError::NotFound(_))) => {}
                Some(Err(error)) => {
                    self.silent |= matches!(error, WriteError::Unanswered(_));
                    in_doubt.insert(vm.reference.name.clone());
                }
                None => drop(in_doubt.insert(vm.reference.name.clone())),
            }
        }
        in_doubt
    }
}

/// Another reading of this pass was left unanswered.
fn unasked(what: &str) -> (Failure, Refusal) {
    let message = format!("{what} is read once the API server answers");
    (Failure::Unanswered, Refusal { reason: Reason::ApiError, message })
}

/// What a VM that is there says its data was made from.
fn record(vm: &Observation) -> Option<Record> {
    match &vm.facts {
        Facts::VirtualMachine { guest: Some(text), .. } => Record::read(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::api::tenant::OperatingSystem;
    use crate::cluster::asked;
    use crate::cluster::object::{Attached, Digest};
    use crate::foreign::restored::Restored;

    fn now() -> Timestamp {
        "2026-11-30T00:00:00Z".parse().unwrap()
    }

    fn machine(name: &str, secret: &str) -> Machine {
        Machine { name: name.into(), user_data_secret: Some(secret.into()), ..Machine::default() }
    }

    fn seen(kind: Kind, name: &str, facts: Facts) -> (Reference, Observation) {
        let reference = Reference { kind, namespace: Some("cf-plum".into()), name: name.into() };
        let seen = Observation {
            reference: reference.clone(),
            uid: format!("uid-of-{name}"),
            resource_version: "1".into(),
            owner: "Tenant/plum".into(),
            owner_uid: "t-uid".into(),
            tenant: "plum".into(),
            ours: true,
            digest: Digest::of(&serde_json::Value::Null),
            facts,
            deleting: false,
        };
        (reference, seen)
    }

    /// A VM that is there, made from this.
    fn vm(name: &str, record: &Record) -> (Reference, Observation) {
        let facts = Facts::VirtualMachine {
            ready: true,
            printable_status: "Running".into(),
            halted: false,
            live: true,
            idle: None,
            stopped: None,
            trouble: None,
            networks: Attached::default(),
            guest: Some(record.text()),
            restored: Restored::default(),
        };
        seen(Kind::VirtualMachine, name, facts)
    }

    fn record(machine: &Machine, config: &Config) -> Record {
        let found = Found::Secret(Some(b"#!/bin/sh\n".to_vec()));
        merged(machine, config, Some(&found)).unwrap().0
    }

    /// What was asked of the API server, and the place to look at.
    struct World {
        cluster: Cluster,
        asked: Arc<Mutex<Vec<String>>>,
        config: Config,
        observed: BTreeMap<Reference, Observation>,
    }

    impl World {
        fn answering(status: u16, body: &str) -> Self {
            let body = body.to_owned();
            let (cluster, asked) = asked::answering(move |_| (status, body.clone()));
            let observed = BTreeMap::from([seen(Kind::RoleBinding, INSIDE, Facts::None)]);
            Self { cluster, asked, config: crate::render::documentation_config().unwrap(), observed }
        }

        fn place(&self) -> Place<'_> {
            Place {
                cluster: &self.cluster,
                config: &self.config,
                namespace: "cf-plum".into(),
                observed: &self.observed,
                now: now(),
                silent: false,
            }
        }

        fn calls(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    fn is_refused(guest: &Guest, with_earlier: bool) -> bool {
        matches!(guest, Guest::Refused { earlier, .. } if earlier.is_some() == with_earlier)
    }

    /// A customer's Secret that holds this.
    fn holding(data: &str) -> String {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "uid": "u"},
                           "data": {"userdata": data}})
        .to_string()
    }

    #[tokio::test]
    async fn while_nobody_answers_one_reading_is_tried_and_ever_later_and_what_stands_is_kept() {
        let mut world = World::answering(503, r#"{"kind":"Status","status":"Failure","code":503,"message":"no"}"#);
        let (web, app) = (machine("web", "data"), machine("app", "data"));
        world.observed.extend([vm("web", &record(&web, &world.config))]);
        let mut place = world.place();
        let due = Entry { secret: Some("data".into()), next: now(), refusal: None, failures: 0 };
        let (guest, entry) = place.guest(&web, Some(&due), false).await;
        assert!(matches!(guest, Guest::Known(_)), "{guest:?}");
        assert_eq!((entry.next.duration_since(now()), entry.failures, &entry.refusal), (SOON, 1, &None));
        let (guest, new) = place.guest(&app, None, false).await;
        assert!(is_refused(&guest, false), "{guest:?}");
        assert!(new.refusal.is_some_and(|refusal| refusal.reason == Reason::ApiError) && new.next > now());
        assert_eq!(world.calls(), 1, "nobody else is asked in this pass");
        let again = Entry { next: now(), ..entry };
        let (_, entry) = world.place().guest(&web, Some(&again), false).await;
        assert_eq!((entry.next.duration_since(now()), entry.failures), (SOON * 2, 2));
    }

    #[tokio::test]
    async fn what_may_not_be_read_yet_is_tried_in_a_second_and_the_next_vm_at_once() {
        let world = World::answering(403, r#"{"kind":"Status","status":"Failure","code":403,"message":"no"}"#);
        let mut place = world.place();
        for vm in ["web", "app"] {
            let (guest, entry) = place.guest(&machine(vm, "data"), None, false).await;
            assert!(is_refused(&guest, false));
            assert_eq!(entry.next.duration_since(now()).as_secs(), 1);
        }
        assert_eq!(world.calls(), 2);
    }

    #[tokio::test]
    async fn refused_data_is_read_again_when_it_is_time_and_another_secret_at_once() {
        let mut world = World::answering(200, &holding("#include\nhttps://example.invalid/\n"));
        let (old, new) = (machine("web", "old"), machine("web", "new"));
        world.observed.extend([vm("web", &record(&old, &world.config))]);
        let (guest, entry) = world.place().guest(&new, None, false).await;
        assert!(is_refused(&guest, true), "it keeps what it had");
        assert_eq!((entry.secret.as_deref(), world.calls()), (Some("new"), 1));
        let (guest, same) = world.place().guest(&new, Some(&entry), false).await;
        assert!(is_refused(&guest, true));
        assert_eq!((&same, world.calls()), (&entry, 1), "not in every pass");
        world.place().guest(&machine("web", "newer"), Some(&entry), false).await;
        assert_eq!(world.calls(), 2, "another Secret");
        let due = Entry { next: now(), ..entry };
        world.place().guest(&new, Some(&due), false).await;
        assert_eq!(world.calls(), 3, "its time has come");
    }

    #[tokio::test]
    async fn a_vm_of_another_system_starts_from_nothing_that_the_earlier_one_had() {
        let mut world = World::answering(200, &holding("#include\nhttps://example.invalid/\n"));
        let windows = Machine { name: "web".into(), os: OperatingSystem::Windows, ..Machine::default() };
        let earlier = merged(&windows, &world.config, None).unwrap().0;
        world.observed.extend([vm("web", &earlier)]);
        let (guest, _) = world.place().guest(&machine("web", "data"), None, false).await;
        assert!(is_refused(&guest, false), "{guest:?}");
        // What was wrong with the system says nothing about the Secret.
        let odd = Machine { os: OperatingSystem::Windows, ..machine("web", "data") };
        let (guest, entry) = world.place().guest(&odd, None, false).await;
        assert!(is_refused(&guest, true));
        let before = world.calls();
        world.place().guest(&machine("web", "data"), Some(&entry), false).await;
        assert_eq!(world.calls(), before + 1);
    }

    #[tokio::test]
    async fn what_stands_is_not_read_before_its_time() {
        let mut world = World::answering(200, &holding("#!/bin/sh\n"));
        let web = machine("web", "data");
        world.observed.extend([vm("web", &record(&web, &world.config))]);
        let (guest, entry) = world.place().guest(&web, None, false).await;
        assert!(matches!(guest, Guest::Known(_)) && entry.next > now());
        assert_eq!(world.calls(), 0);
        let (guest, _) = world.place().guest(&web, None, true).await;
        assert!(matches!(guest, Guest::Looked { .. }), "the status said that something was refused: {guest:?}");
        assert_eq!(world.calls(), 2, "the customer's Secret and ours");
    }
}
