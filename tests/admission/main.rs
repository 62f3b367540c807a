//! Who may do what to a tenant's data, on a real API server: roles with real tokens, and every admission policy with a
//! request that passes and one that is refused.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "../support/mod.rs"]
mod support;

mod bed;
mod coverage;
mod data;
mod elsewhere;
mod grants;
mod guarded;
mod images;
mod namespaces;
mod nodes;
mod notices;
mod program;
mod restores;
mod retentions;
mod rights;
mod roles;
mod sessions;
mod tenants;
mod uses;
mod velero;
mod walls;
