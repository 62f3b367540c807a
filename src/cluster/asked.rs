//! For unit tests: a cluster whose API server only writes down what it is asked.

use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;

use super::Cluster;
use super::write::Writer;
use crate::operator::metrics::Metrics;

/// The cluster, and a line for each request: method, path, body.
pub fn cluster() -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let server = tower::service_fn(move |request: http::Request<Body>| {
        let log = log.clone();
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect_bytes().await.unwrap_or_default();
            log.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)));
            Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(b"{}".to_vec())))
        }
    });
    let writer = Writer::new(Client::new(server, "default"), 4, Arc::new(Metrics::new(0)));
    (Cluster::new(writer), asked)
}
