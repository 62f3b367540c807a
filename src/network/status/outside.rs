//! Pure: what a TenantNetwork says about its addresses outside and its certificate.

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::labels;
use crate::api::tenant_network::{OutsideAddress, TlsMode};
use crate::cluster::applied::Applied;
use crate::cluster::object::{DesiredObject, Facts, Kind};
use crate::network::desired::Plan;
use crate::network::observe::NetworkSnapshot;
use crate::network::rules::Refused;
use crate::network::{expose, tls};

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
    if !snapshot.installed.cert_manager {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::applied::{Cause, Fault};
    use crate::cluster::object::Reference;
    use crate::network::desired::desired;
    use crate::network::sample::{as_wanted, dmz};

    fn web(more: &Value) -> NetworkSnapshot {
        let mut spec = json!({"ingress": [{"name": "web", "world": true, "ports": [{"port": 443}]}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        dmz(&spec)
    }

    /// The world with these objects as wanted, each with these facts.
    fn seen(plan: &Plan, kind: Kind, facts: &Facts) -> Applied {
        let of_kind = plan.desired.objects().filter(|object| object.reference.kind == kind);
        let observed = of_kind.map(|object| (object.reference.clone(), as_wanted(object, facts.clone()))).collect();
        Applied { observed, ..Applied::default() }
    }

    #[test]
    fn an_exposed_vm_waits_for_the_quota_then_for_an_address_and_then_says_where_it_is() {
        let snapshot = web(&json!({"expose": [{"vm": "web-1", "port": 443}]}));
        let plan = desired(&snapshot);
        let said = |applied: &Applied| exposed(&snapshot, &plan, applied).unwrap();
        let reference =
            Reference { kind: Kind::ResourceQuota, namespace: Some("cf-acme".into()), name: "cloudfarm".into() };
        let fault = Fault { reference, cause: Cause::Waiting, message: "is not there yet".into() };
        let waiting = said(&Applied { faults: vec![fault], ..Applied::default() });
        assert_eq!((waiting.status, waiting.reason), (Status::False, Reason::Progressing));
        assert!(waiting.message.contains("ResourceQuota cf-acme/cloudfarm"), "{}", waiting.message);
        let without = seen(&plan, Kind::Service, &Facts::Service { addresses: Vec::new() });
        assert!(said(&without).message.contains("has no address yet"), "{}", said(&without).message);
        let both = vec!["2001:db8::7".to_owned(), "203.0.113.7".to_owned()];
        let there = seen(&plan, Kind::Service, &Facts::Service { addresses: both });
        assert_eq!(said(&there).status, Status::True);
        assert_eq!(said(&there).message, "web-1 at 2001:db8::7, web-1 at 203.0.113.7");
        assert_eq!(addresses(&plan, &there).len(), 2);
    }

    #[test]
    fn nothing_is_said_of_what_nobody_asks_for_and_tls_in_the_vms_is_not_measured() {
        let of = |snapshot: NetworkSnapshot| {
            let plan = desired(&snapshot);
            (exposed(&snapshot, &plan, &Applied::default()), tls(&snapshot, &plan, &Applied::default()))
        };
        assert_eq!(of(web(&json!({}))), (None, None));
        assert_eq!(of(web(&json!({"tls": {"mode": "Disabled"}}))), (None, None));
        let inside = of(web(&json!({"tls": {"mode": "Passthrough", "hosts": ["www.acme.example"]}}))).1.unwrap();
        assert_eq!((inside.status, inside.reason), (Status::Unknown, Reason::NotMeasured));
    }

    #[test]
    fn a_certificate_says_what_is_missing_what_cert_manager_says_and_where_it_is_kept() {
        let issuer = json!({"kind": "ClusterIssuer", "name": "provider"});
        let terminated = json!({"tls": {"mode": "Terminate", "hosts": ["www.acme.example"], "issuerRef": issuer}});
        let snapshot = web(&terminated);
        let plan = desired(&snapshot);
        let told = |issued: bool, message: &str| {
            let facts = Facts::Certificate { issued, message: message.to_owned() };
            tls(&snapshot, &plan, &seen(&plan, Kind::Certificate, &facts)).unwrap()
        };
        assert_eq!(told(false, "no such issuer").reason, Reason::NotIssued);
        assert!(told(false, "no such issuer").message.ends_with("cert-manager says: no such issuer"));
        assert_eq!(told(true, "").status, Status::True);
        assert!(told(true, "").message.contains("Secret cloudfarm-tls-dmz"));
        let mut without = web(&terminated);
        without.installed.cert_manager = false;
        let missing = tls(&without, &desired(&without), &Applied::default()).unwrap();
        assert_eq!(missing.reason, Reason::CertManagerMissing);
    }
}
