//! One page that a customer can read, keep and print: nothing is fetched, nothing runs, and no colour says what no word
//! says.

use std::fmt::Write as _;

use super::words::{self, Language};
use super::{Document, Source, named};
use crate::api::jst::in_japan;
use crate::evidence::attestation::DAYS;
use crate::evidence::judge::{Finding, Outcome, summary};

const STYLE: &str = include_str!("page.css");

/// The page.
#[must_use]
pub fn html(document: &Document, language: Language) -> String {
    let say = |ja, en| language.choose(ja, en);
    let tenant = escaped(&document.tenant);
    let title = match language {
        Language::Japanese => format!("お客様への約束の状況: {tenant}"),
        Language::English => format!("How the promises to {tenant} are kept"),
    };
    let source = match document.source {
        Source::Live => say("に判定しました。", ", judged then."),
        Source::Published => say(
            "現在の、運用ソフトウェアが公開した Report によります。",
            ", by the Report that the operator published.",
        ),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p class=\"sub\">{}{}{source}</p>\n",
        say("ja", "en"),
        say("ISO/IEC 27017 ホワイトペーパーの各項目。", "Every clause of the ISO/IEC 27017 whitepaper, as of "),
        in_japan(document.at),
    );
    tiles(&mut page, document, language);
    legend(&mut page, language);
    for (chapter, name) in CHAPTERS {
        let of_chapter: Vec<&Finding> =
            document.findings.iter().filter(|finding| chapter_of(finding.clause.id) == chapter).collect();
        if !of_chapter.is_empty() {
            let _ = writeln!(page, "<h2>{chapter}. {}</h2>", language.choose(name.0, name.1));
            table(&mut page, &of_chapter, document, language);
        }
    }
    let _ = write!(
        page,
        "<footer>{}</footer>\n</body>\n</html>\n",
        say(
            "この文書は cloudfarm が作成しました。証拠のハッシュは、確認した内容（正規化した JSON）の SHA-256 です。約束の文言は当社の言葉によるもので、規格の本文ではありません。",
            "Made by cloudfarm. Each evidence hash is the SHA-256 of what was looked at, as canonical JSON. Promises are told in our own words, not the standard's."
        )
    );
    page
}

const CHAPTERS: [(&str, (&str, &str)); 13] = [
    ("5", ("方針", "Policy")),
    ("6", ("組織と役割", "Organisation and roles")),
    ("7", ("人的資源", "People")),
    ("8", ("資産", "Assets")),
    ("9", ("アクセス制御", "Access")),
    ("10", ("暗号", "Cryptography")),
    ("11", ("物理的セキュリティ", "Equipment")),
    ("12", ("運用", "Operation")),
    ("13", ("通信", "Networks")),
    ("14", ("開発と機能", "Development and functions")),
    ("15", ("供給者", "Suppliers")),
    ("16", ("インシデント", "Incidents")),
    ("18", ("順守", "Compliance")),
];

fn chapter_of(clause: &str) -> &str {
    clause.trim_start_matches("CLD.").split('.').next().unwrap_or_default()
}

fn tiles(page: &mut String, document: &Document, language: Language) {
    page.push_str("<ul class=\"tiles\">\n");
    for (outcome, count) in Outcome::ALL.iter().zip(summary(&document.findings)) {
        let (sign, word) = words::outcome(*outcome, language);
        let _ = writeln!(page, "<li class=\"{}\"><b>{count}</b>{sign} {word}</li>", outcome.word());
    }
    page.push_str("</ul>\n");
}

fn legend(page: &mut String, language: Language) {
    let says = |outcome| match outcome {
        Outcome::Pass => language.choose("約束どおりであることを確認しました。", "Seen to be as promised."),
        Outcome::Fail => language.choose("約束どおりではありません。", "Not as promised."),
        Outcome::Warn => language
            .choose("守られていますが条件があるか、途中です。", "As promised with a reservation, or on its way."),
        Outcome::Error => language.choose("分かりません。合格とは扱いません。", "Nobody knows; never taken for good."),
        Outcome::Skip => language.choose(
            "判定の対象がないか、人が守る約束です（署名された陳述を示します）。",
            "Nothing to judge, or a promise that people keep (their signed statement is shown).",
        ),
    };
    page.push_str("<dl>\n");
    for outcome in Outcome::ALL {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", mark(outcome, language), says(outcome));
    }
    page.push_str("</dl>\n");
}

fn mark(outcome: Outcome, language: Language) -> String {
    let (sign, word) = words::outcome(outcome, language);
    format!("<span class=\"mark {}\">{sign} {word}</span>", outcome.word())
}

fn table(page: &mut String, findings: &[&Finding], document: &Document, language: Language) {
    let _ = writeln!(
        page,
        "<table>\n<thead><tr><th>{}</th><th>{}</th><th>{}</th><th class=\"own\">{}</th></tr></thead>\n<tbody>",
        language.choose("項目", "Clause"),
        language.choose("結果", "Result"),
        language.choose("約束と確認したこと", "Promise, and what was seen"),
        language.choose("担当", "Whose"),
    );
    for finding in findings {
        row(page, finding, document, language);
    }
    page.push_str("</tbody>\n</table>\n");
}

fn row(page: &mut String, finding: &Finding, document: &Document, language: Language) {
    let clause = finding.clause;
    let _ = write!(
        page,
        "<tr><td class=\"id\">{}</td><td class=\"res\">{}</td><td><div class=\"title\">{}</div><p class=\"promise\">{}</p>",
        clause.id,
        mark(finding.result, language),
        language.of(clause.title),
        language.of(clause.promise),
    );
    let reason = words::reason(&finding.reason, finding.result, language);
    if !reason.is_empty() {
        let _ = write!(page, "<p class=\"why\">{reason}</p>");
    }
    // Names and what the operator said are English in every language.
    let _ = write!(
        page,
        "<p class=\"{}\" lang=\"en\">{}</p>",
        if reason.is_empty() { "why" } else { "small" },
        escaped(&finding.message)
    );
    small(page, language.choose("実測", "Measured"), &finding.measured);
    small(page, language.choose("基準", "Limit"), &finding.limit);
    small(page, language.choose("確認方法", "How it is verified"), language.of(clause.verified));
    if let Some(checked) = finding.checked_at {
        let days = document.at.duration_since(checked).as_hours() / 24;
        let age = match language {
            Language::Japanese => format!("{}（{days} 日前）", in_japan(checked)),
            Language::English => format!("{} ({days} days ago)", in_japan(checked)),
        };
        small(page, language.choose("この状態になった日時または測定日時", "So since, or measured at"), &age);
    }
    if finding.reason.starts_with("Attest") {
        let limit = match language {
            Language::Japanese => format!("署名から {DAYS} 日"),
            Language::English => format!("{DAYS} days from the signature"),
        };
        small(page, language.choose("陳述の有効期間", "A statement counts for"), &limit);
    }
    let objects: Vec<String> = finding.objects.iter().map(named).collect();
    small(page, language.choose("確認した対象", "Objects"), &objects.join(", "));
    if !finding.sha256.is_empty() {
        let _ = write!(page, "<p class=\"small hash\">SHA-256 {}</p>", escaped(&finding.sha256));
    }
    let _ = writeln!(
        page,
        "</td><td class=\"own\">{}<p class=\"small\">{}</p></td></tr>",
        words::owner(clause.owner, language),
        words::class(clause.class, language)
    );
}

fn small(page: &mut String, what: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(page, "<p class=\"small\">{what}: {}</p>", escaped(text));
    }
}

/// Whoever wrote a text may have hidden markup in it.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
        escaped
    })
}
