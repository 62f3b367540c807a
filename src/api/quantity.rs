//! Kubernetes quantities: parsed, compared, and printed the way the API server stores them.
//!
//! The rules are apimachinery's `pkg/api/resource`: a value keeps the family of suffix it was written with, takes the
//! largest suffix that leaves a whole number, and a binary one below 1024 or with a fraction is printed as decimal.
//! No crate for this is built on the k8s-openapi version we use; a desired quota that is not canonical would look
//! like drift for ever.

use std::fmt;
use std::str::FromStr;

/// A quantity, exact to a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Binary,
    Decimal,
    Exponent,
}

const NANOS: i128 = 1_000_000_000;

/// The API server caps every quantity there; sums and shares of what is capped stay far inside of the type.
const MOST: i128 = i64::MAX as i128 * NANOS;
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quantity such as 64Gi, 500m or 16")]
pub struct NotAQuantity(String);

impl Quantity {
    /// Whole units, such as bytes or CPUs.
    #[must_use]
    pub fn whole(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANOS, family: Family::Decimal }
    }

    /// A number of bytes, printed with binary suffixes.
    #[must_use]
    pub fn bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes) * NANOS, family: Family::Binary }
    }

    /// Billionths of a unit: the exact value.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// The same value in the family of suffixes of `self`.
    #[must_use]
    pub fn with_nanos(self, nanos: i128) -> Self {
        Self { nanos, ..self }
    }

    /// More than nothing?
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.nanos > 0
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let wrong = || NotAQuantity(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit() && !".+-".contains(c)).unwrap_or(text.len());
        // An exponent's sign belongs to the suffix: a sign is part of the number only at its beginning.
        let (number, suffix) = text.split_at(end);
        let negative = number.starts_with('-');
        let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if whole.len() + fraction.len() == 0
            || whole.len() + fraction.len() > 36
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return Err(wrong());
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let scale = i32::try_from(fraction.len()).map_err(|_| wrong())?;
        let (family, power_of_two, power_of_ten) = suffix_value(suffix).ok_or_else(wrong)?;
        let mantissa = mantissa.checked_mul(1 << power_of_two).ok_or_else(wrong)?;
        let nanos = scaled(mantissa, power_of_ten - scale + 9).ok_or_else(wrong)?;
        let nanos = nanos.min(MOST);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, family })
    }
}

/// `value * 10^power`, rounded up to a whole number as the API server does.
fn scaled(value: i128, power: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 {
        value.checked_mul(factor)
    } else {
        Some(value.div_euclid(factor) + i128::from(value % factor != 0))
    }
}

fn suffix_value(suffix: &str) -> Option<(Family, u32, i32)> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Binary, *power, 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Decimal, 0, *power));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-9..=18).contains(&exponent).then_some((Family::Exponent, 0, exponent))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nanos % NANOS == 0;
        let units = self.nanos / NANOS;
        if self.family == Family::Binary && whole && units.abs() >= 1024 {
            let (name, power) =
                BINARY.iter().rev().find(|(_, power)| units % (1_i128 << power) == 0).copied().unwrap_or(("", 0));
            return write!(f, "{}{name}", units >> power);
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let fits =
            |power: i32| 10_i128.checked_pow((power + 9).unsigned_abs()).is_some_and(|unit| self.nanos % unit == 0);
        let (name, power) = DECIMAL.iter().rev().find(|(_, power)| fits(*power)).copied().unwrap_or(("n", -9));
        let number = self.nanos / 10_i128.pow((power + 9).unsigned_abs());
        match self.family {
            Family::Exponent if power != 0 => write!(f, "{number}e{power}"),
            _ => write!(f, "{number}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_print_as_the_api_server_stores_them() {
        let cases = [
            ("1024Mi", "1Gi"),
            ("64Gi", "64Gi"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1e3", "1e3"),
            ("1e4", "10e3"),
            ("1500Mi", "1500Mi"),
            ("0.5Gi", "512Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("0", "0"),
            ("-1", "-1"),
            ("1Ki", "1Ki"),
            ("1023Ki", "1023Ki"),
            ("0.5Ki", "512"),
            ("1Ti", "1Ti"),
        ];
        for (written, stored) in cases {
            assert_eq!(written.parse::<Quantity>().unwrap().to_string(), stored, "{written}");
        }
    }

    #[test]
    fn a_quantity_beyond_what_the_api_server_holds_is_capped() {
        for written in ["99999999999E", "9223372036854775808", "8Ei"] {
            assert_eq!(written.parse::<Quantity>().unwrap().nanos(), MOST, "{written}");
        }
        assert_eq!("-99E".parse::<Quantity>().unwrap().nanos(), -MOST);
    }

    #[test]
    fn what_is_no_quantity_is_refused_by_value() {
        for wrong in ["", "Gi", "1gi", "1 Gi", "１６", "1e", "--1", "1.2.3", "1e99", "0x10", "1-2"] {
            let error = wrong.parse::<Quantity>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn printing_is_stable_and_keeps_the_value(number in 1_i64..1_000_000, fraction in 0..1000, suffix in "(|m|k|M|G|Ki|Mi|Gi|Ti|e3|e-3)") {
            let written = format!("{number}.{fraction:03}{suffix}");
            let parsed: Quantity = written.parse().unwrap();
            let printed: Quantity = parsed.to_string().parse().unwrap();
            prop_assert_eq!(parsed.nanos(), printed.nanos());
            prop_assert_eq!(parsed.to_string(), printed.to_string());
        }
    }
}
