//! What the gate before images needs to know of the platform (clause 14.1.1).

use k8s_openapi::jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::faults::Faults;

/// How images are scanned. Without it nothing is scanned and no VM waits for it, which every Tenant says.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Image with `clamscan`, such as `docker.io/clamav/clamav` by digest; the program that runs it comes from
    /// [`super::Purge::image`].
    pub scanner_image: String,
    /// Claim with signatures that the provider keeps fresh, one of this name in the namespace `cloudfarm-images` and one in
    /// that of the provider's images, each to be mounted by several nodes at a time; the scanner image's own signatures where
    /// it is not written.
    pub signatures_claim: Option<String>,
    /// Hours after which signatures are too old to call an image clean (1-720): a VM that is to start waits for a new scan.
    /// Half as long after a scan the next one is made.
    pub max_signature_age_hours: u16,
}

impl Images {
    /// [`Images::max_signature_age_hours`] as a span.
    #[must_use]
    pub fn max_signature_age(&self) -> SignedDuration {
        SignedDuration::from_hours(self.max_signature_age_hours.into())
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawImages {
    scanner_image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signatures_claim: Option<String>,
    #[serde(default = "three_days")]
    max_signature_age_hours: u16,
}

/// ClamAV's signatures come daily; a weekend without a mirror stops nobody.
fn three_days() -> u16 {
    72
}

impl RawImages {
    pub(super) fn check(self, faults: &mut Faults) -> Images {
        Images {
            scanner_image: faults.filled("images.scannerImage", self.scanner_image),
            signatures_claim: self.signatures_claim.map(|name| faults.filled("images.signaturesClaim", name)),
            max_signature_age_hours: faults.within("images.maxSignatureAgeHours", self.max_signature_age_hours, 720),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::SMALLEST;

    #[test]
    fn without_images_there_is_no_gate_and_with_it_the_age_has_a_default_and_bounds() {
        assert_eq!(Config::parse(SMALLEST).unwrap().images, None);
        let of = |images: &str| Config::parse(&format!("{SMALLEST}\nimages: {images}"));
        let images = of("{scannerImage: registry.invalid/clamav}").unwrap().images.unwrap();
        assert_eq!((images.max_signature_age_hours, images.signatures_claim), (72, None));
        let faults = of("{scannerImage: '', maxSignatureAgeHours: 721}").unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[1].contains("images.maxSignatureAgeHours: 721"), "{faults:?}");
    }
}
