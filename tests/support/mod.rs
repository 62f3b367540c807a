//! Shared set-up of the tests that talk to a real API server.
//!
//! Each test binary starts one control plane of its own (`tests/controlplane/up.sh`) and stops it with the process,
//! however that ends. The operator runs inside the test process with the rights of its own service account.
#![allow(dead_code, clippy::missing_panics_doc, clippy::must_use_candidate)]

pub mod aged;
pub mod audit;
pub mod caller;
pub mod cel;
pub mod command;
pub mod desk;
pub mod faults;
pub mod node;
pub mod operator;
pub mod oracle;
pub mod plane;
pub mod prometheus;
pub mod purge;
pub mod replica;
pub mod rights;
pub mod served;
pub mod storage;
pub mod whole;
pub mod world;

use std::time::Duration;

/// Longest that anything may take before a test gives up on it: what takes a second on a quiet machine took two minutes
/// on a busy one.
const PATIENCE: Duration = Duration::from_mins(5);

/// Asks again until there is an answer; fails with what was waited for.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(50);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited {} s in vain for: {what}", PATIENCE.as_secs());
        tokio::time::sleep(pause).await;
        // Whoever asks takes time from whom he waits for.
        pause = (pause * 5 / 4).min(Duration::from_millis(250));
    }
}
