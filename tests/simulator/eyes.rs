//! One purge run's view of the virtual cluster: every call is a point at which others may go first, at which it may be
//! lost, refused or overtaken, and at which the process may die.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use cloudfarm::api::home;
use cloudfarm::api::retention::{EvidenceReference, Progress};
use cloudfarm::evidence::certificate::{Certificate, Signed, Software};
use cloudfarm::evidence::signing::SigningKey;
use cloudfarm::purge::certificate::{Chain, Link, link};
use cloudfarm::purge::look::{Asked, Look, Reserve, records_as_of};
use cloudfarm::purge::plan::{Inventory, Item};
use cloudfarm::purge::world::{ItemState, Lost, Seen, World};
use kube::ResourceExt;

use crate::world::Cluster;

/// What can happen to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    LostBefore,
    LostAfter,
    Conflict,
    Refused,
    KilledBefore,
    KilledAfter,
}

pub const FAULTS: [Fault; 6] =
    [Fault::LostBefore, Fault::LostAfter, Fault::Conflict, Fault::Refused, Fault::KilledBefore, Fault::KilledAfter];

/// How often a run rests before its patience is over.
const PATIENCE: u32 = 30;

pub struct Eyes {
    pub cluster: Rc<RefCell<Cluster>>,
    pub asked: Asked,
    pub calls: Cell<usize>,
    pub fault: Option<(usize, Fault)>,
    pub killed: Cell<bool>,
    rests: Cell<u32>,
    /// Uids that this run has seen in an inventory.
    counted: RefCell<BTreeSet<String>>,
    /// What the model said at the last look: nothing that comes after it can be known to the call that follows.
    verdict: Cell<Option<&'static str>>,
}

/// Lets others go first.
struct Turn(bool);

impl Future for Turn {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// One key for all histories: what is signed is checked, and not who signed.
pub fn key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
        let pem = SigningKey::generate().expect("random numbers");
        SigningKey::from_pem(pem.expose().as_bytes()).expect("a key")
    });
    &KEY
}

impl Eyes {
    pub fn new(cluster: Rc<RefCell<Cluster>>, asked: Asked, fault: Option<(usize, Fault)>) -> Self {
        let (calls, killed, rests) = (Cell::new(0), Cell::new(false), Cell::new(0));
        Self { cluster, asked, calls, fault, killed, rests, counted: RefCell::default(), verdict: Cell::new(None) }
    }

    async fn call<T>(&self, effect: impl FnOnce(&mut Cluster) -> Result<T, Lost>) -> Result<T, Lost> {
        Turn(false).await;
        let number = self.calls.replace(self.calls.get() + 1);
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        match fault {
            Some(Fault::LostBefore) => return Err(Lost::Unanswered("no answer".into())),
            Some(Fault::Conflict) => return Err(Lost::Unexpected("it changed".into())),
            Some(Fault::Refused) => return Err(Lost::Refused("forbidden".into())),
            Some(Fault::KilledBefore) => self.die().await,
            _ => {}
        }
        let result = {
            let mut cluster = self.cluster.borrow_mut();
            cluster.pass_time(1);
            effect(&mut cluster)
        };
        match fault {
            Some(Fault::LostAfter) => Err(Lost::Unanswered("no answer".into())),
            Some(Fault::KilledAfter) => {
                self.die().await;
                result
            }
            _ => result,
        }
    }

    async fn die(&self) {
        self.killed.set(true);
        std::future::pending::<()>().await;
    }
}

impl World for Eyes {
    async fn look(&self) -> Result<Look, Lost> {
        self.call(|cluster| {
            let now = cluster.now;
            let look = cluster.look(&self.asked.retention)?;
            let book = cluster.books.get(&look.retention.uid().unwrap_or_default());
            let stopped = cluster.stop != Ok(false);
            let verdict = book.map_or(Some("nobody knows it"), |book| book.forbids(now));
            self.verdict.set(if stopped { Some("every purge is stopped") } else { verdict });
            Ok(look)
        })
        .await
    }

    async fn reserve(&self) -> Result<Reserve, Lost> {
        self.call(|cluster| {
            let others = cluster.retentions.values().filter(|other| other.uid().as_ref() != Some(&self.asked.uid));
            let begun = others.filter_map(|other| {
                Some((other.name_any(), other.status.as_ref()?.progress.purge.as_ref()?.started_at.0))
            });
            let evidence = cluster.records.get(&self.asked.uid).map(drop).ok_or_else(|| "no record".to_owned());
            Ok(Reserve { per_day: cluster.per_day, begun: begun.collect(), evidence })
        })
        .await
    }

    async fn inventory(&self) -> Result<Inventory, Lost> {
        self.call(|cluster| {
            cluster.objects.settle();
            let look = cluster.look(&self.asked.retention)?;
            let status = look.retention.status.clone().unwrap_or_default();
            let now = records_as_of(&look);
            let pinned = status.pinned.unwrap_or_default().namespace_uids;
            let found = cluster.objects.inventory(&look.retention.spec.tenant_ref.name, &pinned, now);
            self.counted.borrow_mut().extend(found.items.iter().map(|item| item.uid.clone()));
            Ok(found)
        })
        .await
    }

    async fn state(&self, item: &Item) -> Result<ItemState, Lost> {
        self.call(|cluster| {
            let Some(object) = cluster.objects.at(item).filter(|object| object.uid == item.uid) else {
                return Ok(ItemState::Gone);
            };
            let blockers = object.finalizers.iter().filter(|_| object.deleting);
            Ok(ItemState::There(Seen {
                resource_version: object.version.to_string(),
                deleting: object.deleting,
                ready: object.ready,
                blockers: blockers.map(|finalizer| format!("finalizer {finalizer}")).collect(),
            }))
        })
        .await
    }

    async fn prepare(&self, item: &Item, seen: &Seen) -> Result<(), Lost> {
        let verdict = self.verdict.get();
        self.call(|cluster| {
            cluster.exactly(item, seen)?;
            cluster.check(&self.asked.retention, item, verdict);
            let object = cluster.objects.get(&item.uid);
            (object.ready, object.version) = (true, object.version + 1);
            Ok(())
        })
        .await
    }

    async fn delete(&self, item: &Item, seen: &Seen) -> Result<(), Lost> {
        let verdict = self.verdict.get();
        self.call(|cluster| {
            if cluster.objects.at(item).is_none() {
                return Ok(());
            }
            cluster.exactly(item, seen)?;
            cluster.admit(&self.asked.uid, item)?;
            cluster.check(&self.asked.retention, item, verdict);
            cluster.check_hold(&self.asked.retention, item);
            cluster.check_inside(&self.asked, item, &self.counted.borrow());
            cluster.objects.ask_deletion(&item.uid);
            Ok(())
        })
        .await
    }

    async fn record(&self, look: &Look, progress: &Progress) -> Result<(), Lost> {
        let verdict = self.verdict.get();
        self.call(|cluster| cluster.record(look, progress, verdict)).await
    }

    async fn plan(&self) -> Result<Option<String>, Lost> {
        self.call(|cluster| Ok(cluster.records.get(&self.asked.uid).and_then(|record| record.plan.clone()))).await
    }

    async fn store_plan(&self, text: &str) -> Result<(), Lost> {
        self.call(|cluster| {
            let record = cluster.records.get_mut(&self.asked.uid);
            let record = record.ok_or_else(|| Lost::Refused("no record".into()))?;
            (record.plan, record.original) = (Some(text.to_owned()), None);
            Ok(())
        })
        .await
    }

    async fn certify(&self, certificate: Certificate) -> Result<EvidenceReference, Lost> {
        let (chain, signed) = self
            .call(|cluster| {
                let head = cluster.head.clone();
                let length = u64::try_from(cluster.hashes.len()).unwrap_or_default();
                let chain = Chain { head: head.clone(), length, recent: cluster.hashes.clone() };
                let record = cluster.records.get_mut(&self.asked.uid);
                let record = record.ok_or_else(|| Lost::Refused("no record".into()))?;
                let stored = record.certificate.as_ref().and_then(|text| serde_json::from_str::<Signed>(text).ok());
                let certificate = match link(&chain, stored, certificate) {
                    Link::Stands(signed) => return Ok((chain, *signed)),
                    Link::Sign(certificate) => *certificate,
                };
                let software = Software { version: "0.1.0".into(), sha256: "5a".repeat(32) };
                let certificate = Certificate { software, ..certificate };
                let signed = key().sign(certificate).map_err(|error| Lost::Refused(error.to_string()))?;
                record.certificate = Some(signed.to_json().expect("JSON"));
                Ok((chain, signed))
            })
            .await?;
        let sha256 = signed.certificate.sha256().expect("JSON");
        if !chain.has(&sha256) {
            self.call(|cluster| {
                if cluster.head != chain.head {
                    return Err(Lost::Unexpected("the chain has changed".into()));
                }
                cluster.head.clone_from(&sha256);
                cluster.hashes.push(sha256.clone());
                Ok(())
            })
            .await?;
        }
        let report = home::purge_record(&self.asked.retention, &self.asked.uid);
        Ok(EvidenceReference { report, sha256, signature: signed.signature, key_id: signed.key_id })
    }

    async fn rest(&self) -> bool {
        Turn(false).await;
        let mut cluster = self.cluster.borrow_mut();
        cluster.pass_time(60);
        cluster.objects.settle();
        self.rests.replace(self.rests.get() + 1) < PATIENCE
    }
}

impl Cluster {
    /// The preconditions of a write: exactly this uid in exactly this version.
    fn exactly(&self, item: &Item, seen: &Seen) -> Result<(), Lost> {
        let there = self.objects.at(item);
        let same =
            there.is_some_and(|object| object.uid == item.uid && object.version.to_string() == seen.resource_version);
        if same { Ok(()) } else { Err(Lost::Unexpected("it is another object, or has changed".into())) }
    }

    /// The purge's rights, and the admission policies: no hold on the namespace, and the operator's approval.
    fn admit(&self, uid: &str, item: &Item) -> Result<(), Lost> {
        let namespace = item.namespace.as_ref().unwrap_or(&item.name);
        let Some(seen) = self.objects.namespace(namespace).filter(|_| self.guarded) else { return Ok(()) };
        let refused = |why: &str| Err(Lost::Refused(format!("namespace {namespace} {why}")));
        if seen.hold.is_some() {
            return refused("is under legal hold");
        }
        if seen.approved.as_deref() != Some(uid) {
            return refused("is not approved");
        }
        let granted = self.rights.iter().any(|(given, _)| given == namespace);
        if granted || item.namespace.is_none() { Ok(()) } else { refused("is not granted") }
    }
}

type Run<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls runs, one call of one of them at a time, in the order that `next` says, until all have ended or died.
pub struct Runs<'a> {
    pub runs: BTreeMap<usize, (&'a Eyes, Run<'a>)>,
}

impl<'a> Runs<'a> {
    pub fn of(eyes: &'a [Eyes]) -> Self {
        let run = |eyes: &'a Eyes| {
            let future = async {
                let ended = cloudfarm::purge::engine::run(eyes, &eyes.asked).await;
                let said = match ended {
                    Ok(ended) => format!("{:?} {}: {}", ended.outcome, ended.reason, ended.message),
                    Err(lost) => format!("lost: {lost}"),
                };
                let name = &eyes.asked.retention;
                eyes.cluster.borrow_mut().note(format!("run of {name} ended: {said}"));
            };
            let future: Run<'a> = Box::pin(future);
            (eyes, future)
        };
        Self { runs: eyes.iter().map(run).enumerate().collect() }
    }

    /// Lets one run make its next call.
    pub fn step(&mut self, which: usize) {
        let waker = futures::task::noop_waker();
        let mut context = Context::from_waker(&waker);
        let Some((eyes, run)) = self.runs.get_mut(&which) else { return };
        let ended = run.as_mut().poll(&mut context).is_ready();
        if ended || eyes.killed.get() {
            self.runs.remove(&which);
        }
    }

    /// One after the other, with nobody in between.
    pub fn finish(&mut self) {
        while let Some(which) = self.runs.keys().next().copied() {
            self.step(which);
        }
    }
}
