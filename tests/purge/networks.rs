//! A VLAN of the provider outlives neither its tenant nor the promise that nobody gets it at once.

use kube::Api;
use kube::api::DynamicObject;
use serde_json::json;

use super::bed_alone;
use super::support::eventually;
use super::support::purge::doomed;
use super::support::world::{network, resource};

#[tokio::test]
async fn a_vlan_goes_with_its_tenant_and_its_id_is_not_even_a_namesakes_before_the_quarantine_is_over() {
    // Alone, since a kind that is being installed is a doubt to every run.
    let (desk, driver, _turn) = bed_alone().await;
    desk.plane.install("ovn");
    let kind = resource("k8s.ovn.org", "v1", "ClusterUserDefinedNetwork", "clusteruserdefinednetworks");
    let networks = Api::<DynamicObject>::all_with(desk.admin.clone(), &kind);
    let kind = resource("coordination.k8s.io", "v1", "Lease", "leases");
    let leases = Api::<DynamicObject>::namespaced_with(desk.admin.clone(), "cloudfarm-system", &kind);

    let vlan = json!({"type": "VLAN", "vlan": {"id": 7, "physicalNetwork": "physnet1"}});
    let (purger, _) = doomed(&desk, driver, "cabled", &[network("cabled", "outside", vlan)]).await;
    assert!(networks.get_opt("cf-cabled.outside").await.expect("an answer").is_some(), "it was made before");
    purger.purged().await;
    assert!(networks.get_opt("cf-cabled.outside").await.expect("an answer").is_none(), "it is in the plan");
    let lease = eventually("the id to be given back", || async {
        let lease = leases.get_opt("vlan-physnet1-7").await.ok()??;
        lease.metadata.annotations.as_ref()?.contains_key("cloudfarm.dev/released-at").then_some(lease)
    })
    .await;
    assert!(lease.data["spec"]["holderIdentity"].is_null(), "{lease:?}");
}
