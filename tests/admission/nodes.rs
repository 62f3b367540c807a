//! Labels of nodes that say in which country they are and whose machines they are.

use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, accepted, bed, refused};

const COUNTRY: &str = "node-restriction.kubernetes.io/cloudfarm-country";
const POOL: &str = "node-restriction.kubernetes.io/cloudfarm-pool";

fn labelled(key: &str, value: &Value) -> Value {
    json!({"metadata": {"labels": {key: value}}})
}

#[tokio::test]
async fn only_the_platforms_people_say_where_a_node_is_and_whose_and_no_node_says_it_of_itself() {
    let plane = bed().await;
    // Everything that roles allow, and yet a node.
    let kubelet = "+system:node:kwok-1";
    for (key, value) in [(COUNTRY, json!("SG")), (COUNTRY, json!(null)), (POOL, json!("acme"))] {
        let change = labelled(key, &value);
        for who in [kubelet, "clerk"] {
            let says = ["node kwok-1: the label ", key, "the verb maintain on tenants.cloudfarm.dev"];
            for subresource in ["", " --subresource=status"] {
                let words = format!("patch node kwok-1 --dry-run=server{subresource}");
                refused(plane, who, &words, Some(change.clone()), &says).await;
            }
        }
        accepted(plane, ADMIN, "patch node kwok-1 --dry-run=server", Some(change)).await;
    }
    for who in [kubelet, "clerk"] {
        // A heartbeat, and labels that decide nothing here.
        let other = labelled("example.org/rack", &json!("7"));
        accepted(plane, who, "patch node kwok-1 --dry-run=server", Some(other)).await;
        let beat = json!({"status": {"nodeInfo": {"bootID": "2"}}});
        accepted(plane, who, "patch node kwok-1 --dry-run=server --subresource=status", Some(beat)).await;
        let node = |labels: Value| {
            Some(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new", "labels": labels}}))
        };
        refused(plane, who, "create --dry-run=server", node(json!({COUNTRY: "JP"})), &[COUNTRY]).await;
        accepted(plane, who, "create --dry-run=server", node(json!({"example.org/rack": "7"}))).await;
    }
    // It sees nodes by its watch alone.
    refused(
        plane,
        OPERATOR,
        "patch node kwok-1 --dry-run=server",
        Some(labelled(POOL, &json!("acme"))),
        &["cannot get resource \"nodes\""],
    )
    .await;
}
