//! Isolation as packets see it: expected from what tenants declare, observed with sockets, judged by cyclonus.
//!
//! Real here: the API server and its controllers, the operator as a process, kube-router's policy controller, kube-proxy, the
//! kernel's rules, TCP and UDP over both families. Not real: kubelet and VMs; a pod is a network namespace with the labels
//! of a VM's launcher pod, and the test says to the API server that it runs. One bed is shared by all tests; they take
//! turns and leave it as they found it.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "packets/bed.rs"]
mod bed;
#[path = "packets/cells.rs"]
mod cells;
#[path = "packets/changes.rs"]
mod changes;
#[path = "packets/edits.rs"]
mod edits;
#[path = "packets/ends.rs"]
mod ends;
#[path = "packets/evaluator.rs"]
mod evaluator;
#[path = "packets/holes.rs"]
mod holes;
#[path = "packets/matrix.rs"]
mod matrix;
#[path = "packets/places.rs"]
mod places;
#[path = "packets/probing.rs"]
mod probing;
#[path = "packets/sampling.rs"]
mod sampling;
#[path = "packets/tenants.rs"]
mod tenants;

use bed::Bed;
use tokio::sync::Mutex;

/// Runs a test on the bed when no other does, with the policies of the tenants enforced.
///
/// The first turn sees that without an enforcer everything is open: else a listener that is not there would pass for a
/// wall. After a test that failed, or a first turn that did not come so far, the bed is put in order.
fn in_turn(test: impl AsyncFnOnce(&'static Bed) + Send) {
    static TURN: Mutex<State> = Mutex::const_new(State::Open);
    Bed::shared().within(async |bed: &'static Bed| {
        let mut state = TURN.lock().await;
        if *state == State::Open {
            matrix::without_an_enforcer_everything_is_open(bed).await;
            bed.enforce();
            *state = State::InUse;
        }
        if *state != State::InOrder {
            bed.put_in_order().await;
            matrix::settled(bed).await;
        }
        *state = State::InUse;
        test(bed).await;
        *state = State::InOrder;
    });
}

#[derive(PartialEq)]
enum State {
    /// Nobody enforces anything yet.
    Open,
    InOrder,
    /// By a test, or by the first turn; still so when the next one comes, if that failed.
    InUse,
}
