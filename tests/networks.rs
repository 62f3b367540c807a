//! Networks of the types Layer2 and VLAN on a real API server: by what they are made, whose a VLAN id is, and that the
//! filter outlives whatever it stands before. Multus' and MultiNetworkPolicy's CRDs are the real ones; OVN-Kubernetes'
//! are a stand-in, and no controller of either runs: what OVN-Kubernetes would say is written by the test.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "networks/attachment.rs"]
mod attachment;
#[path = "networks/backends.rs"]
mod backends;
#[path = "networks/bed.rs"]
mod bed;
#[path = "networks/foreign.rs"]
mod foreign;
#[path = "networks/ids.rs"]
mod ids;
#[path = "networks/leaving.rs"]
mod leaving;
