//! A request on its way out: the rest of its head, then its body, frame by frame as the caller sends it.

use super::encode::{self, Framing};
use super::io::Io;
use crate::proxy::body::RequestBody;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces written with one system call: a chunk is three.
const MAX_SLICES: usize = 8;

/// Why sending stopped early.
pub enum Stopped {
    /// The connection takes no more.
    Connection,
    /// The body broke off, or is not as long as it said.
    Body,
}

/// What is still to be sent.
pub struct Upload {
    pieces: VecDeque<Bytes>,
    body: Option<RequestBody>,
    framing: Framing,
    /// TLS may hold back what it took.
    flushed: bool,
}

impl Default for Upload {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), body: None, framing: Framing::None, flushed: true }
    }
}

impl Upload {
    /// The rest of a head, and the body behind it.
    pub fn new(head: Bytes, body: RequestBody, framing: Framing) -> Self {
        let mut pieces = VecDeque::new();
        if !head.is_empty() {
            pieces.push_back(head);
        }
        Self { pieces, body: (framing != Framing::None).then_some(body), framing, flushed: false }
    }

    /// True when everything was handed to the system, or sending was given up.
    pub fn is_done(&self) -> bool {
        self.body.is_none() && self.pieces.is_empty() && self.flushed
    }

    /// Sends until the connection takes no more or the body has no more to give.
    pub fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        loop {
            if ready!(self.poll_write(io, cx)).is_err() {
                *self = Self::default();
                return Poll::Ready(Err(Stopped::Connection));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => self.take(frame)?,
                Some(Err(_)) => return Poll::Ready(Err(Stopped::Body)),
                None => self.end()?,
            }
        }
    }

    fn poll_write(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.pieces.len().min(MAX_SLICES);
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            match ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count])) {
                Ok(0) | Err(_) => return Poll::Ready(Err(())),
                Ok(written) => self.advance(written),
            }
            self.flushed = false;
        }
        if !self.flushed {
            if ready!(Pin::new(io).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(()));
            }
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), Stopped> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => match &mut self.framing {
                Framing::Exact(left) => {
                    // More than was announced would be taken for the next request.
                    *left = left.checked_sub(data.len() as u64).ok_or(Stopped::Body)?;
                    self.pieces.push_back(data);
                    if *left == 0 {
                        self.body = None;
                    }
                }
                Framing::Chunked => {
                    let size = Bytes::from(format!("{:x}\r\n", data.len()));
                    self.pieces.extend([size, data, Bytes::from_static(b"\r\n")]);
                }
                Framing::None => return Err(Stopped::Body),
            },
            Err(frame) => {
                if let (Some(trailers), Framing::Chunked) = (frame.trailers_ref(), self.framing) {
                    let mut last = b"0\r\n".to_vec();
                    encode::fields(trailers, &mut last);
                    last.extend_from_slice(b"\r\n");
                    self.pieces.push_back(Bytes::from(last));
                    self.body = None;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        self.body = None;
        match self.framing {
            Framing::Exact(left) if left > 0 => return Err(Stopped::Body),
            Framing::Chunked => self.pieces.push_back(Bytes::from_static(b"0\r\n\r\n")),
            Framing::Exact(_) | Framing::None => {}
        }
        Ok(())
    }
}
