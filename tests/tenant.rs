//! Properties of what a Tenant wants: pure, no cluster.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudfarm::api::condition::Reason;
use cloudfarm::api::quantity::Quantity;
use cloudfarm::api::tenant::Tenant;
use cloudfarm::cluster::applied::Applied;
use cloudfarm::cluster::object::{Attached, DesiredObject, Digest, Facts, Kind, Observation, Reference};
use cloudfarm::foreign::instancetype::Size;
use cloudfarm::network::attachment::Attachment;
use cloudfarm::network::backend::Obstacle;
use cloudfarm::network::vlan::Lasting;
use cloudfarm::tenant::desired::{Plan, desired};
use cloudfarm::tenant::observe::{Neighbours, NetworkFact, TenantSnapshot};
use cloudfarm::tenant::status::status;
use proptest::prelude::*;
use serde_json::{Value, json};

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
    let size = |vcpus: i64, gib: i64| Size { vcpus, memory: Quantity::bytes(gib << 30) };
    TenantSnapshot {
        tenant: declared(spec),
        config: Arc::new(cloudfarm::render::documentation_config().expect("a config")),
        neighbours: Neighbours { kubevirt: true, cdi: true, cluster_policies: true },
        instancetypes: Arc::new(BTreeMap::from([("small".into(), size(1, 4)), ("big".into(), size(8, 32))])),
        dns: BTreeMap::new(),
        networks: BTreeMap::from([("front".into(), NetworkFact::Pod), ("back".into(), NetworkFact::Pod)]),
        lasting: Lasting::default(),
        retention: None,
        retention_name: "plum".into(),
        observed: BTreeMap::new(),
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
    assert_eq!(bindings.len(), 2);
    assert!(bindings.iter().all(|binding| !binding.contains("\"out\"") && !binding.contains("tenant-viewer")));
}

#[test]
fn the_quota_is_the_contract_without_any_limit_and_without_node_ports() {
    let plan = desired(&snapshot(&spec()));
    let quota = plan.desired.objects().find(|object| object.reference.kind == Kind::ResourceQuota).expect("a quota");
    let hard = quota.body["spec"]["hard"].as_object().expect("limits");
    for (resource, amount) in [
        ("requests.cpu", "16"),
        ("requests.memory", "64Gi"),
        ("requests.storage", "1Ti"),
        ("services.nodeports", "0"),
        ("count/virtualmachines.kubevirt.io", "5"),
    ] {
        assert_eq!(hard[resource], amount, "{resource}");
    }
    assert!(hard.keys().all(|resource| !resource.starts_with("limits.")));
}

#[test]
fn two_vms_that_would_share_a_disk_are_told_apart() {
    let mut spec = spec();
    spec["virtualMachines"] = json!([
        {"name": "a-b", "instancetype": "small", "image": {"dataSource": "u"}, "disks": [{"name": "c", "size": "1Gi"}], "networks": [{"name": "front"}]},
        {"name": "a", "instancetype": "small", "image": {"dataSource": "u"}, "disks": [{"name": "b-c", "size": "1Gi"}], "networks": [{"name": "front"}]},
    ]);
    let contract = desired(&snapshot(&spec)).contract.expect("a contract");
    assert_eq!(contract.withheld.len(), 1);
    assert!(contract.withheld[0].message.contains("a-b-c, which is a disk of another VM"), "{:?}", contract.withheld);
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
    more["backup"] = json!({"enabled": true});
    more["virtualMachines"][0]["backup"] = json!({"enabled": false});
    let said = said(&more);
    assert_eq!((&said["status"], &said["reason"]), (&json!("False"), &json!("NotYetEnforced")));
    let message = said["message"].as_str().expect("a message");
    assert!(message.contains("spec.backup") && message.contains("spec.virtualMachines[web].backup"), "{message}");
}

#[test]
fn exactly_the_whole_contract_fits_and_not_a_byte_more() {
    let mut spec = spec();
    spec["contract"]["capacity"] = json!({"vcpus": 2, "memory": "8Gi", "storage": "2Gi", "instances": 2});
    let vm = |name: &str, disk: &str| json!({"name": name, "cpuCores": 1, "memory": "4Gi", "image": {"dataSource": "u"}, "disks": [{"name": "root", "size": disk}], "networks": [{"name": "front"}]});
    spec["virtualMachines"] = json!([vm("one", "1Gi"), vm("two", "1Gi")]);
    let contract = desired(&snapshot(&spec)).contract.expect("a contract");
    assert!(contract.withheld.is_empty(), "{:?}", contract.withheld);
    assert_eq!(contract.allocation.memory.percent(), 100);
    spec["virtualMachines"] = json!([vm("one", "1Gi"), vm("two", "1073741825")]);
    let contract = desired(&snapshot(&spec)).contract.expect("a contract");
    assert_eq!(contract.withheld.len(), 1);
    assert!(contract.withheld[0].message.contains("storage"), "{:?}", contract.withheld);
}

proptest! {
    #[test]
    fn the_vms_that_are_made_never_exceed_the_contract(
        sizes in prop::collection::vec((1_i64..6, 1_i64..20, 1_i64..200), 0..12),
        vcpus in 1_i64..20, memory in 1_i64..80, storage in 1_i64..900, instances in 1_i64..8,
    ) {
        let mut spec = spec();
        spec["contract"]["capacity"] = json!({"vcpus": vcpus, "memory": format!("{memory}Gi"), "storage": format!("{storage}Gi"), "instances": instances});
        let machines: Vec<Value> = sizes.iter().enumerate().map(|(number, (cpus, gib, disk))| json!({
            "name": format!("vm-{number}"), "cpuCores": cpus, "memory": format!("{gib}Gi"), "image": {"dataSource": "u"},
            "disks": [{"name": "root", "size": format!("{disk}Gi")}], "networks": [{"name": "front"}],
        })).collect();
        spec["virtualMachines"] = json!(machines);
        let plan = desired(&snapshot(&spec));
        let made: Vec<usize> = plan.desired.objects()
            .filter(|object| object.reference.kind == Kind::VirtualMachine)
            .map(|object| object.reference.name.strip_prefix("vm-").expect("a name").parse().expect("a number"))
            .collect();
        prop_assert!(i64::try_from(made.len()).expect("few") <= instances);
        prop_assert!(made.iter().map(|vm| sizes[*vm].0).sum::<i64>() <= vcpus);
        prop_assert!(made.iter().map(|vm| sizes[*vm].1).sum::<i64>() <= memory);
        prop_assert!(made.iter().map(|vm| sizes[*vm].2).sum::<i64>() <= storage);
        let withheld = plan.contract.expect("a contract").withheld.len();
        prop_assert_eq!(made.len() + withheld, sizes.len());
    }
}

fn dns(snapshot: &mut TenantSnapshot, network: &str, dns: Value) {
    snapshot.dns.insert(network.to_owned(), serde_json::from_value(dns).expect("a name resolution"));
}

/// Body of a wanted object.
fn body(plan: &Plan, reference: &str) -> Value {
    let found = plan.desired.objects().find(|object| object.reference.to_string() == reference);
    found.unwrap_or_else(|| panic!("{reference} is not wanted")).body.clone()
}

#[test]
fn a_vm_is_told_its_networks_own_resolvers_before_the_platforms_and_no_more_than_fit() {
    let mut world = snapshot(&spec());
    let own = json!({"mode": "Custom", "nameservers": ["203.0.113.1", "203.0.113.2"], "searches": ["back.example"]});
    dns(&mut world, "back", own);
    dns(&mut world, "front", json!({"searches": ["front.example", "back.example"]}));
    let told = |world: &TenantSnapshot, vm: &str| {
        body(&desired(world), &format!("VirtualMachine cf-plum/{vm}"))["spec"]["template"]["spec"]["dnsConfig"].clone()
    };
    let platform = json!({"nameservers": ["192.0.2.53"], "searches": ["front.example", "back.example"]});
    assert_eq!(told(&world, "web"), platform);
    assert_eq!(
        told(&world, "app"),
        json!({
            "nameservers": ["203.0.113.1", "203.0.113.2", "192.0.2.53"],
            "searches": ["back.example", "front.example"],
        })
    );

    // Three of its own and one of the platform's: one too many. One that lies where no tenant may reach has no door.
    let many = json!({"mode": "Custom", "nameservers": ["203.0.113.1", "10.96.0.10", "203.0.113.2", "203.0.113.3"]});
    dns(&mut world, "back", many);
    assert_eq!(told(&world, "app")["nameservers"], json!(["203.0.113.1", "203.0.113.2", "203.0.113.3"]));
    let plan = desired(&world);
    let said = status(&world, &plan, &Applied::default());
    let words = "spec.virtualMachines[app].networks (together 4 nameservers; a guest is told the first 3)";
    assert!(format!("{said:?}").contains(words), "{said:#?}");
}

#[test]
fn a_vm_whose_networks_all_have_no_resolution_is_told_nobody_and_cannot_ask_the_platform() {
    let mut world = snapshot(&spec());
    dns(&mut world, "back", json!({"mode": "None"}));
    let plan = desired(&world);
    let template = |vm: &str| body(&plan, &format!("VirtualMachine cf-plum/{vm}"))["spec"]["template"].clone();
    let mark = |vm: &str| template(vm)["metadata"]["labels"]["cloudfarm.dev/no-resolvers"].clone();
    assert_eq!((mark("db"), mark("app"), mark("web")), (json!("true"), Value::Null, Value::Null));
    assert_eq!(template("db")["spec"]["dnsConfig"], json!({"nameservers": ["127.0.0.1"]}));
    assert_eq!(template("app")["spec"]["dnsConfig"], json!({"nameservers": ["192.0.2.53"]}));

    let selects = |policy: &str| {
        let policy = body(&plan, &format!("NetworkPolicy cf-plum/{policy}"));
        let to = policy["spec"]["egress"].as_array().expect("doors").iter();
        let ports: Vec<Value> = to.map(|door| door["ports"][0]["port"].clone()).collect();
        (policy["spec"]["podSelector"]["matchExpressions"][0]["operator"].clone(), ports)
    };
    assert_eq!(selects("cloudfarm-platform"), (json!("DoesNotExist"), vec![json!(53), json!(123)]));
    assert_eq!(selects("cloudfarm-ntp"), (json!("Exists"), vec![json!(123)]));
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

fn running(networks: Attached) -> Facts {
    Facts::VirtualMachine { ready: true, printable_status: "Running".into(), halted: false, networks }
}

#[test]
fn a_vm_that_does_not_fit_any_more_runs_on_until_every_vm_is_halted() {
    let nowhere = Attached { to: BTreeSet::new(), outdated: false };
    let halted = |owner: &str, change: &dyn Fn(&mut Value)| -> Vec<Value> {
        let mut spec = spec();
        spec["virtualMachines"] = json!([machine("web", &["front"])]);
        change(&mut spec);
        spec["contract"]["capacity"]["vcpus"] = json!(1);
        spec["virtualMachines"][0]["instancetype"] = json!("big");
        let mut world = snapshot(&spec);
        let vm = seen(Kind::VirtualMachine, "web", owner, running(nowhere.clone()));
        world.observed.insert(vm.reference.clone(), vm);
        let plan = desired(&world);
        assert_eq!(plan.contract.expect("a contract").withheld.len(), 1);
        plan.desired.claims.iter().map(|claim| claim.fields["spec"].clone()).collect()
    };
    let ended = |spec: &mut Value| spec["contract"]["endDate"] = json!("2026-06-30");
    let suspended = |spec: &mut Value| spec["suspended"] = json!(true);
    let off = [json!({"runStrategy": "Halted"})];
    assert_eq!(halted("Tenant/plum", &|_| {}), [] as [Value; 0], "the contract runs");
    assert_eq!(halted("Tenant/plum", &ended), off);
    assert_eq!(halted("Tenant/plum", &suspended), off);
    assert_eq!(halted("Tenant/other", &suspended), [] as [Value; 0], "somebody else's");
}

#[test]
fn what_a_network_leaves_goes_after_its_last_vm_and_its_filter_last() {
    let attached = Attached { to: BTreeSet::from(["outside".to_owned()]), outdated: false };
    let outdated = Attached { to: BTreeSet::new(), outdated: true };
    let vm = |networks: Attached| seen(Kind::VirtualMachine, "web", "Tenant/plum", running(networks));
    let filter = seen(Kind::MultiNetworkPolicy, "network-outside", "TenantNetwork/outside", Facts::None);
    let definition = seen(Kind::NetworkAttachmentDefinition, "outside", "TenantNetwork/outside", Facts::None);
    let put_away = |living: bool, objects: &[&Observation]| -> Vec<Kind> {
        let mut world = snapshot(&spec());
        world.observed = objects.iter().map(|seen| (seen.reference.clone(), (*seen).clone())).collect();
        world.lasting.living.extend(living.then(|| "uid-of-the-owner".to_owned()));
        desired(&world).desired.abandoned.iter().map(|left| left.reference.kind).collect()
    };
    assert_eq!(put_away(false, &[&vm(attached), &filter, &definition]), [], "a VM is attached");
    assert_eq!(put_away(false, &[&vm(outdated), &filter, &definition]), [], "a VM may be attached");
    assert_eq!(put_away(true, &[&filter, &definition]), [], "the network is declared");
    assert_eq!(put_away(false, &[&filter, &definition]), [Kind::NetworkAttachmentDefinition]);
    assert_eq!(put_away(false, &[&filter]), [Kind::MultiNetworkPolicy]);
}

#[test]
fn a_vm_is_withheld_until_its_network_can_attach_it_and_then_has_that_interface_alone() {
    let mut world = snapshot(&spec());
    let waits = Obstacle { reason: Reason::Progressing, message: "its filter is not there".into() };
    world.networks.insert("back".into(), NetworkFact::OfItsOwn(Err(waits)));
    let plan = desired(&world);
    let withheld = plan.contract.expect("a contract").withheld;
    let told: Vec<_> = withheld.iter().map(|withheld| (withheld.vm.as_str(), withheld.message.as_str())).collect();
    let message = "TenantNetwork \"back\" cannot attach it: its filter is not there";
    assert_eq!(told, [("app", message), ("db", message)]);

    let there = Attachment { definition: "cf-plum.back".into() };
    world.networks.insert("back".into(), NetworkFact::OfItsOwn(Ok(there)));
    let plan = desired(&world);
    let interfaces = |vm: &str| {
        let of = |object: &&DesiredObject| object.reference.kind == Kind::VirtualMachine && object.reference.name == vm;
        let body = plan.desired.objects().find(of).expect("a VM").body.clone();
        let interfaces = body["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"].clone();
        let names = interfaces.as_array().expect("a list").iter().map(|one| one["name"].to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(interfaces("db"), "\"net-back\"", "nobody asked for a way into the cluster");
    assert_eq!(interfaces("app"), "\"pod\" \"net-back\"");
}
