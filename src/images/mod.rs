//! The image gate (14.1.1): no VM is started from an image without a clean result of a scan whose signatures are fresh.
//!
//! ```text
//! Tenant's image -> identity (a digest) -> gate: result? exception? -> started, or withheld and told
//!                                            \-> job: a scan, if a result is due
//! ```
//! Results and exceptions are ConfigMaps in one namespace of ours, by digest; they are the same for all tenants.

pub mod exception;
pub mod gate;
pub mod identity;
pub mod job;
pub mod known;
pub mod result;
pub mod scan;
pub mod signatures;
