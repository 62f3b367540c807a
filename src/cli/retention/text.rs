//! Sizes, times and tables for people.

use k8s_openapi::jiff::Timestamp;

use crate::api::jst::in_japan;

/// `20 GiB (21474836480 bytes)`.
pub fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10 * 1024 && unit + 1 < units.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    let fraction = if tenths % 10 == 0 { String::new() } else { format!(".{}", tenths % 10) };
    match unit {
        0 => format!("{bytes} bytes"),
        unit => format!("{}{fraction} {} ({bytes} bytes)", tenths / 10, units[unit]),
    }
}

/// `1 object`, `2 objects`.
pub fn count(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or_default();
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `2026-11-30T00:00:00+09:00 (in 5 days)`.
pub fn when(instant: Timestamp, now: Timestamp) -> String {
    let seconds = instant.duration_since(now).as_secs();
    let (number, unit) = match seconds.unsigned_abs() {
        far @ 172_800.. => (far / 86_400, "days"),
        near @ 7_200.. => (near / 3_600, "hours"),
        now => (now / 60, "minutes"),
    };
    let away = if seconds < 0 { format!("{number} {unit} ago") } else { format!("in {number} {unit}") };
    format!("{} ({away})", in_japan(instant))
}

/// Columns as wide as their widest cell; the last one is left as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_roughly_and_exactly() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB (1536 bytes)"),
            (21_474_836_480, "20 GiB (21474836480 bytes)"),
            (u64::MAX, "16 EiB (18446744073709551615 bytes)"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn instants_are_in_japan_and_say_how_far_away_they_are() {
        let now: Timestamp = "2026-11-24T15:00:00Z".parse().unwrap();
        for (instant, told) in [
            ("2026-11-29T15:00:00Z", "2026-11-30T00:00:00+09:00 (in 5 days)"),
            ("2026-11-24T12:00:00Z", "2026-11-24T21:00:00+09:00 (3 hours ago)"),
            ("2026-11-24T15:20:00Z", "2026-11-25T00:20:00+09:00 (in 20 minutes)"),
        ] {
            assert_eq!(when(instant.parse().unwrap(), now), told);
        }
    }
}
