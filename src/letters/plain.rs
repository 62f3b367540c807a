//! A sheet as plain text: lines of at most 72 columns, a full-width character counted as two. Where a line of Japanese
//! may end is decided by Unicode's rules (UAX 14), so that none begins with a full stop.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::sheet::{Block, Sheet};

/// Columns of a line.
const WIDTH: usize = 72;

/// The sheet as text.
pub fn set(sheet: &Sheet) -> String {
    let mut lines = wrapped(&sheet.greeting, "", "");
    lines.push(String::new());
    lines.extend(wrapped(&sheet.title, "", ""));
    lines.push("=".repeat(WIDTH));
    for block in &sheet.blocks {
        lines.push(String::new());
        lines.extend(written(block));
    }
    lines.push(String::new());
    lines.extend(wrapped(sheet.farewell, "", ""));
    lines.push(String::new());
    lines.push("-".repeat(WIDTH));
    lines.extend(wrapped(&sheet.provider, "", ""));
    // Not wrapped: an address that is broken in two leads nowhere.
    lines.extend(sheet.foot.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.extend(wrapped(&sheet.small, "", ""));
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn written(block: &Block) -> Vec<String> {
    match block {
        Block::Paragraph(paragraph) => paragraph.iter().flat_map(|line| wrapped(line, "", "")).collect(),
        Block::Heading(heading) => wrapped(heading, "# ", "  "),
        Block::Facts(rows) => {
            let widest = rows.iter().map(|(name, _)| display_width(name)).max().unwrap_or_default();
            rows.iter().flat_map(|row| row_lines(row, widest)).collect()
        }
        Block::Command(words) => command(words),
    }
}

fn row_lines((name, value): &(String, String), widest: usize) -> Vec<String> {
    let gap = " ".repeat(widest.saturating_sub(display_width(name)));
    wrapped(value, &format!("  {name}:{gap} "), &" ".repeat(widest + 4))
}

/// Lines that a shell reads as one.
fn command(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if display_width(line) + display_width(word) + 3 <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("      {word}"));
            }
            None => lines.push(format!("    {word}")),
        }
    }
    lines
}

fn wrapped(text: &str, first: &str, rest: &str) -> Vec<String> {
    let options = Options::new(WIDTH)
        .word_separator(WordSeparator::UnicodeBreakProperties)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .initial_indent(first)
        .subsequent_indent(rest);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}
