//! What was measured, as rows of a table that is seen although tests' output is not.

use std::io::Write as _;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Tells one figure. Nothing is asked of it: the machine may be busy.
pub fn tell(what: &str, figure: &str) {
    writeln!(std::io::stderr(), "| {what:<44} | {figure:>12} |").ok();
}

/// The present instant. The operator's own clock knows whole seconds only.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A time, in seconds.
pub fn seconds(time: SignedDuration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// A size in MiB.
#[allow(clippy::cast_precision_loss)] // of figures for people
pub fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}
