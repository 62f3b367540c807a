//! One customer as all declarations together show it, and whether somebody should look.

use std::collections::BTreeMap;

use kube::Resource;
use kube::core::object::HasStatus;

use super::retentions;
use super::tenants::Seen;
use crate::api::retention::Retention;
use crate::api::tenant::{Tenant, TenantStatus};
use crate::operator::context::Conditions;
use crate::operator::stores::{Guarded, OfTenant};

/// From this share of a contracted resource on a tenant is among those with a problem, in percent.
const NEARLY_FULL: i64 = 90;

/// One customer.
#[derive(Default)]
pub(super) struct Sight<'a> {
    pub tenant: Option<&'a Tenant>,
    /// Decodable or not, there is a Tenant.
    pub declared: bool,
    pub networks: usize,
    pub retention: Option<&'a Retention>,
    /// Objects by kind, condition and reason.
    pub problems: BTreeMap<(&'static str, String, String), usize>,
}

/// Every tenant that is declared or has a Retention.
pub(super) fn sights(seen: &Seen) -> BTreeMap<String, Sight<'_>> {
    let mut sights: BTreeMap<String, Sight> = BTreeMap::new();
    for tenant in &seen.tenants {
        let sight = sights.entry(tenant.tenant()).or_default();
        sight.declared = true;
        sight.tenant = tenant.0.as_ref().ok();
        sight.trouble("Tenant", conditions(tenant));
    }
    for retention in &seen.retentions {
        let sight = sights.entry(retention.tenant()).or_default();
        sight.trouble("Retention", conditions(retention));
        let found = retention.0.as_ref().ok();
        sight.retention = found.into_iter().chain(sight.retention).min_by_key(|each| retentions::rank(each));
    }
    for network in &seen.networks {
        // A network in a namespace that is nobody's is counted and is no tenant's.
        if let Some(sight) = sights.get_mut(&network.tenant()) {
            sight.networks += 1;
            sight.trouble("TenantNetwork", conditions(network));
        }
    }
    sights
}

/// Type, status and reason of each condition. What cannot be decoded says so here as it does in its status.
pub(super) type Said = (String, String, String);

pub(super) fn conditions<K>(object: &Guarded<K>) -> Vec<Said>
where
    K: HasStatus + Resource<DynamicType = ()>,
    K::Status: Conditions,
{
    match &object.0 {
        Ok(object) => {
            let all = object.status().map(Conditions::conditions).unwrap_or_default().iter();
            all.map(|each| (word(&each.type_), word(&each.status), word(&each.reason))).collect()
        }
        Err(_) => vec![("Ready".into(), "False".into(), "Invalid".into())],
    }
}

/// Conditions and reasons are words of our own (`api::condition`). Whatever else somebody managed to write there does
/// not become a label.
pub(super) fn word(said: &str) -> String {
    let plain = said.len() <= 64 && said.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { said.to_owned() } else { "Other".to_owned() }
}

impl Sight<'_> {
    fn trouble(&mut self, kind: &'static str, conditions: Vec<Said>) {
        for (type_, status, reason) in conditions {
            if is_problem(&type_, &status, &reason) {
                *self.problems.entry((kind, type_, reason)).or_default() += 1;
            }
        }
    }

    pub(super) fn wants_attention(&self) -> bool {
        let full = self.status().is_some_and(|status| status.capacity.iter().any(|row| row.percent >= NEARLY_FULL));
        !self.problems.is_empty() || self.retention.is_some_and(retentions::is_on_the_way) || full
    }

    pub(super) fn status(&self) -> Option<&TenantStatus> {
        self.tenant?.status.as_ref()
    }
}

/// Does this condition say that something is not as promised?
fn is_problem(type_: &str, status: &str, reason: &str) -> bool {
    match type_ {
        // That data is erased as agreed leaves a Tenant unready, and is no problem.
        "Ready" => status != "True" && !["Purging", "Purged"].contains(&reason),
        "NamespacesReady"
        | "QuotaEnforced"
        | "WallsReady"
        | "VirtualMachinesReady"
        | "DisksAsDeclared"
        | "RetentionScheduled"
        | "AdministratorsBound"
        | "BackendReady"
        | "RulesAccepted"
        | "ClockTrusted"
        | "InventoryStable" => status != "True",
        "GuestFloor" => status != "True" && reason != "UserDataOverruled",
        "Stalled" => status == "True" && !["Purging", "Purged"].contains(&reason),
        "CapacityWithinThreshold" | "ResidencyVerified" | "BackupsCurrent" => status == "False",
        // That nobody looks, or that somebody answers for it by name, is how it is meant to be.
        "ImagesScanned" => status == "False" && !["SwitchedOff", "ScannerMissing", "ImageExcepted"].contains(&reason),
        "Overdue" => status == "True",
        _ => false,
    }
}
