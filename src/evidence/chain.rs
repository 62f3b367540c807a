//! Whether certificates are what was signed, and whether one is missing between them.
//!
//! Each certificate carries the hash of the one before, so nobody can take one out, put one in or change one without
//! the next one telling. What no chain can tell is that its end is missing: compare the last sequence with what the
//! operator says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::certificate::{Certificate, NO_PREVIOUS, Signed};
use super::hex;
use super::signing::PublicKey;

/// Certificates that are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order of the chain.
    pub certificates: Vec<Verified>,
    /// What is no fault, and a reader should know.
    pub remarks: Vec<String>,
}

/// One certificate that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub file: String,
    pub certificate: Certificate,
    /// Whose signature it has: 64 hexadecimal digits.
    pub key_id: String,
    /// Its hash in the chain: 64 hexadecimal digits.
    pub sha256: String,
}

/// One thing that is wrong with one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    /// As it is written in JSON; nothing when it is about the whole.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.file.as_str(), self.field, self.message.as_str()];
        let told: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&told.join(": "))
    }
}

/// Judges signed documents, given as (file, content) in any order, as one unbroken part of one chain. Every signature has
/// to be by `trusted`, if it is given; without it the documents only prove that they belong together.
///
/// # Errors
/// Every fault: of each document by itself, then of the chain they make.
pub fn verify(documents: &[(String, Vec<u8>)], trusted: Option<&PublicKey>) -> Result<Report, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut certificates = Vec::new();
    for (file, content) in documents {
        match read(file, content) {
            Ok((signed, verified)) => {
                faults.extend(faults_of_one(file, &signed, trusted));
                certificates.push(verified);
            }
            Err(fault) => faults.push(fault),
        }
    }
    certificates.sort_by_key(|it| it.certificate.sequence);
    faults.extend(faults_of_chain(&certificates));
    if documents.is_empty() {
        faults.push(fault("", "", "no certificate was given; give at least one".to_owned()));
    }
    if faults.is_empty() { Ok(Report { remarks: remarks(&certificates, trusted), certificates }) } else { Err(faults) }
}

fn read(file: &str, content: &[u8]) -> Result<(Signed, Verified), Fault> {
    let wrong = |error: serde_json::Error| {
        fault(file, "", format!("is not a signed certificate: {error}; give the whole document as it was written"))
    };
    let signed: Signed = serde_json::from_slice(content).map_err(wrong)?;
    let verified = Verified {
        file: file.to_owned(),
        certificate: signed.certificate.clone(),
        key_id: signed.key_id.clone(),
        sha256: signed.certificate.sha256().map_err(wrong)?,
    };
    Ok((signed, verified))
}

fn faults_of_one(file: &str, signed: &Signed, trusted: Option<&PublicKey>) -> Vec<Fault> {
    let flaws = signed.certificate.flaws();
    let mut faults: Vec<Fault> = flaws.into_iter().map(|flaw| fault(file, flaw.field, flaw.message)).collect();
    let Some(key) = PublicKey::from_hex(&signed.public_key) else {
        let message = format!("is {:?}; it must be 64 of the digits 0-9 and a-f", signed.public_key);
        faults.push(fault(file, "publicKey", message));
        return faults;
    };
    if signed.key_id != key.key_id() {
        let message = format!("is {:?}; the id of this publicKey is {}", signed.key_id, key.key_id());
        faults.push(fault(file, "keyID", message));
    }
    if let Some(trusted) = trusted.filter(|trusted| **trusted != key) {
        let (given, id) = (trusted.key_id(), key.key_id());
        let message = format!("has the id {id}; the public key you gave has {given}: somebody else signed this");
        faults.push(fault(file, "publicKey", message));
    }
    if !is_signed(signed, &key) {
        let message = "does not fit certificate and publicKey; one of the three was changed after signing";
        faults.push(fault(file, "signature", message.to_owned()));
    }
    faults
}

fn is_signed(signed: &Signed, key: &PublicKey) -> bool {
    let (message, signature) = (signed.certificate.message(), hex::decode(&signed.signature));
    matches!((message, signature), (Ok(message), Some(signature)) if key.has_signed(&message, &signature))
}

/// Certificates come sorted by sequence.
fn faults_of_chain(certificates: &[Verified]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut by_hash: BTreeMap<&str, &Verified> = BTreeMap::new();
    let mut distinct = Vec::new();
    for it in certificates {
        if let Some(other) = by_hash.get(it.sha256.as_str()) {
            let message = format!("is the same certificate as {}; give each once", other.file);
            faults.push(fault(&it.file, "", message));
        } else {
            by_hash.insert(&it.sha256, it);
            distinct.push(it);
        }
    }
    let mut followers: BTreeMap<&str, &Verified> = BTreeMap::new();
    let mut starts = 0;
    for it in distinct {
        let previous = it.certificate.previous_sha256.as_str();
        let before = by_hash.get(previous).copied();
        faults.extend(wrong_sequence(it, before));
        starts += usize::from(before.is_none());
        if let Some(other) = followers.insert(previous, it) {
            let message = format!("is {previous}, as in {}; {ONE_CHAIN}", other.file);
            faults.push(fault(&it.file, "previousSHA256", message));
        } else if before.is_none() && starts > 1 {
            faults.push(fault(&it.file, "previousSHA256", missing(it)));
        }
    }
    faults
}

const ONE_CHAIN: &str = "only one certificate can be the first or follow another; give one chain at a time";

fn missing(it: &Verified) -> String {
    let (previous, sequence) = (&it.certificate.previous_sha256, it.certificate.sequence);
    if previous == NO_PREVIOUS {
        return format!("says that it is the first; {ONE_CHAIN}");
    }
    let before = sequence.saturating_sub(1);
    format!("is {previous}, and no given certificate has this hash; give number {before} as it was signed")
}

fn wrong_sequence(it: &Verified, before: Option<&Verified>) -> Option<Fault> {
    let sequence = it.certificate.sequence;
    let first = it.certificate.previous_sha256 == NO_PREVIOUS;
    let message = match before {
        Some(before) if before.certificate.sequence.checked_add(1) != Some(sequence) => {
            let number = before.certificate.sequence;
            format!("is {sequence}; it must be one more than the {number} of the certificate before, {}", before.file)
        }
        None if first && sequence != 0 => format!("is {sequence}; it must be 0 where no certificate came before"),
        None if !first && sequence == 0 => "is 0; it must be more where a certificate came before".to_owned(),
        _ => return None,
    };
    Some(fault(&it.file, "sequence", message))
}

fn remarks(certificates: &[Verified], trusted: Option<&PublicKey>) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(first) = certificates.first().filter(|first| first.certificate.sequence > 0) {
        let before = first.certificate.sequence - 1;
        remarks.push(format!("{}: the certificate before it, number {before}, was not given", first.file));
    }
    if trusted.is_none() {
        let keys: BTreeSet<&str> = certificates.iter().map(|it| it.key_id.as_str()).collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        remarks.push(format!(
            "no public key was given to compare with: the certificates only prove that they belong together. Compare \
            what was published with key {}",
            keys.join(" and key ")
        ));
    }
    remarks
}

fn fault(file: &str, field: &'static str, message: String) -> Fault {
    Fault { file: file.to_owned(), field, message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::certificate::tests::{any_certificate, sample};
    use super::super::signing::SigningKey;
    use super::super::signing::tests::any_key;
    use super::*;

    type Documents = Vec<(String, Vec<u8>)>;

    fn document(file: &str, signed: &Signed) -> (String, Vec<u8>) {
        (file.to_owned(), signed.to_json().unwrap().into_bytes())
    }

    /// `length` certificates by this key that follow `before`.
    fn continued(key: &SigningKey, before: Option<&Certificate>, length: u64) -> Vec<Signed> {
        let mut previous = before.cloned();
        let mut chain = Vec::new();
        for _ in 0..length {
            let mut certificate = sample();
            if let Some(previous) = &previous {
                certificate.previous_sha256 = previous.sha256().unwrap();
                certificate.sequence = previous.sequence + 1;
            }
            previous = Some(certificate.clone());
            chain.push(key.sign(certificate).unwrap());
        }
        chain
    }

    fn documents(chain: &[Signed]) -> Documents {
        chain.iter().map(|it| document(&format!("{}.json", it.certificate.sequence), it)).collect()
    }

    fn faults(documents: &[(String, Vec<u8>)]) -> Vec<String> {
        verify(documents, None).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn assert_faults(documents: &[(String, Vec<u8>)], expected: &[(&str, &str)]) {
        let faults = faults(documents);
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, (start, right)) in faults.iter().zip(expected) {
            assert!(fault.starts_with(start) && fault.contains(right), "{start:?}, {right:?}: {fault}");
        }
    }

    #[test]
    fn a_whole_chain_is_right_in_any_order_and_reported_in_its_own() {
        let key = any_key();
        let mut given = documents(&continued(&key, None, 4));
        let straight = verify(&given, Some(&key.public_key())).unwrap();
        assert_eq!(straight.remarks, [""; 0]);
        assert_eq!(straight.certificates.iter().map(|it| it.certificate.sequence).collect::<Vec<_>>(), [0, 1, 2, 3]);
        for _ in 0..given.len() {
            given.rotate_left(1);
            assert_eq!(verify(&given, Some(&key.public_key())).as_ref(), Ok(&straight));
        }
        given.reverse();
        assert_eq!(verify(&given, Some(&key.public_key())), Ok(straight));
    }

    #[test]
    fn a_predecessor_that_was_not_given_is_a_remark() {
        let key = any_key();
        let given = documents(&continued(&key, None, 4));
        let report = verify(&given[2..], Some(&key.public_key())).unwrap();
        assert_eq!(report.remarks, ["2.json: the certificate before it, number 1, was not given"]);
    }

    #[test]
    fn without_a_key_to_compare_with_the_report_says_so_and_names_every_key() {
        let (key, next) = (any_key(), any_key());
        let mut chain = continued(&key, None, 2);
        chain.extend(continued(&next, Some(&chain[1].certificate), 1));
        let report = verify(&documents(&chain), None).unwrap();
        assert_eq!(report.remarks.len(), 1);
        for part in ["no public key was given", &key.key_id(), &next.key_id()] {
            assert!(report.remarks[0].contains(part), "{:?}", report.remarks);
        }
    }

    #[test]
    fn a_chain_with_a_missing_middle_is_refused() {
        let mut given = documents(&continued(&any_key(), None, 4));
        given.remove(2);
        assert_faults(&given, &[("3.json: previousSHA256: ", "give number 2")]);
    }

    #[test]
    fn two_that_follow_the_same_one_are_a_fork() {
        let key = any_key();
        let mut chain = continued(&key, None, 3);
        let mut other = chain[1].certificate.clone();
        other.tenant = "globex".into();
        chain.push(key.sign(other).unwrap());
        let mut given = documents(&chain);
        given[3].0 = "other.json".into();
        assert_faults(&given, &[("other.json: previousSHA256: ", "as in 1.json; only one certificate can")]);
    }

    #[test]
    fn two_first_ones_are_a_fork() {
        let key = any_key();
        let other = key.sign(Certificate { tenant: "globex".into(), ..sample() }).unwrap();
        let given = [document("a", &key.sign(sample()).unwrap()), document("b", &other)];
        assert_faults(&given, &[("b: previousSHA256: ", "as in a; only one certificate can be the first")]);
    }

    #[test]
    fn the_same_certificate_twice_is_refused_also_when_signed_by_two() {
        let (key, other) = (any_key(), any_key());
        let given = [document("a", &key.sign(sample()).unwrap()), document("b", &other.sign(sample()).unwrap())];
        assert_faults(&given, &[("b: ", "the same certificate as a; give each once")]);
    }

    #[test]
    fn a_sequence_that_does_not_count_up_is_refused() {
        let key = any_key();
        let first = sample();
        for (sequence, right) in [(0, "must be one more than the 0"), (2, "must be one more than the 0")] {
            let previous_sha256 = first.sha256().unwrap();
            let second = Certificate { previous_sha256, sequence, ..sample() };
            let given = [document("b", &key.sign(second).unwrap()), document("a", &key.sign(first.clone()).unwrap())];
            assert_faults(&given, &[("b: sequence: ", right)]);
        }
        let unfit = [
            (Certificate { sequence: 7, ..sample() }, "must be 0 where"),
            (Certificate { previous_sha256: "c3".repeat(32), ..sample() }, "must be more where"),
        ];
        for (certificate, right) in unfit {
            assert_faults(&[document("a", &key.sign(certificate).unwrap())], &[("a: sequence: ", right)]);
        }
    }

    #[test]
    fn a_changed_field_breaks_its_own_signature_and_the_link_of_the_next() {
        let mut chain = continued(&any_key(), None, 3);
        chain[1].certificate.objects.pop();
        assert_faults(
            &documents(&chain),
            &[("1.json: signature: ", "changed after signing"), ("2.json: previousSHA256: ", "give number 1")],
        );
    }

    #[test]
    fn a_swapped_signature_is_refused() {
        let mut chain = continued(&any_key(), None, 2);
        chain[0].signature = chain[1].signature.clone();
        assert_faults(&documents(&chain), &[("0.json: signature: ", "does not fit")]);
    }

    #[test]
    fn the_key_of_somebody_else_is_refused_however_it_is_put_in() {
        let (key, other) = (any_key(), any_key());
        let signed_by_other = other.sign(sample()).unwrap();
        let given = [document("a", &signed_by_other)];
        let faults = verify(&given, Some(&key.public_key())).unwrap_err();
        assert_eq!((faults.len(), faults[0].field), (1, "publicKey"));
        assert!(faults[0].message.contains("somebody else signed this"), "{faults:?}");

        let mut key_changed = key.sign(sample()).unwrap();
        key_changed.public_key = other.public_key().to_hex();
        assert_faults(&[document("a", &key_changed)], &[("a: keyID: ", "the id of"), ("a: signature: ", "changed")]);

        let mut id_changed = key.sign(sample()).unwrap();
        id_changed.key_id = other.key_id();
        assert_faults(&[document("a", &id_changed)], &[("a: keyID: ", &key.key_id())]);

        let mut no_key = key.sign(sample()).unwrap();
        no_key.public_key = "0".into();
        assert_faults(&[document("a", &no_key)], &[("a: publicKey: ", "64 of the digits")]);
    }

    #[test]
    fn a_well_signed_claim_that_something_remains_is_refused() {
        let pem = SigningKey::generate().unwrap();
        let key = SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
        let claim = key.sign_unchecked(Certificate { remaining: 1, ..sample() }).unwrap();
        assert_faults(&[document("a", &claim)], &[("a: remaining: ", "must be 0")]);
    }

    #[test]
    fn a_signature_of_the_bare_certificate_is_refused() {
        // What was signed for another purpose, without our domain in front, is no certificate.
        let key = any_key();
        let mut signed = key.sign(sample()).unwrap();
        signed.signature = key.sign_bytes(serde_json::to_string(&sample()).unwrap().as_bytes());
        assert_faults(&[document("a", &signed)], &[("a: signature: ", "does not fit")]);
    }

    #[test]
    fn every_truncated_file_is_refused() {
        let (file, content) = document("a", &any_key().sign(sample()).unwrap());
        let end = content.len() - 1; // the end of the line is no part of the document
        for length in 0..end {
            let fault = &faults(&[(file.clone(), content[..length].to_vec())])[0];
            assert!(fault.starts_with("a: is not a signed certificate: "), "{fault}");
        }
        assert!(verify(&[(file, content[..end].to_vec())], None).is_ok());
    }

    #[test]
    fn nothing_is_no_proof() {
        assert_eq!(faults(&[]), ["no certificate was given; give at least one"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn any_single_changed_byte_is_a_fault_or_changes_nothing_that_is_said(
            certificate in any_certificate(), place: prop::sample::Index, byte: u8
        ) {
            let key = any_key();
            let (file, mut content) = document("a", &key.sign(certificate).unwrap());
            let before: Signed = serde_json::from_slice(&content).unwrap();
            let place = place.index(content.len());
            content[place] = byte;
            let after: Option<Signed> = serde_json::from_slice(&content).ok();
            let same = after.as_ref() == Some(&before);
            let told = verify(&[(file, content)], Some(&key.public_key()));
            prop_assert_eq!(told.is_ok(), same, "{:?}", told);
        }

        #[test]
        fn any_certificate_that_is_signed_verifies(certificate in any_certificate()) {
            let key = any_key();
            let signed = key.sign(certificate.clone()).unwrap();
            let report = verify(&[document("a", &signed)], Some(&key.public_key())).unwrap();
            prop_assert_eq!(&report.certificates[0].certificate, &certificate);
        }
    }
}
