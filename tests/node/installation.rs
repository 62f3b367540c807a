//! `helm install`, as a newcomer does it, and what came of it.

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::figures::{seconds, tell};
use super::image::{Image, REPOSITORY};
use super::support::command::helm;
use super::support::eventually;
use super::support::node::{ADDRESS, Node};
use super::support::operator;
use super::support::plane::Plane;

pub const NAMESPACE: &str = "cloudfarm-system";

/// Selects the operator's pods.
const OPERATOR: &str = "app.kubernetes.io/name=cloudfarm,app.kubernetes.io/component=operator";

/// The charts, installed on the shared node.
pub struct Installation {
    pub node: &'static Node,
    pub plane: &'static Plane,
}

impl Installation {
    /// The one of this test binary: made by the first test that asks.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Installation> = OnceCell::const_new();
        SHARED.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        let node = Node::shared();
        let image = Image::shared();
        node.import(&image.archive, &image.name, &format!("{REPOSITORY}@{}", image.digest));
        let installation = Self { node, plane: &node.plane };
        installation.install().await;
        installation
    }

    async fn install(&self) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.37",
        }}});
        self.plane.kubectl(&["create", "-f", "-"], Some(&namespace.to_string()));
        self.helm_says(&["install", "cloudfarm-crds", "charts/cloudfarm-crds", "-n", NAMESPACE]);
        self.helm_says(&["install", "cloudfarm", "charts/cloudfarm", "-n", NAMESPACE, "-f", &self.values(&json!({}))]);
        let mut seen = Vec::new();
        eventually("two replicas to be ready", || {
            let ready = self.ready();
            if ready.len() > seen.len() {
                let new = ready.iter().find(|pod| !seen.contains(*pod)).expect("a new one");
                tell("container start -> Ready", &seconds(self.node.age(NAMESPACE, new)));
                seen.push(new.clone());
            }
            let all = (seen.len() == 2).then_some(());
            async move { all }
        })
        .await;
    }

    /// The values of this cluster, with more: a file.
    pub fn values(&self, more: &Value) -> String {
        let image = Image::shared();
        let config = operator::config();
        let port = self.node.object("endpointslice", "default", "kubernetes")["ports"][0]["port"].clone();
        let mut values = json!({
            "image": {"repository": REPOSITORY, "digest": image.digest},
            "networkPolicy": {"apiServer": {"cidrs": [format!("{ADDRESS}/32"), "10.96.0.1/32"], "ports": [443, port]}},
            "config": {
                "platform": {"resolvers": config.platform.resolvers, "ntp": config.platform.ntp},
                "cluster": {"pods": ["10.244.0.0/16"], "services": ["10.96.0.0/16"], "controlPlane": ["10.99.0.0/24"]},
                "storage": {"accessMode": "ReadWriteOnce", "volumeMode": "Filesystem"},
            },
        });
        super::support::world::merge(&mut values, more.clone());
        let file = self.plane.dir.join("values.json");
        std::fs::write(&file, values.to_string()).expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    }

    /// helm, which has to succeed.
    pub fn helm_says(&self, arguments: &[&str]) -> String {
        let (ok, output, complaint) = helm(arguments, None, &self.plane.dir.join("kubeconfig"));
        assert!(ok, "helm {}: {output}{complaint}", arguments.join(" "));
        output
    }

    /// The operator's pods.
    pub fn pods(&self) -> Vec<Value> {
        self.node.objects("pods", NAMESPACE, OPERATOR)
    }

    /// Names of the operator's pods that are ready.
    pub fn ready(&self) -> Vec<String> {
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let going = !pod["metadata"]["deletionTimestamp"].is_null();
            !going && conditions.iter().any(|each| each["type"] == "Ready" && each["status"] == "True")
        };
        let pods = self.pods();
        pods.iter().filter(|pod| ready(pod)).map(name).collect()
    }

    /// The pod that leads.
    pub async fn leader(&self) -> String {
        eventually("somebody to lead", || {
            let holder = self.node.object("lease", NAMESPACE, "cloudfarm")["spec"]["holderIdentity"].clone();
            async move { holder.as_str().filter(|holder| !holder.is_empty()).map(str::to_owned) }
        })
        .await
    }

    /// Waits until as many replicas are ready as there should be.
    pub async fn both_ready(&self) -> Vec<String> {
        eventually("two replicas to be ready", || {
            let ready = self.ready();
            async move { (ready.len() == 2).then_some(ready) }
        })
        .await
    }
}

/// Name of an object.
pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
