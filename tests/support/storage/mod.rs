//! Storage, played by a small test driver: the bed has no CSI driver, no snapshot controller, and neither CDI's nor
//! KubeVirt's controllers. What it plays is what those do with objects, read off their sources:
//!
//! - external-provisioner (`volumes.rs`), for every StorageClass whose provisioner is [`PROVISIONER`];
//! - snapshot-controller and csi-snapshotter (`snapshots.rs`), with the classes [`DELETE`] and [`RETAIN`];
//! - of CDI 1.65, a DataVolume's claim, and of KubeVirt 1.9, a VM's state and its snapshots (`machines.rs`).
//!
//! The data are an entry with random bytes in memory. Who pulls a finalizer, or deletes an object whose policy is
//! Retain, leaves that entry behind, as in a real storage system: [`Driver::leaked`] tells.
//!
//! The garbage collector, the volume controller and the protection of claims and volumes are Kubernetes' own. The
//! first driver takes the volumes of its plane away from kwok (`tests/controlplane/storage.sh`). One driver a plane, and
//! the plane has the CRDs of snapshots.

pub mod backend;
pub mod cluster;
mod machines;
mod snapshots;
pub mod tenant;
mod volumes;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;

use super::eventually;
use super::plane::Plane;
use backend::Canary;
use cluster::Cluster;

/// The provisioner of the bed's StorageClasses.
pub const PROVISIONER: &str = "kwok.x-k8s.io/volume";
/// The CSI driver that volumes and snapshots name.
pub const DRIVER: &str = "storage.test";
/// VolumeSnapshotClasses of the driver, named after their deletionPolicy; the first is the default one.
pub const DELETE: &str = "test-delete";
pub const RETAIN: &str = "test-retain";

/// How the storage misbehaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Volumes are never removed: their objects stay Released.
    pub stuck_volumes: bool,
    /// Snapshots are never removed: their contents stay with a deletionTimestamp.
    pub stuck_snapshots: bool,
    /// How long removing one volume or snapshot takes.
    pub slow: Option<Duration>,
}

/// A running driver; dropping it ends it and forgets the data.
pub struct Driver {
    cluster: Arc<Cluster>,
    _tasks: JoinSet<()>,
}

impl Driver {
    /// Starts one; it plays as soon as this returns.
    pub async fn start(plane: &Plane, options: Options) -> Self {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/storage.sh");
        let said = Command::new(script).arg(&plane.dir).output().expect("the script starts");
        assert!(said.status.success(), "storage.sh: {}", String::from_utf8_lossy(&said.stderr));
        let (cluster, writers) = Cluster::new(plane.admin().await, options);
        let mut tasks = JoinSet::new();
        for (kind, writer) in writers {
            tasks.spawn(cluster.clone().watch(kind, writer));
        }
        eventually("the driver to know the cluster", || async { cluster.is_listed().then_some(()) }).await;
        snapshots::classes(&cluster).await.expect("the driver's VolumeSnapshotClasses");
        tasks.spawn(play(cluster.clone()));
        Self { cluster, _tasks: tasks }
    }

    /// The one that the tests of a binary share; it lives until the process ends.
    pub fn shared(plane: &'static Plane) -> &'static Self {
        static SHARED: OnceLock<Driver> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (started, ready) = std::sync::mpsc::channel();
            // A thread with a runtime of its own, since each test's runtime ends with the test.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().expect("runtime");
                runtime.block_on(async {
                    started.send(Self::start(plane, Options::default()).await).ok();
                    std::future::pending::<()>().await;
                });
            });
            ready.recv().expect("the driver starts")
        })
    }

    /// Misbehaves, or behaves again, from now on.
    pub fn set(&self, options: Options) {
        *self.cluster.options.lock().expect("no panic") = options;
        self.cluster.changed.notify_one();
    }

    /// Does nothing until it is resumed, like controllers that are down.
    pub async fn pause(&self) {
        *self.cluster.paused.lock().await = true;
    }

    pub async fn resume(&self) {
        *self.cluster.paused.lock().await = false;
        self.cluster.changed.notify_one();
    }

    /// This volume or snapshot alone is never removed: for tests that share a driver.
    pub fn stick(&self, handle: &str) {
        self.cluster.backend.lock().expect("no panic").stuck.insert(handle.to_owned());
    }

    /// The opposite of [`Self::stick`].
    pub fn unstick(&self, handle: &str) {
        self.cluster.backend.lock().expect("no panic").stuck.remove(handle);
        self.cluster.changed.notify_one();
    }

    /// Handles of the volumes whose data are there.
    pub fn volumes(&self) -> BTreeSet<String> {
        self.cluster.backend.lock().expect("no panic").volumes.keys().cloned().collect()
    }

    /// Handles of the snapshots whose data are there.
    pub fn snapshots(&self) -> BTreeSet<String> {
        self.cluster.backend.lock().expect("no panic").snapshots.keys().cloned().collect()
    }

    /// Is there a volume or a snapshot with this handle?
    pub fn holds(&self, handle: &str) -> bool {
        self.canary(handle).is_some()
    }

    /// Handles of data that no object in the cluster points to any more.
    pub fn leaked(&self) -> BTreeSet<String> {
        self.cluster.backend.lock().expect("no panic").leaked.clone()
    }

    /// The data of a volume, or of a snapshot: a copy of its volume's.
    pub fn canary(&self, handle: &str) -> Option<Canary> {
        let backend = self.cluster.backend.lock().expect("no panic");
        backend.volumes.get(handle).or_else(|| backend.snapshots.get(handle)).cloned()
    }
}

/// Looks at everything after each change, and soon again after what did not succeed.
async fn play(cluster: Arc<Cluster>) {
    loop {
        let paused = cluster.paused.lock().await;
        let again = !*paused && {
            let volumes = volumes::play(&cluster).await;
            let snapshots = snapshots::play(&cluster).await;
            let machines = machines::play(&cluster).await;
            volumes || snapshots || machines
        };
        drop(paused);
        let patience = if again { Duration::from_millis(100) } else { Duration::MAX };
        tokio::time::timeout(patience, cluster.changed.notified()).await.ok();
    }
}

/// Theirs in their order, without `remove`, then what of `add` is missing.
fn merge_finalizers(before: &[String], add: &[&str], remove: &[&str]) -> Vec<String> {
    let kept = before.iter().filter(|finalizer| !remove.contains(&finalizer.as_str())).cloned();
    let missing = add.iter().filter(|finalizer| !before.iter().any(|known| known == *finalizer));
    kept.chain(missing.map(ToString::to_string)).collect()
}
