//! A tower layer in the operator's client that counts writes and breaks one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request};
use tokio::sync::Notify;
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
}

/// Counts writes; breaks the n-th.
#[derive(Clone, Default)]
pub struct Faults {
    writes: Arc<AtomicUsize>,
    plan: Option<(usize, Break)>,
    /// Told when the process is meant to die.
    pub crashed: Arc<Notify>,
}

impl Faults {
    /// Breaks the write with this number, counted from 1.
    pub fn at(number: usize, how: Break) -> Self {
        Self { plan: Some((number, how)), ..Self::default() }
    }

    /// Writes seen so far.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// How the write that begins now breaks, if it does.
    fn next(&self, method: &Method, path: &str) -> Option<Break> {
        let read = matches!(*method, Method::GET | Method::HEAD);
        if read || path.contains("/leases") || path.contains("/events") {
            return None;
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        self.plan.filter(|(at, _)| *at == number).map(|(_, how)| how)
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

impl<S, B> Service<Request<B>> for Faulty<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let how = self.faults.next(request.method(), request.uri().path());
        let crashed = self.faults.crashed.clone();
        if how == Some(Break::CrashBefore) {
            return Box::pin(async move {
                crashed.notify_one();
                std::future::pending().await
            });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into);
            match how {
                Some(Break::CrashAfter) => {
                    crashed.notify_one();
                    std::future::pending().await
                }
                Some(Break::LostAnswer) => Err("the answer was lost (a fault of the test)".into()),
                _ => answer,
            }
        })
    }
}
