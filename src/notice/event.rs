//! Pure: what the operator itself has reason to tell, and the Notice that it makes of it.
//!
//! A Notice's name says what it is about: a contract's crossing by its number, an erasure by its date and the days left, a
//! grant by its state. So whoever makes it, and however often it is tried, there is one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use crate::api::access_grant::{AccessGrant, AccessGrantSpec, GrantState};
use crate::api::jst::{in_japan, plus_days};
use crate::api::labels;
use crate::api::notice::{Audience, Line, Notice, NoticeSeverity, NoticeSpec, Text};
use crate::api::retention::{PurgeState, Retention};
use crate::api::tenant::{Administrator, CapacityAlert, CapacityCrossing, CapacityMeasure, NoticeKind, Tenant};
use crate::letters::{Letter, Occasion, Provider, write};
use crate::retention::ending::held;

/// Older than so many days, nothing is told any more: not a crossing of last year after mail was configured at last.
const NEWS_DAYS: i64 = 30;

/// What a Notice of the operator's is about; it stands in an annotation, and the mail is written from it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    Capacity {
        resource: String,
        used: String,
        limit: String,
        percent: i64,
        threshold: i64,
        again: bool,
    },
    ErasureComing {
        days: i64,
        not_before: Timestamp,
    },
    Erased {
        completed_at: Timestamp,
        certificate: String,
    },
    Access {
        grant: String,
        spec: Box<AccessGrantSpec>,
        state: GrantState,
        expires_at: Option<Timestamp>,
    },
    /// How to sign in, to each privileged administrator once.
    Opening {},
}

impl Event {
    /// What the annotation of a Notice says; `None` on those that people write.
    #[must_use]
    pub fn of(notice: &Notice) -> Option<Self> {
        serde_json::from_str(notice.annotations().get(labels::EVENT)?).ok()
    }

    /// Is it for privileged administrators alone?
    #[must_use]
    pub fn for_privileged(&self) -> bool {
        matches!(self, Self::Opening {})
    }

    /// Does it stand as long as its tenant?
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self, Self::Opening {})
    }

    /// The letter to this person.
    #[must_use]
    pub fn letter(&self, tenant: &Tenant, person: &Administrator, provider: &Provider<'_>) -> Letter {
        let name = tenant.name_any();
        let tenant_name = name.as_str();
        let occasion = match self {
            Self::Capacity { resource, used, limit, percent, threshold, again } => Occasion::Capacity {
                tenant: tenant_name,
                resource,
                used,
                limit,
                percent: *percent,
                threshold: *threshold,
                again: *again,
            },
            Self::ErasureComing { days, not_before } => {
                Occasion::ErasureComing { tenant: tenant_name, days: *days, not_before: *not_before }
            }
            Self::Erased { completed_at, certificate } => {
                Occasion::Erased { tenant: tenant_name, completed_at: *completed_at, certificate }
            }
            Self::Access { grant, spec, state, expires_at } => {
                Occasion::Access { tenant: tenant_name, grant, spec, state: *state, expires_at: *expires_at }
            }
            Self::Opening {} => Occasion::Opening {
                tenant: tenant_name,
                username: &person.username,
                role: person.role,
                authentication: tenant.spec.authentication.as_ref(),
            },
        };
        write(&occasion, provider, person.locale)
    }

    fn kind(&self) -> NoticeKind {
        match self {
            Self::Capacity { .. } => NoticeKind::Capacity,
            Self::ErasureComing { .. } | Self::Erased { .. } => NoticeKind::Retention,
            Self::Access { .. } | Self::Opening {} => NoticeKind::Access,
        }
    }
}

/// The opening notice of a contract (9.4.1).
#[must_use]
pub fn opening(tenant: &Tenant) -> Notice {
    let said = (
        ["ご利用開始のお知らせ", "Your environment is open"],
        ["特権管理者にサインイン方法をお知らせします。", "Tells privileged administrators how to sign in."],
    );
    notice(&format!("opening-{}", of(tenant)), &tenant.name_any(), &Event::Opening {}, said)
}

/// What to tell of a contract that fills up (12.1.3): each crossing once, and again after `spec.capacityAlert.repeat` as long
/// as it lasts; and when there is something to tell next.
#[must_use]
pub fn capacity(tenant: &Tenant, now: Timestamp) -> (Vec<Notice>, Option<Timestamp>) {
    let alert = tenant.spec.capacity_alert.clone().unwrap_or_default();
    let history = tenant.status.iter().flat_map(|status| &status.capacity_history);
    let over = history.filter(|crossing| alert.enabled && crossing.rearmed_at.is_none());
    let (mut notices, mut next) = (Vec::new(), None);
    for crossing in over {
        let repeat = span(&alert.repeat);
        let since = now.duration_since(crossing.at.0).as_secs().max(0);
        let round = repeat.map_or(0, |repeat| since / repeat);
        let again = repeat.and_then(|repeat| plus(crossing.at.0, (round + 1).saturating_mul(repeat)));
        next = next.into_iter().chain(again).min();
        let begun = plus(crossing.at.0, round.saturating_mul(repeat.unwrap_or_default()));
        if begun.is_some_and(|begun| is_news(begun, now)) {
            notices.push(filling(tenant, crossing, &alert, round));
        }
    }
    (notices, next)
}

fn filling(tenant: &Tenant, crossing: &CapacityCrossing, alert: &CapacityAlert, round: i64) -> Notice {
    let status = tenant.status.as_ref();
    let row = status.and_then(|status| status.capacity.iter().find(|row| row.resource == crossing.resource));
    let much = row.map(|row| match crossing.basis {
        CapacityMeasure::Allocated => row.allocated.clone(),
        CapacityMeasure::Used => row.used.clone().unwrap_or_else(|| row.allocated.clone()),
    });
    let event = Event::Capacity {
        resource: crossing.resource.clone(),
        used: much.unwrap_or_default(),
        limit: row.map(|row| row.contracted.clone()).unwrap_or_default(),
        percent: crossing.percent,
        threshold: alert.threshold_percent,
        again: round > 0,
    };
    let (resource, percent) = (&crossing.resource, crossing.percent);
    let repeat = if round > 0 { format!("-r{round}") } else { String::new() };
    let name = format!("capacity-{}-{resource}-{}{repeat}", of(tenant), crossing.number);
    let ja = format!("契約容量の{percent}%を使用しています ({resource})");
    let en = format!("{percent} % of the contracted {resource} are in use");
    notice(&name, &tenant.name_any(), &event, ([&ja, &en], [&ja, &en]))
}

/// What to tell of an erasure: that it comes, on the last of the days that have come, and that it is done.
#[must_use]
pub fn retention(retention: &Retention, now: Timestamp) -> Option<Notice> {
    let status = retention.status.as_ref()?;
    let tenant = &retention.spec.tenant_ref.name;
    let uid: String = retention.uid().unwrap_or_default().chars().take(8).collect();
    if let Some(purge) = &status.progress.purge {
        let done = purge.finished_at.as_ref().filter(|_| purge.state == PurgeState::Purged)?.0;
        let certificate = retention.name_any();
        let event = Event::Erased { completed_at: done, certificate };
        let at = in_japan(done);
        let ja = format!("データの消去が完了しました ({at})");
        let en = format!("Your data was erased on {at}");
        let name = format!("retention-{tenant}-{uid}-certificate");
        return is_news(done, now).then(|| notice(&name, tenant, &event, ([&ja, &en], [&ja, &en])));
    }
    let not_before = status.purge_not_before.as_ref()?.0;
    let days = retention.spec.notify_days_before.iter().copied();
    let come = days.filter(|days| now >= plus_days(not_before, -days)).min()?;
    if now >= not_before || held(retention) {
        return None;
    }
    let event = Event::ErasureComing { days: come, not_before };
    let at = in_japan(not_before);
    let ja = format!("{come}日以内にデータを消去します ({at}以降)");
    let en = format!("Your data will be erased in {come} days, not before {at}");
    let name = format!("retention-{tenant}-{uid}-{}-t{come}", not_before.as_second());
    Some(notice(&name, tenant, &event, ([&ja, &en], [&ja, &en])))
}

/// What to tell of staff who ask to enter, enter or are out again (5.1.1-4): every state once.
#[must_use]
pub fn access(grant: &AccessGrant, tenant: &str, now: Timestamp) -> Option<Notice> {
    let status = grant.status.as_ref()?;
    let state = status.state?;
    let made = grant.creation_timestamp().map_or(now, |at| at.0);
    let changed = status.ended_at.as_ref().or(status.approved_at.as_ref()).map_or(made, |at| at.0);
    let event = Event::Access {
        grant: grant.name_any(),
        spec: Box::new(grant.spec.clone()),
        state,
        expires_at: status.expires_at.as_ref().map(|at| at.0),
    };
    let uid: String = grant.uid().unwrap_or_default().chars().take(8).collect();
    let word = format!("{state:?}").to_ascii_lowercase();
    let name = format!("access-{tenant}-{uid}-{word}");
    let ja = format!("運用者アクセス ({word})");
    let en = format!("Staff access is {word}");
    is_news(changed, now).then(|| notice(&name, tenant, &event, ([&ja, &en], [&ja, &en])))
}

/// `<tenant>-<first 8 of its uid>`: a namesake is another one.
fn of(tenant: &Tenant) -> String {
    format!("{}-{}", tenant.name_any(), tenant.uid().unwrap_or_default().chars().take(8).collect::<String>())
}

fn notice(name: &str, tenant: &str, event: &Event, (subject, body): ([&str; 2], [&str; 2])) -> Notice {
    let annotations = BTreeMap::from([
        (labels::OWNER.to_owned(), format!("Tenant/{tenant}")),
        (labels::EVENT.to_owned(), serde_json::to_string(event).unwrap_or_default()),
    ]);
    let spec = NoticeSpec {
        kind: event.kind(),
        severity: NoticeSeverity::Info,
        subject: Line { ja: subject[0].into(), en: subject[1].into() },
        body: Some(Text { ja: body[0].into(), en: body[1].into() }),
        body_ref: None,
        tenants: Some(Audience { names: vec![tenant.to_owned()], ..Audience::default() }),
        window: None,
        confirmed_at: None,
        web: false,
        restart_virtual_machines: false,
    };
    let labels = BTreeMap::from([
        (labels::MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned()),
        (labels::TENANT.to_owned(), tenant.to_owned()),
    ]);
    Notice {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

fn is_news(at: Timestamp, now: Timestamp) -> bool {
    now < plus_days(at, NEWS_DAYS)
}

/// Seconds of `24h`, `30m` or `7d`; none where there is no time between.
fn span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<i64>().ok().map(|number| number * unit).filter(|seconds| *seconds > 0)
}

fn plus(at: Timestamp, seconds: i64) -> Option<Timestamp> {
    at.checked_add(SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::tenant::TenantStatus;
    use crate::notice::recipients::tests::plum;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn full(since: i64, rearmed: Option<i64>) -> Tenant {
        let mut tenant = plum();
        tenant.metadata.uid = Some("0123456789".into());
        let crossing = CapacityCrossing {
            resource: "memory".into(),
            number: 2,
            at: Time(at(since)),
            basis: CapacityMeasure::Allocated,
            percent: 93,
            rearmed_at: rearmed.map(|second| Time(at(second))),
        };
        tenant.status = Some(TenantStatus { capacity_history: vec![crossing], ..TenantStatus::default() });
        tenant
    }

    #[test]
    fn a_crossing_is_told_once_a_day_while_it_lasts_and_an_old_one_not_at_all() {
        let names = |tenant: &Tenant, now: i64| {
            capacity(tenant, at(now)).0.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        let day = 86_400;
        let tenant = full(1000, None);
        assert_eq!(names(&tenant, 1000), ["capacity-plum-01234567-memory-2"]);
        assert_eq!(names(&tenant, 1000 + day - 1), names(&tenant, 1000));
        assert_eq!(names(&tenant, 1000 + day), ["capacity-plum-01234567-memory-2-r1"]);
        assert_eq!(capacity(&tenant, at(1000)).1, Some(at(1000 + day)));
        assert!(names(&full(1000, Some(1001)), 1002).is_empty(), "re-armed");
        let mut once = full(1000, None);
        once.spec.capacity_alert = Some(CapacityAlert { repeat: "0h".into(), ..CapacityAlert::default() });
        assert_eq!(names(&once, 1000 + 29 * day), names(&tenant, 1000));
        assert!(names(&once, 1000 + 31 * day).is_empty());
    }

    #[test]
    fn the_longest_names_fit_and_an_event_survives_its_annotation() {
        let (name, uid) = ("t".repeat(30), "u".repeat(36));
        let mut grant = AccessGrant::new("g", AccessGrantSpec::default());
        grant.metadata.uid = Some(uid);
        let status =
            crate::api::access_grant::AccessGrantStatus { state: Some(GrantState::Requested), ..Default::default() };
        grant.status = Some(status);
        let notice = access(&grant, &name, at(0)).unwrap();
        assert!(notice.name_any().len() <= 100);
        assert!(matches!(Event::of(&notice), Some(Event::Access { state: GrantState::Requested, .. })));
        assert!(!notice.spec.web && notice.spec.tenants.is_some_and(|about| about.names == [name]));
    }
}
