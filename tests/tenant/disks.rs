//! What disks that are there take, need and are called, without a cluster.

use cloudfarm::api::tenant::TenantStatus;
use cloudfarm::tenant::guest::Sealed;
use cloudfarm::tenant::guest::book::{Book, Entry};
use cloudfarm::tenant::observe::unwritten;
use k8s_openapi::jiff::Timestamp;

use super::*;

const CLAIM: &str = "restore-0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11-root";

fn in_files(world: &mut TenantSnapshot) {
    let mut config = (*world.config).clone();
    config.storage.volume_mode = "Filesystem".into();
    world.config = Arc::new(config);
}

fn there(world: &mut TenantSnapshot, object: Observation) {
    world.observed.insert(object.reference.clone(), object);
}

fn hard(world: &TenantSnapshot, resource: &str) -> String {
    let plan = desired(world);
    let quota = plan.desired.objects().find(|object| object.reference.kind == Kind::ResourceQuota).expect("a quota");
    quota.body["spec"]["hard"][resource].as_str().expect("a limit").to_owned()
}

#[test]
fn the_quota_has_room_for_what_cdi_needs_while_disks_are_filled_and_none_when_they_are_full() {
    let of_class = "cf-jp-encrypted.storageclass.storage.k8s.io/requests.storage";
    let limits = |world: &TenantSnapshot| [hard(world, "requests.storage"), hard(world, of_class)];
    // 5 x 20Mi for TPM and UEFI.
    let machines = [("app", "30Gi"), ("web", "60Gi")];
    let mut world = snapshot(&of_a_hundred(&machines));
    let mebibytes = |gib: i64| format!("{}Mi", gib * 1024 + 100);
    assert_eq!(limits(&world), [mebibytes(100 + 90 + 60), mebibytes(100 + 90 + 60)], "a prime for each, one scratch");
    disks(&mut world, &[("web-root", "60Gi", "60Gi")]);
    assert_eq!(limits(&world), [mebibytes(100 + 30 + 30), mebibytes(100 + 30 + 30)]);
    disks(&mut world, &[("app-root", "30Gi", "30Gi")]);
    assert_eq!(limits(&world), [mebibytes(100), mebibytes(100)], "the contract is the wall");
    in_files(&mut world);
    assert_eq!(hard(&world, "requests.storage"), format!("{}Mi", 100 * 1024 * 9 / 8 + 100), "file systems around them");
    // What is larger than the contract is never made, and all of them never need more than the contract again.
    let world = snapshot(&of_a_hundred(&[("app", "101Gi"), ("db", "60Gi"), ("web", "60Gi")]));
    assert_eq!(hard(&world, "requests.storage"), mebibytes(100 + 100 + 60));
}

#[test]
fn the_quota_counts_what_is_kept_brought_back_and_under_way_beside_the_disks() {
    let counts = |world: &TenantSnapshot| {
        [hard(world, "persistentvolumeclaims"), hard(world, "count/datavolumes.cdi.kubevirt.io")]
    };
    let mut world = snapshot(&of_a_hundred(&[("web", "10Gi")]));
    disks(&mut world, &[("web-root", "10Gi", "10Gi")]);
    // 5 VMs with 16 disks and a state each; one VM brought back and one handed back.
    assert_eq!(counts(&world), ["119", "80"]);
    disks(&mut world, &[("old-root", "10Gi", "10Gi")]);
    assert_eq!(counts(&world), ["120", "81"]);
    let claim =
        Facts::PersistentVolumeClaim { requested: Some("10Gi".into()), capacity: None, bound: true, removed_at: None };
    there(&mut world, seen(Kind::PersistentVolumeClaim, CLAIM, "Tenant/plum", claim));
    assert_eq!(counts(&world), ["121", "81"]);
    world.observed.retain(|reference, _| reference.name != "web-root");
    assert_eq!(counts(&world), ["123", "81"], "prime and scratch of a disk that is filled");
}

fn said(world: &TenantSnapshot, type_: &str) -> String {
    let status = status(world, &desired(world), &Applied::default());
    status.conditions.iter().find(|each| each.type_ == type_).expect("the condition").message.clone()
}

#[test]
fn a_vm_that_waits_for_its_disk_names_the_data_volume() {
    let mut world = snapshot(&of_a_hundred(&[("app", "10Gi"), ("web", "10Gi")]));
    disks(&mut world, &[("app-root", "10Gi", "10Gi")]);
    let waiting = |ready: bool| {
        let mut facts = running(Attached::default());
        if let Facts::VirtualMachine { ready: now, .. } = &mut facts {
            *now = ready;
        }
        facts
    };
    there(&mut world, seen(Kind::VirtualMachine, "app", "Tenant/plum", running(Attached::default())));
    there(&mut world, seen(Kind::VirtualMachine, "web", "Tenant/plum", waiting(false)));
    let told = said(&world, "VirtualMachinesReady");
    assert!(told.starts_with("1 of 2") && told.ends_with("without a volume yet: DataVolume web-root"), "{told}");
    there(&mut world, seen(Kind::VirtualMachine, "web", "Tenant/plum", waiting(true)));
    assert!(!said(&world, "VirtualMachinesReady").contains("DataVolume"));
}

fn rows(status: &TenantStatus) -> BTreeMap<&str, &str> {
    status.capacity.iter().map(|row| (row.resource.as_str(), row.allocated.as_str())).collect()
}

#[test]
fn beside_a_living_vm_of_unknown_size_nothing_new_is_made_and_nothing_is_called_little() {
    let mut spec = spec();
    spec["virtualMachines"][2]["instancetype"] = json!("gone");
    let mut world = snapshot(&spec);
    let rows_of = |world: &TenantSnapshot| {
        let plan = desired(world);
        let machines = plan.desired.objects().filter(|object| object.reference.kind == Kind::VirtualMachine);
        let machines: Vec<String> = machines.map(|object| object.reference.name.clone()).collect();
        (machines, status(world, &plan, &Applied::default()))
    };
    let (machines, status) = rows_of(&world);
    assert_eq!(machines, ["app", "web"], "one that is not there takes nothing");
    assert_eq!(rows(&status)["instances"], "2");
    for vm in ["app", "db"] {
        there(&mut world, seen(Kind::VirtualMachine, vm, "Tenant/plum", running(Attached::default())));
    }
    let (machines, status) = rows_of(&world);
    assert_eq!(machines, ["app"], "web is new");
    let found = rows(&status);
    assert_eq!((found["instances"], found["vcpus"], found["memory"]), ("2", "unknown", "unknown"));
    assert_eq!(found["storage"], "16Gi");
    let told = said(&world, "VirtualMachinesReady");
    assert!(
        told.contains("web: nobody knows how much of the contract is left: the instance type of VM \"db\""),
        "{told}"
    );
}

#[test]
fn no_vm_gets_the_disk_of_another_whoever_is_there_and_whoever_is_gone() {
    // VM "a-b" has a disk "c", and VM "a" a disk "b-c".
    let mut spec = spec();
    let vm = |name: &str, disk: &str| {
        let mut machine = machine(name, &["front"]);
        machine["disks"] = json!([{"name": disk, "size": "10Gi"}]);
        machine
    };
    let both = |spec: &mut Value| spec["virtualMachines"] = json!([vm("a", "b-c"), vm("a-b", "c")]);
    both(&mut spec);
    let living = |name: &str| seen(Kind::VirtualMachine, name, "Tenant/plum", running(Attached::default()));
    let withheld = |world: &TenantSnapshot| -> Vec<String> {
        let withheld = desired(world).contract.expect("a contract").withheld;
        withheld.into_iter().filter(|each| each.message.contains("would be called a-b-c")).map(|each| each.vm).collect()
    };
    let mut world = snapshot(&spec);
    assert_eq!(withheld(&world), ["a-b"], "the first by name has it");
    there(&mut world, living("a-b"));
    assert_eq!(withheld(&world), ["a"], "whoever lives has it");
    // Even if it is withheld for another reason before its disks are looked at.
    spec["virtualMachines"][1]["instancetype"] = json!("gone");
    let mut world = snapshot(&spec);
    there(&mut world, living("a-b"));
    let told = desired(&world).contract.expect("a contract").withheld;
    assert_eq!(told.iter().map(|each| each.vm.as_str()).collect::<Vec<_>>(), ["a", "a-b"]);

    // The other one is gone, and its disk is kept.
    spec["virtualMachines"] = json!([vm("a", "b-c")]);
    for (made_for, refused) in [(Some("a-b"), vec!["a".to_owned()]), (Some("a"), vec![]), (None, vec![])] {
        let mut world = snapshot(&spec);
        let vm = made_for.map(str::to_owned);
        let facts = Facts::DataVolume {
            removed_at: None,
            size: Some("10Gi".into()),
            vm,
            restored: None,
            made: Made::default(),
        };
        there(&mut world, seen(Kind::DataVolume, "a-b-c", "Tenant/plum", facts));
        assert_eq!(withheld(&world), refused, "{made_for:?}");
    }
    let made = body(&desired(&snapshot(&spec)), "DataVolume cf-plum/a-b-c");
    assert_eq!(made["metadata"]["annotations"]["cloudfarm.dev/vm"], "a");
}

#[test]
fn what_a_restored_disk_has_grown_by_is_paid_for_once() {
    let taken = |restored: &str, wanted: &str| {
        let mut world = snapshot(&of_a_hundred(&[("web", wanted)]));
        disks(&mut world, &[("web-root", "10Gi", "10Gi")]);
        let size = Some(restored.to_owned());
        let claim =
            Facts::PersistentVolumeClaim { requested: size.clone(), capacity: size, bound: true, removed_at: None };
        there(&mut world, seen(Kind::PersistentVolumeClaim, CLAIM, "Tenant/plum", claim));
        let mut facts = running(Attached::default());
        if let Facts::VirtualMachine { restored, .. } = &mut facts {
            restored.disks = BTreeMap::from([("root".into(), Some(CLAIM.into()))]);
        }
        there(&mut world, seen(Kind::VirtualMachine, "web", "Tenant/plum", facts));
        stored(&world).0
    };
    assert_eq!(taken("10Gi", "10Gi"), "20Gi");
    assert_eq!(taken("10Gi", "30Gi"), "40Gi", "20Gi more are asked for");
    assert_eq!(taken("30Gi", "30Gi"), "40Gi", "they are there");
}

/// What is asked of the claim, and what is said of the disk.
fn grown(made: &str, claim: (&str, &str), wanted: &str, files: bool) -> (Vec<String>, Option<Reason>) {
    let mut world = snapshot(&of_a_hundred(&[("web", wanted)]));
    if files {
        in_files(&mut world);
    }
    disks(&mut world, &[("web-root", made, claim.0)]);
    let (requested, capacity) = (Some(claim.0.to_owned()), Some(claim.1.to_owned()));
    let facts = Facts::PersistentVolumeClaim { requested, capacity, bound: true, removed_at: None };
    there(&mut world, seen(Kind::PersistentVolumeClaim, "web-root", "Tenant/plum", facts));
    let plan = desired(&world);
    let claims = plan.desired.claims.iter().map(|claim| &claim.fields["spec"]["resources"]["requests"]["storage"]);
    let claims = claims.filter_map(Value::as_str).map(str::to_owned).collect();
    (claims, plan.contract.expect("a contract").disks.first().map(|(reason, _)| *reason))
}

#[test]
fn a_disk_in_files_grows_with_what_is_around_it_and_is_not_called_larger_for_it() {
    let none = Vec::<String>::new;
    // 10Gi with a twentieth around it.
    assert_eq!(grown("10Gi", ("10752Mi", "10752Mi"), "10Gi", true), (none(), None));
    assert_eq!(
        grown("10Gi", ("10752Mi", "10752Mi"), "20Gi", true),
        (vec!["21Gi".into()], Some(Reason::Progressing)),
        "20Gi with as much around them"
    );
    assert_eq!(grown("10Gi", ("21Gi", "10752Mi"), "20Gi", true), (none(), Some(Reason::Progressing)), "not there yet");
    assert_eq!(grown("10Gi", ("21Gi", "21Gi"), "20Gi", true), (none(), None));
    assert_eq!(grown("10Gi", ("21Gi", "21Gi"), "15Gi", true), (none(), Some(Reason::DiskShrunk)));
    assert_eq!(grown("10Gi", ("21Gi", "21Gi"), "10Gi", true), (none(), Some(Reason::DiskShrunk)), "as it was made");
    // A claim that has grown tells no more how much of it is around its disk.
    assert_eq!(grown("10Gi", ("21Gi", "21Gi"), "40Gi", true), (vec!["45Gi".into()], Some(Reason::Progressing)));
    // A little more than it was made with is asked for once, and is told from what was around it.
    let (asked, _) = grown("10Gi", ("10752Mi", "10752Mi"), "10300Mi", true);
    assert_eq!(asked, ["11521Mi"]);
    assert_eq!(grown("10Gi", (&asked[0], &asked[0]), "10300Mi", true), (none(), None));
    // Nothing is around a block device.
    assert_eq!(grown("10Gi", ("10Gi", "10Gi"), "20Gi", false), (vec!["20Gi".into()], Some(Reason::Progressing)));
    assert_eq!(grown("10Gi", ("20Gi", "20Gi"), "10Gi", false), (none(), Some(Reason::DiskShrunk)));
}

#[test]
fn a_change_that_did_not_arrive_is_looked_at_again_with_the_next_pass() {
    let mut world = snapshot(&spec());
    let now: Timestamp = world.now;
    let later = now + k8s_openapi::jiff::SignedDuration::from_mins(30);
    let book = Book::default();
    let entry = Entry { secret: None, next: later, refusal: None, failures: 0 };
    book.keep("plum", ["web", "app", "db"].map(|vm| (vm.to_owned(), entry.clone())).into());
    let record = world.guests.by_vm["db"].record().expect("a record").clone();
    world.guests.by_vm.insert("db".into(), Guest::Known(record));
    assert!(matches!(&world.guests.by_vm["web"], Guest::Looked { data: Sealed(_), .. }));
    let mut applied = Applied::default();
    let secret = seen(Kind::Secret, "cloudfarm-guest-app", "Tenant/plum", Facts::None);
    applied.observed.insert(secret.reference.clone(), secret);
    let next = |vm: &str| book.of_tenant("plum")[vm].next;
    unwritten(&book, &world, &applied);
    assert_eq!((next("app"), next("db")), (later, later), "one has arrived, one was not looked at");
    assert_eq!(next("web").duration_since(now).as_secs(), 30, "withheld for nobody knows how long");
    let reference =
        Reference { kind: Kind::ResourceQuota, namespace: Some("cf-plum".into()), name: "cloudfarm".into() };
    let cause = cloudfarm::cluster::applied::Cause::Waiting;
    applied.faults.push(cloudfarm::cluster::applied::Fault { reference, cause, message: "waits".into() });
    unwritten(&book, &world, &applied);
    assert_eq!(next("web"), now, "the pass did not come so far");
}

#[test]
fn only_guests_that_can_be_handed_keys_and_an_agent_are_said_to_get_them() {
    let told = |systems: [&str; 2]| {
        let mut spec = of_a_hundred(&[("app", "10Gi"), ("web", "10Gi")]);
        for (number, os) in systems.iter().enumerate() {
            spec["virtualMachines"][number]["os"] = json!(os);
        }
        said(&snapshot(&spec), "GuestFloor")
    };
    let keys = "SSH by keys alone and the guest agent";
    assert!(told(["Linux", "Linux"]).contains(&format!("; a guest also {keys}")), "{}", told(["Linux", "Linux"]));
    assert!(told(["Linux", "Windows"]).contains(&format!("; a guest of Linux also {keys}")));
    assert!(!told(["Windows", "Windows"]).contains("SSH"));
}
