//! What is said of VMs that are there, and what is made of them, without a cluster.

use super::*;

/// A VM of tenant plum, as KubeVirt says it is.
fn vm(name: &str, printable_status: &str, stopped: Option<&str>, trouble: Option<Trouble>) -> Observation {
    let facts = Facts::VirtualMachine {
        ready: printable_status == "Running",
        printable_status: printable_status.into(),
        halted: stopped.is_some(),
        idle: stopped.map(|_| "Halted".into()),
        live: stopped.is_none(),
        stopped: stopped.map(str::to_owned),
        trouble,
        networks: Attached::default(),
        guest: None,
        restored: Restored::default(),
    };
    seen(Kind::VirtualMachine, name, "Tenant/plum", facts)
}

#[test]
fn a_vm_that_was_stopped_by_hand_stays_off_until_its_declaration_changes() {
    let run_strategy = |declared: &str, suspended: bool, stopped: Option<&str>| {
        let mut spec = spec();
        spec["suspended"] = json!(suspended);
        spec["virtualMachines"][0]["runStrategy"] = json!(declared);
        let name = spec["virtualMachines"][0]["name"].as_str().expect("a name").to_owned();
        let mut world = snapshot(&spec);
        let found = vm(&name, "Stopped", stopped, None);
        world.observed.insert(found.reference.clone(), found);
        let plan = desired(&world);
        let of =
            |object: &&DesiredObject| object.reference.kind == Kind::VirtualMachine && object.reference.name == name;
        let body = plan.desired.objects().find(of).expect("a VM").body.clone();
        let text = |value: &Value| value.as_str().expect("a word").to_owned();
        (text(&body["spec"]["runStrategy"]), text(&body["metadata"]["annotations"]["cloudfarm.dev/run-strategy"]))
    };
    let is = |run_strategy: &str, declared: &str| (run_strategy.to_owned(), declared.to_owned());
    assert_eq!(run_strategy("Always", false, None), is("Always", "Always"));
    assert_eq!(run_strategy("Always", false, Some("Always")), is("Halted", "Always"));
    assert_eq!(run_strategy("Manual", false, Some("Always")), is("Manual", "Manual"), "declared anew");
    assert_eq!(run_strategy("Always", true, Some("Always")), is("Halted", "Halted"), "suspended");
}

#[test]
fn each_vm_in_trouble_is_told_and_a_vm_that_may_rest_is_as_declared_when_it_does() {
    let told = |strategy: &str, vms: [Observation; 3]| {
        let mut spec = spec();
        for vm in spec["virtualMachines"].as_array_mut().expect("a list") {
            vm["runStrategy"] = json!(strategy);
        }
        let mut world = snapshot(&spec);
        world.observed = vms.into_iter().map(|vm| (vm.reference.clone(), vm)).collect();
        let plan = desired(&world);
        let status = status(&world, &plan, &Applied::default());
        let found = status.conditions.iter().find(|each| each.type_ == "VirtualMachinesReady").expect("it").clone();
        (found.status, found.reason, found.message, status.vms_summary.expect("a summary"))
    };
    let trouble = |reason, message: &str| Some(Trouble { reason, message: message.into() });
    let (status, reason, message, summary) = told(
        "Always",
        [
            vm("app", "Starting", None, trouble(Reason::StartRefused, "exceeded quota")),
            vm("db", "Running", None, None),
            vm("web", "Running", None, trouble(Reason::RestartRequired, "an earlier declaration")),
        ],
    );
    assert_eq!((status.as_str(), summary.as_str()), ("False", "1/3"));
    assert!(["StartRefused", "RestartRequired"].contains(&reason.as_str()), "{reason}");
    assert!(message.contains("app: exceeded quota") && message.contains("web: an earlier declaration"), "{message}");

    let resting =
        || [vm("app", "Stopped", None, None), vm("db", "Running", None, None), vm("web", "Stopped", None, None)];
    assert_eq!(told("Manual", resting()).3, "3/3");
    assert_eq!(told("Always", resting()).3, "1/3");
    let by_hand =
        [vm("app", "Stopped", Some("Always"), None), vm("db", "Running", None, None), vm("web", "Running", None, None)];
    let (status, _, message, _) = told("Always", by_hand);
    assert_eq!((status.as_str(), message.as_str()), ("True", "all 3 VMs are as declared; stopped by hand: app"));
}

#[test]
fn two_vms_that_would_share_a_disk_are_told_apart() {
    let mut spec = spec();
    spec["virtualMachines"] = json!([
        {"name": "a-b", "instancetype": "small", "image": {"dataSource": "u"}, "disks": [{"name": "c", "size": "1Gi"}], "networks": [{"name": "front"}]},
        {"name": "a", "instancetype": "small", "image": {"dataSource": "u"}, "disks": [{"name": "b-c", "size": "1Gi"}], "networks": [{"name": "front"}]},
    ]);
    let contract = desired(&snapshot(&spec)).contract.expect("a contract");
    let told: Vec<_> =
        contract.withheld.iter().map(|each| (each.vm.as_str(), each.reason, &each.message[..])).collect();
    let message = "its disk would be called a-b-c, which is a disk of VM \"a\"; give this VM or its disk another name";
    assert_eq!(told, [("a-b", Reason::Invalid, message)]);
}

#[test]
fn a_vm_is_written_over_exactly_the_one_that_was_looked_at() {
    let decided_by = |world: &TenantSnapshot| {
        let plan = desired(world);
        let vm = plan.desired.objects().find(|object| object.reference.kind == Kind::VirtualMachine).expect("a VM");
        vm.decided_by.as_ref().map(|seen| seen.uid.clone())
    };
    let mut world = snapshot(&of_a_hundred(&[("web", "10Gi")]));
    assert_eq!(decided_by(&world), None);
    let vm = seen(Kind::VirtualMachine, "web", "Tenant/plum", running(Attached::default()));
    world.observed.insert(vm.reference.clone(), vm);
    assert_eq!(decided_by(&world).as_deref(), Some("uid-of-web"));
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
fn a_neighbour_that_was_not_listed_yet_is_never_said_to_be_missing_and_nothing_is_made_meanwhile() {
    use cloudfarm::tenant::observe::Presence::{Listed, Missing, Unlisted};
    let cases = [
        (Missing, Listed, "KubeVirtMissing", "KubeVirt is not installed"),
        (Unlisted, Listed, "NotSynced", "KubeVirt is installed, but what it holds could not be listed yet"),
        (Listed, Missing, "CdiMissing", "CDI is not installed"),
        (Listed, Unlisted, "NotSynced", "CDI is installed, but what it holds could not be listed yet"),
    ];
    for (kubevirt, cdi, reason, message) in cases {
        let mut world = snapshot(&spec());
        (world.neighbours.kubevirt, world.neighbours.cdi) = (kubevirt, cdi);
        let plan = desired(&world);
        let status = status(&world, &plan, &Applied::default());
        let found = status.conditions.iter().find(|each| each.type_ == "VirtualMachinesReady").expect("it");
        assert_eq!((&*found.status, &*found.reason), ("False", reason), "{kubevirt:?} {cdi:?}");
        assert!(found.message.contains(message), "{}", found.message);
        let made = plan.desired.objects().filter(|object| object.reference.kind == Kind::VirtualMachine).count();
        assert_eq!(made, 0, "{kubevirt:?} {cdi:?}");
    }
}
