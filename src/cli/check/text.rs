//! The answer for people, no wider than 100 columns, and for programs.

use serde_json::json;

use super::super::printable;
use crate::check::notes::Note;
use crate::check::scene::Scene;
use crate::check::{Outcome, Row};

const WIDTH: usize = 100;

/// Column in which titles and reasons begin.
const MARGIN: usize = 37;

/// For people.
pub fn table(scene: &Scene, asked_by: &str, rows: &[Row], notes: &[Note]) -> String {
    let mut lines = vec![
        printable(&format!("Tenant {} in namespace {}, asked by {asked_by}", scene.tenant, scene.customer())),
        String::new(),
        format!("{:<18}{:<19}{}", "ID", "RESULT", "CHECK, AND WHY"),
    ];
    for row in rows {
        let head = format!("{:<18}{:<19}", row.id, word(row.outcome));
        lines.extend(beside(&head, row.title));
        lines.extend(beside("", &printable(&row.reason)).into_iter().map(|line| format!("  {line}")));
    }
    lines.push(String::new());
    for note in notes {
        lines.extend(beside(&format!("{:<18}{:<19}", "NOTE", "known hole"), note.hole));
        lines.extend(beside(&format!("{:<18}{:<19}", "", "closed by"), note.closed_by));
        lines.extend(beside(&format!("{:<18}{:<19}", "", "here"), &printable(&note.here)));
    }
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    lines.push(String::new());
    lines.push(format!(
        "{} pass, {} fail, {} fail on purpose, {} unknown",
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::FailOnPurpose),
        count(Outcome::Unknown)
    ));
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// For programs.
pub fn json(scene: &Scene, asked_by: &str, rows: &[Row], notes: &[Note]) -> String {
    let answer = json!({
        "tenant": scene.tenant, "namespace": scene.customer(), "askedBy": asked_by, "checks": rows, "notes": notes,
    });
    format!("{answer:#}\n")
}

/// The ids with this outcome.
pub fn ids(rows: &[Row], outcome: Outcome) -> String {
    rows.iter().filter(|row| row.outcome == outcome).map(|row| row.id).collect::<Vec<_>>().join(", ")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::FailOnPurpose => "FAIL (on purpose)",
        Outcome::Unknown => "UNKNOWN",
    }
}

/// Text beside a head, broken between words; a word that fits nowhere is cut.
fn beside(head: &str, text: &str) -> Vec<String> {
    let most = WIDTH - MARGIN - 2;
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace().flat_map(|word| pieces(word, most)) {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    let head = |number: usize| if number == 0 { head } else { "" };
    lines.iter().enumerate().map(|(number, line)| format!("{:<MARGIN$}{line}", head(number))).collect()
}

fn pieces(word: &str, most: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(most).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal_whatever_the_api_server_said() {
        let reason = format!("{} \u{1b}[31m {}", "word ".repeat(60), "x".repeat(300));
        let row = Row { id: "MTB-PL1-CC-CPI-1", title: "a title", outcome: Outcome::FailOnPurpose, reason };
        let scene = crate::check::scene::tests::empty();
        let told = table(&scene, "sato", &[row], &crate::check::notes::notes(&scene));
        assert!(told.lines().all(|line| line.chars().count() <= WIDTH), "{told}");
        assert!(!told.contains('\u{1b}') && told.contains("MTB-PL1-CC-CPI-1  FAIL (on purpose)  a title"), "{told}");
    }
}
