//! The matrix at rest.

use std::sync::Arc;
use std::time::Instant;

use super::bed::Bed;
use super::cells::{Cell, cells, differences, judge, observe, services, told};
use super::evaluator::Declared;
use super::places::Place;
use super::probing::Answer;
use super::support::eventually;

/// Everybody to everybody, and to the API server and Services.
pub fn all(bed: &Bed) -> Vec<Cell> {
    [cells(&bed.places.values().collect::<Vec<&Arc<Place>>>()), services(bed)].concat()
}

/// Policies that nobody enforces close nothing. Services open a moment after they were made.
pub async fn without_an_enforcer_everything_is_open(bed: &Bed) {
    let all = all(bed);
    until_right("everything to be open without an enforcer", &all, |_| true).await;
    println!("without an enforcer all {} cells are open", all.len());
}

/// Waits until packets agree with what was declared: a change of rules takes an enforcer a moment, and each family another.
pub async fn settled(bed: &Bed) {
    let declared = bed.declared();
    until_right("packets to pass as it was declared", &all(bed), |cell| cell.expected(&declared)).await;
}

/// Waits until each cell is open or closed as expected.
async fn until_right(what: &str, cells: &[Cell], is_open: impl Fn(&Cell) -> bool) {
    let last = Last(std::sync::Mutex::default());
    eventually(what, || {
        let observed = observe(cells);
        let wrong = cells.iter().zip(&observed).filter(|(cell, answer)| !cell.is_right(answer, is_open(cell)));
        let wrong: Vec<String> = wrong.map(|(cell, answer)| format!("{cell}: packets {answer:?}")).collect();
        let right = wrong.is_empty().then_some(());
        *last.0.lock().expect("no panic while it was held") = wrong;
        async move { right }
    })
    .await;
}

/// The cells that were wrong at last; told when a wait for them ends in a panic.
struct Last(std::sync::Mutex<Vec<String>>);

impl Drop for Last {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", told(&self.0.lock().expect("no panic while it was held")));
        }
    }
}

/// Is every cell open, or every cell closed?
pub fn agree(cells: &[Cell], open: bool) -> bool {
    cells.iter().zip(observe(cells)).all(|(cell, answer)| cell.is_right(&answer, open))
}

/// Is every cell as it was declared?
pub fn as_declared(cells: &[Cell], declared: &Declared) -> bool {
    cells.iter().zip(observe(cells)).all(|(cell, answer)| cell.is_right(&answer, cell.expected(declared)))
}

#[test]
fn packets_pass_exactly_where_the_manifests_say_and_cyclonus_agrees() {
    super::in_turn(async |bed: &Bed| {
        let (all, declared) = (all(bed), bed.declared());
        let expected: Vec<bool> = all.iter().map(|cell| cell.expected(&declared)).collect();
        let began = Instant::now();
        let observed = observe(&all);
        let took = began.elapsed();
        let wrong = differences(&all, &expected, &observed, &judge(bed, &all));
        assert!(wrong.is_empty(), "{}", told(&wrong));
        let open = expected.iter().filter(|open| **open).count();
        let refused = observed.iter().filter(|answer| **answer == Answer::Refused).count();
        println!("{} cells in {took:.1?}: {open} open, {refused} refused aloud, 0 differences", all.len());
    });
}
