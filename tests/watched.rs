//! What the operator goes on watching for a tenant, on a real API server: how full the contract is, where its data is, how old
//! its backups are. KubeVirt's controllers and Velero's server are a stand-in: what they would say is written by the test.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "watched/backups.rs"]
mod backups;
#[path = "watched/bed.rs"]
mod bed;
#[path = "watched/capacity.rs"]
mod capacity;
#[path = "watched/residency.rs"]
mod residency;
#[path = "watched/velero.rs"]
mod velero;
