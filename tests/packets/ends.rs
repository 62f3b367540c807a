//! The end of a tenant: a purge, from the preview to the last object.

use std::sync::Arc;

use kube::api::DeleteParams;
use serde_json::json;

use super::bed::Bed;
use super::cells::{Cell, cells};
use super::changes::nothing_passed;
use super::evaluator::{Declared, Who};
use super::places::Place;
use super::sampling::Sampler;
use super::support::desk::Desk;
use super::support::purge::{ENDED, due};
use super::support::{eventually, world};

/// Ends a pod when the API server says so, as a kubelet does: first whatever runs in it, then the object.
pub async fn stop_when_told(bed: &Bed, place: &Place) {
    let (namespace, name) = place.pod();
    let pods = bed.api_of_pods(namespace);
    eventually(&format!("{} to be deleted", place.name), || async {
        let pod = pods.get_opt(name).await.ok()?;
        pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()).then_some(())
    })
    .await;
    place.end();
    pods.delete(name, &DeleteParams::default().grace_period(0)).await.ok();
}

#[test]
fn a_tenant_that_is_purged_stays_closed_until_its_last_pod_is_gone() {
    super::in_turn(async |bed: &'static Bed| {
        let ended = world::tenant("leaver", json!({"contract": {"endDate": ENDED}}));
        let mut manifests = bed.manifests.clone();
        manifests.push(ended.clone());
        world::apply(&bed.node.plane, &[world::namespace("leaver"), ended]);
        bed.standing("leaver", 0).await;
        let app = bed.pod("cf-leaver", "app", Who::Beside("leaver".into()), &json!({})).await;
        let reports = bed.pod("cfd-leaver", "reports", Who::Derived("leaver".into()), &json!({})).await;
        let declared = Declared::read(&manifests, &super::bed::config());
        let mut places: Vec<&Arc<Place>> = bed.places.values().collect();
        places.extend([&app, &reports]);
        let of_it = |cell: &Cell| [&cell.from.name, &cell.to.name].iter().any(|name| name.contains("-leaver/"));
        let shut =
            cells(&places).into_iter().filter(|cell| of_it(cell) && !cell.expected(&declared)).collect::<Vec<_>>();
        eventually("the pods to be closed", || async { super::matrix::agree(&shut, false).then_some(()) }).await;

        let desk = Desk::shared(&bed.node.plane).await;
        let leaver = due(&desk, "leaver").await;
        leaver.preview().await;
        let sampler = Sampler::start(bed, shut).await;
        let both = async { tokio::join!(stop_when_told(bed, &app), stop_when_told(bed, &reports)) };
        let (certificate, _) = tokio::join!(leaver.purged(), both);
        assert_eq!(certificate.tenant, "leaver");
        nothing_passed("a purge", &sampler.end(&declared));
    });
}
