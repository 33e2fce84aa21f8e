//! What is noted of a body on its way through: its size, its end, and a copy up to a bound for classification.

use super::copies::Copies;
use crate::exchange::CapturedBody;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

/// Counts and copies one body.
pub struct Tee {
    bytes: Cell<u64>,
    copy: RefCell<Vec<u8>>,
    copies: Rc<Copies>,
    limit: usize,
    most: u64,
    uncopied: Cell<bool>,
    ended: Cell<Option<Instant>>,
    moved: Cell<Instant>,
    failed: Cell<bool>,
    malformed: Cell<bool>,
    starved: Cell<bool>,
    /// A body whose bytes have all passed, but whose sender has not said that this was the end.
    unended: RefCell<Option<Incoming>>,
}

impl Tee {
    /// Copies at most `limit` bytes, out of `copies`.
    pub fn new(copies: Rc<Copies>, limit: usize, now: Instant) -> Self {
        Self {
            bytes: Cell::new(0),
            copy: RefCell::new(Vec::new()),
            copies,
            limit,
            most: u64::MAX,
            uncopied: Cell::new(false),
            ended: Cell::new(None),
            moved: Cell::new(now),
            failed: Cell::new(false),
            malformed: Cell::new(false),
            starved: Cell::new(false),
            unended: RefCell::new(None),
        }
    }

    /// Bodies longer than this break.
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// True when the body is longer than allowed.
    pub fn too_large(&self) -> bool {
        self.bytes.get() > self.most
    }

    fn add(&self, data: &[u8]) {
        self.bytes.set(self.bytes.get() + data.len() as u64);
        let mut copy = self.copy.borrow_mut();
        let count = self.limit.saturating_sub(copy.len()).min(data.len());
        if count == 0 || self.uncopied.get() {
            return;
        }
        if self.copies.take(count) {
            copy.extend_from_slice(&data[..count]);
        } else {
            // Half a copy says nothing, and others can use its room.
            self.uncopied.set(true);
            self.copies.give_back(copy.len());
            *copy = Vec::new();
        }
    }

    /// True when there was no room for a copy.
    pub fn uncopied(&self) -> bool {
        self.uncopied.get()
    }

    /// When the last byte passed, if it did.
    pub fn ended(&self) -> Option<Instant> {
        self.ended.get()
    }

    /// When the last bytes passed.
    pub fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// True when the sender left in the middle.
    pub fn failed(&self) -> bool {
        self.failed.get()
    }

    /// True when the sender broke the framing, rather than leaving.
    pub fn malformed(&self) -> bool {
        self.malformed.get()
    }

    /// True when the receiver waits for the sender; false when it takes no more itself.
    pub fn starved(&self) -> bool {
        self.starved.get()
    }

    /// Notes whether the receiver waits.
    pub fn set_starved(&self, starved: bool) {
        self.starved.set(starved);
    }

    /// Notes the end, `at` some moment.
    pub fn end(&self, at: Instant) {
        self.ended.set(Some(at));
    }

    /// Keeps a body whose end has not been said; see [`Tee::unended`].
    pub fn keep_unended(&self, body: Incoming) {
        self.unended.replace(Some(body));
    }

    /// Bytes that passed.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Takes the copy out.
    pub fn take(&self) -> CapturedBody {
        let bytes = self.copy.take();
        self.copies.give_back(bytes.len());
        let truncated = self.bytes.get() > bytes.len() as u64;
        CapturedBody { truncated, complete: self.ended.get().is_some(), bytes }
    }

    /// Takes a body that is complete but for its end. HTTP/2 says the end apart: whoever drops a body before has the stream
    /// reset, and there are clients that take this for a failure although they were answered.
    pub fn unended(&self) -> Option<Incoming> {
        self.unended.take().filter(|body| !body.is_end_stream())
    }

    /// The whole body, if it has ended and was copied whole.
    pub fn whole(&self) -> Option<Bytes> {
        let copy = self.copy.borrow();
        let whole = self.ended.get().is_some() && self.bytes.get() == copy.len() as u64;
        whole.then(|| Bytes::copy_from_slice(&copy))
    }

    /// Notes what came; `at_end`: nothing comes after it.
    pub fn on_frame(&self, frame: Option<Result<&Frame<Bytes>, Fault>>, at_end: bool) {
        match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.add(data);
                }
                let now = Instant::now();
                self.moved.set(now);
                if at_end {
                    self.ended.set(Some(now));
                }
            }
            Some(Err(fault)) => {
                self.failed.set(true);
                self.malformed.set(fault == Fault::Malformed);
            }
            None => self.ended.set(Some(Instant::now())),
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.copies.give_back(self.copy.get_mut().len());
    }
}

/// How a body ends early.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its sender left, or the connection broke.
    Left,
    /// Its sender broke the framing.
    Malformed,
}

impl From<&hyper::Error> for Fault {
    fn from(error: &hyper::Error) -> Self {
        if is_malformed(error) { Self::Malformed } else { Self::Left }
    }
}

/// hyper tells broken chunks from a connection's early end only by the kind of the I/O error below.
fn is_malformed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    cause.is_some_and(|e| matches!(e.kind(), InvalidData | InvalidInput))
}
