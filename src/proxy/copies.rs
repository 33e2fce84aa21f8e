//! One worker's share of the memory for body copies of running exchanges. Without a common bound, many slow exchanges would
//! hold two copies each, whatever the bound of one copy is.

use std::cell::Cell;

/// What is left of it.
pub struct Copies {
    left: Cell<usize>,
}

impl Copies {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: Cell::new(bytes) }
    }

    /// Takes `bytes`, if there are so many.
    pub fn take(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes);
        if let Some(left) = left {
            self.left.set(left);
        }
        left.is_some()
    }

    /// Gives them back.
    pub fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
    }
}
