//! Properties of what a Tenant wants: pure, no cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudfarm::api::condition::Reason;
use cloudfarm::api::quantity::Quantity;
use cloudfarm::api::tenant::{OperatingSystem, Tenant};
use cloudfarm::cluster::applied::Applied;
use cloudfarm::cluster::object::{Attached, DesiredObject, Digest, Facts, Kind, Observation, Reference, Trouble};
use cloudfarm::foreign::data_volume::Made;
use cloudfarm::foreign::instancetype::Size;
use cloudfarm::foreign::place::{NodePlace, Places, VolumePlace};
use cloudfarm::foreign::restored::Restored;
use cloudfarm::network::attachment::Attachment;
use cloudfarm::network::backend::Obstacle;
use cloudfarm::network::vlan::Lasting;
use cloudfarm::tenant::application_id::Known;
use cloudfarm::tenant::desired::{Plan, desired};
use cloudfarm::tenant::guest::look::Guests;
use cloudfarm::tenant::guest::{Guest, Record, Refusal, by_declaration};
use cloudfarm::tenant::observe::{Neighbours, NetworkFact, TenantSnapshot};
use cloudfarm::tenant::status::status;
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "tenant/attached.rs"]
mod attached;
#[path = "tenant/backups.rs"]
mod backups;
#[path = "tenant/capacity.rs"]
mod capacity;
#[path = "tenant/disks.rs"]
mod disks_there;
#[path = "tenant/images.rs"]
mod images;
#[path = "tenant/machines.rs"]
mod machines;
#[path = "tenant/people.rs"]
mod people;
#[path = "tenant/restored.rs"]
mod restored;
#[path = "tenant/velero.rs"]
mod velero;

fn declared(spec: &Value) -> Tenant {
    let mut tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant",
        "metadata": {"name": "plum", "uid": "5f2c1a6e-0000-4000-8000-000000000001", "generation": 1},
        "spec": spec,
    }))
    .expect("a Tenant");
    tenant.metadata.uid = Some("t-uid".into());
    tenant
}

fn spec() -> Value {
    json!({
        "contract": {"applicationId": "PLUM-00001", "startDate": "2026-04-01",
                     "capacity": {"vcpus": 16, "memory": "64Gi", "storage": "1Ti", "instances": 5}},
        "administrators": [
            {"username": "sato", "email": "sato@plum.example", "role": "PrivilegedAdministrator"},
            {"username": "ito", "email": "ito@plum.example", "role": "User"},
            {"username": "abe", "email": "abe@plum.example", "role": "User"},
            {"username": "out", "email": "out@plum.example", "role": "Viewer", "disabled": true},
        ],
        "residency": {"zones": ["jp-b", "jp-a"], "storageClassNames": ["cf-jp-encrypted"]},
        "virtualMachines": [
            machine("web", &["front"]), machine("app", &["front", "back"]), machine("db", &["back"]),
        ],
    })
}

fn machine(name: &str, networks: &[&str]) -> Value {
    json!({"name": name, "instancetype": "small", "image": {"dataSource": "ubuntu"},
           "disks": [{"name": "root", "size": "10Gi"}, {"name": "data", "size": "1024Mi"}, {"name": "logs", "size": "5Gi"}],
           "networks": networks.iter().map(|network| json!({"name": network})).collect::<Vec<_>>()})
}

fn snapshot(spec: &Value) -> TenantSnapshot {
    let size = |vcpus: i64, gib: i64| Size { vcpus, memory: Quantity::bytes(gib << 30), pinned: false };
    let config = cloudfarm::render::documentation_config().expect("a config");
    TenantSnapshot {
        tenant: declared(spec),
        config: Arc::new(config.clone()),
        neighbours: Neighbours::ALL,
        instancetypes: Arc::new(BTreeMap::from([("small".into(), size(1, 4)), ("big".into(), size(8, 32))])),
        platform: Arc::default(),
        dns: BTreeMap::new(),
        networks: BTreeMap::from([("front".into(), NetworkFact::Pod), ("back".into(), NetworkFact::Pod)]),
        lasting: Lasting::default(),
        retention: None,
        retention_name: "plum".into(),
        guests: Guests { by_vm: by_declaration(&declared(spec), &config), ..Guests::default() },
        rival: None,
        application_id: Known::default(),
        observed: BTreeMap::new(),
        places: Arc::default(),
        volumes: None,
        velero: None,
        images: Arc::default(),
        now: "2026-11-24T00:00:00Z".parse().expect("an instant"),
    }
}

fn fingerprints(plan: &Plan) -> BTreeMap<String, String> {
    plan.desired.objects().map(|object| (object.reference.to_string(), object.digest.to_string())).collect()
}

/// Turns every list in the spec around, which says the same thing.
fn turned_around(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().rev().map(turned_around).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), turned_around(value))).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn the_order_of_lists_changes_no_object() {
    let (one, other) = (desired(&snapshot(&spec())), desired(&snapshot(&turned_around(&spec()))));
    assert_eq!(fingerprints(&one), fingerprints(&other));
    assert!(one.contract.is_ok_and(|contract| contract.withheld.is_empty()));
}

#[test]
fn renaming_a_vm_touches_only_that_vm_and_its_disks() {
    let before = fingerprints(&desired(&snapshot(&spec())));
    let mut renamed = spec();
    renamed["virtualMachines"][0]["name"] = json!("www");
    let after = fingerprints(&desired(&snapshot(&renamed)));
    let touched: BTreeSet<&str> =
        before.iter().filter(|(key, digest)| after.get(*key) != Some(digest)).map(|(key, _)| key.as_str()).collect();
    let expected = [
        "VirtualMachine cf-plum/web",
        "Secret cf-plum/cloudfarm-guest-web",
        "DataVolume cf-plum/web-root",
        "DataVolume cf-plum/web-data",
        "DataVolume cf-plum/web-logs",
    ];
    assert_eq!(touched, BTreeSet::from(expected));
}

#[test]
fn nothing_is_ever_owned_by_a_tenant() {
    for object in desired(&snapshot(&spec())).desired.objects() {
        assert!(object.body["metadata"]["ownerReferences"].is_null(), "{}", object.reference);
        assert!(object.body["metadata"]["finalizers"].is_null(), "{}", object.reference);
    }
}

#[test]
fn the_application_id_reaches_no_object_and_no_status() {
    let snapshot = snapshot(&spec());
    let plan = desired(&snapshot);
    let status = status(&snapshot, &plan, &Applied::default());
    let everything: String = plan.desired.objects().map(|object| object.body.to_string()).collect();
    assert!(!everything.contains("PLUM-00001"));
    assert!(!json!(status).to_string().contains("PLUM-00001"));
}

#[test]
fn every_vm_has_the_strict_hardening_and_only_standard_opens_the_console() {
    let mut spec = spec();
    spec["virtualMachines"][2]["hardening"] = json!({"profile": "Standard"});
    let plan = desired(&snapshot(&spec));
    let machines: Vec<_> =
        plan.desired.objects().filter(|object| object.reference.kind == Kind::VirtualMachine).collect();
    assert_eq!(machines.len(), 3);
    for vm in machines {
        let standard = vm.reference.name == "db";
        let inside = &vm.body["spec"]["template"]["spec"];
        let devices = &inside["domain"]["devices"];
        let facts = [
            (&inside["domain"]["firmware"]["bootloader"]["efi"]["secureBoot"], json!(true)),
            (&inside["domain"]["features"]["smm"]["enabled"], json!(true)),
            (&inside["dnsPolicy"], json!("None")),
            (&inside["evictionStrategy"], json!("LiveMigrate")),
            (&devices["autoattachGraphicsDevice"], json!(false)),
            (&devices["autoattachMemBalloon"], json!(false)),
            (&devices["autoattachVSOCK"], json!(false)),
            (&devices["autoattachPodInterface"], json!(false)),
            (&devices["logSerialConsole"], json!(false)),
            (&devices["autoattachSerialConsole"], json!(standard)),
            (&devices["disableHotplug"], json!(!standard)),
            (&devices["tpm"]["persistent"], json!(true)),
            (&vm.body["spec"]["template"]["metadata"]["labels"]["cloudfarm.dev/tenant"], json!("plum")),
        ];
        for (number, (found, wanted)) in facts.iter().enumerate() {
            assert_eq!(**found, *wanted, "{}: fact {number}", vm.reference);
        }
        let terms =
            &inside["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
        assert_eq!(terms[0]["matchExpressions"][0]["values"], json!(["JP"]));
        assert!(vm.body["spec"]["dataVolumeTemplates"].is_null(), "a disk in a template dies with its VM");
    }
}

#[test]
fn a_disabled_person_is_in_no_binding_and_a_role_nobody_has_gets_none() {
    let plan = desired(&snapshot(&spec()));
    let bindings: Vec<String> = plan
        .desired
        .objects()
        .filter(|object| object.reference.kind == Kind::RoleBinding)
        .map(|object| object.body.to_string())
        .collect();
    // Two for people, one for who says whether staff come in, the operator's own, and that of who keeps records.
    assert_eq!(bindings.len(), 5);
    assert!(bindings.iter().all(|binding| !binding.contains("\"out\"") && !binding.contains("tenant-viewer")));
}

#[test]
fn the_quota_is_the_contract_with_room_for_launchers_and_one_move_without_any_limit_and_without_node_ports() {
    let quota = |spec: &Value| {
        let plan = desired(&snapshot(spec));
        let found = plan.desired.objects().find(|object| object.reference.kind == Kind::ResourceQuota);
        found.expect("a quota").body.clone()
    };
    let of_three_small = quota(&spec());
    let hard = of_three_small["spec"]["hard"].as_object().expect("limits");
    for (resource, amount) in [
        // One more small VM of 1 CPU.
        ("requests.cpu", "17"),
        // 64Gi for guests, 5 x 281 + 16 x 8 + 64Gi / 512 beside them, and 4096 + 281 + 8 + 8 for the move.
        ("requests.memory", "71590Mi"),
        // 1Ti of disks, 5 x 20Mi for TPM and UEFI, and while 48Gi of disks are filled so much again and 10Gi for scratch.
        ("requests.storage", "1108068Mi"),
        ("services.nodeports", "0"),
        ("count/virtualmachines.kubevirt.io", "5"),
    ] {
        assert_eq!(hard[resource], amount, "{resource}");
    }
    assert!(hard.keys().all(|resource| !resource.starts_with("limits.")));
    let annotations = &of_three_small["metadata"]["annotations"];
    assert_eq!(annotations["cloudfarm.dev/contracted-vcpus"], "16");
    assert_eq!(annotations["cloudfarm.dev/contracted-memory"], "64Gi");
    assert_eq!(annotations["cloudfarm.dev/contracted-storage"], "1Ti");

    // The largest VM decides; one that is larger than the contract is never made and asks for no room.
    let mut with_a_large_one = spec();
    with_a_large_one["virtualMachines"][0]["instancetype"] = json!("big");
    assert_eq!(quota(&with_a_large_one)["spec"]["hard"]["requests.cpu"], "24");
    let mut small = with_a_large_one.clone();
    small["contract"]["capacity"]["vcpus"] = json!(4);
    assert_eq!(quota(&small)["spec"]["hard"]["requests.cpu"], "5");
    let mut empty = spec();
    empty["virtualMachines"] = json!([]);
    assert_eq!(quota(&empty)["spec"]["hard"]["requests.cpu"], "16");
}

#[test]
fn a_customers_own_machines_take_its_vms_alone_and_its_vms_run_nowhere_else() {
    let placed = |isolation: Value| {
        let mut spec = spec();
        spec["isolation"] = isolation;
        let plan = desired(&snapshot(&spec));
        let vm = plan.desired.objects().find(|object| object.reference.kind == Kind::VirtualMachine).expect("a VM");
        let inside = &vm.body["spec"]["template"]["spec"];
        let terms = &inside["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let places = terms["nodeSelectorTerms"][0]["matchExpressions"].as_array().expect("places").clone();
        (places.last().expect("a place").clone(), inside["tolerations"].clone())
    };
    let pool = "node-restriction.kubernetes.io/cloudfarm-pool";
    let shared = json!({"key": pool, "operator": "DoesNotExist"});
    assert_eq!(placed(Value::Null), (shared.clone(), Value::Null));
    assert_eq!(placed(json!({"level": "Logical", "nodePool": "plum"})), (shared, Value::Null));
    let (place, tolerations) = placed(json!({"level": "Physical", "nodePool": "plum"}));
    assert_eq!(place, json!({"key": pool, "operator": "In", "values": ["plum"]}));
    assert_eq!(tolerations[0]["value"], "plum");
}

#[test]
fn whole_cpus_are_asked_for_where_they_are_written_unless_the_instance_type_does_and_have_room() {
    let world = |isolation: Value| {
        let mut spec = spec();
        spec["isolation"] = isolation;
        let mut sized = machine("sized", &["front"]);
        sized["instancetype"] = Value::Null;
        (sized["cpuCores"], sized["memory"]) = (json!(2), json!("4Gi"));
        let mut pinned = machine("pinned", &["front"]);
        pinned["instancetype"] = json!("pinned");
        spec["virtualMachines"] = json!([sized, machine("typed", &["front"]), pinned]);
        let mut world = snapshot(&spec);
        let mut types = (*world.instancetypes).clone();
        types.insert("pinned".into(), Size { vcpus: 4, memory: Quantity::bytes(4 << 30), pinned: true });
        world.instancetypes = Arc::new(types);
        desired(&world)
    };
    let whole = world(json!({"dedicatedCPU": true}));
    let cpu = |plan: &Plan, vm: &str| {
        let vm = body(plan, &format!("VirtualMachine cf-plum/{vm}"));
        vm["spec"]["template"]["spec"]["domain"]["cpu"].clone()
    };
    assert_eq!(cpu(&whole, "sized"), json!({"cores": 2, "dedicatedCpuPlacement": true}));
    assert_eq!(cpu(&whole, "typed"), json!({"dedicatedCpuPlacement": true}));
    assert_eq!(cpu(&whole, "pinned"), Value::Null, "KubeVirt takes it for a conflict");
    let shared = world(Value::Null);
    assert_eq!((cpu(&shared, "sized"), cpu(&shared, "typed")), (json!({"cores": 2}), Value::Null));
    let hard = |plan: &Plan, resource: &str| {
        body(plan, "ResourceQuota cf-plum/cloudfarm")["spec"]["hard"][resource].as_str().expect("a limit").to_owned()
    };
    // 16, one for the emulator of the VM that is pinned by its type, and 4 + 1 for its move.
    assert_eq!(hard(&shared, "requests.cpu"), "22");
    let memory = |plan: &Plan| hard(plan, "requests.memory").parse::<Quantity>().expect("a quantity").nanos();
    let more = Quantity::bytes(1 << 20).nanos();
    // 100Mi for each of five VMs and one that moves, of which the pinned one had its own and its move's.
    assert_eq!(memory(&whole) - memory(&shared), 400 * more);
}

#[test]
fn only_sev_snp_boots_without_secure_boot_and_the_tenant_says_so() {
    let of = |confidential: &str| {
        let mut spec = spec();
        spec["isolation"] = json!({"confidential": confidential});
        let world = snapshot(&spec);
        let plan = desired(&world);
        let vm = plan.desired.objects().find(|object| object.reference.kind == Kind::VirtualMachine).expect("a VM");
        let inside = &vm.body["spec"]["template"]["spec"];
        let status = status(&world, &plan, &Applied::default());
        let said = status.conditions.iter().find(|each| each.type_ == "VMsHardened").expect("it").message.clone();
        let efi = &inside["domain"]["firmware"]["bootloader"]["efi"];
        (efi["secureBoot"].clone(), efi["persistent"].clone(), inside["evictionStrategy"].clone(), said)
    };
    let hardened = "every VM has the Strict profile";
    assert_eq!(of("None"), (json!(true), json!(true), json!("LiveMigrate"), hardened.into()));
    assert_eq!(of("TDX"), (json!(true), json!(false), json!("None"), hardened.into()));
    let (secure_boot, persistent, eviction, said) = of("SEVSNP");
    assert_eq!((secure_boot, persistent, eviction), (json!(false), json!(false), json!("None")));
    assert!(said.contains("measured by SEV-SNP in the place of secure boot"), "{said}");
}

#[test]
fn a_spec_that_cannot_be_trusted_makes_nothing_and_keeps_everything() {
    let good = snapshot(&spec());
    let vm = desired(&good)
        .desired
        .objects()
        .find(|object| object.reference.kind == Kind::VirtualMachine)
        .cloned()
        .expect("a VM");
    let mut broken = spec();
    broken["contract"]["endDate"] = json!("2026-02-30");
    broken["contract"]["capacity"]["memory"] = json!("-1");
    let mut snapshot = snapshot(&broken);
    snapshot.observed.insert(vm.reference.clone(), observation(&vm));
    let plan = desired(&snapshot);
    assert_eq!(plan.desired.objects().count(), 0);
    assert!(plan.desired.keep.contains(&vm.reference));
    let faults = plan.contract.clone().expect_err("it is invalid").0;
    assert!(
        faults[0].contains("spec.contract.capacity.memory: \"-1\"") && faults[1].contains("2026-02-30"),
        "{faults:?}"
    );
    let status = json!(status(&snapshot, &plan, &Applied::default()));
    assert_eq!((&status["phase"], &status["conditions"][0]["reason"]), (&json!("Failed"), &json!("Invalid")));
}

fn observation(object: &cloudfarm::cluster::object::DesiredObject) -> Observation {
    Observation {
        reference: object.reference.clone(),
        uid: "u".into(),
        resource_version: "1".into(),
        owner: "Tenant/plum".into(),
        owner_uid: "t-uid".into(),
        tenant: "plum".into(),
        ours: true,
        digest: object.digest,
        facts: Facts::None,
        deleting: false,
    }
}

#[test]
fn fields_for_later_are_named_when_they_are_written_and_only_then() {
    let said = |spec: &Value| {
        let snapshot = snapshot(spec);
        let status = json!(status(&snapshot, &desired(&snapshot), &Applied::default()));
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "FullyEnforced").expect("it is said")
    };
    assert_eq!(said(&spec())["status"], "True");
    let mut more = spec();
    more["residency"]["backupLocation"] = json!("s3-jp");
    more["virtualMachines"][0]["backup"] = json!({"enabled": false, "method": "VeleroCSI"});
    let said = said(&more);
    assert_eq!((&said["status"], &said["reason"]), (&json!("False"), &json!("NotYetEnforced")));
    let message = said["message"].as_str().expect("a message");
    assert!(
        message.contains("spec.residency.backupLocation (no backup")
            && message.contains("spec.virtualMachines[web].backup.method"),
        "{message}"
    );
}

/// Body of a wanted object.
fn body(plan: &Plan, reference: &str) -> Value {
    let found = plan.desired.objects().find(|object| object.reference.to_string() == reference);
    found.unwrap_or_else(|| panic!("{reference} is not wanted")).body.clone()
}

/// An object of tenant plum that was made for that declaration.
fn seen(kind: Kind, name: &str, owner: &str, facts: Facts) -> Observation {
    Observation {
        reference: Reference { kind, namespace: Some("cf-plum".into()), name: name.into() },
        uid: format!("uid-of-{name}"),
        resource_version: "1".into(),
        owner: owner.into(),
        owner_uid: "uid-of-the-owner".into(),
        tenant: "plum".into(),
        ours: true,
        digest: Digest::of(&Value::Null),
        facts,
        deleting: false,
    }
}

#[test]
fn a_vm_whose_data_is_refused_is_withheld_alone_and_one_that_is_there_keeps_what_it_had() {
    let refusal = Refusal { reason: Reason::UserDataRefused, message: "spec.virtualMachines[web] and why".into() };
    let record =
        Record { os: OperatingSystem::Linux, floor: "f".into(), secret: Some("data".into()), overruled: Vec::new() };
    let with = |earlier: Option<Record>| {
        let mut world = snapshot(&spec());
        let refused = Guest::Refused { earlier, refusal: refusal.clone() };
        world.guests.by_vm.insert("web".into(), refused);
        (desired(&world), world)
    };
    let names = |plan: &Plan, kind: Kind| -> Vec<String> {
        let of_kind = plan.desired.objects().filter(|object| object.reference.kind == kind);
        of_kind.map(|object| object.reference.name.clone()).collect()
    };
    let (plan, world) = with(None);
    assert_eq!(names(&plan, Kind::VirtualMachine), ["app", "db"]);
    assert_eq!(names(&plan, Kind::Secret), ["cloudfarm-guest-app", "cloudfarm-guest-db"]);
    let withheld = &plan.contract.as_ref().expect("a contract").withheld;
    assert_eq!((withheld.len(), withheld[0].reason), (1, Reason::UserDataRefused));
    let said = status(&world, &plan, &Applied::default());
    let floor = said.conditions.iter().find(|each| each.type_ == "GuestFloor").expect("it speaks of guests");
    assert_eq!((floor.status.as_str(), floor.reason.as_str()), ("False", "UserDataRefused"));
    let clock = said.conditions.iter().find(|each| each.type_ == "ClockSynchronized").expect("it speaks of clocks");
    assert_eq!(clock.status, "Unknown", "nobody has asked a guest");

    let (plan, _) = with(Some(record.clone()));
    let vm = plan
        .desired
        .objects()
        .find(|object| object.reference.name == "web" && object.reference.kind == Kind::VirtualMachine);
    let vm = vm.expect("it goes on");
    assert_eq!(vm.body["metadata"]["annotations"]["cloudfarm.dev/guest-data"], record.text());
    assert!(!names(&plan, Kind::Secret).contains(&"cloudfarm-guest-web".to_owned()), "there is nothing to write");
    let kept = plan.desired.keep.iter().any(|reference| reference.name == "cloudfarm-guest-web");
    assert!(kept && vm.after.as_ref().is_some_and(|needed| needed.name == "cloudfarm-guest-web"));
}

#[test]
fn a_disk_grows_when_its_claim_is_bound_and_never_shrinks() {
    let told = |made: &str, claim: Option<(&str, &str, bool)>, wanted: &str| {
        let mut spec = spec();
        spec["virtualMachines"][0]["disks"][1]["size"] = json!(wanted);
        let mut world = snapshot(&spec);
        let disk = Facts::DataVolume {
            removed_at: None,
            size: Some(made.into()),
            vm: None,
            restored: None,
            made: Made::default(),
        };
        let mut all = vec![seen(Kind::DataVolume, "web-data", "Tenant/plum", disk)];
        all.extend(claim.map(|(requested, capacity, bound)| {
            let (requested, capacity) = (Some(requested.into()), Some(capacity.into()));
            let facts = Facts::PersistentVolumeClaim { requested, capacity, bound, removed_at: None };
            seen(Kind::PersistentVolumeClaim, "web-data", "Tenant/plum", facts)
        }));
        world.observed = all.into_iter().map(|seen| (seen.reference.clone(), seen)).collect();
        let plan = desired(&world);
        let disk = plan.desired.objects().find(|object| object.reference.name == "web-data").expect("the disk");
        assert_eq!(disk.body["spec"]["storage"]["resources"]["requests"]["storage"], made, "CDI takes no change");
        let claims = plan.desired.claims.iter().map(|claim| &claim.fields["spec"]["resources"]["requests"]["storage"]);
        let claims: Vec<String> = claims.filter_map(Value::as_str).map(str::to_owned).collect();
        let told = plan.contract.expect("a contract").disks;
        (claims, told.first().map(|(reason, _)| *reason))
    };
    let none: Vec<String> = Vec::new();
    let cases = [
        ("as declared", "10Gi", Some(("10Gi", "10Gi", true)), "10Gi", none.clone(), None),
        ("as declared, in another unit", "1Gi", None, "1024Mi", none.clone(), None),
        (
            "a claim a little larger",
            "10Gi",
            Some(("11Gi", "11Gi", true)),
            "10Gi",
            none.clone(),
            Some(Reason::DiskShrunk),
        ),
        ("no claim yet", "10Gi", None, "20Gi", none.clone(), Some(Reason::Progressing)),
        (
            "a claim without a volume",
            "10Gi",
            Some(("10Gi", "0", false)),
            "20Gi",
            none.clone(),
            Some(Reason::Progressing),
        ),
        (
            "grown, and declared as it was made",
            "10Gi",
            Some(("20Gi", "20Gi", true)),
            "10Gi",
            none.clone(),
            Some(Reason::DiskShrunk),
        ),
        ("it can grow", "10Gi", Some(("10Gi", "10Gi", true)), "20Gi", vec!["20Gi".into()], Some(Reason::Progressing)),
        ("it is asked for", "10Gi", Some(("20Gi", "10Gi", true)), "20Gi", none.clone(), Some(Reason::Progressing)),
        ("it has grown", "10Gi", Some(("20Gi", "20Gi", true)), "20Gi", none.clone(), None),
        ("less than it was made with", "10Gi", None, "9Gi", none.clone(), Some(Reason::DiskShrunk)),
        ("less than it has grown to", "10Gi", Some(("20Gi", "20Gi", true)), "15Gi", none, Some(Reason::DiskShrunk)),
    ];
    for (case, made, claim, wanted, claims, reason) in cases {
        assert_eq!(told(made, claim, wanted), (claims, reason), "{case}");
    }
}

fn running(networks: Attached) -> Facts {
    Facts::VirtualMachine {
        ready: true,
        printable_status: "Running".into(),
        halted: false,
        idle: None,
        live: true,
        stopped: None,
        trouble: None,
        networks,
        guest: None,
        restored: Restored::default(),
    }
}

#[test]
fn no_new_vm_is_made_while_data_is_outside_of_japan_and_those_that_live_are_left_as_they_are() {
    let mut world = snapshot(&spec());
    let nodes = BTreeMap::from([
        ("a1".into(), NodePlace { country: Some("JP".into()), ..NodePlace::default() }),
        ("x1".into(), NodePlace { country: Some("SG".into()), ..NodePlace::default() }),
    ]);
    world.places = Arc::new(Places { nodes: Some(nodes), ..Places::default() });
    let web = seen(Kind::VirtualMachine, "web", "Tenant/plum", running(Attached::default()));
    world.observed.insert(web.reference.clone(), web);
    let plan = desired(&world);
    let machines: Vec<&str> = plan
        .desired
        .objects()
        .filter(|object| object.reference.kind == Kind::VirtualMachine)
        .map(|object| object.reference.name.as_str())
        .collect();
    assert_eq!(machines, ["web"]);
    let disks = plan.desired.objects().filter(|object| object.reference.kind == Kind::DataVolume);
    assert!(disks.into_iter().all(|disk| disk.reference.name.starts_with("web-")), "nor their disks");
    let status = status(&world, &plan, &Applied::default());
    let said = |type_: &str| {
        let found = status.conditions.iter().find(|each| each.type_ == type_).expect("the condition");
        (found.status.as_str(), found.reason.as_str(), found.message.as_str())
    };
    assert_eq!((said("ResidencyVerified").0, said("ResidencyVerified").1), ("False", "OutsideResidency"));
    assert!(said("ResidencyVerified").2.contains("node x1: its label says SG"));
    assert_eq!((said("VirtualMachinesReady").0, said("VirtualMachinesReady").1), ("False", "OutsideResidency"));
    assert_eq!(said("Ready").0, "False");
    assert_eq!(status.residency.expect("what was found").violations, ["node x1: its label says SG"]);
}

/// Disks that are there, each with the size that its DataVolume and its claim say.
fn disks(world: &mut TenantSnapshot, all: &[(&str, &str, &str)]) {
    for (name, made, claim) in all {
        let volume = Facts::DataVolume {
            removed_at: None,
            size: Some((*made).into()),
            vm: None,
            restored: None,
            made: Made::default(),
        };
        let claim = Some((*claim).to_owned());
        let claim =
            Facts::PersistentVolumeClaim { requested: claim.clone(), capacity: claim, bound: true, removed_at: None };
        for object in [
            seen(Kind::DataVolume, name, "Tenant/plum", volume),
            seen(Kind::PersistentVolumeClaim, name, "Tenant/plum", claim),
        ] {
            world.observed.insert(object.reference.clone(), object);
        }
    }
}

/// A contract of 100Gi with these VMs, each with one disk.
fn of_a_hundred(machines: &[(&str, &str)]) -> Value {
    let mut spec = spec();
    spec["contract"]["capacity"]["storage"] = json!("100Gi");
    let machines = machines.iter().map(|(name, disk)| {
        let mut machine = machine(name, &["front"]);
        machine["disks"] = json!([{"name": "root", "size": disk}]);
        machine
    });
    spec["virtualMachines"] = json!(machines.collect::<Vec<_>>());
    spec
}

/// Storage that is allocated, and the VMs that are withheld with what is said of it.
fn stored(world: &TenantSnapshot) -> (String, Vec<String>) {
    let contract = desired(world).contract.expect("a contract");
    let withheld = contract.withheld.iter().map(|each| format!("{}: {:?} {}", each.vm, each.reason, each.message));
    (contract.allocation.storage.taken.to_string(), withheld.collect())
}
