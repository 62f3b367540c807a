//! What runs with the purge's rights. The operator makes the CronJobs and so decides what their pods run: without this,
//! whoever holds its token could let a program of their own erase, and both identities would say the same.
//!
//! The program is in a ConfigMap that comes with the installation and that neither identity may write. What is not
//! listed here is refused: a variable or a volume could turn the right program to another API server, a hook could run
//! beside it.

use super::{Guard, is_operator, quoted};
use crate::install::{NAMESPACE, PURGE_ACCOUNT, PURGE_PROGRAM};

/// Fields of a pod's template that we write, or that the API server fills in. Not where it runs: a node that somebody
/// holds already would read the purge's token.
const TEMPLATE: [&str; 10] = [
    "automountServiceAccountToken",
    "containers",
    "dnsPolicy",
    "restartPolicy",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "volumes",
];

/// What admission plugins of a cluster add to the pod that is made of it.
const ADDED: [&str; 8] = [
    "enableServiceLinks",
    "imagePullSecrets",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "tolerations",
];

const CONTAINER: [&str; 9] = [
    "args",
    "image",
    "imagePullPolicy",
    "name",
    "resources",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
];

/// The one volume: the token, the cluster's certificate and the name of the namespace.
const TOKEN_ALONE: &str = "variables.pod.?volumes.orValue([]).all(volume, has(volume.projected) && volume.projected.sources.all(source, has(source.serviceAccountToken) || has(source.downwardAPI) || has(source.configMap) && source.configMap.name == 'kube-root-ca.crt'))";

/// CronJobs. What the operator makes in its namespace is of the purge and nothing else: any other pod there could mount
/// the key that signs certificates.
pub fn cron_jobs() -> Guard {
    pinned(
        "cloudfarm-purge-cronjobs",
        &["CREATE", "UPDATE"],
        "batch",
        "cronjobs",
        ".jobTemplate.spec.template.spec",
        &TEMPLATE,
    )
}

/// Jobs, also those that are made without a CronJob. Their pods cannot be changed afterwards.
pub fn jobs() -> Guard {
    pinned("cloudfarm-purge-jobs", &["CREATE"], "batch", "jobs", ".template.spec", &TEMPLATE)
}

/// Pods, whoever makes them. An update is not asked: the controllers take their finalizers off old pods after the
/// program has changed, and neither identity may change a pod.
pub fn pods() -> Guard {
    pinned("cloudfarm-purge-pods", &["CREATE"], "", "pods", "", &[&TEMPLATE[..], &ADDED].concat())
}

fn pinned(name: &'static str, operations: &[&str], group: &str, resource: &str, pod: &str, fields: &[&str]) -> Guard {
    let (new, old) = (format!("object.spec{pod}"), format!("oldObject.spec{pod}"));
    let account = format!("{new}.?serviceAccountName.orValue('')");
    let what = format!(
        "request.resource.resource + ' ' + object.metadata.?name.orValue('') + ' with the rights of {PURGE_ACCOUNT}: '"
    );
    Guard::on(name, operations, group, &[resource])
        .in_namespace(NAMESPACE)
        .asking(NAMESPACE, PURGE_PROGRAM)
        .when("purge", format!("{account} == '{PURGE_ACCOUNT}' || {}", is_operator()))
        // A person may still suspend what was made for an older program.
        .when("changed", format!("oldObject == null || {new} != {old}"))
        .with("pod", new)
        .with("purge", "variables.pod.containers[0]")
        .unless(
            format!("variables.pod.?serviceAccountName.orValue('') == '{PURGE_ACCOUNT}'"),
            format!("request.resource.resource + ' ' + object.metadata.?name.orValue('') + ' of the operator runs as serviceAccountName ' + variables.pod.?serviceAccountName.orValue('') + '; the operator makes those that run as {PURGE_ACCOUNT} and no others'"),
        )
        .unless(
            format!("dyn(variables.pod).all(key, key in [{}])", quoted(fields)),
            format!("{what} + 'the fields ' + dyn(variables.pod).filter(key, !(key in [{}])).join(', ') + ' of the pod are not those of a purge; leave them out'", quoted(fields)),
        )
        .unless(
            format!("size(variables.pod.containers) == 1 && dyn(variables.purge).all(key, key in [{}])", quoted(&CONTAINER)),
            format!("{what} + 'it has one container with the fields {} and no others'", CONTAINER.join(", ")),
        )
        .unless(
            "variables.purge.?image.orValue('') == params.data.image",
            format!("{what} + 'its image is ' + variables.purge.?image.orValue('') + ', and the purge was installed as ' + params.data.image + ' (ConfigMap ' + params.metadata.name + '); another one comes by an upgrade of the installation'"),
        )
        .unless(
            "size(variables.purge.?args.orValue([])) == 4 && variables.purge.args[0] == 'purge' && variables.purge.args[1].startsWith('--retention=') && variables.purge.args[2].startsWith('--uid=') && variables.purge.args[3] == '--cool-off-hours=' + params.data.coolOffHours",
            format!("{what} + 'its args are ' + variables.purge.?args.orValue([]).join(' ') + '; they have to be purge --retention=NAME --uid=UID --cool-off-hours=' + params.data.coolOffHours"),
        )
        .unless(
            TOKEN_ALONE,
            format!("{what} + 'its only volume is the projected token, with ConfigMap kube-root-ca.crt and the namespace: no other Secret and no other ConfigMap'"),
        )
}
