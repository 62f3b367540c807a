//! What the process says about itself: who it is, its watches, its queues. Every replica says it.
//!
//! Counters of what may go wrong begin at 0 here: a rate misses the first of what was not there before.

use serde_json::json;

use super::figures::Figures;
use super::{ByKind, Metrics, Pass, lock};
use crate::cluster::object::{Digest, Kind};
use crate::operator::config::Config;
use crate::operator::context::Context;
use crate::operator::triggers::CONTROLLERS;

#[allow(clippy::cast_precision_loss)] // counts and seconds since the epoch are far below 2^52
pub(super) fn add(figures: &mut Figures, metrics: &Metrics, context: &Context) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    figures.gauge("build_info", "1; which version runs").set(&version, 1.0);
    let hash = [("hash", config_hash(&context.config))];
    let hash = hash.each_ref().map(|(key, value)| (*key, value.as_str()));
    figures.gauge("config_info", "1; fingerprint of the config: all replicas should have the same").set(&hash, 1.0);
    figures.gauge("start_timestamp_seconds", "When the process started").set(&[], metrics.started as f64);
    figures.gauge("observed_objects", "Managed objects that are known").set(&[], context.cluster.observed.len() as f64);
    controllers(figures, metrics, context);
    watches(figures, metrics, context);
}

/// Over the config as it was understood: comments and order do not count.
fn config_hash(config: &Config) -> String {
    Digest::of(&json!(format!("{config:?}"))).to_string()
}

#[allow(clippy::cast_precision_loss)]
fn controllers(figures: &mut Figures, metrics: &Metrics, context: &Context) {
    let now = context.clock.now().as_second();
    for controller in CONTROLLERS {
        for outcome in ["settled", "again", "undecodable"] {
            drop(metrics.passes.get_or_create(&Pass { controller, outcome }));
        }
        let labels = [("controller", controller)];
        let (passes, oldest) = metrics.under_way(controller);
        let backlog = context.triggers.backlog(controller);
        for (name, help, value) in [
            ("reconcile_in_progress", "Passes under way", passes as f64),
            (
                "reconcile_oldest_age_seconds",
                "For how long the oldest pass under way has run; 0 without one",
                oldest.map_or(0.0, |began| (now - began) as f64),
            ),
            (
                "queue_declarations",
                "Declarations that something happened to and nobody looked at yet",
                backlog.declarations as f64,
            ),
            (
                "queue_oldest_age_seconds",
                "For how long the first of them has waited; 0 without one",
                backlog.oldest.as_secs_f64(),
            ),
        ] {
            figures.gauge(name, help).set(&labels, value);
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn watches(figures: &mut Figures, metrics: &Metrics, context: &Context) {
    let asked = lock(&metrics.watches_asked).clone();
    for (kind, plural, synced) in watched(context) {
        drop(metrics.watch_errors.get_or_create(&ByKind { kind: kind.clone() }));
        let labels = [("kind", kind.as_str())];
        figures
            .gauge("watch_synced", "1 while a watch has listed its kind and is not interrupted")
            .set(&labels, f64::from(u8::from(synced)));
        if let Some(at) = asked.get(&plural) {
            figures
                .gauge(
                    "watch_last_request_timestamp_seconds",
                    "When a watch was last asked for, which is every few minutes: the sign of life of a quiet one",
                )
                .set(&labels, *at as f64);
        }
    }
}

/// Every kind that is watched now, its plural, and whether what is known of it is whole.
fn watched(context: &Context) -> Vec<(String, String, bool)> {
    let (stores, observed) = (&context.stores, &context.cluster.observed);
    let own = [
        ("Tenant", "tenants", stores.tenants.synced()),
        ("TenantNetwork", "tenantnetworks", stores.networks.synced()),
        ("Retention", "retentions", stores.retentions.synced()),
        ("Notice", "notices", stores.notices.synced()),
        ("CustomResourceDefinition", "customresourcedefinitions", context.neighbours.known()),
    ];
    let own = own.map(|(kind, plural, synced)| (kind.to_owned(), plural.to_owned(), synced));
    let made = Kind::ALL.into_iter().filter(|kind| kind.watched() && *kind != Kind::Retention);
    let made = made.filter(|kind| kind.neighbour_crd().is_none() || context.cluster.installed(*kind));
    let made = made.map(|kind| {
        let resource = kind.api_resource();
        (resource.kind, resource.plural, observed.complete(kind))
    });
    own.into_iter().chain(made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
platform: {resolvers: [192.0.2.53], ntp: [192.0.2.123]}
cluster: {pods: [10.244.0.0/16], services: [10.96.0.0/16], controlPlane: []}
purge: {image: 'registry.invalid/cloudfarm:dev'}
";

    #[test]
    fn the_fingerprint_of_a_config_is_of_what_it_says_and_not_of_how_it_is_written() {
        let hash = |text: &str| config_hash(&Config::parse(text).unwrap());
        assert_eq!(hash(TEXT), hash(&TEXT.replace("purge:", "# why\npurge:")));
        assert_ne!(hash(TEXT), hash(&TEXT.replace("192.0.2.53", "192.0.2.54")));
        assert_eq!(hash(TEXT).len(), 16);
    }
}
