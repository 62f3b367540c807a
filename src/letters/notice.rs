//! What people at the provider tell: maintenance, changes, vulnerabilities, incidents.

use super::clean::{line, paragraphs};
use super::sheet::{Block, Tone, Words, fact, say, within};
use super::{Locale, Provider, dates, pick};
use crate::api::notice::{NoticeKind, NoticeSeverity, NoticeSpec, Text};

/// The kind, for readers.
#[must_use]
pub fn kind(kind: NoticeKind, locale: Locale) -> &'static str {
    let (ja, en) = match kind {
        NoticeKind::Capacity => ("容量のお知らせ", "Capacity"),
        NoticeKind::Maintenance => ("メンテナンスのお知らせ", "Maintenance"),
        NoticeKind::SpecChange => ("仕様変更のお知らせ", "Change of the service"),
        NoticeKind::Vulnerability => ("脆弱性のお知らせ", "Vulnerability"),
        NoticeKind::Incident => ("障害のお知らせ", "Incident"),
        NoticeKind::Retention => ("データ消去のお知らせ", "Erasure of data"),
        NoticeKind::Access => ("作業アクセスのお知らせ", "Access by our staff"),
    };
    pick(locale, ja, en)
}

/// The severity, for readers.
#[must_use]
pub fn severity(severity: NoticeSeverity, locale: Locale) -> &'static str {
    let (ja, en) = match severity {
        NoticeSeverity::Info => ("情報", "Information"),
        NoticeSeverity::Low => ("軽微", "Low"),
        NoticeSeverity::Medium => ("中", "Medium"),
        NoticeSeverity::High => ("重要", "High"),
        NoticeSeverity::Critical => ("緊急", "Critical"),
    };
    pick(locale, ja, en)
}

/// The words of a notice.
pub fn sheet(spec: &NoticeSpec, body: &Text, follow_up: bool, provider: &Provider<'_>, locale: Locale) -> Words {
    let subject = line(pick(locale, &spec.subject.ja, &spec.subject.en));
    let again = if follow_up { pick(locale, "【続報】", "Second notice: ") } else { "" };
    let mut blocks = vec![say(opening(spec.kind, follow_up, provider, locale)), facts(spec, locale)];
    blocks.extend(paragraphs(pick(locale, &body.ja, &body.en)).into_iter().map(Block::Paragraph));
    blocks.extend(closing(spec, locale).map(say));
    Words { tone: tone(spec), title: format!("{again}{}: {subject}", kind(spec.kind, locale)), blocks }
}

fn tone(spec: &NoticeSpec) -> Tone {
    match spec.severity {
        NoticeSeverity::Critical => Tone::Urgent,
        NoticeSeverity::High => Tone::Attention,
        _ if spec.kind == NoticeKind::Incident => Tone::Attention,
        _ => Tone::Plain,
    }
}

fn opening(kind: NoticeKind, follow_up: bool, provider: &Provider<'_>, locale: Locale) -> String {
    let (ja, en) = match (kind, follow_up) {
        (NoticeKind::Incident, false) => (
            "お客様への影響が考えられる障害を確認しましたので、お知らせいたします。ご不便とご心配をおかけし、誠に申し訳ございません。",
            "We have confirmed an incident that may affect you, and we apologise for it. This is what we know.",
        ),
        (NoticeKind::Incident, true) => (
            "先にお知らせした障害につきまして、続報をお送りいたします。ご不便とご心配をおかけしておりますことを、重ねてお詫び申し上げます。",
            "This is a second notice about the incident that we told you of. We apologise again for it.",
        ),
        (NoticeKind::Vulnerability, false) => (
            "サービスに関係する脆弱性の情報をお知らせいたします。",
            "This is about a vulnerability that concerns the service.",
        ),
        (NoticeKind::SpecChange, false) => (
            "サービスの仕様を下記のとおり変更いたしますので、お知らせいたします。",
            "We are going to change the service as described below.",
        ),
        (NoticeKind::Maintenance, false) => (
            "下記のとおりメンテナンスを実施いたしますので、お知らせいたします。ご不便をおかけいたしますが、ご理解くださいますようお願い申し上げます。",
            "We are going to do the maintenance described below, and thank you for your understanding.",
        ),
        (_, true) => (
            "先にお知らせした内容に変更または追加がございますので、続報をお送りいたします。",
            "This is a second notice: something has changed or been added since the first.",
        ),
        (_, false) => ("下記のとおりお知らせいたします。", "We would like to tell you the following."),
    };
    match locale {
        Locale::Ja => format!("平素より{}をご利用いただき、誠にありがとうございます。{ja}", within(&provider.name.ja)),
        Locale::En => en.to_owned(),
    }
}

fn facts(spec: &NoticeSpec, locale: Locale) -> Block {
    let mut rows = vec![fact(pick(locale, "重要度", "Severity"), severity(spec.severity, locale))];
    if let Some(confirmed) = &spec.confirmed_at {
        rows.push(fact(pick(locale, "確認日時", "Confirmed"), dates::instant(confirmed.0, locale)));
    }
    if let Some(window) = &spec.window {
        let when = match spec.kind {
            NoticeKind::Maintenance => pick(locale, "作業時間", "Window"),
            _ => pick(locale, "予定日時", "When"),
        };
        rows.push(fact(when, dates::span(window.start.0, window.end.0, locale)));
    }
    if spec.restart_virtual_machines {
        let restart = pick(
            locale,
            "再起動待ちの仮想マシンを、作業時間内に再起動します。",
            "VMs that wait for a restart are restarted within the window.",
        );
        rows.push(fact(pick(locale, "再起動", "Restart"), restart));
    }
    Block::Facts(rows)
}

/// When the reader hears again.
fn closing(spec: &NoticeSpec, locale: Locale) -> Option<String> {
    let (ja, en) = match (spec.kind, spec.web) {
        (NoticeKind::Incident, true) => (
            "状況が変わりしだい、または復旧を確認しだい、続報をメールと下記のサービス状況のページでお知らせいたします。",
            "We write again as soon as something changes or the incident is over, by mail and on the page of the \
service's status.",
        ),
        (NoticeKind::Incident, false) => (
            "状況が変わりしだい、または復旧を確認しだい、続報をメールでお知らせいたします。",
            "We write again by mail as soon as something changes or the incident is over.",
        ),
        (NoticeKind::Maintenance, _) => (
            "作業時間に変更が生じた場合は、あらためてお知らせいたします。",
            "Should the window change, we will write again.",
        ),
        _ => return None,
    };
    Some(pick(locale, ja, en).to_owned())
}
