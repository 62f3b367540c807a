//! `kubectl cloudfarm notices`: what is told, to how many, and what is late.

use clap::Args;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::grants::unreadable;
use super::reads::{Listed, Seen};
use super::table::{Paint, Table, Tone, WIDTH, cell, inset, plain, wrap};
use super::time::{age, when};
use super::{Common, Desk, Failure, Output, conditions, print, print_json, refused};
use crate::api::notice::{Audience, Notice, NoticeKind, NoticeSeverity};
use crate::api::tenant::Locale;

/// Days for which a notice that is done is still shown.
const SHOWN_FOR: i64 = 14;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm notices              what is new, under way, late, or not delivered to everybody
  kubectl cloudfarm notices --all        every one there is
  LANG=ja_JP.UTF-8 kubectl cloudfarm notices
SENT is how many were reached of how many; an incident's deadline is 4 hours after it was confirmed.
Exit codes: 0 done; 2 wrong usage; 3 kubeconfig or cluster not usable; 4 you may not list Notices.")]
pub struct Notices {
    /// Those that are done since two weeks, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

impl Notices {
    pub async fn run(&self) -> Result<(), Failure> {
        let desk = Desk::at(&self.common).await?;
        let listed = match desk.reads.all::<Notice>(None).await? {
            Seen::Here(listed) => listed,
            Seen::Missing => Listed::default(),
            Seen::Refused(said) => {
                let kindly = "the list of Notices is the provider's; yours came by mail and are on the status page";
                return Err(refused(&format!("{said}; {kindly}")));
            }
        };
        match self.common.output {
            Output::Table => print(&text(&listed, self.all, language(), desk.now, desk.paint)),
            Output::Json => print_json(&json(&listed, self.all, desk.now)),
        }
    }
}

/// The reader's language, as the terminal says.
fn language() -> Locale {
    let mut said = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| std::env::var(name).ok());
    spoken(said.find(|value| !value.is_empty()).as_deref())
}

fn spoken(locale: Option<&str>) -> Locale {
    if locale.is_some_and(|locale| locale.starts_with("ja")) { Locale::Ja } else { Locale::En }
}

fn audience(audience: Option<&Audience>) -> String {
    match audience {
        Some(Audience { all: true, .. }) => "all".to_owned(),
        Some(Audience { names, .. }) if !names.is_empty() => names.len().to_string(),
        Some(Audience { selector, .. }) if !selector.is_empty() => "by label".to_owned(),
        _ => "nobody".to_owned(),
    }
}

/// An incident's clock: minutes that are left, or by which it is late, which stays for ever.
fn deadline(notice: &Notice, now: Timestamp) -> (String, Tone) {
    let status = notice.status.clone().unwrap_or_default();
    let Some(at) = status.deadline.map(|at| at.0) else { return ("-".to_owned(), Tone::Plain) };
    let minutes = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs() / 60;
    match status.deadline_met {
        Some(true) => ("met".to_owned(), Tone::Good),
        met => match status.last_sent_at.map(|sent| sent.0).filter(|_| met == Some(false)) {
            Some(sent) if sent > at => (format!("{} min late", minutes(at, sent)), Tone::Bad),
            _ if now >= at => (format!("{} min late", minutes(at, now)), Tone::Bad),
            _ => (format!("{} min left", minutes(now, at)), Tone::Doubtful),
        },
    }
}

/// Is there still something to look at?
fn current(notice: &Notice, now: Timestamp) -> bool {
    let status = notice.status.clone().unwrap_or_default();
    let Some(counts) = status.counts else { return true };
    let end = notice.spec.window.as_ref().map(|window| window.end.0);
    let born = notice.metadata.creation_timestamp.as_ref().map(|at| at.0);
    let last = [end, born, status.last_sent_at.map(|at| at.0)].into_iter().flatten().max();
    let recent = last.is_none_or(|at| now.duration_since(at) < SignedDuration::from_hours(24 * SHOWN_FOR));
    counts.sent < counts.recipients
        || recent
        || notice.spec.kind == NoticeKind::Incident && status.deadline_met.is_none()
}

/// What is late or not delivered comes first, then the gravest and newest.
fn sorted(listed: &Listed<Notice>, all: bool, now: Timestamp) -> Vec<&Notice> {
    let mut notices: Vec<&Notice> = listed.items.iter().filter(|each| all || current(each, now)).collect();
    notices.sort_by_key(|each| {
        let born = each.metadata.creation_timestamp.as_ref().map(|at| at.0);
        let severity = each.spec.severity;
        let urgent = matches!(deadline(each, now).1, Tone::Bad | Tone::Doubtful) && current(each, now);
        (!urgent, std::cmp::Reverse((severity, born)), each.name_any())
    });
    notices
}

/// For people.
fn text(listed: &Listed<Notice>, all: bool, language: Locale, now: Timestamp, paint: Paint) -> String {
    let shown = sorted(listed, all, now);
    let heads = ["NOTICE", "KIND", "SEVERITY", "TENANTS", "SENT", "FAILED", "DEADLINE", "AGE"];
    let mut table = Table::new(&heads, &["NOTICE"]);
    for each in &shown {
        let (spec, status) = (&each.spec, each.status.clone().unwrap_or_default());
        let subject = match language {
            Locale::Ja => &spec.subject.ja,
            Locale::En => &spec.subject.en,
        };
        let grave = spec.severity >= NoticeSeverity::High;
        let sent = status.counts.as_ref().map(|counts| (counts.sent, counts.recipients, counts.failed));
        let (clock, tone) = deadline(each, now);
        let about = audience(spec.tenants.as_ref());
        let cells = vec![
            plain(each.name_any()),
            plain(format!("{:?}", spec.kind)),
            cell(format!("{:?}", spec.severity), if grave { Tone::Doubtful } else { Tone::Plain }),
            cell(&about, if about == "nobody" { Tone::Bad } else { Tone::Plain }),
            plain(sent.map_or_else(|| "-".to_owned(), |(sent, of, _)| format!("{sent}/{of}"))),
            cell(
                sent.map_or_else(|| "-".to_owned(), |(_, _, failed)| failed.to_string()),
                if sent.is_some_and(|(_, _, failed)| failed > 0) { Tone::Bad } else { Tone::Plain },
            ),
            cell(clock, tone),
            plain(age(each.metadata.creation_timestamp.as_ref().map(|at| at.0), now)),
        ];
        table.row_and(cells, below(each, subject));
    }
    let mut text = if table.is_empty() { "there is nothing to tell\n".to_owned() } else { table.text(paint) };
    let hidden = listed.items.len() - shown.len();
    if hidden > 0 {
        let said = format!("{hidden} done, shown with --all\n");
        text += &said;
    }
    text + &unreadable(&listed.unreadable)
}

/// The subject, and why not everybody was told.
fn below(each: &Notice, subject: &str) -> String {
    let conditions = each.status.as_ref().map_or(&[][..], |status| &status.conditions[..]);
    let bad = conditions.iter().find(|each| conditions::grade(each) == conditions::Grade::Bad);
    let why =
        bad.map_or_else(String::new, |bad| inset(4, &wrap(&format!("{}: {}", bad.reason, bad.message), WIDTH - 4)));
    inset(2, &wrap(subject, WIDTH - 2)) + &why
}

/// For programs: both languages.
fn json(listed: &Listed<Notice>, all: bool, now: Timestamp) -> Value {
    let notices = sorted(listed, all, now).into_iter().map(|each| {
        let (spec, status) = (&each.spec, each.status.clone().unwrap_or_default());
        let at = status.deadline.as_ref().map(|at| at.0);
        json!({
            "name": each.name_any(), "kind": spec.kind, "severity": spec.severity, "subject": spec.subject,
            "tenants": spec.tenants, "about": audience(spec.tenants.as_ref()), "window": spec.window,
            "confirmedAt": spec.confirmed_at, "web": spec.web, "phase": status.phase, "counts": status.counts,
            "firstSentAt": status.first_sent_at, "lastSentAt": status.last_sent_at, "deadline": status.deadline,
            "deadlineJST": at.map(|at| when(at, now)), "deadlineMet": status.deadline_met, "clock": deadline(each, now).0,
            "conditions": status.conditions,
        })
    });
    json!({"notices": notices.collect::<Vec<_>>(), "unreadable": listed.unreadable})
}

#[cfg(test)]
mod tests {
    use super::super::grant::tests::now;
    use super::*;

    #[allow(clippy::needless_pass_by_value)] // a literal reads better without &
    fn notice(name: &str, spec: Value, status: Value) -> Notice {
        let mut whole = json!({"kind": "Vulnerability", "severity": "High", "subject": {"ja": "脆弱性のお知らせ", "en": "A vulnerability"},
            "body": {"ja": "本文", "en": "body"}, "tenants": {"all": true}});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let born = if name.starts_with("old") { "2026-10-30T14:07:00Z" } else { "2026-11-30T12:07:00Z" };
        let metadata = json!({"name": name, "creationTimestamp": born});
        serde_json::from_value(json!({"metadata": metadata, "spec": whole, "status": status})).unwrap()
    }

    fn incident(name: &str, status: &Value) -> Notice {
        let counts = json!({"recipients": 4, "sent": 4, "failed": 0});
        let mut whole = json!({"deadline": "2026-11-30T15:07:00Z", "counts": counts});
        for (key, value) in status.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let spec = json!({"kind": "Incident", "severity": "Critical", "confirmedAt": "2026-11-30T11:07:00Z",
            "tenants": {"names": ["acme", "beta"]}, "subject": {"ja": "障害".repeat(60), "en": "incident ".repeat(13)}});
        notice(name, spec, whole)
    }

    fn some() -> Listed<Notice> {
        let done = json!({"counts": {"recipients": 2, "sent": 2, "failed": 0}, "lastSentAt": "2026-10-30T14:17:00Z"});
        let failed = json!({"counts": {"recipients": 20_000, "sent": 19_998, "failed": 2}, "conditions": [{
            "type": "NoticesDelivered", "status": "False", "reason": "Bounced", "lastTransitionTime": "2026-11-30T12:07:00Z",
            "message": "2 addresses refuse mail; correct spec.administrators[].email of tenants acme and beta, and they are told"}]});
        let late =
            json!({"deadline": "2026-11-30T13:45:00Z", "deadlineMet": false, "lastSentAt": "2026-11-30T13:57:00Z"});
        let items = vec![
            notice("old-one", json!({}), done),
            notice(&"v".repeat(100), json!({}), failed),
            notice("nobody", json!({"kind": "SpecChange", "severity": "Info", "tenants": null}), Value::Null),
            notice("labelled", json!({"severity": "Low", "tenants": {"selector": {"plan": "x"}}}), Value::Null),
            incident("open", &json!({"counts": {"recipients": 4, "sent": 1, "failed": 0}})),
            incident("late", &late),
            incident(
                "unsent",
                &json!({"deadline": "2026-11-30T13:45:00Z", "deadlineMet": false,
                "counts": {"recipients": 4, "sent": 0, "failed": 4}}),
            ),
            incident("met", &json!({"deadlineMet": true})),
        ];
        Listed { items, unreadable: Vec::new() }
    }

    #[test]
    fn notices_are_told_in_the_readers_language_with_minutes_that_are_left_or_late() {
        let told = |language, all| text(&some(), all, language, now(), Paint::default());
        super::super::tests::golden("notices", &told(Locale::En, false));
        super::super::tests::golden("notices-ja", &told(Locale::Ja, true));
        let of = |locale| matches!(spoken(locale), Locale::Ja);
        assert_eq!(
            [Some("ja_JP.UTF-8"), Some("ja"), Some("en_US"), Some("C"), None].map(of),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn programs_get_both_languages_and_every_count() {
        let said = json(&some(), true, now());
        let notices = said["notices"].as_array().unwrap();
        assert_eq!(notices.len(), 8);
        assert_eq!(json(&some(), false, now())["notices"].as_array().unwrap().len(), 7);
        let open = notices.iter().find(|each| each["name"] == "open").unwrap();
        assert_eq!((&open["clock"], &open["counts"]["sent"]), (&json!("60 min left"), &json!(1)));
    }
}
