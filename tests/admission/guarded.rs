//! Every verb that changes something, on every resource and subresource of the kinds that a policy names: by what it is
//! judged. What the API server serves beyond this table fails the test (`coverage.rs`), which is how two fixes elsewhere
//! were missed: `namespaces/status` and `/finalize` (CVE-2026-30963), and then a name with a letter too few
//! (CVE-2026-55636).

use serde_json::{Value, json};

use crate::elsewhere;

/// A kind, and the object of it that the requests are about.
pub struct Kind {
    pub group: &'static str,
    pub version: &'static str,
    pub resource: &'static str,
    /// In a tenant's namespace.
    pub namespaced: bool,
    /// There under the name `kept`, or as this name says.
    pub object: Value,
    pub rows: Vec<Row>,
}

/// A subresource, or the object itself (`""`), and verbs as discovery calls them.
pub type Row = (&'static str, &'static str, Verdict);

/// What becomes of such a request.
pub enum Verdict {
    Judged(Judged),
    /// Nobody gets through in a tenant's namespace, the cluster's administrator included, and this is why.
    Closed(&'static str),
    /// It carries nothing of what is guarded: the API server takes the rest of the object as it was.
    Blind,
    /// Another test of this binary.
    By(&'static str),
    /// No policy, and why.
    Open(&'static str),
}

/// One change that is refused, and one that passes.
#[derive(Clone)]
pub struct Judged {
    /// Merged into the object.
    pub wrong: Value,
    pub who: &'static str,
    pub says: &'static str,
    /// By `passes_for`.
    pub right: Value,
    pub passes_for: &'static str,
}

/// May do whatever a role can say by resource and verb, and nothing that is for admission alone.
pub const STRANGER: &str = "stranger";
/// The same, and is the platform's.
pub const KEEPER: &str = "keeper";
/// The same, and makes pods.
pub const LAUNCHER: &str = "launcher";
/// The cluster's administrator, who has every verb.
pub const ADMIN: &str = "";

fn judged(wrong: Value, who: &'static str, says: &'static str, right: Value, passes_for: &'static str) -> Verdict {
    Verdict::Judged(Judged { wrong, who, says, right, passes_for })
}

fn harmless() -> Value {
    json!({"metadata": {"labels": {"a": "b"}}})
}

/// Written by the platform and by nobody else, whatever is in it.
fn the_platforms(says: &'static str) -> Vec<Row> {
    vec![("", "create update patch delete deletecollection", judged(harmless(), STRANGER, says, harmless(), KEEPER))]
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {
        "domain": {"firmware": {"bootloader": {"efi": {"secureBoot": true}}}, "devices": {"interfaces": [{"name": "pod", "masquerade": {}}]}},
        "networks": [{"name": "pod", "pod": {}}]}})
}

const SIDECAR: &str = "runs a program beside the VM";

fn machine(group: &'static str, version: &'static str, resource: &'static str, object: Value, wrong: Value) -> Kind {
    let mut rows: Vec<Row> = vec![
        ("", "create update patch", judged(wrong, ADMIN, SIDECAR, harmless(), STRANGER)),
        ("", "delete deletecollection", Verdict::Open("a machine holds no data: its disks are guarded")),
    ];
    if resource != "virtualmachineinstances" {
        rows.push(("status", "update patch", Verdict::Blind));
    }
    if ["virtualmachineinstancereplicasets", "virtualmachinepools"].contains(&resource) {
        rows.push(("scale", "update patch", Verdict::Blind));
    }
    Kind { group, version, resource, namespaced: true, object, rows }
}

fn machines() -> Vec<Kind> {
    let sidecar = || json!({"metadata": {"annotations": {"hooks.kubevirt.io/hookSidecars": "[]"}}});
    let in_template = || json!({"spec": {"template": sidecar()}});
    let replicas = || json!({"replicas": 0, "selector": {"matchLabels": {"app": "x"}}});
    let mut set = replicas();
    set["template"] = template();
    let mut pool = replicas();
    pool["virtualMachineTemplate"] =
        json!({"metadata": {"labels": {"app": "x"}}, "spec": {"runStrategy": "Halted", "template": template()}});
    let preset = "a preset changes every VM that its selector finds";
    vec![
        Kind {
            group: "kubevirt.io",
            version: "v1",
            resource: "virtualmachineinstancepresets",
            namespaced: true,
            object: json!({"kind": "VirtualMachineInstancePreset", "spec": {"selector": {}}}),
            rows: vec![
                ("", "create", Verdict::Closed(preset)),
                (
                    "",
                    "update patch",
                    judged(
                        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
                        ADMIN,
                        preset,
                        harmless(),
                        STRANGER,
                    ),
                ),
                ("", "delete deletecollection", Verdict::Open("fewer changes to VMs")),
            ],
        },
        machine(
            "kubevirt.io",
            "v1",
            "virtualmachines",
            json!({"kind": "VirtualMachine", "spec": {"runStrategy": "Halted", "template": template()}}),
            in_template(),
        ),
        machine(
            "kubevirt.io",
            "v1",
            "virtualmachineinstances",
            json!({"kind": "VirtualMachineInstance", "spec": template()["spec"]}),
            sidecar(),
        ),
        machine(
            "kubevirt.io",
            "v1",
            "virtualmachineinstancereplicasets",
            json!({"kind": "VirtualMachineInstanceReplicaSet", "spec": set}),
            in_template(),
        ),
        machine(
            "pool.kubevirt.io",
            "v1beta1",
            "virtualmachinepools",
            json!({"kind": "VirtualMachinePool", "spec": pool}),
            json!({"spec": {"virtualMachineTemplate": {"spec": {"template": sidecar()}}}}),
        ),
    ]
}

fn walls() -> Vec<Kind> {
    const WALL: &str = "is a wall of tenant guarded";
    let kind = |group, resource, object| Kind {
        group,
        version: "v1",
        resource,
        namespaced: true,
        object,
        rows: the_platforms(WALL),
    };
    let platform = |group, version, resource, object| Kind {
        group,
        version,
        resource,
        namespaced: false,
        object,
        rows: the_platforms("reaches into every tenant"),
    };
    let mut policy = platform(
        "policy.networking.k8s.io",
        "v1alpha2",
        "clusternetworkpolicies",
        json!({"kind": "ClusterNetworkPolicy", "spec": {"tier": "Admin", "priority": 100,
            "subject": {"namespaces": {"matchLabels": {"no": "body"}}}}}),
    );
    policy.rows.push(("status", "update patch", Verdict::Blind));
    vec![
        kind("networking.k8s.io", "networkpolicies", json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}}})),
        kind(
            "k8s.cni.cncf.io",
            "network-attachment-definitions",
            json!({"kind": "NetworkAttachmentDefinition", "spec": {"config": "{}"}}),
        ),
        Kind {
            version: "v1beta1",
            ..kind(
                "k8s.cni.cncf.io",
                "multi-networkpolicies",
                json!({"kind": "MultiNetworkPolicy", "spec": {"podSelector": {}}}),
            )
        },
        policy,
        platform(
            "storage.k8s.io",
            "v1",
            "storageclasses",
            json!({"kind": "StorageClass", "provisioner": "none.invalid/none"}),
        ),
    ]
}

fn namespaces() -> Kind {
    let claims = "is put on by the operator or by somebody with the verb enroll";
    let privileged = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let says = "the label pod-security.kubernetes.io/enforce is changed only by the operator";
    let keys = || judged(privileged.clone(), STRANGER, says, harmless(), STRANGER);
    Kind {
        group: "",
        version: "v1",
        resource: "namespaces",
        namespaced: false,
        object: json!({"kind": "Namespace", "metadata": {"name": "cf-guarded", "labels": {"cloudfarm.dev/tenant": "guarded"}}}),
        rows: vec![
            ("", "create", judged(harmless(), STRANGER, claims, harmless(), KEEPER)),
            ("", "update patch", keys()),
            ("status", "update patch", keys()),
            ("finalize", "update", keys()),
            (
                "",
                "delete",
                Verdict::By("a_tenants_namespace_is_deleted_by_the_purge_alone_once_approved_and_not_under_a_hold"),
            ),
        ],
    }
}

const ENTERS: &str = "nobody enters the pods of tenant guarded";

fn pods() -> Vec<Kind> {
    let object = || json!({"kind": "Pod", "spec": {"schedulerName": "none", "containers": [{"name": "c", "image": "none.invalid/c"}]}});
    let moved = || json!({"metadata": {"labels": {"network.cloudfarm.dev/other": "true"}}});
    let relabelled = || judged(moved(), STRANGER, "walls select by it", harmless(), STRANGER);
    let binding = |labels: Value| json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "kept", "labels": labels}, "target": {"kind": "Node", "name": "kwok-1"}});
    let bound = || {
        let wrong = binding(json!({"network.cloudfarm.dev/other": "true"}));
        judged(wrong, STRANGER, "walls select by it", binding(json!({})), STRANGER)
    };
    vec![
        Kind {
            group: "",
            version: "v1",
            resource: "pods",
            namespaced: true,
            object: object(),
            rows: vec![
                ("", "create", judged(harmless(), STRANGER, "pods are made by KubeVirt and CDI", harmless(), LAUNCHER)),
                ("", "update patch", relabelled()),
                ("status", "update patch", relabelled()),
                (
                    "resize",
                    "update patch",
                    Verdict::Open("the API server takes resources alone, and the quota counts them"),
                ),
                ("binding", "create", bound()),
                ("exec", "create", Verdict::Closed(ENTERS)),
                ("attach", "create", Verdict::Closed(ENTERS)),
                ("portforward", "create", Verdict::Closed(ENTERS)),
                ("proxy", "create update patch delete", Verdict::Closed(ENTERS)),
                ("ephemeralcontainers", "update patch", Verdict::Closed(ENTERS)),
                ("eviction", "create", Verdict::Open("KubeVirt turns it into a migration")),
                ("", "delete deletecollection", Verdict::Open("a pod holds no data: its disks are guarded")),
            ],
        },
        Kind {
            group: "",
            version: "v1",
            resource: "bindings",
            namespaced: true,
            object: binding(json!({})),
            rows: vec![("", "create", bound())],
        },
        Kind {
            group: "",
            version: "v1",
            resource: "services",
            namespaced: true,
            object: json!({"kind": "Service", "spec": {"ports": [{"port": 80}]}}),
            rows: vec![
                ("proxy", "create update patch delete", Verdict::Closed(ENTERS)),
                (
                    "",
                    "create update patch delete deletecollection",
                    Verdict::Open("reaches what the walls let through"),
                ),
                ("status", "update patch", Verdict::Open("reaches what the walls let through")),
            ],
        },
        Kind {
            group: "cert-manager.io",
            version: "v1",
            resource: "certificates",
            namespaced: true,
            object: json!({"kind": "Certificate", "spec": {"secretName": "kept", "dnsNames": ["a.example"], "issuerRef": {"name": "none"}}}),
            rows: vec![
                (
                    "",
                    "create update patch delete deletecollection",
                    Verdict::Open("it opens no way; the operator alone is held to tenants' namespaces"),
                ),
                ("status", "update patch", Verdict::Open("it opens no way")),
            ],
        },
    ]
}

const DATA: &str = "data_is_deleted_by_nobody_before_an_approval_and_by_uid_after_it_and_never_under_a_hold";

/// What holds data: its mark, where it lies, and that it stays.
fn data() -> Vec<Kind> {
    let disposable = || {
        let wrong = json!({"metadata": {"labels": {"cloudfarm.dev/disposable": "true"}}});
        judged(wrong, STRANGER, "is set only by the operator and by the purge", harmless(), STRANGER)
    };
    let elsewhere = |field: Value| judged(field, ADMIN, "and nowhere else", harmless(), STRANGER);
    let kept = |group, version, resource, object: Value, more: Vec<Row>| {
        let mut rows: Vec<Row> =
            vec![("", "update patch", disposable()), ("", "delete deletecollection", Verdict::By(DATA))];
        rows.extend(more);
        Kind { group, version, resource, namespaced: true, object, rows }
    };
    let size = json!({"requests": {"storage": "1Gi"}});
    let blind = || ("status", "update patch", Verdict::Blind);
    vec![
        kept(
            "",
            "v1",
            "persistentvolumeclaims",
            json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": "cf-jp-encrypted", "accessModes": ["ReadWriteOnce"], "resources": size}}),
            vec![
                ("", "create", elsewhere(json!({"spec": {"storageClassName": "abroad"}}))),
                ("status", "update patch", disposable()),
            ],
        ),
        kept(
            "cdi.kubevirt.io",
            "v1beta1",
            "datavolumes",
            json!({"kind": "DataVolume", "spec": {"source": {"blank": {}}, "storage": {"storageClassName": "cf-jp-encrypted", "resources": size}}}),
            vec![("", "create", elsewhere(json!({"spec": {"storage": {"storageClassName": "abroad"}}}))), blind()],
        ),
        kept(
            "snapshot.storage.k8s.io",
            "v1",
            "volumesnapshots",
            json!({"kind": "VolumeSnapshot", "spec": {"source": {"persistentVolumeClaimName": "kept"}}}),
            vec![("", "create", disposable()), blind()],
        ),
        kept(
            "groupsnapshot.storage.k8s.io",
            "v1beta2",
            "volumegroupsnapshots",
            json!({"kind": "VolumeGroupSnapshot", "spec": {"source": {"selector": {"matchLabels": {"a": "b"}}}}}),
            vec![("", "create", disposable()), blind()],
        ),
        kept(
            "snapshot.kubevirt.io",
            "v1beta1",
            "virtualmachinesnapshots",
            json!({"kind": "VirtualMachineSnapshot", "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}}}),
            vec![("", "create", disposable()), blind()],
        ),
        kept(
            "snapshot.kubevirt.io",
            "v1beta1",
            "virtualmachinesnapshotcontents",
            json!({"kind": "VirtualMachineSnapshotContent", "spec": {"source": {}}}),
            vec![("", "create", disposable()), blind()],
        ),
    ]
}

/// What a customer's people may write, beside the walls: no finalizer, no owner.
fn customers() -> Vec<Kind> {
    let finalizer = json!({"metadata": {"finalizers": ["a.example/b"]}});
    let rows = |blind: bool| {
        let mut rows: Vec<Row> = vec![
            (
                "",
                "create update patch",
                judged(finalizer.clone(), STRANGER, "the finalizer a.example/b is added only", harmless(), STRANGER),
            ),
            ("", "delete deletecollection", Verdict::Open("closes, and holds no data")),
        ];
        if blind {
            rows.push(("status", "update patch", Verdict::Blind));
        }
        rows
    };
    vec![
        Kind {
            group: "cloudfarm.dev",
            version: "v1alpha1",
            resource: "tenantnetworks",
            namespaced: true,
            object: json!({"kind": "TenantNetwork", "spec": {"type": "Pod", "zone": "Internal"}}),
            rows: rows(true),
        },
        Kind {
            group: "snapshot.kubevirt.io",
            version: "v1beta1",
            resource: "virtualmachinerestores",
            namespaced: true,
            object: json!({"kind": "VirtualMachineRestore", "metadata": {"name": "vm-20261130t0200-back"}, "spec": {
                "target": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"},
                "virtualMachineSnapshotName": "vm-20261130t0200", "volumeOwnershipPolicy": "None"}}),
            rows: vec![
                (
                    "",
                    "create",
                    Verdict::By("a_vm_is_brought_back_to_itself_from_a_backup_by_plan_and_nothing_is_overwritten"),
                ),
                (
                    "",
                    "update patch",
                    judged(
                        finalizer.clone(),
                        STRANGER,
                        "the finalizer a.example/b is added only",
                        harmless(),
                        STRANGER,
                    ),
                ),
                ("", "delete deletecollection", Verdict::Open("points at data, and holds none")),
                ("status", "update patch", Verdict::Blind),
            ],
        },
        Kind {
            group: "export.kubevirt.io",
            version: "v1beta1",
            resource: "virtualmachineexports",
            namespaced: true,
            object: json!({"kind": "VirtualMachineExport", "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}}}),
            rows: rows(true),
        },
    ]
}

/// Every kind.
pub fn all() -> Vec<Kind> {
    [vec![namespaces()], machines(), walls(), pods(), data(), customers(), elsewhere::others()]
        .into_iter()
        .flatten()
        .collect()
}
