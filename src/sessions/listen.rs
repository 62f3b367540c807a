//! Two servers: one that API servers post audit events to, over TLS and only for whoever has a certificate of their CA, and
//! one with `/healthz`, `/readyz` and `/metrics`.
//!
//! A batch is answered once everything in it that was answered by the API server is written down: one that is not written
//! is refused, and comes again. What is only open (`RequestReceived`) waits in memory for as long as the rest of it may
//! take to come, in another batch; dying before that costs nothing but to say later that it is open.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use k8s_openapi::jiff::SignedDuration;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::desk::Desk;
use super::event::{Line, SETTLED, Sighting, item};
use super::keeper::Keeper;
use super::metrics::Figures;
use crate::operator::metrics::CONTENT_TYPE;

/// API servers send a batch after 30 s at the latest, and try again for a while.
const OPEN_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Largest batch: 400 events of level Metadata are a tenth of it.
const LARGEST: usize = 16 << 20;

/// Longest that a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections whose handshake is under way or over and that nobody has taken.
const AT_THE_DOOR: usize = 64;

/// Who it is, and whom it lets in.
#[derive(Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// CA of the certificates with which API servers come.
    pub client_ca: PathBuf,
}

impl Tls {
    /// # Errors
    /// A file cannot be read or is not what it should be, in words for people.
    pub fn config(&self) -> Result<ServerConfig, String> {
        let read = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>, String> {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let found = read.map_err(|error| format!("{}: {error}", path.display()))?;
            if found.is_empty() { Err(format!("{}: no certificate in it", path.display())) } else { Ok(found) }
        };
        let mut roots = RootCertStore::empty();
        for root in read(&self.client_ca)? {
            roots.add(root).map_err(|error| format!("{}: {error}", self.client_ca.display()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let verifier = verifier.map_err(|error| format!("{}: {error}", self.client_ca.display()))?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| format!("{}: {error}", self.key.display()))?;
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(|error| error.to_string())?.with_client_cert_verifier(verifier);
        config
            .with_single_cert(read(&self.certificate)?, key)
            .map_err(|error| format!("{} and {}: {error}", self.certificate.display(), self.key.display()))
    }
}

#[derive(Deserialize)]
struct EventList {
    items: Vec<Value>,
}

struct Inbox {
    keeper: Arc<Keeper>,
    desk: Mutex<Desk>,
}

/// Takes batches until the task is dropped.
///
/// # Errors
/// The address cannot be bound.
pub async fn webhook(keeper: Arc<Keeper>, address: SocketAddr, tls: ServerConfig) -> std::io::Result<()> {
    let listener = TlsListener::bind(address, tls).await?;
    tracing::info!(address = %listener.address, "taking audit events by POST /audit");
    let inbox = Arc::new(Inbox { keeper, desk: Mutex::new(Desk::new(OPEN_AFTER)) });
    inbox.keeper.figures.working(true);
    let router =
        Router::new().route("/audit", post(batch)).layer(DefaultBodyLimit::max(LARGEST)).with_state(inbox.clone());
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = inbox.opened() => Ok(()),
    }
}

impl Inbox {
    fn desk<T>(&self, what: impl FnOnce(&mut Desk) -> T) -> T {
        what(&mut self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down, again and again, what turned out to be open.
    async fn opened(&self) {
        loop {
            sleep(Duration::from_secs(1)).await;
            let now = self.keeper.clock().now();
            let due = self.desk(|desk| desk.due(now));
            if !due.is_empty() {
                let again = self.keeper.settle(due).await;
                self.keeper.figures.working(again.is_empty());
                self.desk(|desk| desk.put_back(again));
            }
        }
    }

    /// Writes down what is over or under way and answered; whether that was done.
    async fn answered(&self, sightings: Vec<Sighting>) -> bool {
        let now = self.keeper.clock().now();
        let youngest = sightings.iter().map(|sighting| now.duration_since(sighting.key.received)).min();
        let wait = youngest.map_or(SignedDuration::ZERO, |age| (SETTLED - age).min(SETTLED));
        sleep(wait.try_into().unwrap_or_default()).await;
        let mut once = Desk::new(SETTLED);
        for sighting in sightings {
            once.see(sighting);
        }
        // An API server whose clock is ahead has waited long enough, too.
        let all = once.due(k8s_openapi::jiff::Timestamp::MAX);
        self.keeper.settle(all).await.is_empty()
    }
}

async fn batch(State(inbox): State<Arc<Inbox>>, body: Bytes) -> (StatusCode, &'static str) {
    let Ok(EventList { items }) = serde_json::from_slice(&body) else {
        inbox.keeper.figures.read(1, 1);
        return (StatusCode::BAD_REQUEST, "this is no EventList of audit.k8s.io/v1\n");
    };
    drop(body);
    let (mut answered, mut open, mut malformed, all) = (Vec::new(), Vec::new(), 0, items.len() as u64);
    for event in items {
        match item(event) {
            Line::Ours(sighting) if sighting.answered() => answered.push(*sighting),
            Line::Ours(sighting) => open.push(*sighting),
            Line::Others => {}
            Line::Malformed => malformed += 1,
        }
    }
    let room = inbox.desk(|desk| {
        let room = open.len() <= desk.room();
        if room {
            for sighting in open {
                desk.see(sighting);
            }
        }
        for sighting in &answered {
            desk.answered_elsewhere(&sighting.key);
        }
        room
    });
    let written = answered.is_empty() || inbox.answered(answered).await;
    if !(room && written) {
        inbox.keeper.figures.working(false);
        return (StatusCode::SERVICE_UNAVAILABLE, "not written down; send it again\n");
    }
    inbox.keeper.figures.working(true);
    // Counted once, however often it is sent.
    inbox.keeper.figures.read(all, malformed);
    (StatusCode::OK, "")
}

/// Hands out connections whose handshake is over: a slow one holds up nobody.
struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    async fn bind(address: SocketAddr, config: ServerConfig) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (sender, ready) = mpsc::channel(AT_THE_DOOR);
        tokio::spawn(async move {
            loop {
                // Everybody who has a place may shake hands, and the others wait in the kernel's queue.
                let Ok(place) = sender.clone().reserve_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let acceptor = acceptor.clone();
                        tokio::spawn(async move {
                            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                                Ok(Ok(stream)) => drop(place.send((stream, peer))),
                                Ok(Err(error)) => tracing::warn!(%peer, %error, "no TLS connection"),
                                Err(_) => tracing::warn!(%peer, "no TLS connection in time"),
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no connection");
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        });
        Ok(Self { ready, address })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that accepts ends with the program alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Answers Prometheus and kubelet until the task is dropped.
///
/// # Errors
/// The address cannot be bound.
pub async fn figures(address: SocketAddr, figures: Arc<Figures>) -> std::io::Result<()> {
    let ready = figures.clone();
    let readiness = move || async move {
        if ready.ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not everything is written")
        }
    };
    let page = move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], figures.text()) };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(page));
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /healthz, /readyz and /metrics");
    axum::serve(listener, router).await
}
