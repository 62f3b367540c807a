//! Pure: the result of a scan, as it is written into a ConfigMap and read from it.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::jiff::Timestamp;

use super::identity::Digest;

/// Longest text of any field: what a scanner says may come from the image.
const LONGEST: usize = 256;

/// What a scan found, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanResult {
    pub digest: Digest,
    /// Where it came from.
    pub image: String,
    pub finding: Finding,
    /// The program, such as `ClamAV 1.4.6`.
    pub engine: String,
    pub signatures: Signatures,
    pub scanned_at: Timestamp,
}

/// The signatures that were asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    pub version: String,
    /// When the newest of them was made, which is how much a scan knew; not when the scan was.
    pub made_at: Timestamp,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The whole image was looked at and nothing was found.
    Clean,
    /// With the name of the signature.
    Infected(String),
    /// It was not looked at as a whole, and why.
    Failed(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "Clean",
            Self::Infected(_) => "Infected",
            Self::Failed(_) => "Failed",
        })
    }
}

impl ScanResult {
    /// Name of the ConfigMap.
    #[must_use]
    pub fn name(&self) -> String {
        self.digest.name(&self.image)
    }

    /// As the data of a ConfigMap.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, String> {
        let (signature, message) = match &self.finding {
            Finding::Clean => ("", ""),
            Finding::Infected(signature) => (signature.as_str(), ""),
            Finding::Failed(message) => ("", message.as_str()),
        };
        [
            ("digest", self.digest.to_string()),
            ("image", self.image.clone()),
            ("result", self.finding.to_string()),
            ("signature", signature.to_owned()),
            ("message", message.to_owned()),
            ("engine", self.engine.clone()),
            ("signaturesVersion", self.signatures.version.clone()),
            ("signaturesDate", self.signatures.made_at.to_string()),
            ("scannedAt", self.scanned_at.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.chars().take(LONGEST).collect()))
        .collect()
    }

    /// From the data of a ConfigMap.
    ///
    /// # Errors
    /// A field is missing or is not what it should be: which, its value, and what would be right.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |key: &str| -> String {
            data.get(key).map(|value| value.chars().take(LONGEST).collect()).unwrap_or_default()
        };
        let signatures = Signatures { version: text("signaturesVersion"), made_at: instant(data, "signaturesDate")? };
        let finding = match text("result").as_str() {
            "Clean" => Finding::Clean,
            "Infected" => Finding::Infected(text("signature")),
            "Failed" => Finding::Failed(text("message")),
            other => return Err(format!("result {other:?} is not Clean, Infected or Failed")),
        };
        Ok(Self {
            digest: text("digest").parse().map_err(|error| format!("digest: {error}"))?,
            image: text("image"),
            finding,
            engine: text("engine"),
            signatures,
            scanned_at: instant(data, "scannedAt")?,
        })
    }
}

/// An instant in a ConfigMap.
pub(super) fn instant(data: &BTreeMap<String, String>, key: &str) -> Result<Timestamp, String> {
    let text = data.get(key).map(String::as_str).unwrap_or_default();
    let shown: String = text.chars().take(40).collect();
    text.parse().map_err(|_| format!("{key} {shown:?} is no instant such as 2026-11-29T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(finding: Finding) -> ScanResult {
        ScanResult {
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            image: "docker://registry.example/fedora".into(),
            finding,
            engine: "ClamAV 1.4.6".into(),
            signatures: Signatures { version: "27001".into(), made_at: "2026-11-29T08:30:00Z".parse().unwrap() },
            scanned_at: "2026-11-29T12:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for finding in [Finding::Clean, Finding::Infected("Eicar".into()), Finding::Failed("too big".into())] {
            let result = result(finding);
            assert_eq!(ScanResult::read(&result.data()), Ok(result));
        }
    }

    #[test]
    fn a_field_that_is_missing_or_odd_makes_it_no_result_and_is_named() {
        let cases = [
            ("result", Some("clean")),
            ("result", None),
            ("digest", Some("latest")),
            ("signaturesDate", Some("yesterday")),
            ("signaturesDate", None),
            ("scannedAt", Some("2026-11-29")),
        ];
        for (key, value) in cases {
            let mut data = result(Finding::Clean).data();
            data.remove(key);
            data.extend(value.map(|value| (key.to_owned(), value.to_owned())));
            let said = ScanResult::read(&data).unwrap_err();
            assert!(said.contains(key), "{key}: {said}");
        }
    }

    #[test]
    fn what_an_image_makes_a_scanner_say_is_cut() {
        let data = result(Finding::Infected("x".repeat(10_000))).data();
        assert!(data.values().all(|value| value.chars().count() <= LONGEST));
    }
}
