//! Pure: from a plan whose objects are gone to the certificate that says so.

use k8s_openapi::jiff::Timestamp;

use super::look::Look;
use super::plan::{Item, Plan};
use crate::api::jst::in_japan;
use crate::api::retention::Progress;
use crate::evidence::certificate::{
    CLAUSE, Certificate, ErasedObject, KeptRecords, NO_PREVIOUS, Signed, Software, VERSION,
};
use crate::retention::ending::approvers;

/// How volumes and snapshots are erased: their storage driver deletes them and their API objects are read back as gone.
/// That a key was destroyed or blocks were overwritten is what only the provider's storage can prove, so it is not said.
const METHOD: &str = "ProviderDelete";

/// What the chain says of itself where it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    pub head: String,
    pub length: u64,
    /// Hashes of the latest certificates, the newest last.
    pub recent: Vec<String>,
}

impl Chain {
    /// Is the certificate of this hash a part of it?
    #[must_use]
    pub fn has(&self, sha256: &str) -> bool {
        self.head == sha256 || self.recent.iter().any(|known| known == sha256)
    }
}

/// What becomes of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It was signed before; it is in the chain, or is its next.
    Stands(Box<Signed>),
    /// It is to be signed, as the next of the chain.
    Sign(Box<Certificate>),
}

/// Where a certificate goes, when `stored` is what its record holds. One that is in the chain is never replaced: others
/// may follow it by now, and without it the chain is broken. One that was signed and never got into the chain is used if
/// it still fits.
#[must_use]
pub fn link(chain: &Chain, stored: Option<Signed>, certificate: Certificate) -> Link {
    let stands = |signed: &Signed| {
        let of_this_plan = signed.certificate.plan_sha256 == certificate.plan_sha256;
        signed.certificate.sha256().is_ok_and(|hash| chain.has(&hash))
            || of_this_plan && signed.certificate.previous_sha256 == chain.head
    };
    match stored.filter(stands) {
        Some(signed) => Link::Stands(Box::new(signed)),
        None => Link::Sign(Box::new(Certificate {
            previous_sha256: chain.head.clone(),
            sequence: chain.length,
            ..certificate
        })),
    }
}

/// The certificate of a purge. Its place in the chain and the program's digest are filled in where it is signed.
#[must_use]
pub fn certificate(look: &Look, progress: &Progress, plan: &Plan) -> Certificate {
    let status = look.retention.status.clone().unwrap_or_default();
    let pinned = status.pinned.unwrap_or_default();
    let purge = progress.purge.as_ref();
    let instant = |time: Option<Timestamp>| time.map(in_japan).unwrap_or_default();
    let finished = purge.and_then(|purge| purge.finished_at.as_ref()).map(|time| time.0);
    Certificate {
        version: VERSION,
        tenant: look.retention.spec.tenant_ref.name.clone(),
        tenant_uid: pinned.tenant_uid,
        retention: plan.retention.clone(),
        retention_uid: plan.retention_uid.clone(),
        namespace_uids: pinned.namespace_uids,
        clause: CLAUSE.to_owned(),
        contract_end_date: status.first_seen.as_ref().map(|seen| seen.end_date.clone()).unwrap_or_default(),
        contract_ends_at: instant(status.contract_ends_at.map(|time| time.0)),
        purge_not_before: instant(status.purge_not_before.map(|time| time.0)),
        started_at: instant(purge.map(|purge| purge.started_at.0)),
        completed_at: instant(finished),
        holds_checked: purge.map_or(0, |purge| u64::try_from(purge.holds_checked).unwrap_or_default()),
        approvals: approved_by(look),
        plan_sha256: purge.map(|purge| purge.plan_hash.clone()).unwrap_or_default(),
        objects: plan.items.iter().map(|item| erased(item, progress, finished)).collect(),
        kept: plan
            .kept
            .iter()
            .map(|kept| KeptRecords { class: kept.class.clone(), count: kept.count, until: kept.until.clone() })
            .collect(),
        method: METHOD.to_owned(),
        remaining: 0,
        software: Software { version: String::new(), sha256: String::new() },
        previous_sha256: NO_PREVIOUS.to_owned(),
        sequence: 0,
    }
}

fn approved_by(look: &Look) -> Vec<String> {
    let seen = look.retention.status.as_ref().and_then(|status| status.first_seen.as_ref());
    seen.map(|seen| approvers(&look.retention, seen.at.0, look.clocks.own).into_iter().collect()).unwrap_or_default()
}

/// An object is gone no later than its step ended: that is when each of them was read back as not existing.
fn erased(item: &Item, progress: &Progress, finished: Option<Timestamp>) -> ErasedObject {
    let name = format!("{:?}", item.step);
    let step = progress.steps.iter().find(|step| step.name == name);
    let gone = step.and_then(|step| step.finished_at.as_ref()).map(|time| time.0).or(finished);
    // Only what stores bytes is wiped by a method; everything else is a record that is deleted.
    let method = if item.bytes.is_some() { METHOD } else { "Deleted" };
    ErasedObject {
        kind: format!("{}/{}/{}", item.kind.group, item.kind.version, item.kind.plural),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
        uid: item.uid.clone(),
        bytes: item.bytes,
        method: method.to_owned(),
        gone_at: gone.map(in_japan).unwrap_or_default(),
    }
}
