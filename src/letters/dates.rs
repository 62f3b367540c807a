//! Instants for readers in Japan: always Japanese time, and always said so.

use k8s_openapi::jiff::tz::{Offset, TimeZone};
use k8s_openapi::jiff::{Timestamp, Zoned};

use super::{Locale, pick};

fn in_japan(instant: Timestamp) -> Zoned {
    instant.to_zoned(TimeZone::fixed(Offset::constant(9)))
}

fn day(at: &Zoned, locale: Locale) -> String {
    let weekday = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or_default();
    match locale {
        Locale::Ja => {
            let weekday = ["月", "火", "水", "木", "金", "土", "日"].get(weekday).copied().unwrap_or_default();
            format!("{}年{}月{}日({weekday})", at.year(), at.month(), at.day())
        }
        Locale::En => at.strftime("%A, %-d %B %Y,").to_string(),
    }
}

/// Seconds are told only where there are some.
fn clock(at: &Zoned) -> String {
    at.strftime(if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

fn zone(locale: Locale) -> &'static str {
    pick(locale, " (日本時間)", " JST")
}

/// `2026年11月30日(月) 14:00 (日本時間)`, `Monday, 30 November 2026, 14:00 JST`.
#[must_use]
pub fn instant(instant: Timestamp, locale: Locale) -> String {
    let at = in_japan(instant);
    format!("{} {}{}", day(&at, locale), clock(&at), zone(locale))
}

/// From when to when; the day is told once when it is one.
#[must_use]
pub fn span(start: Timestamp, end: Timestamp, locale: Locale) -> String {
    let (from, to) = (in_japan(start), in_japan(end));
    let to_day = if from.date() == to.date() { String::new() } else { format!("{} ", day(&to, locale)) };
    let until = pick(locale, "~", "to");
    format!("{} {} {until} {to_day}{}{}", day(&from, locale), clock(&from), clock(&to), zone(locale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_is_told_in_japanese_time_with_its_weekday() {
        let monday = at("2026-11-30T05:00:00Z");
        assert_eq!(instant(monday, Locale::Ja), "2026年11月30日(月) 14:00 (日本時間)");
        assert_eq!(instant(monday, Locale::En), "Monday, 30 November 2026, 14:00 JST");
        assert_eq!(instant(at("2026-11-29T15:00:07Z"), Locale::Ja), "2026年11月30日(月) 00:00:07 (日本時間)");
    }

    #[test]
    fn a_span_names_the_second_day_only_when_it_is_another() {
        let (start, end) = (at("2026-12-05T13:00:00Z"), at("2026-12-05T14:30:00Z"));
        assert_eq!(span(start, end, Locale::Ja), "2026年12月5日(土) 22:00 ~ 23:30 (日本時間)");
        assert_eq!(span(start, end, Locale::En), "Saturday, 5 December 2026, 22:00 to 23:30 JST");
        let next = at("2026-12-05T18:00:00Z");
        assert_eq!(span(start, next, Locale::Ja), "2026年12月5日(土) 22:00 ~ 2026年12月6日(日) 03:00 (日本時間)");
    }
}
