//! Text that fits a terminal of 100 columns, where a wide letter takes two of them, and that commands no terminal whatever the
//! people who wrote names and reasons have put into them.

use unicode_width::UnicodeWidthStr;

use super::super::printable;

/// Columns of a terminal.
pub const WIDTH: usize = 100;

/// Columns of the word before a field.
const MARGIN: usize = 12;

/// No column is cut to less.
const LEAST: usize = 4;

/// Between two columns.
const GAP: usize = 2;

/// What a text says beyond its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
    Head,
}

/// Colours or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    pub colours: bool,
}

impl Paint {
    pub fn on(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
            Tone::Head => "1",
        };
        if self.colours && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// One line, whatever it was; nothing in it moves a cursor.
pub fn clean(text: &str) -> String {
    text.split_whitespace().map(printable).collect::<Vec<_>>().join(" ")
}

/// The beginning of a text that fits; an ellipsis says that there is more.
pub fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let end = fitting(text, most.saturating_sub(1));
    format!("{}…", &text[..end])
}

/// How many bytes of a text fit.
fn fitting(text: &str, most: usize) -> usize {
    let ends = text.char_indices().map(|(start, letter)| start + letter.len_utf8());
    ends.take_while(|end| width(&text[..*end]) <= most).last().unwrap_or_default()
}

/// Broken between words; a word that fits nowhere, such as a sentence in Japanese, is broken where the line ends.
pub fn wrap(text: &str, most: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let space = usize::from(!line.is_empty());
        if width(&line) + space + width(word) <= most {
            line.push_str(&" ".repeat(space));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = word;
        while width(rest) > most {
            let end = fitting(rest, most).max(rest.chars().next().map_or(0, char::len_utf8));
            lines.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest.clone_into(&mut line);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// At most so many lines; the last one says that there is more.
pub fn wrap_at_most(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut all = wrap(text, most);
    if all.len() > lines {
        all.truncate(lines);
        if let Some(last) = all.last_mut() {
            *last = cut(&format!("{last} …"), most);
        }
    }
    all
}

/// `Contract    from 2026-04-01 …`, broken below itself.
pub fn field(head: &str, text: &str) -> String {
    indented(head, MARGIN, &wrap(text, WIDTH - MARGIN))
}

/// Lines so many columns from the edge.
pub fn inset(columns: usize, lines: &[String]) -> String {
    indented("", columns, lines)
}

/// Lines beside a word.
pub fn indented(head: &str, margin: usize, lines: &[String]) -> String {
    let beside = |(number, line): (usize, &String)| {
        let head = if number == 0 { head } else { "" };
        format!("{head:<margin$}{line}").trim_end().to_owned() + "\n"
    };
    lines.iter().enumerate().map(beside).collect()
}

/// Padded to so many columns.
fn padded(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// What stands in a row.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

/// A cell of a tone.
pub fn cell(text: impl AsRef<str>, tone: Tone) -> Cell {
    Cell { text: clean(text.as_ref()), tone }
}

/// A cell as any other.
pub fn plain(text: impl AsRef<str>) -> Cell {
    cell(text, Tone::Plain)
}

/// Rows under heads. What stands below a row is printed as it is.
pub struct Table {
    heads: Vec<&'static str>,
    /// Heads of the columns that may be cut; others only when nothing else helps.
    yielding: &'static [&'static str],
    rows: Vec<(Vec<Cell>, String)>,
}

impl Table {
    pub fn new(heads: &[&'static str], yielding: &'static [&'static str]) -> Self {
        Self { heads: heads.to_vec(), yielding, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push((cells, String::new()));
    }

    /// With lines of its own below it.
    pub fn row_and(&mut self, cells: Vec<Cell>, below: String) {
        self.rows.push((cells, below));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn text(&self, paint: Paint) -> String {
        let widths = self.widths();
        let heads: Vec<Cell> = self.heads.iter().map(|head| cell(head, Tone::Head)).collect();
        let mut text = line(&heads, &widths, paint);
        for (cells, below) in &self.rows {
            text += &line(cells, &widths, paint);
            text += below;
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let natural = |(column, head): (usize, &&str)| {
            let cells = self.rows.iter().filter_map(|(cells, _)| cells.get(column));
            cells.map(|cell| width(&cell.text)).chain([width(head)]).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = self.heads.iter().enumerate().map(natural).collect();
        let room = WIDTH - GAP * self.heads.len().saturating_sub(1);
        while widths.iter().sum::<usize>() > room {
            let widest = |only_yielding: bool| {
                let may = |column: &usize| {
                    let least = LEAST.max(width(self.heads[*column]));
                    widths[*column] > least && (!only_yielding || self.yielding.contains(&self.heads[*column]))
                };
                (0..widths.len()).filter(may).max_by_key(|column| widths[*column])
            };
            let Some(column) = widest(true).or_else(|| widest(false)) else { break };
            widths[column] -= 1;
        }
        widths
    }
}

fn line(cells: &[Cell], widths: &[usize], paint: Paint) -> String {
    let last = cells.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or_default();
    let mut text = String::new();
    for (number, (cell, width)) in cells.iter().zip(widths).enumerate().take(last + 1) {
        let shown = cut(&cell.text, *width);
        text += &paint.on(&shown, cell.tone);
        if number < last {
            text += &padded(&shown, *width);
            text += &" ".repeat(GAP);
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wide_letter_takes_two_columns_and_is_never_halved() {
        assert_eq!(
            (width("株式会社"), cut("株式会社", 8), cut("株式会社", 7)),
            (8, "株式会社".into(), "株式会…".into())
        );
        assert_eq!((cut("株式会社", 6), cut("株式会社", 1), cut("abc", 0)), ("株式…".into(), "…".into(), "…".into()));
        assert_eq!(wrap("障害調査のため web-1", 10), ["障害調査の", "ため web-1"]);
        assert_eq!(wrap_at_most("one two three four", 7, 2), ["one two", "three …"]);
    }

    #[test]
    fn columns_stand_below_each_other_and_colours_take_no_room() {
        let mut table = Table::new(&["NAME", "SAID"], &["SAID"]);
        table.row(vec![plain("日本"), cell("x", Tone::Bad)]);
        table.row(vec![plain("a\u{1b}[31m"), plain("y\nz")]);
        let text = table.text(Paint::default());
        assert_eq!(text, "NAME         SAID\n日本         x\na\\u{1b}[31m  y z\n");
        let painted = table.text(Paint { colours: true });
        assert_eq!(painted.replace("\u{1b}[31m", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", ""), text);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_a_terminal_and_none_commands_it(
            cells in proptest::collection::vec(proptest::collection::vec("\\PC{0,90}|[\\x00-\\x20a日]{0,300}", 5), 1..6)
        ) {
            let mut table = Table::new(&["ONE", "TWO", "THREE", "FOUR", "FIVE"], &["TWO", "FIVE"]);
            for row in &cells {
                table.row(row.iter().map(plain).collect());
            }
            let text = table.text(Paint::default()) + &field("Word", &cells[0][0]);
            for line in text.lines() {
                prop_assert!(width(line) <= WIDTH, "{}: {:?}", width(line), line);
            }
            prop_assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
            prop_assert_eq!(text.lines().count(), 1 + cells.len() + field("Word", &cells[0][0]).lines().count());
        }
    }
}
