//! The stand-in for virt-api: behind the API server's proxy it opens every console, answers every question, and knows two
//! VMs that are different: `off`, whose console it refuses, and `nowhere`, which is not there.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::plane::Plane;

/// Starts one on a thread of its own, for as long as the test binary runs; on which port.
pub fn start(plane: &Plane) -> u16 {
    let pki = plane.dir.join("pki");
    let certificates = CertificateDer::pem_file_iter(pki.join("kubelet.crt")).expect("a file");
    let certificates = certificates.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(pki.join("kubelet.key")).expect("a key");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (sender, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address").port()).expect("somebody waits");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever breaks off is no fault of this side.
                    serve(acceptor, stream).await.ok();
                });
            }
        });
    });
    port.recv().expect("it starts")
}

/// One request after the other; a console stays open until the other side leaves.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            read.extend_from_slice(&piece[..length]);
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end);
        let upgrade = head.to_ascii_lowercase().contains("upgrade: websocket");
        let path = head.split(' ').nth(1).unwrap_or_default();
        if upgrade && !path.contains("/off/") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .await?;
            while stream.read(&mut [0; 4096]).await? > 0 {}
            return Ok(());
        }
        let (code, body) = if path.contains("/off/") {
            ("409 Conflict", json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409}))
        } else if path.contains("/nowhere/") {
            ("404 Not Found", json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}))
        } else {
            let group = "subresources.kubevirt.io/v1";
            ("200 OK", json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": []}))
        };
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}
