//! Pure: what a TenantNetwork says about its addresses outside and its certificate.

use super::desired::Plan;
use super::expose;
use super::observe::NetworkSnapshot;
use super::rules::Refused;
use super::tls;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::labels;
use crate::api::tenant_network::{OutsideAddress, TlsMode};
use crate::cluster::applied::Applied;
use crate::cluster::object::{DesiredObject, Facts, Kind};

/// Has everything that is exposed an address? Nothing is said where nothing is exposed.
#[must_use]
pub fn exposed(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Option<Verdict> {
    let type_ = ConditionType::Exposed;
    if snapshot.network.spec.expose.is_empty() {
        return None;
    }
    if let Some(refused) = plan.refused.iter().find(|refused| refused.rule.starts_with(expose::RULE)) {
        return Some(said(type_, refused));
    }
    if let Some(fault) =
        applied.faults.iter().find(|fault| matches!(fault.reference.kind, Kind::Service | Kind::ResourceQuota))
    {
        return Some(fault.verdict(type_));
    }
    let reached = addresses(plan, applied);
    let without = services(plan).find(|service| reached.iter().all(|reached| reached.vm != vm(service)));
    if let Some(service) = without {
        let message = format!(
            "{} has no address yet: a load balancer of the cluster gives it one, and takes the address that is asked for if it may give it",
            service.reference
        );
        return Some(Verdict::bad(type_, Reason::Progressing, message));
    }
    if reached.is_empty() {
        return Some(Verdict::bad(type_, Reason::Progressing, "waits for the rules to stand as policies"));
    }
    let reached: Vec<String> = reached.iter().map(|reached| format!("{} at {}", reached.vm, reached.address)).collect();
    Some(Verdict::good(type_, reached.join(", ")))
}

/// Where VMs are reached, as load balancers have said.
#[must_use]
pub fn addresses(plan: &Plan, applied: &Applied) -> Vec<OutsideAddress> {
    let of = |service: &DesiredObject| -> Vec<OutsideAddress> {
        let Some(Facts::Service { addresses }) = applied.observed.get(&service.reference).map(|seen| &seen.facts)
        else {
            return Vec::new();
        };
        let at = |address: &String| OutsideAddress { vm: vm(service).to_owned(), address: address.clone() };
        addresses.iter().map(at).collect()
    };
    services(plan).flat_map(of).collect()
}

fn services(plan: &Plan) -> impl Iterator<Item = &DesiredObject> {
    plan.desired.objects().filter(|object| object.reference.kind == Kind::Service)
}

fn vm(service: &DesiredObject) -> &str {
    service.body["spec"]["selector"][labels::VM].as_str().unwrap_or_default()
}

/// Is the certificate there? Nothing is said where no TLS is asked for.
#[must_use]
pub fn tls(snapshot: &NetworkSnapshot, plan: &Plan, applied: &Applied) -> Option<Verdict> {
    let type_ = ConditionType::TLSReady;
    let spec = snapshot.network.spec.tls.as_ref()?;
    match spec.mode {
        TlsMode::Disabled => return None,
        TlsMode::Passthrough => {
            let message = "TLS ends in the VMs, with keys of their own; whether they speak it is not measured";
            return Some(Verdict::new(type_, Status::Unknown, Reason::NotMeasured, message));
        }
        TlsMode::Terminate => {}
    }
    if let Some(refused) = plan.refused.iter().find(|refused| refused.rule == tls::RULE) {
        return Some(said(type_, refused));
    }
    if !snapshot.cert_manager {
        let message = "cert-manager is not installed in this cluster (no CRD certificates.cert-manager.io): install it, and the certificate follows";
        return Some(Verdict::bad(type_, Reason::CertManagerMissing, message));
    }
    if let Some(fault) = applied.faults.iter().find(|fault| fault.reference.kind == Kind::Certificate) {
        return Some(fault.verdict(type_));
    }
    let certificate = plan.desired.objects().find(|object| object.reference.kind == Kind::Certificate);
    let Some(seen) = certificate.and_then(|certificate| applied.observed.get(&certificate.reference)) else {
        return Some(Verdict::bad(type_, Reason::Progressing, "the certificate is not asked for yet"));
    };
    Some(match &seen.facts {
        Facts::Certificate { issued: true, .. } => {
            Verdict::good(type_, format!("issued; key and certificate are in Secret {}", seen.reference.name))
        }
        Facts::Certificate { message, .. } if !message.is_empty() => {
            Verdict::bad(type_, Reason::NotIssued, format!("{}: cert-manager says: {message}", seen.reference))
        }
        _ => Verdict::bad(
            type_,
            Reason::NotIssued,
            format!("{}: cert-manager has not said anything yet", seen.reference),
        ),
    })
}

fn said(type_: ConditionType, refused: &Refused) -> Verdict {
    Verdict::bad(type_, refused.reason, format!("{}: {}", refused.rule, refused.message))
}
