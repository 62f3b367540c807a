//! The status page and its feed: what is on it, what never is, and that nothing in a Notice gets out of its place.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cloudfarm::api::notice::{Audience, Notice, NoticeKind, NoticeSeverity, NoticeSpec, NoticeStatus};
use cloudfarm::statuspage::{Made, Site, Told, make};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::hostile::{hostile, only_our_elements};
use crate::occasions::{self, at, line, text};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const TARGETS: &[&str] = &["#notice-", "feed.atom"];
const ELEMENTS: &[&str] = &[
    "html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer", "section", "article", "div",
    "h1", "h2", "h3", "p", "span", "small", "b", "dl", "dt", "dd", "br", "a",
];
const ATTRIBUTES: &[&str] =
    &["lang", "charset", "name", "content", "http-equiv", "rel", "type", "title", "href", "class", "id"];

fn told(name: &str, created: &str, spec: NoticeSpec) -> Told {
    let body = spec.body.clone();
    let mut notice = Notice::new(name, spec);
    notice.metadata.creation_timestamp = Some(Time(at(created)));
    Told { notice, body }
}

fn site() -> Site {
    Site {
        provider: Some(line("サンプルクラウド", "Sample Cloud")),
        contact: Some("support@provider.example".into()),
        address: Some("https://status.provider.example/".into()),
        made_at: at("2026-11-30T05:40:00Z"),
    }
}

fn of_one_tenant(kind: NoticeKind) -> NoticeSpec {
    let never = line("acme だけの話", "a matter of acme alone");
    occasions::notice(kind, NoticeSeverity::High, never, text("acme", "acme"))
}

/// Everything that a provider tells in a month.
fn month() -> Vec<Told> {
    let over = NoticeSpec {
        window: Some(occasions::window("2026-11-20T01:10:00Z", "2026-11-20T03:55:00Z")),
        confirmed_at: Some(Time(at("2026-11-20T01:22:00Z"))),
        ..occasions::notice(
            NoticeKind::Incident,
            NoticeSeverity::Critical,
            line("管理画面にサインインできない障害 (復旧済み)", "No sign-in to the management screen (over)"),
            text(
                "証明書の更新の誤りにより、管理画面にサインインできませんでした。仮想マシンへの影響はありません。\n再発防止のため、更新の前に検証する手順を追加しました。",
                "A mistake in renewing a certificate kept people from signing in. VMs were not affected.\nA check \
before each renewal now keeps this from happening again.",
            ),
        )
    };
    let mut incident = told("storage-tokyo-2", "2026-11-30T05:20:00Z", occasions::incident());
    let audience = Audience { names: vec!["secret-customer".into()], ..Audience::default() };
    incident.notice.spec.tenants = Some(audience);
    incident.notice.metadata.uid = Some("5f0c7a3e-6c1b-4a55-9d0e-3f3c1d2b4a10".into());
    incident.notice.status =
        Some(NoticeStatus { published_at: Some(Time(at("2026-11-30T05:20:41Z"))), ..NoticeStatus::default() });
    let edit = |at: &str, subresource: Option<&str>| ManagedFieldsEntry {
        time: Some(Time(occasions::at(at))),
        subresource: subresource.map(Into::into),
        ..ManagedFieldsEntry::default()
    };
    incident.notice.metadata.managed_fields =
        Some(vec![edit("2026-11-30T05:33:00Z", None), edit("2026-11-30T05:39:00Z", Some("status"))]);
    vec![
        told("sign-in", "2026-11-20T01:30:00Z", over),
        told("openssh", "2026-11-25T02:00:00Z", occasions::vulnerability()),
        told("platform-update", "2026-11-24T02:00:00Z", occasions::maintenance()),
        told("tls-1-2", "2026-11-10T02:00:00Z", occasions::change()),
        incident,
        told("not-on-the-web", "2026-11-29T00:00:00Z", NoticeSpec { web: false, ..occasions::incident() }),
        told("full", "2026-11-29T00:00:00Z", of_one_tenant(NoticeKind::Capacity)),
        told("erasure", "2026-11-29T00:00:00Z", of_one_tenant(NoticeKind::Retention)),
        told("access", "2026-11-29T00:00:00Z", of_one_tenant(NoticeKind::Access)),
    ]
}

#[test]
fn the_page_and_the_feed_read_as_they_were_accepted() {
    let made = make(&month(), &site());
    let differences: Vec<String> = [("index.html", &made.html), ("feed.atom", &made.feed)]
        .into_iter()
        .filter_map(|(name, now)| crate::golden(&format!("status-page/{name}"), now))
        .collect();
    assert!(differences.is_empty(), "{}\n{}", differences.join("\n"), crate::ACCEPT);
}

#[test]
fn whom_a_notice_is_about_and_what_is_one_tenants_matter_is_never_published() {
    let made = make(&month(), &site());
    for text in [&made.html, &made.feed] {
        for hidden in ["secret-customer", "acme", "not-on-the-web"] {
            assert!(!text.contains(hidden), "{hidden} is published");
        }
    }
    assert_eq!(made.html.matches("<article ").count(), 5);
}

/// An incident nobody has said to be over goes on, however old it is; what has a window is where the clock says.
#[test]
fn a_notice_moves_from_planned_to_current_to_past() {
    let placed = |spec: NoticeSpec, now: &str| {
        let html = make(&[told("it", "2026-11-30T00:00:00Z", spec)], &Site { made_at: at(now), ..site() }).html;
        let before = html.split("<article ").next().expect("a page").to_owned();
        before.rsplit("<h2>").next().and_then(|rest| rest.split(' ').next()).expect("a heading").to_owned()
    };
    let maintenance = occasions::maintenance;
    for (spec, now, heading) in [
        (maintenance(), "2026-12-05T12:59:59Z", "今後の予定"),
        (maintenance(), "2026-12-05T13:00:00Z", "現在のお知らせ"),
        (maintenance(), "2026-12-05T18:00:00Z", "過去のお知らせ"),
        (occasions::incident(), "2031-01-01T00:00:00Z", "現在のお知らせ"),
        (occasions::vulnerability(), "2026-12-29T23:59:59Z", "現在のお知らせ"),
        (occasions::vulnerability(), "2026-12-30T00:00:00Z", "過去のお知らせ"),
    ] {
        assert_eq!(placed(spec, now), heading, "at {now}");
    }
}

fn children<'a>(node: Node<'a, 'a>, name: &str) -> Vec<Node<'a, 'a>> {
    node.children().filter(|child| child.has_tag_name((ATOM, name))).collect()
}

/// RFC 4287: what a feed and an entry must have, once, and of which form.
fn is_a_feed(text: &str) {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let feed = document.root_element();
    assert!(feed.has_tag_name((ATOM, "feed")));
    let mut ids = Vec::new();
    assert_eq!(children(feed, "author").len(), 1, "entries have none of their own");
    for node in std::iter::once(feed).chain(children(feed, "entry")) {
        for once in ["id", "title", "updated"] {
            assert_eq!(children(node, once).len(), 1, "{once}");
        }
        let id = children(node, "id")[0].text().expect("an id");
        let uuid = id.strip_prefix("urn:uuid:").expect("an IRI");
        assert!(uuid.len() == 36 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
        ids.push(id.to_owned());
        for date in children(node, "updated").into_iter().chain(children(node, "published")) {
            at(date.text().expect("a date"));
        }
        for link in children(node, "link") {
            assert!(link.attribute("href").is_some_and(|href| href.starts_with("https://status.provider.example/")));
        }
    }
    let number = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), number, "an id is somebody else's");
    for entry in children(feed, "entry") {
        let content = children(entry, "content");
        assert_eq!(content[0].attribute("type"), Some("xhtml"));
        let inside: Vec<_> = content[0].children().filter(Node::is_element).collect();
        assert!(inside.len() == 1 && inside[0].has_tag_name(("http://www.w3.org/1999/xhtml", "div")));
        for node in inside[0].descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(["div", "p", "strong", "br"].contains(&name), "an element {name}");
        }
    }
}

#[test]
fn the_feed_is_one_also_when_nothing_is_told_and_nothing_is_configured() {
    let nobody = Site { provider: None, contact: None, address: None, made_at: at("2026-11-30T05:40:00Z") };
    for made in [make(&month(), &site()), make(&month(), &nobody), make(&[], &site()), make(&[], &nobody)] {
        is_a_feed(&made.feed);
        only_our_elements(&made.html, ELEMENTS, ATTRIBUTES, TARGETS);
    }
    let feed = make(&month(), &site()).feed;
    assert!(feed.contains("<updated>2026-11-30T05:33:00Z</updated>"), "people's edit counts, the operator's does not");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_people_write_the_page_stays_a_page(
        words in prop::array::uniform4(hostile()), name in hostile(), contact in hostile()
    ) {
        let [subject, english, body, english_body] = words;
        let spec = occasions::notice(
            NoticeKind::SpecChange, NoticeSeverity::Medium, line(&subject, &english), text(&body, &english_body),
        );
        let site = Site { provider: Some(line(&subject, &english)), contact: Some(contact), ..site() };
        let Made { html, feed } = make(&[told(&name, "2026-11-30T00:00:00Z", spec)], &site);
        only_our_elements(&html, ELEMENTS, ATTRIBUTES, TARGETS);
        is_a_feed(&feed);
    }
}

fn status_page(arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
        .arg("status-page")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn manifest(name: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: cloudfarm.dev/v1alpha1\nkind: Notice\nmetadata: {{name: {name}, creationTimestamp: \
\"2026-11-30T00:00:00Z\"}}\nspec: {{kind: Vulnerability, subject: {{ja: 件名-{name}, en: subject-{name}}}, {rest}}}\n"
    )
}

const BODY: &str = "body: {ja: 本文, en: text}";

#[test]
fn the_command_writes_both_files_whole_and_what_was_removed_is_gone() {
    let folder = std::env::temp_dir().join(format!("cloudfarm-status-page-{}", std::process::id()));
    let out = folder.to_string_lossy().into_owned();
    let config = folder.join("config.yaml");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(&config, "mail: {host: unused, provider: {ja: 提供者, en: Provider}}\n").expect("written");
    let config = config.to_string_lossy().into_owned();
    let run = |notices: &str| status_page(&["--notices", "-", "--out", &out, "--config", &config], notices);
    let read = |name: &str| std::fs::read_to_string(Path::new(&out).join(name)).expect("it is there");

    let referred = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: long, namespace: \
cloudfarm-system}\ndata: {ja: 長い本文, en: a long text}\n";
    let both = manifest("first", BODY) + &manifest("second", "bodyRef: {name: long}") + referred;
    let (code, _, said) = run(&both);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    for name in ["index.html", "feed.atom"] {
        for part in ["subject-first", "subject-second", "a long text", "提供者"] {
            assert!(read(name).contains(part), "{part} is not in {name}");
        }
    }
    let (code, _, said) = run(&manifest("second", BODY));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(!read("index.html").contains("subject-first") && !read("feed.atom").contains("subject-first"));

    let before = read("index.html");
    let (code, _, said) = run(&manifest("third", "severity: Dreadful, body: {ja: 本文, en: text}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Notice third") && said.contains("Dreadful"), "{said}");
    assert_eq!(read("index.html"), before, "the page stays as it was");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["config.yaml", "feed.atom", "index.html"], "nothing unfinished is left");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn what_kubectl_prints_is_read_and_without_a_folder_the_page_is_printed() {
    let item = serde_json::json!({
        "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Notice",
        "metadata": {"name": "listed", "creationTimestamp": "2026-11-30T00:00:00Z"},
        "spec": {"kind": "Vulnerability", "subject": {"ja": "件名", "en": "in a \
    list"}, "body": {"ja": "本文", "en": "text"}},
    });
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [item]});
    let (code, page, said) = status_page(&["--notices", "-"], &list.to_string());
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("in a list"));
}
