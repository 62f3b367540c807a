//! Which program is running.

use sha2::{Digest as _, Sha256};

use super::certificate::Software;
use super::hex;

/// This program's version, and the digest of the file it was started from.
///
/// # Errors
/// The file cannot be read: it was removed since, or /proc is not there.
pub fn running() -> std::io::Result<Software> {
    let binary = std::fs::read(std::env::current_exe()?)?;
    Ok(Software { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: hex::encode(&Sha256::digest(binary)) })
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
