//! A tenant whose promises are all kept, as far as software can tell, and worlds made from it.

use cloudfarm::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use cloudfarm::evidence::attestation::{Attestation, Word};
use cloudfarm::evidence::judge::World;
use cloudfarm::evidence::signing::SigningKey;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// When all of it is looked at.
pub fn now() -> Timestamp {
    at("2026-11-20T03:00:00Z")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// Every condition that a Tenant, a TenantNetwork or a Retention has, as good as it can be.
pub fn conditions(types: &[ConditionType]) -> Value {
    let good: Vec<Verdict> =
        types.iter().map(|type_| Verdict::good(*type_, format!("{type_:?} is as declared"))).collect();
    json!(merge(&[], &good, Some(1), at("2026-11-01T00:00:00Z")))
}

const TENANT: [ConditionType; 16] = [
    ConditionType::Ready,
    ConditionType::NamespacesReady,
    ConditionType::QuotaEnforced,
    ConditionType::WallsReady,
    ConditionType::VirtualMachinesReady,
    ConditionType::DisksAsDeclared,
    ConditionType::VMsHardened,
    ConditionType::PlatformHardened,
    ConditionType::GuestFloor,
    ConditionType::ImagesScanned,
    ConditionType::ClockSynchronized,
    ConditionType::BackupsCurrent,
    ConditionType::ResidencyVerified,
    ConditionType::CapacityWithinThreshold,
    ConditionType::RetentionScheduled,
    ConditionType::FullyEnforced,
];

const NETWORK: [ConditionType; 8] = [
    ConditionType::Ready,
    ConditionType::BackendReady,
    ConditionType::SubnetsDistinct,
    ConditionType::RulesAccepted,
    ConditionType::RulesEnforced,
    ConditionType::TLSReady,
    ConditionType::PeeringDenied,
    ConditionType::Consistent,
];

/// The Tenant, TenantNetwork, Retention, AccessGrants and Notices of `acme`.
pub fn manifests() -> [Value; 5] {
    let meta = |name: &str, namespace: Option<&str>| json!({"name": name, "namespace": namespace, "uid": format!("uid-of-{name}"), "generation": 1, "creationTimestamp": "2026-04-01T00:00:00Z"});
    let told = conditions(&TENANT);
    let tenant = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": meta("acme", None),
        "spec": {
            "displayName": "ACME 株式会社",
            "contract": {
                "applicationIdFrom": {"name": "acme-application", "key": "id"}, "startDate": "2026-04-01", "termsVersion": "2024-04",
                "acceptedAt": "2026-03-20T02:00:00Z", "disclosureAccepted": true,
                "capacity": {"vcpus": 16, "memory": "64Gi", "storage": "1Ti", "instances": 5, "snapshots": 14},
            },
            "administrators": [
                {"username": "sato", "email": "sato@acme.example", "role": "PrivilegedAdministrator"},
                {"username": "ito", "email": "ito@acme.example", "role": "User"},
            ],
            "authentication": {"mode": "OIDC", "oidc": {"issuer": "https://login.acme.example"}, "requireMFA": true},
            "residency": {"country": "JP", "storageClassNames": ["cf-jp-encrypted"]},
            "classification": {"default": "internal", "levels": [{"name": "internal", "order": 1}]},
            "backup": {"enabled": true},
            "virtualMachines": [{"name": "web-1", "os": "Linux", "instancetype": "u1.medium", "image": {"dataSource": "ubuntu"},
                "disks": [{"name": "root", "size": "40Gi"}], "networks": [{"name": "dmz"}], "sshKeySecrets": ["web-ssh"]}],
        },
        "status": {
            "observedGeneration": 1, "phase": "Active", "conditions": told,
            "capacity": [{"resource": "vcpus", "contracted": "16", "allocated": "2", "used": "2", "percent": 12, "crossings": 0}],
            "backups": [{"vm": "web-1", "since": "2026-04-01T00:00:00Z", "lastSuccess": "2026-11-19T17:00:00Z", "failures": 0}],
        },
    });
    let network = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "TenantNetwork", "metadata": meta("dmz", Some("cf-acme")),
        "spec": {"type": "Pod", "zone": "DMZ",
            "ingress": [{"name": "https", "world": true, "ports": [{"protocol": "TCP", "port": 443}]}],
            "tls": {"mode": "Terminate", "hosts": ["www.acme.example"], "issuerRef": {"kind": "ClusterIssuer", "name": "jp"}}},
        "status": {"observedGeneration": 1, "conditions": conditions(&NETWORK),
            "probe": {"at": "2026-11-19T18:00:00Z", "allowed": 12, "denied": 30}},
    });
    let mut scheduled = conditions(&[ConditionType::Ready]);
    let none = [
        Verdict::bad(ConditionType::Scheduled, Reason::NoEndDate, "the contract has no end date: everything is kept"),
        Verdict::new(ConditionType::HoldActive, Status::False, Reason::NoHold, "no legal hold"),
    ];
    let more = json!(merge(&[], &none, Some(1), at("2026-04-01T00:05:00Z")));
    scheduled.as_array_mut().expect("a list").extend(more.as_array().cloned().unwrap_or_default());
    let retention = json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Retention", "metadata": meta("acme", None),
        "spec": {"tenantRef": {"name": "acme"}, "graceDays": 60, "completeWithin": "24h", "schedule": "30 3 * * *", "timeZone": "Asia/Tokyo",
            "startingDeadlineSeconds": 3600, "mode": "Enforce", "maxObjects": 2000, "notifyDaysBefore": [30, 14, 7, 1], "exportWindow": "60d"},
        "status": {"observedGeneration": 1, "phase": "Idle", "conditions": scheduled,
            "pinned": {"tenantUID": "uid-of-acme", "namespaceUIDs": {}}},
    });
    let grants = json!([{
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "AccessGrant", "metadata": meta("disk-full", Some("cf-acme")),
        "spec": {"requestedBy": "tanaka", "reason": "the disk of web-1 is full", "basis": "Consent", "verbs": ["Console"], "vms": ["web-1"],
            "duration": "1h", "approval": {"by": "sato", "decision": "Approve"}},
        "status": {"state": "Expired", "approvedAt": "2026-11-10T01:00:00Z", "expiresAt": "2026-11-10T02:00:00Z", "endedAt": "2026-11-10T02:00:01Z",
            "sessions": [{"user": "tanaka", "vm": "web-1", "action": "get virtualmachineinstances/console", "auditId": "a-1"}]},
    }]);
    let told = json!({"recipients": 2, "sent": 2, "failed": 0});
    let subject = json!({"ja": "お知らせ", "en": "Notice"});
    let notice = |name: &str, spec: Value, status: Value| {
        let mut found = json!({"apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Notice", "metadata": meta(name, None),
            "spec": {"subject": subject, "body": subject, "tenants": {"all": true}}, "status": status});
        found["spec"].as_object_mut().expect("a map").extend(spec.as_object().cloned().unwrap_or_default());
        found
    };
    let window = json!({"start": "2026-11-15T15:00:00Z", "end": "2026-11-15T18:00:00Z"});
    let sent = |at: &str| json!({"counts": told, "firstSentAt": at, "lastSentAt": at, "publishedAt": at});
    let mut in_time = sent("2026-11-05T02:12:00Z");
    in_time["deadline"] = json!("2026-11-05T05:00:00Z");
    in_time["deadlineMet"] = json!(true);
    let opened = json!({"counts": told, "firstSentAt": "2026-04-01T00:10:00Z", "lastSentAt": "2026-04-01T00:10:00Z",
        "conditions": [{"type": "NoticesDelivered", "status": "True", "reason": "AsDeclared",
            "message": "the opening notice reached everybody", "lastTransitionTime": "2026-04-01T00:10:00Z"}]});
    let to_acme = json!({"kind": "Access", "tenants": {"names": ["acme"]}, "web": false});
    let notices = json!([
        notice("patch-night", json!({"kind": "Maintenance", "window": window}), sent("2026-11-08T00:00:00Z")),
        notice("new-console", json!({"kind": "SpecChange", "window": window}), sent("2026-11-08T00:00:00Z")),
        notice("cve", json!({"kind": "Vulnerability"}), sent("2026-11-02T00:00:00Z")),
        notice("outage", json!({"kind": "Incident", "confirmedAt": "2026-11-05T01:00:00Z"}), in_time),
        notice("opening-acme-uid-of-a", to_acme, opened),
    ]);
    [tenant, network, retention, grants, notices]
}

/// A signed statement about a clause.
pub fn word(clause: &str, given: &str) -> Word {
    // A key whose seed is known, so that the golden files stay what they are.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(pem.as_bytes()).expect("a key");
    let signed = Attestation::new(clause, "It is so.", at(given)).signed(&key).expect("signed");
    Word::read(clause, &serde_json::to_string(&signed).expect("JSON"))
}

/// The world of these manifests.
pub fn world([tenant, network, retention, grants, notices]: [Value; 5]) -> World {
    World {
        name: "acme".into(),
        tenant: Ok(Some(serde_json::from_value(tenant).expect("a Tenant"))),
        retention: Ok(Some(serde_json::from_value(retention).expect("a Retention"))),
        networks: Ok(vec![serde_json::from_value(network).expect("a TenantNetwork")]),
        grants: Ok(serde_json::from_value(grants).expect("AccessGrants")),
        notices: Ok(serde_json::from_value(notices).expect("Notices")),
        words: Ok(vec![word("7.2.2", "2026-05-01T00:00:00Z"), word("18.2.1", "2025-05-01T00:00:00Z")]),
        for_customer: false,
        now: now(),
    }
}

/// The same with nothing known of anything.
pub fn nothing_known() -> World {
    fn no<T>() -> Result<T, String> {
        Err("you may not read it".into())
    }
    World {
        name: "acme".into(),
        tenant: no(),
        retention: no(),
        networks: no(),
        grants: no(),
        notices: no(),
        words: no(),
        for_customer: false,
        now: now(),
    }
}

/// A contract that ended, whose data is erased and certified; the Tenant is gone.
pub fn erased() -> World {
    let [tenant, network, mut retention, grants, notices] = manifests();
    let good = conditions(&[ConditionType::Ready, ConditionType::Purged, ConditionType::EvidenceStored]);
    retention["status"] = json!({
        "observedGeneration": 1, "phase": "Purged", "conditions": good, "endDate": "2026-08-31",
        "contractEndsAt": "2026-08-31T15:00:00Z", "purgeNotBefore": "2026-10-30T15:00:00Z", "deadline": "2026-10-31T15:00:00Z",
        "pinned": {"tenantUID": "uid-of-acme", "namespaceUIDs": {}}, "remaining": 0,
        "purge": {"state": "Purged", "planHash": "a1", "objects": 41, "bytes": 1000, "startedAt": "2026-10-30T18:30:00Z",
            "finishedAt": "2026-10-30T18:41:00Z", "holdsChecked": 41},
        "evidence": {"report": "cf-record-acme.uid-of-a", "sha256": "c0ffee00c0ffee00", "signature": "00", "keyID": "11"},
    });
    World {
        tenant: Ok(None),
        networks: Ok(Vec::new()),
        grants: Ok(Vec::new()),
        ..world([tenant, network, retention, grants, notices])
    }
}
