//! Purge runs on a real API server: what goes, what stays, and what stops them.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "purge/life.rs"]
mod life;

#[path = "purge/holds.rs"]
mod holds;

use std::collections::BTreeMap;

use support::operator;
use support::plane::Plane;
use support::purge::Desk;
use support::storage::Driver;
use support::whole::objects;

/// The plane with an operator that holds the Lease, a storage driver and a signing key.
async fn bed() -> (Desk, &'static Driver) {
    let plane = Plane::shared();
    operator::shared_leading(plane);
    (Desk::shared(plane).await, Driver::shared(plane))
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
