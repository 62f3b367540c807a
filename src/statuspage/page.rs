//! The page: one file that fetches nothing and runs nothing, in both languages side by side.

use askama::Template;
use k8s_openapi::jiff::Timestamp;

use super::Site;
use super::shown::{Place, Shown};
use crate::api::tenant::Locale;
use crate::letters;

/// Name of the feed beside the page.
pub const FEED: &str = "feed.atom";

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    ja: String,
    en: String,
    contact: Option<String>,
    made_at: Timestamp,
    open_incidents: usize,
    sections: Vec<Section<'a>>,
}

struct Section<'a> {
    ja: &'static str,
    en: &'static str,
    none: [&'static str; 2],
    shown: Vec<&'a Shown>,
}

impl Page<'_> {
    fn made(&self, ja: bool) -> String {
        letters::instant(self.made_at, if ja { Locale::Ja } else { Locale::En })
    }
}

/// The page as HTML.
pub fn set(shown: &[Shown], site: &Site) -> String {
    let of = |place: Place| shown.iter().filter(|shown| shown.place == place).collect();
    let sections = vec![
        Section {
            ja: "現在のお知らせ",
            en: "Current",
            none: ["現在のお知らせはありません。", "Nothing now."],
            shown: of(Place::Current),
        },
        Section {
            ja: "今後の予定",
            en: "Planned",
            none: ["予定されている作業や変更はありません。", "Nothing is planned."],
            shown: of(Place::Planned),
        },
        Section {
            ja: "過去のお知らせ",
            en: "Past",
            none: ["過去のお知らせはありません。", "Nothing yet."],
            shown: of(Place::Past),
        },
    ];
    let page = Page {
        ja: site.provider.as_ref().map(|name| letters::line(&name.ja)).unwrap_or_default(),
        en: site.provider.as_ref().map(|name| letters::line(&name.en)).unwrap_or_default(),
        contact: site.contact.as_deref().map(letters::line),
        made_at: site.made_at,
        open_incidents: shown.iter().filter(|shown| shown.is_open_incident()).count(),
        sections,
    };
    // Writing into a String cannot fail; the template was checked when this was compiled.
    page.render().unwrap_or_default()
}
