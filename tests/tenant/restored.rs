//! A VM that was brought back from a backup: its new disks stay, without a cluster.

use cloudfarm::api::tenant::RestoreRow;
use cloudfarm::foreign::kubevirt::Platform;
use cloudfarm::foreign::virtual_machine_snapshot::{Backup, Outcome};

use super::*;

const RESTORE: &str = "web-20261124t0200-back-0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11";
const CLAIM: &str = "restore-0b9d3c1e-5f53-4f0e-9c57-2f4d1a6f7a11-root";

fn world() -> TenantSnapshot {
    let mut spec = spec();
    spec["virtualMachines"] = json!([machine("web", &["front"])]);
    spec["backup"] = json!({"enabled": true, "schedule": "0 2 * * *", "keepLast": 2});
    snapshot(&spec)
}

/// What the VM has, of which a restore wrote the first disk.
fn vm_is(world: &mut TenantSnapshot, root: Option<&str>, ready: bool, under_way: bool) {
    let disks = [("root".to_owned(), root.map(str::to_owned)), ("data".to_owned(), None)];
    let mut facts = running(Attached::default());
    if let Facts::VirtualMachine { ready: now, restored, .. } = &mut facts {
        *now = ready;
        *restored = Restored { disks: disks.into(), by: Some(RESTORE.into()), under_way };
    }
    let vm = seen(Kind::VirtualMachine, "web", "Tenant/plum", facts);
    world.observed.insert(vm.reference.clone(), vm);
}

fn body(plan: &Plan, kind: Kind, name: &str) -> Value {
    let found = plan.desired.objects().find(|object| object.reference.kind == kind && object.reference.name == name);
    found.expect("the object").body.clone()
}

fn root(plan: &Plan) -> Value {
    body(plan, Kind::VirtualMachine, "web")["spec"]["template"]["spec"]["volumes"][0].clone()
}

fn remembered(plan: &Plan, disk: &str) -> Value {
    body(plan, Kind::DataVolume, disk)["metadata"]["annotations"]["cloudfarm.dev/restored-as"].clone()
}

#[test]
fn the_claim_of_a_restore_stays_in_the_vm_and_comes_back_with_it() {
    let by_claim = json!({"name": "root", "persistentVolumeClaim": {"claimName": CLAIM}});
    let as_made = json!({"name": "root", "dataVolume": {"name": "web-root"}});
    let mut world = world();
    assert_eq!(root(&desired(&world)), as_made);
    vm_is(&mut world, Some(CLAIM), false, true);
    let plan = desired(&world);
    assert_eq!((root(&plan), remembered(&plan, "web-root")), (by_claim.clone(), json!(CLAIM)));
    assert_eq!(remembered(&plan, "web-data"), Value::Null);

    // The VM is declared anew: its disk remembers.
    world.observed.clear();
    for (claim, volume) in [(CLAIM, &by_claim), ("db-root", &as_made)] {
        let facts = Facts::DataVolume {
            removed_at: None,
            size: Some("10Gi".into()),
            vm: None,
            restored: Some(claim.into()),
            made: Made::default(),
        };
        let disk = seen(Kind::DataVolume, "web-root", "Tenant/plum", facts);
        world.observed.insert(disk.reference.clone(), disk);
        assert_eq!(&root(&desired(&world)), volume, "{claim}");
    }
    // Somebody put the old disk back into the VM.
    vm_is(&mut world, None, false, false);
    let plan = desired(&world);
    assert_eq!((root(&plan), remembered(&plan, "web-root")), (as_made, Value::Null));
}

#[test]
fn a_restored_disk_takes_of_the_contract_beside_the_one_that_is_kept_and_grows_itself() {
    let mut world = world();
    vm_is(&mut world, Some(CLAIM), false, false);
    let taken = |world: &TenantSnapshot| {
        desired(world).contract.expect("a contract").allocation.storage.taken.nanos() / 1_000_000_000
    };
    let before = taken(&world);
    for (kind, name, facts) in [
        (
            Kind::DataVolume,
            "web-root",
            Facts::DataVolume {
                removed_at: None,
                size: Some("9Gi".into()),
                vm: None,
                restored: None,
                made: Made::default(),
            },
        ),
        (Kind::PersistentVolumeClaim, CLAIM, claim(None)),
    ] {
        let found = seen(kind, name, "Tenant/plum", facts);
        world.observed.insert(found.reference.clone(), found);
    }
    assert_eq!(taken(&world) - before, 9 << 30);
    let plan = desired(&world);
    let grown = plan.desired.claims.iter().find(|claim| claim.on.reference.kind == Kind::PersistentVolumeClaim);
    let grown = grown.expect("a claim that grows");
    assert_eq!(grown.on.reference.name, CLAIM);
    assert_eq!(grown.fields["spec"]["resources"]["requests"]["storage"], "10Gi");
}

fn claim(removed_at: Option<&str>) -> Facts {
    let size = || Some("9Gi".to_owned());
    let removed_at = removed_at.map(str::to_owned);
    Facts::PersistentVolumeClaim { requested: size(), capacity: size(), bound: true, removed_at }
}

/// Nobody could erase it before the contract's end.
#[test]
fn a_claim_that_no_vm_has_and_no_disk_remembers_says_since_when_and_takes_it_back() {
    let other = CLAIM.replace("root", "data");
    let said = |world: &TenantSnapshot| -> Vec<(String, Value)> {
        let claims = desired(world).desired.claims.into_iter();
        let claims = claims.filter(|claim| claim.on.reference.kind == Kind::PersistentVolumeClaim);
        claims.map(|claim| (claim.on.reference.name, claim.fields)).collect()
    };
    let put = |world: &mut TenantSnapshot, name: &str, facts: Facts| {
        let found = seen(Kind::PersistentVolumeClaim, name, "Tenant/plum", facts);
        world.observed.insert(found.reference.clone(), found);
    };
    let mut world = world();
    vm_is(&mut world, Some(CLAIM), false, false);
    put(&mut world, CLAIM, claim(None));
    put(&mut world, "web-root", claim(None));
    assert!(said(&world).is_empty());
    put(&mut world, &other, claim(None));
    let annotated = |annotations: Value| {
        let requests = json!({"requests": {"storage": "9Gi"}});
        json!({"metadata": {"namespace": "cf-plum", "annotations": annotations}, "spec": {"resources": requests}})
    };
    let since = annotated(json!({"cloudfarm.dev/removed-at": "2026-11-24T00:00:00Z"}));
    assert_eq!(said(&world), [(other.clone(), since)]);

    // A disk remembers it; it is not known which VMs there are; a restore is under way; it is somebody else's.
    let mut remembered = world.clone();
    let facts = Facts::DataVolume {
        removed_at: None,
        size: Some("9Gi".into()),
        vm: None,
        restored: Some(other.clone()),
        made: Made::default(),
    };
    let disk = seen(Kind::DataVolume, "db-data", "Tenant/plum", facts);
    remembered.observed.insert(disk.reference.clone(), disk);
    let mut blind = world.clone();
    blind.neighbours.kubevirt = cloudfarm::tenant::observe::Presence::Missing;
    let mut under_way = world.clone();
    vm_is(&mut under_way, Some(CLAIM), false, true);
    let mut strangers = world.clone();
    strangers.observed.values_mut().for_each(|seen| seen.ours &= seen.reference.name != other);
    for (why, world) in
        [("remembered", remembered), ("blind", blind), ("under way", under_way), ("not ours", strangers)]
    {
        assert!(said(&world).is_empty(), "{why}");
    }

    // It has said so, and then a VM has it again.
    put(&mut world, &other, claim(Some("2026-11-01T00:00:00Z")));
    assert!(said(&world).is_empty());
    put(&mut world, CLAIM, claim(Some("2026-11-01T00:00:00Z")));
    assert_eq!(said(&world), [(CLAIM.to_owned(), annotated(json!({})))]);
}

#[test]
fn a_restore_is_told_once_its_disks_are_there_and_again_once_the_vm_has_run() {
    let mut world = world();
    let good = Backup {
        of: "web".into(),
        due: "2026-11-24T17:00:00Z".parse().expect("an instant"),
        outcome: Outcome::Ready,
        quiesced: true,
        disposable: false,
    };
    let good = seen(Kind::VirtualMachineSnapshot, "web-20261125t0200", "Tenant/plum", Facts::Backup(good));
    world.observed.insert(good.reference.clone(), good);
    let mut look = |hour: i64, ready: bool, under_way: bool| -> (Option<RestoreRow>, String) {
        world.now = format!("2026-11-25T{hour:02}:00:00Z").parse().expect("an instant");
        vm_is(&mut world, Some(CLAIM), ready, under_way);
        let plan = desired(&world);
        let now = status(&world, &plan, &Applied::default());
        let said = now.conditions.iter().find(|each| each.type_ == "BackupsCurrent").expect("it").message.clone();
        let row = now.backups[0].last_restore.clone();
        world.tenant.status = Some(now);
        (row, said)
    };
    assert_eq!(look(1, false, true).0, None, "under way");
    let (back, said) = look(2, false, false);
    assert!(said.contains("no VM has been brought back from one yet"), "{said}");
    let back = back.expect("a row");
    assert_eq!((back.restore.as_str(), back.backup.as_str()), (RESTORE, "web-20261124t0200"));
    assert_eq!((back.at.0.to_string().as_str(), back.ran_at.clone()), ("2026-11-25T02:00:00Z", None));
    let (ran, said) = look(3, true, false);
    assert!(said.contains("web last ran from one (web-20261124t0200) on 2026-11-25T12:00:00+09:00"), "{said}");
    let ran = ran.expect("a row");
    assert_eq!(
        (&ran.at, ran.ran_at.as_ref().expect("it ran").0.to_string()),
        (&back.at, "2026-11-25T03:00:00Z".into())
    );
    assert_eq!(look(9, false, false).0, Some(ran), "nothing in it moves");
}

/// Somebody put the old disk back before it was started, or it was brought back once more.
#[test]
fn a_vm_that_runs_from_other_disks_proves_nothing_about_the_backup() {
    for root in [None, Some("restore-11111111-5f53-4f0e-9c57-2f4d1a6f7a11-root")] {
        let mut world = world();
        for (ready, root) in [(false, Some(CLAIM)), (true, root)] {
            vm_is(&mut world, root, ready, false);
            let plan = desired(&world);
            world.tenant.status = Some(status(&world, &plan, &Applied::default()));
        }
        let row = world.tenant.status.expect("a status").backups.remove(0).last_restore.expect("a row");
        assert_eq!((row.restore.as_str(), row.ran_at), (RESTORE, None), "{root:?}");
    }
}

#[test]
fn an_export_is_fetched_by_way_of_the_namespace_that_kubevirt_is_in_and_only_after_the_end() {
    let mut world = world();
    let door = |world: &TenantSnapshot| -> Option<Value> {
        let plan = desired(world);
        let found = plan.desired.objects().find(|object| object.reference.name == "cloudfarm-hand-back");
        Some(found?.body["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"].clone())
    };
    assert_eq!(door(&world), None);
    world.tenant.spec.contract.end_date = Some("2026-11-20".into());
    for (platform, namespace) in [
        (Platform::NotInstalled, "kubevirt"),
        (Platform::Unreadable("odd".into()), "kubevirt"),
        (Platform::Configured("openshift-cnv/kubevirt-hyperconverged".into(), Box::default()), "openshift-cnv"),
    ] {
        world.platform = Arc::new(platform);
        assert_eq!(door(&world), Some(json!([namespace])));
    }
}
