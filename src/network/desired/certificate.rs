//! What is asked of cert-manager for a network whose TLS is ended in front of its VMs.

use kube::api::ObjectMeta;
use serde_json::json;

use crate::cluster::object::{DesiredObject, Owner};
use crate::foreign::certificate::{Certificate, CertificateSpec};
use crate::network::tls::Wanted;

/// `cloudfarm-tls-<network>`, and the Secret of the same name in which cert-manager puts key and certificate. The prefix
/// keeps clear of Secrets that customers make.
pub fn certificate(owner: &Owner, wanted: &Wanted) -> DesiredObject {
    let name = format!("cloudfarm-tls-{}", owner.name);
    let metadata: ObjectMeta = owner.metadata(owner.namespace.as_deref(), &name);
    DesiredObject::new(&Certificate {
        metadata,
        spec: CertificateSpec {
            secret_name: name,
            dns_names: wanted.hosts.iter().cloned().collect(),
            issuer_ref: json!({"group": "cert-manager.io", "kind": wanted.issuer.kind, "name": wanted.issuer.name}),
            // A new key with each certificate: one that leaked does not outlive it.
            private_key: json!({"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}),
            usages: vec!["digital signature".into(), "server auth".into()],
        },
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cluster::object::Kind;
    use crate::network::desired::desired;
    use crate::network::sample::dmz;

    #[test]
    fn a_certificate_is_for_the_written_hosts_in_any_order_and_is_not_asked_for_without_cert_manager() {
        let with = |hosts: [&str; 2]| {
            let issuer = json!({"kind": "ClusterIssuer", "name": "provider"});
            dmz(&json!({"tls": {"mode": "Terminate", "hosts": hosts, "issuerRef": issuer}}))
        };
        let asked = |snapshot| {
            let plan = desired(&snapshot);
            let mut found = plan.desired.objects().filter(|object| object.reference.kind == Kind::Certificate);
            found.next().map(|object| object.body.clone())
        };
        let one = asked(with(["www.acme.example", "acme.example"])).unwrap();
        assert_eq!(Some(&one), asked(with(["acme.example", "www.acme.example"])).as_ref());
        assert_eq!(one["metadata"]["name"], "cloudfarm-tls-dmz");
        assert_eq!(
            one["spec"],
            json!({
                "secretName": "cloudfarm-tls-dmz",
                "dnsNames": ["acme.example", "www.acme.example"],
                "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "provider"},
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": ["digital signature", "server auth"],
            })
        );
        let mut without = with(["www.acme.example", "acme.example"]);
        without.installed.cert_manager = false;
        assert_eq!(asked(without), None);
    }
}
