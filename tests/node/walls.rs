//! The operator's own NetworkPolicies, by packets: who reaches it, and whom it reaches.

use std::io::ErrorKind;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::installation::{Installation, NAMESPACE};
use super::support::eventually;
use super::support::node::ADDRESS;
use super::support::world;

/// A pod with a web server in a namespace of its own, and the address it is reached at.
async fn neighbour(installation: &Installation, namespace: &str) -> SocketAddr {
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace}, "spec": {
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "web", "image": "local/busybox:1", "args": ["httpd", "-f", "-p", "8080", "-h", "/"]}],
    }});
    world::apply(installation.plane, &[made]);
    let account = ["get", "serviceaccount", "default", "-n", namespace];
    eventually("the namespace to have its account", || async {
        installation.plane.try_kubectl(&account, None).0.then_some(())
    })
    .await;
    world::apply(installation.plane, &[pod]);
    let ready = ["wait", "--for=condition=Ready", "pod/web", "-n", namespace, "--timeout=60s"];
    installation.plane.kubectl(&ready, None);
    address(&installation.node.object("pod", namespace, "web"))
}

fn address(pod: &Value) -> SocketAddr {
    format!("{}:8080", pod["status"]["podIP"].as_str().expect("an address")).parse().expect("an address")
}

/// Waits until a connection is answered like this: a controller needs a moment for a new pod.
async fn answers(installation: &Installation, from: (&str, &str), to: SocketAddr, open: bool) {
    eventually(&format!("{from:?} -> {to} to be {}", if open { "open" } else { "closed" }), || {
        let answer = installation.node.connect(from.0, from.1, to);
        let as_wished = match answer {
            Ok(_) => open,
            Err(error) => !open && error.kind() == ErrorKind::ConnectionRefused,
        };
        async move { as_wished.then_some(()) }
    })
    .await;
}

#[test]
fn the_operator_reaches_the_api_server_alone_and_only_who_scrapes_reaches_it() {
    super::in_turn(async |installation: &Installation| {
        let node = installation.node;
        let monitoring = neighbour(installation, "monitoring").await;
        let elsewhere = neighbour(installation, "elsewhere").await;
        let operators = installation.both_ready().await;
        let operator = (NAMESPACE, operators[0].as_str());

        // Without a wall all of this is open.
        answers(installation, ("monitoring", "web"), elsewhere, true).await;
        answers(installation, ("elsewhere", "web"), monitoring, true).await;

        answers(installation, operator, "10.96.0.1:443".parse().expect("an address"), true).await;
        for closed in [elsewhere, monitoring, format!("{ADDRESS}:10250").parse().expect("kubelet's")] {
            answers(installation, operator, closed, false).await;
        }
        for pod in &operators {
            let metrics = address(&node.object("pod", NAMESPACE, pod));
            answers(installation, ("monitoring", "web"), metrics, true).await;
            answers(installation, ("elsewhere", "web"), metrics, false).await;
        }
    });
}
