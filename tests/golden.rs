//! What manifests become, object by object: `golden/<kind>/<case>/rendered.yaml` is the whole output of
//! `cloudfarm render` for the `input.yaml` beside it, with what it remarks as comments on top.
//!
//! A difference is either a mistake or meant; a person reads it in `git diff` after accepting:
//! `CLOUDFARM_GOLDEN=write cargo test --test golden`.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::path::{Path, PathBuf};

use cloudfarm::render;

const ACCEPT: &str = "if that is meant: CLOUDFARM_GOLDEN=write cargo test --test golden, then read git diff";

/// The folders of all cases, sorted.
fn cases() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = folders(&golden).iter().flat_map(|kind| folders(kind)).collect();
    cases.sort();
    assert!(cases.len() > 15, "only {} cases were found in {}", cases.len(), golden.display());
    cases
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

/// `tenant/a-plain-hosting-tenant`.
fn name(case: &Path) -> String {
    let parts: Vec<_> = case.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    format!("{}/{}", parts[1], parts[0])
}

fn rendered(case: &Path) -> String {
    let config = render::documentation_config().expect("a config");
    let rendered = render::render(&[case.join("input.yaml")], config)
        .unwrap_or_else(|mistakes| panic!("{}: the input is wrong:\n{mistakes}", name(case)));
    let remarks = rendered.remarks.iter().map(|remark| format!("# {remark}\n"));
    let objects =
        rendered.objects.iter().map(|object| format!("---\n{}", serde_saphyr::to_string(object).expect("YAML")));
    remarks.chain(objects).collect()
}

/// The first line that is not as accepted, as a sentence.
fn difference(case: &Path, accepted: &str, now: &str) -> Option<String> {
    if accepted == now {
        return None;
    }
    let (mut old, mut new) = (accepted.lines(), now.lines());
    for number in 1.. {
        let (old, new) = (old.next(), new.next());
        if old != new || old.is_none() {
            let told = |line: Option<&str>| line.map_or("the end of the file".to_owned(), |line| format!("{line:?}"));
            let file = format!("tests/golden/{}/rendered.yaml", name(case));
            return Some(format!("{file}:{number}: accepted is {}, now it is {}", told(old), told(new)));
        }
    }
    None
}

#[test]
fn every_case_renders_as_it_was_accepted() {
    let write = std::env::var("CLOUDFARM_GOLDEN").is_ok_and(|wish| wish == "write");
    let mut differences = Vec::new();
    for case in cases() {
        let file = case.join("rendered.yaml");
        let now = rendered(&case);
        let accepted = std::fs::read_to_string(&file).unwrap_or_default();
        if write && accepted != now {
            std::fs::write(&file, now).expect("written");
        } else {
            differences.extend(difference(&case, &accepted, &now));
        }
    }
    assert!(differences.is_empty(), "{}\n{ACCEPT}", differences.join("\n"));
}

/// A case is read by people first: its name is a sentence, and it holds nothing that no test reads.
#[test]
fn every_case_is_a_sentence_and_holds_only_files_that_are_read() {
    for case in cases() {
        let name = name(&case);
        assert!(name.matches('-').count() > 1 && !name.contains('_'), "{name}: a name of a few words with hyphens");
        for entry in std::fs::read_dir(&case).expect("a folder") {
            let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let known = ["input.yaml", "rendered.yaml", "reachability.yaml"].contains(&file.as_str());
            assert!(known, "{name}/{file} is read by no test");
        }
    }
}
