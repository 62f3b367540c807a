//! What others wrote, before it goes into a letter: no control characters, and nothing that turns the reading direction
//! of what stands beside it.

/// Marks that turn the direction of text around them, and marks of lines that some programs break at.
fn misleads(letter: char) -> bool {
    matches!(
        letter,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// One line: what would end it or move the cursor becomes one space.
#[must_use]
pub fn line(text: &str) -> String {
    let plain: String =
        text.chars().map(|letter| if letter.is_control() || misleads(letter) { ' ' } else { letter }).collect();
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Paragraphs, each of one line or more; blank lines part them.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<String> = text.replace("\r\n", "\n").split(['\n', '\r']).map(line).collect();
    lines.split(String::is_empty).filter(|paragraph| !paragraph.is_empty()).map(<[String]>::to_vec).collect()
}

/// At most so many characters; what is cut off shows as an ellipsis.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}
