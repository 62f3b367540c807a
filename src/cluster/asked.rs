//! For unit tests: a cluster whose API server only writes down what it is asked.

use std::sync::{Arc, Mutex};

use kube::Client;
use kube::client::Body;

use super::Cluster;
use super::write::Writer;
use crate::operator::metrics::Metrics;

/// The cluster, and a line for each request: method, path, body.
pub fn cluster() -> (Cluster, Arc<Mutex<Vec<String>>>) {
    answering(|_| (200, "{}".to_owned()))
}

/// The same with answers: status and body, by the path that is asked for.
pub fn answering(
    answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static,
) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let server = tower::service_fn(move |request: http::Request<Body>| {
        let log = log.clone();
        let (status, answer) = answer(request.uri().path());
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect_bytes().await.unwrap_or_default();
            log.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)));
            let mut answer = http::Response::new(Body::from(answer.into_bytes()));
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let writer = Writer::new(Client::new(server, "default"), 4, Arc::new(Metrics::new(0)));
    (Cluster::new(writer), asked)
}
