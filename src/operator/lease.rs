//! Who leads: one replica works, the others watch along and wait.
//!
//! ```text
//!   stand by ──── lease free, or not renewed for 15 s ───> lead
//!      ^                                                    │
//!      └──── not renewed for 10 s, taken by another, ───────┤
//!            or this process stood still for 10 s           │
//!                                                           └──── told to stop: finish, release, end
//! ```
//!
//! Guarantees: a leader that cannot renew gives up 5 s before anybody else may take over, and goes back to standing by
//! with warm stores: an API server that hangs or restarts ends no process. One that was paused (SIGSTOP, a frozen
//! machine) does not go on where it stood: the first thing it does is to notice.
//!
//! Assumptions: the monotonic clock goes on during a pause, as Linux's does unless the whole machine is suspended.
//! Caveat: a request that had been handed over when the process was stopped is still sent when it goes on. What every
//! write expects of the object it changes (`cluster/write.rs`) refuses it where a successor was there first; a status, which
//! expects the uid alone, may be an old one until the successor sees it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use k8s_controller::LeaderElection;
use kube::Client;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::context::Context;
use super::{Settings, controllers};

/// The leader's lease. A purge reads in it what time the operator believes it is.
pub const LEASE: &str = "cloudfarm";

/// How long a lease counts after its last renewal.
const LEASE_DURATION: Duration = Duration::from_secs(15);

/// A leader that could not renew for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// Between two renewals, and, with up to half as much again, between two looks of a replica that stands by. It sees a
/// released lease after 0.9 s at most, and one that is not renewed at most 1.8 s late.
const RETRY_PERIOD: Duration = Duration::from_millis(600);

/// What passes under way may take when the process is told to stop.
const LAST_PASSES: Duration = Duration::from_secs(20);

/// Runs the controllers whenever this process leads, until `shutdown` resolves.
pub async fn lead(client: Client, settings: &Settings, context: Arc<Context>, shutdown: impl Future<Output = ()>) {
    let Some(namespace) = &settings.lease_namespace else {
        return controllers::run(context, shutdown).await;
    };
    let election = LeaderElection::new(client, namespace, LEASE, &settings.identity)
        .with_lease_duration(LEASE_DURATION)
        .with_renew_deadline(RENEW_DEADLINE)
        .with_retry_period(RETRY_PERIOD);
    let mut shutdown = pin!(shutdown);
    while Box::pin(term(&election, &context, shutdown.as_mut())).await == Ended::Lost {
        tracing::warn!("the lease is not ours any longer; standing by");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ToldToStop,
    Lost,
}

/// Stands by, leads, and ends with why.
async fn term(election: &LeaderElection, context: &Arc<Context>, shutdown: impl Future<Output = ()>) -> Ended {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let leads = AtomicBool::new(false);
    let working = async {
        leads.store(true, Ordering::Relaxed);
        // The sender is dropped or used on shutdown; both mean stop.
        let stopped = async { drop(stopped.await) };
        fenced(controllers::run(context.clone(), stopped), RENEW_DEADLINE).await
    };
    let mut held = pin!(election.with_lease(working));
    tokio::select! {
        ended = &mut held => return ended.unwrap_or(Ended::Lost),
        () = shutdown => {}
    }
    if leads.load(Ordering::Relaxed) {
        tracing::info!("stopping: passes under way are finished, then the lease is released");
        let _ = stop.send(());
        if timeout(LAST_PASSES, held).await.is_err() {
            tracing::warn!("a pass did not end; the lease runs out by itself");
        }
    }
    Ended::ToldToStop
}

/// Runs the work, but not on the far side of a pause: whoever stood still for as long as a leader may go without
/// renewing may have a successor already.
async fn fenced(work: impl Future<Output = ()>, longest: Duration) -> Ended {
    let mut work = pin!(work);
    let mut pulse = interval(longest / 10);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut polled = Instant::now();
    poll_fn(|task| {
        if polled.elapsed() > longest {
            return Poll::Ready(Ended::Lost);
        }
        polled = Instant::now();
        while pulse.poll_tick(task).is_ready() {}
        work.as_mut().poll(task).map(|()| Ended::ToldToStop)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    #[tokio::test]
    async fn work_that_only_waits_goes_on() {
        assert_eq!(fenced(tokio::time::sleep(LONGEST * 2), LONGEST).await, Ended::ToldToStop);
    }

    #[tokio::test]
    async fn what_waited_during_a_pause_is_not_done_after_it() {
        let wrote = AtomicBool::new(false);
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        let work = async {
            answered.await.ok();
            wrote.store(true, Ordering::Relaxed);
        };
        let pause = async {
            // The whole thread stands still, as in a stopped process, and the answer is there when it goes on.
            std::thread::sleep(LONGEST * 2);
            answer.send(()).ok();
        };
        let (ended, ()) = tokio::join!(fenced(work, LONGEST), pause);
        assert_eq!(ended, Ended::Lost);
        assert!(!wrote.load(Ordering::Relaxed), "a stale pass went on");
    }
}
