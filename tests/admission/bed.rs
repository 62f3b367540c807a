//! The plane of these tests, without an operator: who writes what is played, so that nothing moves by itself.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::plane::Plane;
use crate::support::world::{self, apply};

pub const OPERATOR: &str = cloudfarm::install::OPERATOR;
pub const PURGE: &str = cloudfarm::install::PURGE;

/// The operator and the purge as admission sees them, with rights to everything: what is refused is refused by a policy.
pub const OPERATOR_ANYWAY: &str = "+system:serviceaccount:cloudfarm-system:cloudfarm";
pub const PURGE_ANYWAY: &str = "+system:serviceaccount:cloudfarm-system:cloudfarm-purge";

/// May do everything that roles allow.
pub const ADMIN: &str = "";
/// Two data-protection officers, an engineer, and somebody who may write Retentions and namespaces and decide nothing.
pub const PEOPLE: [(&str, &str); 4] = [
    ("officer", "cloudfarm-data-protection-officer"),
    ("colleague", "cloudfarm-data-protection-officer"),
    ("engineer", "cloudfarm-provider-engineer"),
    ("clerk", "test-clerk"),
];

/// The plane, with every policy in force.
pub async fn bed() -> &'static Plane {
    static READY: OnceCell<()> = OnceCell::const_new();
    let plane = Plane::shared();
    READY.get_or_init(|| enforced(plane)).await;
    plane
}

/// Policies reach the API server's admission in the order in which they were made: once the last one refuses, all do.
async fn enforced(plane: &Plane) {
    let mut manifests = vec![
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "sentinel"}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "object.metadata.name != 'sentinel'"}]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "sentinel"},
            "spec": {"policyName": "sentinel", "validationActions": ["Deny"]}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-clerk"}, "rules": [
            {"apiGroups": ["cloudfarm.dev"], "resources": ["retentions", "retentions/status"], "verbs": ["get", "create", "patch", "delete"]},
            {"apiGroups": [""], "resources": ["namespaces", "namespaces/status", "namespaces/finalize"], "verbs": ["get", "patch", "update", "delete"]},
            {"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get", "create", "patch"]}]}),
    ];
    // kubectl looks before it patches; a program of ours does not.
    manifests.extend([
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-kubectl"}, "rules": [
            {"apiGroups": ["cloudfarm.dev"], "resources": ["retentions/status", "accessgrants/status"], "verbs": ["get"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-kubectl"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-kubectl"},
            "subjects": ([OPERATOR, PURGE].map(|name| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name})))}),
    ]);
    for (person, role) in PEOPLE {
        manifests.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("test-{person}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}]}));
    }
    apply(plane, &manifests);
    refused(plane, ADMIN, "create configmap sentinel --dry-run=server", None, &["sentinel"]).await;
}

/// kubectl as somebody; `+name` is that name with every right there is. A payload is the patch or the manifest.
pub fn ask(plane: &Plane, who: &str, words: &str, payload: Option<&Value>) -> (bool, String) {
    let text = payload.map(Value::to_string);
    let mut arguments: Vec<&str> = words.split_whitespace().collect();
    match (&text, arguments[0]) {
        (Some(text), "patch") => arguments.extend(["--type=merge", "-p", text]),
        (Some(_), _) => arguments.extend(["-f", "-"]),
        (None, _) => {}
    }
    let masters = who.strip_prefix('+');
    if !who.is_empty() {
        arguments.extend(["--as", masters.unwrap_or(who)]);
    }
    if masters.is_some() {
        arguments.extend(["--as-group", "system:masters"]);
    }
    let stdin = (words.split_whitespace().next() != Some("patch")).then_some(text.as_deref()).flatten();
    plane.try_kubectl(&arguments, stdin)
}

/// Asks until it is done: a policy may know of an object a moment later than who made it.
pub async fn accepted(plane: &Plane, who: &str, words: &str, payload: Option<Value>) {
    until(plane, who, words, payload, "to be accepted", |ok, _| ok).await;
}

/// Asks until it is refused with these words.
pub async fn refused(plane: &Plane, who: &str, words: &str, payload: Option<Value>, says: &[&str]) {
    let raw_delete = payload.as_ref().is_some_and(|options| options["kind"] == "DeleteOptions");
    let dry = match &payload {
        Some(options) if raw_delete => options["dryRun"] == json!(["All"]),
        _ => words.contains("dry-run") || words.contains("dryRun=All") || words.starts_with("auth"),
    };
    assert!(dry, "{words}: what must be refused is asked for as a dry run, so that a fault does no harm");
    until(plane, who, words, payload, &format!("to be refused with {says:?}"), |ok, said| {
        !ok && says.iter().all(|part| said.contains(part))
    })
    .await;
}

async fn until(
    plane: &Plane,
    who: &str,
    words: &str,
    payload: Option<Value>,
    what: &str,
    done: impl Fn(bool, &str) -> bool,
) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (ok, said) = ask(plane, who, words, payload.as_ref());
        if done(ok, &said) {
            return;
        }
        let payload = payload.as_ref().map(Value::to_string).unwrap_or_default();
        assert!(
            tokio::time::Instant::now() < deadline,
            "{who:?}: {words} {payload}\nwas {what}, and the answer is:\n{said}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A tenant whose contract is over, as the operator would leave it: a namespace that is pinned, and a Retention.
pub struct Ended {
    pub retention_uid: String,
    pub namespace_uid: String,
}

pub async fn ended(plane: &Plane, name: &str) -> Ended {
    let declared = world::tenant(name, json!({"contract": {"endDate": "2026-06-30"}}));
    apply(plane, &[world::namespace(name), declared]);
    accepted(plane, OPERATOR, "create", Some(world::retention(name, name, json!({})))).await;
    let namespace_uid = uid(plane, &format!("namespace cf-{name}"));
    let status = json!({"endDate": "2026-06-30", "purgeNotBefore": "2026-08-29T15:00:00Z",
        "pinned": {"tenantUID": uid(plane, &format!("tenant {name}")), "namespaceUIDs": {format!("cf-{name}"): namespace_uid}}});
    status_by(plane, OPERATOR, name, status).await;
    Ended { retention_uid: uid(plane, &format!("retention {name}")), namespace_uid }
}

pub async fn status_by(plane: &Plane, who: &str, name: &str, status: Value) {
    let words = format!("patch retention {name} --subresource=status");
    accepted(plane, who, &words, Some(json!({"status": status}))).await;
}

pub async fn spec_by(plane: &Plane, who: &str, name: &str, spec: Value) {
    accepted(plane, who, &format!("patch retention {name}"), Some(json!({"spec": spec}))).await;
}

pub async fn spec_refused(plane: &Plane, who: &str, name: &str, spec: Value, says: &[&str]) {
    refused(plane, who, &format!("patch retention {name} --dry-run=server"), Some(json!({"spec": spec})), says).await;
}

pub async fn approve(plane: &Plane, name: &str, ended: &Ended) {
    accepted(plane, OPERATOR, &format!("patch namespace cf-{name}"), Some(approval(&ended.retention_uid))).await;
}

pub fn approval(uid: &str) -> Value {
    json!({"metadata": {"annotations": {"cloudfarm.dev/purge-approved": uid}}})
}

/// What a purge says about itself from the point of no return on.
pub fn begun() -> Value {
    json!({"purge": {"state": "Purging", "planHash": "0", "objects": 1, "bytes": 0, "startedAt": "2026-09-01T00:00:00Z"}})
}

pub fn uid(plane: &Plane, what: &str) -> String {
    let words: Vec<&str> =
        ["get"].into_iter().chain(what.split_whitespace()).chain(["-o", "jsonpath={.metadata.uid}"]).collect();
    plane.kubectl(&words, None)
}

/// The purge's roles, bound as the operator binds them for a run.
pub async fn purge_bound(plane: &Plane, name: &str) {
    for role in ["cloudfarm-purge-inventory", "cloudfarm-purge-erase"] {
        accepted(plane, OPERATOR, "create", Some(binding(name, role, "cloudfarm-purge"))).await;
    }
}

pub fn binding(name: &str, role: &str, account: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("{role}-{account}"), "namespace": format!("cf-{name}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "cloudfarm-system"}]})
}

/// One object of each kind that holds data, called `kept`, in the tenant's namespace: resource and path.
pub fn data(plane: &Plane, name: &str) -> Vec<(&'static str, String)> {
    let namespace = format!("cf-{name}");
    let object = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "kept", "namespace": namespace}, "spec": spec});
    let snapshot = json!({"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}});
    apply(
        plane,
        &[
            volume(name, "kept"),
            object(
                "cdi.kubevirt.io/v1beta1",
                "DataVolume",
                json!({"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}),
            ),
            object(
                "snapshot.storage.k8s.io/v1",
                "VolumeSnapshot",
                json!({"source": {"persistentVolumeClaimName": "kept"}}),
            ),
            object("snapshot.kubevirt.io/v1beta1", "VirtualMachineSnapshot", snapshot),
            object("snapshot.kubevirt.io/v1beta1", "VirtualMachineSnapshotContent", json!({"source": {}})),
        ],
    );
    // What never got ready holds nothing.
    let ready = ["--subresource=status", "--type=merge", "-p", r#"{"status": {"readyToUse": true}}"#];
    plane.kubectl(&[&["patch", "virtualmachinesnapshotcontents", "kept", "-n", &namespace], &ready[..]].concat(), None);
    [
        ("persistentvolumeclaims", "/api/v1"),
        ("datavolumes", "/apis/cdi.kubevirt.io/v1beta1"),
        ("volumesnapshots", "/apis/snapshot.storage.k8s.io/v1"),
        ("virtualmachinesnapshots", "/apis/snapshot.kubevirt.io/v1beta1"),
        ("virtualmachinesnapshotcontents", "/apis/snapshot.kubevirt.io/v1beta1"),
    ]
    .map(|(resource, group)| (resource, format!("{group}/namespaces/{namespace}/{resource}/kept")))
    .into()
}

pub fn volume(name: &str, claim: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim, "namespace": format!("cf-{name}")},
        "spec": {"storageClassName": "cf-jp-encrypted", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

/// A delete as a program sends it, with the uid of what it means; a dry run, which the options have to say themselves.
pub fn by_uid(uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"], "preconditions": {"uid": uid}})
}

/// The same for whatever is there under that name.
pub fn by_name() -> Value {
    json!({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]})
}
