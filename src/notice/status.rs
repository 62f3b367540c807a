//! Pure: what a Notice says about itself after a pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::body::NoText;
use super::deliver::Delivered;
use super::observe::NoticeSnapshot;
use super::record::Summary;
use crate::api::condition::{ConditionType, Reason, Status, Verdict, merge};
use crate::api::jst::in_japan;
use crate::api::notice::{Counts, NoticePhase, NoticeStatus};
use crate::api::tenant::NoticeKind;
use crate::mail::Shut;
use crate::operator::context::Conditions;

/// Seconds after which a text that is not there is looked for again.
const TEXT_REST: i64 = 60;

impl Conditions for NoticeStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// The status after a pass.
#[must_use]
pub fn status(snapshot: &NoticeSnapshot, delivered: &Delivered) -> NoticeStatus {
    let previous = snapshot.notice.status.clone().unwrap_or_default();
    let spec = &snapshot.notice.spec;
    let mut status = NoticeStatus {
        observed_generation: snapshot.notice.metadata.generation,
        conditions: Vec::new(),
        deadline: snapshot.deadline().map(Time),
        published_at: previous.published_at.clone().or_else(|| published(snapshot).then_some(Time(snapshot.now))),
        ..previous.clone()
    };
    if let Some(total) = &delivered.total {
        // Where not everybody was looked at again, what was known counts on.
        let known = previous.counts.as_ref().filter(|_| !delivered.whole).map_or(0, |counts| counts.sent);
        count(&mut status, total, known);
    }
    status.audience = audience(snapshot, delivered, &previous);
    status.deadline_met = deadline_met(snapshot, delivered, &previous);
    status.phase = phase(snapshot, &status);
    let told = told(snapshot, delivered, &status);
    let unheard: &[&str] = if spec.restart_virtual_machines { &["spec.restartVirtualMachines"] } else { &[] };
    let mut verdicts = vec![ready(&told), stalled(&told), Verdict::without_effect(unheard), told];
    verdicts.extend(snapshot.deadline().map(|deadline| in_four_hours(&status, deadline)));
    verdicts.extend(spec.window.as_ref().map(|window| in_time(snapshot, &status, window.start.0)));
    status.conditions = merge(&previous.conditions, &verdicts, snapshot.notice.metadata.generation, snapshot.now);
    status
}

/// When to look again if nothing happens.
#[must_use]
pub fn next_change(snapshot: &NoticeSnapshot, delivered: &Delivered) -> Option<Timestamp> {
    let spec = &snapshot.notice.spec;
    let decided = snapshot.notice.status.as_ref().is_some_and(|status| status.deadline_met == Some(false));
    let deadline = snapshot.deadline().filter(|at| !decided && *at > snapshot.now);
    let window = spec.window.iter().flat_map(|window| [window.start.0, window.end.0]);
    let text = snapshot.body.is_err().then(|| snapshot.now.checked_add(SignedDuration::from_secs(TEXT_REST)).ok());
    let due = window.chain(deadline).filter(|at| *at > snapshot.now);
    due.chain(delivered.next).chain(text.flatten()).min()
}

fn published(snapshot: &NoticeSnapshot) -> bool {
    snapshot.notice.spec.web && !snapshot.is_own() && snapshot.body.is_ok()
}

fn count(status: &mut NoticeStatus, total: &Summary, known: i64) {
    let recipients = i64::from(total.recipients);
    let sent = i64::from(total.sent).max(known.min(recipients));
    status.counts = Some(Counts { recipients, sent, failed: total.failed.into() });
    // When the first mail went out is never moved.
    status.first_sent_at = status.first_sent_at.clone().or_else(|| total.first.map(Time));
    status.last_sent_at = status.last_sent_at.clone().max(total.last.map(Time));
}

/// Nobody is left to tell: the next pass, and the next leader, has nothing to look up.
fn audience(snapshot: &NoticeSnapshot, delivered: &Delivered, previous: &NoticeStatus) -> Option<String> {
    if !snapshot.can_be_told() {
        return previous.audience.clone();
    }
    let Some(total) = &delivered.total else { return previous.audience.clone() };
    let through = delivered.whole && delivered.unwritten.is_empty() && total.sent + total.failed == total.recipients;
    through.then(|| snapshot.audience.clone())
}

/// Once it is known that somebody was told late, nothing changes that; nor does it matter after the deadline who comes new.
fn deadline_met(snapshot: &NoticeSnapshot, delivered: &Delivered, previous: &NoticeStatus) -> Option<bool> {
    let deadline = snapshot.deadline()?;
    let over = snapshot.now >= deadline;
    match (previous.deadline_met, &delivered.total) {
        (Some(false), _) => Some(false),
        (Some(true), _) if over => Some(true),
        (_, Some(total)) if total.late || over && delivered.whole && (total.untold || total.sent == 0) => Some(false),
        (_, Some(total)) if delivered.whole && !total.untold && total.sent > 0 => Some(true),
        (Some(true), None) => Some(true),
        // Nobody can be told anything, and the time is over.
        (_, None) if over => Some(false),
        _ => None,
    }
}

fn phase(snapshot: &NoticeSnapshot, status: &NoticeStatus) -> Option<NoticePhase> {
    let window =
        snapshot.notice.spec.window.as_ref().filter(|_| snapshot.notice.spec.kind == NoticeKind::Maintenance)?;
    let announced = announced(status).is_some();
    Some(match snapshot.now {
        now if now >= window.end.0 => NoticePhase::Done,
        _ if !announced => NoticePhase::Draft,
        now if now >= window.start.0 => NoticePhase::InWindow,
        _ => NoticePhase::Announced,
    })
}

/// When it was first told, by mail or on the page (12.1.2).
fn announced(status: &NoticeStatus) -> Option<Timestamp> {
    let ways = [&status.first_sent_at, &status.published_at];
    ways.into_iter().flatten().map(|at| at.0).min()
}

fn told(snapshot: &NoticeSnapshot, delivered: &Delivered, status: &NoticeStatus) -> Verdict {
    let bad = |reason, message: String| Verdict::bad(ConditionType::NoticesDelivered, reason, message);
    let counts = status.counts.clone().unwrap_or_default();
    let all = counts.recipients > 0 && counts.sent == counts.recipients;
    if snapshot.is_over() {
        if all {
            return Verdict::good(ConditionType::NoticesDelivered, format!("{} mails are delivered", counts.sent));
        }
        let message = format!(
            "{} of {} people were told before it was over; nobody is told any more",
            counts.sent, counts.recipients
        );
        return bad(Reason::NoticeOver, message);
    }
    match &snapshot.body {
        Err(NoText::Missing(what)) => return bad(Reason::BodyMissing, what.clone()),
        Err(NoText::Unknown(what)) => return bad(Reason::ApiError, format!("its text cannot be read: {what}")),
        Ok(_) => {}
    }
    if snapshot.is_own() && !snapshot.missing.is_empty() {
        return bad(Reason::NoticeOver, "its tenant is gone; nobody is told any more".into());
    }
    if !snapshot.missing.is_empty() {
        let names: Vec<&str> = snapshot.missing.iter().map(String::as_str).take(10).collect();
        let message =
            format!("spec.tenants.names has tenants that do not exist: {}; the others are told", names.join(", "));
        return bad(Reason::TenantNotFound, message);
    }
    if snapshot.tenants.is_empty() {
        let message = "it is about nobody: write spec.tenants.all: true, or names or a selector of tenants that exist";
        return bad(Reason::Nobody, message.into());
    }
    if !snapshot.mail {
        let message = "nobody is mailed: the operator's config has no section mail (chart value config.mail)";
        return bad(Reason::MailNotConfigured, message.into());
    }
    if let Some(why) = &delivered.shut {
        let reason = match why {
            Shut::FileMissing(_) => Reason::MailFileMissing,
            Shut::Unreachable(_) | Shut::Refuses(_) => Reason::MailUnavailable,
        };
        return bad(reason, format!("{} of {} people are told; {why}", counts.sent, counts.recipients));
    }
    if !delivered.unwritten.is_empty() {
        let message = format!("nothing is sent without a record of it: {}", delivered.unwritten.join("; "));
        return bad(Reason::ApiError, message);
    }
    if counts.failed > 0 {
        let of =
            if delivered.failing.is_empty() { String::new() } else { format!(" of {}", delivered.failing.join(", ")) };
        let message = format!(
            "{} people{of} cannot be reached: their mail server refuses for good, or took nothing for a day; the records in cfd-<tenant> say which, correct spec.administrators of the Tenant",
            counts.failed
        );
        return bad(Reason::DeliveryFailed, message);
    }
    if status.audience.as_ref() == Some(&snapshot.audience) {
        return Verdict::good(ConditionType::NoticesDelivered, format!("{} mails are delivered", counts.sent));
    }
    bad(Reason::Progressing, format!("{} of {} people are told", counts.sent, counts.recipients))
}

fn ready(told: &Verdict) -> Verdict {
    Verdict { type_: ConditionType::Ready, ..told.clone() }
}

/// What waiting does not help.
fn stalled(told: &Verdict) -> Verdict {
    let stalls = matches!(
        told.reason,
        Reason::Nobody
            | Reason::TenantNotFound
            | Reason::BodyMissing
            | Reason::MailNotConfigured
            | Reason::MailFileMissing
            | Reason::DeliveryFailed
    );
    if stalls {
        return Verdict::new(ConditionType::Stalled, Status::True, told.reason, told.message.clone());
    }
    Verdict::new(ConditionType::Stalled, Status::False, Reason::AsDeclared, "nothing waits for a person")
}

fn in_four_hours(status: &NoticeStatus, deadline: Timestamp) -> Verdict {
    let (type_, at) = (ConditionType::IncidentDeadlineMet, in_japan(deadline));
    match status.deadline_met {
        Some(true) => Verdict::good(type_, format!("every privileged administrator was told before {at}")),
        Some(false) => {
            Verdict::bad(type_, Reason::DeadlineMissed, format!("a privileged administrator was not told before {at}"))
        }
        None => Verdict::new(
            type_,
            Status::Unknown,
            Reason::DeadlineRunning,
            format!("every privileged administrator is to be told before {at}"),
        ),
    }
}

fn in_time(snapshot: &NoticeSnapshot, status: &NoticeStatus, start: Timestamp) -> Verdict {
    let (type_, begins) = (ConditionType::AnnouncedInTime, in_japan(start));
    match announced(status) {
        Some(at) if at < start => {
            Verdict::good(type_, format!("told since {}, before the window begins at {begins}", in_japan(at)))
        }
        Some(at) => Verdict::bad(
            type_,
            Reason::AnnouncedLate,
            format!("told since {}, when the window had begun at {begins}", in_japan(at)),
        ),
        None if snapshot.now >= start => {
            Verdict::bad(type_, Reason::AnnouncedLate, format!("the window began at {begins}, and nobody is told"))
        }
        None => Verdict::new(type_, Status::Unknown, Reason::Progressing, "nobody is told yet"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::notice::{Notice, NoticeSpec, Text};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn incident(now: i64, before: Option<bool>) -> NoticeSnapshot {
        let spec = serde_json::json!({
            "kind": "Incident", "subject": {"ja": "x", "en": "x"}, "confirmedAt": "1970-01-01T00:00:00Z",
        });
        let mut notice = Notice::new("down", serde_json::from_value::<NoticeSpec>(spec).unwrap());
        notice.status = Some(NoticeStatus { deadline_met: before, ..NoticeStatus::default() });
        NoticeSnapshot {
            notice,
            uid: "u".into(),
            event: None,
            body: Ok(Text::default()),
            tenants: Vec::new(),
            missing: Vec::new(),
            content: String::new(),
            audience: "a".into(),
            mail: true,
            now: at(now),
        }
    }

    fn summary(sent: u32, untold: bool, late: bool) -> Delivered {
        let total = Summary { recipients: 2, sent, untold, late, ..Summary::default() };
        Delivered { total: Some(total), whole: true, ..Delivered::default() }
    }

    #[test]
    fn the_four_hours_are_judged_once_and_for_good() {
        let hours = 3600;
        let judged =
            |now: i64, before, delivered: &Delivered| status(&incident(now * hours, before), delivered).deadline_met;
        assert_eq!(judged(1, None, &summary(1, true, false)), None);
        assert_eq!(judged(3, None, &summary(2, false, false)), Some(true));
        assert_eq!(judged(3, Some(true), &summary(2, true, false)), None, "somebody new, in time");
        assert_eq!(judged(4, None, &summary(1, true, false)), Some(false));
        for later in [summary(2, false, false), summary(2, false, true), Delivered::default()] {
            assert_eq!(judged(9, Some(false), &later), Some(false));
        }
        assert_eq!(judged(9, Some(true), &summary(2, true, false)), Some(true), "who comes after the deadline");
        assert_eq!(judged(9, None, &summary(2, false, true)), Some(false), "told, but late");
        assert_eq!(judged(5, None, &Delivered::default()), Some(false), "nobody could be told");
        let part = Delivered { whole: false, ..summary(1, false, false) };
        assert_eq!(judged(5, None, &part), None, "a new leader has not looked at everybody yet");
    }

    #[test]
    fn a_deadline_is_four_hours_after_the_confirmation() {
        assert_eq!(status(&incident(0, None), &Delivered::default()).deadline, Some(Time(at(4 * 3600))));
    }
}
