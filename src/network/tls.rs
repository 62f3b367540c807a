//! TLS of a network: what is asked of cert-manager, from written values to values that cannot be wrong.

use std::collections::BTreeSet;

use super::observe::NetworkSnapshot;
use super::rules::Refused;
use crate::api::condition::Reason;
use crate::api::tenant_network::{IssuerRef, TlsMode};

/// A certificate that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub hosts: BTreeSet<String>,
    pub issuer: IssuerRef,
}

/// How it is called in what is refused.
pub const RULE: &str = "tls";

/// What to ask for: only mode Terminate needs a certificate of ours. One wrong value and nothing is asked for, since a
/// certificate for fewer hosts than written would look whole.
///
/// # Errors
/// What is wrong, with what would be right.
pub fn wanted(snapshot: &NetworkSnapshot) -> Result<Option<Wanted>, Refused> {
    let Some(tls) = snapshot.network.spec.tls.as_ref().filter(|tls| tls.mode == TlsMode::Terminate) else {
        return Ok(None);
    };
    let refused = |message: String| Refused { rule: RULE.to_owned(), reason: Reason::Invalid, message };
    if let Some(host) = tls.hosts.iter().find(|host| !is_host(host)) {
        return Err(refused(format!(
            "hosts: {host:?} is no host name such as www.acme.example or *.acme.example, in lower case"
        )));
    }
    if tls.hosts.is_empty() {
        return Err(refused("hosts is empty: name the hosts that the certificate is for".to_owned()));
    }
    let issuer = tls.issuer_ref.clone().ok_or_else(|| {
        refused("issuerRef is missing: name an Issuer of this namespace or a ClusterIssuer".to_owned())
    })?;
    if !["Issuer", "ClusterIssuer"].contains(&issuer.kind.as_str()) {
        return Err(refused(format!("issuerRef.kind: {:?} is neither Issuer nor ClusterIssuer", issuer.kind)));
    }
    Ok(Some(Wanted { hosts: tls.hosts.iter().cloned().collect(), issuer }))
}

/// RFC 1123, with at least two labels; the first may be a wildcard.
fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= 253 && name.split('.').count() > 1 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::network::sample::dmz;

    fn of(tls: &Value) -> Result<Option<Wanted>, String> {
        wanted(&dmz(&json!({"tls": tls}))).map_err(|refused| refused.message)
    }

    #[test]
    fn only_mode_terminate_asks_for_a_certificate() {
        let issuer = json!({"kind": "ClusterIssuer", "name": "provider"});
        for (mode, asks) in [("Disabled", false), ("Passthrough", false), ("Terminate", true)] {
            let tls = json!({"mode": mode, "hosts": ["www.acme.example"], "issuerRef": issuer});
            assert_eq!(of(&tls).unwrap().is_some(), asks, "{mode}");
        }
    }

    #[test]
    fn one_wrong_value_and_nothing_is_asked_for() {
        let tls = |host: &str, kind: &str| json!({"mode": "Terminate", "hosts": ["www.acme.example", host], "issuerRef": {"kind": kind, "name": "x"}});
        for host in ["*.acme.example", "a.b", "xn--bcher-kva.example"] {
            assert!(of(&tls(host, "Issuer")).is_ok(), "{host}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for host in
            ["acme", "WWW.acme.example", "*", "a.*.example", "*.*.example", "-a.example", "a..b", "a_b.example", &long]
        {
            let said = of(&tls(host, "Issuer")).unwrap_err();
            assert!(said.contains(&format!("hosts: {host:?} is no host name")), "{said}");
        }
        assert!(of(&tls("a.b", "AWSPCAIssuer")).unwrap_err().contains("neither Issuer nor ClusterIssuer"));
        let nobody = json!({"mode": "Terminate", "hosts": ["a.b"]});
        assert!(of(&nobody).unwrap_err().contains("issuerRef is missing"));
    }
}
