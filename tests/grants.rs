//! Access for staff: what a grant becomes, whatever happens to it, and that its door is shut when its time is over.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "grants/attacks.rs"]
mod attacks;
#[path = "grants/bed.rs"]
mod bed;
#[path = "grants/clocks.rs"]
mod clocks;
#[path = "grants/crashes.rs"]
mod crashes;
#[path = "grants/doors.rs"]
mod doors;
#[path = "grants/states.rs"]
mod states;
