//! Telling one worker's connections to finish. A cancellation token would be asked anew, under a lock, at every wake-up of
//! every connection; this is a flag that only this thread reads, and one waker kept a connection.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a drain leaves an idle HTTP/1.1 connection open: a request that is on its way is still answered, and its answer
/// tells the caller to come again on a new connection.
pub const LINGER: Duration = Duration::from_millis(100);

/// One worker's signal.
#[derive(Default)]
pub struct Drain {
    leaving: Cell<bool>,
    begun: Cell<bool>,
    next: Cell<u64>,
    closed: RefCell<HashSet<usize>>,
    waiting: RefCell<HashMap<u64, Waiting>>,
}

struct Waiting {
    listener: usize,
    told: Rc<Cell<bool>>,
    waker: Option<Waker>,
}

impl Drain {
    /// From now on answers tell callers to come again by another connection; those that are there stay.
    pub fn leave(&self) {
        self.leaving.set(true);
    }

    /// Begins: every connection is woken once to see it.
    pub fn begin(&self) {
        self.begun.set(true);
        self.tell(|_| true);
    }

    /// A listener is gone: its connections, those still to come included, are told to finish.
    pub fn close(&self, listener: usize) {
        self.closed.borrow_mut().insert(listener);
        self.tell(|of| of == listener);
    }

    fn tell(&self, whom: impl Fn(usize) -> bool) {
        for waiting in self.waiting.borrow_mut().values_mut().filter(|w| whom(w.listener)) {
            waiting.told.set(true);
            if let Some(waker) = waiting.waker.take() {
                waker.wake();
            }
        }
    }

    /// The place in the list of a connection that came in by `listener`.
    pub fn watch(self: &Rc<Self>, listener: usize) -> Watch {
        let id = self.next.get();
        self.next.set(id + 1);
        let told = Rc::new(Cell::new(self.begun.get() || self.closed.borrow().contains(&listener)));
        let waiting = Waiting { listener, told: Rc::clone(&told), waker: None };
        self.waiting.borrow_mut().insert(id, waiting);
        Watch { drain: Rc::clone(self), id, told, listed: false }
    }
}

/// A connection's place in the list; it is taken off when the connection ends.
pub struct Watch {
    drain: Rc<Drain>,
    id: u64,
    told: Rc<Cell<bool>>,
    listed: bool,
}

impl Watch {
    /// True once the connection is to finish.
    pub fn has_begun(&self) -> bool {
        self.told.get()
    }

    /// Whether an answer is the last on its connection, for what outlives a borrow of the watch.
    pub fn leaving(&self) -> Leaving {
        Leaving { drain: Rc::clone(&self.drain), told: Rc::clone(&self.told) }
    }

    /// Waits until the connection was told to finish, and [`LINGER`] longer for what is on its way.
    pub async fn lingered(&mut self) {
        std::future::poll_fn(|cx| {
            self.list(cx.waker());
            if self.has_begun() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        tokio::time::sleep(LINGER).await;
    }

    /// Waits for the first byte of `stream`, or its end; false when it is to finish and has said nothing.
    pub async fn spoken(&mut self, stream: &TcpStream) -> bool {
        let mut first = [0];
        tokio::select! {
            biased;
            // That it broke is seen by whoever reads it.
            _ = stream.peek(&mut first) => true,
            () = self.lingered() => false,
        }
    }

    /// Lists the task that polls the connection. A connection never changes its task, so once is enough.
    pub fn list(&mut self, waker: &Waker) {
        if !self.listed {
            self.listed = true;
            if let Some(waiting) = self.drain.waiting.borrow_mut().get_mut(&self.id) {
                waiting.waker = Some(waker.clone());
            }
        }
    }
}

/// Whether an answer is the last on its connection.
pub struct Leaving {
    drain: Rc<Drain>,
    told: Rc<Cell<bool>>,
}

impl Leaving {
    /// True once it is.
    pub fn get(&self) -> bool {
        self.told.get() || self.drain.leaving.get()
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
        let mut stays = drain.watch(0);
        stays.list(&Waker::from(Arc::clone(&here)));
        stays.list(&Waker::from(Arc::clone(&here)));
        let mut leaves = drain.watch(0);
        leaves.list(&Waker::from(Arc::clone(&gone)));
        drop(leaves);
        assert!(!stays.has_begun());
        drain.begin();
        assert!(stays.has_begun());
        assert!(drain.watch(1).has_begun(), "who comes late is told as well");
        assert_eq!((here.0.load(Ordering::Relaxed), gone.0.load(Ordering::Relaxed)), (1, 0));
    }

    #[test]
    fn whoever_leaves_tells_so_before_it_ends_anything() {
        let drain = Rc::new(Drain::default());
        let watch = drain.watch(0);
        let leaving = watch.leaving();
        assert!(!leaving.get());
        drain.leave();
        assert!(leaving.get() && !watch.has_begun());
    }

    #[test]
    fn a_closed_listener_concerns_its_own_connections() {
        let drain = Rc::new(Drain::default());
        let (mine, other) = (drain.watch(3), drain.watch(4));
        drain.close(3);
        assert!(mine.has_begun() && !other.has_begun());
        assert!(drain.watch(3).has_begun(), "taken over before, served after");
    }
}
