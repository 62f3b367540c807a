//! For a terminal: one clause a line, at most 100 columns, what is not good at its end in whole sentences.

use std::fmt::Write as _;

use super::words;
use super::{Document, Source};
use crate::api::jst::in_japan;
use crate::evidence::judge::{Finding, Outcome, summary};

pub use super::words::Language;

/// Columns of a line.
const WIDTH: usize = 100;

/// The document as a table.
#[must_use]
pub fn table(document: &Document, language: Language) -> String {
    let mut text = String::new();
    let source = match document.source {
        Source::Live => language.choose("この時点で判定", "judged now"),
        Source::Published => language.choose("公開済みの Report", "from the operator's Report"),
    };
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        text,
        "{} {}, {} ({source})",
        language.choose("テナント", "Tenant"),
        document.tenant,
        in_japan(document.at)
    );
    let counts = summary(&document.findings);
    let counted = Outcome::ALL.iter().zip(counts).map(|(outcome, count)| {
        let (sign, word) = words::outcome(*outcome, language);
        format!("{sign} {word} {count}")
    });
    let _ = writeln!(text, "{}\n", counted.collect::<Vec<_>>().join("   "));
    for finding in &document.findings {
        line(&mut text, finding, language);
    }
    let bad = |finding: &&Finding| matches!(finding.result, Outcome::Fail | Outcome::Error | Outcome::Warn);
    for finding in document.findings.iter().filter(bad) {
        let (sign, word) = words::outcome(finding.result, language);
        let _ = write!(text, "\n{sign} {} {word} ({}):", finding.clause.id, finding.reason);
        for part in wrapped(&finding.message, WIDTH - 4) {
            let _ = write!(text, "\n    {part}");
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, finding: &Finding, language: Language) {
    let (sign, word) = words::outcome(finding.result, language);
    let mut line = String::new();
    pad(&mut line, sign, 2);
    pad(&mut line, finding.clause.id, 11);
    pad(&mut line, word, 11);
    pad(&mut line, finding.clause.class.letter(), 2);
    pad(&mut line, language.of(finding.clause.title), 32);
    let about = if finding.measured.is_empty() { &finding.reason } else { &finding.measured };
    let room = WIDTH - width(&line);
    line.push_str(&cut(about, room));
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Japanese letters take two columns.
fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| {
            if letter >= '\u{1100}' && letter != '\u{2013}' && !('\u{2000}'..'\u{3000}').contains(&letter) {
                2
            } else {
                1
            }
        })
        .sum()
}

fn pad(line: &mut String, text: &str, columns: usize) {
    let fitting = cut(text, columns.saturating_sub(1));
    line.push_str(&fitting);
    line.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&fitting))));
}

fn cut(text: &str, columns: usize) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if width(&text) <= columns {
        return text;
    }
    let mut fitting = String::new();
    for letter in text.chars() {
        if width(&fitting) + width(&letter.to_string()) >= columns {
            break;
        }
        fitting.push(letter);
    }
    fitting + "…"
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word = cut(word, columns);
        if let Some(last) = lines.last_mut() {
            if last.is_empty() {
                last.push_str(&word);
                continue;
            }
            if width(last) + 1 + width(&word) <= columns {
                last.push(' ');
                last.push_str(&word);
                continue;
            }
        }
        lines.push(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC{0,200}", columns in 4_usize..120) {
            prop_assert!(width(&cut(&text, columns)) <= columns);
            prop_assert!(wrapped(&text, columns).iter().all(|line| width(line) <= columns));
        }
    }
}
