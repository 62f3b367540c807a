//! The storage system behind the driver: what is in it is what could still be read.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use kube::api::DynamicObject;
use tokio::time::Instant;

use super::Options;
use super::cluster::{Kind, uid};

/// Bytes that stand for a tenant's data, none like another's.
pub type Canary = Vec<u8>;

/// Why data are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    ForNow,
    Stuck,
}

#[derive(Default)]
pub struct Backend {
    pub volumes: BTreeMap<String, Canary>,
    pub snapshots: BTreeMap<String, Canary>,
    /// Handles of data that no object points to any more.
    pub leaked: BTreeSet<String>,
    /// Handles that are never removed.
    pub stuck: BTreeSet<String>,
    /// Every handle there ever was: a cache that lags must not make one twice.
    made: BTreeSet<String>,
    /// When the removal of a handle began.
    removals: BTreeMap<String, Instant>,
}

impl Backend {
    /// A volume with new data, unless there was one.
    pub fn make_volume(&mut self, handle: &str) {
        if self.made.insert(handle.to_owned()) {
            let canary = (0..4).flat_map(|part| RandomState::new().hash_one(part).to_be_bytes()).collect();
            self.volumes.insert(handle.to_owned(), canary);
        }
    }

    /// A copy of the volume's data, unless there was one; whether there is a volume to copy.
    pub fn make_snapshot(&mut self, handle: &str, volume: &str) -> bool {
        if self.made.contains(handle) {
            return true;
        }
        let Some(canary) = self.volumes.get(volume).cloned() else { return false };
        self.made.insert(handle.to_owned());
        self.snapshots.insert(handle.to_owned(), canary);
        true
    }

    /// Tries to remove the data of this handle; what is wrong if they are still there.
    pub fn remove(&mut self, handle: &str, options: &Options) -> Result<(), Kept> {
        let stuck = if self.volumes.contains_key(handle) {
            options.stuck_volumes
        } else if self.snapshots.contains_key(handle) {
            options.stuck_snapshots
        } else {
            return Ok(());
        };
        if stuck || self.stuck.contains(handle) {
            return Err(Kept::Stuck);
        }
        let began = *self.removals.entry(handle.to_owned()).or_insert_with(Instant::now);
        if began.elapsed() < options.slow.unwrap_or(Duration::ZERO) {
            return Err(Kept::ForNow);
        }
        self.volumes.remove(handle);
        self.snapshots.remove(handle);
        self.leaked.remove(handle);
        self.removals.remove(handle);
        Ok(())
    }

    /// An object is gone, however that came: what it pointed to can never be found again from the cluster.
    pub fn orphaned(&mut self, kind: Kind, object: &DynamicObject) {
        let handle = match kind {
            Kind::Volume => object.data["spec"]["csi"]["volumeHandle"].as_str().unwrap_or_default().to_owned(),
            Kind::SnapshotContent => snapshot_handle(object),
            _ => return,
        };
        if self.volumes.contains_key(&handle) || self.snapshots.contains_key(&handle) {
            self.leaked.insert(handle);
        }
    }
}

/// The handle that a VolumeSnapshotContent has or will get.
pub fn snapshot_handle(content: &DynamicObject) -> String {
    let (source, status) = (&content.data["spec"]["source"], &content.data["status"]);
    let known = status["snapshotHandle"].as_str().or(source["snapshotHandle"].as_str());
    known.map_or_else(|| format!("snapshot-{}", uid(content)), str::to_owned)
}
