//! Whatever people write into names, reasons and texts: a letter stays a letter.

use cloudfarm::api::notice::{NoticeSpec, Text};
use cloudfarm::letters::{Letter, Locale, Occasion, write};
use proptest::prelude::*;
use roxmltree::{Document, ParsingOptions};
use textwrap::core::display_width;

use crate::occasions;

/// Elements that our templates are made of, and their attributes.
const ELEMENTS: &[&str] =
    &["html", "head", "meta", "title", "body", "table", "tr", "td", "th", "p", "h1", "h2", "strong", "br", "a"];
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "name",
    "content",
    "style",
    "role",
    "width",
    "cellpadding",
    "cellspacing",
    "border",
    "align",
    "valign",
    "scope",
    "href",
];

/// Pieces of which somebody would make something that is no longer a text.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</title>",
        "]]>",
        "<!--",
        "&amp;",
        "&#x0;",
        "{{ 7*7 }}",
        "\r\nBcc: all@customer.example",
        "\n.\n",
        "\n\n",
        "\t",
        "\0",
        "\u{1b}[31m",
        "\u{9b}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{2066}",
        "\u{feff}",
        "\u{fffe}",
        "👩‍👩‍👧‍👦",
        "🇯🇵",
        "e\u{301}",
        "ｶﾞ",
        "日本語の文章です。",
        "、。",
        "「",
        "--",
        "=?utf-8?B?",
        "$(reboot)",
        "`id`",
        "; rm -rf /",
        "..",
        " ",
        "https://evil.example/",
        "javascript:alert(1)",
        "שלום",
        "مرحبا",
    ]);
    prop_oneof![
        4 => fixed.prop_map(String::from),
        2 => any::<String>(),
        1 => "[a-z]{100,300}",
        1 => "[ぁ-ん]{100,300}",
    ]
}

pub fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..6).prop_map(|pieces| pieces.concat())
}

fn misleads(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// No element, attribute or target but ours.
pub fn only_our_elements(html: &str, elements: &[&str], attributes: &[&str], targets: &[&str]) {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(html, options).unwrap_or_else(|error| panic!("{error}:\n{html}"));
    for node in document.descendants() {
        assert!(!node.is_comment() && !node.is_pi(), "a comment in\n{html}");
        if node.is_element() {
            assert!(elements.contains(&node.tag_name().name()), "an element {:?} in\n{html}", node.tag_name());
        }
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(attributes.contains(&name), "an attribute {name} in\n{html}");
            let ours = name != "href" || targets.iter().any(|target| value.starts_with(target));
            assert!(ours, "leads to {value:?}");
        }
    }
}

fn is_a_letter(letter: &Letter) {
    assert!(letter.subject.chars().count() <= 200, "{}", letter.subject);
    assert!(!letter.subject.chars().any(misleads), "{:?}", letter.subject);
    for line in letter.text.lines() {
        assert!(display_width(line) <= 80, "{} columns: {line}", display_width(line));
        assert!(!line.chars().any(misleads), "{line:?}");
    }
    assert!(letter.text.ends_with('\n') && !letter.text.contains('\r'));
    assert!(!letter.html.chars().any(|found| misleads(found) && found != '\n'), "{:?}", letter.html);
    let targets = ["mailto:support@provider.example", "https://status.provider.example/"];
    only_our_elements(&letter.html, ELEMENTS, ATTRIBUTES, &targets);
}

#[test]
fn every_mail_is_made_of_our_elements() {
    for (_, occasion) in occasions::all() {
        for locale in [Locale::Ja, Locale::En] {
            is_a_letter(&write(&occasion, &occasions::provider(), locale));
        }
    }
}

/// Everything that people write into one occasion becomes `words`, in turn.
fn with<'a>(occasion: Occasion<'a>, words: &'a [String; 4], notice: &'a NoticeSpec, body: &'a Text) -> Occasion<'a> {
    let [one, two, three, four] = words.each_ref().map(String::as_str);
    match occasion {
        Occasion::Notice { follow_up, .. } => Occasion::Notice { tenant: one, spec: notice, body, follow_up },
        Occasion::Capacity { percent, threshold, again, .. } => {
            Occasion::Capacity { tenant: one, resource: two, used: three, limit: four, percent, threshold, again }
        }
        Occasion::ErasureComing { days, not_before, .. } => Occasion::ErasureComing { tenant: one, days, not_before },
        Occasion::Erased { completed_at, .. } => Occasion::Erased { tenant: one, completed_at, certificate: two },
        Occasion::Access { spec, state, expires_at, .. } => {
            Occasion::Access { tenant: one, grant: two, spec, state, expires_at }
        }
        Occasion::Opening { role, authentication, .. } => {
            Occasion::Opening { tenant: one, username: two, role, authentication }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_people_write_a_letter_stays_a_letter(
        words in prop::array::uniform4(hostile()), paragraphs in prop::array::uniform4(hostile())
    ) {
        let [subject, reason, person, body] = paragraphs;
        let notice = NoticeSpec { subject: occasions::line(&subject, &subject), ..occasions::incident() };
        let text = occasions::text(&body, &body);
        let mut grant = occasions::grant();
        grant.requested_by.clone_from(&person);
        grant.reason.clone_from(&reason);
        grant.ticket = Some(subject.clone());
        grant.vms = vec![person.clone(), reason.clone()];
        grant.duration.clone_from(&person);
        for (_, occasion) in occasions::all() {
            let occasion = match with(occasion, &words, &notice, &text) {
                Occasion::Access { tenant, grant: name, state, expires_at, .. } => {
                    Occasion::Access { tenant, grant: name, spec: &grant, state, expires_at }
                }
                other => other,
            };
            for locale in [Locale::Ja, Locale::En] {
                is_a_letter(&write(&occasion, &occasions::provider(), locale));
            }
        }
    }

    /// What a reader is told to type is typed by somebody: nothing of it may be read by a shell otherwise than it
    /// looks.
    #[test]
    fn nothing_that_a_shell_would_read_otherwise_is_given_to_type(name in hostile(), tenant in hostile()) {
        let spec = occasions::grant();
        let state = cloudfarm::api::access_grant::GrantState::Requested;
        let occasion = Occasion::Access { tenant: &tenant, grant: &name, spec: &spec, state, expires_at: None };
        let html = write(&occasion, &occasions::provider(), Locale::En).html;
        let plain = |word: &str| !word.is_empty() && word.len() < 64
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte));
        prop_assert_eq!(html.contains("kubectl cloudfarm approve"), plain(&name) && plain(&tenant));
    }
}
