//! The Lease by which a VLAN id is one network's.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use crate::api::tenant_network::TenantNetwork;
use crate::api::{home, labels};
use crate::cluster::object::{DesiredObject, Digest, Facts, LeaseWrite, Observation, Owner, Reference};
use crate::network::observe::{NetworkSnapshot, lease_of};
use crate::network::vlan::{Allocation, holder_of};

/// Takes the id for the network: where nobody has it, or exactly from the Lease that was seen to be free.
#[must_use]
pub fn taken(snapshot: &NetworkSnapshot, owner: &Owner, allocation: Option<&Allocation>) -> Option<LeaseWrite> {
    let reference = lease_of(&snapshot.network).filter(|_| allocation == Some(&Allocation::Free))?;
    let metadata = owner.lasting_metadata(None, "");
    let over = snapshot.vlan.lease.clone();
    // Written empty and not left out: who changed it by hand would keep it there.
    let released_at = over.as_ref().map(|_| String::new());
    let words = Words { holder: Some(holder_of(snapshot)), taken_at: Some(snapshot.now.to_string()), released_at };
    Some(LeaseWrite { lease: lease(&reference, metadata, words), over })
}

/// Gives the id of a network that is gone back. After a purge nobody may have it again before the quarantine is over,
/// also not a namesake.
#[must_use]
pub fn given_back(seen: &Observation, now: Timestamp, purged: bool) -> LeaseWrite {
    let (holder, taken_at) = match &seen.facts {
        Facts::Lease { holder, taken_at, .. } => (holder.clone(), taken_at.clone()),
        _ => (None, None),
    };
    let metadata = ObjectMeta {
        labels: Some(BTreeMap::from([
            (labels::MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned()),
            (labels::TENANT.to_owned(), seen.tenant.clone()),
        ])),
        annotations: Some(BTreeMap::from([
            (labels::OWNER.to_owned(), seen.owner.clone()),
            (labels::OWNER_UID.to_owned(), seen.owner_uid.clone()),
        ])),
        ..ObjectMeta::default()
    };
    let words = Words { holder: holder.filter(|_| !purged), taken_at, released_at: Some(now.to_string()) };
    LeaseWrite { lease: lease(&seen.reference, metadata, words), over: Some(seen.clone()) }
}

/// The Lease as it will be when that network has it: what is assumed where nobody can look.
#[must_use]
pub fn assumed(reference: Reference, network: &TenantNetwork) -> Observation {
    let tenant = home::of_customer_namespace(&network.namespace().unwrap_or_default()).to_owned();
    Observation {
        uid: String::new(),
        resource_version: String::new(),
        owner: format!("TenantNetwork/{}", network.name_any()),
        owner_uid: network.uid().unwrap_or_default(),
        ours: true,
        digest: Digest::of(&Value::Null),
        facts: Facts::Lease {
            holder: Some(format!("{tenant}/{}", network.name_any())),
            taken_at: None,
            released_at: None,
        },
        deleting: false,
        tenant,
        reference,
    }
}

/// What a Lease says besides whose it is.
struct Words {
    holder: Option<String>,
    taken_at: Option<String>,
    released_at: Option<String>,
}

fn lease(reference: &Reference, mut metadata: ObjectMeta, words: Words) -> DesiredObject {
    metadata.name = Some(reference.name.clone());
    metadata.namespace.clone_from(&reference.namespace);
    metadata.labels.get_or_insert_default().insert(labels::VLAN.to_owned(), "true".to_owned());
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.extend(words.taken_at.map(|at| (labels::TAKEN_AT.to_owned(), at)));
    annotations.extend(words.released_at.map(|at| (labels::RELEASED_AT.to_owned(), at)));
    DesiredObject::new(&Lease {
        metadata,
        spec: Some(LeaseSpec { holder_identity: words.holder, ..LeaseSpec::default() }),
    })
}
