//! Telling one worker's connections to finish. A cancellation token would be asked anew, under a lock, at every wake-up of
//! every connection; this is a flag that only this thread reads, and one waker kept a connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

/// One worker's signal.
#[derive(Default)]
pub struct Drain {
    begun: Cell<bool>,
    next: Cell<u64>,
    waiting: RefCell<HashMap<u64, Waker>>,
}

impl Drain {
    /// Begins: every connection is woken once to see it.
    pub fn begin(&self) {
        self.begun.set(true);
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
    }

    /// True once begun.
    pub fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// A connection's place in the list.
    pub fn watch(self: &Rc<Self>) -> Watch {
        let id = self.next.get();
        self.next.set(id + 1);
        Watch { drain: Rc::clone(self), id, listed: false }
    }
}

/// A connection's place in the list; it is taken off when the connection ends.
pub struct Watch {
    drain: Rc<Drain>,
    id: u64,
    listed: bool,
}

impl Watch {
    /// True once the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.drain.has_begun()
    }

    /// Lists the task that polls the connection. A connection never changes its task, so once is enough.
    pub fn list(&mut self, waker: &Waker) {
        if !self.listed {
            self.listed = true;
            self.drain.waiting.borrow_mut().insert(self.id, waker.clone());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.drain.waiting.borrow_mut().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_still_there_are_woken_once() {
        let drain = Rc::new(Drain::default());
        let (here, gone) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut stays = drain.watch();
        stays.list(&Waker::from(Arc::clone(&here)));
        stays.list(&Waker::from(Arc::clone(&here)));
        let mut leaves = drain.watch();
        leaves.list(&Waker::from(Arc::clone(&gone)));
        drop(leaves);
        assert!(!stays.has_begun());
        drain.begin();
        assert!(stays.has_begun());
        assert_eq!((here.0.load(Ordering::Relaxed), gone.0.load(Ordering::Relaxed)), (1, 0));
    }
}
