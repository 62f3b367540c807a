//! The image gate (14.1.1), told as stories: when a VM is started, when it waits, and what is said meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudfarm::api::condition::Reason;
use cloudfarm::cluster::applied::Applied;
use cloudfarm::cluster::object::{Attached, Facts, Kind};
use cloudfarm::foreign::data_volume::Made;
use cloudfarm::images::exception::Exception;
use cloudfarm::images::identity::Digest;
use cloudfarm::images::known::{Claim, Known, Pointer, Record, Scan, Source};
use cloudfarm::images::result::{Finding, ScanResult, Signatures};
use cloudfarm::operator::config::Images;
use cloudfarm::tenant::desired::{Plan, desired};
use cloudfarm::tenant::observe::TenantSnapshot;
use cloudfarm::tenant::status::status;
use serde_json::{Value, json};

use super::{machine, running, seen, snapshot, spec};

const NOW: &str = "2026-11-24T00:00:00Z";

fn digest() -> Digest {
    format!("image:{}", content()).parse().expect("a digest")
}

/// As a registry calls it.
fn content() -> String {
    format!("sha256:{}", "a".repeat(64))
}

/// Name of result and Job.
fn name() -> String {
    digest().name(&format!("docker://registry.example/fedora@{}", content()))
}

/// One VM from a registry's image, with this in its spec.
fn declared(change: &Value) -> Value {
    let mut spec = spec();
    let mut vm = machine("web", &["front"]);
    vm["image"] = json!({"registry": {"url": format!("docker://registry.example/fedora@{}", content())}});
    spec["virtualMachines"] = json!([vm]);
    for (key, value) in change.as_object().cloned().expect("an object") {
        spec[key] = value;
    }
    spec
}

fn result(finding: Finding, signatures: &str) -> Record {
    Record::Result(ScanResult {
        digest: digest(),
        image: String::new(),
        finding,
        engine: "ClamAV 1.4.6".into(),
        signatures: Signatures { version: "1".into(), made_at: signatures.parse().expect("an instant") },
        scanned_at: "2026-11-23T23:00:00Z".parse().expect("an instant"),
    })
}

fn clean() -> Record {
    result(Finding::Clean, "2026-11-23T12:00:00Z")
}

fn exception(until: &str, digest: Digest) -> Record {
    let text = |text: &str| text.to_owned();
    let until = until.parse().expect("an instant");
    Record::Exception(Exception { name: text("x"), digest, reason: text("ticket 7"), by: text("sato"), until })
}

/// With these records, and a scanner.
fn world(spec: &Value, records: Vec<Record>) -> TenantSnapshot {
    let mut world = snapshot(spec);
    world.now = NOW.parse().expect("an instant");
    let mut config = (*world.config).clone();
    config.images = Some(Images {
        scanner_image: "registry.invalid/clamav".into(),
        signatures_claim: None,
        max_signature_age_hours: 72,
    });
    world.config = Arc::new(config);
    let name = |record: &Record| match record {
        Record::Result(_) => super::images::name(),
        _ => "x".to_owned(),
    };
    let records = records.into_iter().map(|record| (format!("cloudfarm-images/{}", name(&record)), record)).collect();
    world.images = Arc::new(Known { records: Some(records), scans: Some(BTreeMap::new()), ..Known::default() });
    world
}

/// The VM, and its root disk from whichever image.
fn with_vm(world: TenantSnapshot, facts: Facts) -> TenantSnapshot {
    with_disk(with_only_vm(world, facts), Made::default())
}

fn with_only_vm(mut world: TenantSnapshot, facts: Facts) -> TenantSnapshot {
    let vm = seen(Kind::VirtualMachine, "web", "Tenant/plum", facts);
    world.observed.insert(vm.reference.clone(), vm);
    world
}

fn with_disk(mut world: TenantSnapshot, made: Made) -> TenantSnapshot {
    let facts = Facts::DataVolume { removed_at: None, size: Some("10Gi".into()), vm: None, restored: None, made };
    let disk = seen(Kind::DataVolume, "web-root", "Tenant/plum", facts);
    world.observed.insert(disk.reference.clone(), disk);
    world
}

fn off(stopped: Option<&str>) -> Facts {
    idle("Halted", stopped)
}

/// Off, and nobody but the customer or the operator starts it.
fn idle(strategy: &str, stopped: Option<&str>) -> Facts {
    Facts::VirtualMachine {
        ready: false,
        printable_status: "Stopped".into(),
        halted: strategy == "Halted",
        idle: Some(strategy.into()),
        live: false,
        stopped: stopped.map(str::to_owned),
        trouble: None,
        networks: Attached::default(),
        guest: None,
        restored: cloudfarm::foreign::restored::Restored::default(),
    }
}

/// Is the VM brought to its declaration, and if not, why?
fn withheld(plan: &Plan) -> Option<Reason> {
    let made = plan.desired.objects().any(|object| object.reference.kind == Kind::VirtualMachine);
    let withheld = &plan.contract.as_ref().expect("a contract").withheld;
    assert_eq!(made, withheld.is_empty(), "{withheld:?}");
    let disk = plan.desired.objects().any(|object| object.reference.kind == Kind::DataVolume);
    assert_eq!(made, disk, "an image that waits is not copied either");
    withheld.first().map(|held| held.reason)
}

/// Status, reason and message of ImagesScanned, and is the Tenant ready but for what is not there yet?
fn said(world: &TenantSnapshot, plan: &Plan) -> (String, String, String) {
    let status = status(world, plan, &Applied::default());
    let found = status.conditions.iter().find(|each| each.type_ == "ImagesScanned").expect("it speaks of images");
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

#[test]
fn a_vm_is_never_made_from_an_image_without_a_clean_and_fresh_result() {
    let old = "2026-11-21T00:00:00Z";
    let cases = [
        ("nobody has looked", vec![], Some(Reason::ImageNotScanned)),
        ("clean and fresh", vec![clean()], None),
        (
            "infected",
            vec![result(Finding::Infected("Eicar".into()), "2026-11-23T12:00:00Z")],
            Some(Reason::ImageInfected),
        ),
        ("signatures of 72 hours ago", vec![result(Finding::Clean, old)], Some(Reason::ScanTooOld)),
        ("one second younger", vec![result(Finding::Clean, "2026-11-21T00:00:01Z")], None),
        (
            "not whole",
            vec![result(Finding::Failed("2 GiB".into()), "2026-11-23T12:00:00Z")],
            Some(Reason::ImageNotScanned),
        ),
    ];
    for (case, records, reason) in cases {
        let world = world(&declared(&json!({})), records);
        let plan = desired(&world);
        assert_eq!(withheld(&plan), reason, "{case}");
        let (status, said, message) = said(&world, &plan);
        let wanted =
            reason.map_or(("True".to_owned(), "AsDeclared".to_owned()), |reason| ("False".into(), reason.as_str()));
        assert_eq!((status, said), wanted, "{case}");
        if reason.is_some() {
            let named = ["web", "spec.virtualMachines[web].image", "docker://registry.example/fedora@sha256:"];
            assert!(named.iter().all(|word| message.contains(word)), "{case}: {message}");
        }
    }
}

#[test]
fn one_scan_is_ordered_for_all_vms_of_an_image_and_none_while_it_runs() {
    let mut spec = declared(&json!({}));
    let second = json!({"name": "app", "instancetype": "small", "image": spec["virtualMachines"][0]["image"],
        "disks": [{"name": "root", "size": "10Gi"}], "networks": [{"name": "front"}]});
    spec["virtualMachines"].as_array_mut().expect("a list").push(second);
    let mut waiting = world(&spec, vec![]);
    let plan = desired(&waiting);
    let names: Vec<_> = plan.scans.iter().map(|job| job.metadata.name.clone()).collect();
    assert_eq!(names, [Some(name())]);
    let known = Known {
        scans: Some(BTreeMap::from([(format!("cloudfarm-images/{}", name()), Scan::default())])),
        ..(*waiting.images).clone()
    };
    waiting.images = Arc::new(known);
    assert!(desired(&waiting).scans.is_empty());
    // Nobody who is at rest waits for one.
    assert!(desired(&world(&declared(&json!({"suspended": true})), vec![])).scans.is_empty());
}

#[test]
fn a_vm_that_runs_is_never_touched_for_its_image_and_its_tenant_says_so() {
    let infected = || vec![result(Finding::Infected("Eicar".into()), "2026-11-23T12:00:00Z")];
    for records in [vec![], infected(), vec![result(Finding::Clean, "2026-11-01T00:00:00Z")]] {
        let world = with_vm(world(&declared(&json!({})), records), running(Attached::default()));
        let plan = desired(&world);
        let vm = plan.desired.objects().find(|object| object.reference.kind == Kind::VirtualMachine).expect("it stays");
        assert_eq!(vm.body["spec"]["runStrategy"], "Always");
        assert!(plan.desired.claims.is_empty(), "nobody halts it");
        let (status, _, message) = said(&world, &plan);
        assert_eq!(status, "False");
        assert!(message.contains("left as it is"), "{message}");
    }
    let world = with_vm(world(&declared(&json!({})), infected()), running(Attached::default()));
    // Also while a scan cannot be ordered.
    let refused = Applied { unordered: vec!["Job cloudfarm-images/scan-1: forbidden".into()], ..Applied::default() };
    let conditions = status(&world, &desired(&world), &refused).conditions;
    let images = conditions.iter().find(|each| each.type_ == "ImagesScanned").expect("it");
    assert_eq!(images.reason, "ImageInfected");
    assert!(images.message.contains("could not be ordered: Job cloudfarm-images/scan-1"), "{}", images.message);
    let ready =
        status(&world, &desired(&world), &Applied::default()).conditions.into_iter().find(|each| each.type_ == "Ready");
    assert!(ready.is_some_and(|ready| ready.status == "False"));
}

#[test]
fn what_is_off_is_not_switched_on_from_a_bad_image_and_what_stays_off_waits_for_nothing() {
    let held = |change: Value, facts: Facts, records: Vec<Record>| {
        let mut spec = declared(&json!({}));
        for (key, value) in change.as_object().cloned().expect("an object") {
            if key == "suspended" { spec[key] = value } else { spec["virtualMachines"][0][key] = value }
        }
        withheld(&desired(&with_vm(world(&spec, records), facts)))
    };
    assert_eq!(held(json!({}), off(None), vec![]), Some(Reason::ImageNotScanned));
    assert_eq!(held(json!({}), off(None), vec![clean()]), None);
    assert_eq!(held(json!({}), off(Some("Always")), vec![]), None, "stopped by hand, and stays so");
    assert_eq!(held(json!({"runStrategy": "Halted"}), off(None), vec![]), None);
    assert_eq!(held(json!({"suspended": true}), off(None), vec![]), None);
    // Off in another way than by Halted, and declared to run.
    for now in ["Manual", "RerunOnFailure"] {
        assert_eq!(held(json!({}), idle(now, None), vec![]), Some(Reason::ImageNotScanned), "{now}");
        assert_eq!(held(json!({"runStrategy": now}), idle(now, None), vec![]), None, "{now} stays as it is");
    }
    let on_failure = json!({"runStrategy": "RerunOnFailure"});
    assert_eq!(held(on_failure, idle("Manual", None), vec![]), Some(Reason::ImageNotScanned));
}

#[test]
fn a_new_root_disk_of_a_vm_that_is_there_waits_for_its_image_too() {
    for facts in [off(Some("Always")), running(Attached::default())] {
        let world = with_only_vm(world(&declared(&json!({})), vec![]), facts.clone());
        let plan = desired(&world);
        assert_eq!(withheld(&plan), Some(Reason::ImageNotScanned));
        assert!(plan.desired.claims.is_empty(), "nobody halts it");
        assert!(said(&world, &plan).2.contains("without a new root disk"), "{}", said(&world, &plan).2);
        let clean = with_only_vm(super::images::world(&declared(&json!({})), vec![clean()]), facts);
        assert_eq!(withheld(&desired(&clean)), None);
    }
}

/// What fills the root disk, and the DataSource that its annotation remembers.
fn filling(world: &TenantSnapshot) -> (Value, Value, Option<String>) {
    let plan = desired(world);
    assert_eq!(withheld(&plan), None);
    let disk = plan.desired.objects().find(|object| object.reference.name == "web-root").expect("the disk");
    let annotation = disk.body["metadata"]["annotations"]["cloudfarm.dev/data-source"].as_str();
    (disk.body["spec"]["source"].clone(), disk.body["spec"]["sourceRef"].clone(), annotation.map(str::to_owned))
}

#[test]
fn a_registry_s_image_is_pulled_as_its_scan_has_pulled_it_and_a_disk_that_is_there_stays_as_it_was_made() {
    let url = format!("docker://registry.example/fedora@{}", content());
    let new = json!({"registry": {"url": url, "pullMethod": "node"}});
    let world = || world(&declared(&json!({})), vec![clean()]);
    assert_eq!(filling(&world()), (new.clone(), Value::Null, None));
    // CDI takes no change of what was made before.
    let old = json!({"registry": {"url": url}});
    for source in [old, new.clone()] {
        let made = Made { source: source.clone(), ..Made::default() };
        assert_eq!(filling(&with_disk(world(), made)).0, source);
    }
    // Another image is written, and CDI's refusal told.
    let others = Made { source: json!({"registry": {"url": "docker://registry.example/other"}}), ..Made::default() };
    assert_eq!(filling(&with_disk(world(), others)).0, new);
}

#[test]
fn a_data_source_s_claim_is_cloned_as_it_was_judged_and_the_disk_keeps_it_when_the_data_source_moves() {
    let mut spec = declared(&json!({}));
    spec["virtualMachines"][0]["image"] = json!({"dataSource": "ubuntu"});
    let golden = "cf-golden";
    let uid = |number: u8| format!("5f2c1a6e-0000-4000-8000-00000000000{number}");
    let at = |number: u8| {
        let mut world = world(&spec, vec![]);
        let clean = |number: u8| {
            let digest: Digest = format!("claim:{}", uid(number)).parse().expect("a digest");
            let Record::Result(result) = clean() else { panic!("a result") };
            (format!("cloudfarm-images/{}", digest.name("")), Record::Result(ScanResult { digest, ..result }))
        };
        let pointer = Pointer { namespace: golden.into(), name: format!("ubuntu-{number}") };
        let claim = |number| (format!("{golden}/ubuntu-{number}"), Claim { uid: uid(number), block: true });
        world.images = Arc::new(Known {
            records: Some([7, 8].map(clean).into()),
            sources: Some([(format!("{golden}/ubuntu"), Source { ready: true, claim: Some(pointer) })].into()),
            claims: Some([7, 8].map(claim).into()),
            ..(*world.images).clone()
        });
        world
    };
    let pvc = |name: &str| json!({"pvc": {"namespace": golden, "name": name}});
    let by_name = json!({"kind": "DataSource", "name": "ubuntu", "namespace": golden});
    assert_eq!(filling(&at(7)), (pvc("ubuntu-7"), Value::Null, Some("ubuntu".into())));
    // It was made of 7, and the DataSource has moved on to 8.
    let made = Made { source: pvc("ubuntu-7"), data_source: Some("ubuntu".into()), ..Made::default() };
    assert_eq!(filling(&with_disk(at(8), made.clone())), (pvc("ubuntu-7"), Value::Null, Some("ubuntu".into())));
    // One of before keeps the DataSource's name, and is not written again.
    let before = Made { source_ref: by_name.clone(), ..Made::default() };
    assert_eq!(filling(&with_disk(at(8), before)), (Value::Null, by_name.clone(), None));
    // Another DataSource's is not this one's.
    let others = Made { data_source: Some("debian".into()), ..made };
    assert_eq!(filling(&with_disk(at(8), others)).0, pvc("ubuntu-8"));
    // Nobody judged anything: CDI is told the name.
    let switched_off = |spec: &Value| {
        let mut spec = spec.clone();
        spec["antivirus"] = json!({"images": "Off"});
        spec
    };
    assert_eq!(filling(&super::images::world(&switched_off(&spec), vec![])), (Value::Null, by_name, None));
}

#[test]
fn an_exception_starts_a_vm_names_itself_and_the_gate_closes_when_it_ends() {
    let infected = || result(Finding::Infected("Eicar".into()), "2026-11-23T12:00:00Z");
    let until = "2026-11-25T00:00:00Z";
    let mut open = world(&declared(&json!({})), vec![infected(), exception(until, digest())]);
    let plan = desired(&open);
    assert_eq!(withheld(&plan), None);
    assert_eq!(
        plan.next_change(&open),
        Some(until.parse().expect("an instant")),
        "it is looked at when the exception ends"
    );
    let (status, reason, message) = said(&open, &plan);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ImageExcepted"));
    assert!(["sato", "ticket 7", until, "Eicar"].iter().all(|word| message.contains(word)), "{message}");
    open.now = until.parse().expect("an instant");
    assert_eq!(withheld(&desired(&open)), Some(Reason::ImageInfected));
    let others = format!("image:sha256:{}", "b".repeat(64)).parse().expect("a digest");
    let world = world(&declared(&json!({})), vec![infected(), exception(until, others)]);
    assert_eq!(withheld(&desired(&world)), Some(Reason::ImageInfected), "somebody else's");
}

#[test]
fn switched_off_or_without_a_scanner_nothing_waits_and_the_tenant_says_so() {
    let off = world(&declared(&json!({"antivirus": {"images": "Off"}})), vec![]);
    let plan = desired(&off);
    assert_eq!(withheld(&plan), None);
    assert_eq!(said(&off, &plan).1, "SwitchedOff");
    let none = snapshot(&declared(&json!({})));
    let plan = desired(&none);
    assert_eq!(withheld(&plan), None);
    assert_eq!(said(&none, &plan).1, "ScannerMissing");
    assert!(plan.scans.is_empty());
}

#[test]
fn nothing_that_is_not_known_opens_the_gate() {
    let mut world = world(&declared(&json!({})), vec![clean()]);
    world.images = Arc::default();
    let plan = desired(&world);
    assert_eq!(withheld(&plan), Some(Reason::NotSynced));
    assert_eq!(said(&world, &plan).0, "Unknown");
    let mut spec = declared(&json!({}));
    spec["virtualMachines"][0]["image"] = json!({"dataSource": "ubuntu"});
    let world = super::images::world(&spec, vec![clean()]);
    assert_eq!(withheld(&desired(&world)), Some(Reason::ImageUnknown));
}

#[test]
fn a_vm_that_waits_for_its_image_and_is_there_takes_its_share_of_the_contract() {
    let mut spec = declared(&json!({}));
    spec["contract"]["capacity"]["vcpus"] = json!(1);
    let mut second = machine("app", &["front"]);
    second["image"] = json!({"registry": {"url": format!("docker://registry.example/b@sha256:{}", "b".repeat(64))}});
    spec["virtualMachines"].as_array_mut().expect("a list").push(second);
    let plan = desired(&with_vm(world(&spec, vec![]), off(None)));
    let withheld = &plan.contract.as_ref().expect("a contract").withheld;
    let reasons: Vec<_> = withheld.iter().map(|held| (held.vm.as_str(), held.reason)).collect();
    assert_eq!(reasons, [("app", Reason::CapacityExceeded), ("web", Reason::ImageNotScanned)]);
}
