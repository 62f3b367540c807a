//! Evidence: what is judged, how it looks, and that it stands in the cluster as long as it has to.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "report/forms.rs"]
mod forms;
#[path = "report/judged.rs"]
mod judged;
#[path = "report/live.rs"]
mod live;
#[path = "report/sample.rs"]
mod sample;
