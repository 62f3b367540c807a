//! `cloudfarm signing-key`: a fresh key for certificates, as the Secret it is kept in.

use serde_json::json;

use super::{Failure, exit, print};
use crate::evidence::signing::{KeyError, SigningKey};
use crate::install::NAMESPACE;

/// The Secret that holds the signing key, in the operator's namespace.
pub const SECRET: &str = "cloudfarm-signing-key";
/// The key of its data.
pub const SECRET_KEY: &str = "ed25519.pem";
/// Where the public half stands, for people to publish.
pub const PUBLIC_KEY_ANNOTATION: &str = "cloudfarm.dev/public-key";

/// `kubectl apply` would copy the key into an annotation, and replace a key that certificates depend on.
const HEAD: &str = "# Pipe this into `kubectl create -f -`, not apply, and keep no copy of it.
# The annotation cloudfarm.dev/public-key is what to publish, and what `cloudfarm verify --public-key` takes.
";

pub fn run() -> Result<(), Failure> {
    let wrong = |error: KeyError| Failure::new(exit::INPUT, format!("a signing key {error}"));
    let made = SigningKey::generate().map_err(wrong)?;
    let public = SigningKey::from_pem(made.expose().as_bytes()).map_err(wrong)?.public_key();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "namespace": NAMESPACE,
            "annotations": {PUBLIC_KEY_ANNOTATION: public.to_pem()},
        },
        "type": "Opaque",
        "stringData": {SECRET_KEY: made.expose()},
    });
    print(&(HEAD.to_owned() + &super::yaml_documents(&[secret])?))
}
