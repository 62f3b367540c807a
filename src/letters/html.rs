//! A sheet as HTML that mail programs show: a table, styles on the elements, no picture, nothing fetched.

use askama::Template;

use super::pick;
use super::sheet::{Block, Sheet, Tone};

#[derive(Template)]
#[template(path = "letter.html")]
struct Page<'a> {
    sheet: &'a Sheet,
}

impl Page<'_> {
    fn language(&self) -> &'static str {
        pick(self.sheet.locale, "ja", "en")
    }

    /// The bar on top; readable on light and on dark ground.
    fn colour(&self) -> &'static str {
        match self.sheet.tone {
            Tone::Plain => "#2b6cb0",
            Tone::Attention => "#b7791f",
            Tone::Urgent => "#c53030",
        }
    }
}

/// Where a value of the foot leads.
fn target(value: &str) -> Option<String> {
    if value.starts_with("https://") {
        return Some(value.to_owned());
    }
    let address = value.contains('@') && !value.contains([' ', ':', '?', '<']);
    address.then(|| format!("mailto:{value}"))
}

/// The sheet as HTML.
pub fn set(sheet: &Sheet) -> String {
    // Writing into a String cannot fail; the template was checked when this was compiled.
    Page { sheet }.render().unwrap_or_default()
}
