//! What one pass over a Retention looks at. Everything comes from the watches; nothing is called.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::retention::Retention;
use crate::cluster::object::{Kind, Observation, Reference};
use crate::operator::config::Config;
use crate::operator::context::Context;

/// A Retention and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct RetentionSnapshot {
    pub retention: Retention,
    pub tenant: TenantState,
    /// Uids of the tenant's namespaces, by name.
    pub namespaces: BTreeMap<String, String>,
    /// Another Retention that stands for the same tenant and takes precedence.
    pub rival: Option<String>,
    pub config: Arc<Config>,
    pub observed: BTreeMap<Reference, Observation>,
    pub now: Timestamp,
}

/// What is known of the Tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantState {
    Present {
        uid: String,
        /// As written; it may be no date at all.
        end_date: Option<String>,
    },
    /// The list of Tenants is complete and it is not in it.
    Vanished,
    /// It is there and cannot be decoded: nothing is decided.
    Unknown,
}

/// Gathers the snapshot.
#[must_use]
pub fn observe(context: &Context, retention: Retention) -> RetentionSnapshot {
    let tenant = retention.spec.tenant_ref.name.clone();
    let found = context.stores.tenants.get(&ObjectRef::new(&tenant));
    let state = match found.as_ref().map(|found| &found.0) {
        None => TenantState::Vanished,
        Some(Err(_)) => TenantState::Unknown,
        Some(Ok(found)) => TenantState::Present {
            uid: found.uid().unwrap_or_default(),
            end_date: found.spec.contract.end_date.clone(),
        },
    };
    let chosen = match found.as_ref().and_then(|found| found.0.as_ref().ok()) {
        Some(declared) => declared.spec.retention_name.clone().unwrap_or_else(|| tenant.clone()),
        None => tenant.clone(),
    };
    let rival = context.stores.retentions.get(&ObjectRef::new(&chosen)).filter(|rival| {
        rival.name_any() != retention.name_any()
            && rival.0.as_ref().is_ok_and(|rival| rival.spec.tenant_ref.name == tenant)
    });
    let observed = context.cluster.observed.of_tenant(&tenant);
    RetentionSnapshot {
        tenant: state,
        namespaces: observed
            .values()
            .filter(|object| object.reference.kind == Kind::Namespace && object.tenant == tenant && object.ours)
            .map(|namespace| (namespace.reference.name.clone(), namespace.uid.clone()))
            .collect(),
        rival: rival.map(|rival| rival.name_any()),
        config: context.config.clone(),
        observed,
        now: context.clock.now(),
        retention,
    }
}
