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
#[error("schedule {0:?} is not five cron fields such as \"30 3 * * *\"")]
pub struct NotASchedule(String);

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
        cron.map(|cron| Self { text: text.to_owned(), cron }).ok_or_else(|| NotASchedule(text.to_owned()))
    }
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
