//! Pure: what tells an image's content from any other's. A tag or a name proves nothing; each source has its own proof.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::known::Known;
use crate::api::tenant::Image;
use crate::evidence::hex;
use crate::install::IMAGES_NAMESPACE;

/// Proof of a content: [`Content`] says how each is spelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

/// What a digest is about. The same digits in two spellings are two contents: the checksum of a file is none of the manifest
/// by which a registry knows a container image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The bytes of a file: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128.
    File,
    /// A container image: `image:sha256:` and 64 hexadecimal digits.
    ContainerImage,
    /// A claim in the namespace of the provider's images: `claim:` and its uid.
    Claim,
}

/// A text that is no [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no digest: write sha256: and 64 lower-case hexadecimal digits, sha512: and 128, image:sha256: and 64 for what a registry has, or claim: and the uid of a claim"
)]
pub struct NoDigest(pub String);

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let hexadecimal = |rest: &str, length: usize| {
            rest.len() == length && rest.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
        };
        let uid = |rest: &str| rest.len() == 36 && rest.bytes().all(|byte| b"0123456789abcdef-".contains(&byte));
        let right = match text.split_once(':') {
            Some(("sha256", rest)) => hexadecimal(rest, 64),
            Some(("sha512", rest)) => hexadecimal(rest, 128),
            Some(("image", rest)) => rest.strip_prefix("sha256:").is_some_and(|rest| hexadecimal(rest, 64)),
            Some(("claim", rest)) => uid(rest),
            _ => false,
        };
        if right { Ok(Self(text.to_owned())) } else { Err(NoDigest(text.chars().take(160).collect())) }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Digest {
    #[must_use]
    pub fn content(&self) -> Content {
        match self.0.split_once(':') {
            Some(("image", _)) => Content::ContainerImage,
            Some(("claim", _)) => Content::Claim,
            _ => Content::File,
        }
    }

    /// Name of the result and of the Job that makes it. All names are of one length: none is the beginning of another,
    /// which admission relies on (`install/policies/images.rs`).
    ///
    /// A container image from elsewhere has a scan of its own: whoever first names a registry that does not answer holds
    /// up nobody else.
    #[must_use]
    pub fn name(&self, origin: &str) -> String {
        let of_it = if self.content() == Content::ContainerImage { origin } else { "" };
        let hash = hex::encode(&Sha256::digest(format!("{self} {of_it}")));
        format!("scan-{}", hash.chars().take(40).collect::<String>())
    }
}

/// An image whose content is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    pub digest: Digest,
    pub origin: Origin,
}

/// From where a scan gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// What a registry has under this reference, digest included.
    Registry(String),
    Http(String),
    /// A claim in the namespace of the provider's images.
    Claim {
        namespace: String,
        name: String,
        block: bool,
    },
}

impl Identified {
    /// Name of its result and of the Job that makes it.
    #[must_use]
    pub fn name(&self) -> String {
        self.digest.name(&self.origin.to_string())
    }
}

impl Origin {
    /// Where a Job scans it; `None` where no Job does.
    #[must_use]
    pub fn scanned_in(&self) -> Option<&str> {
        match self {
            Self::Registry(_) => Some(IMAGES_NAMESPACE),
            Self::Claim { namespace, .. } => Some(namespace),
            Self::Http(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "docker://{reference}"),
            Self::Http(url) => f.write_str(url),
            Self::Claim { namespace, name, .. } => write!(f, "claim {namespace}/{name}"),
        }
    }
}

/// Which content an image has now.
///
/// # Errors
/// It cannot be told: what stands in the way, and what would be right.
pub fn identify(image: &Image, images_namespace: &str, known: &Known) -> Result<Identified, String> {
    if let Some(registry) = &image.registry {
        let reference = registry.url.strip_prefix("docker://").unwrap_or(&registry.url);
        let manifest = reference.rsplit_once('@').map(|(_, manifest)| manifest).unwrap_or_default();
        let right = || format!("registry.url {:?} does not end with @sha256: and 64 hexadecimal digits", registry.url);
        let digest = format!("image:{manifest}").parse().map_err(|_: NoDigest| right())?;
        return Ok(Identified { digest, origin: Origin::Registry(reference.to_owned()) });
    }
    if let Some(http) = &image.http {
        let digest: Digest = http.checksum.parse().map_err(|error| format!("http.checksum: {error}"))?;
        if digest.content() != Content::File {
            return Err(format!("http.checksum {digest}: write sha256: or sha512: and the checksum of the file"));
        }
        return Ok(Identified { digest, origin: Origin::Http(http.url.clone()) });
    }
    let name = image.data_source.as_deref().unwrap_or_default();
    pointed_at(name, images_namespace, known).map_err(|why| format!("dataSource {name:?}: {why}"))
}

/// The claim that a DataSource points at now.
fn pointed_at(name: &str, namespace: &str, known: &Known) -> Result<Identified, String> {
    let sources =
        known.sources.as_ref().ok_or("no DataSource has been listed; CDI is missing, or was asked a moment ago")?;
    let source = sources.get(&format!("{namespace}/{name}")).ok_or(format!("is not there in namespace {namespace}"))?;
    if !source.ready {
        return Err(format!("CDI does not say that DataSource {namespace}/{name} is ready"));
    }
    let claim = source.claim.as_ref().ok_or(
        "does not point at a claim; what a VolumeSnapshot holds is not told from its namesake's here: point it at a claim",
    )?;
    if claim.namespace != namespace {
        return Err(format!("points at a claim in namespace {}; images lie in {namespace}", claim.namespace));
    }
    let claims = known.claims.as_ref().ok_or(format!("claims of namespace {namespace} have not been listed"))?;
    let found = claims.get(&format!("{namespace}/{}", claim.name));
    let found = found.ok_or(format!("points at claim {namespace}/{}, which is not there", claim.name))?;
    let digest = format!("claim:{}", found.uid).parse().map_err(|error: NoDigest| error.to_string())?;
    let (namespace, name) = (namespace.to_owned(), claim.name.clone());
    Ok(Identified { digest, origin: Origin::Claim { namespace, name, block: found.block } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::images::known::{Claim, Pointer, Source};

    const UID: &str = "5f2c1a6e-0000-4000-8000-000000000001";

    fn image(value: Value) -> Image {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let good = [
            (format!("sha256:{}", "a".repeat(64)), Content::File),
            (format!("sha512:{}", "0".repeat(128)), Content::File),
            (format!("image:sha256:{}", "a".repeat(64)), Content::ContainerImage),
            (format!("claim:{UID}"), Content::Claim),
        ];
        for (text, content) in good {
            let digest = text.parse::<Digest>().unwrap();
            assert_eq!((digest.to_string(), digest.content()), (text, content));
        }
        let wrong = [
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{}", "a".repeat(63)),
            format!("sha256: {}", "a".repeat(63)),
            "claim:plum".into(),
            format!("image:sha512:{}", "0".repeat(128)),
            format!("image:{}", "a".repeat(64)),
            "sha1:00".into(),
            String::new(),
        ];
        for text in wrong {
            assert!(text.parse::<Digest>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_of_results_have_one_length_and_fit_a_label_with_what_a_pod_adds() {
        let names: Vec<String> =
            (0..50).map(|n| format!("sha256:{n:064x}").parse::<Digest>().unwrap().name("")).collect();
        assert!(names.iter().all(|name| name.len() == 45));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), 50);
    }

    #[test]
    fn a_checksum_is_no_manifest_and_only_a_container_image_is_scanned_once_for_each_place() {
        let of = |digest: &str, origin: &str| digest.parse::<Digest>().unwrap().name(origin);
        let (file, manifest) = (format!("sha256:{}", "a".repeat(64)), format!("image:sha256:{}", "a".repeat(64)));
        assert_ne!(of(&file, ""), of(&manifest, ""), "the same digits, another content");
        assert_ne!(of(&manifest, "docker://one.example/a"), of(&manifest, "docker://two.example/a"));
        assert_eq!(of(&file, "https://one.example/a"), of(&file, ""), "whoever fetched it, and from wherever");
        let checksum = json!({"http": {"url": "https://one.example/a", "checksum": manifest}});
        assert!(identify(&image(checksum), "golden", &Known::default()).is_err());
    }

    #[test]
    fn a_registry_s_image_is_known_by_what_stands_behind_the_last_at_sign() {
        let sha = "b".repeat(64);
        let url = format!("docker://registry.example/a@b/fedora:41@sha256:{sha}");
        let found = identify(&image(json!({"registry": {"url": url}})), "golden", &Known::default()).unwrap();
        assert_eq!(found.digest.to_string(), format!("image:sha256:{sha}"));
        assert_eq!(found.origin, Origin::Registry(format!("registry.example/a@b/fedora:41@sha256:{sha}")));
        // The CRD's rule lets this pass.
        let tricky = [
            format!("docker://registry.example/x@sha256:{sha}/fedora:latest"),
            format!("docker://registry.example/x@sha256:{sha}@claim:{UID}"),
        ];
        for url in tricky {
            let said = identify(&image(json!({"registry": {"url": url}})), "golden", &Known::default()).unwrap_err();
            assert!(said.contains("does not end with @sha256:"), "{said}");
        }
    }

    fn world(source: Source) -> Known {
        let claim = Claim { uid: UID.into(), block: true };
        Known {
            sources: Some(BTreeMap::from([("golden/ubuntu".into(), source)])),
            claims: Some(BTreeMap::from([("golden/ubuntu-7".into(), claim)])),
            ..Known::default()
        }
    }

    #[test]
    fn a_data_source_is_the_claim_it_points_at_now_and_nothing_while_that_cannot_be_told() {
        let at = |namespace: &str, name: &str| {
            let claim = Some(Pointer { namespace: namespace.into(), name: name.into() });
            world(Source { ready: true, claim })
        };
        let ask = |known: &Known| identify(&image(json!({"dataSource": "ubuntu"})), "golden", known);
        let found = ask(&at("golden", "ubuntu-7")).unwrap();
        assert_eq!(found.digest.to_string(), format!("claim:{UID}"));
        assert_eq!(found.origin, Origin::Claim { namespace: "golden".into(), name: "ubuntu-7".into(), block: true });
        let cases = [
            (Known::default(), "no DataSource has been listed"),
            (at("golden", "ubuntu-8"), "which is not there"),
            (at("cf-pear", "ubuntu-7"), "points at a claim in namespace cf-pear"),
            (world(Source { ready: true, claim: None }), "does not point at a claim"),
            (world(Source { ready: false, ..Source::default() }), "is ready"),
            (Known { sources: Some(BTreeMap::new()), ..Known::default() }, "is not there in namespace golden"),
        ];
        for (known, says) in cases {
            let said = ask(&known).unwrap_err();
            assert!(said.contains(says) && said.contains("\"ubuntu\""), "{said}");
        }
    }
}
