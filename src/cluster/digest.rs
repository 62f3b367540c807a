//! The fingerprint by which "as wanted" is told.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Fingerprint of the fields we own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Of any JSON value. Empty maps, empty lists and nulls that are map values do not count, since the API server
    /// drops them; elements of lists always count (`[{}]` is a rule that matches everything, `[]` is none).
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let hash = Sha256::digest(without_empties(value).to_string());
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn without_empties(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), without_empties(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_empties).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_rule_is_not_the_same_as_no_rule() {
        assert_ne!(Digest::of(&json!({"ingress": [{}]})), Digest::of(&json!({"ingress": []})));
        assert_eq!(Digest::of(&json!({"ingress": []})), Digest::of(&json!({"a": null})));
    }
}
