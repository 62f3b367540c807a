//! `/healthz`, `/readyz`, `/metrics` over plain HTTP.
//!
//! Ready means: every watch has listed its kind, and no pass has been stuck for longer than [`STUCK`] seconds. A
//! standby replica is ready too: its caches are warm.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;

use super::context::Context;
use super::metrics;

/// A pass that takes longer than this many seconds is no longer "work moving"; calls time out after 20.
const STUCK: i64 = 180;

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(address: SocketAddr, context: Arc<Context>) -> std::io::Result<()> {
    let ready = context.clone();
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(move || async move { readiness(&ready) }))
        .route(
            "/metrics",
            get(move || async move {
                let text = context.metrics.text(&context);
                ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
            }),
        );
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /healthz, /readyz and /metrics");
    axum::serve(listener, router).await
}

fn readiness(context: &Context) -> (StatusCode, String) {
    if !context.synced() {
        return (StatusCode::SERVICE_UNAVAILABLE, "watches have not synced".into());
    }
    let now = context.clock.now().as_second();
    match context.metrics.oldest_pass() {
        Some(start) if now - start > STUCK => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("a pass has been stuck for {} s", now - start))
        }
        _ => (StatusCode::OK, "ready".into()),
    }
}
