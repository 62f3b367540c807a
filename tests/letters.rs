//! What people are told: every mail in both languages, as text and as HTML, and the status page with its feed.
//!
//! `golden/letters/<occasion>.<language>.{txt,html}` and `golden/status-page/` are what people get. A difference is
//! either a
//! mistake or meant; a person reads it in `git diff` after accepting: `CLOUDFARM_GOLDEN=write cargo test --test
//! letters`.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "letters/hostile.rs"]
mod hostile;
#[path = "letters/occasions.rs"]
mod occasions;
#[path = "letters/page.rs"]
mod page;

use std::path::Path;

use cloudfarm::letters::{Locale, write};

const ACCEPT: &str = "if that is meant: CLOUDFARM_GOLDEN=write cargo test --test letters, then read git diff";

/// Compares with `tests/golden/<file>`.
fn golden(file: &str, now: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var("CLOUDFARM_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(&path, now).expect("written");
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    if accepted == now {
        return None;
    }
    let pairs = accepted.lines().map(Some).chain(std::iter::repeat(None)).zip(now.lines().map(Some).chain([None]));
    let (number, (old, new)) = pairs.enumerate().find(|(_, (old, new))| old != new).unwrap_or((0, (None, None)));
    Some(format!("tests/golden/{file}:{}: accepted is {old:?}, now it is {new:?}", number + 1))
}

#[test]
fn every_mail_reads_as_it_was_accepted() {
    let mut differences = Vec::new();
    let mut files = Vec::new();
    for (name, occasion) in &occasions::all() {
        for (language, locale) in [("ja", Locale::Ja), ("en", Locale::En)] {
            let letter = write(occasion, &occasions::provider(), locale);
            let text = format!("Subject: {}\n\n{}", letter.subject, letter.text);
            for (form, now) in [("txt", &text), ("html", &letter.html)] {
                let file = format!("letters/{name}.{language}.{form}");
                differences.extend(golden(&file, now));
                files.push(file);
            }
        }
    }
    assert!(differences.is_empty(), "{}\n{ACCEPT}", differences.join("\n"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/letters");
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let name = format!("letters/{}", entry.expect("an entry").file_name().to_string_lossy());
        assert!(files.contains(&name), "tests/golden/{name} is of no occasion any longer");
    }
}

/// A person with both languages must not find that one of them says less.
#[test]
fn both_languages_of_a_mail_have_the_same_parts() {
    for (name, occasion) in &occasions::all() {
        let parts = |locale| {
            let html = write(occasion, &occasions::provider(), locale).html;
            ["<tr>", "<h2 ", "monospace", "<p "].map(|part| html.matches(part).count())
        };
        assert_eq!(parts(Locale::Ja), parts(Locale::En), "{name}");
    }
}

#[test]
fn a_second_notice_says_so_and_the_first_does_not() {
    for (name, occasion) in occasions::all().iter().filter(|(name, _)| name.starts_with("incident")) {
        let second = name.contains("second");
        let letter = |locale| write(occasion, &occasions::provider(), locale);
        assert_eq!(letter(Locale::Ja).subject.contains("【続報】"), second, "{name}");
        assert_eq!(letter(Locale::En).subject.contains("Second notice"), second, "{name}");
        for locale in [Locale::Ja, Locale::En] {
            let letter = letter(locale);
            assert!(letter.text.contains(if locale == Locale::Ja { "確認日時" } else { "Confirmed" }), "{name}");
        }
    }
}

/// 9.4.1: a password never comes by this mail, and nobody has to guess where to sign in.
#[test]
fn the_opening_notice_leads_to_the_identity_provider() {
    let all = occasions::all();
    let (_, opening) = all.iter().find(|(name, _)| *name == "opening").expect("an opening notice");
    for locale in [Locale::Ja, Locale::En] {
        let letter = write(opening, &occasions::provider(), locale);
        for part in ["https://id.acme.example", "sato", "cf-acme", "kubectl cloudfarm show acme"] {
            assert!(letter.text.contains(part) && letter.html.contains(part), "{part} is missing");
        }
    }
}
