//! The word of the organisation about what no software can see: a statement, when it was given, and a signature by the same
//! kind of key as certificates have. It is carried and shown, and never makes a clause pass.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;
use super::signing::{PublicKey, SigningKey};
use crate::api::jst::in_japan;

/// The format described here.
pub const VERSION: u8 = 1;

/// Stands before the attestation in what is signed: no certificate can be passed off as one, and the other way round.
pub const DOMAIN: &str = "cloudfarm-attestation-v1\n";

/// The key of a ConfigMap's data under which an attestation is kept.
pub const KEY: &str = "attestation.json";

/// Days for which a statement is believed.
pub const DAYS: i64 = 365;

/// What is stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestation {
    /// Always [`VERSION`].
    pub version: u8,
    pub clause: String,
    pub statement: String,
    /// An instant in Japan.
    pub attested_at: String,
}

/// A statement with the name under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedAttestation {
    pub attestation: Attestation,
    #[serde(rename = "keyID")]
    pub key_id: String,
    pub public_key: String,
    pub signature: String,
}

/// What a reader makes of one: which clause it is filed under, and if it is sound, what counts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub clause: String,
    /// Why it is worth nothing, if so.
    pub sound: Result<Sound, String>,
}

/// An attestation whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// SHA-256 of what was signed.
    pub id: String,
    pub key_id: String,
    pub at: Timestamp,
}

impl Attestation {
    /// About a clause, as of an instant.
    #[must_use]
    pub fn new(clause: &str, statement: &str, at: Timestamp) -> Self {
        Self { version: VERSION, clause: clause.into(), statement: statement.into(), attested_at: in_japan(at) }
    }

    /// What is signed: [`DOMAIN`], then JSON with the fields in the order of this type.
    ///
    /// # Errors
    /// None that can occur with this type; serde_json has no other signature.
    pub fn message(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut message = DOMAIN.as_bytes().to_vec();
        serde_json::to_writer(&mut message, self)?;
        Ok(message)
    }

    /// Signed by a key.
    ///
    /// # Errors
    /// As [`Attestation::message`].
    pub fn signed(self, key: &SigningKey) -> Result<SignedAttestation, serde_json::Error> {
        let signature = key.sign_bytes(&self.message()?);
        let public = key.public_key();
        Ok(SignedAttestation { attestation: self, key_id: public.key_id(), public_key: public.to_hex(), signature })
    }
}

impl Word {
    /// Reads what is filed under a clause.
    #[must_use]
    pub fn read(clause: &str, text: &str) -> Self {
        Self { clause: clause.to_owned(), sound: sound(clause, text) }
    }
}

fn sound(clause: &str, text: &str) -> Result<Sound, String> {
    let signed: SignedAttestation = serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))?;
    let SignedAttestation { attestation, key_id, public_key, signature } = signed;
    if attestation.version != VERSION {
        return Err(format!("is of version {}; this program knows {VERSION}", attestation.version));
    }
    if attestation.clause != clause {
        return Err(format!("is about clause {}", attestation.clause));
    }
    let key = PublicKey::from_hex(&public_key).filter(|key| key.key_id() == key_id);
    let key = key.ok_or("names a key that is not its own")?;
    let message = attestation.message().map_err(|error| error.to_string())?;
    let signature = hex::decode::<64>(&signature).ok_or("has a signature that is none")?;
    if !key.has_signed(&message, &signature) {
        return Err("was changed since it was signed, or was signed by another key".into());
    }
    let at = attestation.attested_at.parse::<Timestamp>().map_err(|_| "has no instant at which it was given")?;
    Ok(Sound { id: hex::encode(&Sha256::digest(&message)), key_id, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pem(SigningKey::generate().unwrap().expose().as_bytes()).unwrap()
    }

    fn signed() -> SignedAttestation {
        let at = "2026-05-01T00:00:00Z".parse().unwrap();
        Attestation::new("7.2.2", "All of the staff were trained.", at).signed(&key()).unwrap()
    }

    #[test]
    fn what_was_signed_is_sound_and_nothing_that_differs_by_a_letter_is() {
        let text = serde_json::to_string(&signed()).unwrap();
        let word = Word::read("7.2.2", &text);
        assert_eq!(word.sound.unwrap().at.to_string(), "2026-05-01T00:00:00Z");
        for (from, to) in [("trained", "drained"), ("2026-05", "2026-06"), ("\"version\":1", "\"version\":2")] {
            let changed = text.replace(from, to);
            assert!(changed != text && Word::read("7.2.2", &changed).sound.is_err(), "{to}");
        }
        assert!(Word::read("18.2.1", &text).sound.unwrap_err().contains("7.2.2"));
        assert!(Word::read("7.2.2", "{}").sound.is_err());
    }

    #[test]
    fn another_key_may_not_put_its_name_under_it() {
        let other = key().public_key();
        let stolen = SignedAttestation { key_id: other.key_id(), public_key: other.to_hex(), ..signed() };
        assert!(Word::read("7.2.2", &serde_json::to_string(&stolen).unwrap()).sound.is_err());
    }
}
