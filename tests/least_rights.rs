//! I12: rights granted are rights used. `make test` keeps of every plane which role allowed which request
//! (`controlplane/rights.sh`), and `make rights` judges it: a right that no test made use of is a right too many.
//!
//! What programs of ours hold counts as used only when the program itself used it. People's roles are used by tests that
//! ask as such a person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "support/rights.rs"]
mod rights;

use rights::{ASKED_BY_ADMISSION, Right, shipped};

/// Capsule's chart with `manager.rbac.minimal: true`, which is the strictest it offers (its `rbac.yaml` at commit
/// 096e7fc5, counted by hand on 2026-11-29): rights, those with a wildcard, those that write.
const CAPSULE_MINIMAL: Count = Count { rights: 311, wildcards: 5, writes: 162 };

/// `ClusterRole cloudfarm`, `Role cloudfarm in cloudfarm-system`.
fn role(right: &Right) -> String {
    let Right { kind, role, namespace, .. } = right;
    namespace.as_ref().map_or_else(|| format!("{kind} {role}"), |namespace| format!("{kind} {role} in {namespace}"))
}

fn told(right: &Right) -> String {
    let Right { group, resource, verb, name, .. } = right;
    let (dot, space) = (if group.is_empty() { "" } else { "." }, if name.is_some() { " " } else { "" });
    format!("{}: {verb} {resource}{dot}{group}{space}{}", role(right), name.as_deref().unwrap_or_default())
}

#[derive(Clone, Copy, Default)]
struct Count {
    rights: usize,
    wildcards: usize,
    writes: usize,
}

impl Count {
    fn of<'a>(rights: impl Iterator<Item = &'a Right>) -> Self {
        let reads = ["get", "list", "watch"];
        rights.fold(Self::default(), |count, right| Self {
            rights: count.rights + 1,
            wildcards: count.wildcards
                + usize::from([&right.group, &right.resource, &right.verb].contains(&&"*".to_owned())),
            writes: count.writes + usize::from(!reads.contains(&right.verb.as_str())),
        })
    }
}

/// Every right that the manifests give. What is gathered into an aggregated role is asked for by that role's name.
fn granted() -> BTreeSet<Right> {
    let gathered = |right: Right| match right.role.as_str() {
        "cloudfarm-purge-inventory-known" => Right { role: "cloudfarm-purge-inventory".into(), ..right },
        _ => right,
    };
    shipped().into_iter().map(gathered).collect()
}

/// Every right that a request made use of, in any plane of the run.
fn used(folder: &Path) -> BTreeSet<Right> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    assert!(files.len() > 5, "{files:?}: too few planes for a whole test run");
    files.iter().flat_map(|file| rights_in(&std::fs::read_to_string(file).expect("text"))).collect()
}

fn rights_in(text: &str) -> Vec<Right> {
    text.lines().flat_map(rights_of).collect()
}

fn rights_of(line: &str) -> Vec<Right> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [verb, code, about, binding, kind, role, bound] = fields[..] else { panic!("{line:?}") };
    // A request to a path that is no resource.
    let Ok(about) = serde_json::from_str::<Value>(about) else { return Vec::new() };
    let text = |field: &str| about[field].as_str().unwrap_or_default().to_owned();
    let resource = match about["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text("resource")),
        None => text("resource"),
    };
    let namespace = binding.split_once('/').filter(|_| kind == "Role").map(|(_, namespace)| namespace.to_owned());
    let right = |group: &str, resource: &str, verb: &str, name: Option<String>| Right {
        kind: kind.to_owned(),
        role: role.to_owned(),
        namespace: namespace.clone(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: verb.to_owned(),
        name,
    };
    let name = about["name"].as_str().map(str::to_owned);
    let mut rights = vec![right(&text("apiGroup"), &resource, verb, name.clone())];
    // A server-side apply that makes an object needs `create`, too; the audit log has only the patch.
    if (verb, code) == ("patch", "201") {
        rights.push(right(&text("apiGroup"), &resource, "create", name));
    }
    if !bound.is_empty() {
        rights.push(right("rbac.authorization.k8s.io", "clusterroles", "bind", Some(bound.to_owned())));
    }
    rights
}

/// Was it made use of? A right about every object is, by a request about any.
fn is_used(right: &Right, used: &BTreeSet<Right>) -> bool {
    let same = |other: &&Right| {
        let place = |right: &Right| Right { name: None, ..right.clone() };
        place(other) == place(right)
    };
    // Requests that a ClusterRole allowed are kept without names; of those only `bind` is about names.
    used.iter().filter(same).any(|other| right.name.is_none() || other.name.is_none() || other.name == right.name)
}

/// The tests' own servers stop a moment after the tests do, and only then is it known what they saw. The last thing that
/// goes are their process ids.
fn all_planes_are_gone() {
    let planes = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-planes");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let left: Vec<_> = std::fs::read_dir(&planes)
            .into_iter()
            .flatten()
            .flatten()
            .map(|plane| plane.path().join("pid"))
            .filter(|pids| pids.exists())
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "these planes do not end: {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_right_that_is_granted_was_used_in_the_test_run() {
    let folder = std::env::var_os("CLOUDFARM_RIGHTS").expect("CLOUDFARM_RIGHTS: run `make test`, then `make rights`");
    all_planes_are_gone();
    let (granted, used) = (granted(), used(Path::new(&folder)));

    let mut by_role: BTreeMap<String, Vec<&Right>> = BTreeMap::new();
    for right in &granted {
        by_role.entry(role(right)).or_default().push(right);
    }
    println!("{:<52} {:>6} {:>9} {:>6}", "rights", "all", "wildcards", "writes");
    let line = |what: &str, count: Count| {
        println!("{what:<52} {:>6} {:>9} {:>6}", count.rights, count.wildcards, count.writes)
    };
    for (role, rights) in &by_role {
        line(role, Count::of(rights.iter().copied()));
    }
    line("Capsule's controller, for comparison", CAPSULE_MINIMAL);

    // What the operator holds beside a door is there to be given away, which RBAC asks for when the door is made.
    let asked = |right: &&Right| !ASKED_BY_ADMISSION.contains(&right.verb.as_str()) && right.role != "cloudfarm-doors";
    let unused: Vec<String> = granted.iter().filter(asked).filter(|right| !is_used(right, &used)).map(told).collect();
    assert!(
        unused.is_empty(),
        "{} rights are granted and were used by no test; take them away, or show in a test what they are for:\n{}",
        unused.len(),
        unused.join("\n")
    );
}

#[test]
fn a_request_tells_which_right_of_which_role_it_made_use_of() {
    let text = "patch\t201\t{\"resource\":\"rolebindings\",\"apiGroup\":\"rbac.authorization.k8s.io\"}\tcloudfarm\tClusterRole\tcloudfarm\tcloudfarm-tenant-admin\n\
                get\t200\t{\"resource\":\"leases\",\"name\":\"cloudfarm\",\"apiGroup\":\"coordination.k8s.io\"}\tcloudfarm-purge/cloudfarm-system\tRole\tcloudfarm-purge\t\n\
                get\t200\t\tcloudfarm\tClusterRole\tcloudfarm\t\n";
    let rights: Vec<String> = rights_in(text).iter().map(told).collect();
    assert_eq!(
        rights,
        [
            "ClusterRole cloudfarm: patch rolebindings.rbac.authorization.k8s.io",
            "ClusterRole cloudfarm: create rolebindings.rbac.authorization.k8s.io",
            "ClusterRole cloudfarm: bind clusterroles.rbac.authorization.k8s.io cloudfarm-tenant-admin",
            "Role cloudfarm-purge in cloudfarm-system: get leases.coordination.k8s.io cloudfarm",
        ]
    );
}
