//! The Atom feed (RFC 4287).

use askama::Template;
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Site;
use super::page::FEED;
use super::shown::Shown;
use crate::evidence::hex;
use crate::letters;

/// Entries of a feed, the latest.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'a> {
    id: String,
    title: String,
    author: String,
    updated: String,
    address: Option<String>,
    own_address: Option<String>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    id: String,
    title: String,
    updated: String,
    published: String,
    address: Option<String>,
    shown: &'a Shown,
}

/// The feed as XML.
pub fn set(shown: &[Shown], site: &Site) -> String {
    let mut latest: Vec<&Shown> = shown.iter().collect();
    latest.sort_by(|one, other| other.updated.cmp(&one.updated).then_with(|| one.anchor.cmp(&other.anchor)));
    latest.truncate(MOST);
    let address = site.address.as_deref().map(letters::line);
    let author = site.provider.as_ref().map_or("Cloud Farm".to_owned(), |name| letters::line(&name.ja));
    let feed = Feed {
        id: address.as_deref().map_or_else(|| urn("feed"), |address| urn(&format!("feed {address}"))),
        title: format!("{author} サービス状況 / Service status"),
        author,
        updated: instant(latest.first().map_or(site.made_at, |shown| shown.updated)),
        own_address: address.as_deref().map(beside),
        entries: latest.into_iter().map(|shown| entry(shown, address.as_deref())).collect(),
        address,
    };
    // Writing into a String cannot fail; the template was checked when this was compiled.
    feed.render().unwrap_or_default()
}

fn entry<'a>(shown: &'a Shown, address: Option<&str>) -> Entry<'a> {
    let [ja, en] = &shown.sides;
    Entry {
        id: shown
            .uid
            .as_deref()
            .filter(|uid| is_uuid(uid))
            .map_or_else(|| urn(&shown.anchor), |uid| format!("urn:uuid:{uid}")),
        title: format!("{}: {} / {}: {}", ja.kind, ja.subject, en.kind, en.subject),
        updated: instant(shown.updated),
        published: instant(shown.published),
        address: address.map(|address| format!("{address}#{}", shown.anchor)),
        shown,
    }
}

/// The feed lies in the page's folder.
fn beside(page: &str) -> String {
    let folder = if page.ends_with('/') { page } else { page.rsplit_once('/').map_or(page, |(folder, _)| folder) };
    let folder = if folder.ends_with(":/") { page } else { folder };
    format!("{}/{FEED}", folder.trim_end_matches('/'))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A UUID made of a name (RFC 9562, version 8): the same in every run.
fn urn(name: &str) -> String {
    let digest = Sha256::digest(format!("cloudfarm.dev/status-page/{name}"));
    let hex = hex::encode(&digest);
    format!("urn:uuid:{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_found_beside_the_page() {
        for (page, feed) in [
            ("https://status.provider.example", "https://status.provider.example/feed.atom"),
            ("https://status.provider.example/", "https://status.provider.example/feed.atom"),
            ("https://provider.example/status/", "https://provider.example/status/feed.atom"),
            ("https://provider.example/status/index.html", "https://provider.example/status/feed.atom"),
        ] {
            assert_eq!(beside(page), feed);
        }
    }

    #[test]
    fn a_name_makes_one_uuid() {
        let id = urn("notice-a").replace("urn:uuid:", "");
        assert!(is_uuid(&id) && id.as_bytes()[14] == b'8' && id != urn("notice-b"), "{id}");
    }
}
