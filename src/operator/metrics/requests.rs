//! Every request of the operator, counted and timed where it leaves: writes, lists, watches, the lease, Events.

use std::sync::Arc;
use std::time::Instant;

use http::{Method, Response, Uri};
use kube::Client;
use kube::client::Body;

use super::{Metrics, Request, Verb, lock};
use crate::operator::clock::Clock;

/// The same client, measured.
#[must_use]
pub fn measured(client: Client, metrics: Arc<Metrics>, clock: Clock) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (verb, resource) = (verb(request.method(), request.uri()), resource(request.uri().path()));
        if verb == "watch" {
            lock(&metrics.watches_asked).insert(resource.clone(), clock.now().as_second());
        }
        let asked = Asked { verb, resource, code: "none", metrics: metrics.clone(), began: Instant::now() };
        let client = client.clone();
        async move {
            let mut asked = asked;
            let answer = client.send(request).await;
            asked.code = answer.as_ref().map_or("none", class);
            answer
        }
    });
    Client::new(service, namespace)
}

/// A request under way; counted when it ends, also when whoever asked gives up.
struct Asked {
    verb: &'static str,
    resource: String,
    code: &'static str,
    metrics: Arc<Metrics>,
    began: Instant,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let (verb, resource, code) = (self.verb, std::mem::take(&mut self.resource), self.code);
        self.metrics.requests.get_or_create(&Request { verb, resource, code }).inc();
        self.metrics.request_seconds.get_or_create(&Verb { verb }).observe(self.began.elapsed().as_secs_f64());
    }
}

fn verb(method: &Method, uri: &Uri) -> &'static str {
    let watched = || uri.query().is_some_and(|query| query.split('&').any(|each| each == "watch=true"));
    match *method {
        Method::GET if watched() => "watch",
        Method::GET if parts(uri.path()).is_some_and(|parts| parts.len() == 1) => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// Plural and, where it is one, subresource, such as `tenants/status`. Only names that this program asks for.
fn resource(path: &str) -> String {
    match parts(path).as_deref() {
        Some([resource, _, subresource, ..]) => format!("{resource}/{subresource}"),
        Some([resource, ..]) => (*resource).to_owned(),
        _ => "other".to_owned(),
    }
}

/// Resource, name and subresource, as far as the path has them.
fn parts(path: &str) -> Option<Vec<&str>> {
    let mut parts = path.trim_matches('/').split('/');
    match parts.next() {
        Some("api") => drop(parts.next()),
        Some("apis") => drop((parts.next(), parts.next())),
        _ => return None,
    }
    let rest: Vec<&str> = parts.collect();
    match rest.as_slice() {
        ["namespaces", _, inside, ..] if *inside != "status" && *inside != "finalize" => Some(rest[2..].to_vec()),
        [] => None,
        _ => Some(rest),
    }
}

/// 429 stands by itself: it says that we ask too much, not that we ask wrongly.
fn class(answer: &Response<Body>) -> &'static str {
    match answer.status().as_u16() {
        429 => "429",
        409 => "409",
        200..=299 => "2xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_what_it_asks_for_and_never_by_an_objects_name() {
        let named = |method: Method, path: &str| {
            let uri: Uri = path.parse().unwrap();
            format!("{} {}", verb(&method, &uri), resource(uri.path()))
        };
        for (method, path, is) in [
            (Method::GET, "/api/v1/namespaces", "list namespaces"),
            (Method::GET, "/api/v1/namespaces/cf-plum", "get namespaces"),
            (Method::GET, "/apis/cloudfarm.dev/v1alpha1/tenants?watch=true&x=y", "watch tenants"),
            (Method::GET, "/api/v1/namespaces/cloudfarm-evidence/configmaps?limit=500", "list configmaps"),
            (Method::PATCH, "/apis/cloudfarm.dev/v1alpha1/tenants/plum/status?force=true", "patch tenants/status"),
            (Method::PATCH, "/api/v1/namespaces/cf-plum/resourcequotas/cloudfarm", "patch resourcequotas"),
            (Method::DELETE, "/apis/batch/v1/namespaces/cloudfarm-system/cronjobs/cf-purge-plum", "delete cronjobs"),
            (Method::GET, "/version", "get other"),
        ] {
            assert_eq!(named(method, path), is, "{path}");
        }
    }
}
