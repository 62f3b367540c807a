//! Generated files are committed; these tests say when they are stale and which command makes them anew.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

use std::path::Path;

fn committed(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default()
}

#[test]
fn the_crds_and_their_reference_are_those_of_the_types() {
    for (name, text) in cloudfarm::api::manifest::files() {
        for folder in ["crds", "charts/cloudfarm-crds/generated"] {
            if folder == "crds" || name != "README.md" {
                let file = format!("{folder}/{name}");
                assert!(committed(&file) == text, "{file} is stale: run `make generate` and commit");
            }
        }
    }
}

#[test]
fn the_table_of_clauses_is_that_of_the_catalogue() {
    let made = cloudfarm::evidence::clauses::markdown();
    assert!(committed("crds/CLAUSES.md") == made, "crds/CLAUSES.md is stale: run `make generate` and commit");
}

#[test]
fn the_installed_manifests_are_those_of_the_code() {
    for (name, manifests) in [
        ("manifests", cloudfarm::install::manifests()),
        ("probe", cloudfarm::install::probe()),
        ("sessions", cloudfarm::install::sessions()),
    ] {
        let documents: Vec<String> =
            manifests.iter().map(|manifest| serde_saphyr::to_string(manifest).expect("YAML")).collect();
        let generated = format!("---\n{}", documents.join("---\n"));
        let file = format!("charts/cloudfarm/generated/{name}.yaml");
        assert!(committed(&file) == generated, "{file} is stale: run `make generate` and commit");
    }
}

#[test]
fn the_examples_pass_schema_and_rules_and_render_without_a_remark_that_something_stays_undone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let single = [
        "examples/quickstart.yaml",
        "examples/acme",
        "examples/beta.yaml",
        "examples/exposed.yaml",
        "examples/grant.yaml",
    ];
    let from_git = ["examples/gitops/tenants/sakura", "examples/gitops/tenants/fuji"];
    let files = [&single[..], &from_git].concat().into_iter().map(|file| root.join(file)).collect::<Vec<_>>();
    let config =
        cloudfarm::operator::config::Config::load(&root.join("charts/cloudfarm/config.yaml")).expect("a config");
    let rendered = cloudfarm::render::render(&files, config).expect("the examples are valid");
    let undone: Vec<_> = rendered
        .remarks
        .iter()
        .filter(|remark| {
            !remark.contains("its size is unknown here") && !remark.contains("becomes nothing before somebody consents")
        })
        .collect();
    assert!(undone.is_empty(), "{undone:#?}");
    assert!(rendered.objects.iter().filter(|object| object["kind"] == "VirtualMachine").count() == 8);
}
