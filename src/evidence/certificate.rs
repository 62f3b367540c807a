//! What an erasure certificate says, and the bytes that its signature and the chain cover.
//!
//! There is no field for an application ID, a mail address or a password (I9). A released format never changes: another
//! field is another [`VERSION`].

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use super::hex;
use crate::api::jst::in_japan;

/// The format described here.
pub const VERSION: u8 = 1;

/// The promise a certificate is about: what becomes of a customer's data when the contract ends.
pub const CLAUSE: &str = "CLD.8.1.5";

/// `previousSHA256` of the first certificate of a chain.
pub const NO_PREVIOUS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Stands before the certificate in what is signed, so that no signature made for anything else can be passed off as
/// one of these.
pub const DOMAIN: &str = "cloudfarm-certificate-v1\n";

/// One erasure of one tenant's data (CLD.8.1.5). Instants are in Japan, as [`in_japan`] prints them; digests are
/// SHA-256, 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Always [`VERSION`].
    pub version: u8,
    /// The tenant's name.
    pub tenant: String,
    /// The uid of the Tenant; a later Tenant of the same name has another one.
    #[serde(rename = "tenantUID")]
    pub tenant_uid: String,
    /// The name of the Retention that was carried out.
    pub retention: String,
    #[serde(rename = "retentionUID")]
    pub retention_uid: String,
    /// Uids of the tenant's namespaces, by name.
    #[serde(rename = "namespaceUIDs", deserialize_with = "each_name_once")]
    pub namespace_uids: BTreeMap<String, String>,
    /// The clause that asks for this: [`CLAUSE`].
    pub clause: String,
    /// Last day of the contract, inclusive, a date in Japan such as `2026-09-30`.
    pub contract_end_date: String,
    /// The instant at which the contract was over.
    pub contract_ends_at: String,
    /// The instant before which nothing could be erased.
    pub purge_not_before: String,
    /// When the erasure began.
    pub started_at: String,
    /// When the last object was seen to be gone; not before `started_at`.
    pub completed_at: String,
    /// How many times the cluster was asked whether anybody holds the data; each time nobody did.
    pub holds_checked: u64,
    /// Who approved, in the order in which they did.
    pub approvals: Vec<String>,
    /// How the data was made unreadable: CryptoErase, DiscardAndDelete or ProviderDelete.
    pub method: String,
    /// Digest of the plan that was approved.
    #[serde(rename = "planSHA256")]
    pub plan_sha256: String,
    /// Every object that was erased.
    pub objects: Vec<ErasedObject>,
    /// Derived records that the Retention's logRetention keeps.
    pub kept: Vec<KeptRecords>,
    /// Objects of the plan that still exist; 0, or it cannot be signed.
    pub remaining: u64,
    /// The program that erased.
    pub software: Software,
    /// [`Certificate::sha256`] of the certificate before in the chain; [`NO_PREVIOUS`] for the first.
    #[serde(rename = "previousSHA256")]
    pub previous_sha256: String,
    /// Place in the chain, counted from 0.
    pub sequence: u64,
}

/// One object that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasedObject {
    /// group/version/resource, such as `/v1/persistentvolumes`.
    pub kind: String,
    /// Not there for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    /// Size of what it stored, in bytes; not there for objects that store nothing or do not say how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How this object's data was made unreadable, as in [`Certificate::method`].
    pub method: String,
    /// When it was seen to be gone.
    pub gone_at: String,
}

/// Records about the tenant, not of it, that are kept for a stated time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptRecords {
    /// What kind of records, as the Retention's logRetention calls them.
    pub class: String,
    pub count: u64,
    /// The instant or date until which they are kept.
    pub until: String,
}

/// The program that erased and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Software {
    pub version: String,
    /// Digest of the binary that ran.
    pub sha256: String,
}

/// A certificate with the name under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signed {
    pub certificate: Certificate,
    /// SHA-256 of the 32 bytes of the public key, 64 hexadecimal digits.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// The ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
    /// The ed25519 signature of [`Certificate::message`], 128 hexadecimal digits.
    pub signature: String,
}

/// A field that makes a certificate worthless, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Flaw {
    /// As it is written in JSON.
    pub field: &'static str,
    pub message: String,
}

impl Certificate {
    /// What is signed and hashed: [`DOMAIN`], then the canonical form. That is JSON with the fields in the order of
    /// this type, the names of maps sorted, no white space outside strings, optional fields left out when empty, and in
    /// strings nothing escaped but `"`, `\` and control characters. A signed document holds it word for word, so `jq -cj
    /// .certificate` behind [`DOMAIN`] is what `openssl pkeyutl -verify -rawin` needs.
    ///
    /// # Errors
    /// None that can occur with this type; serde_json has no other signature.
    pub fn message(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut message = DOMAIN.as_bytes().to_vec();
        serde_json::to_writer(&mut message, self)?;
        Ok(message)
    }

    /// What the next certificate of the chain has as `previousSHA256`.
    ///
    /// # Errors
    /// As [`Certificate::message`].
    pub fn sha256(&self) -> Result<String, serde_json::Error> {
        Ok(hex::encode(&Sha256::digest(self.message()?)))
    }

    /// All that makes it worthless, whoever signs it.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.version != VERSION {
            flaws.push(flaw("version", format!("is {}; this program knows {VERSION}", self.version)));
        }
        if self.remaining != 0 {
            let message = format!("is {}; a certificate is about data that is gone, it must be 0", self.remaining);
            flaws.push(flaw("remaining", message));
        }
        for (field, value) in [
            ("planSHA256", &self.plan_sha256),
            ("software.sha256", &self.software.sha256),
            ("previousSHA256", &self.previous_sha256),
        ] {
            if hex::decode::<32>(value).is_none() {
                flaws.push(flaw(field, format!("is {value:?}; it must be 64 of the digits 0-9 and a-f")));
            }
        }
        flaws.extend(self.wrong_times());
        flaws
    }

    fn wrong_times(&self) -> Vec<Flaw> {
        let times = [("startedAt", &self.started_at), ("completedAt", &self.completed_at)];
        let mut flaws: Vec<Flaw> = times
            .into_iter()
            .filter(|(_, value)| !is_in_japan(value))
            .map(|(field, value)| {
                flaw(field, format!("is {value:?}; it must be an instant such as 2026-11-30T03:30:00+09:00"))
            })
            .collect();
        // Both have one form and one offset, so text compares as time.
        if flaws.is_empty() && self.completed_at < self.started_at {
            let message = format!("is {}; it must not be before startedAt, {}", self.completed_at, self.started_at);
            flaws.push(flaw("completedAt", message));
        }
        flaws
    }
}

impl Signed {
    /// The document as it is kept and handed out: one line of JSON, and the end of the line.
    ///
    /// # Errors
    /// As [`Certificate::message`].
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }
}

fn flaw(field: &'static str, message: String) -> Flaw {
    Flaw { field, message }
}

fn is_in_japan(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|instant| in_japan(instant) == text)
}

/// A map that names nothing twice. serde would keep the last of two, and a reader of the document may believe the first.
fn each_name_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct EachNameOnce;

    impl<'de> Visitor<'de> for EachNameOnce {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of names and uids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, uid)) = entries.next_entry::<String, String>()? {
                if map.contains_key(&name) {
                    return Err(A::Error::custom(format!("{name:?} is there twice")));
                }
                map.insert(name, uid);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(EachNameOnce)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A certificate with something in every field.
    pub fn sample() -> Certificate {
        Certificate {
            version: VERSION,
            tenant: "acme".into(),
            tenant_uid: "0f2c9d1e-6a52-4a2e-9d0e-4f5b9f6f0a11".into(),
            retention: "acme".into(),
            retention_uid: "5b8c1a77-3f0c-4a59-8f57-0c1d2e3f4a5b".into(),
            namespace_uids: BTreeMap::from([("cf-acme".into(), "11".into()), ("cf-acme-dmz".into(), "12".into())]),
            clause: CLAUSE.into(),
            contract_end_date: "2026-09-30".into(),
            contract_ends_at: "2026-10-01T00:00:00+09:00".into(),
            purge_not_before: "2026-11-30T00:00:00+09:00".into(),
            started_at: "2026-11-30T03:30:00+09:00".into(),
            completed_at: "2026-11-30T03:41:07+09:00".into(),
            holds_checked: 14,
            approvals: vec!["dpo".into(), "営業 \"二\"".into()],
            method: "CryptoErase".into(),
            plan_sha256: "a1".repeat(32),
            objects: vec![
                ErasedObject {
                    kind: "/v1/persistentvolumes".into(),
                    namespace: None,
                    name: "pvc-1".into(),
                    uid: "21".into(),
                    bytes: Some(107_374_182_400),
                    method: "CryptoErase".into(),
                    gone_at: "2026-11-30T03:40:00+09:00".into(),
                },
                ErasedObject {
                    kind: "/v1/persistentvolumeclaims".into(),
                    namespace: Some("cf-acme".into()),
                    name: "web".into(),
                    uid: "22".into(),
                    bytes: None,
                    method: "CryptoErase".into(),
                    gone_at: "2026-11-30T03:41:07+09:00".into(),
                },
            ],
            kept: vec![KeptRecords { class: "audit".into(), count: 3, until: "2031-11-30".into() }],
            remaining: 0,
            software: Software { version: "0.1.0".into(), sha256: "b2".repeat(32) },
            previous_sha256: NO_PREVIOUS.into(),
            sequence: 0,
        }
    }

    /// Any certificate that can be signed.
    pub fn any_certificate() -> impl Strategy<Value = Certificate> {
        let object = (".{0,12}", proptest::option::of(".{0,8}"), proptest::option::of(any::<u64>())).prop_map(
            |(name, namespace, bytes)| ErasedObject { namespace, name, bytes, ..sample().objects[0].clone() },
        );
        let words = proptest::collection::vec(".{0,8}", 0..3);
        let uids = proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..3);
        (".{0,20}", any::<u64>(), words, uids, proptest::collection::vec(object, 0..3)).prop_map(
            |(tenant, holds_checked, approvals, namespace_uids, objects)| Certificate {
                tenant,
                namespace_uids,
                holds_checked,
                approvals,
                objects,
                ..sample()
            },
        )
    }

    #[test]
    fn the_form_that_was_released_stays_what_it_is() {
        // Old certificates must verify for ever: when this hash changes, VERSION and DOMAIN have to, too.
        let text = String::from_utf8(sample().message().unwrap()).unwrap();
        assert!(
            text.starts_with("cloudfarm-certificate-v1\n{\"version\":1,\"tenant\":\"acme\",\"tenantUID\":"),
            "{text}"
        );
        assert_eq!(
            sample().sha256().unwrap(),
            "a10feda6789a3866750f08fba265c992ff447d9aa0a9672eaadb3baee581dc08",
            "{text}"
        );
    }

    #[test]
    fn it_has_these_fields_and_no_others() {
        let value = serde_json::to_value(sample()).unwrap();
        let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = "approvals clause completedAt contractEndDate contractEndsAt holdsChecked kept method \
            namespaceUIDs objects planSHA256 previousSHA256 purgeNotBefore remaining retention retentionUID sequence \
            software startedAt tenant tenantUID version";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn a_field_nobody_knows_is_refused_at_every_depth() {
        for place in ["", "/software", "/objects/0", "/kept/0"] {
            let mut value = serde_json::to_value(sample()).unwrap();
            value.pointer_mut(place).unwrap()["applicationId"] = json!("QS-000001");
            let error = serde_json::from_value::<Certificate>(value).unwrap_err().to_string();
            assert!(error.contains("unknown field `applicationId`"), "{place}: {error}");
        }
    }

    #[test]
    fn a_namespace_named_twice_is_refused() {
        let text = serde_json::to_string(&sample()).unwrap();
        let twice = text.replace("\"cf-acme\":\"11\"", "\"cf-acme\":\"99\",\"cf-acme\":\"11\"");
        assert_ne!(text, twice);
        let error = serde_json::from_str::<Certificate>(&twice).unwrap_err().to_string();
        assert!(error.contains("\"cf-acme\" is there twice"), "{error}");
    }

    #[test]
    fn each_flaw_names_its_field_and_what_would_be_right() {
        type Change = fn(&mut Certificate);
        let cases: [(&str, &str, Change); 7] = [
            ("version", "knows 1", |it| it.version = 2),
            ("remaining", "must be 0", |it| it.remaining = 1),
            ("planSHA256", "64 of the digits", |it| it.plan_sha256 = "A1".repeat(32)),
            ("software.sha256", "64 of the digits", |it| it.software.sha256.clear()),
            ("previousSHA256", "64 of the digits", |it| it.previous_sha256 += "0"),
            ("startedAt", "an instant such as", |it| it.started_at = "2026-11-29T18:30:00Z".into()),
            ("completedAt", "not be before startedAt", |it| it.completed_at = "2026-11-30T03:29:59+09:00".into()),
        ];
        assert_eq!(sample().flaws(), []);
        for (field, right, change) in cases {
            let mut certificate = sample();
            change(&mut certificate);
            let flaws = certificate.flaws();
            assert_eq!(flaws.len(), 1, "{field}: {flaws:?}");
            assert_eq!(flaws[0].field, field);
            assert!(flaws[0].message.contains(right), "{flaws:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_byte_for_byte_as_it_was(certificate in any_certificate()) {
            let text = serde_json::to_string(&certificate).unwrap();
            let read: Certificate = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &certificate);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}
