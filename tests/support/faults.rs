//! A tower layer in a client of the operator's or of a purge run that counts writes and breaks one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::{Notify, mpsc, oneshot};
use tower::{BoxError, Layer, Service};

/// How a write breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The process dies before the write is sent.
    CrashBefore,
    /// The process dies after the API server has committed the write.
    CrashAfter,
    /// The write is committed, the answer is lost, the process goes on.
    LostAnswer,
    /// The write is not committed; the API server answers with this code.
    Answer(u16),
    /// The write is not committed and nothing comes back for so long that the connection is given up.
    Silence,
    /// The write is not committed and nothing ever comes back: the caller's own timeout has to end it.
    Hang,
}

impl Break {
    /// After which the process is gone.
    pub fn kills(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }

    /// The write took effect.
    pub fn commits(self) -> bool {
        matches!(self, Self::CrashAfter | Self::LostAnswer)
    }
}

/// A write that waits for the test to let it go on: its number, and what lets it.
pub type Waiting = (usize, oneshot::Sender<()>);

/// Counts writes; breaks the n-th, or lets each wait.
#[derive(Clone, Default)]
pub struct Faults {
    writes: Arc<AtomicUsize>,
    plan: Option<(usize, Break)>,
    door: Option<mpsc::UnboundedSender<Waiting>>,
    /// Told when the process is meant to die.
    pub crashed: Arc<Notify>,
}

impl Faults {
    /// Breaks the write with this number, counted from 1.
    pub fn at(number: usize, how: Break) -> Self {
        Self { plan: Some((number, how)), ..Self::default() }
    }

    /// Each write waits, before it is sent, until the test lets it go on; a test that is gone holds up nothing.
    pub fn door() -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (door, waiting) = mpsc::unbounded_channel();
        (Self { door: Some(door), ..Self::default() }, waiting)
    }

    /// Writes seen so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// The number of the write that begins now, counted from 1; 0 for what does not count.
    fn number(&self, method: &Method, path: &str) -> usize {
        let read = matches!(*method, Method::GET | Method::HEAD);
        if read || path.contains("/leases") || path.contains("/events") {
            return 0;
        }
        self.writes.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, faults: self.clone() }
    }
}

/// A client's service with faults in it.
#[derive(Clone)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S, B, R> Service<Request<B>> for Faulty<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let number = self.faults.number(request.method(), request.uri().path());
        let how = self.faults.plan.filter(|(at, _)| *at == number).map(|(_, how)| how);
        let door = self.faults.door.clone().filter(|_| number > 0);
        let crashed = self.faults.crashed.clone();
        match how {
            Some(Break::CrashBefore) => {
                return Box::pin(async move {
                    crashed.notify_one();
                    std::future::pending().await
                });
            }
            Some(Break::Hang) => return Box::pin(std::future::pending()),
            Some(Break::Silence) => {
                return Box::pin(async { Err("the connection timed out (a fault of the test)".into()) });
            }
            // A body of this type can only be had from the API server: the question is another one, its code is replaced.
            Some(Break::Answer(_)) => {
                *request.method_mut() = Method::GET;
                *request.uri_mut() = Uri::from_static("/readyz");
            }
            _ => {}
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            // Nothing is sent before the future is polled.
            if let Some(door) = door {
                let (go_on, told) = oneshot::channel();
                if door.send((number, go_on)).is_ok() {
                    told.await.ok();
                }
            }
            let answer = answer.await.map_err(Into::into);
            match how {
                Some(Break::CrashAfter) => {
                    crashed.notify_one();
                    std::future::pending().await
                }
                Some(Break::LostAnswer) => Err("the answer was lost (a fault of the test)".into()),
                Some(Break::Answer(code)) => answer.map(|mut answer| {
                    *answer.status_mut() = StatusCode::from_u16(code).expect("a code");
                    answer
                }),
                _ => answer,
            }
        })
    }
}
