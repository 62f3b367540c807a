//! Pure: how findings look. `CLOUDFARM_GOLDEN=write cargo test --test report` makes the golden files anew; then read `git diff`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloudfarm::evidence::judge::{Outcome, judge};
use cloudfarm::evidence::report::table::{Language, table};
use cloudfarm::evidence::report::{Document, Source, html, open_reports, oscal, pack};
use serde_json::Value;

use super::sample::{self, erased, manifests, nothing_known, world};

fn document() -> Document {
    Document { tenant: "acme".into(), at: sample::now(), source: Source::Live, findings: judge(&world(manifests())) }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report")
}

fn golden(name: &str, made: &str) {
    let file = folder().join("golden").join(name);
    if std::env::var("CLOUDFARM_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, made).expect("written");
    }
    let accepted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        accepted == made,
        "{name} is another one; if that is meant: CLOUDFARM_GOLDEN=write cargo test --test report"
    );
}

#[test]
fn the_forms_are_those_that_were_accepted() {
    let document = document();
    golden("acme.en.txt", &table(&document, Language::English));
    golden("acme.ja.txt", &table(&document, Language::Japanese));
    golden("acme.en.html", &html::html(&document, Language::English));
    golden("acme.ja.html", &html::html(&document, Language::Japanese));
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON") + "\n";
    golden("acme.json", &pretty(&document.json()));
    golden("acme.oscal.json", &pretty(&oscal::assessment_results(&document)));
}

fn every_document() -> [Document; 3] {
    let of = |world| Document { findings: judge(&world), ..document() };
    [document(), of(nothing_known()), of(erased())]
}

#[test]
fn no_line_of_a_table_is_wider_than_a_terminal() {
    let width = |line: &str| line.chars().map(|letter| if letter >= '\u{3000}' { 2 } else { 1 }).sum::<usize>();
    for document in every_document() {
        for language in [Language::English, Language::Japanese] {
            for line in table(&document, language).lines() {
                assert!(width(line) <= 100, "{} columns: {line}", width(line));
            }
        }
    }
}

/// NIST's schema names its definitions by `$id` with a fragment, which is no name to a validator that keeps to the standard;
/// the references to them are turned into plain paths.
fn schema() -> Value {
    fn plain(value: &mut Value, places: &BTreeMap<String, String>) {
        match value {
            Value::Object(map) => {
                if map.get("$id").is_some_and(|id| id.as_str().is_some_and(|id| id.starts_with('#'))) {
                    map.remove("$id");
                }
                let place = map.get("$ref").and_then(Value::as_str).and_then(|to| places.get(to)).cloned();
                if let Some(place) = place {
                    map.insert("$ref".into(), place.into());
                }
                map.values_mut().for_each(|value| plain(value, places));
            }
            Value::Array(items) => items.iter_mut().for_each(|value| plain(value, places)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(folder().join("oscal_assessment-results_schema.json")).expect("the schema");
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    let definitions = schema["definitions"].as_object().expect("definitions");
    let places = definitions
        .iter()
        .filter_map(|(name, found)| Some((found["$id"].as_str()?.to_owned(), format!("#/definitions/{name}"))))
        .collect();
    plain(&mut schema, &places);
    schema
}

#[test]
fn the_assessment_results_keep_to_the_schema_of_nist() {
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    for document in every_document() {
        let results = oscal::assessment_results(&document);
        let wrong: Vec<String> =
            validator.iter_errors(&results).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    let mut broken = oscal::assessment_results(&document());
    broken["assessment-results"]["results"][0]["start"] = "yesterday".into();
    assert!(!validator.is_valid(&broken), "the schema has a say");
}

#[test]
fn a_page_is_whole_in_itself_and_no_text_becomes_markup() {
    let mut document = document();
    document.findings[3].message = "<script>alert(1)</script> & \"quoted\"".into();
    document.tenant = "<b>".into();
    for language in [Language::English, Language::Japanese] {
        let page = html::html(&document, language);
        for outside in ["<script", "src=", "href=", "@import", "url(", "<b>&", "http"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot;"));
        for outcome in Outcome::ALL {
            assert!(page.contains(&format!("class=\"mark {}\"", outcome.word())), "{outcome:?} has a word of its own");
        }
    }
}

#[test]
fn a_report_in_the_cluster_is_small_and_says_the_same_when_it_is_read_again() {
    for document in every_document() {
        let about = document.findings[3].objects.first().cloned().unwrap_or_else(document_object);
        let said = open_reports::said(&document.findings, &about);
        let bytes = serde_json::to_vec(&said).expect("JSON").len();
        assert!(bytes < 25_000, "{bytes} bytes");
        let read = open_reports::findings(&said);
        for (judged, read) in document.findings.iter().zip(&read) {
            assert_eq!((judged.result, &judged.reason, &judged.sha256), (read.result, &read.reason, &read.sha256));
        }
        // Whoever may write a report makes no statement of people's a pass.
        let mut forged = said;
        forged.results.iter_mut().for_each(|row| row.result = "pass".into());
        let read = open_reports::findings(&forged);
        let people = read.iter().filter(|finding| finding.clause.class.letter() == "O");
        assert!(people.clone().count() > 5 && people.clone().all(|finding| finding.result == Outcome::Error));
    }
}

fn document_object() -> cloudfarm::evidence::judge::Object {
    document().findings[3].objects[0].clone()
}

#[test]
fn an_archive_is_the_same_for_the_same_world_is_whole_and_has_no_application_id_or_address() {
    let mut all = manifests();
    all[0]["spec"]["contract"]["applicationIdFrom"] = Value::Null;
    all[0]["spec"]["contract"]["applicationId"] = "QS-PLANTED-1".into();
    let world = world(all);
    let document = Document { findings: judge(&world), ..document() };
    let files = pack::files(&document, &world, Some("{\"certificate\":1}\n"));
    let wanted = [
        "README.txt",
        "backups.json",
        "capacity.json",
        "certificate.json",
        "clauses.md",
        "clock.json",
        "contract.json",
        "erasure.json",
        "grants.json",
        "logs.json",
        "machines.json",
        "notices.json",
        "residency.json",
        "rules.json",
        "report/report.json",
        "report/report.oscal.json",
        "report/report.ja.html",
        "report/report.en.html",
        "report/report.ja.txt",
        "report/report.en.txt",
        "evidence/5.1.1-3.json",
    ];
    for name in wanted {
        assert!(files.contains_key(name), "{name}");
    }
    for (name, content) in &files {
        let text = String::from_utf8_lossy(content);
        for planted in ["QS-PLANTED-1", "@acme.example"] {
            assert!(!text.contains(planted), "{name} has {planted}");
        }
    }
    assert!(
        String::from_utf8_lossy(&files["notices.json"]).contains("1 h 12 min"),
        "from the confirmation to the last mail"
    );
    let archive = pack::archive(&files).expect("an archive");
    assert_eq!(archive, pack::archive(&files).expect("an archive"));
    checked(&archive, "pure");
}

/// Unpacks an archive and lets sha256sum check it; so does it check each finding's own hash.
pub fn checked(archive: &[u8], test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pack-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    archive.extract(&folder).expect("unpacked");
    let sum = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", pack::MANIFEST])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .expect("sha256sum");
    assert!(sum.status.success(), "{}", String::from_utf8_lossy(&sum.stdout));
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report/report.json")).expect("a report")).expect("JSON");
    for finding in report["findings"].as_array().expect("findings") {
        let file = format!("evidence/{}.json", finding["clause"].as_str().expect("an id"));
        let sum = Command::new("sha256sum").arg(&file).current_dir(&folder).output().expect("sha256sum");
        let said = String::from_utf8_lossy(&sum.stdout).into_owned();
        assert!(said.starts_with(finding["evidenceSHA256"].as_str().expect("a hash")), "{file}: {said}");
    }
    folder
}
