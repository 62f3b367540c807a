//! Pure: from a snapshot to everything the TenantNetwork wants.

mod certificate;
mod network_policy;
#[cfg(test)]
mod properties;
mod service;

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::observe::NetworkSnapshot;
use super::rules::{Refused, doors};
use super::{expose, tls};
use crate::api::home;
use crate::api::tenant_network::NetworkType;
use crate::cluster::object::{Desired, DesiredObject, Owner, OwnerKind, Stage};

/// What a pass means to do, and what it leaves closed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub desired: Desired,
    pub refused: Vec<Refused>,
}

/// Everything the TenantNetwork wants. Types Layer2 and VLAN want nothing yet: their VMs are not attached.
#[must_use]
pub fn desired(snapshot: &NetworkSnapshot) -> Plan {
    let namespace = snapshot.network.namespace().unwrap_or_default();
    let owner = Owner {
        kind: OwnerKind::TenantNetwork,
        name: snapshot.network.name_any(),
        uid: snapshot.network.uid().unwrap_or_default(),
        tenant: home::of_customer_namespace(&namespace).to_owned(),
        namespace: Some(namespace),
    };
    let doors = doors(snapshot);
    let (exposed, hidden) = expose::exposed(snapshot, &doors.ingress);
    let (wanted, faulty) = tls::wanted(snapshot).map_or_else(|wrong| (None, Some(wrong)), |wanted| (wanted, None));
    let refused = [doors.refused.clone(), hidden, faulty.into_iter().collect()].concat();
    let going = snapshot.erasing || snapshot.network.metadata.deletion_timestamp.is_some();
    if snapshot.tenant.is_none() || !snapshot.home_ready || going {
        return Plan { desired: Desired::nothing(owner, &snapshot.observed), refused };
    }
    let objects = match snapshot.network.spec.type_ {
        NetworkType::Pod => vec![network_policy::network_policy(&owner, &doors)],
        NetworkType::Layer2 | NetworkType::Vlan => Vec::new(),
    };
    // What brings packets comes after what filters them.
    let mut outside: Vec<DesiredObject> = exposed.iter().map(|exposed| service::service(&owner, exposed)).collect();
    let asked = wanted.filter(|_| snapshot.cert_manager);
    outside.extend(asked.map(|wanted| certificate::certificate(&owner, &wanted)));
    let stages = vec![Stage { objects }, Stage { objects: outside }];
    Plan { desired: Desired { owner, stages, once: Vec::new(), claims: Vec::new(), keep: BTreeSet::new() }, refused }
}
