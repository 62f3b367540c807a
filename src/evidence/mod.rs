//! The proof that a tenant's data is gone: a signed certificate per erasure, each naming the one before (CLD.8.1.5).
//!
//! [`certificate`] says what was erased, [`signing`] puts a name under it, [`chain`] finds out whether anybody changed,
//! left out or added one. All of it is pure and needs no cluster: whoever holds the documents and the public key can
//! check them, also years later and without this program (see [`certificate::Certificate::message`]).

pub mod attestation;
pub mod certificate;
pub mod chain;
pub mod clauses;
pub(crate) mod hex;
pub mod judge;
pub mod report;
pub mod signing;
pub mod software;
