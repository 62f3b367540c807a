//! Pure: from what is known of a tenant to one finding for each clause.
//!
//! Judged is what the operator and purge runs have said already, in conditions and statuses; nothing is measured here.
//! Three rules hold for every clause: what is missing or unknown is `error` and never `pass`; what people keep
//! ([`Class::Organisation`]) is never `pass`; and nothing in a finding moves by itself, so that an unchanged world has an
//! unchanged report (I4).

#![allow(clippy::result_large_err)] // what cannot be judged is a finding, too, and there is one for each clause

mod access;
mod data;
mod notices;
mod organisation;
mod separation;
mod verdict;

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::attestation::Word;
use super::clauses::{self, Class, Clause};
use super::hex;
use crate::api::access_grant::AccessGrant;
use crate::api::condition::ConditionType;
use crate::api::notice::Notice;
use crate::api::retention::{PurgeState, Retention};
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;

pub use notices::{about, elapsed};
pub use organisation::next_change;
pub use verdict::{Object, Outcome};
use verdict::{Verdict, condition};

/// What could be read, or why it could not.
pub type Known<T> = Result<T, String>;

/// Everything that a tenant is judged by, at one instant.
#[derive(Clone, Debug)]
pub struct World {
    /// The tenant's name.
    pub name: String,
    pub tenant: Known<Option<Tenant>>,
    /// The Retention that stands for it.
    pub retention: Known<Option<Retention>>,
    pub networks: Known<Vec<TenantNetwork>>,
    pub grants: Known<Vec<AccessGrant>>,
    /// Of all tenants; which are about this one is judged here.
    pub notices: Known<Vec<Notice>>,
    pub words: Known<Vec<Word>>,
    /// Is this for the customer, who may not learn of a hold that is the provider's alone?
    pub for_customer: bool,
    pub now: Timestamp,
}

/// What is said of one clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub clause: &'static Clause,
    pub result: Outcome,
    pub reason: String,
    pub message: String,
    pub measured: String,
    pub limit: String,
    /// Since when it is so; nothing when nobody can tell.
    pub since: Option<Timestamp>,
    /// When it was measured; `since` when the operator looks at it all the time.
    pub checked_at: Option<Timestamp>,
    pub objects: Vec<Object>,
    /// What was looked at, as canonical JSON: names sorted, no white space. Not there when it was read from a report.
    pub looked: Option<String>,
    /// SHA-256 of it.
    pub sha256: String,
}

/// One finding for each clause, in the catalogue's order.
#[must_use]
pub fn judge(world: &World) -> Vec<Finding> {
    clauses::all().map(|clause| finding(clause, world)).collect()
}

/// How many findings of each outcome, in the order of [`Outcome::ALL`].
#[must_use]
pub fn summary(findings: &[Finding]) -> [usize; 5] {
    Outcome::ALL.map(|outcome| findings.iter().filter(|finding| finding.result == outcome).count())
}

fn finding(clause: &'static Clause, world: &World) -> Finding {
    let verdict = match clause.class {
        Class::Organisation => organisation::word(clause, world),
        Class::Enforced | Class::Verified => over(clause.id, world).unwrap_or_else(|| of_software(clause.id, world)),
    };
    let looked = canonical(&json!({"clause": clause.id, "looked": verdict.looked}));
    Finding {
        clause,
        result: verdict.result,
        reason: verdict.reason,
        message: one_line(&verdict.message, 400),
        measured: one_line(&verdict.measured, 200),
        limit: one_line(&verdict.limit, 200),
        since: verdict.since,
        checked_at: verdict.checked_at.or(verdict.since),
        objects: verdict.objects,
        sha256: hex::encode(&Sha256::digest(&looked)),
        looked: Some(looked),
    }
}

/// Whoever wrote a condition may have written anything into it.
fn one_line(text: &str, letters: usize) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(letters).collect::<String>().trim().to_owned()
}

fn of_software(id: &str, world: &World) -> Verdict {
    match id {
        "5.1.1-2" => access::insiders(world),
        "5.1.1-3" => separation::isolation(world),
        "5.1.1-4" => access::staff(world),
        "5.1.1-5" | "9.2.4" => access::sign_in(world),
        "5.1.1-6" => notices::changes(world),
        "5.1.1-7" => access::accounts(world),
        "5.1.1-8" | "16.1.2" => notices::incidents_told(world),
        "6.1.3" => tenant_says(world, &[ConditionType::ResidencyVerified]).limit("JP"),
        "8.1.1" => tenant_says(world, &[ConditionType::NamespacesReady]),
        "CLD.8.1.5" => data::removal(world),
        "8.2.2" => data::labelling(world),
        "9.2.1" => access::registration(world),
        "9.2.2" | "9.2.3" => access::application_id(world, id),
        "9.4.1" => access::opening(world),
        "9.4.4" => tenant_says(world, &[ConditionType::VMsHardened, ConditionType::PlatformHardened]),
        "CLD.9.5.1" => separation::environments(world),
        "CLD.9.5.2" => separation::hardening(world),
        "10.1.1" => separation::encryption(world),
        "11.2.7" => data::disposal(world),
        "12.1.2" => notices::maintenance(world),
        "12.1.3" => notices::capacity(world),
        "12.3.1" => data::backups(world),
        "12.4.1" => data::logging(world),
        "12.4.4" => tenant_says(world, &[ConditionType::ClockSynchronized]).limit("Asia/Tokyo"),
        "CLD.12.4.5" => data::monitoring(world),
        "12.6.1" => notices::vulnerabilities(world),
        "13.1.3" => separation::networks(world),
        "CLD.13.1.4" => separation::physical(world),
        "14.1.1" => tenant_says(world, &[ConditionType::ImagesScanned]),
        "16.1.1" => notices::incidents_in_time(world),
        "16.1.7" => data::acceptance(world),
        "18.1.3" => data::periods(world),
        "18.1.5" => separation::cryptography(world),
        _ => Verdict::unknown("NotJudged", "no part of this program judges this clause"),
    }
}

/// Once an erasure has begun there is nothing left to judge but the erasure.
fn over(id: &str, world: &World) -> Option<Verdict> {
    let retention = world.retention().ok().flatten()?;
    let purge = retention.status.as_ref()?.progress.purge.as_ref()?;
    if ["CLD.8.1.5", "11.2.7", "18.1.3"].contains(&id) {
        return None;
    }
    let verdict = if purge.state == PurgeState::Purged {
        let at = purge.finished_at.as_ref().map(|at| at.0);
        Verdict::skip("Erased", "the customer's data is erased: there is nothing left to judge").since(at)
    } else {
        let said = "the customer's data is being erased: there is nothing left to judge";
        Verdict::skip("Erasing", said).since(Some(purge.started_at.0))
    };
    Some(verdict.on(retention).looked(json!({"object": Object::of(retention), "purge": purge})))
}

impl World {
    /// The Tenant, or what to say without one.
    fn tenant(&self) -> Result<&Tenant, Verdict> {
        match &self.tenant {
            Ok(Some(tenant)) => Ok(tenant),
            Ok(None) => {
                let said = format!("there is no Tenant {}, and its data is not erased", self.name);
                Err(Verdict::unknown("TenantNotFound", said)
                    .looked(json!({"missing": format!("Tenant {}", self.name)})))
            }
            Err(why) => Err(not_known("the Tenant", why)),
        }
    }

    /// The Retention that speaks of this tenant and not of an earlier one of its name.
    fn retention(&self) -> Result<Option<&Retention>, Verdict> {
        let found = self.retention.as_ref().map_err(|why| not_known("the Retention", why))?;
        let Some(found) = found else { return Ok(None) };
        let pinned = found.status.as_ref().and_then(|status| status.pinned.as_ref()).map(|pinned| &pinned.tenant_uid);
        let uid = self.tenant.as_ref().ok().and_then(Option::as_ref).and_then(ResourceExt::uid);
        if uid.is_some() && pinned.is_some() && uid.as_ref() != pinned {
            let said = format!("Retention {} speaks of an earlier tenant of this name", found.name_any());
            return Err(Verdict::unknown("EarlierTenant", said).on(found));
        }
        Ok(Some(found))
    }

    fn networks(&self) -> Result<&[TenantNetwork], Verdict> {
        self.networks.as_deref().map_err(|why| not_known("the TenantNetworks", why))
    }
}

fn not_known(what: &str, why: &str) -> Verdict {
    Verdict::unknown("NotKnown", format!("{what} could not be looked at: {why}")).looked(json!({"notKnown": what}))
}

/// What the Tenant says in these conditions.
fn tenant_says(world: &World, types: &[ConditionType]) -> Verdict {
    world.tenant().map_or_else(|unknown| unknown, |tenant| Verdict::all(&said(tenant, types)))
}

fn said(tenant: &Tenant, types: &[ConditionType]) -> Vec<Verdict> {
    let status = tenant.status.as_ref();
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let observed = status.and_then(|status| status.observed_generation);
    types.iter().map(|type_| condition(tenant, observed, conditions, *type_)).collect()
}

/// What each of these networks says in these conditions.
fn networks_say<'a>(networks: impl Iterator<Item = &'a TenantNetwork>, types: &[ConditionType]) -> Vec<Verdict> {
    let of = |network: &'a TenantNetwork| {
        let status = network.status.as_ref();
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        let observed = status.and_then(|status| status.observed_generation);
        let probed = status.and_then(|status| status.probe.as_ref()).map(|probe| probe.at.0);
        types
            .iter()
            .map(|type_| {
                let verdict = condition(network, observed, conditions, *type_);
                let measured = (*type_ == ConditionType::RulesEnforced).then_some(probed).flatten();
                verdict.checked_at(measured)
            })
            .collect::<Vec<_>>()
    };
    networks.flat_map(of).collect()
}

/// JSON with the names of every object sorted and without white space: one form for one content.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(&mut text, value);
    text
}

fn write_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(text, "{}{}:", if index > 0 { "," } else { "" }, Value::from(name.as_str()));
                write_canonical(text, &map[name]);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(text, item);
            }
            text.push(']');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}
