//! A plane with the session log's rights, the stand-in behind KubeVirt's group, and people with certificates of their own:
//! who acts in another's name would be seen as that.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::eventually;
use crate::support::plane::Plane;
use crate::support::world::{self, apply};
use crate::virt_api;

pub struct Bed {
    pub plane: &'static Plane,
}

impl Bed {
    pub async fn new(plane: &'static Plane) -> Self {
        static SHARED: OnceCell<()> = OnceCell::const_new();
        if std::ptr::eq(plane, Plane::shared()) {
            SHARED.get_or_init(|| prepared(plane)).await;
        } else {
            prepared(plane).await;
        }
        Self { plane }
    }

    /// A Tenant and its two namespaces, as the operator makes them.
    pub fn tenant(&self, name: &str) {
        let derived = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": format!("cfd-{name}"), "labels": {"cloudfarm.dev/tenant": name}}});
        let (account, namespace) = (cloudfarm::sessions::NAME, cloudfarm::sessions::NAMESPACE);
        let records = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "cloudfarm-records", "namespace": format!("cfd-{name}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cloudfarm-records"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]});
        apply(self.plane, &[world::tenant(name, json!({})), world::namespace(name), derived, records]);
    }

    /// Somebody who may open every door, as staff may not in earnest.
    pub fn staff(&self, name: &str) {
        self.bound(
            &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("test-doors-{name}")}}),
            name,
            "test-doors",
        );
    }

    /// Somebody whom the Tenant names, with the rights that come with it.
    pub fn customer(&self, tenant: &str, name: &str) {
        self.bound(
            &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "test-customer", "namespace": format!("cf-{tenant}")}}),
            name,
            "cloudfarm-tenant-admin",
        );
    }

    fn bound(&self, binding: &Value, name: &str, role: &str) {
        let mut binding = binding.clone();
        let group = "rbac.authorization.k8s.io";
        binding["roleRef"] = json!({"apiGroup": group, "kind": "ClusterRole", "name": role});
        binding["subjects"] = json!([{"apiGroup": group, "kind": "User", "name": name}]);
        apply(self.plane, &[binding]);
    }

    /// A grant of suzuki's for an hour, as it is once the operator has opened it.
    pub fn grant(&self, tenant: &str, name: &str, vms: &[&str], verbs: &[&str]) {
        let grant = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": name, "namespace": format!("cf-{tenant}")},
            "spec": {"requestedBy": "suzuki", "reason": "the VM does not start", "verbs": verbs, "vms": vms}});
        let text = grant.to_string();
        let as_suzuki = ["--as", "suzuki", "--as-group", "system:masters"];
        self.plane.kubectl(&[&["create", "-f", "-"], &as_suzuki[..]].concat(), Some(&text));
        let (from, until) = (in_seconds(-1), in_seconds(3600));
        let status = json!({"status": {"state": "Active", "approvedAt": from, "expiresAt": until}}).to_string();
        let (operator, namespace) = (cloudfarm::install::OPERATOR, format!("cf-{tenant}"));
        let patch = ["patch", "accessgrant", name, "-n", &namespace, "--subresource=status", "--type=merge"];
        let as_operator = ["-p", &status, "--as", operator, "--as-group", "system:masters"];
        self.plane.kubectl(&[&patch[..], &as_operator[..]].concat(), None);
    }

    /// The sessions of a grant, once there are so many.
    pub async fn sessions(&self, tenant: &str, grant: &str, number: usize) -> Vec<Value> {
        let namespace = format!("cf-{tenant}");
        let words = ["get", "accessgrant", grant, "-n", &namespace, "-o", "json"];
        eventually(&format!("{number} sessions on {grant}"), || async {
            let grant: Value = serde_json::from_str(&self.plane.kubectl(&words, None)).expect("JSON");
            let sessions = grant["status"]["sessions"].as_array().cloned().unwrap_or_default();
            (sessions.len() >= number).then_some(sessions)
        })
        .await
    }

    /// The day's record of a tenant, once it has so many entries and each is over.
    pub async fn record(&self, tenant: &str, number: usize) -> Value {
        let namespace = format!("cfd-{tenant}");
        let words = ["get", "configmaps", "-n", &namespace, "-l", "cloudfarm.dev/record=access", "-o", "json"];
        eventually(&format!("{number} records of {tenant}"), || async {
            let list: Value = serde_json::from_str(&self.plane.kubectl(&words, None)).expect("JSON");
            let mut all = json!({"data": {}});
            for record in list["items"].as_array().into_iter().flatten() {
                world::merge(&mut all["data"], record["data"].clone());
            }
            let data = all["data"].as_object().expect("data");
            let over = data.values().all(|entry| entry.as_str().is_some_and(|text| text.contains("endedAt")));
            (data.len() >= number && over).then_some(all)
        })
        .await
    }

    /// How many Events tell of access without a grant.
    pub fn events(&self, tenant: &str) -> usize {
        let words = ["get", "events.events.k8s.io", "-n", "default", "-o", "json"];
        let list: Value = serde_json::from_str(&self.plane.kubectl(&words, None)).expect("JSON");
        let ours = |event: &&Value| event["reason"] == "AccessWithoutGrant" && event["regarding"]["name"] == tenant;
        list["items"].as_array().into_iter().flatten().filter(ours).count()
    }

    /// In which version the grant is, and its records.
    pub fn written(&self, tenant: &str, grant: &str) -> (String, String) {
        let version =
            |words: &[&str]| self.plane.kubectl(&[words, &["-o", "jsonpath={..resourceVersion}"]].concat(), None);
        let (theirs, derived) = (format!("cf-{tenant}"), format!("cfd-{tenant}"));
        let records = version(&["get", "configmaps", "-n", &derived, "-l", "cloudfarm.dev/record=access"]);
        (version(&["get", "accessgrant", grant, "-n", &theirs]), records)
    }

    /// The cluster's administrator asks in somebody else's name.
    pub fn in_anothers_name(&self, tenant: &str, vm: &str, what: &str, name: &str) {
        let path = path(tenant, vm, what);
        self.plane.kubectl(&["get", "--raw", &path, "--as", name], None);
    }
}

fn path(tenant: &str, vm: &str, what: &str) -> String {
    format!("/apis/subresources.kubevirt.io/v1/namespaces/cf-{tenant}/virtualmachineinstances/{vm}/{what}")
}

#[allow(clippy::disallowed_methods)]
fn in_seconds(seconds: i64) -> String {
    let then = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    Timestamp::from_second(then.as_second()).expect("an instant").to_string()
}

async fn prepared(plane: &Plane) {
    let ours = cloudfarm::api::manifest::all_as_yaml();
    plane.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(&ours));
    plane.our_crds_established();
    apply(plane, &cloudfarm::install::sessions());
    let port = virt_api::start(plane);
    apply(
        plane,
        &[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stand-in"}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "virt-api", "namespace": "stand-in"},
            "spec": {"type": "ExternalName", "externalName": "127.0.0.1", "ports": [{"port": port}]}}),
            json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1.subresources.kubevirt.io"},
            "spec": {"group": "subresources.kubevirt.io", "version": "v1", "groupPriorityMinimum": 1000,
                "versionPriority": 15, "insecureSkipTLSVerify": true,
                "service": {"name": "virt-api", "namespace": "stand-in", "port": port}}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-doors"},
            "rules": [{"apiGroups": ["subresources.kubevirt.io"], "verbs": ["get"], "resources": [
                "virtualmachineinstances/console", "virtualmachineinstances/vnc", "virtualmachineinstances/guestosinfo"]}]}),
        ],
    );
    eventually("the stand-in to be behind the API server", || async {
        let words = ["get", "apiservice", "v1.subresources.kubevirt.io", "-o", "json"];
        let service: Value = serde_json::from_str(&plane.kubectl(&words, None)).expect("JSON");
        let conditions = service["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let available = conditions.iter().any(|each| each["type"] == "Available" && each["status"] == "True");
        let granted = plane.try_kubectl(&["get", "accessgrants", "-A"], None).0;
        (available && granted).then_some(())
    })
    .await;
}

/// Somebody with a certificate in the own name.
pub struct Person {
    config: Arc<ClientConfig>,
    port: u16,
}

/// A connection that a person has through the API server; dropping it leaves.
pub struct Door {
    pub code: u16,
    _stream: TlsStream<TcpStream>,
}

impl Person {
    pub fn new(plane: &Plane, name: &str) -> Self {
        let pki = plane.dir.join("pki");
        let file = |ending: &str| -> PathBuf { pki.join(format!("person-{name}.{ending}")) };
        let openssl = |command: &mut Command| {
            let output = command.output().expect("openssl");
            assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        };
        let (key, request, certificate) = (file("key"), file("csr"), file("crt"));
        let (ca, ca_key) = (pki.join("ca.crt"), pki.join("ca.key"));
        let curve = "ec_paramgen_curve:P-256";
        let mut asked = Command::new("openssl");
        asked.args(["req", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", &format!("/CN={name}")]);
        // A certificate with extensions is one of version 3, and rustls takes no other.
        asked.args(["-addext", "extendedKeyUsage=clientAuth", "-keyout"]);
        openssl(asked.arg(&key).arg("-out").arg(&request));
        let mut signed = Command::new("openssl");
        signed
            .args(["x509", "-req", "-days", "2", "-copy_extensions", "copyall", "-CAcreateserial", "-in"])
            .arg(&request)
            .arg("-CA")
            .arg(&ca);
        openssl(signed.arg("-CAkey").arg(&ca_key).arg("-out").arg(&certificate));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&ca).expect("a certificate")).expect("a root");
        let chain = vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
        let config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key);
        let base: u16 =
            std::fs::read_to_string(plane.dir.join("port")).expect("a port").trim().parse().expect("a number");
        Self { config: Arc::new(config.expect("a pair")), port: base + 2 }
    }

    /// Asks for a console or the like, under an audit id of its own choice or none; the connection stays while the answer
    /// is kept.
    pub async fn enters(&self, tenant: &str, vm: &str, what: &str, audit_id: &str) -> Door {
        let chosen = if audit_id.is_empty() { String::new() } else { format!("Audit-ID: {audit_id}\r\n") };
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        self.sends(tenant, vm, what, &format!("{chosen}{upgrade}")).await
    }

    /// Asks a question; the code of the answer.
    pub async fn asks(&self, tenant: &str, vm: &str, what: &str) -> u16 {
        self.sends(tenant, vm, what, "").await.code
    }

    async fn sends(&self, tenant: &str, vm: &str, what: &str, headers: &str) -> Door {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the API server");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(self.config.clone()).connect(name, stream).await.expect("TLS");
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n", path(tenant, vm, what));
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n") {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.expect("an answer");
            read.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&read).into_owned();
        let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        Door { code: code.unwrap_or_else(|| panic!("{line}")), _stream: stream }
    }
}
