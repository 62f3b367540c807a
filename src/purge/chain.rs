//! Pure: the chain of certificates as its ConfigMap tells it, and which place in it a certificate has or gets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::evidence::certificate::{NO_PREVIOUS, Signed};

/// The chain of certificates: its last one, how many there are, and which the newest of them are, so that a run that died
/// after it had chained its own finds it again however many came after.
pub struct Head {
    pub sha256: String,
    pub length: u64,
    newest: BTreeMap<String, String>,
}

/// As many certificates as the chain names one by one.
const NEWEST: u64 = 1000;

impl Head {
    /// As it is stored.
    #[must_use]
    pub fn of(chain: &ConfigMap) -> Self {
        let mut newest = chain.data.clone().unwrap_or_default();
        let sha256 = newest.remove("head").unwrap_or_else(|| NO_PREVIOUS.into());
        let length = newest.remove("length").and_then(|length| length.parse().ok()).unwrap_or_default();
        Self { sha256, length, newest }
    }

    /// Is this certificate in it already?
    #[must_use]
    pub fn has(&self, signed: &Signed, sha256: &str) -> bool {
        let there = self.newest.get(&Self::key(signed.certificate.sequence));
        self.sha256 == sha256 || there.is_some_and(|there| there == sha256)
    }

    /// Was it signed to follow the last one?
    #[must_use]
    pub fn is_next(&self, signed: &Signed) -> bool {
        let certificate = &signed.certificate;
        certificate.sequence == self.length && certificate.previous_sha256 == self.sha256
    }

    /// What its ConfigMap says once this one is in it.
    #[must_use]
    pub fn after(signed: &Signed, sha256: &str) -> Value {
        let sequence = signed.certificate.sequence;
        let mut data = json!({"head": sha256, "length": (sequence + 1).to_string(), Self::key(sequence): sha256});
        if let Some(old) = sequence.checked_sub(NEWEST) {
            data[Self::key(old)] = Value::Null;
        }
        data
    }

    fn key(sequence: u64) -> String {
        format!("certificate-{sequence}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::certificate::Certificate;
    use crate::evidence::certificate::tests::sample;
    use crate::evidence::signing::tests::any_key;

    fn chained(head: &mut ConfigMap) -> (Signed, String) {
        let Head { sha256, length, .. } = Head::of(head);
        let certificate = Certificate { previous_sha256: sha256, sequence: length, ..sample() };
        let signed = any_key().sign(certificate).unwrap();
        let hash = signed.certificate.sha256().unwrap();
        assert!(Head::of(head).is_next(&signed) && !Head::of(head).has(&signed, &hash));
        for (key, value) in Head::after(&signed, &hash).as_object().unwrap() {
            let data = head.data.get_or_insert_default();
            match value.as_str() {
                Some(value) => data.insert(key.clone(), value.to_owned()),
                None => data.remove(key),
            };
        }
        (signed, hash)
    }

    #[test]
    fn a_certificate_is_found_again_however_many_came_after_it_and_the_config_map_does_not_grow_for_ever() {
        let mut head = ConfigMap::default();
        let (first, hash) = chained(&mut head);
        for _ in 1..NEWEST {
            chained(&mut head);
            assert!(Head::of(&head).has(&first, &hash) && !Head::of(&head).is_next(&first));
        }
        let size = head.data.as_ref().map(BTreeMap::len);
        chained(&mut head);
        assert_eq!(head.data.as_ref().map(BTreeMap::len), size);
        assert_eq!(Head::of(&head).length, NEWEST + 1);
    }
}
