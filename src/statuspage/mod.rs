//! The status page: published Notices as one page of HTML and as an Atom feed (5.1.1-6, 16.1.2).
//!
//! Pure: the same Notices, the same instant, the same bytes. Whom a notice is about is never published, and what the
//! operator makes for one tenant (Capacity, Retention, Access) is never on the page, whatever it says of itself.

mod feed;
mod page;
mod shown;

use k8s_openapi::jiff::Timestamp;

use crate::api::notice::{Line, Notice, NoticeKind, Text};

/// A Notice with its text: spec.body, or what spec.bodyRef leads to; nothing while that cannot be read.
#[derive(Clone, Debug)]
pub struct Told {
    pub notice: Notice,
    pub body: Option<Text>,
}

/// Whose page it is, and when it is made.
#[derive(Clone, Debug)]
pub struct Site {
    pub provider: Option<Line>,
    /// Where questions go.
    pub contact: Option<String>,
    /// Where the page will be found; the feed leads back to it.
    pub address: Option<String>,
    pub made_at: Timestamp,
}

/// What is to be put on a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub html: String,
    pub feed: String,
}

/// The page and the feed of all that is published.
#[must_use]
pub fn make(told: &[Told], site: &Site) -> Made {
    let shown = shown::all(told, site.made_at);
    Made { html: page::set(&shown, site), feed: feed::set(&shown, site) }
}

/// Does this belong on the page?
#[must_use]
pub fn is_published(notice: &Notice) -> bool {
    let of_one_tenant = [NoticeKind::Capacity, NoticeKind::Retention, NoticeKind::Access].contains(&notice.spec.kind);
    notice.spec.web && !of_one_tenant
}
