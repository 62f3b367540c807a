//! Flows that must stay closed, tried again and again while something happens.
//!
//! Each that opens is laid at somebody's door. A wall is the default-deny of a namespace: while that object stands in the
//! API server, what passes is the enforcer's; while it does not, it is ours.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::bed::Bed;
use super::cells::Cell;
use super::evaluator::{Declared, Who};
use super::probing::{Answer, ask_within};
use super::support::world;

/// How long a sample waits; what is open answers far sooner.
const PATIENCE: Duration = Duration::from_millis(500);

/// Since when, and whether, each namespace's default-deny stands.
type Walls = Arc<Mutex<BTreeMap<String, Vec<(Instant, bool)>>>>;

/// A sampler that runs.
pub struct Sampler {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<(usize, Vec<(Instant, Cell)>)>,
    since: Instant,
    walls: Walls,
    watching: tokio::task::JoinHandle<()>,
}

/// What was seen.
pub struct Sampled {
    pub tries: usize,
    /// Packets that passed although no wall stood.
    pub ours: Vec<String>,
    /// Packets that passed although the wall stood in the API server.
    pub enforcers: Vec<String>,
}

impl Sampler {
    /// Tries these cells in turn, one port of each pair of addresses at a time.
    pub async fn start(bed: &Bed, cells: Vec<Cell>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let walls = Walls::default();
        let policies = world::resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies");
        let policies: Api<DynamicObject> = Api::all_with(bed.admin.clone(), &policies);
        let only = watcher::Config::default().fields("metadata.name=cloudfarm-default-deny");
        let (listed, all_listed) = tokio::sync::oneshot::channel();
        let watching = tokio::spawn(watch(policies, only, walls.clone(), listed));
        all_listed.await.expect("a list");
        let asked = stop.clone();
        let asking = std::thread::spawn(move || sample(&cells, &asked));
        Self { stop, asking, since: Instant::now(), walls, watching }
    }

    /// Forgets what was seen before.
    pub fn forget(&mut self) {
        self.since = Instant::now();
    }

    /// Ends it, and tells who let what pass.
    pub fn end(self, declared: &Declared) -> Sampled {
        self.stop.store(true, Ordering::Relaxed);
        let (tries, opened) = self.asking.join().expect("the sampler");
        self.watching.abort();
        let walls = self.walls.lock().expect("no panic while it was held");
        let mut sampled = Sampled { tries, ours: Vec::new(), enforcers: Vec::new() };
        for (at, cell) in opened.into_iter().filter(|(at, _)| *at >= self.since) {
            let walled = homes(&cell, declared).iter().any(|home| stood(&walls, home, at));
            if walled { sampled.enforcers.push(cell.to_string()) } else { sampled.ours.push(cell.to_string()) }
        }
        sampled
    }
}

impl Sampled {
    /// One line for people.
    pub fn tell(&self, what: &str) {
        let Self { tries, ours, enforcers } = self;
        println!(
            "{what}: {tries} tries of closed flows; open by us {}, by the enforcer {}",
            ours.len(),
            enforcers.len()
        );
    }
}

async fn watch(
    policies: Api<DynamicObject>,
    only: watcher::Config,
    walls: Walls,
    listed: tokio::sync::oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    let mut events = watcher(policies, only).default_backoff().boxed();
    while let Ok(Some(event)) = events.try_next().await {
        let (object, stands) = match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => (object, true),
            watcher::Event::Delete(object) => (object, false),
            watcher::Event::Init => continue,
            watcher::Event::InitDone => {
                listed.take().map(|listed| listed.send(()));
                continue;
            }
        };
        let home = object.metadata.namespace.unwrap_or_default();
        walls.lock().expect("no panic while it was held").entry(home).or_default().push((Instant::now(), stands));
    }
}

/// The namespaces whose walls close a flow.
fn homes(cell: &Cell, declared: &Declared) -> Vec<String> {
    let (from, to) = cell.ends();
    let home = |who: &Who| match who {
        Who::Vm { tenant, .. } | Who::Beside(tenant) => Some(format!("cf-{tenant}")),
        Who::Derived(tenant) => Some(format!("cfd-{tenant}")),
        Who::Outside => None,
    };
    let out = (!declared.lets_out(&from, &to, cell.protocol, cell.port)).then(|| home(&from.who));
    let into = (!declared.lets_in(&from, &to, cell.protocol, cell.port)).then(|| home(&to.who));
    [out, into].into_iter().flatten().flatten().collect()
}

fn stood(walls: &BTreeMap<String, Vec<(Instant, bool)>>, home: &str, at: Instant) -> bool {
    let mut before = walls.get(home).into_iter().flatten().filter(|(since, _)| *since <= at);
    before.next_back().is_some_and(|(_, stands)| *stands)
}

fn sample(cells: &[Cell], stop: &AtomicBool) -> (usize, Vec<(Instant, Cell)>) {
    let mut pairs: BTreeMap<_, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        pairs.entry((&cell.from.name, cell.source, cell.target, cell.protocol)).or_default().push(cell);
    }
    let (mut tries, mut opened) = (0, Vec::new());
    for round in 0.. {
        // At least one whole round, however short the occasion was.
        if round > 0 && stop.load(Ordering::Relaxed) {
            break;
        }
        let now = pairs.values().map(|cells| cells[round % cells.len()]);
        let now: Vec<&Cell> = now.filter(|cell| !cell.from.has_ended()).collect();
        // Few at once, so that each moment is told from the next.
        for some in now.chunks(256) {
            let at = Instant::now();
            let answers = ask_within(&some.iter().map(|cell| cell.to_try()).collect::<Vec<_>>(), PATIENCE);
            let open = some.iter().zip(answers).filter(|(_, answer)| matches!(answer, Answer::Open(_)));
            opened.extend(open.map(|(cell, _)| (at, (*cell).clone())));
        }
        tries += now.len();
    }
    (tries, opened)
}
