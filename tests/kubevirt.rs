//! VMs as KubeVirt 1.9 itself takes them: its webhooks judge what we declare, and its controllers make instances and
//! launcher pods that quota, Pod Security and our admission policies have to let through. virt-handler and CDI are kwok.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "kubevirt/bed.rs"]
mod bed;
#[path = "kubevirt/capacity.rs"]
mod capacity;
#[path = "kubevirt/golden.rs"]
mod golden;
#[path = "kubevirt/platform.rs"]
mod platform;
#[path = "kubevirt/power.rs"]
mod power;
#[path = "kubevirt/refusals.rs"]
mod refusals;
#[path = "kubevirt/restores.rs"]
mod restores;
#[path = "kubevirt/running.rs"]
mod running;
