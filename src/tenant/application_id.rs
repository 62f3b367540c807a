//! The application ID, which only its registrant knows (9.2.3): what the cluster shows of it is a keyed hash.
//!
//! Who has the ID and the provider's key finds the Tenant by `cloudfarm application-id`; who reads the cluster finds
//! nothing out: IDs are short, so a hash without a key could be tried through. An ID in a Secret is read once: the hash
//! that is in the status stands for good, whatever becomes of the Secret, as the ID itself can never change. It begins with a
//! name of the key, so another key is noticed and the ID is read anew.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;
use ring::hmac;

use crate::api::condition::Reason;
use crate::api::home;
use crate::api::tenant::{SecretKey, Tenant};
use crate::cluster::object::{Kind, Observation, Reference};
use crate::cluster::write::WriteError;
use crate::evidence::hex;
use crate::install::INSIDE;
use crate::operator::context::Context;

/// Fewer bytes could be tried through.
const LEAST_BYTES: usize = 32;

/// How soon an ID is looked for again that could not be read.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// How soon after the operator has given itself the right.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);

/// The provider's key.
#[derive(Clone)]
pub struct Key {
    key: hmac::Key,
    name: String,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("{0}: cannot be read: {1}")]
    Unreadable(String, String),
    #[error("{0}: holds {1} bytes; a key has at least {LEAST_BYTES} of chance, such as `openssl rand -hex 32` makes")]
    Short(String, usize),
}

/// What a pass knows of a Tenant's application ID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// The operator's config names no key.
    #[default]
    NoKeyWanted,
    /// It names one that cannot be used.
    NoKey(String),
    /// The hash to show.
    Hash(String),
    /// It is in a Secret that has not been read, for this reason, and is tried again then.
    Unread { reason: Reason, message: String, again: SignedDuration },
}

/// What text an application ID is: 6 to 32 of A-Z, 0-9 and -, as in the CRD.
#[must_use]
pub fn is_application_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (6..=32).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

impl Key {
    /// A key from a file; the line end that most programs put at the end of a file is no part of it.
    ///
    /// # Errors
    /// It cannot be read, or is too short to be a secret.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| KeyError::Unreadable(name.clone(), error.to_string()))?;
        let bytes = bytes.trim_ascii_end();
        if bytes.len() < LEAST_BYTES {
            return Err(KeyError::Short(name, bytes.len()));
        }
        Ok(Self::new(bytes))
    }

    fn new(bytes: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        // No application ID has a space in it, so this is the hash of none.
        let name = short(&key, b"name of this key", 4);
        Self { key, name }
    }

    /// The keyed hash of an application ID: the key's name, and 16 bytes of HMAC-SHA256.
    #[must_use]
    pub fn hash(&self, id: &str) -> String {
        format!("{}-{}", self.name, short(&self.key, id.as_bytes(), 16))
    }

    /// Is this a hash by this key?
    fn made(&self, hash: &str) -> bool {
        hash.split_once('-').is_some_and(|(name, _)| name == self.name)
    }
}

fn short(key: &hmac::Key, message: &[u8], bytes: usize) -> String {
    let tag = hmac::sign(key, message);
    hex::encode(tag.as_ref().get(..bytes).unwrap_or_default())
}

/// The key is in no log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// What is known without asking anybody; else the Secret that has to be read.
fn at_hand<'a>(key: Option<&'a Result<Key, KeyError>>, tenant: &'a Tenant) -> Result<Known, (&'a Key, &'a SecretKey)> {
    let key = match key {
        None => return Ok(Known::NoKeyWanted),
        Some(Err(error)) => return Ok(Known::NoKey(error.to_string())),
        Some(Ok(key)) => key,
    };
    let contract = &tenant.spec.contract;
    let shown = tenant.status.as_ref().and_then(|status| status.application_id_hash.as_ref());
    match (&contract.application_id, &contract.application_id_from, shown) {
        (Some(id), _, _) => Ok(Known::Hash(key.hash(id))),
        (None, _, Some(shown)) if key.made(shown) => Ok(Known::Hash(shown.clone())),
        (None, Some(from), _) => Err((key, from)),
        (None, None, _) => Ok(Known::NoKeyWanted),
    }
}

/// Looks the ID up. Calls nobody but for a Secret that was never read.
pub async fn look(context: &Context, tenant: &Tenant, observed: &BTreeMap<Reference, Observation>) -> Known {
    let (key, from) = match at_hand(context.application_id_key.as_ref(), tenant) {
        Ok(known) => return known,
        Err(wanted) => wanted,
    };
    let namespace = home::customer_namespace(&tenant.name_any());
    let field = format!("spec.contract.applicationIdFrom: Secret {namespace}/{}", from.name);
    let unread = |reason, message: String, again| Known::Unread { reason, message, again };
    let binding = Reference { kind: Kind::RoleBinding, namespace: Some(namespace.clone()), name: INSIDE.to_owned() };
    if !observed.contains_key(&binding) {
        let message = format!("{field} is read once the operator may, by {binding}");
        return unread(Reason::Progressing, message, AT_ONCE);
    }
    match context.cluster.writer.secret(&namespace, &from.name, &from.key).await {
        Ok(Some(found)) => match std::str::from_utf8(found.trim_ascii()) {
            Ok(id) if is_application_id(id) => Known::Hash(key.hash(id)),
            // What it holds instead is not told: it may be an ID with a slip in it.
            _ => {
                let message =
                    format!("{field}: {:?} holds no application ID, which is 6 to 32 of A-Z, 0-9 and -", from.key);
                unread(Reason::Invalid, message, AGAIN)
            }
        },
        Ok(None) => unread(Reason::Invalid, format!("{field} has no key {:?}", from.key), AGAIN),
        Err(WriteError::NotFound(_)) => unread(Reason::Invalid, format!("{field} does not exist"), AGAIN),
        Err(error) => {
            let message = format!("{field} could not be read, and is tried again: {error}");
            let again = if matches!(error, WriteError::Refused(_)) { AT_ONCE } else { AGAIN };
            unread(Reason::ApiError, message, again)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(contract: &serde_json::Value, shown: Option<&str>) -> Tenant {
        let mut all = json!({"startDate": "2026-04-01",
                             "capacity": {"vcpus": 1, "memory": "1Gi", "storage": "1Gi", "instances": 1}});
        all.as_object_mut().unwrap().extend(contract.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"},
            "spec": {"contract": all, "residency": {"storageClassNames": ["a"]}, "administrators": [
                {"username": "sato", "email": "a@b.example", "role": "PrivilegedAdministrator"}]},
            "status": {"applicationIdHash": shown},
        }))
        .unwrap()
    }

    #[test]
    fn a_hash_tells_ids_and_keys_apart_and_neither_is_in_it_nor_in_a_debug_line() {
        let (one, other) = (Key::new(&[b'1'; 32]), Key::new(&[b'2'; 32]));
        let hash = one.hash("ACME-00001");
        assert_eq!(hash, one.hash("ACME-00001"));
        assert!(hash != one.hash("ACME-00002") && hash != other.hash("ACME-00001"));
        assert!(one.made(&hash) && !other.made(&hash));
        // By another program: printf ACME-00001 | openssl dgst -sha256 -hmac 11111111111111111111111111111111
        assert!(hash.ends_with("a9597c9ca8144bbc211fc3148a557840"), "{hash}");
        assert!(!format!("{one:?}{hash}").contains("ACME") && !format!("{one:?}").contains("111"));
    }

    #[test]
    fn an_id_in_a_secret_is_read_until_its_hash_by_this_key_is_shown_and_never_again() {
        let key = Key::new(&[7; 32]);
        let hash = key.hash("ACME-00001");
        let older = Key::new(&[8; 32]).hash("ACME-00001");
        let from = json!({"applicationIdFrom": {"name": "application", "key": "id"}});
        let key = Some(Ok(key));
        let asked = |shown: Option<&str>| at_hand(key.as_ref(), &tenant(&from, shown)).is_err();
        assert!(asked(None));
        assert!(asked(Some(&older)), "the key is another one");
        assert!(!asked(Some(&hash)));
        let shown = tenant(&from, Some(&hash));
        assert_eq!(at_hand(key.as_ref(), &shown).ok(), Some(Known::Hash(hash.clone())));
        let written = tenant(&json!({"applicationId": "ACME-00001"}), None);
        assert_eq!(at_hand(key.as_ref(), &written).ok(), Some(Known::Hash(hash)));
    }

    #[test]
    fn without_a_key_or_with_one_that_is_none_nothing_is_shown_and_nothing_is_asked() {
        let from = tenant(&json!({"applicationIdFrom": {"name": "application", "key": "id"}}), None);
        assert_eq!(at_hand(None, &from).ok(), Some(Known::NoKeyWanted));
        let missing = Key::read(Path::new("no-such-key"));
        let Ok(Known::NoKey(why)) = at_hand(Some(&missing), &from) else { panic!("a hash without a key") };
        assert!(why.contains("no-such-key"), "{why}");
    }

    #[test]
    fn what_is_no_application_id_is_not_hashed() {
        assert!(["ACME-00001", "A00000", &"A".repeat(32)].into_iter().all(is_application_id));
        assert!(
            !["ACME1", "acme-00001", "-ACME01", "ACME 0001", "", &"A".repeat(33)].into_iter().any(is_application_id)
        );
    }
}
