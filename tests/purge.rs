//! Purge runs on a real API server: what goes, what stays, and what stops them.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "purge/kinds.rs"]
mod kinds;
#[path = "purge/life.rs"]
mod life;
#[path = "purge/networks.rs"]
mod networks;
#[path = "purge/process.rs"]
mod process;
#[path = "purge/rolling.rs"]
mod rolling;
#[path = "purge/switches.rs"]
mod switches;
#[path = "purge/vanished.rs"]
mod vanished;

#[path = "purge/doubts.rs"]
mod doubts;
#[path = "purge/holds.rs"]
mod holds;

use std::collections::BTreeMap;

use serde_json::Value;
use support::desk::Desk;
use support::operator;
use support::plane::Plane;
use support::storage::Driver;
use support::whole::objects;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for reading by tests that want a cluster in which purges may run.
static OPEN: RwLock<()> = RwLock::const_new(());

/// The plane with an operator that holds the Lease, a storage driver and a signing key.
async fn bed() -> (Desk, &'static Driver, RwLockReadGuard<'static, ()>) {
    let turn = OPEN.read().await;
    let plane = Plane::shared();
    operator::shared_leading(plane);
    (Desk::shared(plane).await, Driver::shared(plane), turn)
}

/// A bed in which something may be wrong that concerns every purge: no other test runs.
async fn bed_alone() -> (Desk, &'static Driver, RwLockWriteGuard<'static, ()>) {
    drop(bed().await);
    let turn = OPEN.write().await;
    let plane = Plane::shared();
    (Desk::shared(plane).await, Driver::shared(plane), turn)
}

/// A record of mails: nobody but the operator writes one.
fn mails(plane: &Plane, record: &Value) {
    let as_operator = ["--as", cloudfarm::install::OPERATOR, "--as-group", "system:masters"];
    plane.kubectl(&[&["create", "-f", "-"], &as_operator[..]].concat(), Some(&record.to_string()));
}

/// Uids of everything that holds a customer's work.
async fn work(desk: &Desk, tenant: &str) -> BTreeMap<String, String> {
    let kept = [
        "VirtualMachine",
        "DataVolume",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "VolumeSnapshot",
        "Namespace",
        "ConfigMap",
        "Secret",
    ];
    let all = objects(&desk.admin, tenant).await.into_iter();
    let work = all.filter(|(key, _)| kept.contains(&key.split(' ').next().unwrap_or_default()));
    work.map(|(key, (uid, _))| (key, uid)).collect()
}
