//! Bytes kept back until it is known whether they may pass.

use tokio::io::ReadBuf;

/// Room kept for the next head that comes in pieces; a larger one gives its memory back.
const KEEP: usize = 4 << 10;

/// Kept bytes; the first of them are free to go.
#[derive(Default)]
pub struct Held {
    bytes: Vec<u8>,
    gone: usize,
    free: usize,
}

impl Held {
    /// True when nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is kept back and not free to go.
    pub fn back(&self) -> &[u8] {
        &self.bytes[self.free..]
    }

    /// Keeps more.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Frees so many of those kept back.
    pub fn free(&mut self, count: usize) {
        self.free += count;
    }

    /// Forgets those kept back and frees `bytes` in their place.
    pub fn replace(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.free);
        self.bytes.extend_from_slice(bytes);
        self.free = self.bytes.len();
    }

    /// Hands over what is free, as far as there is room. True when anything went.
    pub fn hand_over(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let count = (self.free - self.gone).min(buf.remaining());
        if count == 0 {
            return false;
        }
        buf.put_slice(&self.bytes[self.gone..self.gone + count]);
        self.gone += count;
        if self.gone == self.free {
            self.bytes.drain(..self.gone);
            self.bytes.shrink_to(KEEP);
            (self.gone, self.free) = (0, 0);
        }
        true
    }
}
