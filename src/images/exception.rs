//! Pure: an exception, dated and signed by a name. Admission sees to it that the name is who wrote it, and that nobody
//! changes it afterwards (`install/policies/images.rs`); here it is judged again, since an object may be older than that.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::identity::Digest;
use super::result::instant;

/// Days that an exception lasts at most, from when it was made.
pub const LONGEST_DAYS: i64 = 90;

/// One image that may be used in spite of what its scan says, or does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Name of the ConfigMap.
    pub name: String,
    pub digest: Digest,
    pub reason: String,
    /// User name of who wrote it.
    pub by: String,
    pub until: Timestamp,
}

impl Exception {
    /// From the data of a ConfigMap and the instant at which it was made.
    ///
    /// # Errors
    /// A field is missing or is not what it should be: which, its value, and what would be right.
    pub fn read(name: &str, data: &BTreeMap<String, String>, made: Option<Timestamp>) -> Result<Self, String> {
        let text = |key: &str| -> Result<String, String> {
            let value: String = data.get(key).map(|value| value.trim().chars().take(256).collect()).unwrap_or_default();
            if value.is_empty() { Err(format!("{key} is not written")) } else { Ok(value) }
        };
        let until = instant(data, "until")?;
        let made = made.ok_or("it has no instant at which it was made")?;
        if until.duration_since(made) > SignedDuration::from_hours(24 * LONGEST_DAYS) {
            return Err(format!("until {until} is more than {LONGEST_DAYS} days after it was made ({made})"));
        }
        Ok(Self {
            name: name.to_owned(),
            digest: text("digest")?.parse().map_err(|error| format!("digest: {error}"))?,
            reason: text("reason")?,
            by: text("by")?,
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(until: &str) -> BTreeMap<String, String> {
        let digest = format!("sha256:{}", "a".repeat(64));
        let all = [("digest", digest.as_str()), ("reason", "false alarm, ticket 7"), ("by", "sato"), ("until", until)];
        all.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn made() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn ninety_days_to_the_second_and_no_longer() {
        assert!(Exception::read("x", &data("2026-04-01T00:00:00Z"), Some(made())).is_ok());
        let said = Exception::read("x", &data("2026-04-01T00:00:01Z"), Some(made())).unwrap_err();
        assert!(said.contains("90 days"), "{said}");
        assert!(Exception::read("x", &data("2026-02-01T00:00:00Z"), None).is_err());
    }

    #[test]
    fn without_reason_name_end_or_digest_it_is_none() {
        for key in ["digest", "reason", "by", "until"] {
            for value in [None, Some(" ")] {
                let mut data = data("2026-02-01T00:00:00Z");
                data.remove(key);
                data.extend(value.map(|value| (key.to_owned(), value.to_owned())));
                let said = Exception::read("x", &data, Some(made())).unwrap_err();
                assert!(said.contains(key), "{key}: {said}");
            }
        }
    }
}
