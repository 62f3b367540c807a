//! Pure: what admission's answers mean. Being refused is not enough: it has to be for what was tried.

use super::rights::Topic;
use super::scene::Scene;
use super::trials::{Answer, Trial};
use super::{Outcome, Verdict};

pub(super) fn capability(scene: &Scene) -> Verdict {
    refused(scene, Trial::Capability)
}

pub(super) fn privileged(scene: &Scene) -> Verdict {
    refused(scene, Trial::Privileged)
}

pub(super) fn host_path(scene: &Scene) -> Verdict {
    refused(scene, Trial::HostPath)
}

pub(super) fn host_pid(scene: &Scene) -> Verdict {
    refused(scene, Trial::HostPid)
}

pub(super) fn host_ipc(scene: &Scene) -> Verdict {
    refused(scene, Trial::HostIpc)
}

pub(super) fn node_port(scene: &Scene) -> Verdict {
    refused(scene, Trial::NodePort)
}

pub(super) fn host_network(scene: &Scene) -> Verdict {
    let (network, port) = (refused(scene, Trial::HostNetwork), refused(scene, Trial::HostPort));
    if network.outcome == Outcome::Pass { port } else { network }
}

pub(super) fn root(scene: &Scene) -> Verdict {
    refused_or_never_tried(scene, Trial::Root)
}

pub(super) fn escalation(scene: &Scene) -> Verdict {
    refused_or_never_tried(scene, Trial::Escalation)
}

pub(super) fn pull(scene: &Scene) -> Verdict {
    refused_or_never_tried(scene, Trial::NeverPulled)
}

pub(super) fn other_volumes(scene: &Scene) -> Verdict {
    refused_or_never_tried(scene, Trial::OtherVolume)
}

fn refused(scene: &Scene, trial: Trial) -> Verdict {
    let Some(answer) = scene.trials.get(&trial) else { return Verdict::unknown("it was not tried") };
    match answer {
        Answer::Admitted(object) if trial == Trial::NeverPulled && turned_to_always(object) => {
            Verdict::pass("admission turned imagePullPolicy to Always")
        }
        Answer::Admitted(_) => Verdict::fail("admission let it in"),
        Answer::Refused(said) if for_its_cause(said, trial) => Verdict::pass(said.clone()),
        Answer::Refused(said) => Verdict::unknown(format!("refused, but for another reason: {said}")),
        Answer::Forbidden(said) => Verdict::unknown(format!("you may not try it: {said}")),
        Answer::Unanswered(said) => Verdict::unknown(said.clone()),
    }
}

/// These need the level `restricted`, which KubeVirt's launchers do not always fit. Where admission lets such a pod in, it
/// comes down to whether anybody of the tenant can make one.
fn refused_or_never_tried(scene: &Scene, trial: Trial) -> Verdict {
    let verdict = refused(scene, trial);
    if verdict.outcome == Outcome::Pass {
        return verdict;
    }
    let makers = scene.rights(Topic::Workloads).nobody("pods, and whatever makes pods");
    match makers.outcome {
        Outcome::Pass => Verdict::pass(format!(
            "the tenant makes no pods ({}); a pod of the platform: {}",
            makers.reason, verdict.reason
        )),
        _ if verdict.outcome == Outcome::Fail => {
            Verdict::new(makers.outcome, format!("{}, and {}", verdict.reason, makers.reason))
        }
        _ => verdict,
    }
}

/// Pod Security, the quota or a policy of ours, and for what was tried. Our policies name what they refuse and let no
/// pod in but the platform's, whatever is in it.
fn for_its_cause(said: &str, trial: Trial) -> bool {
    let names = trial.cause().is_some_and(|cause| said.contains(cause));
    let by_level = said.contains("violates PodSecurity") && names;
    let by_quota = said.contains("exceeded quota") && names;
    by_level || by_quota || said.contains("ValidatingAdmissionPolicy 'cloudfarm-")
}

fn turned_to_always(object: &serde_json::Value) -> bool {
    object["spec"]["containers"][0]["imagePullPolicy"] == "Always"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::rights::{Access, Rights};
    use crate::check::scene::tests::empty;

    fn after(trial: Trial, answer: Answer) -> Scene {
        let mut scene = empty();
        scene.trials.insert(trial, answer);
        scene
    }

    fn with_makers(scene: Scene, rights: Rights) -> Scene {
        let mut scene = scene;
        scene.rights.insert(Topic::Workloads, rights);
        scene
    }

    const LEVEL: &str = "pods \"cloudfarm-check\" is forbidden: violates PodSecurity \"baseline:v1.37\": host namespaces (hostPID=true)";

    #[test]
    fn only_a_refusal_for_what_was_tried_passes() {
        let policy = "ValidatingAdmissionPolicy 'cloudfarm-tenant-pods' with binding 'cloudfarm-tenant-pods' denied";
        for (answer, outcome) in [
            (Answer::Refused(LEVEL.into()), Outcome::Pass),
            (Answer::Refused(policy.into()), Outcome::Pass),
            (Answer::Refused("violates PodSecurity \"baseline\": privileged".into()), Outcome::Unknown),
            (Answer::Refused("exceeded quota: cloudfarm, requested: pods=1".into()), Outcome::Unknown),
            (Answer::Refused("error looking up service account hostPID/default".into()), Outcome::Unknown),
            (Answer::Admitted(Box::default()), Outcome::Fail),
            (Answer::Forbidden("cannot create".into()), Outcome::Unknown),
            (Answer::Unanswered("no answer".into()), Outcome::Unknown),
        ] {
            assert_eq!(host_pid(&after(Trial::HostPid, answer.clone())).outcome, outcome, "{answer:?}");
        }
        assert_eq!(host_pid(&empty()).outcome, Outcome::Unknown);
    }

    #[test]
    fn a_pod_that_is_let_in_counts_by_whether_the_tenant_can_make_one() {
        let admitted = || after(Trial::Root, Answer::Admitted(Box::default()));
        let nobody = Rights { asked: 45, ..Rights::default() };
        let robot = Access { namespace: Some("cf-acme".into()), ..Access::on("create", "apps", "deployments") };
        let somebody = Rights { granted: vec![("sato".into(), robot)], ..nobody.clone() };
        for (makers, outcome) in
            [(nobody, Outcome::Pass), (somebody, Outcome::Fail), (Rights::unseen("forbidden"), Outcome::Unknown)]
        {
            assert_eq!(root(&with_makers(admitted(), makers)).outcome, outcome);
        }
    }

    #[test]
    fn the_hosts_network_is_closed_when_its_ports_are_too() {
        let said = |word: &str| Answer::Refused(format!("violates PodSecurity \"baseline\": {word}"));
        let mut scene = after(Trial::HostNetwork, said("hostNetwork=true"));
        scene.trials.insert(Trial::HostPort, Answer::Admitted(Box::default()));
        assert_eq!(host_network(&scene).outcome, Outcome::Fail);
        scene.trials.insert(Trial::HostPort, said("hostPort"));
        assert_eq!(host_network(&scene).outcome, Outcome::Pass);
    }

    #[test]
    fn an_image_policy_that_admission_corrects_passes() {
        let stored = |policy: &str| {
            let pod = json!({"spec": {"containers": [{"imagePullPolicy": policy}]}});
            pull(&after(Trial::NeverPulled, Answer::Admitted(Box::new(pod)))).outcome
        };
        assert_eq!((stored("Always"), stored("Never")), (Outcome::Pass, Outcome::Unknown));
    }
}
