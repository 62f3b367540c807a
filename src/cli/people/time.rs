//! Instants for people: in Japan, and how far away.

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::tz::{Offset, TimeZone};

/// `2026-11-30 23:07 JST`.
pub fn japan(instant: Timestamp) -> String {
    format!("{} JST", instant.to_zoned(zone()).strftime("%Y-%m-%d %H:%M"))
}

/// `2026-11-30`, the day it is in Japan.
pub fn day(instant: Timestamp) -> String {
    instant.to_zoned(zone()).strftime("%Y-%m-%d").to_string()
}

/// `45s`, `34m`, `1h`, `2h5m`, `5d`: cut, never rounded up.
pub fn span(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        few @ ..60 => format!("{few}s"),
        some @ ..3_600 => format!("{}m", some / 60),
        some @ ..172_800 if some % 3_600 < 60 => format!("{}h", some / 3_600),
        some @ ..172_800 => format!("{}h{}m", some / 3_600, some % 3_600 / 60),
        many => format!("{}d", many / 86_400),
    }
}

/// `in 34m`, `34m ago`.
pub fn away(instant: Timestamp, now: Timestamp) -> String {
    match instant.duration_since(now).as_secs() {
        0 => "now".to_owned(),
        ahead @ 1.. => format!("in {}", span(ahead)),
        past => format!("{} ago", span(past)),
    }
}

/// `2026-11-30 23:07 JST (in 34m)`.
pub fn when(instant: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", japan(instant), away(instant, now))
}

/// How old something is; nothing is younger than now.
pub fn age(born: Option<Timestamp>, now: Timestamp) -> String {
    born.map_or_else(|| "-".to_owned(), |born| span(now.duration_since(born).as_secs().max(0)))
}

/// Japan has no daylight saving time.
pub fn zone() -> TimeZone {
    TimeZone::fixed(Offset::constant(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_in_japan_and_say_how_far_away_they_are() {
        let now: Timestamp = "2026-11-30T14:07:00Z".parse().unwrap();
        for (instant, told) in [
            ("2026-11-30T14:41:00Z", "2026-11-30 23:41 JST (in 34m)"),
            ("2026-11-30T14:07:00Z", "2026-11-30 23:07 JST (now)"),
            ("2026-11-30T14:06:15Z", "2026-11-30 23:06 JST (45s ago)"),
            ("2026-11-30T15:07:30Z", "2026-12-01 00:07 JST (in 1h)"),
            ("2026-11-30T12:02:00Z", "2026-11-30 21:02 JST (2h5m ago)"),
            ("2026-12-06T14:06:59Z", "2026-12-06 23:06 JST (in 5d)"),
        ] {
            assert_eq!(when(instant.parse().unwrap(), now), told);
        }
        assert_eq!((age(None, now), age(Some(Timestamp::MAX), now)), ("-".to_owned(), "0s".to_owned()));
    }
}
