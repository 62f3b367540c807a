//! The charts: what helm makes of them, what it refuses, and what an installation leaves behind when it goes.
//!
//! helm is the real one, and so is the API server. Pods "run" by kwok; where an operator has to work, one runs in the
//! test's process with the token of the service account that the chart made.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

#[path = "../support/mod.rs"]
mod support;

mod disasters;
mod documents;
mod helm;
mod life;
mod purging;
mod refused;
mod released;
mod rendered;
mod schemas;
