//! How far notices are. The leader alone says it, and nobody's name is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::figures::Figures;
use crate::api::notice::Notice;
use crate::api::tenant::NoticeKind;
use crate::operator::stores::Guarded;

/// Days for which an incident that was told late is shown.
const LATE_DAYS: i64 = 7;

const KINDS: [NoticeKind; 7] = [
    NoticeKind::Maintenance,
    NoticeKind::SpecChange,
    NoticeKind::Vulnerability,
    NoticeKind::Incident,
    NoticeKind::Capacity,
    NoticeKind::Retention,
    NoticeKind::Access,
];

/// Whom nobody has told yet, who cannot be reached, and the clock of incidents.
#[allow(clippy::cast_precision_loss)] // counts and seconds are far below 2^52
pub(super) fn add(figures: &mut Figures, notices: &[Arc<Guarded<Notice>>], now: Timestamp) {
    let mut people: BTreeMap<String, (i64, i64)> = KINDS.iter().map(|kind| (format!("{kind:?}"), (0, 0))).collect();
    let (mut oldest, mut late) = (0, 0);
    for notice in notices.iter().filter_map(|found| found.0.as_ref().ok()) {
        let status = notice.status.clone().unwrap_or_default();
        let counts = status.counts.unwrap_or_default();
        let (unsent, failed) = people.entry(format!("{:?}", notice.spec.kind)).or_default();
        *unsent += counts.recipients - counts.sent - counts.failed;
        *failed += counts.failed;
        let Some(confirmed) = notice.spec.confirmed_at.as_ref().map(|at| at.0) else { continue };
        match status.deadline_met {
            None => oldest = oldest.max(now.duration_since(confirmed).as_secs()),
            Some(false) if now.duration_since(confirmed) < SignedDuration::from_hours(24 * LATE_DAYS) => late += 1,
            Some(_) => {}
        }
    }
    for (kind, (unsent, failed)) in people {
        let labels = [("kind", kind.as_str())];
        figures.gauge("notices_unsent", "People whom notices have not reached yet").set(&labels, unsent as f64);
        figures
            .gauge("notices_failed", "People whom notices cannot reach: their mail server refuses")
            .set(&labels, failed as f64);
    }
    figures
        .gauge(
            "incident_notice_seconds",
            "Time since the confirmation of the oldest incident of which not every privileged administrator was told; 0 without one",
        )
        .set(&[], oldest as f64);
    figures
        .gauge("incident_notices_late", "Incidents of the last 7 days that were not told within 4 hours")
        .set(&[], f64::from(late));
}
