//! A connection that no longer speaks HTTP: after a 101 the bytes are carried both ways, unread, until both sides have closed,
//! one of them breaks, or nothing moves for too long. They are counted and belong to the exchange that asked for the switch,
//! which becomes one record when this ends.

use super::flight::Flight;
use super::h1;
use crate::exchange::AgentError;
use crate::telemetry::metrics::{Carried, Metrics};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that wait each way for a peer that does not read: a few frames, and 32 KiB a connection.
const BUFFER: usize = 16 << 10;

/// How long the other side may stand still once one has closed: its last words are on their way, or it will never close.
const AFTER_CLOSE: Duration = Duration::from_secs(10);

/// A switched connection to an upstream, and the exchange it came of.
pub struct Tunnel {
    upstream: h1::Io,
    up: Way,
    down: Way,
    flight: Flight,
    idle: Duration,
    metrics: Arc<Metrics>,
}

/// How it ended.
enum End {
    Closed,
    Idle,
    Caller,
    Upstream,
}

impl Tunnel {
    /// Over `upstream`, of which `read` was read behind the 101. Nothing moves before [`Tunnel::run`].
    pub fn new((upstream, read): (h1::Io, Bytes), flight: Flight, idle: Duration) -> Self {
        let metrics = Arc::clone(&flight.worker().shared.metrics);
        metrics.agent().tunnel_opened();
        Self { upstream, up: Way::default(), down: Way::beginning_with(&read), flight, idle, metrics }
    }

    /// Carries bytes until the end. `early` is what the caller sent before it saw the answer.
    pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut caller: S, early: &[u8]) {
        self.up = Way::beginning_with(early);
        let mut standstill = Box::pin(tokio::time::sleep(self.idle));
        let end = std::future::poll_fn(|cx| self.poll(cx, &mut caller, &mut standstill)).await;
        match end {
            End::Closed => {}
            End::Idle => self.flight.fail(AgentError::IdleTimeout),
            End::Caller => self.flight.abandon(),
            End::Upstream => self.flight.fail(AgentError::UpstreamClosed),
        }
        self.flight.delivered(std::time::Instant::now());
    }

    /// The caller did not get the 101.
    pub fn unwanted(mut self) {
        self.flight.abandon();
    }

    fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        caller: &mut S,
        standstill: &mut Pin<Box<Sleep>>,
    ) -> Poll<End> {
        let before = self.up.bytes + self.down.bytes;
        let up = self.up.poll(cx, caller, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, caller);
        self.metrics.agent().carried(Carried::ToUpstream, self.up.news());
        self.metrics.agent().carried(Carried::FromUpstream, self.down.news());
        match (up, down) {
            (Poll::Ready(Err(Broken::Reading)), _) | (_, Poll::Ready(Err(Broken::Writing))) => {
                return Poll::Ready(End::Caller);
            }
            (Poll::Ready(Err(Broken::Writing)), _) | (_, Poll::Ready(Err(Broken::Reading))) => {
                return Poll::Ready(End::Upstream);
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Closed),
            _ => {}
        }
        let half_closed = self.up.closed || self.down.closed;
        if self.up.bytes + self.down.bytes > before {
            standstill.as_mut().reset(Instant::now() + self.patience(half_closed));
        } else if half_closed {
            let latest = Instant::now() + self.patience(true);
            if standstill.deadline() > latest {
                standstill.as_mut().reset(latest);
            }
        }
        standstill.as_mut().poll(cx).map(|()| if half_closed { End::Closed } else { End::Idle })
    }

    fn patience(&self, half_closed: bool) -> Duration {
        if half_closed { self.idle.min(AFTER_CLOSE) } else { self.idle }
    }
}

impl Drop for Tunnel {
    /// However it ends, also by a drain that is over: what was carried is in the record.
    fn drop(&mut self) {
        self.metrics.agent().tunnel_closed();
        let exchange = self.flight.exchange();
        exchange.request.body_bytes = self.up.bytes;
        exchange.response.body_bytes = self.down.bytes;
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
    /// Bytes handed on, and how many of them were told.
    bytes: u64,
    told: u64,
    unflushed: bool,
    /// Its source has no more.
    ended: bool,
    /// Its target was told so.
    closed: bool,
}

/// Which end of a direction broke.
enum Broken {
    Reading,
    Writing,
}

impl Way {
    fn beginning_with(bytes: &[u8]) -> Self {
        let mut buffer = vec![0; BUFFER.max(bytes.len())];
        buffer[..bytes.len()].copy_from_slice(bytes);
        Self { buffer: buffer.into_boxed_slice(), to: bytes.len(), ..Self::default() }
    }

    fn news(&mut self) -> u64 {
        let news = self.bytes - self.told;
        self.told = self.bytes;
        news
    }

    /// Ready once the source has ended and the target knows.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, source: &mut R, target: &mut W) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.closed {
            while self.from < self.to {
                let written = Pin::new(&mut *target).poll_write(cx, &self.buffer[self.from..self.to]);
                match ready!(written) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Broken::Writing)),
                    Ok(count) => {
                        self.from += count;
                        self.bytes += count as u64;
                        self.unflushed = true;
                    }
                }
            }
            if self.ended {
                // A peer that is gone already needs not be told.
                let _ = ready!(Pin::new(&mut *target).poll_shutdown(cx));
                self.closed = true;
                break;
            }
            if self.fill(cx, source).map_err(|_| Broken::Reading)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *target).poll_flush(cx)).map_err(|_| Broken::Writing)?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn fill<R: AsyncRead + Unpin>(&mut self, cx: &mut Context<'_>, source: &mut R) -> Poll<io::Result<()>> {
        let mut into = ReadBuf::new(&mut self.buffer);
        match ready!(Pin::new(source).poll_read(cx, &mut into)) {
            // TLS that ends without saying so: nothing behind HTTP depends on it, and many peers end so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Err(error) => return Poll::Ready(Err(error)),
            Ok(()) => (self.from, self.to, self.ended) = (0, into.filled().len(), into.filled().is_empty()),
        }
        Poll::Ready(Ok(()))
    }
}
