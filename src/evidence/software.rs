//! Which program is running.

use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use super::certificate::Software;
use super::hex;

/// What this process was started from, also when the file has been removed or replaced since.
const BINARY: &str = "/proc/self/exe";

/// This program's version, and the digest of the file it was started from. It is read once: a certificate that has to be
/// made anew, since another took its place in the chain, says the same.
///
/// # Errors
/// The file cannot be read: /proc is not there.
pub fn running() -> std::io::Result<Software> {
    static RUNNING: OnceLock<Software> = OnceLock::new();
    if let Some(known) = RUNNING.get() {
        return Ok(known.clone());
    }
    let mut digest = Sha256::new();
    std::io::copy(&mut std::fs::File::open(BINARY)?, &mut digest)?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(RUNNING.get_or_init(|| Software { version, sha256: hex::encode(&digest.finalize()) }).clone())
}

#[cfg(test)]
mod tests {
    use crate::evidence::certificate::Certificate;
    use crate::evidence::certificate::tests::sample;

    #[test]
    fn the_running_program_can_stand_in_a_certificate() {
        let certificate = Certificate { software: super::running().unwrap(), ..sample() };
        assert_eq!(certificate.flaws(), []);
        assert_eq!(certificate.software.version, "0.1.0");
    }
}
