//! `cloudfarm check`: the Multi-Tenancy Benchmark of the Kubernetes multi-tenancy working group, asked of one live tenant.
//!
//! Pure: from a [`scene::Scene`], which `cli/check` has gathered with the rights of whoever asks, to one verdict per check.
//! What could not be seen is Unknown, never a pass. Two checks fail on purpose: they want tenants to write Roles and
//! NetworkPolicies, and here those are the tenant's wall.

mod admission;
mod capacity;
mod network;
pub mod notes;
pub mod rights;
pub mod scene;
mod storage;
pub mod subjects;
pub mod trials;

use serde::Serialize;

use scene::Scene;

/// One check of the benchmark.
pub struct Check {
    /// The benchmark's id. It gives HI-1 twice, which are `a` and `b` here; four are issues of its repository that never
    /// became checks, and have the number.
    pub id: &'static str,
    /// What is asked.
    pub title: &'static str,
    judge: fn(&Scene) -> Verdict,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    Pass,
    Fail,
    /// The benchmark wants what would open our wall.
    FailOnPurpose,
    /// It could not be asked, or the answer has another reason than the one that is asked about.
    Unknown,
}

/// An outcome and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub reason: String,
}

impl Verdict {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into() }
    }

    fn pass(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, reason)
    }

    fn fail(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, reason)
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, reason)
    }
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    pub outcome: Outcome,
    pub reason: String,
}

/// Every check, in the benchmark's order.
#[must_use]
pub fn judge(scene: &Scene) -> Vec<Row> {
    let row = |check: &Check| {
        let Verdict { outcome, reason } = (check.judge)(scene);
        Row { id: check.id, title: check.title, outcome, reason }
    };
    CHECKS.iter().map(row).collect()
}

/// The 18 of the benchmark and the 4 that were pending.
pub const CHECKS: [Check; 22] = [
    check("MTB-PL1-CC-CPI-1", "the tenant has no right on cluster-scoped resources", rights::cluster_scoped),
    check("MTB-PL1-BC-CPI-2", "the tenant cannot change what the platform placed", rights::placed),
    check("MTB-PL1-BC-CPI-3", "added capabilities are refused", admission::capability),
    check("MTB-PL1-BC-CPI-4", "containers run as non-root", admission::root),
    check("MTB-PL1-BC-CPI-5", "privileged containers are refused", admission::privileged),
    check("MTB-PL1-BC-CPI-6", "privilege escalation is refused", admission::escalation),
    check("MTB-PL1-CC-TI-1", "the tenant cannot change its quota", rights::quotas),
    check("MTB-PL1-CC-TI-2", "the tenant has no right on another tenant's resources", rights::other_tenants),
    check("MTB-PL1-CC-FNS-1", "a quota for CPU, memory and storage stands", capacity::amounts),
    check("MTB-PL1-CC-FNS-2", "a quota on numbers of objects stands", capacity::numbers),
    check("MTB-PL1-BC-HI-1a", "host paths are refused", admission::host_path),
    check("MTB-PL1-BC-HI-1b", "node ports are refused", admission::node_port),
    check("MTB-PL1-BC-HI-3", "the host's network and ports are refused", admission::host_network),
    check("MTB-PL1-BC-HI-4", "the host's process ids are refused", admission::host_pid),
    check("MTB-PL1-BC-HI-5", "the host's IPC is refused", admission::host_ipc),
    check("MTB-PL1-CC-DI-1", "images are always pulled", admission::pull),
    check("MTB-PL2-BC-OPS-3", "the tenant writes its own Roles", rights::own_roles),
    check("MTB-PL2-BC-OPS-4", "the tenant writes its own NetworkPolicies", rights::own_policies),
    check("MTB-1198", "storage is PersistentVolumeClaims and nothing else", admission::other_volumes),
    check("MTB-1199", "storage classes delete what is released", storage::reclaimed),
    check("MTB-1200", "no volume that exists is used again", storage::not_reused),
    check("MTB-1201", "the network between tenants is closed", network::closed),
];

const fn check(id: &'static str, title: &'static str, judge: fn(&Scene) -> Verdict) -> Check {
    Check { id, title, judge }
}
