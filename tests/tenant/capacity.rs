//! What of a contract its VMs and disks take, and which VMs find no room in it, without a cluster.

use super::*;

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

#[test]
fn a_disk_without_a_vm_takes_of_the_contract_until_it_is_erased_and_what_runs_is_what_is_used() {
    let mut world = snapshot(&spec());
    let vm = |live: bool, outdated: bool| Facts::VirtualMachine {
        ready: live,
        printable_status: String::new(),
        halted: false,
        idle: None,
        live,
        stopped: None,
        trouble: None,
        networks: Attached { to: BTreeSet::new(), outdated },
        guest: None,
        restored: Restored::default(),
    };
    let disk = |size: &str| Facts::DataVolume {
        removed_at: None,
        size: Some(size.into()),
        vm: None,
        restored: None,
        made: Made::default(),
    };
    for object in [
        seen(Kind::VirtualMachine, "web", "Tenant/plum", vm(true, false)),
        seen(Kind::VirtualMachine, "app", "Tenant/plum", vm(false, false)),
        seen(Kind::DataVolume, "web-root", "Tenant/plum", disk("10Gi")),
        seen(Kind::DataVolume, "old-root", "Tenant/plum", disk("100Gi")),
    ] {
        world.observed.insert(object.reference.clone(), object);
    }
    let rows = |world: &TenantSnapshot| -> Vec<(String, String, Option<String>)> {
        let status = status(world, &desired(world), &Applied::default());
        status.capacity.into_iter().map(|row| (row.resource, row.allocated, row.used)).collect()
    };
    let row = |resource: &str, allocated: &str, used: Option<&str>| {
        (resource.to_owned(), allocated.to_owned(), used.map(str::to_owned))
    };
    // Three VMs of 16Gi of disks each; one runs.
    let told = [
        row("instances", "3", Some("2")),
        row("memory", "12Gi", Some("4Gi")),
        row("storage", "148Gi", None),
        row("vcpus", "3", Some("1")),
    ];
    assert_eq!(rows(&world), told);
    let volume = |claim: &str, bound: bool| VolumePlace {
        tenant: "plum".into(),
        claim: claim.into(),
        size: "11Gi".parse().ok(),
        bound,
        ..VolumePlace::default()
    };
    let volumes = [
        volume("web-root", true),
        volume("prime-5f2c1a6e-0000-4000-8000-000000000001", true),
        volume("persistent-state-for-web-abcde", true),
        volume("old-root", false),
    ];
    let volumes = volumes.into_iter().enumerate();
    world.volumes = Some(volumes.map(|(number, volume)| (format!("pv-{number}"), Arc::new(volume))).collect());
    // The storage has rounded up; what passes, what KubeVirt keeps and what nobody has now was not bought.
    assert_eq!(rows(&world)[2], row("storage", "148Gi", Some("10Gi")));
    let changed = seen(Kind::VirtualMachine, "web", "Tenant/plum", vm(true, true));
    world.observed.insert(changed.reference.clone(), changed);
    assert_eq!(rows(&world)[3], row("vcpus", "3", None), "what runs was started from another declaration");
}

#[test]
fn a_disk_that_is_kept_leaves_that_much_less_for_new_vms_and_the_message_names_it() {
    let mut world = snapshot(&of_a_hundred(&[("web", "41Gi")]));
    disks(&mut world, &[("old-root", "60Gi", "60Gi")]);
    let told = "web: CapacityExceeded does not fit the contract (storage: needs 41Gi, 60Gi of 100Gi contracted are taken, 60Gi of them by disks that no VM has)";
    assert_eq!(stored(&world), ("60Gi".into(), vec![told.into()]));
    let mut world = snapshot(&of_a_hundred(&[("web", "40Gi")]));
    disks(&mut world, &[("old-root", "60Gi", "60Gi")]);
    assert_eq!(stored(&world), ("100Gi".into(), vec![]), "to the byte");
}

#[test]
fn a_vm_that_takes_up_a_kept_disk_pays_what_it_grows_by_and_no_other_vm_takes_its_place() {
    let kept = [("web-root", "60Gi", "60Gi")];
    for (size, allocated, fits) in [("60Gi", "60Gi", true), ("100Gi", "100Gi", true), ("101Gi", "60Gi", false)] {
        let mut world = snapshot(&of_a_hundred(&[("web", size)]));
        disks(&mut world, &kept);
        let (taken, withheld) = stored(&world);
        assert_eq!((taken.as_str(), withheld.is_empty()), (allocated, fits), "{size}: {withheld:?}");
    }
    // First by name, and yet what web's disk holds is not to be had.
    let mut world = snapshot(&of_a_hundred(&[("app", "41Gi"), ("web", "60Gi")]));
    disks(&mut world, &kept);
    let (taken, withheld) = stored(&world);
    assert!(taken == "60Gi" && withheld.len() == 1 && withheld[0].starts_with("app:"), "{taken} {withheld:?}");
}

#[test]
fn a_disk_counts_with_the_size_it_has_grown_to_and_not_with_the_file_system_around_it() {
    let count = |made: &str, claim: &str, mode: &str| {
        let mut world = snapshot(&of_a_hundred(&[]));
        let mut config = (*world.config).clone();
        config.storage.volume_mode = mode.into();
        world.config = Arc::new(config);
        disks(&mut world, &[("old-root", made, claim)]);
        stored(&world).0
    };
    assert_eq!(count("10Gi", "70Gi", "Block"), "70Gi");
    assert_eq!(count("10Gi", "70Gi", "Filesystem"), "70Gi");
    assert_eq!(count("10Gi", "10836Mi", "Filesystem"), "10Gi", "5.5 % around it");
    assert_eq!(count("10Gi", "10836Mi", "Block"), "10836Mi", "nothing is around a block device");
    // Declared anew with the size it was made with, it has what it has grown to.
    let mut world = snapshot(&of_a_hundred(&[("app", "31Gi"), ("web", "10Gi")]));
    disks(&mut world, &[("web-root", "10Gi", "70Gi")]);
    let (taken, withheld) = stored(&world);
    assert!(taken == "70Gi" && withheld.len() == 1 && withheld[0].starts_with("app:"), "{taken} {withheld:?}");
}

#[test]
fn a_living_vm_that_wants_more_than_fits_takes_what_it_has_also_without_its_instance_type() {
    let living = |instancetype: &str, size: &str| {
        let mut spec = of_a_hundred(&[("app", "41Gi"), ("web", size)]);
        spec["virtualMachines"][1]["instancetype"] = json!(instancetype);
        let mut world = snapshot(&spec);
        disks(&mut world, &[("web-root", "60Gi", "60Gi")]);
        let vm = seen(Kind::VirtualMachine, "web", "Tenant/plum", running(Attached::default()));
        world.observed.insert(vm.reference.clone(), vm);
        let (taken, withheld) = stored(&world);
        let withheld: Vec<String> = withheld.iter().map(|each| each.split(' ').take(2).collect::<String>()).collect();
        (taken, withheld.join(" "))
    };
    assert_eq!(living("small", "60Gi"), ("60Gi".into(), "app:CapacityExceeded".into()));
    assert_eq!(living("small", "101Gi"), ("60Gi".into(), "app:CapacityExceeded web:CapacityExceeded".into()));
    assert_eq!(living("gone", "60Gi"), ("60Gi".into(), "app:InstancetypeNotFound web:InstancetypeNotFound".into()));
}
