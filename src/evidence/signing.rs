//! The key that signs certificates, and the one that checks them: ed25519.
//!
//! Key material is in no message and no `Debug`: PEM and DER errors of the libraries below may quote what they could not
//! read, so they are told in our own words.

use std::fmt;

use k8s_openapi::ByteString;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256};

use super::certificate::{Certificate, Flaw, Signed};
use super::hex;

/// All of a PKCS#8 v1 ed25519 private key but the 32 bytes at its end (RFC 8410, 7).
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// All of an ed25519 SubjectPublicKeyInfo but the 32 bytes at its end (RFC 8410, 4).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A key that is none. The message goes behind where it came from: `Secret cloudfarm-signing-key key ed25519.pem {error}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "is not a PKCS#8 ed25519 private key in PEM: {0}; make one with `openssl genpkey -algorithm ed25519` or `cloudfarm signing-key`"
    )]
    Private(&'static str),
    #[error("is not an ed25519 public key in PEM: {0}; `openssl pkey -pubout` writes one")]
    Public(&'static str),
    #[error("could not be made: the system gives no random numbers; look for a kernel that blocks getrandom")]
    NoRandomness,
}

/// A certificate that cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSignable {
    #[error("the certificate is not signed: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flawed(Vec<Flaw>),
    #[error("the certificate is not signed: {0}")]
    Json(#[from] serde_json::Error),
}

/// A private key that signs certificates.
pub struct SigningKey(Ed25519KeyPair);

/// A private key as text, for the Secret it is kept in.
pub struct PrivatePem(String);

/// The key that says whether a signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl SigningKey {
    /// From the first `PRIVATE KEY` of a PEM file, as `openssl genpkey -algorithm ed25519` writes it (PKCS#8 v1), or with
    /// its public key (v2, RFC 5958).
    ///
    /// # Errors
    /// It has none, or one of another kind, or its public key belongs to another.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|error| KeyError::Private(what_is_wrong(&error, "it has no section PRIVATE KEY")))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::Private("its section PRIVATE KEY holds something else or is damaged"))
    }

    /// A new key, as openssl would write it: v1, which every openssl reads.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<PrivatePem, KeyError> {
        let seed = ring::rand::generate::<[u8; 32]>(&SystemRandom::new()).map_err(|_| KeyError::NoRandomness)?;
        Ok(PrivatePem(pem("PRIVATE KEY", &[&PKCS8_HEAD[..], &seed.expose()].concat())))
    }

    /// Puts this key's name under a certificate.
    ///
    /// # Errors
    /// Something remains, or another field makes it worthless: [`Certificate::flaws`].
    pub fn sign(&self, certificate: Certificate) -> Result<Signed, NotSignable> {
        let flaws = certificate.flaws();
        if !flaws.is_empty() {
            return Err(NotSignable::Flawed(flaws));
        }
        Ok(self.sign_unchecked(certificate)?)
    }

    pub(super) fn sign_unchecked(&self, certificate: Certificate) -> Result<Signed, serde_json::Error> {
        let signature = self.sign_bytes(&certificate.message()?);
        let public_key = self.public_key();
        Ok(Signed { certificate, key_id: public_key.key_id(), public_key: public_key.to_hex(), signature })
    }

    pub(super) fn sign_bytes(&self, message: &[u8]) -> String {
        hex::encode(self.0.sign(message).as_ref())
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// [`PublicKey::key_id`] of the public half.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.public_key().key_id()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.key_id())
    }
}

impl PrivatePem {
    /// The key itself. It goes into a Secret and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem(not shown)")
    }
}

impl PublicKey {
    /// From the first `PUBLIC KEY` of a PEM file, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// It has none, or one of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|error| KeyError::Public(what_is_wrong(&error, "it has no section PUBLIC KEY")))?;
        let bytes = der.as_ref().strip_prefix(&SPKI_HEAD[..]).and_then(|rest| rest.try_into().ok());
        bytes.map(Self).ok_or(KeyError::Public("its section PUBLIC KEY holds something else or is damaged"))
    }

    /// As `openssl pkey -pubout` writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[&SPKI_HEAD[..], &self.0].concat())
    }

    /// From 64 hexadecimal digits, lower case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// SHA-256 of the 32 bytes, 64 hexadecimal digits: what people compare.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex::encode(&Sha256::digest(self.0))
    }

    /// Whether the other half of this key signed the message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

fn what_is_wrong(error: &PemError, missing: &'static str) -> &'static str {
    match error {
        PemError::NoItemsFound => missing,
        PemError::MissingSectionEnd { .. } => "it has no END line",
        PemError::IllegalSectionStart { .. } => "its BEGIN line is damaged",
        PemError::Base64Decode(_) => "what stands between BEGIN and END is not base64",
        _ => "it is not PEM",
    }
}

/// Both kinds of key fit in one line of base64.
fn pem(section: &str, der: &[u8]) -> String {
    let base64 = serde_json::json!(ByteString(der.to_vec()));
    let base64 = base64.as_str().unwrap_or_default();
    format!("-----BEGIN {section}-----\n{base64}\n-----END {section}-----\n")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Command;

    use super::*;
    use crate::evidence::certificate::tests::sample;

    /// A key that is made anew for each test.
    pub fn any_key() -> SigningKey {
        SigningKey::from_pem(SigningKey::generate().unwrap().expose().as_bytes()).unwrap()
    }

    fn openssl(arguments: &[&str], stdin: &str) -> Option<String> {
        use std::io::Write as _;
        use std::process::Stdio;
        let mut child =
            Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        child.stdin.take()?.write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// As the `Debug` of bytes shows them.
    fn as_numbers(bytes: &[u8]) -> String {
        format!("{bytes:?}").trim_matches(['[', ']']).to_owned()
    }

    #[test]
    fn a_key_made_by_openssl_signs_and_its_public_half_is_what_openssl_says() {
        let Some(pem) = openssl(&["genpkey", "-algorithm", "ed25519"], "") else { return };
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        let public = openssl(&["pkey", "-pubout"], &pem).unwrap();
        assert_eq!(key.public_key().to_pem(), public);
        assert_eq!(PublicKey::from_pem(public.as_bytes()), Ok(key.public_key()));
    }

    #[test]
    fn openssl_reads_the_keys_we_make() {
        let made = SigningKey::generate().unwrap();
        let Some(public) = openssl(&["pkey", "-pubout"], made.expose()) else { return };
        let key = SigningKey::from_pem(made.expose().as_bytes()).unwrap();
        assert_eq!(key.public_key().to_pem(), public);
    }

    #[test]
    fn a_v2_key_with_its_public_half_is_read_and_refused_when_that_is_anothers() {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let mut der = document.as_ref().to_vec();
        assert!(SigningKey::from_pem(pem("PRIVATE KEY", &der).as_bytes()).is_ok());
        *der.last_mut().unwrap() ^= 1;
        assert!(SigningKey::from_pem(pem("PRIVATE KEY", &der).as_bytes()).is_err());
    }

    #[test]
    fn two_keys_are_never_the_same() {
        assert_ne!(any_key().key_id(), any_key().key_id());
    }

    #[test]
    fn the_key_id_is_the_sha256_of_the_public_key() {
        let key = PublicKey([0; 32]);
        assert_eq!(key.key_id(), "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
        assert_eq!(PublicKey::from_hex(&key.to_hex()), Some(key));
    }

    #[test]
    fn what_is_no_key_is_told_and_never_quoted() {
        let made = SigningKey::generate().unwrap();
        let good = made.expose();
        let body = good.lines().nth(1).unwrap();
        let cases = [
            (String::new(), "no section PRIVATE KEY"),
            (body.to_owned(), "no section PRIVATE KEY"),
            (good.replace("PRIVATE", "PUBLIC"), "no section PRIVATE KEY"),
            (good.replace("PRIVATE", "ENCRYPTED PRIVATE"), "no section PRIVATE KEY"),
            (good.replace("-----END", "--END"), "no END line"),
            (good.replace("-----END PRIVATE KEY-----\n", ""), "no END line"),
            (good.replace(body, &format!("!{body}")), "not base64"),
            (good.replace(body, &body[..40]), "holds something else"),
            (format!("-----BEGIN {body}\n"), "its BEGIN line is damaged"),
        ];
        for (pem, wrong) in cases {
            let error = SigningKey::from_pem(pem.as_bytes()).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(wrong), "{told}");
            assert!(told.contains("openssl genpkey -algorithm ed25519"), "{told}");
            for secret in [body[24..36].to_owned(), as_numbers(&body.as_bytes()[24..36])] {
                assert!(!told.contains(&secret), "the key is told: {told}");
            }
        }
        for pem in ["", good] {
            let error = PublicKey::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("no section PUBLIC KEY") && error.contains("-pubout"), "{error}");
        }
    }

    #[test]
    fn a_private_key_is_in_no_debug_output_and_in_no_signed_document() {
        let made = SigningKey::generate().unwrap();
        let body = made.expose().lines().nth(1).unwrap().to_owned();
        let seed = PrivatePkcs8KeyDer::from_pem_slice(made.expose().as_bytes()).unwrap();
        let seed = &seed.secret_pkcs8_der()[16..];
        let key = SigningKey::from_pem(made.expose().as_bytes()).unwrap();
        let signed = key.sign(sample()).unwrap();
        for told in [format!("{made:?} {key:?}"), format!("{made:#?} {key:#?}"), signed.to_json().unwrap()] {
            for secret in [&body[22..], &hex::encode(seed), &as_numbers(seed)] {
                assert!(!told.contains(secret), "{told}");
            }
        }
    }

    #[test]
    fn a_certificate_of_data_that_remains_is_not_signed() {
        let error = any_key().sign(Certificate { remaining: 1, ..sample() }).unwrap_err().to_string();
        assert!(error.contains("remaining: is 1") && error.contains("it must be 0"), "{error}");
    }
}
