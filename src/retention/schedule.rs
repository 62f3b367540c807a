//! Cron expressions: parsed by croner, held to the five fields that Kubernetes' CronJob knows, too.

use std::str::FromStr;

use croner::Cron;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::tz::TimeZone;

/// A cron expression in Asia/Tokyo.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

/// Not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASchedule {
    #[error("schedule {0:?} is not five cron fields such as \"30 3 * * *\"")]
    Unreadable(String),
    /// Looking for its time would take croner to the year 5000.
    #[error(
        "schedule {0:?} never comes: none of its months has such a day; write days that they have, such as \"30 3 1 * *\""
    )]
    Never(String),
}

impl FromStr for Schedule {
    type Err = NotASchedule;

    fn from_str(text: &str) -> Result<Self, NotASchedule> {
        // croner knows more than Kubernetes does (seconds, years, L, W, #): what only one of the two understands
        // would run at one time and be announced for another.
        let shared = text.split(' ').count() == 5
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"*/,- ".contains(&byte))
            // Sunday is 0 for both, and 7 for croner only.
            && !text.rsplit(' ').next().unwrap_or_default().contains('7');
        let cron = Cron::from_str(text).ok().filter(|_| shared);
        let cron = cron.ok_or_else(|| NotASchedule::Unreadable(text.to_owned()))?;
        if never_comes(text) {
            Err(NotASchedule::Never(text.to_owned()))
        } else {
            Ok(Self { text: text.to_owned(), cron })
        }
    }
}

/// Days of each month, in the longest of its years.
const DAYS: [usize; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Of five fields that croner has read. A day of the week comes in every month.
fn never_comes(text: &str) -> bool {
    let fields: Vec<&str> = text.split(' ').collect();
    let [_, _, days, months, weekdays] = fields[..] else { return false };
    let first = numbers(days, 31).min().unwrap_or(1);
    weekdays.starts_with('*')
        && !numbers(months, 12).any(|month| DAYS.get(month - 1).is_some_and(|most| first <= *most))
}

/// What a field of days or months names: lists of `3`, `3-9`, `*`, each with `/2` or without.
fn numbers(field: &str, most: usize) -> impl Iterator<Item = usize> + '_ {
    field.split(',').flat_map(move |part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, step.parse().ok()));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().ok(), to.parse().ok()),
            None if range == "*" || range.is_empty() => (None, None),
            None => (range.parse().ok(), range.parse().ok().filter(|_| step.is_none())),
        };
        (from.unwrap_or(1)..=to.unwrap_or(most)).step_by(step.unwrap_or(1).max(1))
    })
}

impl Schedule {
    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// At the same times of the day, on the first of each month only.
    #[must_use]
    pub fn monthly(&self) -> Self {
        let fields: Vec<&str> = self.text.split(' ').take(2).collect();
        format!("{} 1 * *", fields.join(" ")).parse().unwrap_or_else(|_| self.clone())
    }

    /// The last time at or before an instant, in Japan.
    #[must_use]
    pub fn last(&self, until: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::get("Asia/Tokyo").ok()?;
        self.cron.find_previous_occurrence(&until.to_zoned(zone), true).ok().map(|last| last.timestamp())
    }

    /// The first time at or after an instant, in Japan.
    #[must_use]
    pub fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::get("Asia/Tokyo").ok()?;
        self.cron.find_next_occurrence(&from.to_zoned(zone), true).ok().map(|next| next.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_past_three_in_japan_is_half_past_six_in_the_evening_before_in_utc() {
        let schedule: Schedule = "30 3 * * *".parse().unwrap();
        let next = schedule.next("2026-11-29T15:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(next.to_string(), "2026-11-29T18:30:00Z");
    }

    #[test]
    fn the_last_time_is_the_one_that_has_come_and_the_instant_itself_counts() {
        let schedule: Schedule = "0 2 * * *".parse().unwrap();
        let last = |until: &str| schedule.last(until.parse().unwrap()).unwrap().to_string();
        assert_eq!(last("2026-11-29T17:00:00Z"), "2026-11-29T17:00:00Z");
        assert_eq!(last("2026-11-29T16:59:59Z"), "2026-11-28T17:00:00Z");
        let leap: Schedule = "0 2 29 2 *".parse().unwrap();
        assert_eq!(leap.last("2027-03-01T00:00:00Z".parse().unwrap()).unwrap().to_string(), "2024-02-28T17:00:00Z");
    }

    #[test]
    fn a_schedule_that_never_comes_is_refused_before_anybody_looks_for_its_time() {
        for never in ["0 2 31 2 *", "0 2 30 2 *", "0 2 31 4,6,9-11/2 *", "0 2 30-31 2 *", "0 2 31 2,4-6/2 */1"] {
            let said = never.parse::<Schedule>().unwrap_err().to_string();
            assert!(said.contains("never comes") && said.contains(never), "{said}");
        }
        for comes in
            ["0 2 29 2 *", "0 2 31 2 1", "0 2 31,1 2 *", "0 2 31 * *", "0 2 31 */2 *", "0 2 */31 2 *", "0 2 30 2-4 *"]
        {
            let schedule: Schedule = comes.parse().unwrap();
            assert!(schedule.next("2026-11-29T15:00:00Z".parse().unwrap()).is_some(), "{comes}");
        }
    }

    #[test]
    fn what_kubernetes_would_not_understand_is_refused_by_value() {
        for wrong in [
            "30 3 * *",
            "0 30 3 * * *",
            "30 3 L * *",
            "30 3 * * 5#2",
            "@daily",
            "61 3 * * *",
            "",
            "30 3 * * 7",
            "30 3 * * 5-7",
            "5-2 3 * * *",
            "*/0 3 * * *",
            "30 24 * * *",
            "30 3 0 * *",
            "30 3 32 * *",
            "30 3 * 13 *",
            "1- 3 * * *",
            "-1 3 * * *",
            "** 3 * * *",
            "1-5-7 3 * * *",
            "*/1/2 3 * * *",
            "/5 3 * * *",
        ] {
            assert!(wrong.parse::<Schedule>().is_err_and(|error| error.to_string().contains(wrong)), "{wrong}");
        }
    }
}
