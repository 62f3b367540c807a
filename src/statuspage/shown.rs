//! What the page shows of each Notice, and under which heading.

use std::cmp::Reverse;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{Told, is_published};
use crate::api::jst::plus_days;
use crate::api::notice::{Notice, NoticeKind, NoticeSeverity, NoticeSpec};
use crate::api::tenant::Locale;
use crate::letters;

/// So many days is a notice without a window news.
const NEWS_DAYS: i64 = 30;

/// Where a notice stands on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Current,
    Planned,
    Past,
}

/// One notice.
#[derive(Clone, Debug)]
pub struct Shown {
    pub place: Place,
    pub kind: NoticeKind,
    pub severity: NoticeSeverity,
    /// Fragment of its address on the page.
    pub anchor: String,
    pub uid: Option<String>,
    pub published: Timestamp,
    pub updated: Timestamp,
    /// When it begins, or was published.
    pub begins: Timestamp,
    pub sides: [Side; 2],
}

/// A notice in one language.
#[derive(Clone, Debug)]
pub struct Side {
    pub language: &'static str,
    pub kind: &'static str,
    pub severity: &'static str,
    pub subject: String,
    pub facts: Vec<(&'static str, String)>,
    pub paragraphs: Vec<Vec<String>>,
}

/// Everything that is published: incidents that go on, then the rest of what is current by its severity, then what comes
/// next, then what is over, the latest first.
pub fn all(told: &[Told], now: Timestamp) -> Vec<Shown> {
    let mut shown: Vec<Shown> =
        told.iter().filter(|told| is_published(&told.notice)).map(|told| shown(told, now)).collect();
    shown.sort_by(|one, other| {
        let first = |shown: &Shown| match shown.place {
            Place::Current => {
                (u8::from(!shown.is_open_incident()), Reverse(Some(shown.severity)), Reverse(Some(shown.begins)), None)
            }
            Place::Planned => (2, Reverse(None), Reverse(None), Some(shown.begins)),
            Place::Past => (3, Reverse(None), Reverse(Some(shown.begins)), None),
        };
        first(one).cmp(&first(other)).then_with(|| one.anchor.cmp(&other.anchor))
    });
    shown
}

fn shown(told: &Told, now: Timestamp) -> Shown {
    let (notice, spec) = (&told.notice, &told.notice.spec);
    let published = published(notice).unwrap_or(now);
    let confirmed = spec.confirmed_at.as_ref().map(|at| at.0);
    Shown {
        place: place(spec, published, now),
        kind: spec.kind,
        severity: spec.severity,
        anchor: anchor(&notice.name_any()),
        uid: notice.uid(),
        published,
        updated: edited(notice).unwrap_or(published).max(published),
        begins: spec.window.as_ref().map(|window| window.start.0).or(confirmed).unwrap_or(published),
        sides: [side(told, published, Locale::Ja), side(told, published, Locale::En)],
    }
}

/// An incident is over when its window is: until somebody writes one, it goes on.
fn place(spec: &NoticeSpec, published: Timestamp, now: Timestamp) -> Place {
    match &spec.window {
        Some(window) if now < window.start.0 => Place::Planned,
        Some(window) if now < window.end.0 => Place::Current,
        None if spec.kind == NoticeKind::Incident || now < plus_days(published, NEWS_DAYS) => Place::Current,
        _ => Place::Past,
    }
}

fn published(notice: &Notice) -> Option<Timestamp> {
    let seen = notice.status.as_ref().and_then(|status| status.published_at.as_ref());
    seen.or(notice.metadata.creation_timestamp.as_ref()).map(|Time(at)| *at)
}

/// When people last changed it, as the API server remembers.
fn edited(notice: &Notice) -> Option<Timestamp> {
    let of_people = notice.managed_fields().iter().filter(|entry| entry.subresource.is_none());
    of_people.filter_map(|entry| entry.time.as_ref()).map(|Time(at)| *at).max()
}

/// Letters, digits, dots and hyphens, as Kubernetes' own names are.
fn anchor(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("notice-{}", name.chars().map(plain).collect::<String>())
}

fn side(told: &Told, published: Timestamp, locale: Locale) -> Side {
    let spec = &told.notice.spec;
    let pick = |ja: &'static str, en: &'static str| if locale == Locale::Ja { ja } else { en };
    let mut facts = Vec::new();
    if let Some(window) = &spec.window {
        let when =
            if spec.kind == NoticeKind::Maintenance { pick("作業時間", "Window") } else { pick("日時", "When") };
        facts.push((when, letters::span(window.start.0, window.end.0, locale)));
    }
    if let Some(confirmed) = &spec.confirmed_at {
        facts.push((pick("確認日時", "Confirmed"), letters::instant(confirmed.0, locale)));
    }
    facts.push((pick("掲載日時", "Published"), letters::instant(to_the_minute(published), locale)));
    let body = told.body.as_ref().map(|body| if locale == Locale::Ja { &body.ja } else { &body.en });
    Side {
        language: pick("ja", "en"),
        kind: letters::kind(spec.kind, locale),
        severity: letters::severity(spec.severity, locale),
        subject: letters::line(if locale == Locale::Ja { &spec.subject.ja } else { &spec.subject.en }),
        facts,
        paragraphs: body.map(|body| letters::paragraphs(body)).unwrap_or_default(),
    }
}

/// Nobody reads a page for the second at which something was put on it.
fn to_the_minute(instant: Timestamp) -> Timestamp {
    let seconds = instant.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(instant)
}

impl Shown {
    /// The class of its mark.
    pub fn mark(&self) -> &'static str {
        match self.severity {
            NoticeSeverity::Info | NoticeSeverity::Low => "calm",
            NoticeSeverity::Medium => "notable",
            NoticeSeverity::High => "high",
            NoticeSeverity::Critical => "critical",
        }
    }

    /// Is something broken now?
    pub fn is_open_incident(&self) -> bool {
        self.kind == NoticeKind::Incident && self.place == Place::Current
    }
}
