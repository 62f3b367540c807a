//! The purge: what the CronJob's pod runs, with an identity that deletes and cannot create.
//!
//! ```text
//! look -> gate -> inventory -> plan -> erase, step by step -> inventory again -> certificate
//! live     PURE                PURE                                                PURE
//! ```
//!
//! *Prune* ranges over what a declaration made; *purge* deletes only objects that a stored plan names by uid. The
//! operator decides when a purge is due and writes its approval on the namespaces, but cannot delete; this run cannot
//! approve. Each looks for itself, and both must come to the same dates.

pub mod certificate;
pub mod classify;
pub mod engine;
pub mod foresight;
pub mod gate;
pub mod inventory;
pub mod live;
pub mod look;
pub mod plan;
mod preview;
mod record;
mod roll;
pub mod rolling;
mod velero;
mod wall;
pub mod world;
