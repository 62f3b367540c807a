//! Contract dates: dates in Asia/Tokyo, and the instants that follow from them.
//!
//! A contract's end date is its last day, inclusive. The contract is over at the next midnight in Japan, and data is
//! kept for the grace days counted from there: of the two readings of "60 days after the contract ends" the later
//! one, so that nothing is ever deleted a day early (CLD.8.1.5). Japan has no daylight saving time; a day is 24 hours.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::{Offset, TimeZone};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Days that data is kept after a contract's end, when nothing longer is written.
pub const GRACE_DAYS: i64 = 60;

/// A date of a contract, in Asia/Tokyo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractDate(Date);

/// Not a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date such as 2026-09-30")]
pub struct NotADate(String);

impl FromStr for ContractDate {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let shape = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = text.parse().ok().filter(|_| shape);
        date.map(Self).ok_or_else(|| NotADate(text.to_owned()))
    }
}

impl fmt::Display for ContractDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl ContractDate {
    /// The first instant at which a contract with this last day is over: the next day, 00:00 +09:00.
    ///
    /// # Errors
    /// The date lies at the end of representable time.
    pub fn ends_at(self) -> Result<Timestamp, NotADate> {
        let wrong = |_| NotADate(self.to_string());
        let next = self.0.tomorrow().map_err(wrong)?;
        let midnight = next.to_zoned(TimeZone::fixed(Offset::constant(9))).map_err(wrong)?;
        Ok(midnight.timestamp())
    }
}

/// `instant` plus so many days of 24 hours; the far end of time when that cannot be represented, which keeps data.
#[must_use]
pub fn plus_days(instant: Timestamp, days: i64) -> Timestamp {
    instant.checked_add(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(Timestamp::MAX)
}

/// An instant for people in Japan, such as `2026-11-30T00:00:00+09:00`.
#[must_use]
pub fn in_japan(instant: Timestamp) -> String {
    instant.to_zoned(TimeZone::fixed(Offset::constant(9))).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn data_of_a_contract_that_ends_on_30_september_is_kept_until_30_november() {
        let ends = "2026-09-30".parse::<ContractDate>().unwrap().ends_at().unwrap();
        assert_eq!(ends.to_string(), "2026-09-30T15:00:00Z");
        let not_before = plus_days(ends, GRACE_DAYS);
        assert_eq!(not_before.to_string(), "2026-11-29T15:00:00Z");
        assert_eq!(in_japan(not_before), "2026-11-30T00:00:00+09:00");
    }

    #[test]
    fn what_is_no_date_is_refused_by_value() {
        for wrong in ["2026-02-30", "2026-13-01", "26-1-1", "2026-09-30T00:00:00Z", "", "２０２６-09-30", "2027-02-29"]
        {
            assert!(wrong.parse::<ContractDate>().unwrap_err().to_string().contains(wrong));
        }
        assert!("2028-02-29".parse::<ContractDate>().is_ok(), "a leap day is a day");
    }

    proptest! {
        #[test]
        fn a_contract_ends_at_1500_utc_of_its_last_day_and_the_grace_is_exact(
            year in 1970_i16..9000, month in 1_i8..=12, day in 1_i8..=28, grace in 60_i64..4000
        ) {
            let date: ContractDate = format!("{year:04}-{month:02}-{day:02}").parse().unwrap();
            let ends = date.ends_at().unwrap();
            prop_assert_eq!(ends.to_string(), format!("{year:04}-{month:02}-{day:02}T15:00:00Z"));
            prop_assert_eq!(plus_days(ends, grace).duration_since(ends).as_secs(), grace * 86_400);
        }
    }
}
