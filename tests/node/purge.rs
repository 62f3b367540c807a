//! A purge from the CronJob to the certificate, each run a real pod of a real Job.

use std::process::Command;

use cloudfarm::api::home;
use cloudfarm::evidence::signing::PublicKey;
use cloudfarm::install::PURGE_ACCOUNT;
use cloudfarm::purge::live::CERTIFICATE_KEY;
use serde_json::{Value, json};

use super::figures::{now, seconds, tell};
use super::installation::{Installation, NAMESPACE, name};
use super::support::desk::Desk;
use super::support::eventually;
use super::support::purge::{ENDED, due};
use super::support::world::{self, tenant};

/// What `cloudfarm` prints.
fn cloudfarm(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cloudfarm")).args(arguments).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cloudfarm {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The key that signs, made as the installation guide says; its public half.
fn signing_key(installation: &Installation) -> String {
    installation.plane.kubectl(&["create", "-f", "-"], Some(&cloudfarm(&["signing-key"])));
    let secret = installation.node.object("secret", NAMESPACE, "cloudfarm-signing-key");
    secret["metadata"]["annotations"]["cloudfarm.dev/public-key"].as_str().expect("a public key").to_owned()
}

/// A customer's pod that writes to a disk and goes on: what `restricted` and the contract's quota let in.
fn customers_pod(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": namespace}, "spec": {
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "app", "image": "local/busybox:1", "args": ["tail", "-f", "/dev/null"],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "16Mi"}},
            "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
        }],
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
    }})
}

/// One run, made from the CronJob as its schedule would; what its pod said to its end. Afterwards the Job may be gone:
/// with a purge that is done goes its CronJob, and with that every Job of it.
async fn run(installation: &Installation, tenant: &str, job: &str) -> String {
    let plane = installation.plane;
    let from = format!("--from=cronjob/{}", home::purge_cron_job(tenant));
    plane.kubectl(&["create", "job", job, &from, "-n", NAMESPACE], None);
    let pod = eventually(&format!("Job {job} to have a pod that was started"), || {
        let pods = installation.node.objects("pods", NAMESPACE, &format!("job-name={job}"));
        let started = pods.into_iter().find(|pod| pod["status"]["containerStatuses"][0]["containerID"].is_string());
        async move { started }
    })
    .await;
    assert_eq!(pod["spec"]["serviceAccountName"], PURGE_ACCOUNT);
    plane.kubectl(&["logs", "--follow", &name(&pod), "-n", NAMESPACE], None)
}

/// Runs until everything is gone. Whatever happens to the operator meanwhile may leave a run in doubt about the time, for
/// its lease is one of the clocks: such a run deletes nothing more, says so, and the next one goes on.
async fn erased(installation: &Installation, tenant: &str) {
    for turn in 1..=5 {
        let said = run(installation, tenant, &format!("erase-{turn}")).await;
        if said.contains("Purged") {
            return;
        }
        assert!(said.contains("the time is in doubt"), "{said}");
        installation.both_ready().await;
        installation.leader().await;
    }
    panic!("five runs were in doubt about the time");
}

#[test]
fn a_purge_goes_from_its_cron_job_to_a_certificate_in_pods_of_its_own_identity() {
    super::installed(async |installation: &Installation| {
        let plane = installation.plane;
        let public = signing_key(installation);
        let desk = Desk::with_key(plane, PublicKey::from_pem(public.as_bytes()).expect("a key")).await;
        let namespace = home::customer_namespace("leaver");
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk", "namespace": namespace},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "cf-jp-encrypted", "resources": {"requests": {"storage": "1Gi"}}},
        });
        let ended = tenant("leaver", json!({"contract": {"endDate": ENDED}}));
        world::apply(plane, &[world::namespace("leaver"), ended, claim]);
        let leaver = due(&desk, "leaver").await;
        world::apply(plane, &[customers_pod(&namespace)]);
        plane.kubectl(&["wait", "--for=condition=Ready", "pod/app", "-n", &namespace, "--timeout=60s"], None);
        let volume = eventually("the disk to be a folder of the node", || {
            let folders = std::fs::read_dir(plane.dir.join("volumes")).expect("volumes");
            let first = folders.flatten().next();
            async move { first }
        })
        .await;
        std::fs::write(volume.path().join("ledger"), "what nobody else may ever read").expect("a file");

        let said = run(installation, "leaver", "preview").await;
        assert!(said.contains("Previewed"), "{said}");
        assert!(volume.path().join("ledger").exists());
        leaver.approved().await;
        let began = now();
        erased(installation, "leaver").await;
        tell("purge Job made -> certificate", &seconds(now().duration_since(began)));

        for namespace in [namespace, home::derived_namespace("leaver")] {
            assert!(!plane.try_kubectl(&["get", "namespace", &namespace], None).0, "{namespace} is still there");
        }
        assert!(!volume.path().exists(), "the customer's file is still on the node");
        let record = desk.record("leaver", &leaver.uid).await;
        let certificate = plane.dir.join("leaver.json");
        std::fs::write(&certificate, &record[CERTIFICATE_KEY]).expect("a file");
        let key = plane.dir.join("public.pem");
        std::fs::write(&key, public).expect("a file");
        let verdict =
            cloudfarm(&["verify", certificate.to_str().expect("UTF-8"), "--public-key", key.to_str().expect("UTF-8")]);
        assert!(verdict.contains("leaver"), "{verdict}");
    });
}
