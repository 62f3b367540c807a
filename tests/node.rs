//! The operator as it is installed: the image of this program, the charts, one real node.
//!
//! Real here: kubelet and its tokens, containerd, runc, Services, NetworkPolicies, volumes of files. One installation
//! is shared by all tests of this binary. They take turns, but for the purge, which has to get along with whatever
//! happens to the operator meanwhile.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "node/figures.rs"]
mod figures;
#[path = "node/image.rs"]
mod image;
#[path = "node/installation.rs"]
mod installation;
#[path = "node/newcomer.rs"]
mod newcomer;
#[path = "node/probe.rs"]
mod probe;
#[path = "node/purge.rs"]
mod purge;
#[path = "node/replicas.rs"]
mod replicas;
#[path = "node/walls.rs"]
mod walls;

use installation::Installation;
use support::node::Node;
use tokio::sync::Mutex;

/// Runs a test on the node, with the operator installed, when no other does that takes turns.
fn in_turn(test: impl AsyncFnOnce(&Installation) + Send) {
    static TURN: Mutex<()> = Mutex::const_new(());
    installed(async |installation: &Installation| {
        let _turn = TURN.lock().await;
        test(installation).await;
    });
}

/// Runs a test on the node, with the operator installed.
fn installed(test: impl AsyncFnOnce(&Installation) + Send) {
    let node = Node::shared();
    node.within(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async { test(Installation::shared().await).await });
    });
}
