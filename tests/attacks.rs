//! Attempts to break out: as a customer's people with the roles that a running operator bound, and with stolen tokens of
//! every identity. Each is refused by a real API server, and afterwards every object there is, is as it was.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "attacks/advisories.rs"]
mod advisories;
#[path = "attacks/bed.rs"]
mod bed;
#[path = "attacks/declarations.rs"]
mod declarations;
#[path = "attacks/machines.rs"]
mod machines;
#[path = "attacks/metadata.rs"]
mod metadata;
#[path = "attacks/rights.rs"]
mod rights;
#[path = "attacks/tokens.rs"]
mod tokens;
