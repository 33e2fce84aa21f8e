//! The streams of one caller's HTTP/2 connection, each kept to the pace that a connection of HTTP/1.1 is: who sends a body or
//! takes an answer too slowly frees what it holds.
//!
//! hyper runs each stream as a task of its own, from the request to the answer's last byte, and gives no other hold on it;
//! so the executor is where a stream can be ended: dropping its task resets it (RFC 9113 section 8.1, CANCEL) and records
//! what it carried.

use super::conn::{Conn, Cut};
use super::watchdog::Watched;
use std::cell::{Cell, OnceCell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Runs the streams' tasks on the worker's own thread.
#[derive(Clone, Default)]
pub struct Tasks {
    /// The task that is being polled.
    current: Rc<RefCell<Option<Slot>>>,
    running: Rc<Cell<usize>>,
}

/// What is known of one task once its exchange has begun.
type Slot = Rc<OnceCell<(Rc<Conn>, Watched)>>;

impl Tasks {
    /// Tells which stream the task that is being polled carries. From now on it is ended when its caller does not read.
    pub fn carries(&self, conn: Rc<Conn>, watched: Watched) {
        if let Some(slot) = &*self.current.borrow() {
            // A task carries one stream.
            let _ = slot.set((conn, watched));
        }
    }

    /// Streams that have not ended.
    pub fn running(&self) -> usize {
        self.running.get()
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let (tasks, slot) = (self.clone(), Slot::default());
        let running = Running::one_more(&self.running);
        tokio::task::spawn_local(async move {
            let _running = running;
            let mut future = pin!(future);
            std::future::poll_fn(|cx| {
                if let Some((conn, _)) = slot.get() {
                    conn.driven_by(cx.waker());
                    if conn.cut() == Some(Cut::Write) {
                        return Poll::Ready(());
                    }
                }
                tasks.current.replace(Some(Rc::clone(&slot)));
                let polled = future.as_mut().poll(cx);
                tasks.current.take();
                polled
            })
            .await;
        });
    }
}

/// Counts a task while it lives.
struct Running(Rc<Cell<usize>>);

impl Running {
    fn one_more(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
