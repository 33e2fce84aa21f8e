//! The answer's body: streams through, and gives its connection back to the pool when it has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::pool::{Connection, Pool};

pub struct Answer {
    body: Incoming,
    /// Taken at the end of the body; dropped with it, which closes the connection, when the caller went away before.
    held: Option<(Connection, Arc<Pool>)>,
}

impl Answer {
    pub fn new(body: Incoming, held: Option<(Connection, Arc<Pool>)>) -> Self {
        let mut answer = Self { body, held };
        answer.release_at_end();
        answer
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some((connection, pool)) = self.held.take()
        {
            pool.put(connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some((Connection { driver: Some(driver), .. }, _)) = &mut this.held
            && let Poll::Ready(ended) = driver.as_mut().poll(cx)
        {
            this.held = None;
            if let Err(error) = ended {
                return Poll::Ready(Some(Err(error)));
            }
        }
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => this.release_at_end(),
            None => {
                if let Some((connection, pool)) = this.held.take() {
                    pool.put(connection);
                }
            }
            Some(Err(_)) => this.held = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
