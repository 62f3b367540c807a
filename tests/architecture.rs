//! The shape of the code, held by tests: pure files stay pure, one module writes, files stay readable.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::path::{Path, PathBuf};

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    for (path, _) in &mut found {
        *path = path.strip_prefix(root).expect("below the root").to_owned();
    }
    found
}

fn is_pure(path: &Path) -> bool {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    let kind =
        parts.get(1).is_some_and(|folder| ["tenant", "network", "retention", "access"].contains(&folder.as_str()));
    let steps = [
        "desired",
        "desired.rs",
        "status",
        "status.rs",
        "declared.rs",
        "administrators.rs",
        "rules.rs",
        "reach.rs",
        "expose.rs",
        "tls.rs",
        "attachment.rs",
        "backend.rs",
        "subnets.rs",
        "vlan.rs",
        "schedule.rs",
        "ending.rs",
        "lifecycle.rs",
        "conditions.rs",
        "next.rs",
        "probe.rs",
        "state.rs",
        "door.rs",
        "sweep.rs",
        "verbs.rs",
    ];
    let purge = ["gate.rs", "look.rs", "plan.rs", "classify.rs", "certificate.rs", "rolling.rs"];
    let probe = ["flows.rs", "walls.rs", "report.rs"];
    let images = ["identity.rs", "known.rs", "result.rs", "exception.rs", "gate.rs", "job.rs"];
    let sessions = ["action.rs", "event.rs", "desk.rs", "judge.rs", "record.rs"];
    let of_sessions = parts.get(1).is_some_and(|folder| folder == "sessions");
    let notice = ["event.rs", "recipients.rs", "record.rs", "status.rs"];
    let of_notice = parts.get(1).is_some_and(|folder| folder == "notice");
    let of_images = parts.get(1).is_some_and(|folder| folder == "images");
    let of_probe = parts.get(1).is_some_and(|folder| folder == "probe");
    let of_purge = parts.get(1).is_some_and(|folder| folder == "purge");
    kind && parts.get(2).is_some_and(|step| steps.contains(&step.as_str()))
        || of_purge && parts.get(2).is_some_and(|step| purge.contains(&step.as_str()))
        || of_notice && parts.get(2).is_some_and(|step| notice.contains(&step.as_str()))
        || of_images && parts.get(2).is_some_and(|step| images.contains(&step.as_str()))
        || of_sessions && parts.get(2).is_some_and(|step| sessions.contains(&step.as_str()))
        || of_probe && parts.get(2).is_some_and(|step| probe.contains(&step.as_str()))
        || parts
            .get(1)
            .is_some_and(|folder| ["api", "evidence", "check", "letters", "statuspage"].contains(&folder.as_str()))
}

#[test]
fn what_decides_calls_nobody_and_reads_no_clock() {
    let pure: Vec<_> = sources().into_iter().filter(|(path, _)| is_pure(path)).collect();
    assert!(pure.len() >= 20, "only {} pure files were found", pure.len());
    for (path, text) in pure {
        // `plan.apply(&cluster)` in a desired.rs is the one hand-over to the writing step; it decides nothing.
        for forbidden in
            ["kube::Client", "kube::Api", "Api<", "Timestamp::now", "SystemTime", "tokio::", "operator::clock"]
        {
            assert!(!text.contains(forbidden), "{}: {forbidden} in a file that only decides", path.display());
        }
    }
}

#[test]
fn only_the_cluster_module_writes_to_the_api_server() {
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.starts_with("src/cluster")) {
        for write in
            [".patch(", ".patch_status(", "Patch::", ".create(&PostParams", "DeleteParams", ".replace(&PostParams"]
        {
            assert!(!text.contains(write), "{}: {write} outside src/cluster", path.display());
        }
    }
}

#[test]
fn the_clock_is_read_in_one_place() {
    let readers: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains("::now()") && text.contains("Timestamp::now"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(readers, [Path::new("src/operator/clock.rs")]);
}

#[test]
fn no_file_grows_beyond_what_one_reads_in_one_sitting() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let schema = path.starts_with("src/api");
        let most = if schema { 640 } else { 480 };
        assert!(lines <= most, "{}: {lines} lines; is it two things?", path.display());
    }
    let main = sources().into_iter().find(|(path, _)| path.ends_with("src/main.rs")).expect("main.rs").1;
    assert!(main.lines().count() < 60);
}

#[test]
fn no_module_is_called_by_a_word_that_says_nothing() {
    for (path, _) in sources() {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "helpers", "helper", "manager", "common", "misc"].contains(&name.as_str()),
            "{}",
            path.display()
        );
    }
}

#[test]
fn nothing_is_left_unfinished_or_skipped() {
    for (path, text) in sources() {
        for mark in ["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore"] {
            assert!(!text.contains(mark), "{}: {mark}", path.display());
        }
    }
}
