//! What customers were told, and when.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::verdict::{Object, Verdict};
use super::{World, not_known, said};
use crate::api::condition::ConditionType;
use crate::api::notice::{Notice, NoticeKind, NoticeStatus};
use crate::api::tenant::Tenant;

/// From the confirmation of an incident to its last mail.
pub const HOURS: i64 = 4;

/// Is the notice about this tenant?
#[must_use]
pub fn concerns(notice: &Notice, tenant: &str, labels: Option<&Tenant>) -> bool {
    let Some(audience) = &notice.spec.tenants else { return false };
    let selected = || {
        let labels = labels.map(ResourceExt::labels);
        let carries = |(key, value): (&String, &String)| labels.is_some_and(|labels| labels.get(key) == Some(value));
        !audience.selector.is_empty() && audience.selector.iter().all(carries)
    };
    audience.all || audience.names.iter().any(|name| name == tenant) || selected()
}

/// Those of one kind that are about this tenant; without the Tenant a selector cannot be judged.
fn of_kind(world: &World, kind: NoticeKind) -> Result<Vec<&Notice>, Verdict> {
    let notices = world.notices.as_ref().map_err(|why| not_known("the Notices", why))?;
    let tenant = world.tenant()?;
    let about = |notice: &&Notice| notice.spec.kind == kind && concerns(notice, &world.name, Some(tenant));
    Ok(notices.iter().filter(about).collect())
}

/// Those that are about this tenant; those that select by label need its Tenant.
///
/// # Errors
/// The notices are not known, and why.
pub fn about(world: &World) -> super::Known<Vec<&Notice>> {
    let notices = world.notices.as_ref().map_err(Clone::clone)?;
    let tenant = world.tenant.as_ref().ok().and_then(Option::as_ref);
    Ok(notices.iter().filter(|notice| concerns(notice, &world.name, tenant)).collect())
}

fn none(what: &str) -> Verdict {
    Verdict::skip("NoCase", format!("{what}: there is nothing to judge")).looked(json!({"notices": 0}))
}

fn status(notice: &Notice) -> NoticeStatus {
    notice.status.clone().unwrap_or_default()
}

// How many were told is about other customers, too.
fn seen(notice: &Notice) -> Value {
    let told = status(notice);
    json!({
        "object": Object::of(notice), "kind": notice.spec.kind, "window": notice.spec.window,
        "confirmedAt": notice.spec.confirmed_at, "firstSentAt": told.first_sent_at, "publishedAt": told.published_at,
        "deadline": told.deadline, "deadlineMet": told.deadline_met,
    })
}

/// When anybody could first know of it.
fn first_told(notice: &Notice) -> Option<Timestamp> {
    let told = status(notice);
    [told.first_sent_at, told.published_at].into_iter().flatten().map(|at| at.0).min()
}

fn each(notices: Vec<&Notice>, what: &str, judged: impl Fn(&Notice) -> Verdict) -> Verdict {
    if notices.is_empty() {
        return none(what);
    }
    let count = notices.len();
    let of = |notice: &Notice| {
        let verdict = judged(notice);
        let since = verdict.since.or_else(|| first_told(notice));
        verdict.on(notice).since(since).looked(seen(notice))
    };
    let all = Verdict::all(&notices.into_iter().map(of).collect::<Vec<_>>());
    if all.measured.is_empty() { all.measured(format!("{count} notices")) } else { all }
}

fn judged(found: Result<Vec<&Notice>, Verdict>, what: &str, one: impl Fn(&Notice) -> Verdict) -> Verdict {
    found.map_or_else(|unknown| unknown, |notices| each(notices, what, one))
}

/// Told before it begins?
fn before_the_window(notice: &Notice, now: Timestamp) -> Verdict {
    let name = notice.name_any();
    let Some(window) = &notice.spec.window else {
        return Verdict::unknown("NoWindow", format!("Notice {name} does not say when"));
    };
    match first_told(notice) {
        Some(told) if told < window.start.0 => Verdict::pass("each was told before it began"),
        Some(_) => Verdict::fail("ToldTooLate", format!("Notice {name} was told after it had begun")),
        None if now < window.start.0 => Verdict::warn("NotToldYet", format!("Notice {name} is not told yet")),
        None if notice.status.is_none() => {
            Verdict::unknown("NotObserved", format!("nobody has looked at Notice {name}"))
        }
        None => Verdict::fail("NotTold", format!("Notice {name} has begun and was told to nobody")),
    }
}

/// 5.1.1-6: were changes of the service published?
pub fn changes(world: &World) -> Verdict {
    let now = world.now;
    judged(of_kind(world, NoticeKind::SpecChange), "no change of the service was announced", |notice| {
        let name = notice.name_any();
        match status(notice).published_at {
            _ if !notice.spec.web => Verdict::fail("NotOnTheWeb", format!("Notice {name} is kept from the web")),
            Some(at) => Verdict { since: Some(at.0), ..before_the_window(notice, now) },
            None if notice.status.is_none() => {
                Verdict::unknown("NotObserved", format!("nobody has looked at Notice {name}"))
            }
            None => Verdict::fail("NotPublished", format!("Notice {name} is not published")),
        }
    })
}

/// 12.1.2: was every maintenance told before it began?
pub fn maintenance(world: &World) -> Verdict {
    let now = world.now;
    let found = of_kind(world, NoticeKind::Maintenance);
    judged(found, "no maintenance was announced", |notice| before_the_window(notice, now)).limit("before it begins")
}

/// Has everybody got it? A recipient that is added later makes it incomplete until that one has it, too. How many they are
/// is about other customers, too.
fn delivered(notice: &Notice) -> Verdict {
    let name = notice.name_any();
    let told = status(notice);
    let verdict = match told.counts {
        None => Verdict::unknown("NotObserved", format!("nobody has looked at Notice {name}")),
        Some(counts) if counts.recipients == 0 => Verdict::fail("NobodyTold", format!("Notice {name} reaches nobody")),
        Some(counts) if counts.failed > 0 => {
            Verdict::fail("NotDelivered", format!("Notice {name} did not reach everybody it is for"))
        }
        Some(counts) if counts.sent < counts.recipients => {
            Verdict::warn("Sending", format!("Notice {name} has not reached everybody yet"))
        }
        Some(_) => {
            return Verdict::pass("each reached everybody it is for").since(told.last_sent_at.map(|at| at.0));
        }
    };
    verdict.since(first_told(notice))
}

/// 12.6.1: were vulnerabilities mailed to all?
pub fn vulnerabilities(world: &World) -> Verdict {
    judged(of_kind(world, NoticeKind::Vulnerability), "no vulnerability was announced", delivered)
        .limit("all administrators")
}

/// 5.1.1-8, 16.1.2: were incidents told, by mail or on the web?
pub fn incidents_told(world: &World) -> Verdict {
    judged(of_kind(world, NoticeKind::Incident), "no incident was confirmed", |notice| {
        let mailed = delivered(notice);
        match status(notice).published_at {
            // One of both ways is what is promised.
            Some(at) if notice.spec.web && mailed.result != super::Outcome::Pass => {
                Verdict::pass("each is on the web, at least").since(Some(at.0))
            }
            _ => mailed,
        }
    })
}

/// 16.1.1: were incidents mailed within four hours of their confirmation?
pub fn incidents_in_time(world: &World) -> Verdict {
    let now = world.now;
    judged(of_kind(world, NoticeKind::Incident), "no incident was confirmed", |notice| in_time(notice, now))
        .limit(format!("{HOURS} h"))
}

fn in_time(notice: &Notice, now: Timestamp) -> Verdict {
    let (name, told) = (notice.name_any(), status(notice));
    let Some(confirmed) = notice.spec.confirmed_at.as_ref().map(|at| at.0) else {
        return Verdict::unknown("NotConfirmed", format!("Notice {name} does not say when it was confirmed"));
    };
    let deadline = confirmed.checked_add(SignedDuration::from_hours(HOURS)).unwrap_or(Timestamp::MAX);
    let after = told.last_sent_at.as_ref().map(|at| elapsed(confirmed, at.0));
    let verdict = match told.deadline_met {
        Some(true) => Verdict::pass("each was mailed to everybody in time"),
        Some(false) => Verdict::fail("TooLate", format!("the mails of Notice {name} came later than promised")),
        None if now < deadline => Verdict::warn("Sending", format!("the 4 hours of Notice {name} run")),
        None if notice.status.is_none() => {
            Verdict::unknown("NotObserved", format!("nobody has looked at Notice {name}"))
        }
        None => Verdict::fail("TooLate", format!("the 4 hours of Notice {name} are over and not everybody was mailed")),
    };
    verdict.since(told.last_sent_at.map(|at| at.0)).measured(after.unwrap_or_else(|| "not all mailed".into()))
}

/// Such as `1 h 12 min`.
#[must_use]
pub fn elapsed(from: Timestamp, to: Timestamp) -> String {
    let minutes = to.duration_since(from).as_secs() / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// 12.1.3: below the threshold, or a mail went out since it was crossed.
pub fn capacity(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let status = tenant.status.clone().unwrap_or_default();
    let alert = tenant.spec.capacity_alert.clone().unwrap_or_default();
    let mut fullest = String::new();
    if let Some(row) = status.capacity.iter().max_by_key(|row| row.percent) {
        fullest = format!("{} {} %", row.resource, row.percent);
    }
    let crossed: Vec<Timestamp> =
        status.capacity.iter().filter_map(|row| row.exceeded_since.as_ref()).map(|at| at.0).collect();
    let verdict = Verdict::all(&said(tenant, &[ConditionType::CapacityWithinThreshold]));
    let verdict = if crossed.is_empty() || verdict.result != super::Outcome::Fail {
        verdict
    } else {
        let mailed = of_kind(world, NoticeKind::Capacity).map(|notices| {
            let told: Vec<Timestamp> = notices
                .iter()
                .filter_map(|notice| notice.status.as_ref()?.last_sent_at.as_ref())
                .map(|at| at.0)
                .collect();
            crossed.iter().all(|crossed| told.iter().any(|told| told >= crossed))
        });
        match mailed {
            Ok(true) => {
                Verdict { message: "over the threshold, and the administrators were told".into(), ..verdict }.good()
            }
            Ok(false) => Verdict { message: "over the threshold; no mail about it is known".into(), ..verdict },
            Err(unknown) => Verdict::all(&[unknown, Verdict { result: super::Outcome::Warn, ..verdict }]),
        }
    };
    verdict.measured(fullest).limit(format!("{} %, then a mail", alert.threshold_percent))
}

impl Verdict {
    /// The same, as promised.
    fn good(self) -> Self {
        Self { result: super::Outcome::Pass, reason: "AsPromised".into(), ..self }
    }
}
