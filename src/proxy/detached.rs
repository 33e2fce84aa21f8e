//! What must go on when its caller leaves.

use super::body::ReplyBody;
use super::flight::Watch;
use super::worker::Worker;
use http::Response;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Goes on without its caller: when the caller leaves, a write that was sent is followed to its end, within a bound.
pub struct Detached<F: Future<Output = Response<ReplyBody>> + 'static> {
    worker: Rc<Worker>,
    watch: Rc<Watch>,
    inner: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = Response<ReplyBody>> + 'static> Detached<F> {
    /// Carries `inner` on `worker`; through `watch` it tells when the caller leaves.
    pub fn new(worker: Rc<Worker>, watch: Rc<Watch>, inner: F) -> Self {
        Self { worker, watch, inner: Some(Box::pin(inner)) }
    }
}

impl<F: Future<Output = Response<ReplyBody>> + 'static> Future for Detached<F> {
    type Output = Response<ReplyBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Pending };
        let done = inner.as_mut().poll(cx);
        if done.is_ready() {
            self.inner = None;
        }
        done
    }
}

impl<F: Future<Output = Response<ReplyBody>> + 'static> Drop for Detached<F> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        // Before anything is on the wire the upstream has seen nothing, and now never will: dropping it records that.
        if self.watch.leave() {
            let bound = self.worker.shared.afterlife;
            self.worker.spawn(async move {
                // The answer's own drop reads its body on.
                let _ = tokio::time::timeout(bound, inner).await;
            });
        }
    }
}
