//! Start-up, leader election, readiness, metrics, clock: everything around the five steps.
//!
//! ```text
//! run -> watches (from the start, also on standby)
//!     -> server  (/healthz /readyz /metrics)
//!     -> lease   -> the controllers, each a queue of references fed by the triggers
//! ```

pub mod clock;
pub mod config;
pub mod context;
mod controllers;
pub mod doors;
pub mod images;
pub mod lease;
pub mod metrics;
pub mod neighbourhood;
pub mod news;
mod of_tenants;
pub mod places;
pub mod reports;
mod server;
pub mod stores;
pub mod triggers;
mod watches;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector;
use kube::{Client, Config as ClientConfig};

use crate::cluster::Cluster;
use crate::cluster::write::Writer;
use crate::tenant::application_id::Key;
use clock::Clock;
use config::Config;
use context::Context;
use metrics::Metrics;
use metrics::requests::measured;
use stores::Stores;
use watches::Writers;

/// How one operator process runs.
pub struct Settings {
    pub config: Config,
    /// Where `/healthz`, `/readyz` and `/metrics` are served; `None` serves nothing (tests).
    pub listen: Option<SocketAddr>,
    /// Unique among the replicas: the pod's name.
    pub identity: String,
    /// Namespace of the lease; `None` takes the lead without asking (tests with one process).
    pub lease_namespace: Option<String>,
    pub clock: Clock,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0} ended; an operator that no longer sees must not go on deciding")]
    Blind(String),
    #[error("cannot serve: {0}")]
    Server(#[from] std::io::Error),
}

/// A client's settings as the operator wants them: no hidden retries (they hold a reconcile slot for minutes), short
/// connect time.
#[must_use]
pub fn client_config(mut config: ClientConfig) -> ClientConfig {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    config
}

/// Runs until `shutdown` resolves (then ends well, handing the lease over) or until something that the operator
/// cannot do without is lost.
///
/// # Errors
/// A watch ended, or the address cannot be bound.
pub async fn run(client: Client, settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new(settings.clock.now().as_second()));
    let client = measured(client, metrics.clone(), settings.clock.clone());
    let (context, writers) = assemble(&client, &settings, metrics);
    let mut watching = watches::start(&client, &context, writers);
    let server = serve(settings.listen, context.clone());
    let lead = lease::lead(client, &settings, context.clone(), shutdown);
    tokio::select! {
        ended = watching.join_next() => Err(RunError::Blind(match ended {
            Some(Ok(what)) => what.to_owned(),
            Some(Err(error)) => error.to_string(),
            None => "every watch".to_owned(),
        })),
        failed = server => Err(failed),
        () = lead => Ok(()),
    }
}

fn assemble(client: &Client, settings: &Settings, metrics: Arc<Metrics>) -> (Arc<Context>, Writers) {
    let ((tenants, tenants_writer), (networks, networks_writer)) = (reflector::store(), reflector::store());
    let ((retentions, retentions_writer), (grants, grants_writer)) = (reflector::store(), reflector::store());
    let (notices, notices_writer) = reflector::store();
    let writer = Writer::new(client.clone(), settings.config.rates.writes_in_flight, metrics.clone());
    let reporter = Reporter { controller: "cloudfarm".into(), instance: Some(settings.identity.clone()) };
    let context = Context {
        cluster: Cluster::new(writer),
        stores: Arc::new(Stores::new(tenants, networks, retentions, grants, notices)),
        triggers: triggers::Triggers::default(),
        config: Arc::new(settings.config.clone()),
        clock: settings.clock.clone(),
        metrics,
        statuses: crate::cluster::status::StatusBook::default(),
        recorder: Recorder::new(client.clone(), reporter),
        backoff: context::Backoff::default(),
        neighbours: neighbourhood::Neighbourhood::default(),
        guests: crate::tenant::guest::book::Book::default(),
        places: places::PlaceStore::default(),
        images: images::ImageStore::default(),
        doors: doors::DoorStore::default(),
        application_id_key: settings.config.application_id_key.as_deref().map(Key::read),
        notices: crate::notice::Book::default(),
        post: settings.config.mail.clone().map(crate::mail::Post::new),
    };
    let writers = Writers {
        tenants: tenants_writer,
        networks: networks_writer,
        retentions: retentions_writer,
        grants: grants_writer,
        notices: notices_writer,
    };
    (Arc::new(context), writers)
}

async fn serve(listen: Option<SocketAddr>, context: Arc<Context>) -> RunError {
    match listen {
        None => std::future::pending().await,
        Some(address) => match server::serve(address, context).await {
            Ok(()) => RunError::Blind("the server".into()),
            Err(error) => RunError::Server(error),
        },
    }
}
