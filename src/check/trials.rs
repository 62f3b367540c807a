//! Objects that are tried on admission without being stored: one for each thing that a tenant's namespace has to refuse.

use serde_json::{Value, json};

/// What is tried. Each differs in one thing from a pod, or a Service, that everything lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trial {
    Capability,
    Root,
    Privileged,
    Escalation,
    HostPath,
    HostNetwork,
    HostPort,
    HostPid,
    HostIpc,
    NeverPulled,
    OtherVolume,
    NodePort,
}

/// What admission said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It would be stored like this.
    Admitted(Box<Value>),
    /// Refused, in the API server's words.
    Refused(String),
    /// Whoever asks may not create such an object, so admission was not reached.
    Forbidden(String),
    /// No usable answer.
    Unanswered(String),
}

/// The pod's and the Service's name.
const NAME: &str = "cloudfarm-check";

impl Trial {
    pub const ALL: [Self; 12] = [
        Self::Capability,
        Self::Root,
        Self::Privileged,
        Self::Escalation,
        Self::HostPath,
        Self::HostNetwork,
        Self::HostPort,
        Self::HostPid,
        Self::HostIpc,
        Self::NeverPulled,
        Self::OtherVolume,
        Self::NodePort,
    ];

    /// The object to be tried in this namespace.
    #[must_use]
    pub fn object(self, namespace: &str) -> Value {
        let mut pod = pod(namespace);
        let container = "/spec/containers/0";
        let (at, value) = match self {
            Self::Capability => {
                (format!("{container}/securityContext/capabilities"), json!({"drop": ["ALL"], "add": ["NET_ADMIN"]}))
            }
            Self::Root => ("/spec/securityContext/runAsNonRoot".into(), json!(false)),
            Self::Privileged => (format!("{container}/securityContext"), json!({"privileged": true})),
            Self::Escalation => (format!("{container}/securityContext/allowPrivilegeEscalation"), json!(true)),
            Self::HostPath => ("/spec/volumes/0".into(), json!({"name": "v", "hostPath": {"path": "/"}})),
            Self::HostNetwork => ("/spec/hostNetwork".into(), json!(true)),
            Self::HostPort => (format!("{container}/ports"), json!([{"containerPort": 8080, "hostPort": 8080}])),
            Self::HostPid => ("/spec/hostPID".into(), json!(true)),
            Self::HostIpc => ("/spec/hostIPC".into(), json!(true)),
            Self::NeverPulled => (format!("{container}/imagePullPolicy"), json!("Never")),
            Self::OtherVolume => {
                ("/spec/volumes/0".into(), json!({"name": "v", "nfs": {"server": "192.0.2.1", "path": "/"}}))
            }
            Self::NodePort => return node_port(namespace),
        };
        if let Some(place) = pod.pointer_mut(&at) {
            *place = value;
        }
        pod
    }

    /// Words of the reason for which it has to be refused, as Pod Security or the quota gives it. Without any, only a
    /// policy can refuse it.
    #[must_use]
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::Capability => Some("capabilities"),
            Self::Root => Some("runAsNonRoot"),
            Self::Privileged => Some("privileged"),
            Self::Escalation => Some("allowPrivilegeEscalation"),
            Self::HostPath => Some("hostPath"),
            Self::HostNetwork => Some("hostNetwork"),
            Self::HostPort => Some("hostPort"),
            Self::HostPid => Some("hostPID"),
            Self::HostIpc => Some("hostIPC"),
            Self::OtherVolume => Some("restricted volume types"),
            Self::NodePort => Some("services.nodeports"),
            Self::NeverPulled => None,
        }
    }
}

/// A pod that the strictest level lets in, with every place that a trial changes.
fn pod(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "automountServiceAccountToken": false,
            "hostNetwork": false,
            "hostPID": false,
            "hostIPC": false,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "trial",
                "image": "cloudfarm.invalid/trial:1",
                "imagePullPolicy": "Always",
                "ports": [],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    })
}

fn node_port(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"type": "NodePort", "selector": {"app": NAME}, "ports": [{"port": 80}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trial_differs_from_the_harmless_pod_in_what_it_tries() {
        for trial in Trial::ALL.into_iter().filter(|trial| *trial != Trial::NodePort) {
            assert_ne!(trial.object("cf-acme"), pod("cf-acme"), "{trial:?}");
        }
    }
}
