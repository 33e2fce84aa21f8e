//! An answer's body held back, and what then goes to the caller in its place.

use crate::exchange::Why;
use crate::proxy::body::{BodyError, ReplyStream};
use crate::proxy::copies::Copies;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::rc::Rc;
use std::task::{Context, Poll};

/// What was held of a body.
pub struct Held {
    data: Bytes,
    /// What came behind the data: trailers, or how it broke off.
    last: Option<Result<Frame<Bytes>, BodyError>>,
    over: bool,
    room: Room,
}

/// Reads a body to its end, its failure, or the bound: so many bytes, or what is left of `copies`.
pub async fn hold(stream: &mut ReplyStream, copies: &Rc<Copies>, most: usize) -> Held {
    let mut data = BytesMut::new();
    let mut room = Room { copies: Rc::clone(copies), taken: 0 };
    let (mut last, mut over) = (None, false);
    while let Some(frame) = std::future::poll_fn(|cx| stream.poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => {
                data.extend_from_slice(&bytes);
                over = data.len() > most || !room.take(bytes.len());
            }
            Ok(Err(trailers)) => last = Some(Ok(trailers)),
            Err(error) => last = Some(Err(error)),
        }
        if over || last.is_some() {
            break;
        }
    }
    Held { data: data.freeze(), last, over, room }
}

impl Held {
    /// The body, if it may be changed.
    pub fn whole(&self) -> Result<&[u8], Why> {
        match &self.last {
            _ if self.over => Err(Why::TooLarge),
            Some(Err(_)) => Err(Why::Unreadable),
            // Trailers as a rule vouch for what came before them.
            Some(Ok(_)) => Err(Why::Signed),
            None => Ok(&self.data),
        }
    }

    /// Puts another body in its place.
    pub fn replace(&mut self, body: Bytes) {
        self.data = body;
    }

    /// What was held, then what the stream still has.
    pub fn before(self, stream: ReplyStream) -> Ahead {
        let Self { data, last, room, .. } = self;
        Ahead { data: Some((data, room)).filter(|(data, _)| !data.is_empty()), last, paused: false, stream }
    }
}

/// A share of the worker's memory for bodies.
struct Room {
    copies: Rc<Copies>,
    taken: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> bool {
        let taken = self.copies.take(bytes);
        self.taken += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.copies.give_back(self.taken);
    }
}

/// A body whose beginning was held.
pub struct Ahead {
    data: Option<(Bytes, Room)>,
    last: Option<Result<Frame<Bytes>, BodyError>>,
    paused: bool,
    stream: ReplyStream,
}

impl Ahead {
    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some((data, _)) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        // A failure right behind the data would keep head and data from being sent: it waits for one turn.
        if matches!(self.last, Some(Err(_))) && !std::mem::replace(&mut self.paused, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.last.take() {
            Some(last) => Poll::Ready(Some(last)),
            None => self.stream.poll_frame(cx),
        }
    }

    /// True when nothing is left.
    pub fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.last.is_none() && self.stream.is_end_stream()
    }

    /// Bytes that are left, as far as known.
    pub fn size_hint(&self) -> SizeHint {
        // Of what broke off, the head told more than came.
        if matches!(self.last, Some(Err(_))) {
            return SizeHint::default();
        }
        let ahead = self.data.as_ref().map_or(0, |(data, _)| data.len() as u64);
        let stream = self.stream.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(stream.lower() + ahead);
        if let Some(upper) = stream.upper() {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}
