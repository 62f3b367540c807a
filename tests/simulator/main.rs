//! The erasure of data in virtual time: the operator's real passes and real purge runs over a virtual cluster, held to
//! a model that was written from the promise. See `model.rs` for the promise and `histories.rs` for what happens.
//!
//! `CLOUDFARM_SEED=7 cargo test --test simulator` plays one history again and tells it; `CLOUDFARM_HISTORIES` says how
//! many there are.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod checks;
mod eyes;
mod figures;
mod found;
mod histories;
mod interleavings;
mod model;
mod objects;
mod operator;
mod people;
mod random;
mod world;

use histories::History;

const HISTORIES: u64 = 100;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn ten_years_of_random_histories_erase_nothing_early_held_or_wide_and_forget_nothing() {
    if let Some(seed) = setting("CLOUDFARM_SEED") {
        let played = History::play(seed);
        println!("{}", played.log.join("\n"));
        assert_eq!(played.breaches, [""; 0], "seed {seed}");
        return;
    }
    let count = setting("CLOUDFARM_HISTORIES").unwrap_or(HISTORIES);
    let (mut deletes, mut purged, mut runs, mut faults) = (0, 0, 0, Vec::new());
    for seed in 0..count {
        let played = History::play(seed);
        deletes += played.deletes;
        purged += played.purged;
        runs += played.runs;
        for breach in &played.breaches {
            eprintln!("CLOUDFARM_SEED={seed}: {breach}");
        }
        faults.extend((!played.breaches.is_empty()).then_some(seed));
        if faults.len() >= usize::try_from(setting("CLOUDFARM_STOP").unwrap_or(5)).unwrap_or(5) {
            break;
        }
    }
    println!(
        "{count} histories of 10 years: {runs} purge runs, {deletes} changes and deletes, {purged} erased tenants"
    );
    assert!(faults.is_empty(), "replay with CLOUDFARM_SEED=…: {faults:?}");
    assert!(purged > 0, "a simulator in which nothing is ever erased proves nothing");
}
